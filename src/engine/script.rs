//! Items of a script: one shell for all of them, a cursor in the journal, state that survives an interruption.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::apply::Effect;
use super::execute::{Engine, Next, Settlement};
use super::journal::Verdict;
use super::ledger::{Interrupted, StepState};
use super::retry::Policy;
use super::shell_state::ShellState;
use crate::error::{Failure, Kind};
use crate::host::files::Attributes;
use crate::host::process::{last_lines, read_tail};
use crate::host::shell::{ItemEnd, Patience, Shell, Sign, Start};
use crate::host::signals;
use crate::plan::operation::{Operation, ScriptItem};
use crate::plan::{Frequency, OnError, Step, Weight};

/// The script whose items are being run.
pub(super) struct OpenScript {
    script: String,
    digest: String,
    /// The item it stands behind.
    last: u32,
    /// What that item ended with.
    status: i32,
    /// Of the step that was run in it last.
    patience: Patience,
    pub(super) shell: Shell,
}

/// How a script ended before its last item.
pub(super) struct EarlyEnd {
    item: String,
    code: i32,
}

/// Where the peer puts the script: what `$0` says in it.
const SCRIPTS: &str = "/var/lib/cloud/instance/scripts";

/// What becomes of the items after one whose shell had to be ended.
const GOES_ON: &str = "later items go on as it was before this one";

/// What the shell of a script is called.
pub(super) fn name_of_script(item: &ScriptItem) -> String {
    format!("{SCRIPTS}/{}", item.script)
}

const PRIVATE: Attributes = Attributes { mode: 0o700, uid: 0, gid: 0 };

