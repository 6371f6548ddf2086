//! From the parser's complaint to an error that says what to change.
//!
//! The parser's words are kept as the last resort; what is said beyond them comes from looking at the user's text where the
//! parser stopped, not from matching its messages.

use saphyr_parser::{Event, ScanError, Span};

use super::lookalikes::{begins_typographic, odd_blank, Place, TYPOGRAPHIC};
use super::source::{construct_end, Source};
use super::YamlError;

/// The offset of the quote or bracket that was open when the parser stopped: the outermost bracket, or the quote. `events`
/// are those before the error.
pub(super) fn open_construct(source: &Source, events: &[(Event<'_>, Span)], error: &ScanError) -> Option<usize> {
    let mut open = Vec::new();
    let mut behind = 0;
    for (event, span) in events {
        let start = source.offset(&span.start);
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let bracket = source.behind_properties(start);
                let is_flow = source.text()[bracket..].starts_with(['[', '{']);
                open.push(Some(bracket).filter(|_| is_flow));
                if is_flow {
                    behind = behind.max(bracket);
                }
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            Event::Scalar(..) | Event::Alias(_) => behind = behind.max(source.offset(&span.end)),
            _ => {}
        }
    }
    let outermost = open.into_iter().flatten().next();
    outermost.or_else(|| first_opener(source.text(), behind, source.offset(error.marker())))
}

/// The first quote or bracket that starts a value at or after `from`, up to and including `to`.
fn first_opener(text: &str, from: usize, to: usize) -> Option<usize> {
    let mut at = from;
    while at <= to {
        let rest = &text[at..];
        let c = rest.chars().next()?;
        let blank_before = at == 0 || text[..at].ends_with([' ', '\n', '\t']);
        at += match c {
            '"' | '\'' | '[' | '{' => return Some(at),
            '#' if blank_before => rest.find('\n').unwrap_or(rest.len()),
            '&' | '!' | '*' => rest.find([' ', '\n']).unwrap_or(rest.len()),
            c if c.is_whitespace() || "-?:,]}".contains(c) => c.len_utf8(),
            c => rest.find(": ").or(rest.find('\n')).unwrap_or(rest.len()).max(c.len_utf8()),
        };
    }
    None
}

/// The error to show for the parser's `error`, with `opener` as [`open_construct`] found it.
pub(super) fn syntax_error(source: &Source, error: &ScanError, opener: Option<usize>) -> YamlError {
    if let Some(opener) = opener.filter(|&opener| construct_end(source.text(), opener).is_none()) {
        return never_closed(source, opener);
    }
    let at = source.offset(error.marker());
    let line_number = source.line_of(at);
    let line = source.line(line_number);
    let blank = line.len() - line.trim_start().len();
    let error_here = |message: &str| YamlError::at(source.place(at), message);
    if let Some(tab) = line[..blank].find('\t') {
        let place = source.place(at - in_line(source, at) + tab);
        return YamlError::at(place, TAB.0).with_help(TAB.1);
    }
    if let Some(error) = odd_blank_in(source, line_number) {
        return error;
    }
    let text = source.text();
    let tab = if text[at..].starts_with('\t') { Some(at) } else { text[..at].ends_with('\t').then(|| at - 1) };
    if let Some(tab) = tab {
        return YamlError::at(source.place(tab), "a tab separates values")
            .with_help("replace the tab with a space, or put the value in quotes");
    }
    let found = source.text()[at..].chars().next().unwrap_or('\n');
    if "@`%".contains(found) {
        return error_here(&format!("a value cannot start with `{found}`")).with_help("put the value in quotes");
    }
    if found == '*' {
        return error_here("this alias has no anchor before it")
            .with_help("if the value should start with `*`, put it in quotes; an alias needs an `&name` above it");
    }
    if let Some(key) = key_of_second_colon(line, in_line(source, at)) {
        if line.split_once(": ").is_some_and(|(_, value)| begins_typographic(value.trim_start())) {
            return error_here(TYPOGRAPHIC.0).with_help(TYPOGRAPHIC.1);
        }
        return error_here("`: ` stands twice on this line, so the value looks like another key")
            .with_help(format!("put the value of `{key}` in quotes"));
    }
    if error.info().contains("escape character") {
        return error_here("a backslash stands in this quoted string before a character it cannot stand before")
            .with_help("write the backslash twice, or put the value in single quotes");
    }
    // Which of its rules was broken is only in the parser's words.
    if error.info().contains("simple key") {
        return no_key(source, at);
    }
    let before = text[..at].trim_end_matches(' ');
    if let Some(what) = before.chars().next_back().and_then(ended) {
        let help = match text[at..].starts_with("(http") {
            true => "this looks like a link of Markdown: write the address alone",
            false => "put all of the value in quotes; or is a quote or a bracket missing above?",
        };
        return error_here(&format!("the {what} ends here, and something follows it")).with_help(help);
    }
    if "|>".contains(found) && error.info().contains("block scalar") {
        if let Some(tab) = tab_below(source, at) {
            return YamlError::at(source.place(tab), TAB.0).with_help(TAB.1);
        }
        return error_here("something follows the `|` or `>` on its line").with_help("begin the text on the next line, indented");
    }
    if error.info().contains("mapping values") {
        return error_here("this `:` makes a key of what stands before it, where no key can be").with_help(hint(source, line_number));
    }
    let is_item = line[blank..].starts_with("- ") && in_line(source, at) <= blank + 2;
    let expected = error.info().split("did not find expected ").nth(1).unwrap_or_default();
    if expected == "key" && is_item {
        return YamlError::at(source.place_in_line(line_number), "an item of a list stands where the next key should")
            .with_help("a list stands below its key: check the indentation, and whether the key above has another value already");
    }
    if expected == "key" || expected.contains("'-'") {
        let what = if expected == "key" { "the next `key: value`" } else { "the next `- ` of the list" };
        return error_here(&format!("{what} should stand here, in the same column as the ones above"))
            .with_help("check the indentation; a text of several lines begins with `|` behind its key, and is indented further");
    }
    error_here(&format!("not valid YAML: {}", error.info())).with_help(hint(source, line_number))
}

/// What ends with this sign.
const fn ended(sign: char) -> Option<&'static str> {
    match sign {
        ']' => Some("list in brackets"),
        '}' => Some("mapping in braces"),
        '"' | '\'' => Some("quoted string"),
        _ => None,
    }
}

