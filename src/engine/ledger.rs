//! The three journals of a plan as one: what is known of each step.
//!
//! Scope `instance` is kept in the instance's journal, `once` in the machine's, `boot` in the runtime directory, which a boot
//! empties and which is never synced.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::apply::{Left, Prior};
use super::journal::{Event, Journal, Outcome, Record, Stamp, Undone, Verdict};
use crate::error::Failure;
use crate::plan::{Frequency, Stage, Step};

/// An intent whose outcome is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Interrupted {
    /// Boot it was written in.
    pub boot: String,
    /// What undoing it needs.
    pub prior: Prior,
    /// A stop was recorded after it: it was ended in order.
    pub stopped: bool,
}

/// What is known of a step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun, oldest attempt first, and no outcome: cut off.
    Interrupted(Vec<Interrupted>),
    /// Ended, in the boot named.
    Ended(Box<Outcome>, String),
}

/// One change of a step that is not undone: what undoing it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What was there before.
    pub prior: Prior,
    /// What the step left; `None` where it was cut off.
    pub left: Option<Left>,
}

/// A rollback that has begun and not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// Steps that are still to be undone, last first.
    pub steps: Vec<String>,
    /// Also what was changed since by somebody else.
    pub force: bool,
    /// The failure that asked for it.
    pub cause: Option<Box<Failure>>,
}

#[derive(Clone, Default)]
struct Known {
    digest: String,
    intents: Vec<Interrupted>,
    outcome: Option<(Box<Outcome>, String)>,
    /// What came of undoing it, if that was not all.
    not_undone: Option<Undone>,
    ended: Option<Ended>,
}

/// When a step ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Seconds since 1970.
    pub time: f64,
    /// Seconds since the boot it ended in.
    pub uptime: f64,
    /// That boot.
    pub boot: String,
}

/// Writes a record on behalf of another thread, and gives it back as it was written.
pub(super) type Writer = Box<dyn Fn(Frequency, Event, bool) -> Result<Record, Failure> + Send>;

/// The journals of one plan.
pub struct Ledger {
    journals: HashMap<Frequency, Journal>,
    known: HashMap<(Frequency, String), Known>,
    begun: HashMap<Frequency, bool>,
    rollback: Option<Rollback>,
    stage: Stage,
    version: &'static str,
    /// Who writes, where that is another ledger.
    writer: Option<Writer>,
}

impl Ledger {
    /// Reads what the journals know.
    pub fn new(instance: Journal, once: Journal, boot: Journal, stage: Stage) -> Self {
        let mut ledger = Self {
            journals: HashMap::from([(Frequency::Instance, instance), (Frequency::Once, once), (Frequency::Boot, boot)]),
            known: HashMap::new(),
            begun: HashMap::new(),
            rollback: None,
            stage,
            version: env!("CARGO_PKG_VERSION"),
            writer: None,
        };
        for frequency in [Frequency::Instance, Frequency::Once, Frequency::Boot] {
            let records: Vec<Record> = ledger.records(frequency).to_vec();
            for record in &records {
                ledger.learn(frequency, record);
            }
        }
        ledger
    }

    /// The same knowledge for a thread of its own, whose records this one writes. What others record meanwhile it does not hear of.
    pub(super) fn copy(&self, writer: Writer) -> Self {
        Self {
            journals: self.journals.iter().map(|(frequency, journal)| (*frequency, journal.copy())).collect(),
            known: self.known.clone(),
            begun: HashMap::new(),
            rollback: self.rollback.clone(),
            stage: self.stage,
            version: self.version,
            writer: Some(writer),
        }
    }

    /// Records of one scope.
    pub fn records(&self, frequency: Frequency) -> &[Record] {
        self.journals.get(&frequency).map_or(&[], Journal::records)
    }

    /// Damaged lines in all journals.
    pub fn damaged(&self) -> usize {
        self.journals.values().map(Journal::damaged).sum()
    }

