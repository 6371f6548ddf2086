//! Turns nodes into typed values and reports what does not fit, with its place.
//!
//! [`record!`](crate::record) declares a struct and how it is read in one place: the known keys come from there and nowhere else.
//! What cannot be read is reported and left out; its neighbours are kept. Secrets are collected on the way, for the redactor.

use super::advice::{advise, of_one_not_done};
use super::scalars::YES;
pub use super::shape::Shape;
use crate::config::node::{Entry, Node, Origin, Value};
use crate::config::problem::Report;
use crate::ordered::sort_by_key;
use crate::secret::Secret;

/// What reading needs beside the node.
pub struct Reader<'r> {
    /// Where problems go.
    pub report: &'r mut Report,
    /// Every password, key, token and credential met so far.
    pub secrets: Vec<Secret<String>>,
    path: Vec<String>,
}

impl<'r> Reader<'r> {
    /// A reader at the top of the document.
    pub fn new(report: &'r mut Report) -> Self {
        Self { report, secrets: Vec::new(), path: Vec::new() }
    }

    /// Runs `read` one level down.
    pub fn within<R>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(name.to_owned());
        let result = read(self);
        self.path.pop();
        result
    }

    /// Back up one level.
    #[inline(never)]
    fn leave(&mut self) {
        self.path.pop();
    }

    /// `users[2].groups`: where the reader stands.
    pub fn path(&self) -> String {
        let mut out = String::new();
        for name in &self.path {
            if !out.is_empty() && !name.starts_with('[') {
                out.push('.');
            }
            out.push_str(name);
        }
        if out.is_empty() {
            out.push_str("the document");
        }
        out
    }

    /// Remembers a secret and wraps it.
    pub fn secret(&mut self, value: String) -> Secret<String> {
        let secret = Secret::new(value);
        if !secret.expose().is_empty() && !self.secrets.contains(&secret) {
            self.secrets.push(secret.clone());
        }
        secret
    }

    /// Remembers what an address carries before its `@`: `user:password` and `password`, or the only word, which may be a token.
    pub fn credentials(&mut self, address: &str) {
        let Some((_, rest)) = address.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let Some((user_info, _)) = authority.rsplit_once('@') else { return };
        if let Some((_, password)) = user_info.split_once(':') {
            let _ = self.secret(password.to_owned());
        }
        let _ = self.secret(user_info.to_owned());
    }

    /// Reports a value of the wrong type.
    pub fn mismatch<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let message = format!("{} must be {expected}, not {}", self.path(), node.kind());
        let problem = self.report.error("type", message).at(&node.origin);
        match &node.value {
            Value::Map(_) if expected.starts_with("a string") => {
                problem.help("put the whole value in quotes: `: ` inside it makes it a mapping");
            }
            Value::Str(_) if expected == "a list of commands" => {
                problem.help("let each command be an item of its own: a line that begins with `- `");
            }
            Value::Str(text) if expected == "a mapping" => {
                let is_word = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
                let pair = text.split_once(':').filter(|(key, value)| is_word(key) && !value.starts_with([' ', '\n']) && !value.is_empty());
                // The value may be a secret.
                if let Some((key, _)) = pair {
                    problem.help(format!("a blank is missing after the colon: `{key}: ...`"));
                }
            }
            _ => {}
        }
        None
    }

    /// Reports a value that has the right type and is still wrong.
    pub fn invalid<T>(&mut self, origin: &Origin, message: impl std::fmt::Display, help: &str) -> Option<T> {
        let message = format!("{}: {message}", self.path());
        self.report.error("value", message).at(origin).help(help);
        None
    }

    /// Which of the words of `shape` stands here; any other is reported: `` `x` is none ``.
    pub fn word(&mut self, node: &Node, shape: Shape, what: &str) -> Option<usize> {
        let word = String::from_node(node, self)?;
        let words = shape.words();
        let at = words.iter().position(|known| *known == word);
        at.or_else(|| self.unknown_word(&node.origin, quoted_and(&word, what), &word, words))
    }

    /// Reports a word that is none of those known here.
    pub fn unknown_word<T>(&mut self, origin: &Origin, message: impl std::fmt::Display, word: &str, known: &[&str]) -> Option<T> {
        let help = match (nearest(word, known), known) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, [before @ .., last]) if !before.is_empty() => format!("use {} or {last}", before.join(", ")),
            _ => format!("use {}", known.join("")),
        };
        self.invalid(origin, message, &help)
    }
}

