//! A wrapper that stands between systemd and a program in the throwaway root: `bench measure FILE COMMAND...` runs the command,
//! ends as it ends, and writes into FILE what the process itself used, apart from its children.
//!
//! A parent's wait(2) only tells the sum with what the children used. The kernel's clock of another process (clock_getcpuclockid(3))
//! tells its own share in nanoseconds, and /proc its peak; both are read while ptrace(2) holds it at its exit.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// What one process used.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Usage {
    /// CPU time of all its threads, in seconds.
    pub cpu: f64,
    /// Peak of its resident set, in KiB.
    pub peak: u64,
}

/// Runs the wrapper.
pub fn wrap(file: &Path, command: &[OsString]) -> ExitCode {
    match traced(command) {
        Ok((usage, code)) => {
            // A program that is measured in more than one process has a line for each.
            let line = serde_json::to_string(&usage).unwrap_or_default();
            let _ = fs::create_dir_all(file.parent().unwrap_or(file));
            let _ = fs::write(file, line);
            ExitCode::from(code)
        }
        Err(error) => {
            eprintln!("bench measure: {error}");
            ExitCode::from(125)
        }
    }
}

fn traced(command: &[OsString]) -> nix::Result<(Usage, u8)> {
    // It stops itself, so that it is held before it becomes the command.
    let hold = ["-c", r#"kill -STOP $$; exec "$@""#, "measure"];
    let child = Command::new("/bin/sh").args(hold).args(command).spawn().map_err(|_| nix::Error::ENOENT)?;
    let pid = Pid::from_raw(child.id() as i32);
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::seize(pid, Options::PTRACE_O_TRACEEXIT | Options::PTRACE_O_TRACEEXEC)?;
    kill(pid, Signal::SIGCONT)?;
    let mut before = Duration::ZERO;
    let mut usage = Usage::default();
    loop {
        match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(_, _, event) => {
                if event == ptrace::Event::PTRACE_EVENT_EXEC as i32 {
                    // Also of `#!/usr/bin/env` and the like the last one counts in full but for the shell that held it.
                    if before.is_zero() {
                        before = cpu_clock(pid)?;
                    }
                } else if event == ptrace::Event::PTRACE_EVENT_EXIT as i32 {
                    usage = Usage { cpu: (cpu_clock(pid)? - before).as_secs_f64(), peak: peak(pid) };
                }
                ptrace::cont(pid, None)?;
            }
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, Some(signal))?,
            WaitStatus::Exited(_, code) => return Ok((usage, code as u8)),
            WaitStatus::Signaled(_, signal, _) => return Ok((usage, 128 + signal as u8)),
            _ => {}
        }
    }
}

fn cpu_clock(pid: Pid) -> nix::Result<Duration> {
    Ok(clock_gettime(clock_getcpuclockid(pid)?)?.into())
}

fn peak(pid: Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    field.and_then(|field| field.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
