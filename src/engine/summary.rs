//! The state of a run, derived from plan and journals: status, `why`, exit codes and result files say nothing else.

use serde::{Deserialize, Serialize};

use super::breaker::{BreakerSummary, Breakers};
use super::journal::{Event, Outcome, OutputRange, Record, Undone, Verdict};
use super::ledger::{Ended, Ledger, StepState};
use super::phases::Unmet;
pub use super::report::{ErrorReport, PhaseSummary};
use crate::error::Failure;
use crate::host::usage::Usage;
use crate::plan::{Frequency, Plan, Stage, Weight};
use crate::redact::Redactor;

/// The whole in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No plan for this host.
    NotStarted,
    /// Something runs.
    Running,
    /// Everything due was done.
    Done,
    /// Done, with warnings.
    Degraded,
    /// Something failed.
    Failed,
    /// Cut off; the next boot goes on.
    Interrupted,
    /// A reboot was asked for; the run goes on after it.
    WaitingForReboot,
    /// What was done is undone again, as somebody asked for.
    RolledBack,
    /// Switched off.
    Disabled,
}

impl State {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotStarted => "not-started",
            Self::Running => "running",
            Self::Done => "done",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::WaitingForReboot => "waiting-for-reboot",
            Self::RolledBack => "rolled-back",
            Self::Disabled => "disabled",
        }
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepResult {
    /// Not begun.
    Pending,
    /// Being run.
    Running,
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Not tried: something it needs failed.
    Skipped,
    /// The script ended before it, or its phase was rightly not run.
    NotRun,
    /// Cut off.
    Interrupted,
    /// Done, and undone again.
    Undone,
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StepSummary {
    /// Step id.
    pub id: String,
    /// Phase.
    pub phase: String,
    /// Stage.
    pub stage: Stage,
    /// Frequency.
    pub frequency: Frequency,
    /// What it does, in one line.
    pub description: String,
    /// What came of it.
    pub result: StepResult,
    /// How a failure counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// It was so already.
    pub unchanged: bool,
    /// Attempts.
    pub attempts: u32,
    /// Wall time.
    pub elapsed_ms: u64,
    /// Its phase was rightly not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<Unmet>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Where its output stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputRange>,
    /// Where the user wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A sentence and how it counts.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Told {
    /// `failed`, `degraded`, or absent for a note.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// The sentence.
    pub message: String,
}

/// The state of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// In one word.
    pub state: State,
    /// `standalone`, `hosted`, `manual`.
    pub mode: String,
    /// Run id of the boot.
    pub run: String,
    /// Boot id.
    pub boot: String,
    /// landfall's version.
    pub version: String,
    /// Instance id.
    pub instance: String,
    /// Short name of the datasource.
    pub datasource: String,
    /// Stage the run is in or came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Seconds since 1970 of the first record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<f64>,
    /// Seconds since 1970 of the last record, when nothing runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<f64>,
    /// Seconds from the first record to the last of each boot, by the clock that runs since it booted: the other may have been set
    /// meanwhile.
    #[serde(default)]
    pub elapsed: f64,
    /// Boots it took so far.
    pub boots: usize,
    /// Step that runs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// Steps in order.
    pub steps: Vec<StepSummary>,
    /// The user's phases in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseSummary>,
    /// Hosts and services that failed last in this boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub breakers: Vec<BreakerSummary>,
    /// A report of each failure, in the order of the steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ErrorReport>,
    /// Problems of the user-data, notices of the run.
    pub told: Vec<Told>,
}

/// What the journals do not know.
pub struct Circumstances<'c> {
    /// `standalone`, `hosted`, `manual`.
    pub mode: &'c str,
    /// Run id of the boot.
    pub run: &'c str,
    /// Boot id.
    pub boot: &'c str,
    /// A process holds the run lock.
    pub running: bool,
    /// A reboot was asked for in this boot.
    pub rebooting: bool,
    /// Stage the current or last process ran.
    pub stage: Option<Stage>,
    /// Stages still to come in this boot: what they hold is not late.
    pub expected: Stage,
    /// Seconds since 1970.
    pub now: f64,
    /// Seconds since boot.
    pub uptime: f64,
}

