//! One operation: check -> intent -> apply -> verify -> outcome, as often as its policy says.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::apply::{self, Checked, Effect, Prior};
use super::execute::{Engine, Next, Settlement};
use super::journal::{Event, Verdict};
use super::ledger::Interrupted;
use super::retry::Policy;
use crate::error::{Failure, Kind};
use crate::host::{fault, signals};
use crate::plan::Step;

impl Engine<'_> {
    /// check -> intent -> apply -> verify -> outcome.
    pub(super) fn run_operation(&mut self, step: &Step, intents: &[Interrupted]) -> Result<Next, Failure> {
        let start = Instant::now();
        let (file, from) = self.output_start(step);
        let mut attempts = 0;
        let mut prior = None;
        let result = self.attempts(step, intents, &file, &mut attempts, &mut prior)?;
        let elapsed = start.elapsed();
        let output = self.output_end(file, from);
        let settlement = match result {
            Attempted::Unchanged => Settlement { unchanged: true, attempts: 0, elapsed, ..Settlement::of(Verdict::Done) },
            Attempted::Done(effect) => Settlement { effect, attempts, elapsed, output, ..Settlement::of(Verdict::Done) },
            Attempted::Failed(failure) => {
                if failure.kind == Kind::Interrupted {
                    self.record_stop(step, signals::stop_requested().map_or("stop", Signal::as_str).to_owned())?;
                    return Ok(Next::Stop(signals::stop_requested()));
                }
                Settlement { attempts, elapsed, output, ..Settlement::failed(self.weight(step), failure) }
            }
        };
        let left = prior.map(|prior| apply::left_by(&prior, &self.context(step, &self.output_start(step).0, &|_| ())));
        let settlement = match left {
            Some(Ok(left)) => Settlement { left, ..settlement },
            // Undoing it asks what is there then.
            Some(Err(_)) | None => settlement,
        };
        let sync = !settlement.unchanged && (step.operation.uses_child() || !step.operation.is_idempotent());
        self.settle(step, settlement, sync)
    }

    /// `before` is what the first intent recorded.
    fn attempts(
        &mut self,
        step: &Step,
        intents: &[Interrupted],
        file: &str,
        attempts: &mut u32,
        before: &mut Option<Prior>,
    ) -> Result<Attempted, Failure> {
        let policy = Policy::of(&step.operation, &step.limits);
        let start = Instant::now();
        loop {
            *attempts += 1;
            self.attempt.set(*attempts);
            let tried = self.attempt(step, intents, file, before)?;
            let Attempted::Failed(failure) = &tried else { return Ok(tried) };
            if signals::stop_requested().is_some() {
                if before.is_none() || failure.kind == Kind::Interrupted {
                    return Ok(Attempted::Failed(Failure { kind: Kind::Interrupted, ..failure.clone() }));
                }
                return Ok(tried);
            }
            let noise = self.host.noise();
            let Some(pause) = policy.pause(*attempts + 1, start.elapsed(), failure, &step.limits, noise) else { return Ok(tried) };
            self.progress.say(&format!(
                "{} failed ({}); attempt {} of {} in {} s",
                self.name(step),
                self.redactor.apply(&failure.message),
                *attempts + 1,
                policy.attempts,
                pause.as_secs().max(1)
            ));
            signals::sleep(pause);
        }
    }

    /// One attempt. `Err` is a failure of the journal: nothing more may be changed.
    fn attempt(&mut self, step: &Step, intents: &[Interrupted], file: &str, before: &mut Option<Prior>) -> Result<Attempted, Failure> {
        let intended = before.is_some();
        let sabotaged = fault::sabotaged("outcome-first");
        let progress = self.progress;
        let say = |text: &str| progress.say(text);
        let prior = {
            let context = self.context(step, file, &say);
            let checked = match intents.first() {
                Some(first) => apply::check_again(&step.operation, &first.prior, &context),
                None => apply::check(&step.operation, &context),
            };
            match checked {
                Ok(Checked::Satisfied) => return Ok(if intended { Attempted::Done(Effect::default()) } else { Attempted::Unchanged }),
                Ok(Checked::Needed) => {}
                Err(failure) => return Ok(Attempted::Failed(failure)),
            }
            if intended {
                None
            } else {
                match intents.first().map_or_else(|| apply::prior(&step.operation, &context), |first| Ok(first.prior.clone())) {
                    Ok(prior) => Some(prior),
                    Err(failure) => return Ok(Attempted::Failed(failure)),
                }
            }
        };
        if let Some(prior) = prior {
            self.intend(step, prior.clone())?;
            *before = Some(prior);
        }
        if sabotaged {
            let outcome = self.outcome(&step.id, step.digest().to_owned(), Settlement::of(Verdict::Done));
            self.record(step.frequency, Event::Outcome(Box::new(outcome)), true)?;
        }
        fault::point("step.before-effect");
        let context = self.context(step, file, &say);
        let applied = match intents.first() {
            Some(first) => apply::apply_again(&step.operation, &first.prior, &context),
            None => apply::apply(&step.operation, &context),
        };
        Ok(match applied.and_then(|effect| apply::verify(&step.operation, &context).map(|()| effect)) {
            Ok(effect) => Attempted::Done(effect),
            Err(failure) => Attempted::Failed(failure),
        })
    }
}

enum Attempted {
    Unchanged,
    Done(Effect),
    Failed(Failure),
}
