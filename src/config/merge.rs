//! Merging the cloud-config parts of one source of data, and laying one configuration over another, by cloud-init's rules
//! (its documentation, "Merging user-data sections"). Values keep the places they were written at.
//!
//! A part says how it is merged onto what precedes it: `merge_how` or `merge_type` in the part, a string
//! `dict(replace)+list(append)+str()` or a list of `{name, settings}` or `[name, option, …]`, or its MIME header `Merge-Type`.
//! Without a word, a later part replaces whole top-level keys. What is replaced or left out is reported, because that is how
//! users lose half of their packages. A part may also be a JSON patch ([`super::patch`]) on what precedes it.

use std::sync::Arc;

use super::mergers::{Mergers, OPTIONS};
use super::node::{Entry, Node, Origin, Value};
use super::patch;
use super::problem::Report;
use super::typed::reader::nearest;

/// How parts are merged that do not say how.
const BETWEEN_PARTS: &str = "dict(replace)+list()+str()";

/// How layers (user-data over vendor-data over system) are joined.
const BETWEEN_LAYERS: &str = "list()+dict()+str()";

/// What a user most often wants instead of the default.
const JOINING: &str = "to join the lists of both, put `merge_how: list(append)+dict(recurse_array)+str()` into the later part";

/// A cloud-config part, read.
#[derive(Clone, Debug)]
pub struct ConfigPart {
    /// The part's name, as in its nodes' origins.
    pub name: Arc<str>,
    /// The document.
    pub root: Node,
    /// The value of its MIME header `Merge-Type` or `X-Merge-Type`.
    pub merge_type: Option<String>,
    /// The document is a JSON patch.
    pub is_patch: bool,
}

/// Merges parts in order. Left out with a warning: a part that is empty or whose merge instructions make no sense, and a patch whose
/// test says no; with an error: a part that is no mapping, and a patch that does not fit. Reported as notes: keys that a later part
/// replaces, removes, or cannot change.
pub fn merge_parts(parts: Vec<ConfigPart>, report: &mut Report) -> Node {
    let place = parts.first().map_or_else(|| Origin::new("user-data", 1, 1), |part| part.root.origin.clone());
    let mut merged = Node::new(Value::Map(Vec::new()), place);
    for part in parts {
        if part.is_patch {
            apply_patch(&mut merged, &part, report);
            continue;
        }
        // The usual case: one part, which is copied nowhere.
        if merged.entries().is_empty() && part.is_plain() {
            merged = part.root;
            continue;
        }
        let is_lost = !part.root.is_null() && !matches!(part.root.value, Value::Map(_));
        match merge_part(&merged, part.clone(), report) {
            Ok((next, part_root)) => {
                report_changes(&merged, &part_root, &next, &Told { prefix: "", help: Some(JOINING) }, report);
                merged = next;
            }
            Err(refusal) => {
                let message = format!("the part `{}` is left out: {}", part.name, refusal.reason);
                let problem = if is_lost { report.error("part-left-out", message) } else { report.warning("part-left-out", message) };
                problem.at(&refusal.place);
            }
        }
    }
    merged
}

impl ConfigPart {
    /// A mapping that says nothing of how it is merged.
    fn is_plain(&self) -> bool {
        let Value::Map(entries) = &self.root.value else { return false };
        let is_said = |entry: &Entry| entry.key.as_str().is_some_and(|key| MERGERS.contains(&key));
        self.merge_type.is_none() && !entries.iter().any(is_said)
    }
}

fn apply_patch(merged: &mut Node, part: &ConfigPart, report: &mut Report) {
    match patch::apply(merged, &part.root) {
        Ok(next) => {
            for old in merged.entries() {
                let name = old.key.source_text();
                match next.entries().iter().find(|entry| entry.key == old.key) {
                    Some(now) if now.value == old.value => {}
                    Some(_) => {
                        report.note("key-patched", format!("the patch changes `{name}` of {}", old.key.origin)).at(&part.root.origin);
                    }
                    None => {
                        report.note("key-removed", format!("the patch removes `{name}` of {}", old.key.origin)).at(&part.root.origin);
                    }
                }
            }
            *merged = next;
        }
        Err(conflict) => {
            let message = format!("the patch `{}` is left out: {}", part.name, conflict.reason);
            let problem = if conflict.is_test { report.warning("part-left-out", message) } else { report.error("patch", message) };
            problem.at(&conflict.place);
        }
    }
}

