//! systemd, asked and told through `systemctl`.
//!
//! landfall runs inside the boot's own ordering, and a unit that is ordered after landfall's would never start while landfall
//! waits for it. So jobs are queued without blocking and then watched: one that stays behind others is left to its turn.

use std::time::{Duration, Instant};

use super::process::Spec;
use super::{signals, Host};
use crate::error::{Failure, Kind};
use crate::ordered::map_of;

/// How often a job is looked at.
const POLL: Duration = Duration::from_millis(50);
/// A job that has not begun after this long waits for its turn in the boot, which may be after ours.
const PATIENCE: Duration = Duration::from_secs(5);
/// A call that only asks or queues.
const ANSWER: Duration = Duration::from_secs(60);
/// Journal lines quoted in a failure.
const JOURNAL_LINES: &str = "10";

/// What systemd knows of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, `error`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `deactivating`, `reloading`.
    pub active: String,
    /// `success`, `exit-code`, `timeout`, `signal`, `oom-kill` ...
    pub result: String,
    /// Exit status of its main process, where it has ended.
    pub exit: Option<i32>,
    /// A job is queued or runs for it.
    pub job: Option<u64>,
    /// Its file is newer than what systemd has read.
    pub needs_reload: bool,
    /// `simple`, `notify`, `oneshot` ... of a service.
    pub kind: String,
    /// Of its current run.
    pub invocation: String,
    /// Units that start it when they are needed: its sockets, timers.
    pub triggered_by: Vec<String>,
}

impl Unit {
    /// It exists.
    pub fn exists(&self) -> bool {
        self.load != "not-found"
    }

    /// It is up, or on its way.
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading")
    }
}

fn unit_of(text: &str) -> Unit {
    let properties = map_of(text.lines().filter_map(|line| line.split_once('=')));
    let of = |name: &str| (*properties.get(name).unwrap_or(&"")).to_owned();
    Unit {
        load: of("LoadState"),
        active: of("ActiveState"),
        result: of("Result"),
        exit: properties.get("ExecMainStatus").and_then(|text| text.parse().ok()),
        job: properties.get("Job").and_then(|text| text.parse().ok()),
        needs_reload: properties.get("NeedDaemonReload") == Some(&"yes"),
        kind: of("Type"),
        invocation: of("InvocationID"),
        triggered_by: of("TriggeredBy").split_whitespace().map(str::to_owned).collect(),
    }
}

/// The socket unit that listens on a TCP port, in what `systemctl show` says of all of them.
pub(super) fn sockets_in(text: &str, port: u16) -> Option<String> {
    let listens = |line: &str| {
        let address = line.strip_prefix("Listen=")?.strip_suffix(" (Stream)")?;
        Some(address.rsplit(':').next() == Some(port.to_string().as_str()))
    };
    let block = text.split("\n\n").find(|block| block.lines().any(|line| listens(line) == Some(true)))?;
    block.lines().find_map(|line| line.strip_prefix("Id=")).map(str::to_owned)
}

/// What came of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// It was done.
    Done,
    /// It is queued behind others, perhaps behind this very run.
    Queued,
}

impl Host {
    /// What systemd knows of a unit.
    pub fn unit(&self, unit: &str) -> Result<Unit, Failure> {
        Ok(self.units(&[unit])?.pop().unwrap_or_default())
    }

    /// The same of several, in their order, by one question.
    pub fn units(&self, units: &[&str]) -> Result<Vec<Unit>, Failure> {
        const PROPERTIES: &str = "LoadState,ActiveState,Result,ExecMainStatus,Job,NeedDaemonReload,Type,InvocationID,TriggeredBy";
        let argv = ["systemctl", "show", "-p", PROPERTIES, "--"].iter().chain(units).copied();
        let said = self.run_ok(&Spec::new(argv).deadline(ANSWER))?.stdout;
        Ok(said.split("\n\n").map(unit_of).collect())
    }

    /// `is-enabled`: `enabled`, `disabled`, `static`, `masked`, ...; `None` where there is no such unit. Also of an image.
    pub fn unit_enablement(&self, unit: &str) -> Result<Option<String>, Failure> {
        let ended = self.run(&Spec::new(["systemctl", "is-enabled", "--", unit]).deadline(ANSWER))?;
        let word = ended.stdout.trim();
        Ok((!word.is_empty() && word != "not-found").then(|| word.to_owned()))
    }

    /// `systemctl enable`; on an image for its next boot.
    pub fn enable_unit(&self, unit: &str) -> Result<(), Failure> {
        self.set_enablement("enable", unit)
    }

    /// `systemctl disable`.
    pub fn disable_unit(&self, unit: &str) -> Result<(), Failure> {
        self.set_enablement("disable", unit)
    }

    fn set_enablement(&self, verb: &str, unit: &str) -> Result<(), Failure> {
        let ended = self.run(&Spec::new(["systemctl", verb, "--quiet", "--", unit]).deadline(ANSWER))?;
        if ended.success() {
            Ok(())
        } else {
            Err(ended.failure(&format!("systemctl {verb} {unit}")))
        }
    }

    /// `systemctl daemon-reload`.
    pub fn reload_systemd(&self) -> Result<(), Failure> {
        self.run_ok(&Spec::new(["systemctl", "daemon-reload"]).deadline(ANSWER)).map(|_| ())
    }

    /// Queues the start of units, whose turn in the boot may be after ours.
    pub fn queue_start(&self, units: &[&str]) -> Result<(), Failure> {
        self.queue("start", units)
    }

    fn queue(&self, verb: &str, units: &[&str]) -> Result<(), Failure> {
        let command = ["systemctl", verb, "--no-block", "--"];
        let argv = command.iter().chain(units).copied();
        self.run_ok(&Spec::new(argv).deadline(ANSWER)).map(|_| ())
    }

