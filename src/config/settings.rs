//! Settings of the `landfall` section from beside the documents: the environment and the command line. Each value is YAML, as
//! it would be written in the section, and becomes one more layer over the others: read by the same reader, refused by the same
//! rules. [`listed`] shows what holds and where it was said.

use serde::Serialize;

use super::merge;
use super::node::{Entry, Node, Origin, Value};
use super::problem::{Report, Severity};
use super::typed::landfall::{Backups, Breaker, PhaseHead, RetryRecord, Section, TimeoutsRecord};
use super::typed::reader::{FromNode as _, Reader};
use super::typed::resources::ResourcesRecord;
use crate::yaml;

/// The list that only documents hold; `LANDFALL_PHASE` is what children are told.
const PHASES: &str = "phases";
const PREFIX: &str = "LANDFALL_";

/// What was said beside the documents: layers, the lower one first.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    layers: Vec<Node>,
    report: Report,
}

/// A flag of the command line: its name, the setting, and what it was given.
pub type Flag<'f> = (&'static str, &'static str, Option<&'f str>);

impl Overrides {
    /// From variables (those of settings are looked for, others are nobody's concern here) and from flags, which win.
    pub fn new(environment: &dyn Fn(&str) -> Option<String>, flags: &[Flag<'_>]) -> Self {
        let mut overrides = Self::default();
        let variables = names().map(|name| {
            let variable = format!("{PREFIX}{}", name.to_ascii_uppercase());
            let value = environment(&variable);
            (format!("environment {variable}"), name, value)
        });
        overrides.add_layer(variables.collect());
        let flags = flags.iter().map(|(flag, name, value)| (format!("command line {flag}"), *name, value.map(str::to_owned)));
        overrides.add_layer(flags.collect());
        overrides
    }

    fn add_layer(&mut self, given: Vec<(String, &'static str, Option<String>)>) {
        let mut entries = Vec::new();
        for (part, name, text) in given {
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else { continue };
            match yaml::parse_with_report(&part, &text, &mut self.report) {
                Ok(value) if value.is_null() => {}
                Ok(value) => entries.push(entry(name, value)),
                Err(error) => error.report(&part, &mut self.report),
            }
        }
        if let Some(first) = entries.first() {
            let origin = first.value.origin.clone();
            let section = Node::new(Value::Map(entries), origin.clone());
            self.layers.push(Node::new(Value::Map(vec![entry("landfall", section)]), origin));
        }
    }

    /// The document with these settings over its own. What could not be read of them is reported.
    pub fn over(&self, document: Node, report: &mut Report) -> Node {
        report.extend(self.report.clone());
        let place = document.origin.clone();
        let mut merged = self.layers.iter().fold(document, |low, high| overlay(high.clone(), low));
        merged.origin = place;
        merged
    }

    /// What is wrong with them by themselves.
    pub fn problems(&self) -> Report {
        let mut report = self.report.clone();
        for section in self.layers.iter().filter_map(|layer| layer.get("landfall")) {
            let mut reader = Reader::new(&mut report);
            let _ = reader.within("landfall", |reader| Section::from_node(section, reader));
        }
        report
    }
}

/// Lays one layer over a lower one by cloud-init's rules, but for the `landfall` section: there a value of the higher layer always
/// wins, also a word over a mapping.
pub fn overlay(high: Node, low: Node) -> Node {
    with_section(merge::overlay(high.clone(), low.clone()), &high, &low)
}

/// What was merged of two layers by cloud-init's rules, with the `landfall` section merged by its own.
pub fn with_section(mut merged: Node, high: &Node, low: &Node) -> Node {
    let section = high.get("landfall").zip(low.get("landfall")).map(|(high, low)| joined(high, low));
    if let (Some(section), Value::Map(entries)) = (section, &mut merged.value) {
        let place = entries.iter_mut().find(|entry| entry.key.as_str() == Some("landfall"));
        if let Some(entry) = place {
            entry.value = section;
        }
    }
    merged
}

fn joined(high: &Node, low: &Node) -> Node {
    match (&high.value, &low.value) {
        (Value::Null, _) => low.clone(),
        (Value::Map(upper), Value::Map(lower)) => {
            let other = |entry: &Entry, entries: &[Entry]| entries.iter().position(|other| other.key.dict_key() == entry.key.dict_key());
            let join = |entry: &Entry| match other(entry, lower) {
                Some(at) => Entry { key: entry.key.clone(), value: joined(&entry.value, &lower[at].value) },
                None => entry.clone(),
            };
            let missing = lower.iter().filter(|entry| other(entry, upper).is_none()).cloned();
            Node::new(Value::Map(upper.iter().map(join).chain(missing).collect()), high.origin.clone())
        }
        _ => high.clone(),
    }
}

fn entry(key: &str, value: Node) -> Entry {
    Entry { key: Node::new(Value::Str(key.to_owned()), value.origin.clone()), value }
}

/// Every setting of the section.
fn names() -> impl Iterator<Item = &'static str> {
    Section::KEYS.iter().chain(Section::LATER).copied().filter(|name| *name != PHASES)
}

/// One setting, as it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name: `retry.attempts`.
    pub name: String,
    /// Its value as written, or what holds by default.
    pub value: String,
    /// Where it was said: a part with line and column, a variable, a flag, or `default`.
    pub source: String,
}