impl Engine<'_> {
    /// Ends the open script unless `next` is an item of it.
    pub(super) fn leave_script(&mut self, next: Option<&Step>) -> Result<(), Failure> {
        let same = match (&self.script, next.map(|step| &step.operation)) {
            (Some(open), Some(Operation::ScriptItem(item))) => open.script == item.script && open.digest == item.script_digest,
            _ => false,
        };
        if same {
            return Ok(());
        }
        match self.script.take() {
            Some(open) => self.close_script(open),
            None => Ok(()),
        }
    }

    /// Ends a script before its last item, or behind one that was settled before. Its EXIT trap runs, and has the limits of its items;
    /// what it wrote is as durable as what they wrote.
    fn close_script(&mut self, open: OpenScript) -> Result<(), Failure> {
        let frequency = self.items_of(&open.script).next().map(|(step, _)| step.frequency);
        let may_trap = self.may_trap(&open.script);
        let end = open.shell.close(open.patience, &mut |_| {})?;
        if let (Some(frequency), Some((_, message, _))) = (frequency, fault_of_end(&open.script, open.status, end)) {
            self.notice(frequency, Some(Weight::Failed), &message)?;
        }
        if may_trap && frequency != Some(Frequency::Boot) {
            self.host.sync_filesystems()?;
        }
        Ok(())
    }

    fn items_of<'s>(&'s self, script: &'s str) -> impl Iterator<Item = (&'s Step, &'s ScriptItem)> + 's {
        self.plan.steps.iter().filter_map(move |step| match &step.operation {
            Operation::ScriptItem(item) if item.script == script => Some((step, item)),
            _ => None,
        })
    }

    /// Whether a script may have set a trap, itself or in what it reads.
    fn may_trap(&self, script: &str) -> bool {
        let is_one = |word: &str| word.contains("trap") || [".", "source", "eval"].contains(&word);
        self.items_of(script).any(|(_, item)| item.text.expose().split_whitespace().any(is_one))
    }

    pub(super) fn run_script_item(&mut self, step: &Step, item: &ScriptItem, intents: &[Interrupted]) -> Result<Next, Failure> {
        if let Some(end) = self.early_end(item) {
            let why = format!("{} {} ended the script with exit {}, as in any script", item.script, end.item, end.code);
            let mut settlement = Settlement::skipped(None, why);
            settlement.verdict = Verdict::NotRun;
            return self.settle(step, settlement, false);
        }
        if let Some(shell_state) = self.ended_unrecorded(step, item)? {
            let message = "the journal has lost its last records; items that ended by what their shell left are not run again";
            self.notice(step.frequency, Some(Weight::Degraded), message)?;
            let detail = Some("it had ended, and it is not run again; its exit code is not known".to_owned());
            let effect = Effect { detail, warnings: Vec::new() };
            return self.settle(step, Settlement { shell_state, unchanged: true, effect, ..Settlement::accepted(0) }, true);
        }
        let (file, from) = self.output_start(step);
        let prior = self.prior_of_script(step, item.text.expose(), &file, intents);
        self.intend(step, prior)?;
        let policy = Policy::of(&step.operation, &step.limits);
        let start = Instant::now();
        let mut settlement = loop {
            let said_from = self.output_length(&file);
            let ran = match self.open_script(step, item, &file) {
                Ok(()) => self.run_in_shell(step, item)?,
                Err(failure) => Err(failure),
            };
            let settlement = match ran {
                Ok(ItemEnd::Stopped(signal)) => {
                    self.script = None;
                    return Ok(Next::Stop(Some(signal)));
                }
                Ok(end) => self.judge_item(step, item, end, &file, said_from)?,
                Err(failure) => Settlement::failed(self.weight(step), failure),
            };
            let attempts = self.attempt.get();
            let Some(failure) = settlement.failure.as_ref().filter(|_| !self.machine_is_stopping()) else {
                break Settlement { attempts, ..settlement };
            };
            let Some(pause) = self.pause_before(step, &policy, attempts + 1, start.elapsed(), failure) else {
                break Settlement { attempts, ..settlement };
            };
            if !signals::sleep(pause) {
                self.record_stop(step, signals::stop_requested().map_or("stop", Signal::as_str).to_owned())?;
                self.script = None;
                return Ok(Next::Stop(signals::stop_requested()));
            }
            self.begin_attempt(step, attempts + 1);
            if let Some(open) = &mut self.script {
                open.last = item.first - 1;
            }
        };
        settlement = match self.exit_script(step, item, settlement, &file)? {
            Ok(settlement) => settlement,
            Err(signal) => return Ok(Next::Stop(Some(signal))),
        };
        settlement.elapsed = start.elapsed();
        settlement.output = self.output_end(file, from);
        let stopping = self.machine_is_stopping();
        let next = self.settle(step, settlement, true)?;
        if stopping {
            self.script = None;
            return Ok(Next::Stop(None));
        }
        Ok(next)
    }

    fn run_in_shell(&mut self, step: &Step, item: &ScriptItem) -> Result<Result<ItemEnd, Failure>, Failure> {
        let Some(mut open) = self.script.take() else {
            return Ok(Err(Failure::new(Kind::Unknown, "the script's shell is not open")));
        };
        let patience = Patience { deadline: step.limits.timeout(), silence: step.limits.silence() };
        open.patience = patience;
        let progress = self.progress;
        let mut recorded = Ok(());
        let ended = open.shell.run(item.text.expose(), (&step.id, self.attempt.get()), patience, &mut |sign| match sign {
            Sign::Stop(signal) => recorded = self.record_stop(step, signal.as_str().to_owned()),
            Sign::Silent(time) => {
                progress.say(&format!(
                    "{} item {} has said nothing for {} min; it goes on",
                    item.script,
                    item.range(),
                    time.as_secs() / 60
                ));
            }
        });
        if let Ok(ItemEnd::Status(code)) = ended {
            open.last = item.last;
            open.status = code;
            self.script = Some(open);
        }
        recorded?;
        Ok(ended)
    }

    /// Ends the shell behind the script's last item, also where a failure makes it the last. What the script does when it exits (its
    /// EXIT trap) is a part of that item: a cut in it is told, and the item is run again. The signal of a stop that came in between.
    fn exit_script(
        &mut self,
        step: &Step,
        item: &ScriptItem,
        settlement: Settlement,
        file: &str,
    ) -> Result<Result<Settlement, Signal>, Failure> {
        let is_last = !self.items_of(&item.script).any(|(_, other)| other.first > item.last);
        let is_over = is_last || settlement.failure.as_ref().is_some_and(|failure| step.halts(Some(failure)));
        // Where nothing can happen any more, what the item came to is not kept waiting.
        if !is_over || !self.may_trap(&item.script) {
            return Ok(Ok(settlement));
        }
        let Some(open) = self.script.take() else { return Ok(Ok(settlement)) };
        let (said_from, status) = (self.output_length(file), open.status);
        let mut recorded = Ok(());
        let end = open.shell.close(open.patience, &mut |sign| {
            if let Sign::Stop(signal) = sign {
                recorded = self.record_stop(step, signal.as_str().to_owned());
            }
        })?;
        recorded?;
        if let ItemEnd::Stopped(signal) = end {
            return Ok(Err(signal));
        }
        let fault = fault_of_end(&item.script, status, end).filter(|(_, _, code)| !step.limits.accepts(*code));
        let Some((kind, message, code)) = fault.filter(|_| settlement.failure.is_none()) else { return Ok(Ok(settlement)) };
        let failed = self.failed_item(self.weight(step), kind, message, code, file, said_from);
        Ok(Ok(Settlement { shell_state: settlement.shell_state, attempts: settlement.attempts, ..failed }))
    }

    fn failed_item(&self, weight: Weight, kind: Kind, message: String, code: i32, file: &str, from: u64) -> Settlement {
        let tail = last_lines(&read_tail(&self.host.real_path(file), from));
        let mut failure = Failure::new(kind, message);
        failure.exit = Some(code);
        // What dash and bash say where they can start no program.
        if tail.last().is_some_and(|line| line.ends_with(": Cannot fork") || line.contains(": fork: ")) {
            failure = failure.starved();
        }
        failure.output = tail;
        Settlement::failed(weight, failure)
    }

    fn judge_item(&self, step: &Step, item: &ScriptItem, end: ItemEnd, file: &str, from: u64) -> Result<Settlement, Failure> {
        let what = format!("{} item {}", item.script, item.range());
        let failed = |weight: Weight, kind: Kind, message: String, code: i32| self.failed_item(weight, kind, message, code, file, from);
        Ok(match end {
            ItemEnd::Status(code) => {
                let shell_state = Some(self.keep_shell_state(step, item)?);
                let kind = if code == 127 { Kind::NotFound } else { Kind::Exec };
                let settlement = if step.limits.accepts(code) {
                    Settlement::accepted(code)
                } else {
                    failed(self.weight(step), kind, format!("{what} failed with exit {code}"), code)
                };
                Settlement { shell_state, ..settlement }
            }
            ItemEnd::Exited(code) if step.limits.accepts(code) => {
                let mut settlement = Settlement { ended_script: Some(code), ..Settlement::accepted(code) };
                if item.last < item.total {
                    let with = if code == 0 { String::new() } else { format!(" with exit {code}, which is accepted") };
                    settlement.effect.detail = Some(format!("it ended the script{with}; later items are not run"));
                }
                settlement
            }
            ItemEnd::Exited(code) => {
                // It was the script's last item after all, so it counts as the last one does.
                let weight = if step.on_error == OnError::Warn { Weight::Degraded } else { Weight::Failed };
                let message = format!("{what} ended the script with exit {code}; later items are not run");
                Settlement { ended_script: Some(code), ..failed(weight, Kind::Exec, message, code) }
            }
            ItemEnd::Deadline(limit) => {
                let message = format!("{what} did not end within {} s and was stopped; {GOES_ON}", limit.as_secs());
                self.with_what_is_left(step, failed(self.weight(step), Kind::Timeout, message, 124))
            }
            ItemEnd::Silence(limit) => {
                let message = format!("{what}: no output for {} s; it was stopped; {GOES_ON}", limit.as_secs());
                self.with_what_is_left(step, failed(self.weight(step), Kind::Timeout, message, 124))
            }
            ItemEnd::Stopped(_) => failed(self.weight(step), Kind::Interrupted, format!("{what} was stopped"), 143),
        })
    }

    /// A limit ended an item: what it started and what goes on nevertheless is told.
    fn with_what_is_left(&self, step: &Step, mut settlement: Settlement) -> Settlement {
        let left = self.host.left_behind(&self.environment(step));
        if let Some(failure) = &mut settlement.failure {
            failure.output.extend(left.iter().map(|process| format!("still running: {process}")));
        }
        settlement
    }

    /// Whether an item of which the journal has never heard left the state of its shell, or a later one did: then the journal was
    /// cut shorter than what it told of. Its state, where that is kept.
    fn ended_unrecorded(&self, step: &Step, item: &ScriptItem) -> Result<Option<Option<String>>, Failure> {
        if self.script.is_some() || self.ledger.records(step.frequency).iter().any(|record| record.event.is_about(&step.id)) {
            return Ok(None);
        }
        let directory = self.places.shell_states(step.frequency);
        let names = self.host.list(&directory).map_err(|error| Failure::io(&directory, &error))?;
        let prefix = state_prefix(item);
        let ended = |name: &String| name.strip_prefix(&prefix).and_then(|last| last.parse::<u32>().ok()).filter(|last| *last >= item.last);
        Ok(names.iter().filter_map(ended).min().map(|last| (last == item.last).then(|| format!("{prefix}{last}"))))
    }

    /// An earlier item ended the script by itself: the rest is not run, as in any script.
    pub(super) fn early_end(&self, item: &ScriptItem) -> Option<EarlyEnd> {
        self.items_before(item).find_map(|(earlier, state)| match state {
            StepState::Ended(outcome, _) => outcome.ended_script.map(|code| EarlyEnd { item: format!("item {}", earlier.range()), code }),
            _ => None,
        })
    }

    fn items_before<'s>(&'s self, item: &'s ScriptItem) -> impl Iterator<Item = (&'s ScriptItem, StepState)> + 's {
        let earlier = self.items_of(&item.script).filter(|(_, earlier)| earlier.first < item.first);
        earlier.map(|(step, earlier)| (earlier, self.ledger.state(step)))
    }

    /// Opens the script's shell, where it stood when it was left.
    fn open_script(&mut self, step: &Step, item: &ScriptItem, file: &str) -> Result<(), Failure> {
        match self.script.take() {
            Some(open) if open.last + 1 == item.first => {
                self.script = Some(open);
                return Ok(());
            }
            // Items between are done: what they left counts.
            Some(_) | None => {}
        }
        let private = format!("{}/sh/{}", self.places.boot, item.script);
        for directory in [&private, &self.places.shell_states(step.frequency)] {
            self.host.make_directories(directory, PRIVATE).map_err(|error| Failure::io(directory, &error))?;
        }
        let (state, definitions) = self.left_by_earlier_items(step, item)?;
        let mut env = self.environment(step);
        let says = |name: &str| self.items_of(&item.script).any(|(_, one)| one.text.expose().contains(name));
        env.extend(self.host.path_of_script(says).map(|path| ("PATH".to_owned(), path)));
        env.extend(item.env.clone());
        let start = Start {
            name: name_of_script(item),
            env,
            log: file.to_owned(),
            directory: private,
            restore: state.as_ref().map(ShellState::restore).unwrap_or_default(),
        };
        let mut shell = Shell::start(self.host, &start)?;
        if let Some(directory) = state.as_ref().and_then(ShellState::enter_directory) {
            if shell.run(&directory, (&step.id, 1), Patience::default(), &mut |_| {})? != ItemEnd::Status(0) {
                return Err(Failure::new(Kind::NotFound, "the directory in which the script stood when it was cut off is gone")
                    .hint("make the directory again, then `landfall resume`"));
            }
        }
        shell.go_on(&definitions.join("\n"), &state.as_ref().map(ShellState::flags).unwrap_or_default());
        self.script = Some(OpenScript {
            script: item.script.clone(),
            digest: item.script_digest.clone(),
            last: item.first - 1,
            status: 0,
            patience: Patience::default(),
            shell,
        });
        Ok(())
    }

    fn left_by_earlier_items(&self, step: &Step, item: &ScriptItem) -> Result<(Option<ShellState>, Vec<String>), Failure> {
        let mut file = None;
        let mut definitions = Vec::new();
        for (earlier, state) in self.items_before(item) {
            let StepState::Ended(outcome, _) = state else { continue };
            if outcome.shell_state.is_some() {
                file = outcome.shell_state;
            }
            if earlier.definition && outcome.verdict == Verdict::Done {
                definitions.push(earlier.text.expose().clone());
            }
        }
        let Some(file) = file else { return Ok((None, definitions)) };
        let path = format!("{}/{file}", self.places.shell_states(step.frequency));
        let kept = self.host.read(&path).map_err(|error| Failure::io(&path, &error))?.unwrap_or_default();
        let state = ShellState::read(&kept).ok_or_else(|| {
            let failure = Failure::new(Kind::NotFound, "the directory and variables that this item began with are no longer kept whole");
            failure.hint("run the command by hand, or the whole script again: `landfall apply FILE` with a changed one")
        })?;
        Ok((Some(state), definitions))
    }

    /// Keeps the state after an item under a name of its own, which the outcome names: the next item begins with it, also where it is
    /// run again.
    fn keep_shell_state(&self, step: &Step, item: &ScriptItem) -> Result<String, Failure> {
        let Some(open) = &self.script else { return Ok(String::new()) };
        let text = ShellState::sealed(&open.shell.state()?);
        let name = format!("{}{}", state_prefix(item), item.last);
        let path = format!("{}/{name}", self.places.shell_states(step.frequency));
        self.host.write(&path, &text, Attributes { mode: 0o600, ..PRIVATE }).map_err(|error| Failure::io("the shell's state", &error))?;
        Ok(name)
    }
}

/// What is wrong with the way in which a script ended whose last item ended with `status`, which is told by that item.
fn fault_of_end(script: &str, status: i32, end: ItemEnd) -> Option<(Kind, String, i32)> {
    let what = format!("what {script} does when it exits");
    match end {
        ItemEnd::Deadline(limit) => Some((Kind::Timeout, format!("{what} did not end within {} s and was stopped", limit.as_secs()), 124)),
        ItemEnd::Silence(limit) => Some((Kind::Timeout, format!("{what}: no output for {} s; it was stopped", limit.as_secs()), 124)),
        ItemEnd::Status(code) | ItemEnd::Exited(code) if code != 0 && code != status => {
            Some((Kind::Exec, format!("{what} failed with exit {code}"), code))
        }
        ItemEnd::Status(_) | ItemEnd::Exited(_) | ItemEnd::Stopped(_) => None,
    }
}

/// What the names of the states of a script's shell begin with; the number of the item follows.
fn state_prefix(item: &ScriptItem) -> String {
    format!("{}.{}.", item.script, &item.script_digest[..item.script_digest.len().min(8)])
}
