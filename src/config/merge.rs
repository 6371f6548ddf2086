//! Merging the cloud-config parts of one source of data, and laying one configuration over another, by cloud-init's rules
//! (its documentation, "Merging user-data sections"). Values keep the places they were written at.
//!
//! A part says how it is merged onto what precedes it: `merge_how` or `merge_type` in the part, a string
//! `dict(replace)+list(append)+str()` or a list of `{name, settings}` or `[name, option, …]`, or its MIME header `Merge-Type`.
//! Without a word, a later part replaces whole top-level keys. What is replaced or left out is reported, because that is how
//! users lose half of their packages.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::{DictKey, Entry, Node, Origin, Value};
use super::problem::Report;

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
}

/// Merges parts in order. A part that is no mapping, that is empty, or whose merge instructions make no sense, is left out
/// with a warning. Reported as notes: top-level keys that a later part replaces, removes, or cannot change.
pub fn merge_parts(parts: Vec<ConfigPart>, report: &mut Report) -> Node {
    let place = parts.first().map_or_else(|| Origin::new("user-data", 1, 1), |part| part.root.origin.clone());
    let mut merged = Node::new(Value::Map(Vec::new()), place);
    for part in parts {
        match merge_part(&merged, part.clone()) {
            Ok((next, part_root)) => {
                report_changes(&merged, &part_root, &next, report);
                merged = next;
            }
            Err(refusal) => {
                let message = format!("the part `{}` is left out: {}", part.name, refusal.reason);
                report.warning("part-left-out", message).at(&refusal.place);
            }
        }
    }
    merged
}

/// Lays the configuration of a higher layer over a lower one: mappings are joined, anything else of the higher one stays.
pub fn overlay(high: Node, low: Node) -> Node {
    let kept = high.clone();
    let merged = Mergers::parse(BETWEEN_LAYERS).and_then(|mergers| mergers.merge(high, low));
    // The rule is well-formed and its mergers cannot fail.
    merged.unwrap_or(kept)
}

/// Why a part is left out.
struct Refusal {
    reason: String,
    place: Origin,
}

fn merge_part(merged: &Node, mut part: ConfigPart) -> Result<(Node, Node), Refusal> {
    let place = part.root.origin.clone();
    let refusal = |reason: String, place: &Origin| Refusal { reason, place: place.clone() };
    let kind = part.root.kind();
    let Value::Map(entries) = &mut part.root.value else {
        let reason = if part.root.is_null() { "it is empty".into() } else { format!("it is {kind}, not a mapping") };
        return Err(refusal(reason, &place));
    };
    let how = take(entries, "merge_how").filter(|how| !how.is_null());
    let merge_type = if how.is_none() { take(entries, "merge_type") } else { None };
    let how = how.or(merge_type.filter(|how| !how.is_null()));
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
    let next = mergers.merge(merged.clone(), part.root.clone()).map_err(|reason| refusal(reason, &how_place))?;
    Ok((next, part.root))
}

fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Node> {
    let at = entries.iter().position(|entry| entry.key.as_str() == Some(key))?;
    Some(entries.remove(at).value)
}

fn report_changes(before: &Node, part: &Node, after: &Node, report: &mut Report) {
    for new in part.entries() {
        let name = new.key.source_text();
        let old = before.entries().iter().find(|entry| entry.key == new.key);
        let now = after.entries().iter().find(|entry| entry.key == new.key);
        let place = &new.key.origin;
        match (old, now) {
            (None, None) => {
                report.note("key-left-out", format!("`{name}` is left out: the part's mergers do not handle mappings")).at(place);
            }
            (Some(old), None) => {
                let message = format!("`{name}` removes the one at {}", old.key.origin);
                report.note("key-removed", message).at(place);
            }
            (Some(old), Some(now)) if old.value != new.value && now.value == new.value => {
                let message = format!("`{name}` replaces the one at {}", old.key.origin);
                report.note("key-replaced", message).at(place).help(JOINING);
            }
            (Some(old), Some(now)) if old.value != new.value && now.value == old.value => {
                let message = format!("`{name}` is left out: the one at {} stays", old.key.origin);
                report.note("key-left-out", message).at(place);
            }
            _ => {}
        }
    }
}

/// The mergers of a part: one for each kind of value, the first mentioned counts.
#[derive(Default)]
struct Mergers {
    dict: Option<DictMerger>,
    list: Option<ListMerger>,
    str: Option<StrMerger>,
}

