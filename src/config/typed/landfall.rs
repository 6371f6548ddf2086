//! The `landfall` section: phases, and what holds for every step.

use super::reader::{nearest, FromNode, Reader};
use super::scalars::Located;
use super::Keys;
use crate::config::node::{Entry, Node, Value};
use crate::plan::operation::OnInterrupt;
use crate::plan::{OnError, Operation};

crate::record! {
    /// The section without the contents of its phases.
    pub struct Section {
        /// What a failure does.
        optional on_error: OnError,
        /// What an interruption means.
        optional on_interrupt: OnInterrupt,
        /// How often a transient failure is tried again.
        optional retry: Retry,
        /// Limits of time.
        default timeouts: Timeouts,
        /// Remove the stored user-data at the end.
        default wipe_user_data: bool,
        /// The phases, read by [`super::phases`].
        default phases: Vec<Node>,
    }
    later ["breaker", "resources", "notify"]
}

crate::record! {
    /// What a phase says of itself, beside its cloud-config keys.
    pub struct PhaseHead {
        /// Its name.
        required name: PhaseName,
        /// Phases that must have succeeded.
        default needs: Names,
        /// Whether it is run at all.
        optional when: Located<Node>,
        /// Top-level keys it takes over.
        default run: Names,
        /// What a failure does.
        optional on_error: OnError,
        /// What an interruption means.
        optional on_interrupt: OnInterrupt,
        /// How often a transient failure is tried again.
        optional retry: Retry,
        /// Limit of time for each of its steps.
        optional timeout: Duration,
    }
    later ["on_failure", "creates"]
}

/// A phase's name: part of step ids and commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseName(pub String);

impl FromNode for PhaseName {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return reader.invalid(&node.origin, format!("`{name}` is no phase's name"), "use letters, digits, `-` and `_`");
        }
        Some(Self(name))
    }
}

/// Names with their places, as a list or one alone.
#[derive(Clone, Debug, Default)]
pub struct Names(pub Vec<Located<String>>);

impl FromNode for Names {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_seq() {
            Some(_) => Vec::from_node(node, reader).map(Self),
            None => Located::from_node(node, reader).map(|one| Self(vec![one])),
        }
    }
}

impl FromNode for OnError {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match String::from_node(node, reader)?.as_str() {
            "stop" => Some(Self::Stop),
            "continue" => Some(Self::Continue),
            "warn" => Some(Self::Warn),
            "rollback" => Some(Self::Rollback),
            other => reader.unknown_word(&node.origin, format!("`{other}` is none"), other, &["stop", "continue", "warn", "rollback"]),
        }
    }
}

impl FromNode for OnInterrupt {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match String::from_node(node, reader)?.as_str() {
            "rerun" => Some(Self::Rerun),
            "skip" => Some(Self::Skip),
            "stop" => Some(Self::Stop),
            other => reader.unknown_word(&node.origin, format!("`{other}` is none"), other, &["rerun", "skip", "stop"]),
        }
    }
}

/// `retry`: a number of attempts, or a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: u32,
}

crate::record! {
    /// The long form of `retry`.
    pub struct RetryRecord {
        /// Attempts in all.
        required attempts: u32,
    }
    later ["delay", "max_delay", "deadline", "jitter"]
}

impl FromNode for Retry {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let attempts = match node.as_map() {
            Some(_) => RetryRecord::from_node(node, reader)?.attempts,
            None => u32::from_node(node, reader)?,
        };
        if !(1..=1000).contains(&attempts) {
            return reader.invalid(&node.origin, "attempts are counted from 1 to 1000", "1 means: do not try again");
        }
        Some(Self { attempts })
    }
}

/// `90s`, `10m`, `1h`, `2d`, or seconds as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Seconds.
    pub seconds: u64,
}

impl FromNode for Duration {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let seconds = match &node.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Str(text) => parse_duration(text.trim()),
            _ => None,
        };
        match seconds.filter(|seconds| *seconds > 0) {
            Some(seconds) => Some(Self { seconds }),
            None => reader.invalid(&node.origin, "this is no length of time", "as in 90s, 10m, 1h30m"),
        }
    }
}

fn parse_duration(text: &str) -> Option<u64> {
    let mut total = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let (unit, after) = match rest[digits..].chars().next() {
            None => (1, ""),
            Some(c) => {
                let unit = match c {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86400,
                    _ => return None,
                };
                (unit, &rest[digits + 1..])
            }
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// `timeouts`: one length of time for every step, or one for each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Package work.
    pub packages: Option<u64>,
    /// Commands and scripts.
    pub commands: Option<u64>,
    /// Downloads.
    pub downloads: Option<u64>,
    /// Everything else.
    pub other: Option<u64>,
}

crate::record! {
    /// The long form of `timeouts`.
    pub struct TimeoutsRecord {
        /// Package work.
        optional packages: Duration,
        /// Commands and scripts.
        optional commands: Duration,
        /// Downloads.
        optional downloads: Duration,
        /// Everything else.
        optional other: Duration,
    }
}

impl FromNode for Timeouts {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.seconds);
        if node.as_map().is_some() {
            let record = TimeoutsRecord::from_node(node, reader)?;
            return Some(Self {
                packages: seconds(record.packages),
                commands: seconds(record.commands),
                downloads: seconds(record.downloads),
                other: seconds(record.other),
            });
        }
        let one = seconds(Duration::from_node(node, reader));
        Some(Self { packages: one, commands: one, downloads: one, other: one })
    }
}

