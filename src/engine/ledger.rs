//! The three journals of a plan as one: what is known of each step.
//!
//! Scope `instance` is kept in the instance's journal, `once` in the machine's, `boot` in the runtime directory, which a boot
//! empties and which is never synced.

use std::collections::HashMap;

use super::apply::Prior;
use super::journal::{Event, Journal, Outcome, Record, Stamp, Verdict};
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

#[derive(Default)]
struct Known {
    digest: String,
    intents: Vec<Interrupted>,
    outcome: Option<(Box<Outcome>, String)>,
}

/// The journals of one plan.
pub struct Ledger {
    journals: HashMap<Frequency, Journal>,
    known: HashMap<(Frequency, String), Known>,
    begun: HashMap<Frequency, bool>,
    stage: Stage,
    version: &'static str,
}

impl Ledger {
    /// Reads what the journals know.
    pub fn new(instance: Journal, once: Journal, boot: Journal, stage: Stage) -> Self {
        let mut ledger = Self {
            journals: HashMap::from([(Frequency::Instance, instance), (Frequency::Once, once), (Frequency::Boot, boot)]),
            known: HashMap::new(),
            begun: HashMap::new(),
            stage,
            version: env!("CARGO_PKG_VERSION"),
        };
        for frequency in [Frequency::Instance, Frequency::Once, Frequency::Boot] {
            let records: Vec<Record> = ledger.records(frequency).to_vec();
            for record in &records {
                ledger.learn(frequency, record);
            }
        }
        ledger
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
                known.intents.push(Interrupted { boot: record.boot.clone(), prior: prior.clone(), stopped: false });
            }
            Event::Outcome(outcome) => {
                let known = self.known.entry((scope, outcome.step.clone())).or_default();
                known.digest.clone_from(&outcome.digest);
                known.outcome = Some((outcome.clone(), record.boot.clone()));
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
            _ => {}
        }
    }

    /// What is known of a step. Another digest is another step: nothing is inherited.
    pub fn state(&self, step: &Step) -> StepState {
        self.state_of(step.frequency, &step.id, step.digest())
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

    /// Whether a step has failed, or was not done because another had.
    pub fn has_failed(&self, step: &Step) -> bool {
        matches!(self.state(step), StepState::Ended(outcome, _) if matches!(outcome.verdict, Verdict::Failed | Verdict::Skipped))
    }

    /// Whether a step has an outcome.
    pub fn is_settled(&self, step: &Step) -> bool {
        matches!(self.state(step), StepState::Ended(..))
    }
}