struct DictMerger {
    replace: bool,
    allow_delete: bool,
    recurse: Recurse,
}

struct ListMerger {
    method: ListMethod,
    recurse: Recurse,
}

#[derive(Clone, Copy, PartialEq)]
enum ListMethod {
    Append,
    Prepend,
    Replace,
    NoReplace,
}

struct StrMerger {
    append: bool,
}

/// Which kinds of new values are merged into the old one instead of replacing it or giving way.
struct Recurse {
    dict: bool,
    list: bool,
    str: bool,
}

impl Recurse {
    fn merges(&self, new: &Node) -> bool {
        match new.value {
            Value::Map(_) => self.dict,
            Value::Seq(_) => self.list,
            Value::Str(_) => self.str,
            _ => false,
        }
    }
}

impl Mergers {
    /// Reads the string form: `name(option,option)+name()`.
    fn parse(text: &str) -> Result<Mergers, String> {
        let mut mergers = Mergers::default();
        for one in text.split('+').map(|one| one.trim().to_lowercase().replace('-', "_")).filter(|one| !one.is_empty()) {
            let (name, options) = one
                .strip_suffix(')')
                .and_then(|one| one.split_once('('))
                .ok_or_else(|| format!("`{one}` is not of the form `name(option,…)`"))?;
            let options = options.split(',').map(|option| option.trim().to_string()).collect();
            mergers.add_named(name, &Options::List(options))?;
        }
        Ok(mergers)
    }

    /// Reads the value of `merge_how`.
    fn from_node(how: &Node) -> Result<Mergers, String> {
        if let Some(text) = how.as_str() {
            return Mergers::parse(text);
        }
        let items = how.as_seq().ok_or_else(|| format!("`merge_how` is {}, not a string or a list", how.kind()))?;
        let mut mergers = Mergers::default();
        for item in items {
            match &item.value {
                Value::Map(_) => {
                    let name = item.get("name").and_then(Node::as_str).ok_or("a merger has no `name`")?;
                    let settings = item.get("settings").ok_or("a merger has no `settings`")?;
                    mergers.add_named(name.replace('-', "_").trim(), &Options::from_node(settings)?)?;
                }
                Value::Seq(parts) => {
                    let (name, options) = parts.split_first().ok_or("a merger has no name")?;
                    let name = name.as_str().ok_or_else(|| format!("a merger's name is {}", name.kind()))?;
                    mergers.add_named(name, &Options::List(options.iter().map(Node::python_str).collect()))?;
                }
                _ => return Err(format!("a merger is {}, not a mapping or a list", item.kind())),
            }
        }
        Ok(mergers)
    }

    fn is_empty(&self) -> bool {
        self.dict.is_none() && self.list.is_none() && self.str.is_none()
    }

    fn add(&mut self, other: Mergers) {
        self.dict = self.dict.take().or(other.dict);
        self.list = self.list.take().or(other.list);
        self.str = self.str.take().or(other.str);
    }

    fn add_named(&mut self, name: &str, options: &Options) -> Result<(), String> {
        let lists = options.has("recurse_array") || options.has("recurse_list");
        let recurse = Recurse { dict: true, list: lists, str: options.has("recurse_str") };
        let mut one = Mergers::default();
        match name.strip_prefix("m_").unwrap_or(name) {
            "" => {}
            "dict" => {
                let (replace, allow_delete) = (options.has("replace"), options.has("allow_delete"));
                one.dict = Some(DictMerger { replace, allow_delete, recurse });
            }
            "list" => {
                let recurse = Recurse { dict: options.has("recurse_dict"), ..recurse };
                let method = match () {
                    () if options.has("append") => ListMethod::Append,
                    () if options.has("prepend") => ListMethod::Prepend,
                    () if options.has("replace") => ListMethod::Replace,
                    () if options.has("no_replace") => ListMethod::NoReplace,
                    () => ListMethod::Replace,
                };
                one.list = Some(ListMerger { method, recurse });
            }
            "str" => one.str = Some(StrMerger { append: options.has("append") }),
            unknown => return Err(format!("there is no merger `{unknown}`; there are dict, list and str")),
        }
        self.add(one);
        Ok(())
    }