/// Every setting with its value and source; those of a phase only where the phase says something. `report` is what reading the
/// document found: a value that was refused there does not hold.
pub fn listed(document: &Node, report: &Report) -> Vec<Setting> {
    let section = document.get("landfall");
    let mut settings = Vec::new();
    for name in Section::KEYS.iter().copied().filter(|name| *name != PHASES) {
        let given = section.and_then(|section| value_of(section, name)).filter(|node| holds(node, report));
        match (inner_names(name), given) {
            (None, None) => settings.push(by_default(name)),
            (None, Some(node)) => leaves(name, node, report, &mut settings),
            (Some(inner), given) => {
                for one in inner {
                    let path = format!("{name}.{one}");
                    let node = given.and_then(|node| match node.value {
                        Value::Map(_) => value_of(node, one).filter(|node| holds(node, report)),
                        _ => (name != "retry" || *one == "attempts").then_some(node),
                    });
                    match node {
                        Some(node) => leaves(&path, node, report, &mut settings),
                        None => settings.push(by_default(&path)),
                    }
                }
            }
        }
    }
    for (at, phase) in section.and_then(|section| section.get(PHASES)).and_then(Node::as_seq).unwrap_or_default().iter().enumerate() {
        let name = phase.get("name").map_or_else(|| at.to_string(), Node::source_text);
        for key in PhaseHead::KEYS.iter().filter(|key| **key != "name") {
            if let Some(node) = value_of(phase, key) {
                leaves(&format!("{PHASES}.{name}.{key}"), node, report, &mut settings);
            }
        }
    }
    settings
}

/// The keys of a setting that is a mapping, also where it is written as one value.
fn inner_names(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "retry" => Some(RetryRecord::KEYS),
        "timeouts" => Some(TimeoutsRecord::KEYS),
        "breaker" => Some(Breaker::KEYS),
        "backups" => Some(Backups::KEYS),
        "resources" => Some(ResourcesRecord::KEYS),
        _ => None,
    }
}

fn value_of<'n>(mapping: &'n Node, name: &str) -> Option<&'n Node> {
    let spelled = |entry: &&Entry| entry.key.as_str().is_some_and(|key| key.replace('-', "_") == name);
    mapping.get(name).or_else(|| mapping.entries().iter().find(spelled).map(|entry| &entry.value)).filter(|node| !node.is_null())
}

fn holds(node: &Node, report: &Report) -> bool {
    !report.problems.iter().any(|problem| problem.severity == Severity::Error && problem.origin.as_ref() == Some(&node.origin))
}

fn leaves(path: &str, node: &Node, report: &Report, settings: &mut Vec<Setting>) {
    match &node.value {
        _ if !holds(node, report) => {}
        Value::Map(entries) => {
            entries.iter().for_each(|entry| leaves(&format!("{path}.{}", entry.key.source_text()), &entry.value, report, settings));
        }
        Value::Seq(items) if items.iter().any(|item| !item.is_scalar()) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(&format!("{path}[{at}]"), item, report, settings));
        }
        _ => settings.push(Setting { name: path.to_owned(), value: shown(node), source: source(&node.origin) }),
    }
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Bool(value) => value.to_string(),
        Value::Seq(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        _ => node.source_text(),
    }
}

/// A variable and a flag have no lines worth naming.
fn source(origin: &Origin) -> String {
    if origin.part.starts_with("environment ") || origin.part.starts_with("command line ") {
        origin.part.to_string()
    } else {
        origin.to_string()
    }
}