    fn learn(&mut self, scope: Frequency, record: &Record) {
        match &record.event {
            Event::Intent { step, digest, prior } => {
                let known = self.known.entry((scope, step.clone())).or_default();
                if known.digest != *digest {
                    *known = Known { digest: digest.clone(), ..Known::default() };
                }
                known.outcome = None;
                known.not_undone = None;
                known.intents.push(Interrupted { boot: record.boot.clone(), prior: prior.clone(), stopped: false });
            }
            Event::Outcome(outcome) => {
                let known = self.known.entry((scope, outcome.step.clone())).or_default();
                known.digest.clone_from(&outcome.digest);
                known.outcome = Some((outcome.clone(), record.boot.clone()));
                known.ended = Some(Ended { time: record.time, uptime: record.uptime, boot: record.boot.clone() });
                known.intents.clear();
            }
            Event::StopRequest { step: Some(step), .. } => {
                if let Some(known) = self.known.get_mut(&(scope, step.clone())) {
                    if let Some(last) = known.intents.last_mut() {
                        last.stopped = true;
                    }
                }
            }
            Event::Again { steps } => {
                for step in steps {
                    self.known.remove(&(scope, step.clone()));
                }
            }
            Event::Rollback { steps, force, cause } => {
                self.rollback = Some(Rollback { steps: steps.clone(), force: *force, cause: cause.clone() });
            }
            Event::Undone { step, digest, result } => self.learn_undone(scope, step, digest, result, &record.boot),
            Event::RollbackEnd => self.rollback = None,
            _ => {}
        }
    }

    fn learn_undone(&mut self, scope: Frequency, step: &str, digest: &str, result: &Undone, boot: &str) {
        let cause = match &mut self.rollback {
            Some(rollback) => {
                rollback.steps.retain(|id| id != step);
                rollback.cause.clone()
            }
            None => None,
        };
        let known = self.known.entry((scope, step.to_owned())).or_default();
        if known.digest != digest {
            *known = Known { digest: digest.to_owned(), ..Known::default() };
        }
        let warnings = match result {
            Undone::Whole { warnings } => warnings,
            // No later start is to run what was cut off before.
            Undone::Left { .. } if known.outcome.is_none() => &Vec::new(),
            _ => {
                known.not_undone = Some(result.clone());
                return;
            }
        };
        known.intents.clear();
        known.not_undone = None;
        let has_failed = known.outcome.as_ref().is_some_and(|(outcome, _)| outcome.verdict == Verdict::Failed);
        if !(cause.is_some() && has_failed) {
            // The failure that asked for it says whether a later boot tries again.
            let undone = Outcome {
                failure: cause.map(|cause| *cause),
                effect: super::apply::Effect { detail: None, warnings: warnings.clone() },
                ..Outcome::undone(step, digest)
            };
            known.outcome = Some((Box::new(undone), boot.to_owned()));
        }
    }

    /// The rollback that has begun and not ended.
    pub const fn rollback(&self) -> Option<&Rollback> {
        self.rollback.as_ref()
    }

    /// Why a step that was to be undone was not.
    pub fn not_undone(&self, step: &Step) -> Option<&Undone> {
        self.known.get(&(step.frequency, step.id.clone())).filter(|known| known.digest == step.digest())?.not_undone.as_ref()
    }

    /// Files that steps were writing when they were cut off, also steps of an earlier plan.
    pub fn unfinished_files(&self) -> BTreeSet<String> {
        let mut open: HashMap<&str, &Prior> = HashMap::new();
        for record in [Frequency::Once, Frequency::Instance].into_iter().flat_map(|scope| self.records(scope)) {
            match &record.event {
                Event::Intent { step, prior, .. } => drop(open.insert(step, prior)),
                Event::Outcome(outcome) => drop(open.remove(outcome.step.as_str())),
                _ => {}
            }
        }
        let paths = |prior: &Prior| match prior {
            Prior::Files { files, .. } => files.iter().map(|(path, _)| path.clone()).collect(),
            _ => Vec::new(),
        };
        open.into_values().flat_map(paths).collect()
    }

    /// The parts of a step, scripts of a directory, that are run again with it: those that failed, and where none has, all.
    pub fn parts_to_run_again(&self, scope: Frequency, step: &str) -> Vec<String> {
        let of_step = |id: &str| id.strip_prefix(step).is_some_and(|rest| rest.starts_with('/'));
        let ended = self.known.iter().filter(|((of, id), _)| *of == scope && of_step(id));
        let ended = ended.filter_map(|((_, id), known)| Some((id, &known.outcome.as_ref()?.0)));
        let (failed, done): (Vec<_>, Vec<_>) = ended.partition(|(_, outcome)| outcome.verdict == Verdict::Failed);
        let chosen = if failed.is_empty() { done } else { failed };
        let mut chosen: Vec<String> = chosen.into_iter().map(|(id, _)| id.clone()).collect();
        chosen.sort();
        chosen
    }

    /// Whether a step has ever changed something.
    pub fn has_changed(&self, step: &Step) -> bool {
        self.records(step.frequency).iter().any(|record| matches!(&record.event, Event::Intent { step: id, .. } if *id == step.id))
    }