/// Lays the configuration of a higher layer over a lower one: mappings are joined, anything else of the higher one stays. A
/// `merge_how` in the lower one is how that is joined.
pub fn overlay(high: Node, low: Node) -> Node {
    let kept = high.clone();
    overlaid(high, low).unwrap_or(kept)
}

/// As [`overlay`], and says which keys of the lower layer do not count.
pub fn overlay_reported(high: Node, low: Node, report: &mut Report) -> Node {
    let (kept, mut below) = (high.clone(), low.clone());
    if let Value::Map(entries) = &mut below.value {
        entries.retain(|entry| !entry.key.as_str().is_some_and(|key| MERGERS.contains(&key)));
    }
    match overlaid(high, low) {
        Ok(merged) => {
            report_changes(&below, &kept, &merged, &Told { prefix: "", help: None }, report);
            merged
        }
        Err((reason, place)) => {
            report.warning("part-left-out", format!("this configuration is left out: {reason}")).at(&place);
            kept
        }
    }
}

/// The keys that say how a document is merged.
const MERGERS: [&str; 2] = ["merge_how", "merge_type"];

fn overlaid(high: Node, mut low: Node) -> Result<Node, (String, Origin)> {
    let place = low.origin.clone();
    let how = match &mut low.value {
        Value::Map(entries) => take_how(entries),
        _ => None,
    };
    let mergers = match &how {
        Some(how) => Mergers::from_node(how).map_err(|reason| (reason, how.origin.clone()))?,
        None => Mergers::default(),
    };
    let mergers = if mergers.is_empty() { Mergers::parse(BETWEEN_LAYERS).map_err(|reason| (reason, place.clone()))? } else { mergers };
    mergers.merge(high, low).map_err(|reason| (reason, place))
}

/// Why a part is left out.
struct Refusal {
    reason: String,
    place: Origin,
}

fn merge_part(merged: &Node, mut part: ConfigPart, report: &mut Report) -> Result<(Node, Node), Refusal> {
    let place = part.root.origin.clone();
    let refusal = |reason: String, place: &Origin| Refusal { reason, place: place.clone() };
    let kind = part.root.kind();
    let Value::Map(entries) = &mut part.root.value else {
        let reason = if part.root.is_null() { "it is empty".into() } else { format!("it is {kind}, not a mapping") };
        return Err(refusal(reason, &place));
    };
    let how = take_how(entries);
    let how_place = how.as_ref().map_or(&place, |how| &how.origin).clone();
    let mut mergers = Mergers::default();
    if let Some(how) = &how {
        mergers.add(Mergers::from_node(how).map_err(|reason| refusal(reason, &how_place))?);
    }
    if let Some(header) = &part.merge_type {
        mergers.add(Mergers::parse(header).map_err(|reason| refusal(reason, &place))?);
    }
    if mergers.is_empty() {
        mergers = Mergers::parse(BETWEEN_PARTS).map_err(|reason| refusal(reason, &place))?;
    }
    for option in &mergers.unknown {
        let problem = report.warning("merge-option", format!("no merger has an option `{option}`: it is ignored")).at(&how_place);
        if let Some(near) = nearest(option, &OPTIONS) {
            problem.help(format!("did you mean `{near}`?"));
        }
    }
    let next = mergers.merge(merged.clone(), part.root.clone()).map_err(|reason| refusal(reason, &how_place))?;
    Ok((next, part.root))
}