/// What is said of a tab in an indent, and what to do about it.
pub(super) const TAB: (&str, &str) = ("a tab stands where spaces should", "YAML is indented with spaces only; replace the tab with spaces");

/// The tab that begins the text below the `|` or `>` at `at`, where nothing else follows that.
fn tab_below(source: &Source, at: usize) -> Option<usize> {
    let (header, below) = source.text()[at..].split_once('\n')?;
    let behind = header[1..].trim_start_matches(|c: char| c.is_ascii_digit() || "+-".contains(c)).trim_start();
    let is_header = behind.is_empty() || behind.starts_with('#');
    (is_header && below.starts_with('\t')).then_some(at + header.len() + 1)
}

/// The blank of a line, from 0, that makes it something else than it looks like.
fn odd_blank_in(source: &Source, line: usize) -> Option<YamlError> {
    let blank = odd_blank(source.line(line)).filter(|blank| blank.place != Place::End)?;
    let error = YamlError::at(source.place(source.line_start(line) + blank.at), format!("{} {}", blank.name, blank.place.effect()));
    Some(error.with_help(blank.place.help()))
}

/// A line that is no entry of the mapping that it stands in. The parser has noticed it at `at`, where the next one begins.
fn no_key(source: &Source, at: usize) -> YamlError {
    let stopped = source.line_of(at);
    let is_last = source.text()[at..].trim().is_empty() && !source.line(stopped).trim().is_empty();
    let last = if is_last { stopped } else { stopped.saturating_sub(1) };
    let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let found = (0..=last).rev().map(|number| (number, source.line(number))).find(|(_, line)| is_said(line));
    let (number, line) = found.unwrap_or((stopped, source.line(stopped)));
    if let Some(error) = odd_blank_in(source, number) {
        return error;
    }
    let key = line.trim_start_matches([' ', '-']).split_once(':').filter(|(_, rest)| !rest.starts_with("//")).map(|(key, _)| key);
    let is_glued = key.is_some_and(|key| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    let is_word = !line.trim().contains(|c: char| !c.is_ascii_lowercase() && c != '_');
    let help = match (is_glued, is_word) {
        (true, _) => "put a blank behind the `:`",
        (_, true) => "is a `:` missing behind it?",
        _ => "is it meant to be part of the text above? then indent it as that is",
    };
    YamlError::at(source.place_in_line(number), "this line is no `key: value`").with_help(help)
}

/// The error as it is, or, where a value begins with the signs of a template, that.
pub(super) fn not_rendered(text: &str, error: YamlError) -> YamlError {
    let line = text.lines().nth(error.line as usize - 1).unwrap_or_default();
    let line = line.trim_start_matches([' ', '\t', '-']);
    let value = line.split_once(": ").map_or(line, |(_, value)| value.trim_start());
    let is_template = |text: &str| ["{{", "{%", "{#", "%{", "<%", "% "].iter().any(|sign| text.starts_with(sign));
    // `${x}` is text, but for a line of its own, and in brackets, where it opens a mapping.
    let is_variable = (line.starts_with("${") && line.trim_end().ends_with('}'))
        || value.strip_prefix('[').is_some_and(|item| item.trim_start().starts_with("${"));
    if !is_template(line) && !is_template(value) && !is_variable {
        return error;
    }
    let (message, help) = crate::template::NOT_RENDERED;
    YamlError { message: message.into(), help: Some(help.into()), ..error }
}

/// Bytes between the start of its line and an offset.
fn in_line(source: &Source, at: usize) -> usize {
    at - source.text()[..at].rfind('\n').map_or(0, |break_at| break_at + 1)
}

fn never_closed(source: &Source, opener: usize) -> YamlError {
    let sign = &source.text()[opener..=opener];
    let (what, closing) = match sign {
        "[" => ("list in brackets", "]"),
        "{" => ("mapping in braces", "}"),
        quote => ("quoted string", quote),
    };
    YamlError::at(source.place(opener), format!("the {what} that starts here never ends")).with_help(format!("add the missing `{closing}`"))
}

/// The key before the first `: ` of a line, if the parser stopped at a later one.
fn key_of_second_colon(line: &str, stopped: usize) -> Option<&str> {
    let first = line.find(": ")?;
    let key = line[..first].trim_start_matches([' ', '-']);
    let stopped_at_colon = line.get(stopped..).is_some_and(|rest| rest.starts_with(':'));
    (stopped_at_colon && stopped > first && !key.is_empty()).then_some(key)
}

fn hint(source: &Source, line: usize) -> &'static str {
    let indentation = |text: &str| text.len() - text.trim_start_matches(' ').len();
    let here = source.line(line);
    let above = (0..line).rev().map(|number| source.line(number)).find(|text| !text.trim().is_empty());
    match above {
        Some(above) if indentation(above) != indentation(here) => {
            "check the indentation of this line and the one above: entries of one list or mapping start in the same column"
        }
        Some(above) if !above.contains(':') && !above.trim_start().starts_with('-') => "is a `:` missing on the line above?",
        _ => "",
    }
}
