//! `#include` and `#include-once`: a list of addresses whose contents stand in the place of the list.

use crate::config::node::Origin;
use crate::error::{Failure, Kind};
use crate::redact;

use super::Unpacking;

/// How deep what is included may include more.
const DEEPEST: usize = 10;

/// How many addresses user-data may include.
const MOST: usize = 100;

/// What is to be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include<'i> {
    /// `http:`, `https:` or `file:` URL, or an absolute path. It may hold credentials.
    pub url: &'i str,
    /// Fetched once for the instance: `#include-once`.
    pub once: bool,
    /// Where the user wrote it.
    pub place: &'i Origin,
}

/// What came of asking for an include.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// What it holds.
    Content(Vec<u8>),
    /// It is not fetched before the network is there.
    Later,
    /// Nothing is fetched here at all.
    NotFetched,
    /// It cannot be had.
    Failed(Failure),
}

/// Gives what is included. It decides how often it tries.
pub trait Includes {
    /// The content of an include.
    fn get(&mut self, include: &Include<'_>) -> Got;
}

/// Fetches nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoIncludes;

impl Includes for NoIncludes {
    fn get(&mut self, _: &Include<'_>) -> Got {
        Got::NotFetched
    }
}

impl Unpacking<'_, '_> {
    /// The parts of everything that a list names.
    pub(super) fn include(&mut self, name: &str, list: &[u8]) {
        let text = String::from_utf8_lossy(list).into_owned();
        let mut once = false;
        for (line, number) in text.lines().zip(1..) {
            let url = address(line, &mut once);
            if !url.is_empty() {
                let column = line.find(url).map_or(0, |at| line[..at].chars().count());
                let place = Origin::new(name, number, u32::try_from(column + 1).unwrap_or(1));
                self.include_one(&Include { url, once, place: &place });
            }
        }
        self.out.others.push((name.to_owned(), text));
    }

    fn include_one(&mut self, include: &Include<'_>) {
        let shown = redact::url(include.url);
        if self.including.iter().any(|url| url == include.url) {
            let through = self.including.iter().map(|url| redact::url(url)).collect::<Vec<_>>().join(" -> ");
            let message = format!("{shown} includes itself: {through} -> {shown}");
            self.report.error("include", message).at(include.place).help("take it out of the list");
            return;
        }
        if self.including.len() >= DEEPEST || self.included >= MOST {
            let message = format!("{shown} is not included: no more than {MOST} addresses, {DEEPEST} deep, are");
            // A list may go on for thousands of them.
            self.refused += 1;
            if self.refused <= MOST {
                self.report.error("include", message).at(include.place);
            }
            return;
        }
        self.included += 1;
        match self.reading.includes.get(include) {
            Got::Content(bytes) => self.unpack_included(include, shown, &bytes),
            Got::Later => {
                let message = format!("{shown} is included once the network is there");
                self.report.note("include-later", message).at(include.place);
            }
            Got::NotFetched if !is_fetchable(include.url) => {
                let message = format!("{shown} is not included: it is no http, https or file address");
                self.report.error("include", message).at(include.place).help("write the whole address, or `file:///path`");
            }
            Got::NotFetched => {
                let message = format!("{shown} is not fetched here: what it holds is not looked at");
                self.report.note("include-not-fetched", message).at(include.place);
            }
            Got::Failed(failure) => {
                // Most failures begin with the address.
                let why = failure.message.strip_prefix(&format!("{shown}: ")).unwrap_or(&failure.message);
                let message = format!("{shown} is not included: {why}");
                let help = match (failure.transient, failure.kind) {
                    (true, _) => "the next boot tries again, and so does `landfall resume`",
                    (false, Kind::Input) => failure.next_action(),
                    (false, _) => "correct the address; then `landfall apply FILE`",
                };
                self.report.error("include", message).at(include.place).help(help);
            }
        }
    }

    fn unpack_included(&mut self, include: &Include<'_>, shown: String, bytes: &[u8]) {
        self.including.push(include.url.to_owned());
        let outer = std::mem::replace(&mut self.blob, shown);
        let before = self.left;
        let unpacked = self.blob(bytes);
        // What came plain counts too: a list may be long.
        self.left = self.left.min(before.saturating_sub(bytes.len()));
        let shown = std::mem::replace(&mut self.blob, outer);
        self.including.pop();
        if let Err(error) = unpacked {
            self.report.error("include", format!("{shown} is not included: {error}")).at(include.place);
        }
    }
}

/// Whether a run could fetch it.
fn is_fetchable(url: &str) -> bool {
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    url.starts_with('/') || ["http://", "https://", "file://"].iter().any(|scheme| begins(scheme))
}

/// The address of a line, empty where there is none. The header may stand on any line, and says how the addresses after it are
/// fetched.
fn address<'l>(line: &'l str, once: &mut bool) -> &'l str {
    let after = |header: &str| {
        let start = line.get(..header.len())?;
        start.eq_ignore_ascii_case(header).then(|| line[header.len()..].trim_start())
    };
    let rest = match (after("#include-once"), after("#include")) {
        (Some(rest), _) => {
            *once = true;
            rest
        }
        (None, Some(rest)) => {
            *once = false;
            rest
        }
        (None, None) => line,
    };
    if rest.starts_with('#') {
        return "";
    }
    rest.trim()
}
