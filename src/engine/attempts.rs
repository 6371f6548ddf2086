//! One operation: check -> intent -> apply -> verify -> outcome, as often as its policy says.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::apply::{self, Checked, Effect, Prior};
use super::breaker::Target;
use super::execute::{Engine, Next, Settlement};
use super::journal::{Event, Verdict};
use super::ledger::Interrupted;
use super::retry::Policy;
use crate::error::{Failure, Kind};
use crate::host::{fault, signals};
use crate::plan::{Frequency, Step};

impl Engine<'_> {
    /// check -> intent -> apply -> verify -> outcome.
    pub(super) fn run_operation(&mut self, step: &Step, intents: &[Interrupted]) -> Result<Next, Failure> {
        let start = Instant::now();
        let (file, from) = self.output_start(step);
        let mut attempts = 0;
        let mut prior = None;
        let result = self.attempts(step, intents, &file, &mut attempts, &mut prior)?;
        let result = self.fall_back(step, result, intents, &file, &mut prior)?;
        let elapsed = start.elapsed();
        let output = self.output_end(file.clone(), from);
        let settlement = match result {
            Attempted::Unchanged => Settlement { unchanged: true, attempts: 0, elapsed, ..Settlement::of(Verdict::Done) },
            Attempted::Done(effect) => Settlement { effect, attempts, elapsed, output, ..Settlement::of(Verdict::Done) },
            Attempted::Failed(failure) | Attempted::Refused(failure) => {
                if failure.kind == Kind::Interrupted {
                    self.record_stop(step, signals::stop_requested().map_or("stop", Signal::as_str).to_owned())?;
                    return Ok(Next::Stop(signals::stop_requested()));
                }
                Settlement { attempts, elapsed, output, ..Settlement::failed(self.weight(step), failure) }
            }
        };
        let left = prior.map(|prior| apply::left_by(&prior, &self.context(step, &file, &|_| ())));
        let settlement = match left {
            Some(Ok(left)) => Settlement { left, ..settlement },
            // Undoing it asks what is there then.
            Some(Err(_)) | None => settlement,
        };
        // What an attempt did before it was killed is found as done, and may stand in memory only.
        let found = settlement.unchanged && !intents.is_empty();
        if found && step.frequency != Frequency::Boot && !step.operation.uses_child() {
            self.host.sync_filesystems()?;
        }
        let sync = found || !settlement.unchanged && (step.operation.uses_child() || !step.operation.is_idempotent());
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
            self.begin_attempt(step, *attempts);
            let tried = self.attempt(step, intents, file, before)?;
            if let Attempted::Refused(failure) = tried {
                *attempts -= 1;
                return Ok(Attempted::Failed(failure));
            }
            let left_alone = self.note_target(step, &tried);
            let Attempted::Failed(failure) = &tried else { return Ok(tried) };
            if signals::stop_requested().is_some() {
                if before.is_none() || failure.kind == Kind::Interrupted {
                    return Ok(Attempted::Failed(Failure { kind: Kind::Interrupted, ..failure.clone() }));
                }
                return Ok(tried);
            }
            let asked = Failure { retry_after: failure.retry_after.max(left_alone), ..failure.clone() };
            let Some(pause) = self.pause_before(step, &policy, *attempts + 1, start.elapsed(), &asked) else { return Ok(tried) };
            signals::sleep(pause);
        }
    }

    /// How long is waited before attempt `next`, which is said; `None` if there is to be none.
    pub(super) fn pause_before(&self, step: &Step, policy: &Policy, next: u32, elapsed: Duration, failure: &Failure) -> Option<Duration> {
        let pause = policy.pause(next, elapsed, failure, self.host.noise())?;
        self.progress.say(&format!(
            "{} failed ({}); attempt {next} of {} in {} s",
            self.name(step),
            self.redactor.apply(&failure.message),
            policy.attempts,
            pause.as_secs().max(1)
        ));
        Some(pause)
    }

    /// What is done where all attempts were in vain, if the plan has something for that.
    fn fall_back(
        &mut self,
        step: &Step,
        tried: Attempted,
        intents: &[Interrupted],
        file: &str,
        before: &mut Option<Prior>,
    ) -> Result<Attempted, Failure> {
        let (Attempted::Failed(failure) | Attempted::Refused(failure)) = &tried else { return Ok(tried) };
        if failure.kind == Kind::Interrupted || !apply::has_fallback(&step.operation) {
            return Ok(tried);
        }
        if before.is_none() {
            let first = intents.first().map(|first| first.prior.clone());
            let prior = first.map_or_else(|| apply::prior(&step.operation, &self.context(step, file, &|_| ())), Ok);
            let Ok(prior) = prior else { return Ok(tried) };
            self.intend(step, prior.clone())?;
            *before = Some(prior);
        }
        let interrupted = intents.first().map(|first| &first.prior);
        let fallen = apply::fall_back(&step.operation, failure, interrupted, &self.context(step, file, &|_| ()));
        Ok(fallen.map_or_else(Attempted::Failed, Attempted::Done))
    }

    /// A target that was found to be away by others is not waited for. One that this step itself has found to be, is.
    fn refusal(&self, step: &Step) -> Option<Failure> {
        let target = Target::of(&step.operation).filter(|_| self.attempt.get() == 1)?;
        let origins = || self.host.package_origins();
        self.breakers.refusal(&target, &origins, self.host.uptime_seconds(), self.host.now())
    }

    /// Remembers what an attempt says of its target. Gives back for how many seconds that is left alone.
    fn note_target(&mut self, step: &Step, tried: &Attempted) -> Option<u64> {
        let target = Target::of(&step.operation)?;
        let now = self.host.uptime_seconds();
        match tried {
            // A download may have had its content from elsewhere, with a warning.
            Attempted::Done(effect) if effect.warnings.is_empty() => self.breakers.succeeded(&target),
            Attempted::Failed(failure) => {
                self.breakers.failed(&target, failure, 1, now);
                return self.breakers.pause(&target, failure, now);
            }
            _ => {}
        }
        None
    }

    /// One attempt. `Err` is a failure of the journal: nothing more may be changed.
    fn attempt(&mut self, step: &Step, intents: &[Interrupted], file: &str, before: &mut Option<Prior>) -> Result<Attempted, Failure> {
        let intended = before.is_some();
        // A tool that failed half-way has left a half, as one that was cut off has.
        let begun = match intents.first() {
            Some(first) => Some(first.prior.clone()),
            None if step.operation.leaves_halves() => self.ledger.begun(step),
            None => None,
        };
        let sabotaged = fault::sabotaged("outcome-first");
        let progress = self.progress;
        let say = |text: &str| progress.say(text);
        let prior = {
            let context = self.context(step, file, &say);
            let checked = match &begun {
                Some(begun) => apply::check_again(&step.operation, begun, &context),
                None => apply::check(&step.operation, &context),
            };
            match checked {
                Ok(Checked::Satisfied) => return Ok(if intended { Attempted::Done(Effect::default()) } else { Attempted::Unchanged }),
                Ok(Checked::Needed) => {
                    if let Some(failure) = self.refusal(step) {
                        return Ok(Attempted::Refused(failure));
                    }
                    if let Err(failure) = apply::check_low_disk(&step.operation, &context) {
                        return Ok(Attempted::Refused(failure));
                    }
                }
                Err(failure) => return Ok(Attempted::Failed(failure)),
            }
            if intended {
                None
            } else {
                match begun.clone().map_or_else(|| apply::prior(&step.operation, &context), Ok) {
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
        let applied = match &begun {
            Some(begun) => apply::apply_again(&step.operation, begun, &context),
            None => apply::apply_intended(&step.operation, before.as_ref().unwrap_or(&Prior::None), &context),
        };
        // What was told to stop while it looked has seen nothing: it looks again once the run goes on.
        let unseen =
            |failure: Failure| if signals::stop_requested().is_some() { Failure { kind: Kind::Interrupted, ..failure } } else { failure };
        Ok(match applied.and_then(|effect| apply::verify(&step.operation, &context).map(|()| effect).map_err(unseen)) {
            Ok(effect) => Attempted::Done(effect),
            Err(failure) => Attempted::Failed(self.named_by_the_disk(failure)),
        })
    }

    /// A tool that fails where the disk takes nothing more says so in its own words, or not at all.
    fn named_by_the_disk(&self, failure: Failure) -> Failure {
        if !matches!(failure.kind, Kind::Exec | Kind::Unknown | Kind::NotFound) {
            return failure;
        }
        let full = ["/etc", "/var"].iter().filter_map(|path| self.host.filesystem_of(path).ok()).find_map(|found| {
            let want = match &found {
                _ if found.read_only => "is read-only",
                _ if found.free_inodes == Some(0) => "can take no more files",
                _ if found.free_bytes < found.block => "is full",
                _ => return None,
            };
            Some(format!("{}; the filesystem {} {want}", failure.message, found.point))
        });
        match full {
            Some(message) => Failure { kind: Kind::Disk, message, hint: None, ..failure },
            None => failure,
        }
    }
}

enum Attempted {
    Unchanged,
    Done(Effect),
    Failed(Failure),
    /// Not tried: its target is left alone.
    Refused(Failure),
}
