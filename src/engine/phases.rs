//! Phases: whether one is run, how one ended, and the playbook of one that failed. All of it follows from plan and journals.

use serde::{Deserialize, Serialize};

use super::execute::{Engine, Next, Settlement};
use super::journal::{Outcome, Verdict};
use super::ledger::{Ledger, StepState};
use crate::error::Failure;
use crate::host::signals;
use crate::plan::{Frequency, PhaseOutcome, PhaseRules, Plan, Step, Weight};

/// Why a step was rightly not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "condition")]
pub enum Unmet {
    /// What its phase makes is there.
    Exists {
        /// The path.
        path: String,
    },
    /// Earlier phases ended otherwise.
    Outcome,
    /// The phase whose failure it is for did not fail.
    NoFailure,
    /// It needs a phase that was not run.
    Need,
}

/// Steps of a phase with their outcomes.
fn steps_of<'p>(plan: &'p Plan, ledger: &'p Ledger, phase: &'p PhaseRules) -> impl Iterator<Item = (&'p Step, StepState)> {
    plan.steps.iter().filter(|step| phase.holds(step)).map(|step| (step, ledger.state(step)))
}

/// How a phase ended; `None` while it has not.
pub fn outcome_of(plan: &Plan, ledger: &Ledger, phase: &PhaseRules) -> Option<PhaseOutcome> {
    let mut worst: Option<PhaseOutcome> = None;
    for (_, state) in steps_of(plan, ledger, phase) {
        let StepState::Ended(outcome, _) = state else { return None };
        let one = of_step(&outcome);
        worst = Some(match (worst, one) {
            (None, one) => one,
            (Some(PhaseOutcome::Failed), _) | (_, PhaseOutcome::Failed) => PhaseOutcome::Failed,
            (Some(PhaseOutcome::Skipped), PhaseOutcome::Skipped) => PhaseOutcome::Skipped,
            (Some(PhaseOutcome::Done), PhaseOutcome::Done) => PhaseOutcome::Done,
            _ => PhaseOutcome::Degraded,
        });
    }
    // One without steps, of which not_here is the usual cause.
    Some(worst.unwrap_or(PhaseOutcome::Skipped))
}

fn of_step(outcome: &Outcome) -> PhaseOutcome {
    match outcome.verdict {
        Verdict::Failed if outcome.weight == Some(Weight::Degraded) => PhaseOutcome::Degraded,
        Verdict::Failed => PhaseOutcome::Failed,
        Verdict::Skipped | Verdict::Undone => PhaseOutcome::Skipped,
        Verdict::NotRun if outcome.unmet.is_some() => PhaseOutcome::Skipped,
        Verdict::Done | Verdict::NotRun if outcome.effect.warnings.is_empty() => PhaseOutcome::Done,
        Verdict::Done | Verdict::NotRun => PhaseOutcome::Degraded,
    }
}

/// The step whose failure is the phase's. `on_error: warn` makes it count less for the run; its phase has failed nevertheless.
fn failed_step<'p>(plan: &'p Plan, ledger: &'p Ledger, phase: &'p PhaseRules) -> Option<&'p Step> {
    steps_of(plan, ledger, phase).find_map(|(step, state)| match state {
        StepState::Ended(outcome, _) if outcome.verdict == Verdict::Failed => {
            let matters = step.weight == Weight::Failed || outcome.weight != Some(Weight::Degraded);
            (matters && !step.waits_for_a_person(outcome.failure.as_ref())).then_some(step)
        }
        _ => None,
    })
}

/// One of its steps was begun: its conditions are no longer asked about.
fn has_begun(plan: &Plan, ledger: &Ledger, phase: &PhaseRules) -> bool {
    steps_of(plan, ledger, phase).any(|(_, state)| match state {
        StepState::Pending => false,
        StepState::Interrupted(_) => true,
        StepState::Ended(outcome, _) => !matches!(outcome.verdict, Verdict::Skipped | Verdict::Undone) && outcome.unmet.is_none(),
    })
}

