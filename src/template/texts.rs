//! Filters that make a text of another: jinja's and Python's.

use minijinja::value::Value;
use minijinja::Error;

use super::filters::{wrong, Given};
use super::print::{bounded, python_str};
use super::variables::{is_missing, keys};

/// A text with blanks, or another character, to its left (`>`), to its right (`<`) or on both sides.
pub(super) fn padded(text: &str, width: usize, fill: char, align: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    let left = match align {
        '<' => 0,
        '^' => missing / 2,
        _ => missing,
    };
    let times = |number: usize| std::iter::repeat_n(fill, number);
    times(left).chain(text.chars()).chain(times(missing - left)).collect()
}

/// Python's `str.center`, which puts the odd one elsewhere than a format does.
pub(super) fn centred(text: &str, width: usize, fill: char) -> String {
    let length = text.chars().count();
    let missing = width.saturating_sub(length);
    let left = missing / 2 + (missing & width & 1);
    padded(&padded(text, length + left, fill, '>'), width, fill, '<')
}

pub(super) fn indented(text: &str, given: &Given<'_>) -> Result<String, Error> {
    let blanks = match given.get(0, "width") {
        Some(width) if width.as_str().is_some() => python_str(&width),
        width => " ".repeat(width.and_then(|width| width.as_usize()).unwrap_or(4).min(1_000)),
    };
    bounded(text.len() + (text.matches('\n').count() + 1).saturating_mul(blanks.len()))?;
    let mut lines = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        let is_left = (at == 0 && !given.is_set(1, "first")) || (at > 0 && line.is_empty() && !given.is_set(2, "blank"));
        lines.push(if is_left { line.to_owned() } else { format!("{blanks}{line}") });
    }
    Ok(lines.join("\n"))
}

/// A text without what stands between `<` and `>`, with single blanks, and with the characters that HTML has names for.
pub(super) fn without_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let end = if after.starts_with("!--") { "-->" } else { ">" };
        match after.split_once(end) {
            Some((_, behind)) => rest = behind,
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    let out = out.split_whitespace().collect::<Vec<_>>().join(" ");
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&#39;", "'"), ("&#34;", "\""), ("&quot;", "\""), ("&amp;", "&")];
    names.into_iter().fold(out, |out, (name, character)| out.replace(name, character))
}

/// The attributes of an element: those that have a value.
pub(super) fn attributes(entries: &[(Value, Value)], begins_with_blank: bool) -> String {
    let has_value = |value: &Value| !value.is_none() && !is_missing(value);
    let written = entries.iter().filter(|(_, value)| has_value(value));
    let written = written.map(|(key, value)| format!("{}=\"{}\"", escaped(&python_str(key)), escaped(&python_str(value))));
    let all = written.collect::<Vec<_>>().join(" ");
    if begins_with_blank && !all.is_empty() {
        format!(" {all}")
    } else {
        all
    }
}

pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

/// What is longer than asked for by more than a few characters ends with dots, between words.
pub(super) fn truncated(text: &str, given: &Given<'_>) -> String {
    let length = given.get(0, "length").and_then(|length| length.as_usize()).unwrap_or(255);
    let end = given.text(2, "end").unwrap_or_else(|| "...".to_owned());
    let leeway = given.get(3, "leeway").and_then(|leeway| leeway.as_usize()).unwrap_or(5);
    if text.chars().count() <= length.saturating_add(leeway) {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(end.chars().count())).collect();
    let whole = if given.is_set(1, "killwords") { None } else { kept.rsplit_once(' ') };
    whole.map_or(kept.as_str(), |(whole, _)| whole).to_owned() + &end
}

/// As Python's `textwrap`, each line by itself.
pub(super) fn wrapped(text: &str, given: &Given<'_>) -> Result<String, Error> {
    let width = given.get(0, "width").and_then(|width| width.as_usize()).unwrap_or(79).max(1);
    let breaks = given.get(1, "break_long_words").is_none_or(|breaks| breaks.is_true());
    let between = given.text(2, "wrapstring").unwrap_or_else(|| "\n".to_owned());
    let at_hyphens = given.get(3, "break_on_hyphens").is_none_or(|breaks| breaks.is_true());
    bounded(text.len().saturating_mul(between.len().max(1) + 1))?;
    let lines = text.lines().map(|line| filled(&pieces(line, at_hyphens), width, breaks, at_hyphens).join(&between));
    Ok(lines.collect::<Vec<_>>().join(&between))
}

