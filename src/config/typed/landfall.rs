//! The `landfall` section: phases, and what holds for every step.

use super::advice::advise;
use super::conditions::Conditions;
use super::reader::{quoted, quoted_and, FromNode, Reader, Shape};
use super::resources::ResourcesRecord;
use super::scalars::{Located, OneOrMany};
use super::services::ServiceItem;
use super::system::AbsolutePath;
use super::Keys;
use crate::config::node::{Entry, Node, Value};
use crate::plan::notify::Listener;
use crate::plan::operation::OnInterrupt;
use crate::plan::{Backoff, BreakerLimits, OnError, Operation, Retention};

crate::record! {
    /// The section without the contents of its phases.
    pub struct Section {
        /// What a failure does.
        optional on_error: OnError,
        /// What an interruption means.
        optional on_interrupt: OnInterrupt,
        /// How often a transient failure is tried again.
        optional retry: Retry,
        /// Exit codes that mean success.
        default accept_exit: ExitCodes,
        /// When a host or service that fails is left alone.
        optional breaker: Breaker,
        /// What the host must have left.
        optional resources: ResourcesRecord,
        /// Limits of time.
        default timeouts: Timeouts,
        /// Remove the stored user-data at the end.
        default wipe_user_data: bool,
        /// How long copies of what files held before are kept.
        optional backups: Backups,
        /// Who is told how a run ended.
        default notify: OneOrMany<Listener>,
        /// The phases, read by [`super::phases`].
        default phases: PhaseNodes,
    }
}

crate::record! {
    /// What a phase says of itself, beside its cloud-config keys.
    pub struct PhaseHead {
        /// Its name.
        required name: PhaseName,
        /// Phases that must have succeeded.
        default needs: Names,
        /// Whether it is run at all.
        optional when: Conditions,
        /// A path: where it exists there is nothing to do.
        optional creates: AbsolutePath,
        /// The phase to run where it fails.
        optional on_failure: Located<String>,
        /// Top-level keys it takes over.
        default run: Names,
        /// What a failure does.
        optional on_error: OnError,
        /// What an interruption means.
        optional on_interrupt: OnInterrupt,
        /// How often a transient failure is tried again.
        optional retry: Retry,
        /// Exit codes that mean success.
        optional accept_exit: ExitCodes,
        /// Limit of time for each of its steps.
        optional timeout: Duration,
        /// Limit of time without new output, for each of its steps.
        optional silence: Duration,
        /// Services that are started and waited for, after all its keys.
        default services: Vec<ServiceItem>,
        /// Whether it is run side by side with the phases next to it that say so too.
        default parallel: bool,
        /// Who is told how it ended.
        default notify: OneOrMany<Listener>,
    }
}

/// Phases as they are written.
#[derive(Clone, Debug, Default)]
pub struct PhaseNodes(pub Vec<Node>);

impl FromNode for PhaseNodes {
    const SHAPE: Shape = Shape::List(&Shape::Both(PhaseHead::RECORD, Keys::RECORD));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Vec::from_node(node, reader).map(Self)
    }
}

/// A phase's name: part of step ids and commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseName(pub String);

impl FromNode for PhaseName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return reader.invalid(&node.origin, quoted_and(&name, "is no phase's name"), "use letters, digits, `-` and `_`");
        }
        Some(Self(name))
    }
}

/// Names with their places, as a list or one alone.
#[derive(Clone, Debug, Default)]
pub struct Names(pub Vec<Located<String>>);

impl FromNode for Names {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_seq() {
            Some(_) => Vec::from_node(node, reader).map(Self),
            None => Located::from_node(node, reader).map(|one| Self(vec![one])),
        }
    }
}

impl FromNode for OnError {
    const SHAPE: Shape = Shape::Words(&["stop", "continue", "warn", "rollback"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Stop, Self::Continue, Self::Warn, Self::Rollback][reader.word(node, Self::SHAPE, "is none")?])
    }
}

