//! Characters that look like those of YAML and are text to it: blanks and quotes as word processors, chats and web pages write
//! them. Where one stands in place of an ordinary one, a document means something that nobody sees.

use std::ops::ControlFlow;

/// A blank that is none to YAML, and its byte offset.
pub(super) struct OddBlank {
    pub(super) at: usize,
    /// "a no-break space (U+00A0)".
    pub(super) name: String,
    pub(super) place: Place,
}

/// Where such a blank stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    BehindDash,
    BehindColon,
    End,
}

impl Place {
    /// What it does there.
    pub(super) const fn effect(self) -> &'static str {
        match self {
            Place::Before => "stands in the indent, where it is part of the text behind it",
            Place::BehindDash => "stands behind the `-`, which begins no item so",
            Place::BehindColon => "stands behind the `:`, which ends no key so",
            Place::End => "stands at the end of this text and is part of it",
        }
    }

    /// What to do about it.
    pub(super) const fn help(self) -> &'static str {
        match self {
            Place::End => "remove it, or put the text in quotes if it is meant",
            _ => "write an ordinary blank in its place",
        }
    }
}

/// The blank of a line, or of a scalar without quotes, that stands where only an ordinary one means something.
pub(super) fn odd_blank(text: &str) -> Option<OddBlank> {
    let mut place = Place::Before;
    let found = text.char_indices().try_for_each(|(at, c)| match c {
        _ if is_odd_blank(c) => ControlFlow::Break(Some(at)),
        ' ' => ControlFlow::Continue(()),
        '-' if place == Place::Before => {
            place = Place::BehindDash;
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Break(None),
    });
    let colon = || {
        let (key, rest) = text.split_once(':')?;
        let is_key = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        let is_behind = key.trim_start_matches([' ', '-']).chars().all(is_key) && rest.starts_with(is_odd_blank);
        is_behind.then_some((key.len() + 1, Place::BehindColon))
    };
    let end = || text.char_indices().next_back().filter(|(_, c)| is_odd_blank(*c)).map(|(at, _)| (at, Place::End));
    let start = found.break_value().flatten().map(|at| (at, place));
    let (at, place) = start.or_else(colon).or_else(end)?;
    let c = text[at..].chars().next()?;
    Some(OddBlank { at, name: format!("{} (U+{:04X})", name(c), u32::from(c)), place })
}

/// Also those of no width.
fn is_odd_blank(c: char) -> bool {
    (c.is_whitespace() && !c.is_ascii()) || "\u{200b}\u{2060}\u{feff}".contains(c)
}

const fn name(c: char) -> &'static str {
    match c {
        '\u{a0}' => "a no-break space",
        '\u{202f}' => "a narrow no-break space",
        '\u{3000}' => "an ideographic space",
        '\u{200b}' => "a zero-width space",
        '\u{2060}' => "a word joiner",
        '\u{feff}' => "a byte order mark",
        _ => "a typographic blank",
    }
}

/// What is said of typographic quotes around a text, and what to do about them.
pub(super) const TYPOGRAPHIC: (&str, &str) =
    ("typographic quotes stand around this text and are part of it", "write `\"` or `'`, as a keyboard has them");

/// Whether a text begins with a quote that is none to YAML.
pub(super) fn begins_typographic(text: &str) -> bool {
    text.starts_with(is_typographic)
}

/// Whether a text stands in quotes that are none to YAML.
pub(super) fn is_in_typographic(text: &str) -> bool {
    begins_typographic(text) && text.chars().nth(1).is_some() && text.ends_with(is_typographic)
}

fn is_typographic(c: char) -> bool {
    "‘’‚‛“”„‟".contains(c)
}
