//! Undoing: steps of a run, last first, each recorded in the journal, so that a power cut in the middle is gone on from.
//!
//! Only what landfall changed is touched, and only where it is still as landfall left it. What cannot be undone is said, and left.

use super::apply::{self, Context};
use super::execute::{Engine, RunEnd};
use super::extent::holds;
use super::journal::{Event, Undone, Verdict};
use super::ledger::{Change, StepState};
use crate::error::{Failure, Kind};
use crate::host::{fault, signals};
use crate::plan::{Frequency, OnError, Step, Undo};

impl Engine<'_> {
    /// Undoes these steps in this order, as a person asks for it. `force`: also what somebody has changed since.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn roll_back(&mut self, steps: Vec<String>, force: bool) -> Result<RunEnd, Failure> {
        self.begin()?;
        self.record(Frequency::Instance, Event::Rollback { steps, force, cause: None }, true)?;
        let undone = self.go_on_undoing();
        match signals::stop_requested() {
            Some(signal) => undone.and(self.stop(Some(signal))),
            None => undone.and(self.end(RunEnd::Settled)),
        }
    }

    /// Undoes the phase of a step whose failure asks for it.
    pub(super) fn undo_phase_of(&mut self, step: &Step) -> Result<(), Failure> {
        let StepState::Ended(outcome, _) = self.ledger.state(step) else { return Ok(()) };
        if step.on_error != OnError::Rollback || outcome.verdict != Verdict::Failed {
            return Ok(());
        }
        let plan = self.plan;
        let is_open = |other: &&Step| {
            other.phase == step.phase
                && other.frequency != Frequency::Boot
                && self.ledger.not_undone(other).is_none()
                && self.is_changed(other)
        };
        let steps: Vec<String> = plan.steps.iter().rev().filter(is_open).map(|step| step.id.clone()).collect();
        if steps.is_empty() {
            return Ok(());
        }
        self.progress.say(&format!("{} failed: phase {} is undone", self.name(step), step.phase));
        self.record(Frequency::Instance, Event::Rollback { steps, force: false, cause: outcome.failure.map(Box::new) }, true)?;
        self.go_on_undoing()
    }

    fn is_changed(&self, step: &Step) -> bool {
        !self.ledger.changes(step).is_empty()
    }

    /// Goes on with the rollback that the journal knows of.
    pub(super) fn go_on_undoing(&mut self) -> Result<(), Failure> {
        let plan = self.plan;
        while let Some(rollback) = self.ledger.rollback() {
            if signals::stop_requested().is_some() {
                // A later start goes on.
                return Ok(());
            }
            let (force, next) = (rollback.force, rollback.steps.first().cloned());
            let Some(id) = next else {
                return self.record(Frequency::Instance, Event::RollbackEnd, true);
            };
            let step = plan.steps.iter().find(|step| step.id == id);
            let (frequency, digest, result) = match step {
                Some(step) => {
                    if step.operation.uses_apt() {
                        self.hold_back();
                    }
                    (step.frequency, step.digest().to_owned(), self.undo_step(step, force))
                }
                None => (Frequency::Instance, String::new(), Undone::Left { why: "the plan does not have it any more".to_owned() }),
            };
            if let Undone::Failed { failure } = &result {
                if failure.kind == Kind::Interrupted {
                    return Ok(());
                }
            }
            if step.is_some_and(|step| step.operation.uses_child()) {
                self.host.sync_filesystems()?;
            }
            fault::point("rollback.after-undo");
            self.record(frequency, Event::Undone { step: id, digest, result }, true)?;
            self.progress.changed(&self.ledger);
        }
        Ok(())
    }

    /// Undoes all changes of a step, the newest first, and makes sure of it.
    fn undo_step(&self, step: &Step, force: bool) -> Undone {
        let is_changed = self.is_changed(step) && !matches!(step.operation.undo(), Undo::Nothing);
        let result = self.undone(step, force).unwrap_or_else(|failure| Undone::Failed { failure: Box::new(self.redacted(failure)) });
        let name = self.name(step);
        match &result {
            Undone::Whole { .. } if !is_changed => {}
            Undone::Whole { warnings } => {
                self.progress.say(&format!("undone: {name}"));
                warnings.iter().for_each(|warning| self.progress.say(&format!("  {warning}")));
            }
            Undone::Left { why } => self.progress.say(&format!("left: {name}: {why}")),
            Undone::Failed { failure } => self.progress.say(&format!("not undone: {name}: {failure}; {}", failure.next_action())),
        }
        result
    }

    fn undone(&self, step: &Step, force: bool) -> Result<Undone, Failure> {
        let changes = self.ledger.changes(step);
        if changes.is_empty() {
            return Ok(Undone::Whole { warnings: Vec::new() });
        }
        if let Undo::None(why) = step.operation.undo() {
            return Ok(Undone::Left { why: why.to_owned() });
        }
        if let Some(later) = holds(self.plan, &self.ledger, step) {
            return Err(Failure::new(Kind::Config, format!("`{}`, which rests on it, was not undone", later.id))
                .hint("see to that step, then run `landfall rollback` again"));
        }
        let file = self.output_file(step);
        let say = |text: &str| self.progress.say(text);
        let context = self.context(step, &file, &say);
        let mut warnings = Vec::new();
        if force {
            warnings.extend(keep_what_is_others(&changes, &context)?);
        } else {
            refuse_what_is_others(&changes, &context)?;
        }
        for change in changes.iter().rev() {
            warnings.extend(apply::undo(&change.prior, change.left.as_ref(), &context)?.warnings);
            apply::verify_undone(&change.prior, change.left.as_ref(), &context)?;
        }
        Ok(Undone::Whole { warnings })
    }
}

/// Paths that somebody has changed since the step. What is already as it was before comes from an undoing that was cut off.
fn changed_by_others(changes: &[Change], context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let Some(Change { prior, left: Some(left) }) = changes.last() else { return Ok(Vec::new()) };
    let changed = apply::changed_since(left, context)?;
    if !changed.is_empty() && apply::verify_undone(prior, Some(left), context).is_ok() {
        return Ok(Vec::new());
    }
    Ok(changed)
}

fn refuse_what_is_others(changes: &[Change], context: &Context<'_>) -> Result<(), Failure> {
    let changed = changed_by_others(changes, context)?;
    if changed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Config, format!("{} has been changed since by somebody else", changed.join(", ")))
        .hint("look at it; `landfall rollback --force` puts it back all the same, and keeps a copy"))
}

fn keep_what_is_others(changes: &[Change], context: &Context<'_>) -> Result<Vec<String>, Failure> {
    let mut kept = Vec::new();
    for path in changed_by_others(changes, context)? {
        let failed = |error: std::io::Error| Failure::io(format!("keep a copy of {path}"), &error);
        if let Some(bytes) = context.host.read(&path).map_err(failed)? {
            let name = context.host.back_up(&context.backups, &bytes).map_err(failed)?;
            kept.push(format!("what was in {path} is kept as {}/{name}", context.backups));
        }
    }
    Ok(kept)
}
