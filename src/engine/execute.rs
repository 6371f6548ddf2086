//! The loop: the steps of a plan in order, each settled in the journal before the next begins.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::apply::{self, Context, Effect, Left, Prior};
use super::breaker::Breakers;
use super::journal::{Event, Outcome, OutputRange, Stamp, Verdict};
use super::lanes::Turns;
use super::ledger::{Ledger, StepState};
use super::phases::Unmet;
use super::script::OpenScript;
use crate::error::Failure;
use crate::host::files::Attributes;
use crate::host::holdback::HoldBack;
use crate::host::usage::{Meter, Usage};
use crate::host::{fault, process, signals, Host};
use crate::ordered::map_of;
use crate::plan::{Frequency, OnError, Operation, Plan, Stage, Step, Weight};
use crate::redact::Redactor;

/// Where a plan's files stand: paths of the host.
#[derive(Clone, Debug)]
pub struct Places {
    /// The instance's directory.
    pub instance: String,
    /// Private directory (0700) that a boot empties.
    pub boot: String,
}

impl Places {
    /// Output of steps of every boot stays in the runtime directory: such a boot writes nothing to the disk.
    fn output(&self, frequency: Frequency, file: &str) -> String {
        if frequency == Frequency::Boot {
            format!("{}/{file}", self.boot)
        } else {
            format!("{}/output/{file}", self.instance)
        }
    }

    /// Copies of what files held before they were changed.
    pub fn backups(&self) -> String {
        format!("{}/backups", self.instance)
    }

    /// Downloads that are not whole yet.
    pub fn downloads(&self) -> String {
        format!("{}/downloads", self.instance)
    }

    /// The record of what was stopped for the time of the run.
    fn held_back(&self) -> String {
        format!("{}/held-back.json", self.boot)
    }

    /// Directory of the shell states of finished items: it lasts as long as their outcomes do.
    pub fn shell_states(&self, frequency: Frequency) -> String {
        if frequency == Frequency::Boot {
            format!("{}/shell", self.boot)
        } else {
            format!("{}/shell", self.instance)
        }
    }
}

/// Hears what goes on. It must not fail and must not change the host.
pub trait Progress {
    /// A step begins; `at` counts from 1.
    fn started(&self, step: &Step, at: usize, of: usize);
    /// A step has ended.
    fn ended(&self, step: &Step, outcome: &Outcome);
    /// Something to know while it goes on.
    fn say(&self, text: &str);
    /// The journals have changed: whoever shows the state may derive it again.
    fn changed(&self, ledger: &Ledger);
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// Everything due is settled.
    Settled,
    /// A step failed whose failure stops the run.
    Halted,
    /// A signal, or a shutdown of the machine, stopped it.
    Stopped(Option<Signal>),
    /// landfall asked for a reboot and goes on after it.
    Rebooting,
}

/// Which run, which boot.
#[derive(Clone, Debug)]
pub struct RunIds {
    /// Id shared by all units of a boot.
    pub run: String,
    /// The kernel's boot id.
    pub boot: String,
}

/// Runs one plan.
pub struct Engine<'e> {
    pub(super) host: &'e Host,
    pub(super) plan: &'e Plan,
    pub(super) ledger: Ledger,
    pub(super) places: Places,
    pub(super) ids: RunIds,
    pub(super) progress: &'e dyn Progress,
    pub(super) redactor: Redactor,
    pub(super) script: Option<OpenScript>,
    pub(super) attempt: Cell<u32>,
    pub(super) breakers: Breakers,
    /// What the step that is being done has taken so far.
    meter: Option<Meter>,
    /// What was stopped for the time of the run.
    held: Option<HoldBack>,
    /// Why this run is not begun, and the step that it would have failed at.
    pub(super) not_begun: Option<(Failure, String)>,
    /// Number of the current step and of all, until it was announced.
    position: Option<(usize, usize)>,
    /// Taken in turns, where other engines run phases beside this one.
    pub(super) turns: Option<&'e Turns>,
}

/// What comes after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Step,
    Halt,
    Stop(Option<Signal>),
    Reboot,
}

