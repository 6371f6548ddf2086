//! What YAML 1.2 allows and PyYAML refuses.
//!
//! `saphyr-parser` has accepted the text when this runs. The texts of scalars are skipped; what lies between them (white
//! space, comments, indicators, anchors, tags, directives) is looked at character by character. Refusing here what
//! cloud-init refuses keeps a document that passes `validate` good for both.

use std::collections::HashSet;

use saphyr_parser::{Event, ScalarStyle, Span};

use super::explain::TAB;
use super::source::{construct_end, Source};
use super::YamlError;

/// Checks a parsed document.
pub(super) fn check(source: &Source, events: &[(Event<'_>, Span)]) -> Result<(), YamlError> {
    check_so_far(source, events)?.gap(source.text().len())
}

/// Checks what stands before the last of the events.
pub(super) fn check_so_far<'a>(source: &'a Source, events: &[(Event<'_>, Span)]) -> Result<Check<'a>, YamlError> {
    let mut check = Check { source, at: 0, flow: 0, anchors: HashSet::new(), last: None, started: false };
    let mut keys = Keys::default();
    for (event, span) in events {
        let start = source.offset(&span.start);
        let end = source.offset(&span.end);
        check.gap(start)?;
        keys.event(source, event, span, check.last == Some('?'))?;
        check.started |= !matches!(event, Event::StreamStart | Event::StreamEnd);
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let has_properties = *anchor > 0 || tag.is_some();
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if has_properties {
                    check.properties(end)?;
                } else if block && span.start.col() == 0 && !value.trim().is_empty() {
                    return Err(check.error(start, "the text below `|` or `>` is not indented", "indent it"));
                }
                if check.at < end && !is_nothing(event) {
                    // The span of a block scalar without content is its header; any other's is the content alone.
                    check.scalar(*style, block && value.trim().is_empty(), end)?;
                }
            }
            Event::Alias(_) => check.gap(end)?,
            Event::MappingStart(..) | Event::SequenceStart(..) => check.last = None,
            _ => {}
        }
    }
    Ok(check)
}

/// Whether this is the empty scalar that stands for a key or value that was not written.
fn is_nothing(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, 0, None) if text.is_empty())
}

pub(super) struct Check<'a> {
    source: &'a Source,
    /// Everything before this offset is checked.
    at: usize,
    /// How many flow collections are open.
    flow: usize,
    anchors: HashSet<&'a str>,
    /// The last indicator, white space, comments and properties aside; `None` behind a scalar.
    last: Option<char>,
    /// Whether the document has started.
    started: bool,
}

impl<'a> Check<'a> {
    fn error(&self, at: usize, message: impl Into<String>, help: &str) -> YamlError {
        YamlError::at(self.source.place(at), message).with_help(help)
    }

    /// Checks the text up to `end`, which holds no scalar.
    fn gap(&mut self, end: usize) -> Result<(), YamlError> {
        let source = self.source;
        let text = source.text();
        while let Some(c) = text[self.at..].chars().next().filter(|_| self.at < end) {
            let rest = &text[self.at..];
            let mut length = c.len_utf8();
            match c {
                ' ' | '\n' => {}
                '\t' => return Err(self.tab(self.at)),
                '#' => length = rest.find('\n').unwrap_or(rest.len()),
                '%' => length = self.directive(rest)?,
                '&' | '*' => length = self.anchor(rest, c)?,
                '.' if !self.started => {
                    return Err(self.error(self.at, "`...` ends a document that has not started", "remove the line"));
                }
                '!' => length = self.tag(rest)?,
                _ => {
                    self.flow += usize::from(matches!(c, '[' | '{'));
                    self.flow = self.flow.saturating_sub(usize::from(matches!(c, ']' | '}')));
                    self.last = Some(c);
                }
            }
            self.at += length;
        }
        Ok(())
    }

    /// Checks the anchor and tag in front of a scalar that ends at `end`, and the space behind them.
    fn properties(&mut self, end: usize) -> Result<(), YamlError> {
        let text = self.source.text();
        while self.at < end && text[self.at..].starts_with(['&', '!', ' ', '\t', '\n', '#']) {
            self.gap(self.at + 1)?;
        }
        Ok(())
    }

    fn scalar(&mut self, style: ScalarStyle, is_header: bool, end: usize) -> Result<(), YamlError> {
        let text = &self.source.text()[self.at..end];
        if style == ScalarStyle::Plain {
            if let Some(tab) = text.find('\t') {
                return Err(self.tab(self.at + tab));
            }
            let special = text.chars().next().filter(|c| ":|>".contains(*c)).or(text.contains('?').then_some('?'));
            if let Some(special) = special.filter(|_| self.flow > 0) {
                let message = format!("`{}` cannot stand unquoted in brackets because of its `{special}`", first_line(text));
                return Err(self.error(self.at, message, "put it in quotes"));
            }
        }
        if let Some(tab) = text.split('#').next().and_then(|text| text.find('\t')).filter(|_| is_header) {
            return Err(self.tab(self.at + tab));
        }
        let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
        // The span of a quoted scalar reaches over the blanks and the comment behind it.
        let closed = if quoted { construct_end(self.source.text(), self.at) } else { None };
        self.at = closed.unwrap_or(end);
        self.last = None;
        Ok(())
    }