impl FromNode for OnInterrupt {
    const SHAPE: Shape = Shape::Words(&["rerun", "skip", "stop"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Rerun, Self::Skip, Self::Stop][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// `retry`: a number of attempts, or a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all.
    pub attempts: Option<u32>,
    /// When they are made.
    pub backoff: Backoff,
}

crate::record! {
    /// The long form of `retry`.
    pub struct RetryRecord {
        /// Attempts in all.
        optional attempts: u32,
        /// The first pause; it doubles each time.
        optional delay: Duration,
        /// The longest pause.
        optional max_delay: Duration,
        /// No attempt begins after this much time in all.
        optional deadline: Duration,
        /// Whether pauses are shortened at random.
        optional jitter: bool,
    }
}

impl FromNode for Retry {
    const SHAPE: Shape = Shape::Either(&[Shape::Integer, RetryRecord::SHAPE]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let retry = match node.as_map() {
            Some(_) => Self::of(&RetryRecord::from_node(node, reader)?, reader)?,
            None => Self { attempts: Some(u32::from_node(node, reader)?), ..Self::default() },
        };
        if retry.attempts.is_some_and(|attempts| !(1..=1000).contains(&attempts)) {
            return reader.invalid(&node.origin, "attempts are counted from 1 to 1000", "1 means: do not try again");
        }
        Some(retry)
    }
}

impl Retry {
    fn of(record: &RetryRecord, reader: &mut Reader<'_>) -> Option<Self> {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.seconds);
        let backoff = Backoff {
            delay_seconds: seconds(record.delay),
            max_delay_seconds: seconds(record.max_delay),
            deadline_seconds: seconds(record.deadline),
            jitter: record.jitter,
        };
        if let (Some(delay), Some(longest)) = (backoff.delay_seconds, backoff.max_delay_seconds) {
            if longest < delay {
                let message = format!("the longest pause ({longest} s) is shorter than the first ({delay} s)");
                return reader.invalid(record.place("max_delay"), message, "let `max_delay` be at least `delay`");
            }
        }
        Some(Self { attempts: record.attempts, backoff })
    }

    /// What a phase says, and for the rest what the section says.
    #[must_use]
    pub fn or(self, section: Self) -> Self {
        let (own, other) = (self.backoff, section.backoff);
        Self {
            attempts: self.attempts.or(section.attempts),
            backoff: Backoff {
                delay_seconds: own.delay_seconds.or(other.delay_seconds),
                max_delay_seconds: own.max_delay_seconds.or(other.max_delay_seconds),
                deadline_seconds: own.deadline_seconds.or(other.deadline_seconds),
                jitter: own.jitter.or(other.jitter),
            },
        }
    }
}

crate::record! {
    /// `breaker`.
    pub struct Breaker {
        /// After so many failures in a row.
        optional failures: FailureCount,
        /// For so long.
        optional cooldown: Duration,
    }
}

/// A number of failures.
#[derive(Clone, Copy, Debug)]
pub struct FailureCount(u32);

impl FromNode for FailureCount {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let count = u32::from_node(node, reader)?;
        if count == 0 {
            return reader.invalid(&node.origin, "failures are counted from 1", "a large number means: never");
        }
        Some(Self(count))
    }
}

impl Breaker {
    /// The limits, with the usual ones for what is not said.
    pub fn limits(&self) -> BreakerLimits {
        let usual = BreakerLimits::default();
        BreakerLimits {
            failures: self.failures.map_or(usual.failures, |count| count.0),
            cooldown_seconds: self.cooldown.map_or(usual.cooldown_seconds, |cooldown| cooldown.seconds),
        }
    }
}

crate::record! {
    /// `backups`.
    pub struct Backups {
        /// For so many days.
        optional days: u32,
        /// No more than so many of one file.
        optional copies: u32,
    }
}

impl Backups {
    /// With the usual figures for what is not said.
    pub fn retention(&self) -> Retention {
        let usual = Retention::default();
        Retention { days: self.days.unwrap_or(usual.days), copies: self.copies.unwrap_or(usual.copies) }
    }
}

/// `accept_exit`: exit codes that mean success, without 0, which always does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitCodes(pub Vec<i32>);

/// One of them.
struct ExitCode(i32);

impl FromNode for ExitCode {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let code = i64::from_node(node, reader)?;
        match u8::try_from(code) {
            Ok(code) => Some(Self(code.into())),
            Err(_) => reader.invalid(&node.origin, format!("{code} is no exit code"), "exit codes go from 0 to 255"),
        }
    }
}