/// The first and the last record of one boot.
struct Span<'l> {
    first: &'l Record,
    last: &'l Record,
}

impl<'l> Span<'l> {
    fn extend(&mut self, record: &'l Record) {
        if record.uptime < self.first.uptime {
            self.first = record;
        }
        if record.uptime > self.last.uptime {
            self.last = record;
        }
    }
}

impl Summary {
    /// Derives the state.
    pub fn of(plan: &Plan, ledger: &Ledger, at: &Circumstances<'_>) -> Self {
        let mut summary = Self {
            state: State::NotStarted,
            mode: at.mode.to_owned(),
            run: at.run.to_owned(),
            boot: at.boot.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: plan.instance.clone(),
            datasource: plan.datasource.clone(),
            stage: at.stage,
            started: None,
            finished: None,
            elapsed: 0.0,
            boots: 0,
            current: None,
            steps: plan.steps.iter().map(|step| summarise(step, ledger, at)).collect(),
            phases: plan.phases.iter().map(|phase| PhaseSummary::of(phase, plan, ledger)).collect(),
            breakers: Breakers::of(plan, ledger, at.boot).summaries(at.uptime, at.now),
            errors: Vec::new(),
            told: plan.problems.iter().map(|problem| Told { weight: problem.weight, message: problem.message.clone() }).collect(),
        };
        summary.errors = summary.reports(plan);
        summary.read_records(ledger, at);
        summary.current = summary.steps.iter().find(|step| step.result == StepResult::Running).map(|step| step.id.clone());
        summary.state = summary.decide(plan, ledger, at);
        summary
    }

    fn reports(&self, plan: &Plan) -> Vec<ErrorReport> {
        if self.steps.iter().all(|step| step.failure.is_none()) {
            return Vec::new();
        }
        let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
        plan.steps.iter().zip(&self.steps).filter_map(|(step, shown)| ErrorReport::of(step, shown, &redactor)).collect()
    }

    fn read_records(&mut self, ledger: &Ledger, at: &Circumstances<'_>) {
        let mut spans: Vec<Span<'_>> = Vec::new();
        for frequency in [Frequency::Once, Frequency::Instance, Frequency::Boot] {
            // What runs at every boot makes a run that has ended no longer.
            let is_open = frequency == Frequency::Instance || (frequency == Frequency::Boot && spans.is_empty());
            for record in ledger.records(frequency) {
                match spans.iter_mut().find(|span| span.first.boot == record.boot) {
                    Some(span) if frequency != Frequency::Once => span.extend(record),
                    None if is_open => spans.push(Span { first: record, last: record }),
                    _ => {}
                }
                if frequency == Frequency::Instance {
                    self.boots = spans.len();
                }
                if let Event::Notice { weight, message } = &record.event {
                    let told = Told { weight: *weight, message: message.clone() };
                    if !self.told.contains(&told) {
                        self.told.push(told);
                    }
                }
            }
        }
        self.started = spans.first().map(|span| span.first.time);
        self.finished = spans.last().map(|span| span.last.time);
        self.elapsed = spans.iter().map(|span| span.last.uptime - span.first.uptime).sum();
        if ledger.damaged() > 0 {
            let message = format!("{} damaged journal records were passed over", ledger.damaged());
            self.told.push(Told { weight: Some(Weight::Degraded), message });
        }
        if at.running {
            self.finished = None;
        }
    }

    fn decide(&self, plan: &Plan, ledger: &Ledger, at: &Circumstances<'_>) -> State {
        if at.rebooting {
            return State::WaitingForReboot;
        }
        if at.running {
            return State::Running;
        }
        if ledger.rollback().is_some() {
            return State::Interrupted;
        }
        let open = self.steps.iter().any(|step| matches!(step.result, StepResult::Pending | StepResult::Interrupted | StepResult::Running));
        let halted = self.halted(plan);
        if open && !halted {
            let later = self
                .steps
                .iter()
                .filter(|step| step.result == StepResult::Pending)
                .all(|step| step.stage > at.stage.unwrap_or(Stage::Local));
            let cut = self.steps.iter().any(|step| step.result == StepResult::Interrupted);
            return if later && !cut && at.expected > at.stage.unwrap_or(Stage::Final) { State::Running } else { State::Interrupted };
        }
        let has = |result| self.steps.iter().any(|step| step.result == result);
        match self.worst() {
            Some(Weight::Failed) => State::Failed,
            _ if has(StepResult::Undone) && !has(StepResult::Failed) => State::RolledBack,
            Some(Weight::Degraded) => State::Degraded,
            None if halted => State::Failed,
            None => State::Done,
        }
    }

