//! Other processes, as `/proc` shows them.

use std::collections::BTreeMap;

use super::Host;
use crate::ordered::{set_of, sort_by_key};

/// A running process.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Clock ticks between boot and its start: tells a process from a later one with the same id.
    pub started: u64,
    /// Its command line, arguments masked where they look like secrets.
    pub command: String,
    /// The systemd unit it belongs to.
    pub unit: Option<String>,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (pid {}", self.command, self.pid)?;
        if let Some(unit) = &self.unit {
            write!(f, ", {unit}")?;
        }
        f.write_str(")")
    }
}

/// Longest command line that is shown.
const COMMAND_LIMIT: usize = 120;

fn read(pid: i32, name: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/{name}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Field 22 of `/proc/PID/stat`, which is counted from the end of the command's name: that may hold blanks and brackets.
fn start_time(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Field 4 of `/proc/PID/stat`.
fn parent(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Field 5 of `/proc/PID/stat`.
fn group(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse().ok()
}

/// What stands in the environment of everything that a step starts: its run and its step.
fn marks(env: &BTreeMap<String, String>) -> Option<(String, String)> {
    let mark = |name: &str| env.get(name).map(|value| format!("{name}={value}"));
    mark("LANDFALL_RUN").zip(mark("LANDFALL_STEP"))
}

/// The innermost unit in `/proc/PID/cgroup`. Where both hierarchies are there, systemd may use either.
fn unit_of(cgroup: &str) -> Option<String> {
    let is_unit = |part: &&str| part.ends_with(".service") || part.ends_with(".scope");
    cgroup.lines().find_map(|line| {
        let path = line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|(_, path)| path))?;
        path.trim().split('/').rev().find(is_unit).map(str::to_owned)
    })
}

impl Host {
    /// The process with this id, if there is one.
    pub fn process(&self, pid: i32) -> Option<Process> {
        let stat = read(pid, "stat")?;
        let words = read(pid, "cmdline").unwrap_or_default();
        let mut command = crate::redact::patterns(words.trim_end_matches('\0').replace('\0', " ").trim());
        if command.is_empty() {
            command = read(pid, "comm").unwrap_or_default().trim().to_owned();
        }
        if let Some((at, _)) = command.char_indices().nth(COMMAND_LIMIT) {
            command.truncate(at);
            command.push_str("...");
        }
        let unit = read(pid, "cgroup").and_then(|text| unit_of(&text));
        Some(Process { pid, started: start_time(&stat)?, command, unit })
    }

    /// Processes that a step has started and that go on, by the run and step that stand in their environment. A zombie's cannot be
    /// read.
    pub fn left_behind(&self, env: &BTreeMap<String, String>) -> Vec<Process> {
        let Some((run, step)) = marks(env) else { return Vec::new() };
        self.processes_that(|own, _| own.contains(&run) && own.contains(&step))
    }

    /// Ends the processes that a step has started and that go on, and the groups that they are in: TERM, then KILL. `script` is
    /// what the shell is called that the step may share with others of the same run. Which there were.
    pub fn end_marked(&self, env: &BTreeMap<String, String>, script: Option<&str>) -> Vec<Process> {
        let Some((run, step)) = marks(env) else { return Vec::new() };
        let is_its_shell = |words: &[&str]| script.is_some() && words.first().copied() == script;
        let found = self.processes_that(|own, words| own.contains(&run) && (own.contains(&step) || is_its_shell(words)));
        let group_of = |process: &Process| group(&read(process.pid, "stat")?).filter(|group| *group != nix::unistd::getpgrp().as_raw());
        let groups = set_of(found.iter().filter_map(group_of));
        for group in groups {
            super::process::end_group_of_others(nix::unistd::Pid::from_raw(group));
        }
        found
    }

    /// Other processes by the variables of their environment and the words of their command.
    fn processes_that(&self, is_one: impl Fn(&[String], &[&str]) -> bool) -> Vec<Process> {
        let me = i32::try_from(std::process::id()).unwrap_or_default();
        let Ok(entries) = fs_err::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let matches = |pid: &i32| {
            let own: Vec<String> = read(*pid, "environ").unwrap_or_default().split('\0').map(str::to_owned).collect();
            let command = read(*pid, "cmdline").unwrap_or_default();
            *pid != me && is_one(&own, &command.split('\0').collect::<Vec<_>>())
        };
        let mut found: Vec<Process> = pids.filter(matches).filter_map(|pid| self.process(pid)).collect();
        sort_by_key(&mut found, |process| process.pid);
        found
    }

    /// Asks a process to stop (SIGTERM), unless it is gone: another one with its id is left alone.
    pub fn end_process(&self, pid: i32, started: u64) -> std::io::Result<()> {
        if !self.is_running(pid, started) {
            return Ok(());
        }
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).map_err(std::io::Error::from)
    }

    /// Whether the process with this id is still the one that started then.
    pub fn is_running(&self, pid: i32, started: u64) -> bool {
        self.process_start(pid) == Some(started)
    }

    /// Whether the process with this id started this one, or one that did.
    pub fn is_ancestor(&self, pid: i32) -> bool {
        let me = i32::try_from(std::process::id()).ok();
        let parent_of = |child: &i32| read(*child, "stat").and_then(|stat| parent(&stat));
        std::iter::successors(me, parent_of).skip(1).any(|ancestor| ancestor == pid)
    }

    /// Clock ticks between boot and the start of the process with this id.
    pub fn process_start(&self, pid: i32) -> Option<u64> {
        start_time(&read(pid, "stat")?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_and_its_unit() {
        let me = i32::try_from(std::process::id()).expect("pid");
        let process = Host::default().process(me).expect("myself");
        assert!(Host::default().is_running(me, process.started));
        assert!(!Host::default().is_running(me, process.started + 1));
        assert!(Host::default().process(i32::MAX).is_none());
        let mother = i32::try_from(std::os::unix::process::parent_id()).expect("pid");
        assert!(Host::default().is_ancestor(mother) && !Host::default().is_ancestor(me) && !Host::default().is_ancestor(i32::MAX));
        assert_eq!(start_time(&format!("12 (a) b) S {} 777 0", ["1"; 18].join(" "))), Some(777));
        assert_eq!(unit_of("0::/system.slice/apt-daily.service\n").as_deref(), Some("apt-daily.service"));
        assert_eq!(unit_of("1:name=systemd:/user.slice/session-1.scope/x\n").as_deref(), Some("session-1.scope"));
        assert_eq!(unit_of("9:name=systemd:/\n0::/system.slice/cron.service\n").as_deref(), Some("cron.service"));
        assert_eq!(unit_of("0::/\n"), None);
    }
}