    /// Queues `verb` for all of `units` at once and waits until none has a job any more, but not for those that wait for their
    /// turn in the boot.
    pub fn unit_jobs(&self, verb: &str, units: &[&str]) -> Result<(), Failure> {
        self.queue(verb, units)?;
        let start = Instant::now();
        while self.units(units)?.iter().any(|unit| unit.job.is_some()) && start.elapsed() < PATIENCE {
            if !signals::sleep(POLL) {
                return Err(Failure::new(Kind::Interrupted, format!("stopped while it waited for {}", units.join(", "))));
            }
        }
        Ok(())
    }

    /// Queues `verb` for a unit and waits for its end. `now` does it apart from the order of the boot and from what the unit
    /// needs: for a unit that already runs.
    pub fn unit_job(&self, verb: &str, unit: &str, now: bool) -> Result<Job, Failure> {
        self.unit_job_within(verb, unit, now, None)
    }

    /// As [`Self::unit_job`], but not for longer than `limit`; the job goes on after that.
    pub fn unit_job_within(&self, verb: &str, unit: &str, now: bool, limit: Option<Duration>) -> Result<Job, Failure> {
        let mode = if now { "--job-mode=ignore-dependencies" } else { "--job-mode=replace" };
        let ended = self.run(&Spec::new(["systemctl", verb, "--no-block", mode, "--", unit]).deadline(ANSWER))?;
        if !ended.success() {
            return Err(ended.failure(&format!("systemctl {verb} {unit}")));
        }
        let start = Instant::now();
        let mut begun = false;
        loop {
            let state = self.unit(unit)?;
            let Some(job) = state.job else { return self.judge(verb, unit, &state) };
            begun = begun || self.job_runs(job)?;
            if !begun && start.elapsed() >= PATIENCE {
                return Ok(Job::Queued);
            }
            if let Some(limit) = limit.filter(|limit| start.elapsed() >= *limit) {
                let message = format!("{verb} of {unit} has not ended after {} s", limit.as_secs());
                return Err(self.unit_failure(Kind::Timeout, message, unit));
            }
            if !signals::sleep(POLL) {
                return Err(Failure::new(Kind::Interrupted, format!("stopped while it waited for {unit}")));
            }
        }
    }

    fn job_runs(&self, job: u64) -> Result<bool, Failure> {
        let list = self.run(&Spec::new(["systemctl", "list-jobs", "--no-legend", "--no-pager"]).deadline(ANSWER))?.stdout;
        let number = job.to_string();
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(&number));
        Ok(line.is_some_and(|line| line.trim_end().ends_with("running")))
    }

    fn judge(&self, verb: &str, unit: &str, state: &Unit) -> Result<Job, Failure> {
        let failed = state.active == "failed" || !matches!(state.result.as_str(), "" | "success");
        if !failed {
            return Ok(Job::Done);
        }
        let why = match state.exit {
            Some(code) if code != 0 => format!("{}, status {code}", state.result),
            _ => state.result.clone(),
        };
        let mut failure = self.unit_failure(Kind::Exec, format!("{verb} of {unit} failed ({why})"), unit);
        failure.exit = state.exit.filter(|code| *code != 0);
        Err(failure)
    }

    /// A failure of a unit, with what it last said.
    pub fn unit_failure(&self, kind: Kind, message: String, unit: &str) -> Failure {
        let mut failure = Failure::new(kind, message);
        failure.output = self.unit_journal(unit);
        failure.hint(format!("`systemctl status {unit}` and `journalctl -u {unit}` say more; then `landfall resume`"))
    }

    /// What systemd listens on itself, a block of properties for each socket unit.
    pub(super) fn listening_units(&self) -> Result<String, Failure> {
        let spec = Spec::new(["systemctl", "show", "-p", "Id,Listen", "*.socket"]).deadline(ANSWER);
        Ok(self.run_ok(&spec)?.stdout)
    }

    /// The last lines a unit wrote to the journal in this boot.
    pub fn unit_journal(&self, unit: &str) -> Vec<String> {
        let argv = ["journalctl", "--no-pager", "-q", "-b", "-o", "cat", "-n", JOURNAL_LINES, "-u", unit];
        let ended = self.run(&Spec::new(argv).deadline(ANSWER));
        ended.map_or_else(|_| Vec::new(), |ended| ended.stdout.lines().map(str::to_owned).collect())
    }

    /// A shutdown, reboot or halt is queued or under way.
    pub fn is_stopping(&self) -> bool {
        if !self.runs_systemd() {
            return false;
        }
        let spec = Spec { ignore_stop: true, ..Spec::new(["systemctl", "is-system-running"]).deadline(ANSWER) };
        self.run(&spec).is_ok_and(|ended| ended.stdout.trim() == "stopping")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_whatever_their_order() {
        let unit = unit_of("Job=17\nResult=exit-code\nActiveState=failed\nLoadState=loaded\nExecMainStatus=3\nNeedDaemonReload=yes\n");
        assert_eq!((unit.job, unit.exit, unit.needs_reload, unit.exists()), (Some(17), Some(3), true, true));
        assert!(!unit.is_active());
        assert!(!unit_of("LoadState=not-found\nActiveState=inactive\nJob=\n").exists());
    }

    #[test]
    fn a_socket_unit_is_found_by_the_port_it_listens_on() {
        let text = "Listen=/run/x:80 (Stream)\nListen=/run/dgram (Datagram)\nId=x.socket\n\nId=ssh.socket\nListen=0.0.0.0:22 (Stream)\nListen=[::]:22 (Stream)\n";
        assert_eq!(sockets_in(text, 22).as_deref(), Some("ssh.socket"));
        assert_eq!(sockets_in(text, 2), None);
    }
}