/// A value that can be read from a node.
pub trait FromNode: Sized {
    /// What may be written.
    const SHAPE: Shape = Shape::Any;

    /// Reads it, or reports why not.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// What a null means; for most keys the same as leaving the key out.
    fn from_null(_origin: &Origin) -> Option<Self> {
        None
    }
}

/// The fields of one mapping while a record is being read.
pub struct Fields<'n> {
    node: &'n Node,
    known: Vec<&'static str>,
    given: Vec<(&'static str, Origin)>,
    used: Vec<bool>,
}

impl<'n> Fields<'n> {
    /// Opens a mapping; anything else is reported.
    pub fn open(node: &'n Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_map() {
            Some(entries) => Some(Self { node, known: Vec::new(), given: Vec::new(), used: vec![false; entries.len()] }),
            None => reader.mismatch(node, "a mapping"),
        }
    }

    /// The value of `key`, or of an old spelling (reported).
    fn take(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<&'n Node> {
        self.known.push(key);
        let mut found: Option<&'n Entry> = None;
        for (at, entry) in self.node.entries().iter().enumerate() {
            let Some(spelled) = entry.key.as_str() else { continue };
            if spelled != key && !old.contains(&spelled) {
                continue;
            }
            self.used[at] = true;
            if spelled != key {
                let message = format!("`{spelled}` is an old spelling of `{key}`");
                reader.report.note("deprecated", message).at(&entry.key.origin);
            }
            found = Some(found.map_or(entry, |earlier| the_one_that_holds(key, earlier, entry, reader)));
        }
        let found = found?;
        if !found.value.is_null() {
            self.given.push((key, found.key.origin.clone()));
        }
        Some(&found.value)
    }

    /// Reads an optional field.
    pub fn optional<T: FromNode>(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<T> {
        let node = self.enter(key, old, reader)?;
        let value = if node.is_null() { T::from_null(&node.origin) } else { T::from_node(node, reader) };
        reader.leave();
        value
    }

    /// Reads a field that must be there.
    pub fn required<T: FromNode>(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<T> {
        let node = self.enter_required(key, old, reader)?;
        let value = T::from_node(node, reader);
        reader.leave();
        value
    }

    /// The value of `key`, one level down; to be left once it is read. Apart from its reading, which every type does in code of its
    /// own: so that there is little of that.
    #[inline(never)]
    fn enter(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<&'n Node> {
        let node = self.take(key, old, reader)?;
        reader.path.push(key.to_owned());
        Some(node)
    }

    #[inline(never)]
    fn enter_required(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<&'n Node> {
        let found = self.take(key, old, reader).filter(|node| !node.is_null());
        if found.is_some() {
            reader.path.push(key.to_owned());
        } else {
            let message = format!("{} has no `{key}`", reader.path());
            reader.report.error("required", message).at(&self.node.origin).help(format!("add `{key}: ...`"));
        }
        found
    }

    /// Reports every key that no field took; `later` are those that landfall knows and does not do yet. Returns the keys that
    /// had a value, with their places.
    #[inline(never)]
    pub fn finish(self, later: &[&'static str], reader: &mut Reader<'_>) -> (Vec<&'static str>, Vec<Origin>) {
        for (entry, used) in self.node.entries().iter().zip(&self.used) {
            if *used {
                continue;
            }
            let spelled = entry.key.source_text();
            let place = if reader.path.is_empty() { String::new() } else { format!(" in {}", reader.path()) };
            if later.contains(&spelled.replace('-', "_").as_str()) {
                let (severity, message, help) = of_one_not_done(&spelled, &place, &self.known);
                reader.report.add(severity, "unsupported", message).at(&entry.key.origin).help = help.map(str::to_owned);
                continue;
            }
            let message = format!("unknown key {}{place}: it is ignored", quoted(&spelled));
            let problem = reader.report.warning("unknown-key", message).at(&entry.key.origin);
            let mut candidates: Vec<&str> = self.known.iter().chain(later).copied().collect();
            if place.is_empty() {
                candidates.extend(super::keys::CONSUMED);
            }
            advise(problem, &spelled, &candidates);
        }
        self.given.into_iter().unzip()
    }
}

/// Keys of which any spelling that says yes holds, with the peer.
const ANY_YES: [&str; 3] = ["package_update", "package_upgrade", "package_reboot_if_required"];

/// Keys whose current spelling holds although the old one differs by hyphens alone. Of a user's keys the last one does.
const CURRENT: [&str; 3] = ["ca_certs", "remove_defaults", "grub_dpkg"];

/// Which of two spellings of `key` holds, as with the peer; that the other counts for nothing is reported.
fn the_one_that_holds<'n>(key: &str, earlier: &'n Entry, later: &'n Entry, reader: &mut Reader<'_>) -> &'n Entry {
    let spelled = |entry: &Entry| entry.key.source_text();
    let says_yes = |entry: &Entry| YES.contains(&entry.value.source_text().to_ascii_lowercase().as_str());
    let both_of_a_user = spelled(earlier).replace('-', "_") == spelled(later).replace('-', "_") && !CURRENT.contains(&key);
    let is_earlier = if ANY_YES.contains(&key) { says_yes(earlier) } else { !both_of_a_user && spelled(later) != key };
    let (holds, idle) = if is_earlier { (earlier, later) } else { (later, earlier) };
    if holds.value != idle.value {
        let message = format!("`{}` counts for nothing: `{}` at {} holds", spelled(idle), spelled(holds), holds.key.origin);
        reader.report.warning("twice", message).at(&idle.key.origin).help("keep one of them");
    }
    holds
}

