//! Text split into words as a shell or a YAML list in one line has them. What is shown may be either, or a sentence: a quote that
//! is not closed, or that stands within a word as an apostrophe does, is a character like any other.

/// A word and what stands around it: the four together are the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// Blanks before it.
    pub blanks: &'t str,
    /// Brackets that open a list before it.
    pub before: &'t str,
    /// The word with its quotes.
    pub body: &'t str,
    /// The comma and the brackets behind it, in a list.
    pub after: &'t str,
}

/// All words of the text; without `quotes` blanks alone divide them.
pub fn words(text: &str, quotes: bool) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut depth = 0_usize;
    while !rest.is_empty() {
        let (blanks, from) = rest.split_at(rest.len() - rest.trim_start().len());
        let is_list = quotes && from.starts_with('[') && from.contains(']');
        let opening = if is_list { from.len() - from.trim_start_matches('[').len() } else { 0 };
        depth += opening;
        let (before, from) = from.split_at(opening);
        let length = if quotes { length(from, depth > 0) } else { from.find(char::is_whitespace).unwrap_or(from.len()) };
        let (body, from) = from.split_at(length);
        let closing = if depth > 0 { from.len() - from.trim_start_matches([',', ']']).len() } else { 0 };
        let (after, from) = from.split_at(closing);
        depth = depth.saturating_sub(after.matches(']').count());
        words.push(Word { blanks, before, body, after });
        rest = from;
    }
    words
}

/// Bytes of the word that `text` begins with.
fn length(text: &str, in_list: bool) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '\\' => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
            '"' | '\'' if opens(&text[..at]) => at += closing(&text[at + 1..], c).map_or(1, |length| length + 2),
            ',' | ']' if in_list => break,
            c if c.is_whitespace() => break,
            c => at += c.len_utf8(),
        }
    }
    at
}

/// Whether a quote behind this part of a word opens something: `--x="`, `-p'`, and not `don'`.
fn opens(before: &str) -> bool {
    let is_option = before.len() == 2 && before.starts_with('-');
    is_option || !before.ends_with(char::is_alphanumeric)
}

/// Where the quote is closed.
fn closing(text: &str, quote: char) -> Option<usize> {
    if quote == '\'' {
        return text.find(quote);
    }
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// A word taken apart: what stands before its quotes, the quote, and what stands in it. `--x="a b"` has all three; a word that does
/// not end with the quote has the first only.
pub fn parts(body: &str) -> (&str, &str, &str) {
    let quoted = body.char_indices().find(|(at, c)| matches!(c, '"' | '\'') && opens(&body[..*at]));
    match quoted {
        Some((at, quote)) if body.len() > at + 1 && body.ends_with(quote) => (&body[..at], &body[at..=at], &body[at + 1..body.len() - 1]),
        _ => (body, "", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_divided_as_a_shell_or_a_list_has_them_and_nothing_is_lost() {
        let rows: &[(&str, &[&str])] = &[
            ("a  --b='c d' 'e'\\''f g'", &["a", "--b='c d'", "'e'\\''f g'"]),
            ("don't say \"a b\"; it's 'x", &["don't", "say", "\"a b\";", "it's", "'x"]),
            ("- [[a,\"b c\", d], [e]]", &["-", "a", "\"b c\"", "d", "e"]),
            ("[a b=c,d", &["[a", "b=c,d"]),
            ("-p'a b' \"x\\\" y\" ä\\", &["-p'a b'", "\"x\\\" y\"", "ä\\"]),
            ("[::1]:80 x", &["::1", ":80", "x"]),
            (" \n ", &[""]),
        ];
        for (text, expected) in rows {
            let found = words(text, true);
            assert_eq!(found.iter().map(|word| word.body).collect::<Vec<_>>(), *expected, "{text}");
            for found in [found, words(text, false)] {
                let whole: String = found.iter().flat_map(|word| [word.blanks, word.before, word.body, word.after]).collect();
                assert_eq!(whole, *text);
            }
        }
    }

    #[test]
    fn a_word_is_taken_apart_at_its_quotes() {
        assert_eq!(parts("--x=\"a b\""), ("--x=", "\"", "a b"));
        assert_eq!(parts("'a'\\''b'"), ("", "'", "a'\\''b"));
        for whole in ["don't", "'a';", "'", "x"] {
            assert_eq!(parts(whole), (whole, "", ""));
        }
    }
}