/// A step's result before it is written down.
pub(super) struct Settlement {
    pub verdict: Verdict,
    pub weight: Option<Weight>,
    pub failure: Option<Failure>,
    pub effect: Effect,
    pub left: Left,
    pub unchanged: bool,
    pub attempts: u32,
    pub elapsed: Duration,
    pub usage: Option<Usage>,
    pub output: Option<OutputRange>,
    pub ended_script: Option<i32>,
    pub shell_state: Option<String>,
    pub unmet: Option<Unmet>,
}

impl Settlement {
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            weight: None,
            failure: None,
            effect: Effect::default(),
            left: Left::default(),
            unchanged: false,
            attempts: 1,
            elapsed: Duration::ZERO,
            usage: None,
            output: None,
            ended_script: None,
            shell_state: None,
            unmet: None,
        }
    }

    pub fn failed(weight: Weight, failure: Failure) -> Self {
        Self { weight: Some(weight), failure: Some(failure), ..Self::of(Verdict::Failed) }
    }

    /// The end of a command whose exit code counts as success.
    pub fn accepted(code: i32) -> Self {
        let detail = (code != 0).then(|| format!("exit {code}, which is accepted"));
        Self { effect: Effect { detail, warnings: Vec::new() }, ..Self::of(Verdict::Done) }
    }

    pub fn skipped(weight: Option<Weight>, why: String) -> Self {
        let effect = Effect { detail: Some(why), warnings: Vec::new() };
        Self { weight, effect, attempts: 0, ..Self::of(Verdict::Skipped) }
    }
}

struct HostStamp<'e> {
    host: &'e Host,
    ids: RunIds,
}

impl Stamp for HostStamp<'_> {
    fn stamp(&self) -> (f64, f64, String, String) {
        (self.host.now(), self.host.uptime_seconds(), self.ids.run.clone(), self.ids.boot.clone())
    }
}

impl<'e> Engine<'e> {
    /// An engine for `plan`.
    pub fn new(host: &'e Host, plan: &'e Plan, ledger: Ledger, places: Places, ids: RunIds, progress: &'e dyn Progress) -> Self {
        let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
        let breakers = Breakers::of(plan, &ledger, &ids.boot);
        Self {
            breakers,
            host,
            plan,
            ledger,
            places,
            ids,
            progress,
            redactor,
            script: None,
            attempt: Cell::new(1),
            meter: None,
            held: None,
            not_begun: None,
            position: None,
            turns: None,
        }
    }

