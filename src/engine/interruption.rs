//! What it means that a step was begun and has no outcome.

use super::apply::Effect;
use super::execute::{Engine, Next, Settlement};
use super::journal::{Event, Verdict};
use super::ledger::Interrupted;
use super::script::name_of_script;
use crate::error::{Failure, Kind};
use crate::plan::operation::{OnInterrupt, Operation, StopsMachine};
use crate::plan::{Step, Weight};
use crate::script::Script;

/// What the user wrote is given up when it was cut off in this many boots running: something in it brings the host down. Of all else
/// nothing does, and it is finished however often the power goes.
const GIVE_UP_AFTER_BOOTS: usize = 3;

impl Engine<'_> {
    /// What an interruption means for work that may not simply be done again. `None`: go on and do it.
    pub(super) fn judge_interruption(&mut self, step: &Step, intents: &[Interrupted]) -> Result<Option<Next>, Failure> {
        if step.operation.is_idempotent() {
            return Ok(None);
        }
        self.end_what_goes_on(step, intents);
        if let Some(done) = self.done_by_stop(step, intents) {
            let effect = Effect { detail: Some(done), warnings: Vec::new() };
            return self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, true).map(Some);
        }
        if step.operation.runs_users_text() && self.hopeless(intents) {
            let message = format!("cut off in {GIVE_UP_AFTER_BOOTS} boots running; given up, because it seems to bring the host down");
            let mut failure = Failure::new(Kind::Exec, message);
            failure.hint = Some(format!("look at what it does; `landfall rerun {}` tries it again", step.id));
            return self.settle(step, Settlement::failed(self.weight(step), failure), true).map(Some);
        }
        match (&step.operation, step.on_interrupt) {
            (Operation::AppendFile(_) | Operation::RunDirectory { .. } | Operation::PowerState { .. }, _) => Ok(None),
            (_, OnInterrupt::Rerun) => {
                let message = format!("{} was cut off and is run again", self.name(step));
                self.progress.say(&message);
                self.record(step.frequency, Event::Notice { weight: None, message }, false)?;
                Ok(None)
            }
            (_, OnInterrupt::Skip) => {
                let warning = "it was cut off and is not run again (on_interrupt: skip)".to_owned();
                let effect = Effect { detail: None, warnings: vec![warning] };
                self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, true).map(Some)
            }
            (_, OnInterrupt::Stop) => {
                let failure = Failure::new(Kind::Interrupted, "it was cut off, and on_interrupt is stop")
                    .transient(false)
                    .hint(format!("see what it left; then `landfall rerun {}`", step.id));
                let _ = self.settle(step, Settlement::failed(Weight::Failed, failure), true)?;
                Ok(Some(Next::Halt))
            }
        }
    }

    /// In the same boot what was started may go on without us: a landfall that was killed outside of its units leaves it behind. It
    /// is not to run beside the same work again.
    fn end_what_goes_on(&self, step: &Step, intents: &[Interrupted]) {
        if !step.operation.runs_users_text() || intents.last().is_none_or(|last| last.boot != self.ids.boot) {
            return;
        }
        let script = match &step.operation {
            Operation::ScriptItem(item) => Some(name_of_script(item)),
            _ => None,
        };
        for process in self.host.end_marked(&self.environment(step), script.as_deref()) {
            self.progress.say(&format!("{} was cut off, and goes on as {process}; that is ended", self.name(step)));
        }
    }

    fn hopeless(&self, intents: &[Interrupted]) -> bool {
        let mut boots: Vec<&str> = intents.iter().map(|intent| intent.boot.as_str()).collect();
        boots.dedup();
        boots.iter().filter(|boot| **boot != self.ids.boot).count() >= GIVE_UP_AFTER_BOOTS
    }

    /// Whether work that stops the machine did so: then it is done.
    fn done_by_stop(&self, step: &Step, intents: &[Interrupted]) -> Option<String> {
        let last = intents.last()?;
        let other_boot = last.boot != self.ids.boot;
        let by = |stops: StopsMachine| match stops {
            StopsMachine::Orderly => other_boot && last.stopped,
            StopsMachine::Forced => other_boot,
        };
        let done = match &step.operation {
            Operation::RebootIfRequired => other_boot,
            Operation::ScriptItem(item) => by(item.stops_machine?),
            Operation::RunFile { path, .. } => by(Script::read(&self.shell_script(path)?).stops_machine()?),
            _ => false,
        };
        done.then(|| "the machine was restarted by it".to_owned())
    }
}
