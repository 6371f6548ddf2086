//! Reboots and power-offs: a reboot in the middle is a step that is done when the machine has come back.

use std::time::Duration;

use super::apply::{Effect, Prior};
use super::execute::{Engine, Next, Settlement};
use super::journal::Verdict;
use crate::error::{Failure, Kind};
use crate::host::process::Spec;
use crate::plan::operation::{Condition, Operation, PowerMode};
use crate::plan::Step;
use crate::secret::Secret;

/// The longest that the service manager takes to say that it has understood.
const ANSWER: Duration = Duration::from_secs(60);

/// Files whose presence asks for a reboot.
const REBOOT_REQUIRED: [&str; 2] = ["/run/reboot-required", "/run/reboot-needed"];

impl Engine<'_> {
    pub(super) fn reboot_if_required(&mut self, step: &Step) -> Result<Next, Failure> {
        if !REBOOT_REQUIRED.iter().any(|path| self.host.exists(path)) {
            let settlement = Settlement { unchanged: true, attempts: 0, ..Settlement::of(Verdict::Done) };
            return self.settle(step, settlement, false);
        }
        if !self.host.runs_systemd() {
            let effect = Effect { detail: None, warnings: vec!["a reboot is required; reboot when it suits".into()] };
            return self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, false);
        }
        self.leave_script(None)?;
        self.host.sync_filesystems()?;
        self.intend(step, Prior::None)?;
        self.progress.say("rebooting, because an upgrade asks for it; the run goes on after it");
        match self.ask_for_stop(["systemctl", "reboot"].map(str::to_owned).to_vec()) {
            Ok(()) => Ok(Next::Reboot),
            Err(failure) => self.settle(step, Settlement::failed(self.weight(step), failure), true),
        }
    }

    /// The last step of all. Its outcome is recorded before the machine goes: a power cut in between does the same.
    pub(super) fn power_state(&mut self, step: &Step) -> Result<Next, Failure> {
        let Operation::PowerState { mode, delay_minutes, message, condition, .. } = &step.operation else {
            return Ok(Next::Step);
        };
        match self.holds(step, condition) {
            Ok(true) => {}
            Ok(false) => {
                let effect = Effect { detail: Some("its condition does not hold".into()), warnings: Vec::new() };
                return self.settle(step, Settlement { effect, unchanged: true, ..Settlement::of(Verdict::Done) }, true);
            }
            Err(why) => {
                let effect = Effect { detail: None, warnings: vec![why] };
                return self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, true);
            }
        }
        if !self.host.runs_systemd() {
            let effect = Effect { detail: None, warnings: vec!["not done: this is not the running system".into()] };
            return self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, false);
        }
        self.leave_script(None)?;
        let flag = match mode {
            PowerMode::Poweroff => "-P",
            PowerMode::Reboot => "-r",
            PowerMode::Halt => "-H",
        };
        let when = if *delay_minutes == 0 { "now".to_owned() } else { format!("+{delay_minutes}") };
        let mut argv = vec!["shutdown".to_owned(), flag.to_owned(), when];
        argv.extend(message.clone());
        let effect = Effect { detail: Some(format!("asked for with {}", argv[..3].join(" "))), warnings: Vec::new() };
        self.settle(step, Settlement { effect, ..Settlement::of(Verdict::Done) }, true)?;
        match self.ask_for_stop(argv) {
            Ok(()) if *delay_minutes == 0 => Ok(Next::Stop(None)),
            Ok(()) => Ok(Next::Step),
            Err(failure) => self.settle(step, Settlement::failed(self.weight(step), failure), true),
        }
    }

    /// Asks the service manager to stop the machine. What follows is that landfall itself is told to stop, often before the
    /// command has ended: that must not make a failure of it, which the next boot would try again.
    fn ask_for_stop(&self, argv: Vec<String>) -> Result<(), Failure> {
        self.host.run_ok(&Spec { ignore_stop: true, ..Spec::new(argv) }.deadline(ANSWER)).map(|_| ())
    }

    fn holds(&self, step: &Step, condition: &Condition) -> Result<bool, String> {
        let asked = match condition {
            Condition::Constant(value) => return Ok(*value),
            Condition::Shell(text) => shell_condition(text),
            Condition::Argv(argv) => Spec::new(argv.clone()),
        };
        let file = self.output_file(step);
        let mut spec = asked.output(self.host.real_path(&file));
        spec.env = self.environment(step);
        match self.host.run(&spec) {
            Ok(ended) if ended.code == 0 => Ok(true),
            Ok(ended) if ended.code == 1 => Ok(false),
            Ok(ended) => Err(format!("the condition of power_state ended with {}, which is neither 0 nor 1: nothing is done", ended.code)),
            Err(failure) => Err(Failure::new(Kind::Exec, failure.message).message),
        }
    }
}

/// A shell that runs `text`, which everybody could read among its arguments. It has read all of it before it runs any, so that
/// what the text runs has an empty standard input.
fn shell_condition(text: &Secret<String>) -> Spec {
    Spec::new(["/bin/sh", "-c", "eval \"$(cat)\" </dev/null"]).stdin(text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    #[test]
    fn a_condition_is_run_by_a_shell_and_shown_to_nobody() {
        for (text, code) in [("true", 0), ("false", 1), ("exit 7", 7), ("if read x; then exit 3; fi; [ 'a b' = \"a b\" ]\n", 0), ("(", 2)] {
            let spec = shell_condition(&Secret::new(text.to_owned()));
            assert!(!spec.argv.join(" ").contains(text.trim()) || text.len() < 2, "{:?}", spec.argv);
            assert_eq!(Host::default().run(&spec).expect("runs").code, code, "{text}");
        }
    }
}
