//! Parts of the state of a run: its failures with all that is known of them, and its phases.

use serde::{Deserialize, Serialize};

use super::journal::Verdict;
use super::ledger::{Ledger, StepState};
use super::phases::outcome_of;
use super::summary::StepSummary;
use crate::error::{Category, Kind, Severity};
use crate::plan::{PhaseOutcome, PhaseRules, Plan, Step, Weight};
use crate::redact::Redactor;

/// A failure with all that is known of it, in one place.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct ErrorReport {
    /// `E_NETWORK` and its like.
    pub code: Kind,
    /// What it is about.
    pub category: Category,
    /// How much it weighs.
    pub severity: Severity,
    /// Step id.
    pub step: String,
    /// The sentence.
    pub message: String,
    /// The command that failed, secrets masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Its exit code, or 128 + signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// The last lines it said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Wall time of all attempts.
    pub elapsed_ms: u64,
    /// What to do.
    pub hint: String,
}

impl ErrorReport {
    /// Of a step that failed.
    pub(super) fn of(step: &Step, summary: &StepSummary, redactor: &Redactor) -> Option<Self> {
        let failure = summary.failure.as_ref()?;
        Some(Self {
            code: failure.kind,
            category: failure.category(),
            severity: failure.severity(summary.weight == Some(Weight::Degraded)),
            step: step.id.clone(),
            message: failure.message.clone(),
            command: step.operation.command_line().map(|command| redactor.apply(&command)),
            exit: failure.exit,
            output: failure.output.clone(),
            attempts: summary.attempts,
            elapsed_ms: summary.elapsed_ms,
            hint: failure.next_action().replace("STEP", &step.id),
        })
    }

    /// `critical, execution; exit 3; 2 attempts; 1.5 s`.
    pub fn facts(&self) -> String {
        let exit = self.exit.map(|exit| format!("; exit {exit}")).unwrap_or_default();
        let times = if self.attempts == 1 { "" } else { "s" };
        let took = crate::clock::span(self.elapsed_ms as f64 / 1000.0);
        format!("{}, {}{exit}; {} attempt{times}; {took}", self.severity.name(), self.category.name(), self.attempts)
    }
}

/// One of the user's phases.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct PhaseSummary {
    /// Its name.
    pub name: String,
    /// How it ended; absent while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<PhaseOutcome>,
    /// Why it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The phase whose failure it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_failure_of: Option<String>,
}

impl PhaseSummary {
    /// Of a phase, from the journals.
    pub(super) fn of(phase: &PhaseRules, plan: &Plan, ledger: &Ledger) -> Self {
        let outcome = outcome_of(plan, ledger, phase);
        let first = plan.steps.iter().find(|step| phase.holds(step)).map(|step| ledger.state(step));
        let passed_over = match first {
            Some(StepState::Ended(outcome, _)) if matches!(outcome.verdict, Verdict::Skipped | Verdict::NotRun) => outcome.effect.detail,
            _ => None,
        };
        let why = phase.not_here.clone().or(passed_over.filter(|_| outcome == Some(PhaseOutcome::Skipped)));
        Self { name: phase.name.clone(), outcome, why, after_failure_of: phase.after_failure_of.clone() }
    }

    /// Whether any of it was run.
    pub fn was_run(&self) -> bool {
        !matches!(self.outcome, None | Some(PhaseOutcome::Skipped))
    }
}