/// What a document says of how it is merged. It is no key of the result.
fn take_how(entries: &mut Vec<Entry>) -> Option<Node> {
    let how = take(entries, "merge_how").filter(|how| !how.is_null());
    let merge_type = if how.is_none() { take(entries, "merge_type") } else { None };
    how.or(merge_type.filter(|how| !how.is_null()))
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Node> {
    let at = entries.iter().position(|entry| entry.key.as_str() == Some(key))?;
    Some(entries.remove(at).value)
}

/// How changes are told.
struct Told<'t> {
    /// The keys above: `apt.`.
    prefix: &'t str,
    /// What to do where it is not wanted.
    help: Option<&'static str>,
}

/// Says what became of the keys of `part` and of those that were there before.
fn report_changes(before: &Node, part: &Node, after: &Node, told: &Told<'_>, report: &mut Report) {
    for new in part.entries() {
        let name = format!("{}{}", told.prefix, new.key.source_text());
        let old = before.entries().iter().find(|entry| entry.key == new.key);
        let now = after.entries().iter().find(|entry| entry.key == new.key);
        let place = &new.key.origin;
        let told_with = |problem: &mut super::problem::Problem| {
            problem.help = told.help.map(str::to_owned);
        };
        match (old, now) {
            (None, None) => {
                let message = format!("`{name}` is left out: the part's mergers do not handle mappings");
                report.warning("key-left-out", message).at(place).help("add `dict()` to `merge_how`: `list(append)+dict()`");
            }
            (Some(old), None) => {
                let message = format!("`{name}` removes the one at {}", old.key.origin);
                report.note("key-removed", message).at(place);
            }
            (Some(old), Some(_)) if old.value == new.value => {}
            (Some(old), Some(now)) if now.value == new.value => {
                let message = format!("`{name}` replaces the one at {}", old.key.origin);
                told_with(report.note("key-replaced", message).at(place));
            }
            (Some(old), Some(now)) if now.value == old.value => {
                let message = format!("`{name}` is left out: the one at {} stays", old.key.origin);
                report.note("key-left-out", message).at(place);
            }
            (Some(old), Some(now)) if now.value.as_map().is_some() => {
                let within = Told { prefix: &format!("{name}."), help: told.help };
                report_changes(&old.value, &new.value, &now.value, &within, report);
            }
            (Some(old), Some(now)) if loses_items(&old.value, &now.value) => {
                let message = format!("`{name}` replaces items of the list at {}", old.key.origin);
                told_with(report.note("key-replaced", message).at(place));
            }
            _ => {}
        }
    }
}

/// Whether an item of the list is not in what came of it.
fn loses_items(old: &Node, now: &Node) -> bool {
    let (Some(old), Some(now)) = (old.as_seq(), now.as_seq()) else { return false };
    let count = |items: &[Node], item: &Node| items.iter().filter(|other| *other == item).count();
    old.iter().any(|item| count(now, item) < count(old, item))
}

#[cfg(test)]
mod tests {
    use super::super::problem::Severity;
    use super::*;
    use crate::yaml;

    fn merged(parts: &[&str]) -> (Node, Report) {
        let mut report = Report::new();
        let parts = parts.iter().enumerate().map(|(at, text)| {
            let name = format!("part-{:03}", at + 1);
            let root = yaml::parse(&name, text).expect("YAML");
            ConfigPart { name: name.into(), root, merge_type: None, is_patch: false }
        });
        (merge_parts(parts.collect(), &mut report), report)
    }

    fn told(report: &Report) -> Vec<String> {
        let line = |p: &super::super::problem::Problem| {
            let place = p.origin.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {place} {}", p.code, p.message)
        };
        report.problems.iter().map(line).collect()
    }