impl Engine<'_> {
    /// Why a step of a phase is not to be run, with the sentence that says so.
    pub(super) fn unmet(&self, step: &Step) -> Option<(Unmet, String)> {
        let phase = self.plan.phase_of(step)?;
        if has_begun(self.plan, &self.ledger, phase) {
            return None;
        }
        if let Some(failing) = &phase.after_failure_of {
            let failed = self.rules(failing).is_some_and(|failing| failed_step(self.plan, &self.ledger, failing).is_some());
            if !failed {
                return Some((Unmet::NoFailure, format!("phase `{failing}` did not fail")));
            }
        }
        if let Some(path) = phase.creates.as_ref().filter(|path| self.is_there(phase, path)) {
            return Some((Unmet::Exists { path: path.clone() }, format!("{path} exists")));
        }
        for condition in &phase.outcome {
            let ended = self.rules(&condition.phase).map(|earlier| outcome_of(self.plan, &self.ledger, earlier));
            if !ended.flatten().is_some_and(|ended| condition.is.contains(&ended)) {
                let ended = ended.flatten().map_or("not at its end", PhaseOutcome::name);
                let wanted = condition.is.iter().map(|outcome| outcome.name()).collect::<Vec<_>>().join(" or ");
                return Some((Unmet::Outcome, format!("phase `{}` is {ended}, not {wanted}", condition.phase)));
            }
        }
        self.needs_what_is_not_run(step).map(|why| (Unmet::Need, why))
    }

    fn rules(&self, name: &str) -> Option<&PhaseRules> {
        self.plan.phases.iter().find(|phase| phase.name == name)
    }

    /// Decided once for the whole phase, when its first step would begin.
    fn is_there(&self, phase: &PhaseRules, path: &str) -> bool {
        let decided = steps_of(self.plan, &self.ledger, phase).any(|(_, state)| {
            matches!(state, StepState::Ended(outcome, _) if matches!(&outcome.unmet, Some(Unmet::Exists { path: decided }) if decided == path))
        });
        decided || self.host.exists(path)
    }

    /// A needed phase was rightly not run; where what it makes is there, nothing is missing.
    fn needs_what_is_not_run(&self, step: &Step) -> Option<String> {
        step.needs.iter().find_map(|need| {
            let needed = self.plan.steps.iter().find(|other| other.id == *need)?;
            let StepState::Ended(outcome, _) = self.ledger.state(needed) else { return None };
            outcome.unmet.as_ref().filter(|unmet| !matches!(unmet, Unmet::Exists { .. }))?;
            let why = outcome.effect.detail.unwrap_or_default();
            Some(format!("it needs phase `{}`, which is not run: {why}", needed.phase))
        })
    }

    /// Settles a step whose phase is not to be run; `None` where it is.
    pub(super) fn settle_unmet(&mut self, step: &Step) -> Result<Option<Next>, Failure> {
        let Some((unmet, why)) = self.unmet(step) else {
            self.tell_of_playbook(step)?;
            return Ok(None);
        };
        let mut settlement = Settlement::skipped(None, why);
        settlement.verdict = Verdict::NotRun;
        settlement.unmet = Some(unmet);
        self.settle(step, settlement, false).map(Some)
    }

    /// Says once, for the report too, that a playbook is run and why.
    fn tell_of_playbook(&mut self, step: &Step) -> Result<(), Failure> {
        let Some(phase) = self.plan.phase_of(step) else { return Ok(()) };
        let Some(failing) = phase.after_failure_of.as_ref().and_then(|name| self.rules(name)) else { return Ok(()) };
        let Some(cause) = failed_step(self.plan, &self.ledger, failing) else { return Ok(()) };
        if has_begun(self.plan, &self.ledger, phase) {
            return Ok(());
        }
        let message = format!("phase `{}` is run because phase `{}` failed (step {})", phase.name, failing.name, cause.id);
        self.progress.say(&message);
        self.notice(Frequency::Instance, None, &message)
    }

    /// Runs the playbook of a step's phase, which failed and stops the run; what it has finished before is not repeated.
    pub(super) fn run_playbook(&mut self, failed: &Step) -> Result<Next, Failure> {
        let plan = self.plan;
        let mut phase = plan.phase_of(failed);
        while let Some(book) = phase.and_then(|phase| plan.playbook_of(&phase.name)) {
            for (at, step) in plan.steps.iter().enumerate().filter(|(_, step)| book.holds(step)) {
                if let Some(signal) = signals::stop_requested() {
                    return Ok(Next::Stop(Some(signal)));
                }
                match self.advance(at, step)? {
                    Next::Step => {}
                    Next::Halt => break,
                    other => return Ok(other),
                }
            }
            phase = Some(book);
        }
        Ok(Next::Halt)
    }
}
