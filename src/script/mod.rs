//! What can be told of shell text without running it: which items of a script belong together, which only define things,
//! which stop the machine, and what a resumed run could not bring back.
//!
//! The shell is dash. Text that is not understood for certain is never taken for a definition; a reboot is rather seen
//! once too often than missed. Nothing here runs or reads anything.

mod bash;
mod judge;
mod lex;
mod parse;
mod stops;

use crate::plan::operation::StopsMachine;
use crate::redact::Redactor;
use parse::Statement;

/// Shell text, read once for all that is asked of it.
pub struct Script<'t> {
    text: &'t str,
    /// Nothing where it is not understood.
    statements: Option<Vec<Statement>>,
}

impl<'t> Script<'t> {
    /// Reads it.
    pub fn read(text: &'t str) -> Self {
        Self { text, statements: parse::parse(text).ok() }
    }

    /// Whether it consists wholly of function definitions, `alias`, `set`, `trap`, `ulimit`, and `exec` with nothing but
    /// redirections: then it can be run again in a resumed shell without repeating work. Never true of text that runs, expands or
    /// writes anything else. `umask` is left out: the engine brings it back itself.
    pub fn is_definition(&self) -> bool {
        self.statements.as_deref().is_some_and(judge::are_definitions)
    }

    /// Whether it reboots, halts or powers off the machine. What only defines such a function does not.
    pub fn stops_machine(&self) -> Option<StopsMachine> {
        match &self.statements {
            Some(statements) if judge::are_definitions(statements) => None,
            Some(statements) => stops::in_statements(statements, 0),
            None => stops::by_words(self.text),
        }
    }

    /// What it uses that only bash has: `[[`, `source`, `&>`.
    pub fn bashisms(&self) -> Vec<&'static str> {
        self.statements.as_deref().map(bash::of).unwrap_or_default()
    }

    /// What of its effects on the shell a resumed run could not bring back, in words: "function deploy", "alias ll",
    /// "trap on EXIT", "background job". Directory, umask, variables and `set` options are brought back.
    pub fn lost_state(&self) -> Vec<String> {
        self.statements.as_deref().map(judge::lost_state).unwrap_or_default()
    }
}

/// Most calls of `parses` in one [`joint_ranges`]; items beyond stand alone.
const MOST_PARSES: usize = 4096;

/// Most items one range may have.
const LONGEST_RANGE: usize = 256;

/// One word in single quotes, as `sh` reads them.
pub fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Which adjacent items only parse jointly, as (first, last) from 0; every item is in one range. `parses` is `sh -n`.
///
/// An item is complete if it parses, if a closing parenthesis on a line after it does not (an open here-document would
/// swallow it, which dash accepts without a word), and if it does not end in a line continuation.
pub fn joint_ranges(items: &[&str], parses: &mut dyn FnMut(&str) -> bool) -> Vec<(usize, usize)> {
    let mut left = MOST_PARSES;
    let mut ranges = Vec::new();
    let mut first = 0;
    while first < items.len() {
        let last = end_of_range(items, first, &mut left, parses).unwrap_or(first);
        ranges.push((first, last));
        first = last + 1;
    }
    ranges
}

fn end_of_range(items: &[&str], first: usize, left: &mut usize, parses: &mut dyn FnMut(&str) -> bool) -> Option<usize> {
    let mut text = String::new();
    for (at, item) in items.iter().enumerate().skip(first).take(LONGEST_RANGE) {
        if at > first {
            text.push('\n');
        }
        text.push_str(item);
        if at == first && is_plain_command(item) {
            return Some(at);
        }
        if *left < 2 {
            return None;
        }
        if continues(&text) {
            continue;
        }
        *left -= 1;
        if !parses(&text) {
            continue;
        }
        *left -= 1;
        if !parses(&format!("{text}\n)")) {
            return Some(at);
        }
    }
    None
}

/// Words that begin or go on with something longer where a command stands (POSIX, Shell Command Language, 2.4).
const RESERVED: [&str; 14] = ["if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "function"];

/// Whether the text is one command of plain words on one line, so that no shell has to be asked whether it is whole. `>` and `>>`
/// count as plain where a word follows at once.
fn is_plain_command(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=,@%+- ".contains(c);
    let mut redirected = text.split('>').skip(1).peekable();
    let mut has_targets = true;
    while let Some(target) = redirected.next() {
        // The second of `>>` begins where nothing stands between them.
        let target = if target.is_empty() { redirected.next().unwrap_or("") } else { target };
        has_targets &= target.starts_with(|c: char| c != ' ');
    }
    let first = text.split_whitespace().next().unwrap_or_default();
    has_targets && !first.is_empty() && !RESERVED.contains(&first) && text.chars().all(|c| c == '>' || is_plain(c))
}

/// Whether the text ends in an odd number of backslashes.
fn continues(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Characters of an item that are shown.
const SHOWN: usize = 120;

/// The item as one line for people: its first line, without known secrets and what looks like one. What is one may be told by a
/// later line, where quotes or a here-document go on.
pub fn shown(text: &str, redactor: &Redactor) -> String {
    let masked = redactor.apply(text);
    let mut lines = masked.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let mut out: String = first.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if lines.next().is_some() || first.chars().nth(SHOWN).is_some() {
        out.push_str(" ...");
    }
    out
}

#[cfg(test)]
mod tests;