impl FromNode for ExitCodes {
    const SHAPE: Shape = OneOrMany::<ExitCode>::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let codes = OneOrMany::<ExitCode>::from_node(node, reader)?;
        Some(Self(codes.0.into_iter().map(|code| code.0).filter(|code| *code != 0).collect()))
    }
}

/// `90s`, `10m`, `1h`, `2d`, or seconds as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// Seconds.
    pub seconds: u64,
}

impl FromNode for Duration {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Integer]);

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
    /// Without new output, of whatever runs.
    pub silence: Option<u64>,
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
        /// Without new output, of whatever runs.
        optional silence: Duration,
    }
}

impl FromNode for Timeouts {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Integer, TimeoutsRecord::SHAPE]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.seconds);
        if node.as_map().is_some() {
            let record = TimeoutsRecord::from_node(node, reader)?;
            return Some(Self {
                packages: seconds(record.packages),
                commands: seconds(record.commands),
                downloads: seconds(record.downloads),
                other: seconds(record.other),
                silence: seconds(record.silence),
            });
        }
        let one = seconds(Duration::from_node(node, reader));
        Some(Self { packages: one, commands: one, downloads: one, other: one, silence: None })
    }
}

impl Timeouts {
    /// The limit for an operation, in seconds.
    pub const fn limit_for(&self, operation: &Operation) -> Option<u64> {
        match operation {
            Operation::AptKey { .. } | Operation::AptUpdate | Operation::AptUpgrade | Operation::InstallPackages { .. } => self.packages,
            Operation::Command(_) | Operation::ScriptItem(_) | Operation::RunFile { .. } | Operation::RunDirectory { .. } => self.commands,
            Operation::Download { .. } | Operation::PhoneHome { .. } => self.downloads,
            _ => self.other,
        }
    }
}

/// One phase: what it says of itself, and the cloud-config keys it does.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What it says of itself.
    pub head: PhaseHead,
    /// The phase whose failure it is for: the one that names it in `on_failure`.
    pub after_failure_of: Option<String>,
    /// Its own keys and those it takes over.
    pub keys: Box<Keys>,
}

/// A phase as written: its head, and the mapping of its own cloud-config keys.
pub struct RawPhase {
    /// What it says of itself.
    pub head: PhaseHead,
    /// The phase that names it in `on_failure`.
    pub after_failure_of: Option<String>,
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
        if report_unread_condition(&phase.head, reader) {
            continue;
        }
        phases.push(phase);
    }
    phases
}

/// A condition that cannot be read may be one that forbids the phase.
fn report_unread_condition(head: &PhaseHead, reader: &mut Reader<'_>) -> bool {
    let unread = [("when", head.when.is_none()), ("creates", head.creates.is_none())];
    let Some((key, _)) = unread.into_iter().find(|(key, missing)| *missing && head.given.contains(key)) else { return false };
    let message = format!("`{key}` of phase `{}` cannot be read: the phase is not run", head.name.0);
    reader.report.error("phase-left-out", message).at(head.place(key));
    true
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
    Some(RawPhase { head, after_failure_of: None, inline: Node::new(Value::Map(inline), node.origin.clone()) })
}

fn report_unknown(entry: &Entry, reader: &mut Reader<'_>) {
    let spelled = entry.key.source_text();
    let message = format!("unknown key {spelled} in {}: it is ignored", reader.path(), spelled = quoted(&spelled));
    let known: Vec<&str> = PhaseHead::KEYS.iter().chain(Keys::KEYS).copied().collect();
    let problem = reader.report.warning("unknown-key", message).at(&entry.key.origin);
    advise(problem, &spelled, &known);
}