    /// Merges a new value into an old one. The old value's kind decides; a kind without a merger keeps the old value.
    fn merge(&self, old: Node, new: Node) -> Result<Node, String> {
        match (&old.value, &self.dict, &self.list, &self.str) {
            (Value::Map(_), Some(merger), _, _) => self.merge_dict(merger, old, new),
            (Value::Seq(_), _, Some(merger), _) => self.merge_list(merger, old, new),
            (Value::Str(text), _, _, Some(StrMerger { append: true })) => match new.as_str() {
                Some(more) => Ok(Node::new(Value::Str(format!("{text}{more}")), new.origin)),
                None => Err(format!("{} cannot be appended to a string", new.kind())),
            },
            (Value::Str(_), _, _, Some(StrMerger { append: false })) => Ok(new),
            _ => Ok(old),
        }
    }

    fn merge_dict(&self, merger: &DictMerger, old: Node, new: Node) -> Result<Node, String> {
        let Value::Map(additions) = new.value else { return Ok(old) };
        let Value::Map(entries) = old.value else { return Ok(old) };
        let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
        let mut index: HashMap<Option<DictKey>, usize> = HashMap::with_capacity(entries.len());
        for (at, entry) in entries.iter().flatten().enumerate() {
            index.insert(entry.key.dict_key(), at);
        }
        for new in additions {
            let Some((at, Some(old))) = index.get(&new.key.dict_key()).map(|&at| (at, entries[at].take())) else {
                index.insert(new.key.dict_key(), entries.len());
                entries.push(Some(new));
                continue;
            };
            entries[at] = if new.value.is_null() && merger.allow_delete {
                None
            } else if merger.replace {
                Some(new)
            } else if merger.recurse.merges(&new.value) {
                Some(Entry { key: old.key, value: self.merge(old.value, new.value)? })
            } else {
                Some(old)
            };
        }
        Ok(Node::new(Value::Map(entries.into_iter().flatten().collect()), old.origin))
    }

    fn merge_list(&self, merger: &ListMerger, old: Node, new: Node) -> Result<Node, String> {
        if merger.method == ListMethod::Replace && new.as_seq().is_none() {
            return Ok(new);
        }
        let additions = iterated(&new)?;
        let Value::Seq(mut items) = old.value else { return Ok(old) };
        match merger.method {
            ListMethod::Append => items.extend(additions),
            ListMethod::Prepend => {
                items.splice(0..0, additions);
            }
            ListMethod::NoReplace if new.as_map().is_some() && !items.is_empty() && !additions.is_empty() => {
                return Err("a mapping cannot be merged into a list".into());
            }
            ListMethod::NoReplace => {}
            ListMethod::Replace => {
                for (item, new) in items.iter_mut().zip(additions) {
                    *item = if merger.recurse.merges(&new) { self.merge(item.clone(), new)? } else { new };
                }
            }
        }
        Ok(Node::new(Value::Seq(items), old.origin))
    }
}

/// What Python iterates over when it extends a list by a value.
fn iterated(node: &Node) -> Result<Vec<Node>, String> {
    match &node.value {
        Value::Seq(items) => Ok(items.clone()),
        Value::Map(entries) => Ok(entries.iter().map(|entry| entry.key.clone()).collect()),
        Value::Str(text) => Ok(text.chars().map(|c| Node::new(Value::Str(c.to_string()), node.origin.clone())).collect()),
        _ => Err(format!("{} cannot be merged into a list", node.kind())),
    }
}

/// A merger's options: words, or a text in which they occur.
enum Options {
    List(Vec<String>),
    Text(String),
}

impl Options {
    fn from_node(settings: &Node) -> Result<Options, String> {
        match &settings.value {
            Value::Seq(items) => Ok(Options::List(items.iter().map(Node::python_str).collect())),
            Value::Map(entries) => Ok(Options::List(entries.iter().map(|entry| entry.key.python_str()).collect())),
            Value::Str(text) => Ok(Options::Text(text.clone())),
            _ => Err(format!("a merger's `settings` are {}, not a list", settings.kind())),
        }
    }

    fn has(&self, option: &str) -> bool {
        match self {
            Options::List(options) => options.iter().any(|one| one == option),
            Options::Text(text) => text.contains(option),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn merged(parts: &[&str]) -> (Node, Report) {
        let mut report = Report::new();
        let parts = parts.iter().enumerate().map(|(at, text)| {
            let name = format!("part-{:03}", at + 1);
            let root = yaml::parse(&name, text).expect("YAML");
            ConfigPart { name: name.into(), root, merge_type: None }
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
    fn a_part_that_cannot_be_merged_is_left_out_with_a_warning() {
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