fn by_default(name: &str) -> Setting {
    let value = match name {
        "on_error" => "continue",
        "on_interrupt" => "rerun",
        "retry.attempts" => "6 for packages and downloads, else 1",
        "retry.delay" => "2s for packages and downloads, else 1s",
        "retry.max_delay" => "60s for packages and downloads, else 30s",
        "retry.deadline" => "15m for packages and downloads, else 5m",
        "retry.jitter" => "true",
        "accept_exit" => "0",
        "breaker.failures" => "5",
        "breaker.cooldown" => "60s",
        "backups.days" => "90",
        "backups.copies" => "10",
        "resources.min_disk" => "16M before packages and downloads",
        "resources.check" => "stop",
        "timeouts.packages" => "none; 30m without progress",
        "wipe_user_data" => "false",
        _ => "none",
    };
    Setting { name: name.to_owned(), value: value.to_owned(), source: "default".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::typed::CloudConfig;
    use crate::plan::OnError;

    fn document(part: &str, text: &str) -> Node {
        yaml::parse(part, text).expect("YAML")
    }

    fn environment(name: &str) -> Option<String> {
        let value = match name {
            "LANDFALL_ON_ERROR" => "warn",
            "LANDFALL_TIMEOUTS" => "{packages: 10m}",
            "LANDFALL_ON_INTERRUPT" => "",
            // What children are told is no setting.
            "LANDFALL_PHASE" | "LANDFALL_PHASES" | "LANDFALL_RUN" | "LANDFALL_STEP" => "nonsense",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_documents() {
        let overrides = Overrides::new(&environment, &[("--on-error", "on_error", Some("stop")), ("--retry", "retry", None)]);
        assert!(overrides.problems().problems.is_empty(), "{:?}", overrides.problems());
        let text = "landfall: {on_error: continue, on_interrupt: skip, retry: 4, timeouts: {packages: 1h, other: 5m}}";
        let mut report = Report::new();
        let merged = overrides.over(document("user-data", text), &mut report);
        let config = CloudConfig::read(&merged, &mut report).expect("a mapping");
        assert_eq!(config.defaults.on_error, Some(OnError::Stop));
        assert_eq!(config.defaults.retry.and_then(|retry| retry.attempts), Some(4));
        assert_eq!((config.defaults.timeouts.packages, config.defaults.timeouts.other), (Some(600), Some(300)));
        let rows: Vec<String> = listed(&merged, &report).iter().map(|one| format!("{} {} {}", one.name, one.value, one.source)).collect();
        for expected in [
            "on_error stop command line --on-error",
            "on_interrupt skip user-data:1:46",
            "retry.attempts 4 user-data:1:59",
            "timeouts.packages 10m environment LANDFALL_TIMEOUTS",
            "timeouts.other 5m user-data:1:94",
            "timeouts.commands none default",
            "wipe_user_data false default",
        ] {
            assert!(rows.iter().any(|row| row == expected), "{expected}: {rows:#?}");
        }
    }

    #[test]
    fn a_bad_value_names_its_variable_or_flag() {
        let bad = |name: &str| (name == "LANDFALL_RETRY").then(|| "often".to_owned());
        let torn = |name: &str| (name == "LANDFALL_TIMEOUTS").then(|| "{packages: ".to_owned());
        let rows: [(Overrides, &str); 3] = [
            (Overrides::new(&bad, &[]), "environment LANDFALL_RETRY:1:1"),
            (Overrides::new(&torn, &[]), "environment LANDFALL_TIMEOUTS:1:"),
            (Overrides::new(&|_| None, &[("--timeout", "timeouts", Some("soon"))]), "command line --timeout:1:1"),
        ];
        for (overrides, expected) in rows {
            let report = overrides.problems();
            assert!(report.has_errors());
            let place = report.problems[0].origin.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(place.starts_with(expected), "{expected}: {place}");
        }
    }

    #[test]
    fn a_value_that_was_refused_does_not_hold() {
        let document = document("x", "landfall: {retry: {attempts: 0}, on_error: nope, timeouts: {packages: soon, other: 5m}}");
        let mut report = Report::new();
        let _ = CloudConfig::read(&document, &mut report);
        let listed = listed(&document, &report);
        let source = |name: &str| listed.iter().find(|one| one.name == name).map(|one| one.source.clone()).expect("listed");
        for name in ["retry.attempts", "on_error", "timeouts.packages"] {
            assert_eq!(source(name), "default", "{name}");
        }
        assert_eq!(source("timeouts.other"), "x:1:84");
    }

    #[test]
    fn a_value_of_a_higher_layer_wins_whatever_its_shape() {
        let rows = [
            ("{timeouts: 10m}", "{timeouts: {other: 5m}}", "{'timeouts': '10m'}"),
            ("{timeouts: {packages: 1h}}", "{timeouts: {other: 5m, packages: 2h}}", "{'timeouts': {'packages': '1h', 'other': '5m'}}"),
            ("{retry: 2}", "{retry: {attempts: 5}, on_error: stop}", "{'retry': 2, 'on_error': 'stop'}"),
            ("{retry: }", "{retry: 5}", "{'retry': 5}"),
            ("", "{retry: 5}", "{'retry': 5}"),
        ];
        for (high, low, expected) in rows {
            let merged = overlay(document("high", &format!("landfall: {high}")), document("low", &format!("landfall: {low}")));
            assert_eq!(merged.get("landfall").map(Node::python_str).as_deref(), Some(expected), "{high} over {low}");
        }
    }

    #[test]
    fn a_phase_shows_what_it_says_of_itself() {
        let document = document("x", "landfall: {phases: [{name: db, on_error: stop, needs: [a, b], timeout: 5m}]}");
        let rows: Vec<String> = listed(&document, &Report::new()).into_iter().map(|one| format!("{}={}", one.name, one.value)).collect();
        for expected in ["phases.db.on_error=stop", "phases.db.needs=a, b", "phases.db.timeout=5m"] {
            assert!(rows.iter().any(|row| row == expected), "{expected}: {rows:#?}");
        }
    }
}
