//! What Python's templates write and the engine has no or another word for, written as it has it, before it reads the template.
//! Lines stay where they are.
//!
//! `[...]`, `(..., ...)` and `{...}` are made by functions, because the engine's own cannot be changed; so is what is set, which the
//! engine may have made of them. `'%s' % x` is its filter `format`: of a text that stands there as such, with what is behind the
//! sign as its values. What `a.b.c` or `a.b['c']` asks for last is asked for by a function, because the engine forgets the name of what
//! a text or a number has not. A `+` before a number is left out. The newline behind `{% raw %}` is written, which the engine would leave
//! out as behind any other statement.

use std::borrow::Cow;

use crate::ordered::sort_by_key;

pub(super) const LIST: &str = "__list";
pub(super) const TUPLE: &str = "__tuple";
pub(super) const MAPPING: &str = "__mapping";
const HELD: &str = "__held";
pub(super) const ATTRIBUTE: &str = "__attribute";

/// The names of the functions.
pub(super) const FUNCTIONS: [&str; 5] = [LIST, TUPLE, MAPPING, HELD, ATTRIBUTE];

/// Behind these an expression begins.
const OPERATORS: [&str; 12] = ["and", "or", "not", "in", "is", "if", "elif", "else", "for", "do", "set", "with"];

/// What is to be put at a place, and how many bytes of the text it replaces.
type Edit = (usize, usize, Cow<'static, str>);

/// A template as the engine reads it.
pub(super) fn for_the_engine(body: &str) -> String {
    let mut edits: Vec<Edit> = Vec::new();
    let mut at = 0;
    while let Some(found) = body[at..].find('{') {
        at += found;
        let rest = &body[at..];
        let behind = |end: &str| rest.find(end).map_or(body.len(), |found| at + found + end.len());
        at = match rest.as_bytes().get(1) {
            Some(b'#') => behind("#}"),
            Some(b'%') if rest[2..].trim_start_matches(['-', '+']).trim_start().starts_with("raw") => {
                keep_newline(rest, at, &mut edits);
                behind("endraw")
            }
            Some(b'%' | b'{') => Tag::new(body, at).read(&mut edits),
            _ => at + 1,
        };
    }
    sort_by_key(&mut edits, |(at, ..)| *at);
    let mut out = String::with_capacity(body.len() + edits.len() * 8);
    let mut copied = 0;
    for (at, length, text) in edits {
        out.push_str(&body[copied..at]);
        out.push_str(&text);
        copied = at + length;
    }
    out + &body[copied..]
}

fn keep_newline(rest: &str, at: usize, edits: &mut Vec<Edit>) {
    let end = rest.find("%}").map_or(rest.len(), |end| end + 2);
    if rest[end..].starts_with(['\n', '\r']) && !rest[..end].ends_with("-%}") {
        edits.push((at, 0, if rest.starts_with("{%-") { "{{- '\\n' }}" } else { "{{ '\\n' }}" }.into()));
    }
}

/// One tag, and how far it is read.
struct Tag<'b> {
    body: &'b str,
    bytes: &'b [u8],
    at: usize,
    /// The brackets that are open, each with what is to stand behind its end.
    open: Vec<&'static str>,
    /// A value has ended here: what opens now calls it or asks for an item of it.
    is_behind_value: bool,
    /// A test has been named: what opens now is its argument, and stays as it is.
    is_behind_is: bool,
}

impl<'b> Tag<'b> {
    /// The tag that begins at `start`.
    fn new(body: &'b str, start: usize) -> Self {
        Self { body, bytes: body.as_bytes(), at: start, open: Vec::new(), is_behind_value: false, is_behind_is: false }
    }