/// Entries in the order of their keys, as with the peer: numbers by their value, before words.
pub fn sorted_by_key(entries: &[Entry]) -> Vec<&Entry> {
    let number = |entry: &Entry| match &entry.key.value {
        Value::Int(number) => (0, *number),
        _ => (1, 0),
    };
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sort_by_key(&mut sorted, |entry| (number(entry), entry.key.source_text()));
    sorted
}

/// A value as a message quotes it. What may be a key, or is longer than a word or a path, is not shown: it may be a secret that
/// stands in the wrong place.
pub fn quoted(text: &str) -> String {
    let lines = text.trim_end().lines().count();
    match text.chars().count() {
        _ if text.contains("PRIVATE KEY-----") => "what looks like a private key".into(),
        _ if text.contains("-----BEGIN ") => "what looks like a key or certificate in PEM".into(),
        _ if lines > 1 => format!("a text of {lines} lines"),
        long @ 81.. => format!("a text of {long} characters"),
        _ => format!("`{}`", text.trim_end_matches('\n')),
    }
}

/// A sentence that begins with a value and goes on with `rest`.
pub fn quoted_and(value: &str, rest: &str) -> String {
    format!("{} {rest}", quoted(value))
}

/// The known word nearest to `word`, if it is near enough to be meant; of several that are as near, the first.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // A whole line of text, which may come here for a key, is near none: each letter that it has more would have to be left out.
    let of_all = |length: fn(&str) -> usize| known.iter().map(|candidate| length(candidate)).max().unwrap_or(0);
    let more = word.chars().count().saturating_sub(of_all(|candidate| candidate.chars().count()));
    if more > word.len().max(of_all(str::len)) / 3 {
        return None;
    }
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (edit_distance(&word, &candidate.to_ascii_lowercase().replace('-', "_")), *candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3)
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be put in, left out, replaced, or swapped with their neighbour.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut least = replaced.min(row[j] + 1).min(last[j + 1] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
