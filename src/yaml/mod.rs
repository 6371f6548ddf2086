//! YAML 1.1 with positions: documents as PyYAML's `SafeLoader` reads them, which is what cloud-config means.
//!
//! `saphyr-parser` supplies the events, but it reads YAML 1.2 and resolves nothing. So what only 1.1 allows is smoothed
//! over ([`source`]), what only 1.2 allows is refused ([`strict`]), plain scalars mean what they mean in 1.1 ([`resolve`],
//! [`timestamp`]), and tags, anchors, merge keys and mappings behave as PyYAML's ([`compose`], [`tags`]).
//!
//! PyYAML reads these too, here they are errors with a place: a list or mapping that contains itself; the line separators
//! U+0085, U+2028 and U+2029 and a byte order mark inside the text; in brackets, a `?` glued to a value (`[?a]`) and a `:`
//! glued to a bracket (`[a:[b]]`); an alias as a key whose `:` follows at once (`*a: b`); `|` or `>` on a line of its own that is
//! not indented further than its key; a `?` that ends the text; `!!int` or `!!float` on what is no number in YAML (`!!int ' - 2'`).
//!
//! Reading is bounded: [`MAX_BYTES`] of text, [`MAX_DEPTH`] levels, and a document that aliases swell beyond a hundred times its
//! text is refused.

mod compose;
mod emit;
mod explain;
mod input;
mod lookalikes;
mod resolve;
mod source;
mod strict;
mod tags;
mod timestamp;

use saphyr_parser::{Event, Parser, ScanError, Span};

use crate::config::node::{Node, Origin};
use crate::config::problem::Report;

use input::TextInput;
use source::Source;

pub use emit::to_string;

/// The longest document that is read, in bytes.
pub const MAX_BYTES: usize = 16 << 20;

/// The deepest nesting that is read.
pub const MAX_DEPTH: usize = 200;

/// How many values and ends of values a document may have, and all documents of one user-data together: many times what a
/// configuration has, and what is read of them fits a small host.
pub const MAX_VALUES: usize = 50_000;

/// How many bytes may be parsed for one document that has to be smoothed, one attempt a stumble.
const MAX_REPEATED_BYTES: usize = 8 << 20;

/// Why a text is no document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct YamlError {
    /// What is wrong, in one sentence without full stop.
    pub message: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What to do about it.
    pub help: Option<String>,
}

impl YamlError {
    fn at((line, column): (u32, u32), message: impl Into<String>) -> YamlError {
        YamlError { message: message.into(), line, column, help: None }
    }

    fn with_help(mut self, help: impl Into<String>) -> YamlError {
        self.help = Some(help.into()).filter(|help: &String| !help.is_empty());
        self
    }

    /// The place of the error in the part called `part`.
    pub fn origin(&self, part: &str) -> Origin {
        Origin::new(part, self.line, self.column)
    }

    /// Adds the error to a report, as an error of code `yaml`.
    pub fn report(&self, part: &str, report: &mut Report) {
        let problem = report.error("yaml", self.message.as_str()).at(&self.origin(part));
        problem.help.clone_from(&self.help);
    }
}

/// Reads the document of the part called `part`. A text without content is null.
///
/// # Errors
/// Whatever PyYAML fails on, and what goes beyond the bounds.
pub fn parse(part: &str, text: &str) -> Result<Node, YamlError> {
    parse_with_report(part, text, &mut Report::new())
}

/// As [`parse`], and reports what is accepted but probably not meant: keys given twice, numbers in base 60 (`22:22`), and characters
/// that only look like blanks and quotes.
///
/// # Errors
/// As [`parse`]; the error itself is not put into the report, see [`YamlError::report`].
pub fn parse_with_report(part: &str, text: &str, report: &mut Report) -> Result<Node, YamlError> {
    parsed(part, text, report).map_err(|error| explain::not_rendered(text, error))
}

fn parsed(part: &str, text: &str, report: &mut Report) -> Result<Node, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::at((1, 1), format!("the document is longer than {} MiB", MAX_BYTES >> 20)));
    }
    let mut source = Source::new(text);
    refuse_unprintable(&source)?;
    let mut parsed_bytes = 0;
    loop {
        parsed_bytes += source.text().len();
        let (error, opener, earlier) = match events(source.text()) {
            Ok(events) if events.len() > MAX_VALUES => {
                let place = events.last().map_or((1, 1), |(_, span)| source.place(source.offset(&span.start)));
                return Err(YamlError::at(place, format!("the document has more than {MAX_VALUES} values, and this is the next")));
            }
            Ok(events) => {
                strict::check(&source, &events)?;
                return compose::compose(part, &source, &events, report);
            }
            Err((events, error)) => {
                refuse_depth(&source, &events, source.offset(error.marker()))?;
                let opener = explain::open_construct(&source, &events, &error);
                (error, opener, strict::check_so_far(&source, &events).err())
            }
        };
        let at = source.offset(error.marker());
        if parsed_bytes > MAX_REPEATED_BYTES || !source.smooth(at, opener) {
            // The parser goes on behind what PyYAML stumbles over, and may stop far below.
            let earlier = earlier.filter(|earlier| earlier.line < source.place(at).0);
            return Err(earlier.unwrap_or_else(|| explain::syntax_error(&source, &error, opener)));
        }
    }
}

type Events<'a> = Vec<(Event<'a>, Span)>;

/// All events, or those before the error.
fn events(text: &str) -> Result<Events<'_>, (Events<'_>, ScanError)> {
    let mut events = Vec::new();
    for event in Parser::new(TextInput::new(text)) {
        match event {
            Ok(event) => events.push(event),
            Err(error) => return Err((events, error)),
        }
        if events.len() > MAX_VALUES {
            break;
        }
    }
    Ok(events)
}

/// The parser has a bound of its own, beyond ours, and speaks of recursion there: what was open when it stopped at `end` is
/// counted. Brackets that might open a key are not among the events yet.
fn refuse_depth(source: &Source, events: &Events<'_>, end: usize) -> Result<(), YamlError> {
    let mut depth = 0_usize;
    let too_deep = |at: usize| YamlError::at(source.place(at), format!("nested deeper than {MAX_DEPTH} levels"));
    let mut seen = 0;
    for (event, span) in events {
        seen = seen.max(source.offset(&span.start));
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(too_deep(source.offset(&span.start)));
        }
    }
    for (at, c) in source.text()[seen..end.max(seen)].char_indices() {
        match c {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(too_deep(seen + at));
        }
    }
    Ok(())
}

/// PyYAML refuses control characters, and takes three line separators as line breaks that saphyr takes as text.
fn refuse_unprintable(source: &Source) -> Result<(), YamlError> {
    if source.text().bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b' '..=b'~')) {
        return Ok(());
    }
    let bad = source.text().char_indices().find(|&(_, c)| match c {
        '\t' | '\n' | ' '..='~' => false,
        '\u{a0}'..='\u{fffd}' => matches!(c, '\u{2028}' | '\u{2029}'),
        _ => c < '\u{10000}',
    });
    match bad {
        None => Ok(()),
        Some((at, c)) => {
            let code = u32::from(c);
            let message = format!("the character U+{code:04X} is not allowed here");
            let help = format!("remove it; in a string in double quotes it can be written as `\\u{code:04x}`");
            Err(YamlError::at(source.place(at), message).with_help(help))
        }
    }
}

#[cfg(test)]
mod tests;