    /// Notes what is to be changed of it; gives where it ends.
    fn read(mut self, edits: &mut Vec<Edit>) -> usize {
        let is_statement = self.bytes.get(self.at + 1) == Some(&b'%');
        let is_signed = matches!(self.bytes.get(self.at + 2), Some(b'-' | b'+'));
        self.at += 2 + usize::from(is_signed);
        if is_statement {
            let start = blanks_end(self.bytes, self.at);
            self.at = word_end(self.bytes, start);
            match &self.body[start..self.at] {
                "for" => self.skip_to(|tag| tag.bytes[tag.at..].starts_with(b"in") && tag.is_word_of(2)),
                "set" => {
                    self.skip_to(|tag| tag.bytes[tag.at] == b'=');
                    self.hold(edits);
                }
                // Its brackets hold names.
                "call" => self.is_behind_value = true,
                _ => {}
            }
        }
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.open.is_empty() && matches!(byte, b'}' | b'%') && self.bytes.get(self.at + 1) == Some(&b'}') {
                return self.at + 2;
            }
            self.token(byte, edits);
        }
        self.at
    }

    /// Whether a word of so many letters stands here.
    fn is_word_of(&self, length: usize) -> bool {
        word_end(self.bytes, self.at) == self.at + length && !is_word(self.bytes[self.at - 1])
    }

    /// Passes what stands before something that is in no brackets, and in the tag.
    fn skip_to(&mut self, is_there: impl Fn(&Self) -> bool) {
        let start = self.at;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'%' | b'}' if self.bytes.get(self.at + 1) == Some(&b'}') => {
                    self.at = start;
                    return;
                }
                _ if is_there(self) => return,
                _ => self.at = passed(self.bytes, self.at),
            }
        }
        self.at = start;
    }

    /// What is set is held, or, with commas, a tuple.
    fn hold(&mut self, edits: &mut Vec<Edit>) {
        if self.bytes.get(self.at) != Some(&b'=') {
            return;
        }
        let start = blanks_end(self.bytes, self.at + 1);
        self.at = start;
        let (mut at, mut has_comma) = (start, false);
        while self.bytes.get(at).is_some_and(|byte| *byte != b'%' || self.bytes.get(at + 1) != Some(&b'}')) {
            has_comma |= self.bytes[at] == b',';
            at = passed(self.bytes, at);
        }
        let end = at - usize::from(matches!(self.bytes[at - 1], b'-' | b'+'));
        if at >= self.bytes.len() || self.body[start..end.max(start)].trim().is_empty() {
            return;
        }
        let (before, behind) = if has_comma { (format!("{TUPLE}(("), "))") } else { (format!("{HELD}("), ")") };
        edits.push((start, 0, before.into()));
        edits.push((end, 0, behind.into()));
    }

    fn token(&mut self, byte: u8, edits: &mut Vec<Edit>) {
        match byte {
            b'\'' | b'"' => {
                self.at = quoted_end(self.bytes, self.at);
                self.is_behind_value = true;
                self.percent(edits);
                return;
            }
            b'(' | b'[' | b'{' => {
                let made = match byte {
                    _ if self.is_behind_value => None,
                    b'[' => Some(LIST),
                    b'{' => Some(MAPPING),
                    _ => is_tuple(&self.body[self.at..bracket_end(self.bytes, self.at)]).then_some(TUPLE),
                };
                if let Some(made) = made {
                    edits.push((self.at, 0, format!("{made}(").into()));
                }
                self.open.push(if made.is_some() { ")" } else { "" });
                (self.is_behind_value, self.is_behind_is) = (false, false);
            }
            b')' | b']' | b'}' => {
                let behind = self.open.pop().unwrap_or_default();
                if !behind.is_empty() {
                    edits.push((self.at + 1, 0, behind.into()));
                }
                self.is_behind_value = true;
            }
            b'+' if !self.is_behind_value && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) => {
                edits.push((self.at, 1, " ".into()));
            }
            _ if is_word(byte) => {
                let end = word_end(self.bytes, self.at);
                let word = &self.body[self.at..end];
                let is_key = self.bytes.get(self.at.wrapping_sub(1)) == Some(&b'.');
                let is_value = !is_key && !self.is_behind_is && !self.is_behind_value && !OPERATORS.contains(&word);
                if is_value && self.path(edits) {
                    self.is_behind_value = true;
                    return;
                }
                // The name of a test is no operator, also where it is written as one: `is in [1]`.
                self.is_behind_value = is_key || self.is_behind_is && word != "not" || !OPERATORS.contains(&word);
                self.is_behind_is = !is_key && (word == "is" || self.is_behind_is && word == "not");
                self.at = end;
                return;
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => self.is_behind_value = false,
        }
        self.at += 1;
    }

    /// Passes a name with what it is asked for behind dots and in brackets, if that is asked for by its name and nothing is called.
    fn path(&mut self, edits: &mut Vec<Edit>) -> bool {
        let (start, mut end) = (self.at, word_end(self.bytes, self.at));
        let mut last = None;
        loop {
            let next = blanks_end(self.bytes, end);
            let (name, after) = match self.bytes.get(next) {
                Some(b'.') => {
                    let name = blanks_end(self.bytes, next + 1);
                    let after = word_end(self.bytes, name);
                    (&self.body[name..after], after)
                }
                Some(b'[') => {
                    let after = bracket_end(self.bytes, next);
                    let inside = self.body[next + 1..after].strip_suffix(']').unwrap_or_default().trim();
                    if !inside.is_empty() && inside.bytes().all(|byte| byte.is_ascii_digit()) {
                        (last, end) = (None, after);
                        continue;
                    }
                    let quoted = ['\'', '"'].iter().find_map(|mark| inside.strip_prefix(*mark)?.strip_suffix(*mark));
                    (quoted.unwrap_or_default(), after)
                }
                _ => break,
            };
            if name.is_empty() || name.contains(['\'', '"', '\\', '\n']) {
                break;
            }
            (last, end) = (Some((next, name)), after);
        }
        let Some((next, name)) = last else { return false };
        let is_called = self.bytes.get(blanks_end(self.bytes, end)) == Some(&b'(');
        if is_called || self.bytes[start].is_ascii_digit() || self.body[next..end].contains('\n') {
            return false;
        }
        // In brackets, because the engine takes a minus before it for one of the name that is called.
        edits.extend([(start, 0, format!("({ATTRIBUTE}(").into()), (next, end - next, format!(", '{name}'))").into())]);
        self.at = end;
        true
    }

    /// A text ends here: `%` behind it fills values into it.
    fn percent(&mut self, edits: &mut Vec<Edit>) {
        let sign = blanks_end(self.bytes, self.at);
        if self.bytes.get(sign) != Some(&b'%') || self.bytes.get(sign + 1) == Some(&b'}') {
            return;
        }
        let start = blanks_end(self.bytes, sign + 1);
        let end = operand_end(self.bytes, start);
        if self.bytes.get(start) == Some(&b'(') && bracket_end(self.bytes, start) == end {
            edits.push((sign, 1, "|format".into()));
        } else {
            edits.extend([(sign, 1, "|format(".into()), (end, 0, ")".into())]);
            self.is_behind_value = false;
        }
        self.at = start;
    }
}

