//! Executable files: one, or all of a directory, each with its own record.

use std::collections::BTreeMap;
use std::time::Instant;

use super::apply::{Effect, Prior};
use super::execute::{Engine, Next, Settlement};
use super::journal::{Event, Verdict};
use super::ledger::StepState;
use crate::error::{Failure, Kind};
use crate::host::files::FileKind;
use crate::host::process::{Cut, Ended, Spec};
use crate::plan::{digest_of, Step};

impl Engine<'_> {
    pub(super) fn run_file(&mut self, step: &Step, path: &str, env: &BTreeMap<String, String>) -> Result<Next, Failure> {
        self.intend(step, Prior::None)?;
        let (file, from) = self.output_start(step);
        let start = Instant::now();
        let ended = self.run_executable(step, path, env, &file);
        if matches!(&ended, Ok(ended) if ended.cut == Some(Cut::Stop)) {
            self.record_stop(step, "signal".into())?;
            return Ok(Next::Stop(crate::host::signals::stop_requested()));
        }
        let mut settlement = match ended {
            Ok(ended) if ended.success() => Settlement::of(Verdict::Done),
            Ok(ended) => Settlement::failed(self.weight(step), ended.failure(path)),
            Err(failure) => Settlement::failed(self.weight(step), failure),
        };
        settlement.elapsed = start.elapsed();
        settlement.output = self.output_end(file, from);
        let stopping = self.machine_is_stopping();
        let next = self.settle(step, settlement, true)?;
        Ok(if stopping { Next::Stop(None) } else { next })
    }

    fn run_executable(&self, step: &Step, path: &str, env: &BTreeMap<String, String>, file: &str) -> Result<Ended, Failure> {
        let mut spec = Spec::new([path]).output(self.host.real_path(file));
        spec.env = self.environment(step);
        spec.env.extend(env.clone());
        spec.deadline = step.limits.timeout_seconds.map(std::time::Duration::from_secs);
        self.host.run(&spec)
    }

    /// Every executable of a directory in byte order. All are tried; the step fails if one did.
    pub(super) fn run_directory(&mut self, step: &Step, path: &str) -> Result<Next, Failure> {
        let start = Instant::now();
        let names = self.host.list(path).map_err(|error| Failure::io(path, &error));
        let names = match names {
            Ok(names) => names,
            Err(failure) => return self.settle(step, Settlement::failed(self.weight(step), failure), false),
        };
        let (file, from) = self.output_start(step);
        let mut ran = 0;
        let mut effect = Effect::default();
        let mut failures: Vec<Failure> = Vec::new();
        for name in names {
            let script = format!("{path}/{name}");
            match self.is_script(&script) {
                Ok(true) => {}
                Ok(false) => {
                    effect.warnings.push(format!("{script} is not an executable file; it is not run"));
                    continue;
                }
                Err(failure) => {
                    failures.push(failure);
                    continue;
                }
            }
            ran += 1;
            match self.run_part(step, &name, &script, &file)? {
                Part::Ended(failure) => failures.extend(failure),
                Part::Stop => return Ok(Next::Stop(crate::host::signals::stop_requested())),
            }
        }
        effect.detail = Some(format!("{ran} scripts run"));
        let mut settlement = match failures.len() {
            0 => Settlement::of(Verdict::Done),
            1 => Settlement::failed(self.weight(step), failures.remove(0)),
            count => {
                let mut failure = failures.remove(0);
                let others: Vec<_> = failures.iter().map(|other| other.message.as_str()).collect();
                failure.message = format!("{count} scripts failed: {}; {}", failure.message, others.join("; "));
                Settlement::failed(self.weight(step), failure)
            }
        };
        settlement.unchanged = ran == 0;
        settlement.effect = effect;
        settlement.elapsed = start.elapsed();
        settlement.output = self.output_end(file, from);
        self.settle(step, settlement, ran > 0)
    }

    fn is_script(&self, path: &str) -> Result<bool, Failure> {
        let real = self.host.follow(path).map_err(|error| Failure::io(path, &error))?;
        let status = self.host.status(&real).map_err(|error| Failure::io(path, &error))?;
        Ok(status.is_some_and(|status| status.kind == FileKind::File && status.attributes.mode & 0o111 != 0))
    }

    /// One script of a directory: its own intent and outcome, so that a cut does not repeat the others.
    fn run_part(&mut self, step: &Step, name: &str, script: &str, file: &str) -> Result<Part, Failure> {
        let content = self.host.read(script).map_err(|error| Failure::io(script, &error))?.unwrap_or_default();
        let id = format!("{}/{name}", step.id);
        let digest = digest_of(&(&id, crate::host::backups::sha256_hex(&content)));
        match self.ledger.state_of(step.frequency, &id, &digest) {
            StepState::Ended(outcome, _) => return Ok(Part::Ended(outcome.failure)),
            StepState::Interrupted(intents) if intents.len() >= 3 => {
                let failure = Failure::new(Kind::Exec, format!("{script} was cut off {} times; given up", intents.len()));
                return Ok(Part::Ended(Some(failure)));
            }
            _ => {}
        }
        self.announce(step);
        self.record(step.frequency, Event::Intent { step: id.clone(), digest: digest.clone(), prior: Prior::None }, true)?;
        let ended = self.run_executable(step, script, &BTreeMap::new(), file);
        if matches!(&ended, Ok(ended) if ended.cut == Some(Cut::Stop)) {
            self.record_stop(step, "signal".into())?;
            return Ok(Part::Stop);
        }
        let settlement = match ended {
            Ok(ended) if ended.success() => Settlement::of(Verdict::Done),
            Ok(ended) => Settlement::failed(self.weight(step), ended.failure(script)),
            Err(failure) => Settlement::failed(self.weight(step), failure),
        };
        let stopping = self.machine_is_stopping();
        if step.frequency != crate::plan::Frequency::Boot {
            self.host.sync_filesystems()?;
        }
        let outcome = self.outcome(&id, digest, settlement);
        let failure = outcome.failure.clone();
        self.record(step.frequency, Event::Outcome(Box::new(outcome)), true)?;
        Ok(if stopping { Part::Stop } else { Part::Ended(failure) })
    }
}

enum Part {
    Ended(Option<Failure>),
    Stop,
}