    /// The changes of a step that are not undone, oldest first.
    pub fn changes(&self, step: &Step) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let mut is_open = false;
        let is_it = |id: &str, digest: &str| id == step.id && digest == step.digest();
        for record in self.records(step.frequency) {
            match &record.event {
                // A resumed step records what its first try did.
                Event::Intent { step, digest, prior } if is_it(step, digest) => {
                    if !is_open {
                        changes.push(Change { prior: prior.clone(), left: None });
                    }
                    is_open = true;
                }
                Event::Outcome(outcome) if is_it(&outcome.step, &outcome.digest) => {
                    if let (true, Some(last)) = (is_open, changes.last_mut()) {
                        last.left = Some(outcome.left.clone());
                    }
                    is_open = false;
                }
                Event::Undone { step, digest, result: Undone::Whole { .. } } if is_it(step, digest) => {
                    changes.clear();
                    is_open = false;
                }
                _ => {}
            }
        }
        changes
    }

    /// What stood there before the first try at a step since it last ended well: later tries complete what that one left.
    pub fn begun(&self, step: &Step) -> Option<Prior> {
        let is_it = |id: &str, digest: &str| id == step.id && digest == step.digest();
        let mut first: Option<&Prior> = None;
        for record in self.records(step.frequency) {
            match &record.event {
                Event::Intent { step, digest, prior } if is_it(step, digest) => first = first.or(Some(prior)),
                Event::Outcome(outcome) if is_it(&outcome.step, &outcome.digest) && outcome.verdict == Verdict::Done => first = None,
                Event::Undone { step, digest, result: Undone::Whole { .. } } if is_it(step, digest) => first = None,
                _ => {}
            }
        }
        first.cloned()
    }

    /// What is known of a step. Another digest is another step: nothing is inherited.
    pub fn state(&self, step: &Step) -> StepState {
        self.state_of(step.frequency, &step.id, step.digest())
    }

    /// When a step ended, if it has.
    pub fn ended(&self, step: &Step) -> Option<Ended> {
        let known = self.known.get(&(step.frequency, step.id.clone()))?;
        known.ended.clone().filter(|_| known.digest == step.digest() && known.outcome.is_some())
    }

    /// As [`Self::state`], for a part of a step that keeps its own record.
    pub fn state_of(&self, scope: Frequency, id: &str, digest: &str) -> StepState {
        match self.known.get(&(scope, id.to_owned())) {
            Some(known) if known.digest == digest => match &known.outcome {
                Some((outcome, boot)) => StepState::Ended(outcome.clone(), boot.clone()),
                None => StepState::Interrupted(known.intents.clone()),
            },
            _ => StepState::Pending,
        }
    }

    /// Whether anything was recorded in this process in the scopes that last.
    pub fn wrote(&self) -> bool {
        self.begun.iter().any(|(scope, begun)| *begun && *scope != Frequency::Boot)
    }

    /// Records an event of a scope; the first one of a process is preceded by `Begin`.
    pub fn record(&mut self, stamp: &dyn Stamp, scope: Frequency, event: Event, sync: bool) -> Result<(), Failure> {
        if let Some(writer) = &self.writer {
            let record = writer(scope, event, sync)?;
            self.learn(scope, &record);
            self.journals.get_mut(&scope).into_iter().for_each(|journal| journal.learn(record.clone()));
            return Ok(());
        }
        if !self.begun.get(&scope).copied().unwrap_or(false) {
            let begin = Event::Begin { format: super::journal::FORMAT, version: self.version.to_owned(), stage: self.stage };
            self.append(stamp, scope, begin, false)?;
            self.begun.insert(scope, true);
        }
        self.append(stamp, scope, event, sync)
    }

    fn append(&mut self, stamp: &dyn Stamp, scope: Frequency, event: Event, sync: bool) -> Result<(), Failure> {
        let Some(journal) = self.journals.get_mut(&scope) else {
            return Err(Failure::new(crate::error::Kind::Unknown, "a journal is missing"));
        };
        journal.append(stamp, event, sync)?;
        if let Some(record) = journal.records().last().cloned() {
            self.learn(scope, &record);
        }
        Ok(())
    }

    /// The stage that the records of this process are of.
    pub const fn set_stage(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// Whether a step has failed, or was not done because another had, or was undone.
    pub fn has_failed(&self, step: &Step) -> bool {
        let failed = |verdict| matches!(verdict, Verdict::Failed | Verdict::Skipped | Verdict::Undone);
        matches!(self.state(step), StepState::Ended(outcome, _) if failed(outcome.verdict))
    }

    /// Whether a step has an outcome.
    pub fn is_settled(&self, step: &Step) -> bool {
        matches!(self.state(step), StepState::Ended(..))
    }
}
