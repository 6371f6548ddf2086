//! The text that the parser is given, and the way back from its positions to the user's.
//!
//! YAML 1.2, which `saphyr-parser` reads, refuses some of what YAML 1.1 allows and people write:
//!
//! ```yaml
//! runcmd: [
//! "apt-get update",   # not indented further than `runcmd`
//! [tar, -xf, -],      # a lone dash
//! ]# a comment without a space
//! ```
//!
//! Where the parser stumbles over one of these, [`Source::smooth`] takes it away without changing what the text means, and the
//! text is parsed again. Columns are mapped back.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;

use saphyr_parser::Marker;

/// A document's text with its line breaks unified, perhaps indented in places.
#[derive(Default)]
pub(super) struct Source {
    text: String,
    /// Byte offset of each line's start.
    lines: Vec<usize>,
    /// How many spaces were put in front of lines, by line from 0.
    indented: BTreeMap<usize, usize>,
    ascii: bool,
    /// Line, column and offset of the marker that was last looked up.
    last_offset: Cell<(usize, usize, usize)>,
    /// The character that stands in for lone dashes.
    stand_in: Option<char>,
}

impl Source {
    /// Unifies line breaks (CRLF and CR mean LF in YAML) and leaves out a byte order mark.
    pub(super) fn new(text: &str) -> Source {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_string() };
        let mut source = Source::default();
        source.set_text(text);
        source
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The byte offset of a marker, at most the text's end.
    pub(super) fn offset(&self, marker: &Marker) -> usize {
        let Some(&start) = self.lines.get(marker.line().saturating_sub(1)) else {
            return self.text.len();
        };
        if self.ascii {
            return (start + marker.col()).min(self.text.len());
        }
        // Markers mostly come in order, and a line may be the whole text: go on from the last one.
        let (line, mut column, mut offset) = self.last_offset.get();
        if line != marker.line() {
            (column, offset) = (0, start);
        }
        if marker.col() < column {
            let back = self.text[..offset].char_indices().rev().nth(column - marker.col() - 1);
            offset = back.map_or(0, |(at, _)| at);
        } else {
            let rest = &self.text[offset..];
            let ahead = rest.char_indices().nth(marker.col() - column);
            offset += ahead.map_or(rest.len(), |(at, _)| at);
        }
        self.last_offset.set((marker.line(), marker.col(), offset));
        offset
    }

    /// The user's line and column, from 1, of a marker.
    pub(super) fn place_of(&self, marker: &Marker) -> (u32, u32) {
        let added = self.indented.get(&marker.line().saturating_sub(1)).copied().unwrap_or(0);
        (count(marker.line()), count(marker.col().saturating_sub(added) + 1))
    }

    /// The user's line and column, from 1, of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.line_of(offset);
        let mut column = self.text[self.lines[line]..offset].chars().count();
        column = column.saturating_sub(self.indented.get(&line).copied().unwrap_or(0));
        (count(line + 1), count(column + 1))
    }

    /// Where a line, from 0, begins behind its blanks.
    pub(super) fn place_in_line(&self, line: usize) -> (u32, u32) {
        let text = self.line(line);
        self.place(self.line_start(line) + text.len() - text.trim_start().len())
    }

    /// The byte offset of a line, from 0.
    pub(super) fn line_start(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(0)
    }

    /// The line, from 0, that a byte offset is in.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|&start| start <= offset).saturating_sub(1)
    }

    /// A line's text, by line from 0.
    pub(super) fn line(&self, line: usize) -> &str {
        let Some(&start) = self.lines.get(line) else {
            return "";
        };
        self.text[start..].split('\n').next().unwrap_or_default()
    }

    /// The offset behind the anchor and tag that stand at `at`.
    pub(super) fn behind_properties(&self, mut at: usize) -> usize {
        let text = &self.text;
        while text[at..].starts_with(['&', '!']) {
            at += text[at..].find([' ', '\n']).unwrap_or(text.len() - at);
            at += text[at..].find(|c| !" \n".contains(c)).unwrap_or(text.len() - at);
        }
        at
    }

    /// Takes away what the parser stumbled over at the offset `at`, with `opener` the quote or bracket open there. False if
    /// there is nothing that could be taken away.
    pub(super) fn smooth(&mut self, at: usize, opener: Option<usize>) -> bool {
        self.detach_comment(at) || self.stand_in_for_dashes(at) || opener.is_some_and(|opener| self.indent_construct(opener))
    }

    /// `"a"# comment`: YAML 1.2 wants a space before the `#`.
    fn detach_comment(&mut self, at: usize) -> bool {
        let glued = self.text[at..].starts_with('#') && self.text[..at].ends_with(['"', '\'', '[', ']', '{', '}', ',']);
        if glued {
            self.set_text(format!("{} {}", &self.text[..at], &self.text[at..]));
        }
        glued
    }

    /// `[tar, -xf, -]`: YAML 1.2 has no lone dash in brackets. Another character stands in for such dashes.
    fn stand_in_for_dashes(&mut self, at: usize) -> bool {
        let is_lone = |at: usize| {
            self.text[at..].starts_with('-')
                && self.text[at + 1..].starts_with([',', '[', ']', '{', '}'])
                && self.text[..at].ends_with([' ', '\n', ',', '[', '{', ':'])
        };
        let stand_in = ('\u{e000}'..='\u{f8ff}').find(|c| !self.text.contains(*c));
        let (Some(stand_in), None, true) = (stand_in, self.stand_in, is_lone(at)) else {
            return false;
        };
        let replaced = self.text.char_indices().map(|(at, c)| if c == '-' && is_lone(at) { stand_in } else { c }).collect();
        self.stand_in = Some(stand_in);
        self.set_text(replaced);
        true
    }

    /// A scalar's text with the dashes that another character stood in for.
    pub(super) fn original<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.stand_in {
            Some(stand_in) if text.contains(stand_in) => Cow::Owned(text.replace(stand_in, "-")),
            _ => Cow::Borrowed(text),
        }
    }

    fn set_text(&mut self, text: String) {
        self.lines = line_starts(&text);
        self.ascii = text.is_ascii();
        self.last_offset = Cell::default();
        self.text = text;
    }

    /// Indents the later lines of the quoted string or flow collection that opens at `opener`. False if there is nothing
    /// left to indent, or the construct does not end, or a document marker stands in it.
    fn indent_construct(&mut self, opener: usize) -> bool {
        let Some(end) = construct_end(&self.text, opener) else {
            return false;
        };
        let first = self.line_of(opener) + 1;
        let last = self.line_of(end - 1);
        if first > last || (first..=last).any(|line| self.indented.contains_key(&line)) {
            return false;
        }
        if (first..=last).any(|line| is_document_marker(self.line(line))) {
            return false;
        }
        let margin = self.text[self.lines[first - 1]..opener].chars().count() + 1;
        let mut out = self.text[..self.lines[first]].to_string();
        for line in first..=last {
            if !self.line(line).trim().is_empty() {
                out.extend(std::iter::repeat_n(' ', margin));
            }
            out.push_str(self.line(line));
            out.push('\n');
            self.indented.insert(line, margin);
        }
        match self.lines.get(last + 1) {
            Some(&rest) => out.push_str(&self.text[rest..]),
            None => drop(out.pop()),
        }
        self.set_text(out);
        true
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn is_document_marker(line: &str) -> bool {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']))
}

/// The offset just behind the quoted string or flow collection that starts at `start`; `None` if it never ends.
pub(super) fn construct_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<u8> = Vec::new();
    let mut at = start;
    loop {
        let byte = *bytes.get(at)?;
        at = match byte {
            b'"' | b'\'' => quoted_end(text, at)?,
            b'[' | b'{' => {
                open.push(byte);
                at + 1
            }
            b']' | b'}' => {
                open.pop();
                at + 1
            }
            b'#' if at == 0 || bytes[at - 1].is_ascii_whitespace() => at + text[at..].find('\n')?,
            b' ' | b'\t' | b'\n' | b',' | b':' | b'?' => at + 1,
            b'&' | b'*' | b'!' => at + text[at..].find([' ', '\t', '\n', ',', '[', ']', '{', '}'])?,
            _ => flow_plain_end(text, at),
        };
        if open.is_empty() {
            return Some(at);
        }
    }
}