    fn tab(&self, at: usize) -> YamlError {
        let line_start = self.source.text()[..at].rfind('\n').map_or(0, |break_at| break_at + 1);
        if self.source.text()[line_start..at].trim().is_empty() {
            self.error(at, TAB.0, TAB.1)
        } else {
            self.error(at, "a tab separates values", "replace the tab with a space, or put the value in quotes")
        }
    }

    fn directive(&self, rest: &str) -> Result<usize, YamlError> {
        let line = first_line(rest);
        let name = line[1..].split(' ').next().unwrap_or_default();
        if name == "YAML" {
            let version = line.split_whitespace().nth(1).unwrap_or_default();
            if !version.starts_with("1.") {
                return Err(self.error(self.at, format!("YAML version {version} is unknown"), "remove the %YAML line"));
            }
        }
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(self.error(self.at, "this directive's name is not valid", "remove the line that starts with `%`"));
        }
        Ok(line.len())
    }

    fn tag(&self, rest: &str) -> Result<usize, YamlError> {
        let brackets = if self.flow > 0 { ",[]{}" } else { "" };
        let end = rest.find(|c: char| " \t\n".contains(c) || brackets.contains(c)).unwrap_or(rest.len());
        if rest[end..].starts_with(',') {
            let message = format!("the tag `{}` takes the comma behind it as part of its name", &rest[..end]);
            return Err(self.error(self.at, message, "write the value out, or put it in quotes if it was meant as text"));
        }
        Ok(end)
    }

    fn anchor(&mut self, rest: &'a str, sign: char) -> Result<usize, YamlError> {
        let name_end = rest[1..].bytes().position(|b| !is_name_byte(b)).map_or(rest.len(), |at| at + 1);
        let name = &rest[1..name_end];
        let what = if sign == '&' { "anchor" } else { "alias" };
        if name.is_empty() || !rest[name_end..].chars().next().is_none_or(|c| " \n\t,]}".contains(c)) {
            let message = format!("an {what}'s name is made of letters, digits, `-` and `_`");
            return Err(self.error(self.at + name_end, message, "rename it, or put the value in quotes if it was meant as text"));
        }
        if sign == '&' && !self.anchors.insert(name) {
            return Err(self.error(self.at, format!("the anchor `&{name}` is defined twice"), "give one of the two another name"));
        }
        Ok(name_end)
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

/// Follows which nodes are keys of mappings. A key without `?` must be there and stand on one line.
#[derive(Default)]
struct Keys {
    open: Vec<Collection>,
}

struct Collection {
    mapping: bool,
    key_next: bool,
    /// Line of its start, if it is itself an implicit key.
    key_from: Option<usize>,
}

impl Keys {
    fn event(&mut self, source: &Source, event: &Event<'_>, span: &Span, after_question: bool) -> Result<(), YamlError> {
        let here = || source.place(source.offset(&span.start));
        let key = self.open.last().is_some_and(|c| c.mapping && c.key_next) && !after_question;
        let on_one_line = |from: usize| {
            let end = source.offset(&span.end);
            let behind = source.text()[end..].trim_start();
            let colon = source.text().len() - behind.len();
            if !behind.starts_with(':') || source.line_of(colon) + 1 == from {
                return Ok(());
            }
            Err(YamlError::at(here(), "a key and its `:` must stand on one line")
                .with_help("is a quote, a bracket or a `:` missing above?"))
        };
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let mapping = matches!(event, Event::MappingStart(..));
                let key_from = key.then_some(span.start.line());
                self.open.push(Collection { mapping, key_next: true, key_from });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let closed = self.open.pop();
                if let Some(from) = closed.and_then(|c| c.key_from) {
                    on_one_line(from)?;
                }
                self.turn();
            }
            Event::Scalar(_, style, ..) => {
                if key && is_nothing(event) {
                    return Err(YamlError::at(here(), "there is no key before this `:`"));
                }
                if key && !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
                    on_one_line(span.start.line())?;
                }
                self.turn();
            }
            Event::Alias(_) => self.turn(),
            _ => {}
        }
        Ok(())
    }

    fn turn(&mut self) {
        if let Some(collection) = self.open.last_mut() {
            collection.key_next = !collection.key_next;
        }
    }
}
