//! Two end states against each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::Case;
use crate::state::Facts;

/// What a comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Entries of DIFFERENCES.md that showed as expected.
    pub by_design: BTreeSet<String>,
    /// What is wrong, for the reader.
    pub failures: Vec<String>,
}

/// A fact's value on both sides; `None` where a side has nothing to say of it, so where it left that as it was.
type Pair<'a> = (Option<&'a str>, Option<&'a str>);

/// Facts that are not the same in both.
pub fn differing<'a>(peer: &'a Facts, ours: &'a Facts) -> BTreeMap<&'a str, Pair<'a>> {
    let names: BTreeSet<&String> = peer.keys().chain(ours.keys()).collect();
    let value = |facts: &'a Facts, name: &String| facts.get(name).map(String::as_str);
    names.into_iter().map(|name| (name.as_str(), (value(peer, name), value(ours, name)))).filter(|(_, (peer, ours))| peer != ours).collect()
}

/// Judges landfall's facts by the peer's and by what the case expects to be different.
pub fn judge(case: &Case, peer: &Facts, ours: &Facts) -> Verdict {
    let mut verdict = Verdict::default();
    let mut differing = differing(peer, ours);
    for expected in &case.settings.expect_different {
        let name = expected.fact.as_str();
        match differing.remove(name) {
            None => verdict.failures.push(format!("{name}: expected to differ ({}), but is the same: {:?}", expected.id, peer.get(name))),
            Some((_, ours)) if ours.map(str::trim_end) == expected.landfall.as_deref().map(str::trim_end) => {
                verdict.by_design.insert(expected.id.clone());
            }
            Some(pair) => {
                verdict.failures.push(format!("{}\n  expected ({}) {}", told(name, pair), expected.id, side(expected.landfall.as_deref())))
            }
        }
    }
    let unnamed = differing.into_iter().map(|(name, pair)| told(name, pair));
    verdict.failures.extend(unnamed);
    verdict
}

/// A difference for the reader.
pub fn told(name: &str, (peer, ours): Pair<'_>) -> String {
    format!("{name}\n  peer     {}\n  landfall {}", side(peer), side(ours))
}

fn side(value: Option<&str>) -> String {
    value.map_or("(as it was)".into(), |value| value.trim_end().replace('\n', "\n           "))
}