/// The offset just behind the quoted string that starts at `start`.
fn quoted_end(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let quote = bytes[start];
    let mut at = start + 1;
    loop {
        let byte = *bytes.get(at)?;
        let escape = byte == b'\\' && quote == b'"';
        let doubled = byte == b'\'' && quote == b'\'' && bytes.get(at + 1) == Some(&b'\'');
        if escape || doubled {
            at += 2;
        } else if byte == quote {
            return Some(at + 1);
        } else {
            at += 1;
        }
    }
}

/// The offset just behind the plain scalar that starts at `start` in a flow collection.
fn flow_plain_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let after = |at: usize| bytes.get(at + 1).copied().unwrap_or(b'\n');
    let ends = |at: usize| match bytes[at] {
        b',' | b'[' | b']' | b'{' | b'}' | b'?' => true,
        b':' => b" \t\n,[]{}".contains(&after(at)),
        b' ' | b'\t' | b'\n' => after(at) == b'#',
        _ => false,
    };
    (start + 1..bytes.len()).find(|&at| ends(at)).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_construct_ends_where_its_bracket_or_quote_closes() {
        let rows = [
            ("\"a\\\"b\" c", Some(6)),
            ("'it''s' c", Some(7)),
            ("[a, ']', \"]\", {b: ]}, it's] c", Some(20)),
            ("[a, # ]\n b] c", Some(11)),
            ("[a#], b", Some(4)),
            ("[it's, x] y", Some(9)),
            ("[a\n\"] y", Some(5)),
            ("[!t &a b, *c] d", Some(13)),
            ("\"abc", None),
            ("[a, b", None),
        ];
        for (text, end) in rows {
            assert_eq!(construct_end(text, 0), end, "{text}");
        }
    }

    #[test]
    fn indented_lines_map_back_to_the_users_columns() {
        let mut source = Source::new("a:\n  b: [\nx,\n\t y]\nz: 1");
        let opener = source.text().find('[').unwrap();
        assert!(source.indent_construct(opener));
        assert_eq!(source.text(), "a:\n  b: [\n      x,\n      \t y]\nz: 1");
        let place = |needle: &str| source.place(source.text().find(needle).unwrap());
        assert_eq!(place("x,"), (3, 1));
        assert_eq!(place("y]"), (4, 3));
        assert_eq!(place("z:"), (5, 1));
        assert!(!source.indent_construct(opener), "once is enough");
    }

    #[test]
    fn a_construct_with_a_document_marker_in_it_is_left_alone() {
        assert!(!Source::new("a: \"x\n--- y\"").indent_construct(3));
    }

    #[test]
    fn line_breaks_are_unified_and_a_byte_order_mark_is_left_out() {
        assert_eq!(Source::new("\u{feff}a\r\nb\rc").text(), "a\nb\nc");
    }
}