    /// A step failed whose failure stops the run.
    fn halted(&self, plan: &Plan) -> bool {
        plan.steps
            .iter()
            .zip(&self.steps)
            .any(|(step, summary)| summary.result == StepResult::Failed && step.halts(summary.failure.as_ref()))
    }

    /// The worst of steps, problems and notices.
    pub fn worst(&self) -> Option<Weight> {
        let steps = self.steps.iter().filter_map(|step| match step.result {
            StepResult::Failed | StepResult::Skipped => Some(step.weight.unwrap_or(Weight::Failed)),
            _ if !step.warnings.is_empty() => Some(Weight::Degraded),
            _ => None,
        });
        let mut worst = None;
        for weight in steps.chain(self.told.iter().filter_map(|told| told.weight)) {
            if weight == Weight::Failed {
                return Some(Weight::Failed);
            }
            worst = Some(weight);
        }
        worst
    }

    /// Steps that failed, worst first in the order they ran.
    pub fn failures(&self) -> impl Iterator<Item = &StepSummary> {
        self.steps.iter().filter(|step| step.result == StepResult::Failed)
    }
}

fn summarise(step: &crate::plan::Step, ledger: &Ledger, at: &Circumstances<'_>) -> StepSummary {
    let mut summary = StepSummary {
        id: step.id.clone(),
        phase: step.phase.clone(),
        stage: step.stage,
        frequency: step.frequency,
        description: step.operation.describe(),
        result: StepResult::Pending,
        weight: None,
        failure: None,
        detail: None,
        warnings: Vec::new(),
        unchanged: false,
        attempts: 0,
        elapsed_ms: 0,
        unmet: None,
        ended: ledger.ended(step),
        usage: None,
        output: None,
        origin: step.origin.clone(),
    };
    match ledger.state(step) {
        StepState::Pending => {}
        StepState::Interrupted(intents) => {
            let here = intents.last().is_some_and(|intent| intent.boot == at.boot);
            summary.result = if here && at.running { StepResult::Running } else { StepResult::Interrupted };
        }
        StepState::Ended(outcome, _) => fill(&mut summary, *outcome),
    }
    match ledger.not_undone(step) {
        Some(Undone::Left { why }) => summary.detail = Some(format!("not undone: {why}")),
        Some(Undone::Failed { failure }) => summary.warnings.push(format!("not undone: {failure}; {}", failure.next_action())),
        Some(Undone::Whole { .. }) | None => {}
    }
    summary
}

fn fill(summary: &mut StepSummary, outcome: Outcome) {
    summary.result = match outcome.verdict {
        Verdict::Done => StepResult::Done,
        Verdict::Failed => StepResult::Failed,
        Verdict::Skipped => StepResult::Skipped,
        Verdict::NotRun => StepResult::NotRun,
        Verdict::Undone => StepResult::Undone,
    };
    summary.weight = outcome.weight;
    summary.failure = outcome.failure;
    if outcome.verdict == Verdict::Undone {
        // The failure that asked for it is another step's.
        summary.detail = summary.failure.take().map(|_| "undone because its phase failed".to_owned());
    }
    summary.detail = outcome.effect.detail.or(summary.detail.take());
    summary.warnings = outcome.effect.warnings;
    summary.unchanged = outcome.unchanged;
    summary.attempts = outcome.attempts;
    summary.elapsed_ms = outcome.elapsed_ms;
    summary.unmet = outcome.unmet;
    summary.usage = outcome.usage;
    summary.output = outcome.output;
}