/// Words, blanks between them, and the parts of words with hyphens.
fn pieces(line: &str, at_hyphens: bool) -> Vec<Vec<char>> {
    let chars: Vec<char> = line.chars().collect();
    let letter = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| c.is_alphabetic());
    let hyphen = |at: usize| chars.get(at) == Some(&'-');
    let may_break_behind = |at: usize| {
        let before = letter(at.checked_sub(1)) && (letter(at.checked_sub(2)) || (at > 1 && hyphen(at - 2) && letter(at.checked_sub(3))));
        at_hyphens && hyphen(at) && before && letter(Some(at + 1)) && letter(Some(at + 2 + usize::from(hyphen(at + 2))))
    };
    let mut out: Vec<Vec<char>> = Vec::new();
    for (at, c) in chars.iter().enumerate() {
        let begins = at == 0 || chars[at - 1].is_whitespace() != c.is_whitespace() || may_break_behind(at - 1);
        match out.last_mut().filter(|_| !begins) {
            Some(piece) => piece.push(*c),
            None => out.push(vec![*c]),
        }
    }
    out
}

fn filled(pieces: &[Vec<char>], width: usize, breaks: bool, at_hyphens: bool) -> Vec<String> {
    let is_blank = |piece: &[char]| piece.iter().all(|c| c.is_whitespace());
    let mut lines: Vec<String> = Vec::new();
    let mut left = pieces.iter().map(Vec::as_slice).rev().collect::<Vec<_>>();
    while let Some(next) = left.last() {
        if is_blank(next) && !lines.is_empty() {
            left.pop();
        }
        let (mut line, mut length) = (Vec::new(), 0);
        while let Some(piece) = left.last().copied().filter(|piece| length + piece.len() <= width) {
            length += piece.len();
            line.push(piece);
            left.pop();
        }
        if let Some(long) = left.last().copied().filter(|piece| piece.len() > width) {
            left.pop();
            let room = width - length;
            let hyphen = long[..room.min(long.len())].iter().rposition(|c| *c == '-').filter(|at| at_hyphens && *at > 0);
            let end = hyphen.map_or(room, |at| at + 1);
            if breaks && end > 0 {
                line.push(&long[..end]);
                left.push(&long[end..]);
            } else if line.is_empty() {
                line.push(long);
            } else {
                left.push(long);
            }
        }
        if line.last().is_some_and(|last| is_blank(last)) {
            line.pop();
        }
        if !line.is_empty() {
            lines.push(line.concat().into_iter().collect());
        }
    }
    lines
}

pub(super) fn words(text: &str) -> usize {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).count()
}

/// A size with its unit: decimal ones, or binary ones where they are asked for.
pub(super) fn file_size(value: &Value, is_binary: bool) -> Result<String, Error> {
    let text = python_str(value);
    let bytes: f64 = text.trim().parse().map_err(|_| wrong(format!("`{text}` is no size")))?;
    let base = if is_binary { 1024.0 } else { 1000.0 };
    if bytes < base {
        return Ok(if (bytes - 1.0).abs() < f64::EPSILON { "1 Byte".to_owned() } else { format!("{} Bytes", bytes.trunc()) });
    }
    let mut number = bytes / base;
    let mut units = "kMGTPEZY".chars();
    let mut unit = units.next().unwrap_or_default();
    while number >= base {
        let Some(next) = units.next() else { break };
        (number, unit) = (number / base, next);
    }
    let unit = if is_binary { format!("{}iB", unit.to_ascii_uppercase()) } else { format!("{unit}B") };
    Ok(format!("{number:.1} {unit}"))
}

/// A text, or the entries of a mapping as a query.
pub(super) fn for_url(value: &Value, items: &[Value]) -> Result<String, Error> {
    let pair = |key: &Value, value: &Value| format!("{}={}", percent_coded(key, true), percent_coded(value, true));
    let pairs: Vec<String> = if let Some(keys) = keys(value) {
        keys.iter().map(|key| Ok(pair(key, &value.get_item(key)?))).collect::<Result<_, Error>>()?
    } else if value.as_str().is_none() && !items.is_empty() {
        let of_two = |item: &Value| Ok(pair(&item.get_item(&Value::from(0))?, &item.get_item(&Value::from(1))?));
        items.iter().map(of_two).collect::<Result<_, Error>>()?
    } else {
        return Ok(percent_coded(value, false));
    };
    Ok(pairs.join("&"))
}

fn percent_coded(value: &Value, in_query: bool) -> String {
    let mut out = String::new();
    for byte in python_str(value).bytes() {
        match byte {
            b' ' if in_query => out.push('+'),
            b'/' if !in_query => out.push('/'),
            _ if byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
