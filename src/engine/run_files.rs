//! Executable files: one, or all of a directory, each with its own record.

use std::collections::BTreeMap;
use std::time::Instant;

use nix::sys::signal::Signal;

use super::apply::{self, Effect, Prior};
use super::execute::{Engine, Next, Settlement};
use super::journal::Verdict;
use super::ledger::{Interrupted, StepState};
use crate::error::Failure;
use crate::host::fault;
use crate::host::files::FileKind;
use crate::host::process::{Cut, Ended, Spec};
use crate::plan::{Frequency, Operation, Step};

impl Engine<'_> {
    pub(super) fn run_file(
        &mut self,
        step: &Step,
        (path, prefix): (&str, &[String]),
        env: &BTreeMap<String, String>,
        intents: &[Interrupted],
    ) -> Result<Next, Failure> {
        let (file, from) = self.output_start(step);
        let text = self.shell_script(path).unwrap_or_default();
        let prior = self.prior_of_script(step, &text, &file, intents);
        self.intend(step, prior)?;
        let start = Instant::now();
        let ended = self.run_executable(step, (path, prefix), env, &file);
        if matches!(&ended, Ok(ended) if ended.cut == Some(Cut::Stop)) {
            self.record_stop(step, "signal".into())?;
            return Ok(Next::Stop(crate::host::signals::stop_requested()));
        }
        let mut settlement = match ended {
            Ok(ended) if ended.cut.is_none() && ended.signal.is_none() && step.limits.accepts(ended.code) => {
                Settlement::accepted(ended.code)
            }
            Ok(ended) => Settlement::failed(self.weight(step), ended.failure(path)),
            Err(failure) => Settlement::failed(self.weight(step), failure),
        };
        settlement.elapsed = start.elapsed();
        settlement.output = self.output_end(file, from);
        let stopping = self.machine_is_stopping();
        let next = self.settle(step, settlement, true)?;
        Ok(if stopping { Next::Stop(None) } else { next })
    }

    fn run_executable(
        &self,
        step: &Step,
        (path, prefix): (&str, &[String]),
        env: &BTreeMap<String, String>,
        file: &str,
    ) -> Result<Ended, Failure> {
        let mut spec = Spec::new(prefix.iter().map(String::as_str).chain([path])).output(self.host.real_path(file));
        spec.env = self.environment(step);
        let says = |name: &str| self.host.read(path).ok().flatten().is_some_and(|text| String::from_utf8_lossy(&text).contains(name));
        spec.env.extend(self.host.path_of_script(says).map(|path| ("PATH".to_owned(), path)));
        spec.env.extend(env.clone());
        spec.deadline = step.limits.timeout();
        spec.silence = step.limits.silence();
        let mut tell = |silent: std::time::Duration| {
            self.progress.say(&format!("{path} has said nothing for {} min; it goes on", silent.as_secs() / 60));
        };
        self.host.run_watched(&spec, &mut tell)
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
            match self.run_part(step, &name, &script)? {
                Part::Ended(failure) => failures.extend(failure),
                Part::Stop(signal) => return Ok(Next::Stop(signal)),
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

    /// One script of a directory: a step of its own, so that a cut does not repeat the others.
    fn run_part(&mut self, step: &Step, name: &str, script: &str) -> Result<Part, Failure> {
        let operation = Operation::RunFile { path: script.to_owned(), env: BTreeMap::new(), prefix: Vec::new() };
        let part = Step { id: format!("{}/{name}", step.id), operation, needs: Vec::new(), ..step.clone() };
        // One that failed in an earlier boot for a passing reason is run again.
        if self.settled_before(&part).is_none() {
            let next = self.settle_step(&part)?;
            fault::step(&step.id);
            if let Next::Stop(signal) = next {
                return Ok(Part::Stop(signal));
            }
        }
        Ok(match self.ledger.state(&part) {
            StepState::Ended(outcome, _) => Part::Ended(outcome.failure),
            _ => Part::Ended(None),
        })
    }

    /// What is recorded before a script that works on packages, so that they can be mended after a cut; and if it was cut off
    /// before, they are mended now: it would fail on a dpkg that was interrupted.
    pub(super) fn prior_of_script(&self, step: &Step, text: &str, file: &str, intents: &[Interrupted]) -> Prior {
        let works_on_packages = ["apt", "dpkg"].iter().any(|word| text.contains(word));
        let at_every_boot = step.frequency == Frequency::Boot;
        let progress = self.progress;
        let say = |text: &str| progress.say(text);
        let context = self.context(step, file, &say);
        let result = match intents.first() {
            // Whatever it calls may have worked on packages.
            Some(first) => apply::mend_packages(&first.prior, &context).map(|()| first.prior.clone()),
            // Of a cut in an earlier boot such a script has no record.
            None if at_every_boot && works_on_packages => apply::mend_packages(&Prior::None, &context).map(|()| Prior::None),
            None if works_on_packages => apply::prior_of_packages(&context),
            None => return Prior::None,
        };
        result.unwrap_or_else(|failure| {
            progress.say(&format!("the package database cannot be looked after: {failure}"));
            Prior::None
        })
    }

    /// The text of a script that a shell reads.
    pub(super) fn shell_script(&self, path: &str) -> Option<String> {
        let text = self.host.read_text(path).ok().flatten()?;
        let interpreter = text.lines().next()?.strip_prefix("#!")?;
        let is_shell = |word: &str| ["sh", "dash", "bash"].contains(&word.rsplit('/').next().unwrap_or(word));
        interpreter.split_whitespace().any(is_shell).then_some(text)
    }
}

enum Part {
    Ended(Option<Failure>),
    Stop(Option<Signal>),
}