    /// What the journals know now.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Records something that is not a step's outcome.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn notice(&mut self, scope: Frequency, weight: Option<Weight>, message: &str) -> Result<(), Failure> {
        let told = |event: &Event| matches!(event, Event::Notice { message: earlier, .. } if earlier == message);
        if self.ledger.records(scope).iter().any(|record| told(&record.event)) {
            return Ok(());
        }
        self.record(scope, Event::Notice { weight, message: message.to_owned() }, false)
    }

    /// Records a note about the run after its end, however often.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn note(&mut self, message: &str) -> Result<(), Failure> {
        self.record(Frequency::Instance, Event::Notice { weight: None, message: message.to_owned() }, true)
    }

    /// Forgets the outcome of these steps, so that they are run again.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn again(&mut self, steps: &[String]) -> Result<(), Failure> {
        let mut steps = steps.to_vec();
        steps.extend(self.not_run_after(&steps));
        for frequency in [Frequency::Instance, Frequency::Once, Frequency::Boot] {
            let of_scope = |id: &&String| self.plan.steps.iter().any(|step| step.id == **id && step.frequency == frequency);
            let mut chosen: Vec<String> = steps.iter().filter(of_scope).cloned().collect();
            let parts: Vec<String> = chosen.iter().flat_map(|id| self.ledger.parts_to_run_again(frequency, id)).collect();
            let parts = parts.into_iter().filter(|part| self.plan.steps.iter().all(|step| step.id != *part));
            chosen.extend(parts);
            if !chosen.is_empty() {
                self.record(frequency, Event::Again { steps: chosen }, true)?;
            }
        }
        Ok(())
    }

    /// Items of scripts that were not run because one of these ended the script.
    fn not_run_after(&self, steps: &[String]) -> Vec<String> {
        let item = |step: &Step| match &step.operation {
            Operation::ScriptItem(item) => Some((item.script.clone(), item.first)),
            _ => None,
        };
        let ended: Vec<(String, u32)> = self.plan.steps.iter().filter(|step| steps.contains(&step.id)).filter_map(item).collect();
        let not_run = |step: &&Step| {
            let later = item(step).is_some_and(|(script, at)| ended.iter().any(|(of, ended)| *of == script && *ended < at));
            later && matches!(self.ledger.state(step), StepState::Ended(outcome, _) if outcome.verdict == Verdict::NotRun)
        };
        self.plan.steps.iter().filter(not_run).map(|step| step.id.clone()).collect()
    }

    /// Steps that failed or were skipped because of one that did.
    pub fn failed_steps(&self) -> Vec<String> {
        self.plan.steps.iter().filter(|step| self.ledger.has_failed(step)).map(|step| step.id.clone()).collect()
    }

    /// Runs everything that is due up to `until`, what earlier stages left first.
    pub fn run(&mut self, until: Stage) -> Result<RunEnd, Failure> {
        let end = self.run_steps(until);
        if end.is_err() {
            self.give_back();
        }
        end
    }

    /// What precedes every change: the private directory, and what a killed run held back.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        let private = Attributes { mode: 0o700, uid: 0, gid: 0 };
        let boot = &self.places.boot;
        self.host.make_directories(boot, private).map_err(|error| Failure::io(boot, &error))?;
        if let Err(failure) = HoldBack::recover(self.host, &self.places.held_back()) {
            self.progress.say(&format!("apt's own timers could not be started again: {failure}"));
        }
        if let Err(error) = self.sweep() {
            self.progress.say(&format!("what a cut left could not be removed: {error}"));
        }
        Ok(())
    }

    /// Removes what cuts have left: downloads of no step, and temporary files beside those that were being written.
    fn sweep(&self) -> std::io::Result<()> {
        let open = |step: &&Step| !matches!(self.ledger.state(step), StepState::Ended(outcome, _) if outcome.verdict == Verdict::Done);
        let downloads: Vec<String> = self.plan.steps.iter().filter(open).filter_map(|step| apply::partial_name(&step.operation)).collect();
        self.host.sweep_downloads(&self.places.downloads(), &downloads)?;
        for path in self.ledger.unfinished_files() {
            self.host.sweep_temporary(&path)?;
        }
        Ok(())
    }

    fn run_steps(&mut self, until: Stage) -> Result<RunEnd, Failure> {
        let plan = self.plan;
        self.begin()?;
        if until == Stage::Final && self.ledger.rollback().is_some() {
            self.go_on_undoing()?;
        }
        if until == Stage::Final {
            self.look_ahead()?;
        }
        let mut at = 0;
        while let Some(step) = plan.steps.get(at).filter(|step| step.stage <= until) {
            if let Some(signal) = signals::stop_requested() {
                return self.stop(Some(signal));
            }
            let lanes = plan.side_by_side(at);
            let ends = if lanes.len() > 1 {
                at += lanes.iter().map(Vec::len).sum::<usize>();
                self.run_side_by_side(&lanes)?
            } else {
                at += 1;
                vec![(step, self.advance(at - 1, step)?)]
            };
            if let Some(end) = self.conclude(&ends)? {
                return Ok(end);
            }
        }
        self.end(RunEnd::Settled)
    }

    /// How the run ends after these steps, if it does.
    fn conclude(&mut self, ends: &[(&Step, Next)]) -> Result<Option<RunEnd>, Failure> {
        if let Some((_, Next::Stop(signal))) = ends.iter().find(|(_, next)| matches!(next, Next::Stop(_))) {
            return self.stop(*signal).map(Some);
        }
        if ends.iter().any(|(_, next)| *next == Next::Reboot) {
            return self.end(RunEnd::Rebooting).map(Some);
        }
        let mut halted = false;
        for (step, _) in ends.iter().filter(|(_, next)| *next == Next::Halt) {
            match self.run_playbook(step)? {
                Next::Step => {}
                Next::Halt => {
                    self.undo_phase_of(step)?;
                    halted = true;
                }
                Next::Stop(signal) => return self.stop(signal).map(Some),
                Next::Reboot => return self.end(RunEnd::Rebooting).map(Some),
            }
        }
        if halted {
            return self.end(RunEnd::Halted).map(Some);
        }
        Ok(None)
    }

    /// Settles the step that stands `at` in the plan, unless it is settled.
    pub(super) fn advance(&mut self, at: usize, step: &Step) -> Result<Next, Failure> {
        if let Some(next) = self.settled_before(step) {
            return Ok(next);
        }
        self.leave_script(Some(step))?;
        self.position = Some((at + 1, self.plan.steps.len()));
        if let Some(next) = self.leave_out(step)? {
            return Ok(next);
        }
        self.settle_step(step)
    }

    /// What follows from an outcome that stands in the journal, or `None` if the step is still to be settled.
    pub(super) fn settled_before(&self, step: &Step) -> Option<Next> {
        if self.ledger.rollback().is_some_and(|rollback| rollback.steps.contains(&step.id)) {
            return Some(Next::Step);
        }
        let StepState::Ended(outcome, boot) = self.ledger.state(step) else { return None };
        if outcome.unmet.is_some() {
            return self.unmet(step).map(|_| Next::Step);
        }
        if boot != self.ids.boot && self.may_succeed_now(step, &outcome) {
            return None;
        }
        Some(self.after(step, &outcome))
    }

    /// A failure whose cause may have gone by itself, or what was skipped because of one.
    fn may_succeed_now(&self, step: &Step, outcome: &Outcome) -> bool {
        match outcome.verdict {
            Verdict::Failed if step.waits_for_a_person(outcome.failure.as_ref()) => false,
            Verdict::Failed => outcome.failure.as_ref().is_some_and(Failure::may_go_by_itself),
            Verdict::Skipped => self.missing_need(step).is_none(),
            // Undone because another one failed: done again with that one.
            Verdict::Undone => outcome.failure.as_ref().is_some_and(Failure::may_go_by_itself),
            // The item that ended the script has been run again, and did not.
            Verdict::NotRun => matches!(&step.operation, Operation::ScriptItem(item) if self.early_end(item).is_none()),
            Verdict::Done => false,
        }
    }

    fn after(&self, step: &Step, outcome: &Outcome) -> Next {
        if outcome.verdict == Verdict::Failed && step.halts(outcome.failure.as_ref()) {
            Next::Halt
        } else {
            Next::Step
        }
    }

    pub(super) fn end(&mut self, end: RunEnd) -> Result<RunEnd, Failure> {
        fault::step("end");
        self.leave_script(None)?;
        if end != RunEnd::Rebooting {
            self.give_back();
        }
        if self.ledger.wrote() {
            self.record(Frequency::Instance, Event::End, true)?;
        }
        Ok(end)
    }

    pub(super) fn stop(&mut self, signal: Option<Signal>) -> Result<RunEnd, Failure> {
        // The next start goes on behind the item that it stands at.
        self.script = None;
        if !self.machine_is_stopping() {
            self.give_back();
        }
        self.progress.changed(&self.ledger);
        Ok(RunEnd::Stopped(signal))
    }

    /// Records that a stop was asked for while `step` ran: before anything is ended, durably.
    pub(super) fn record_stop(&mut self, step: &Step, reason: String) -> Result<(), Failure> {
        self.record(step.frequency, Event::StopRequest { step: Some(step.id.clone()), reason }, true)
    }

    pub(super) fn record(&mut self, scope: Frequency, event: Event, sync: bool) -> Result<(), Failure> {
        let stamp = HostStamp { host: self.host, ids: self.ids.clone() };
        self.ledger.record(&stamp, scope, event, sync)
    }

    /// Says that a step begins, once; one that has nothing to do is not worth a line.
    pub(super) fn announce(&mut self, step: &Step) {
        if let Some((at, of)) = self.position.take() {
            self.progress.started(step, at, of);
        }
    }

    pub(super) fn intend(&mut self, step: &Step, prior: Prior) -> Result<(), Failure> {
        self.announce(step);
        let event = Event::Intent { step: step.id.clone(), digest: step.digest().to_owned(), prior };
        self.record(step.frequency, event, true)?;
        if step.operation.uses_child() {
            // Anything else is over before anybody could look.
            self.progress.changed(&self.ledger);
        }
        if self.turns.is_none() {
            // What others take beside it cannot be told from what this one takes.
            self.meter = Some(Meter::start(self.shell_pid()));
        }
        fault::point("step.after-intent");
        Ok(())
    }

    /// Writes a step's outcome. With `sync`, what children wrote is on the disk before the record is, and the record when
    /// this returns.
    pub(super) fn settle(&mut self, step: &Step, settlement: Settlement, sync: bool) -> Result<Next, Failure> {
        fault::point("step.after-effect");
        process::mark_children(BTreeMap::new());
        let usage = self.meter.take().map(|meter| meter.end(self.shell_pid()));
        let settlement = Settlement { usage, ..settlement };
        if sync && step.frequency != Frequency::Boot && step.operation.uses_child() {
            self.host.sync_filesystems()?;
            fault::point("step.after-syncfs");
        }
        let outcome = self.outcome(&step.id, step.digest().to_owned(), settlement);
        self.record(step.frequency, Event::Outcome(Box::new(outcome.clone())), sync)?;
        if outcome.verdict != Verdict::Done || !outcome.effect.warnings.is_empty() {
            self.announce(step);
        }
        self.progress.ended(step, &outcome);
        Ok(self.after(step, &outcome))
    }

    /// The shell of the script that is open: what its items take is not seen in its parent.
    fn shell_pid(&self) -> Option<u32> {
        self.script.as_ref().map(|open| open.shell.pid())
    }

    /// An outcome with everything shown in it redacted.
    pub(super) fn outcome(&self, id: &str, digest: String, settlement: Settlement) -> Outcome {
        let redact = |text: &str| self.redactor.apply(text);
        let failure = settlement.failure.map(|failure| self.redacted(failure));
        let effect = Effect {
            detail: settlement.effect.detail.as_deref().map(redact),
            warnings: settlement.effect.warnings.iter().map(|warning| redact(warning)).collect(),
        };
        Outcome {
            step: id.to_owned(),
            digest,
            verdict: settlement.verdict,
            weight: settlement.weight,
            failure,
            effect,
            left: settlement.left,
            unchanged: settlement.unchanged,
            attempts: settlement.attempts,
            elapsed_ms: u64::try_from(settlement.elapsed.as_millis()).unwrap_or(u64::MAX),
            usage: settlement.usage,
            output: settlement.output,
            ended_script: settlement.ended_script,
            shell_state: settlement.shell_state,
            unmet: settlement.unmet,
        }
    }

    /// A failure with everything shown in it redacted.
    pub(super) fn redacted(&self, failure: Failure) -> Failure {
        let redact = |text: &str| self.redactor.apply(text);
        Failure { message: redact(&failure.message), output: failure.output.iter().map(|line| redact(line)).collect(), ..failure }
    }

    pub(super) fn settle_step(&mut self, step: &Step) -> Result<Next, Failure> {
        fault::step(&step.id);
        let _turn = self.turns.and_then(|turns| turns.take(&step.operation));
        self.begin_attempt(step, 1);
        if let Some(next) = self.settle_unmet(step)? {
            return Ok(next);
        }
        if let Some(why) = self.missing_need(step) {
            return self.settle(step, Settlement::skipped(Some(self.weight(step)), why), false);
        }
        let state = self.ledger.state(step);
        if let StepState::Interrupted(intents) = &state {
            if let Some(next) = self.judge_interruption(step, intents)? {
                return Ok(next);
            }
        }
        let intents = match state {
            StepState::Interrupted(intents) => intents,
            _ => Vec::new(),
        };
        if step.operation.uses_apt() {
            self.hold_back();
        }
        match &step.operation {
            Operation::ScriptItem(item) => self.run_script_item(step, item, &intents),
            Operation::RunFile { path, env, prefix } => self.run_file(step, (path, prefix), env, &intents),
            Operation::RunDirectory { path } => self.run_directory(step, path),
            Operation::RebootIfRequired => self.reboot_if_required(step),
            Operation::PowerState { .. } => self.power_state(step),
            _ => self.run_operation(step, &intents),
        }
    }

    fn missing_need(&self, step: &Step) -> Option<String> {
        step.needs.iter().find_map(|need| {
            let needed = self.plan.steps.iter().find(|other| other.id == *need)?;
            match self.ledger.state(needed) {
                StepState::Ended(outcome, _) if outcome.verdict == Verdict::Done => None,
                StepState::Ended(outcome, _) if matches!(outcome.unmet, Some(Unmet::Exists { .. })) => None,
                StepState::Ended(outcome, _) => {
                    let why = if outcome.verdict == Verdict::Failed { "failed" } else { "was not done" };
                    Some(format!("it needs \"{}\", which {why}", needed.operation.describe()))
                }
                _ => Some(format!("it needs \"{}\", which is not done", needed.operation.describe())),
            }
        })
    }

    pub(super) fn weight(&self, step: &Step) -> Weight {
        if step.on_error == OnError::Warn {
            Weight::Degraded
        } else {
            step.weight
        }
    }

    /// How a step is called in a sentence.
    pub(super) fn name(&self, step: &Step) -> String {
        self.redactor.apply(&step.operation.describe())
    }

    pub(super) fn context<'s>(&'s self, step: &Step, file: &str, say: &'s dyn Fn(&str)) -> Context<'s> {
        Context {
            host: self.host,
            output: self.host.real_path(file),
            env: self.environment(step),
            deadline: process::Limit::begin(step.limits.timeout()),
            silence: step.limits.silence(),
            backups: self.places.backups(),
            downloads: self.places.downloads(),
            instance: self.plan.instance.clone(),
            datasource: self.plan.datasource.clone(),
            resources: self.plan.resources,
            apt_get: &self.plan.apt_get,
            say,
        }
    }

    /// From here on children belong to this attempt at the step, and say so.
    pub(super) fn begin_attempt(&self, step: &Step, number: u32) {
        self.attempt.set(number);
        process::mark_children(self.environment(step));
    }

    /// What every child of a step finds in its environment.
    pub(super) fn environment(&self, step: &Step) -> BTreeMap<String, String> {
        map_of([
            ("LANDFALL_RUN".to_owned(), self.ids.run.clone()),
            ("LANDFALL_PHASE".to_owned(), step.phase.clone()),
            ("LANDFALL_STEP".to_owned(), step.id.clone()),
            ("LANDFALL_ATTEMPT".to_owned(), self.attempt.get().to_string()),
            ("INSTANCE_ID".to_owned(), self.plan.instance.clone()),
        ])
    }

    /// The output file of a step (that of its phase or script), and its length now. What starts no child writes nothing there.
    pub(super) fn output_start(&self, step: &Step) -> (String, Option<u64>) {
        let file = self.output_file(step);
        let length = step.operation.uses_child().then(|| self.output_length(&file));
        (file, length)
    }

    pub(super) fn output_file(&self, step: &Step) -> String {
        let prefix = step.id.split('/').next().unwrap_or("step");
        let name: String = prefix.chars().map(|c| if c == '.' || c.is_alphanumeric() { c } else { '_' }).collect();
        self.places.output(step.frequency, &format!("{name}.log"))
    }

    pub(super) fn output_length(&self, file: &str) -> u64 {
        self.host.status(file).ok().flatten().map_or(0, |status| status.size)
    }

    pub(super) fn output_end(&self, file: String, from: Option<u64>) -> Option<OutputRange> {
        let from = from?;
        let to = self.output_length(&file);
        (to > from).then_some(OutputRange { file, from, to })
    }

    /// Keeps other users of apt from starting until the run ends. Their being in the way is no failure: locks are waited for.
    pub(super) fn hold_back(&mut self) {
        if self.held.is_some() || self.turns.is_some() {
            return;
        }
        match HoldBack::take(self.host, &self.places.held_back()) {
            Ok(held) => self.held = held,
            Err(failure) => self.progress.say(&format!("apt's own timers could not be held back: {failure}")),
        }
    }

    fn give_back(&mut self) {
        if let Some(held) = self.held.take() {
            if let Err(failure) = held.restore(self.host, &self.places.held_back()) {
                self.progress.say(&format!("apt's own timers could not be started again: {failure}"));
            }
        }
    }

    /// Whether the machine is going down: asked after everything that may have said so.
    pub(super) fn machine_is_stopping(&self) -> bool {
        self.host.runs_systemd() && self.host.is_stopping()
    }
}