    #[test]
    fn a_replaced_key_is_reported_with_both_places() {
        let (config, report) = merged(&["a: 1\npackages: [x]\n", "packages: [y]\nb: 2\n"]);
        assert_eq!(config.python_str(), "{'a': 1, 'packages': ['y'], 'b': 2}");
        assert_eq!(told(&report), ["key-replaced part-002:1:1 `packages` replaces the one at part-001:2:1"]);
        let help = report.problems[0].help.clone().expect("help");
        let advised = help.split('`').nth(1).expect("advice");
        let (joined, report) = merged(&["packages: [x]", &format!("packages: [y]\n{advised}")]);
        assert_eq!(joined.python_str(), "{'packages': ['x', 'y']}", "the advice works");
        assert!(report.problems.is_empty(), "{report:?}");
    }

    #[test]
    fn values_keep_the_places_they_were_written_at() {
        let (config, _) = merged(&["d: {x: 1}\nl: [1]\n", "merge_how: list(append)+dict(recurse_array)+str()\nd: {y: 2}\nl: [2]\n"]);
        let place = |node: &Node| node.origin.to_string();
        let nested = config.get("d").expect("d");
        assert_eq!(place(nested.get("x").expect("x")), "part-001:1:8");
        assert_eq!(place(nested.get("y").expect("y")), "part-002:2:8");
        let list = config.get("l").and_then(Node::as_seq).expect("l");
        assert_eq!(list.iter().map(place).collect::<Vec<_>>(), ["part-001:2:5", "part-002:3:5"]);
    }

    #[test]
    fn what_stays_and_what_goes_is_reported() {
        let (config, report) = merged(&["a: 1\nb: 2\nc: 3\n", "merge_how: dict(allow_delete)\na: 9\nb: null\nc: 3\n"]);
        assert_eq!(config.python_str(), "{'a': 1, 'c': 3}");
        assert_eq!(
            told(&report),
            [
                "key-left-out part-002:2:1 `a` is left out: the one at part-001:1:1 stays",
                "key-removed part-002:3:1 `b` removes the one at part-001:2:1",
            ]
        );
        let (config, report) = merged(&["a: 1\nmerge_how: list(append)\n"]);
        assert_eq!(config.python_str(), "{}", "without a merger for mappings nothing gets in");
        assert_eq!(told(&report)[0], "key-left-out part-001:1:1 `a` is left out: the part's mergers do not handle mappings");
    }

    #[test]
    fn a_part_that_cannot_be_merged_is_left_out_and_that_is_told() {
        let rows = [
            ("", "it is empty"),
            ("[a]", "it is a list, not a mapping"),
            ("a: 1\nmerge_how: bogus()", "there is no merger `bogus`"),
            ("a: 1\nmerge_how: dict", "not of the form"),
            ("a: 1\nmerge_type: 5", "an integer, not a string or a list"),
            ("a: 1\nmerge_how: [{name: dict}]", "no `settings`"),
            ("a: 1\nmerge_how: [5]", "a merger is an integer"),
            ("s: {x: 1}\nmerge_how: dict()+str(append)", "cannot be appended"),
        ];
        for (text, expected) in rows {
            let (config, report) = merged(&["s: old\n", text, "b: 2\n"]);
            assert_eq!(config.python_str(), "{'s': 'old', 'b': 2}", "{text}");
            assert_eq!(report.problems.len(), 1, "{text}: {report:?}");
            assert!(report.problems[0].message.contains(expected), "{text}: {report:?}");
            assert_eq!(report.problems[0].severity == Severity::Error, text == "[a]", "{text}: {report:?}");
        }
    }

    #[test]
    fn a_higher_layer_wins_but_mappings_are_joined() {
        let layer = |name: &str, text: &str| yaml::parse(name, text).expect("YAML");
        let high = layer("user-data", "{a: 1, l: [1], d: {x: 1}}");
        let low = layer("vendor-data", "{a: 2, b: 3, l: [2, 3], d: {x: 2, y: 3}}");
        let config = overlay(high, low);
        assert_eq!(config.python_str(), "{'a': 1, 'l': [1], 'd': {'x': 1, 'y': 3}, 'b': 3}");
        assert_eq!(&*config.get("b").expect("b").origin.part, "vendor-data");
    }
}