impl Timeouts {
    /// The limit for an operation, in seconds.
    pub const fn limit_for(&self, operation: &Operation) -> Option<u64> {
        match operation {
            Operation::AptKey { .. } | Operation::AptUpdate | Operation::AptUpgrade | Operation::InstallPackages { .. } => self.packages,
            Operation::Command(_) | Operation::ScriptItem(_) | Operation::RunFile { .. } | Operation::RunDirectory { .. } => self.commands,
            Operation::Download { .. } => self.downloads,
            _ => self.other,
        }
    }
}

/// One phase: what it says of itself, and the cloud-config keys it does.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What it says of itself.
    pub head: PhaseHead,
    /// Its own keys and those it takes over.
    pub keys: Box<Keys>,
}

/// A phase as written: its head, and the mapping of its own cloud-config keys.
pub struct RawPhase {
    /// What it says of itself.
    pub head: PhaseHead,
    /// The rest.
    pub inline: Node,
}

/// Reads the head of every phase; one without a usable name, or of a name already used, is reported and left out.
pub fn read_phases(nodes: &[Node], reader: &mut Reader<'_>) -> Vec<RawPhase> {
    let mut phases: Vec<RawPhase> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let phase = reader.within(&format!("[{at}]"), |reader| read_phase(node, reader));
        let Some(phase) = phase else { continue };
        if phases.iter().any(|known| known.head.name == phase.head.name) {
            let message = format!("there are two phases `{}`: this one is left out", phase.head.name.0);
            reader.report.error("duplicate-phase", message).at(&node.origin).help("give each its own name");
            continue;
        }
        phases.push(phase);
    }
    phases
}

fn read_phase(node: &Node, reader: &mut Reader<'_>) -> Option<RawPhase> {
    let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
    let belongs = |entry: &Entry, keys: &[&str]| keys.contains(&entry.key.source_text().replace('-', "_").as_str());
    let mut head = Vec::new();
    let mut inline = Vec::new();
    for entry in entries {
        if belongs(entry, PhaseHead::KEYS) || belongs(entry, PhaseHead::LATER) {
            head.push(entry.clone());
        } else if belongs(entry, Keys::KEYS) || belongs(entry, Keys::LATER) {
            inline.push(entry.clone());
        } else {
            report_unknown(entry, reader);
        }
    }
    let head = PhaseHead::from_node(&Node::new(Value::Map(head), node.origin.clone()), reader)?;
    Some(RawPhase { head, inline: Node::new(Value::Map(inline), node.origin.clone()) })
}

fn report_unknown(entry: &Entry, reader: &mut Reader<'_>) {
    let spelled = entry.key.source_text();
    let message = format!("unknown key `{spelled}` in {}: it is ignored", reader.path());
    let known: Vec<&str> = PhaseHead::KEYS.iter().chain(Keys::KEYS).copied().collect();
    let problem = reader.report.warning("unknown-key", message).at(&entry.key.origin);
    if let Some(near) = nearest(&spelled, &known) {
        problem.help(format!("did you mean `{near}`?"));
    }
}

/// The phases in the order of their needs, otherwise as written. What needs an unknown phase, or itself by a detour, is
/// reported and left out with all that needs it.
pub fn order_phases(phases: Vec<RawPhase>, reader: &mut Reader<'_>) -> Vec<RawPhase> {
    let mut waiting = phases;
    let mut ordered: Vec<RawPhase> = Vec::new();
    loop {
        let ready = |phase: &RawPhase, ordered: &[RawPhase]| {
            phase.head.needs.0.iter().all(|need| ordered.iter().any(|done| done.head.name.0 == need.value))
        };
        let Some(at) = waiting.iter().position(|phase| ready(phase, &ordered)) else { break };
        ordered.push(waiting.remove(at));
    }
    let names: Vec<String> = waiting.iter().chain(&ordered).map(|phase| phase.head.name.0.clone()).collect();
    for phase in &waiting {
        report_unmet(phase, &names, &ordered, reader);
    }
    ordered
}

fn report_unmet(phase: &RawPhase, names: &[String], ordered: &[RawPhase], reader: &mut Reader<'_>) {
    let name = &phase.head.name.0;
    for need in &phase.head.needs.0 {
        if ordered.iter().any(|done| done.head.name.0 == need.value) {
            continue;
        }
        if names.contains(&need.value) {
            let message = format!("phase `{name}` needs `{}`, which waits for it or is left out itself: it is not run", need.value);
            reader.report.error("phase-cycle", message).at(&need.origin).help("let phases need only what comes before them");
        } else {
            let message = format!("phase `{name}` needs `{}`, and there is no such phase: it is not run", need.value);
            let candidates: Vec<&str> = names.iter().map(String::as_str).collect();
            let problem = reader.report.error("unknown-phase", message).at(&need.origin);
            if let Some(near) = nearest(&need.value, &candidates) {
                problem.help(format!("did you mean `{near}`?"));
            }
        }
    }
}