/// Whether brackets hold a tuple: nothing, or a comma that is in no others.
fn is_tuple(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b',' {
            return true;
        }
        at = passed(bytes, at);
    }
    text[1..].trim_start().starts_with(')')
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

fn blanks_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at.min(bytes.len())..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at.min(bytes.len())..].iter().take_while(|byte| is_word(**byte)).count()
}

/// The end of what begins at `at`: of a text, of brackets with all that is in them, or of the byte.
fn passed(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'(' | b'[' | b'{' => bracket_end(bytes, at),
        b'\'' | b'"' => quoted_end(bytes, at),
        _ => at + 1,
    }
}

fn quoted_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            _ if byte == bytes[start] => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn bracket_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_u32);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\'' | b'"' => {
                at = quoted_end(bytes, at);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

/// The end of a value with its attributes, calls and filters.
fn operand_end(bytes: &[u8], start: usize) -> usize {
    let start = start + usize::from(matches!(bytes.get(start), Some(b'-' | b'+')));
    let mut end = match bytes.get(start) {
        Some(b'\'' | b'"') => quoted_end(bytes, start),
        Some(b'(' | b'[' | b'{') => bracket_end(bytes, start),
        _ => word_end(bytes, start),
    };
    loop {
        let next = blanks_end(bytes, end);
        end = match bytes.get(next) {
            Some(b'(' | b'[') => bracket_end(bytes, next),
            Some(b'.' | b'|') => {
                let word = blanks_end(bytes, next + 1);
                match word_end(bytes, word) {
                    after if after > word => after,
                    _ => return end,
                }
            }
            _ => return end,
        };
    }
}
