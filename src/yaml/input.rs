//! The text as the parser asks for it: a character at a time.
//!
//! The parser's own input decodes UTF-8 for each of its questions, of which there are several for each character, and makes room for
//! 128 characters in each scalar. Configuration is ASCII but for a word here and there, and its scalars are short.

use saphyr_parser::Input;

/// How many characters the parser looks ahead at once; with so many it reads a short scalar into the room it made at first.
const LOOKAHEAD: usize = 16;

/// A text and how far it has been read.
pub(super) struct TextInput<'a> {
    text: &'a str,
    at: usize,
    looked_ahead: usize,
}

impl<'a> TextInput<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        TextInput { text, at: 0, looked_ahead: 0 }
    }

    #[inline(always)]
    fn byte(&self, n: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + n).copied()
    }

    #[cold]
    fn decoded(&self, n: usize) -> char {
        self.text[self.at..].chars().nth(n).unwrap_or('\0')
    }
}

#[allow(clippy::inline_always)]
impl Input for TextInput<'_> {
    fn lookahead(&mut self, count: usize) {
        self.looked_ahead = self.looked_ahead.max(count);
    }

    fn buflen(&self) -> usize {
        self.looked_ahead
    }

    #[inline(always)]
    fn bufmaxlen(&self) -> usize {
        LOOKAHEAD
    }

    fn raw_read_ch(&mut self) -> char {
        let c = self.peek();
        self.skip();
        c
    }

    fn raw_read_non_breakz_ch(&mut self) -> Option<char> {
        let c = self.peek_opt().filter(|c| !matches!(c, '\n' | '\r' | '\0' | '\u{FEFF}'))?;
        self.skip();
        Some(c)
    }

    #[inline(always)]
    fn skip(&mut self) {
        match self.byte(0) {
            Some(0..=0x7f) => self.at += 1,
            Some(_) => self.at += self.decoded(0).len_utf8(),
            None => {}
        }
    }

    fn skip_n(&mut self, count: usize) {
        for _ in 0..count {
            self.skip();
        }
    }

    #[inline(always)]
    fn peek(&self) -> char {
        match self.byte(0) {
            Some(byte @ 0..=0x7f) => byte.into(),
            Some(_) => self.decoded(0),
            None => '\0',
        }
    }

    #[inline(always)]
    fn peek_nth(&self, n: usize) -> char {
        match self.text.as_bytes().get(self.at..=self.at + n) {
            Some(bytes) if bytes.iter().all(u8::is_ascii) => bytes[n].into(),
            _ => self.decoded(n),
        }
    }

    fn peek_opt(&self) -> Option<char> {
        self.byte(0).map(|_| self.peek())
    }
}
