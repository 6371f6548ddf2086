//! systemd, asked and told through `systemctl`.
//!
//! landfall runs inside the boot's own ordering, and a unit that is ordered after landfall's would never start while landfall
//! waits for it. So jobs are queued without blocking and then watched: one that stays behind others is left to its turn.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::process::Spec;
use super::{signals, Host};
use crate::error::{Failure, Kind};

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
    let properties: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let of = |name: &str| (*properties.get(name).unwrap_or(&"")).to_owned();
    Unit {
        load: of("LoadState"),
        active: of("ActiveState"),
        result: of("Result"),
        exit: properties.get("ExecMainStatus").and_then(|text| text.parse().ok()),
        job: properties.get("Job").and_then(|text| text.parse().ok()),
        needs_reload: properties.get("NeedDaemonReload") == Some(&"yes"),
    }
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
        const PROPERTIES: &str = "LoadState,ActiveState,Result,ExecMainStatus,Job,NeedDaemonReload";
        let spec = Spec::new(["systemctl", "show", "-p", PROPERTIES, "--", unit]).deadline(ANSWER);
        Ok(unit_of(&self.run_ok(&spec)?.stdout))
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
        let argv = ["systemctl", "start", "--no-block", "--"].iter().chain(units).copied();
        self.run_ok(&Spec::new(argv).deadline(ANSWER)).map(|_| ())
    }

    /// Queues `verb` for a unit and waits for its end. `now` does it apart from the order of the boot and from what the unit
    /// needs: for a unit that already runs.
    pub fn unit_job(&self, verb: &str, unit: &str, now: bool) -> Result<Job, Failure> {
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
        let mut failure = Failure::new(Kind::Exec, format!("{verb} of {unit} failed ({why})"));
        failure.exit = state.exit.filter(|code| *code != 0);
        failure.output = self.unit_journal(unit);
        Err(failure.hint(format!("`systemctl status {unit}` and `journalctl -u {unit}` say more; then `landfall resume`")))
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
}
