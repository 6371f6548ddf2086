//! Before a plan changes anything: whether the host has what it needs. Only the host is asked, nobody is waited for.
//!
//! A disk that cannot hold what is certain to be written, and limits that the user set, keep the run from being begun: the step
//! that would fail first fails now, the others are skipped, and a later boot or `landfall resume` looks again. All else is told.

use super::execute::{Engine, Next, Settlement};
use super::needs::Needs;
use super::preflight::{self, Check, Grade, Question};
use crate::error::Failure;
use crate::plan::{Frequency, Operation, ResourceCheck, Stage, Step, Weight};

/// With so much room apt need not be asked here what the packages take: their step asks it right before.
use super::apply::PLENTY;

impl Engine<'_> {
    /// Looks, where nothing of the last stage has been changed yet.
    pub(super) fn look_ahead(&mut self) -> Result<(), Failure> {
        let plan = self.plan;
        self.not_begun = None;
        let lasting = |step: &&Step| step.stage == Stage::Final && step.frequency != Frequency::Boot;
        let has_begun = plan.steps.iter().filter(lasting).any(|step| self.ledger.has_changed(step));
        let is_due = |step: &Step| self.settled_before(step).is_none();
        let nothing_due = !plan.steps.iter().any(|step| step.frequency != Frequency::Boot && !only_tells(step) && is_due(step));
        if plan.resources.check == ResourceCheck::Off || has_begun || nothing_due {
            return Ok(());
        }
        // What depends on how other phases end may never be needed.
        let needs = Needs::of(plan, &|step| is_due(step) && self.unmet(step).is_none());
        let tight = self.host.filesystem_of("/usr").is_ok_and(|usr| usr.free_bytes < PLENTY);
        let sizes = if tight { preflight::package_sizes(self.host, &needs) } else { None };
        let is_root = nix::unistd::geteuid().is_root();
        let question = Question { host: self.host, needs: &needs, resources: plan.resources, sizes: sizes.as_ref(), is_root };
        let findings = preflight::local(&question);
        let stops = findings.checks.iter().find_map(|check| check.failure().map(|(failure, step)| (failure, step.map(str::to_owned))));
        match stops {
            Some((failure, step)) if plan.resources.check == ResourceCheck::Stop => {
                let first = || plan.steps.iter().find(|step| is_due(step) && !only_tells(step)).map(|step| step.id.clone());
                let named = step.filter(|id| plan.steps.iter().any(|step| step.id == *id));
                self.not_begun = named.or_else(first).map(|step| (failure, step));
            }
            _ => {}
        }
        for check in findings.checks.iter().filter(|check| is_worth_telling(check)) {
            let message = format!("preflight: {}", check.sentence());
            self.progress.say(&message);
            self.notice(Frequency::Instance, None, &message)?;
        }
        Ok(())
    }

    /// Settles a step of a run that is not begun; `None` where it is, and for what only tells somebody something.
    pub(super) fn leave_out(&mut self, step: &Step) -> Result<Option<Next>, Failure> {
        let Some((failure, at)) = self.not_begun.clone().filter(|_| !only_tells(step)) else { return Ok(None) };
        let settlement = if step.id == at {
            Settlement { attempts: 0, ..Settlement::failed(Weight::Failed, failure) }
        } else {
            Settlement::skipped(Some(self.weight(step)), format!("the run was not begun: {at} would have failed"))
        };
        self.settle(step, settlement, step.id == at).map(Some)
    }
}

/// What it does changes nothing on the host.
const fn only_tells(step: &Step) -> bool {
    matches!(
        step.operation,
        Operation::Message { .. } | Operation::ShowHostKeys { .. } | Operation::ShowAuthorizedKeys { .. } | Operation::PhoneHome { .. }
    )
}

/// In a run, what may keep it from ending well; how busy the host is and what an earlier step may bring is nobody's concern then.
fn is_worth_telling(check: &Check) -> bool {
    match check.grade {
        Grade::Fail => true,
        Grade::Warn => matches!(check.name, "disk" | "inodes" | "memory"),
        Grade::Pass => false,
    }
}
