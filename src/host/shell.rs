//! One `/bin/sh` that runs the items of a script one after the other, so that directory, variables and functions carry over.
//!
//! The shell reads its commands from a pipe, so items run at its top level (`break`, `return`, `exit` and `exec` mean what
//! they mean in a script). Around each item stand lines of ours: they take its status, write down the shell's state and
//! report. An item does not see the pipes, its output goes to a file, and it ends when the shell says so or exits,
//! whatever background jobs hold open.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;

use super::process::{end_whole_group, exit_code, Silence, Spec};
use super::usage::Sampler;
use super::{signals, Host};
use crate::error::{Failure, Kind};

/// How to start a shell.
pub struct Start {
    /// What the script is called: its `$0`.
    pub name: String,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Output of all items, a path of the host.
    pub log: String,
    /// Private directory (0700) for the state, a path of the host.
    pub directory: String,
    /// Shell text that brings back variables and options that earlier items left; empty for a new script.
    pub restore: String,
}

/// How an item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEnd {
    /// The shell goes on; its state stands in the file `state`.
    Status(i32),
    /// The shell itself ended: `exit`, `exec`, a syntax error, a signal.
    Exited(i32),
    /// A stop was asked for and the item was ended.
    Stopped(Signal),
    /// It took too long and was ended.
    Deadline(Duration),
    /// It said nothing for too long and was ended.
    Silence(Duration),
}

/// What is told while an item runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A stop was asked for; the item is ended after this.
    Stop(Signal),
    /// It has said nothing for so long; told once for each silence.
    Silent(Duration),
}

/// How long an item may take.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// In all.
    pub deadline: Option<Duration>,
    /// Without new output.
    pub silence: Option<Duration>,
}

/// A running shell.
pub struct Shell {
    host: Host,
    directory: String,
    log: PathBuf,
    child: Child,
    control: Option<ChildStdin>,
    results: ChildStdout,
    read: Vec<u8>,
}

/// What is asked of the shell before and after each item, whose text stands in `_landfall_item`. `$?` of the item before is seen
/// by the next one, but not under `set -e`, where it would end the shell.
///
/// A script may change `PATH` and have functions and aliases of any name: so no program is started here, a name that an alias
/// may have is quoted, and what is no special builtin, which no function can replace, is called where functions are unset.
const AROUND: &str = r#"case $_landfall_flags in *u*) \set -u;; esac; case $_landfall_flags in *C*) \set -C;; esac; case $_landfall_flags in *v*) \set -v;; esac; case $_landfall_flags in *e*) \set -e;; esac; case $_landfall_flags in *x*) \set -x;; esac
case $_landfall_flags in *e*) \:;; *) _landfall_return "$_landfall_status";; esac 2>/dev/null; \eval "$_landfall_item" </dev/null 8>&-
{ _landfall_status=$?; _landfall_flags=$-; \set +euxvC; } 2>/dev/null
( \unset -f printf umask echo; { \printf '%s\n' "$_landfall_flags"; \umask; \export -p; \echo; \set; } >|"$_landfall_dir/state" 2>/dev/null; \printf '%s\n' "$_landfall_status" >&8 )
"#;

/// How the script ends where no item has ended it: an EXIT trap sees the status of the last item as `$?`, and its own `exit` counts.
const LEAVE: &str = r#"\exec 8>&-; case $_landfall_flags in *u*) \set -u;; esac; case $_landfall_flags in *C*) \set -C;; esac; case $_landfall_flags in *e*) \set -e;; esac; \exit "$_landfall_status"
"#;

/// How long the end of a script may take before it is looked whether it has to be stopped.
const MOMENT: Duration = Duration::from_millis(100);

const PRELUDE: &str = "_landfall_return() { return \"$1\"; }\n_landfall_status=0\n_landfall_flags=\n";

impl Shell {
    /// Starts a shell.
    pub fn start(host: &Host, start: &Start) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io("cannot start /bin/sh", &error);
        let mut command = host.command(&Spec { env: start.env.clone(), ..Spec::new(["/bin/sh", "-s"]) })?;
        if host.is_live() {
            command.arg0(&start.name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(super::process::open_log(&host.real_path(&start.log))?.into_parts().0);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(control), Some(results)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new(Kind::Unknown, "the shell has no pipes"));
        };
        let flags = fcntl(results.as_fd(), FcntlArg::F_GETFL).map_err(|error| failed(error.into()))?;
        let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
        fcntl(results.as_fd(), FcntlArg::F_SETFL(flags)).map_err(|error| failed(error.into()))?;
        signals::group_runs(i32::try_from(child.id()).unwrap_or(0));
        let mut shell = Self {
            host: host.clone(),
            directory: start.directory.clone(),
            log: host.real_path(&start.log),
            child,
            control: Some(control),
            results,
            read: Vec::new(),
        };
        let quoted = crate::script::quote;
        shell.say(&format!(
            "exec 8>&1 >>{log} 2>&1\n{PRELUDE}_landfall_dir={dir}\n\
             eval {restore} </dev/null 8>&- 2>/dev/null\n",
            log = quoted(&start.log),
            dir = quoted(&start.directory),
            restore = quoted(&start.restore),
        ));
        Ok(shell)
    }

    /// Goes on as a shell that has run `definitions` and has these options of `set` in force for items (`eux`): traps are set behind
    /// everything that could end it.
    pub fn go_on(&mut self, definitions: &str, flags: &str) {
        let definitions = crate::script::quote(definitions);
        self.say(&format!("eval {definitions} </dev/null 8>&-\n{{ \\set +euxvC; }} 2>/dev/null\n_landfall_flags={flags}\n"));
    }

    /// Runs one item, for so manieth a time. `tell` hears of a stop before the item is ended, and of long silences.
    pub fn run(
        &mut self,
        text: &str,
        (step, attempt): (&str, u32),
        patience: Patience,
        tell: &mut dyn FnMut(Sign),
    ) -> Result<ItemEnd, Failure> {
        let (step, text) = (crate::script::quote(step), crate::script::quote(text));
        self.say(&format!("\\export LANDFALL_STEP={step} LANDFALL_ATTEMPT={attempt}\n_landfall_item={text}\n{AROUND}"));
        let start = Instant::now();
        let mut silence = Silence::new(super::process::length_of(&self.log));
        let mut sampler = Sampler::of_shell(self.child.id(), &self.host);
        loop {
            sampler.look();
            if let Some(code) = self.result()? {
                return Ok(ItemEnd::Status(code));
            }
            let ended = self.child.try_wait().map_err(|error| Failure::io("waiting for the shell", &error))?;
            if let Some(status) = ended {
                return Ok(self.result()?.map_or_else(|| ItemEnd::Exited(exit_code(status)), ItemEnd::Status));
            }
            if let Some(end) = self.end_at_limit(start, &mut silence, patience, tell)? {
                return Ok(end);
            }
            silence.tell_once(&self.log, &mut |silent| tell(Sign::Silent(silent)));
            let mut fds = [PollFd::new(self.results.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut fds, PollTimeout::from(200_u8));
            if fds[0].revents().is_some_and(|events| events == PollFlags::POLLHUP) {
                signals::wait(Duration::from_millis(20));
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The shell's state after the last item, as it wrote it down.
    pub fn state(&self) -> Result<Vec<u8>, Failure> {
        let path = format!("{}/state", self.directory);
        let read = self.host.read(&path).map_err(|error| Failure::io("the shell's state", &error))?;
        Ok(read.unwrap_or_default())
    }

    /// Ends the shell as the end of a script would (its EXIT trap runs) and returns its exit code, or why the trap was ended.
    /// `tell` hears of a stop before that.
    pub fn close(mut self, patience: Patience, tell: &mut dyn FnMut(Sign)) -> Result<ItemEnd, Failure> {
        self.say(LEAVE);
        drop(self.control.take());
        let start = Instant::now();
        let mut silence = Silence::new(super::process::length_of(&self.log));
        loop {
            let ended = self.child.try_wait().map_err(|error| Failure::io("waiting for the shell", &error))?;
            if let Some(status) = ended {
                return Ok(ItemEnd::Exited(exit_code(status)));
            }
            // What is over in a moment is over, whoever asks for a stop just then.
            if start.elapsed() >= MOMENT {
                if let Some(end) = self.end_at_limit(start, &mut silence, patience, tell)? {
                    return Ok(end);
                }
            }
            signals::wait(MOMENT);
        }
    }

    /// Ends what runs where a stop is asked for, or where it has taken too long or has said nothing for too long.
    fn end_at_limit(
        &mut self,
        start: Instant,
        silence: &mut Silence,
        patience: Patience,
        tell: &mut dyn FnMut(Sign),
    ) -> Result<Option<ItemEnd>, Failure> {
        let end = if let Some(signal) = signals::stop_requested() {
            tell(Sign::Stop(signal));
            ItemEnd::Stopped(signal)
        } else if let Some(limit) = patience.deadline.filter(|limit| start.elapsed() >= *limit) {
            ItemEnd::Deadline(limit)
        } else if let Some(limit) = patience.silence.filter(|limit| silence.lasts(&self.log) >= *limit) {
            ItemEnd::Silence(limit)
        } else {
            return Ok(None);
        };
        end_whole_group(&mut self.child)?;
        Ok(Some(end))
    }

    /// A shell that has ended does not listen; that shows when its result is awaited.
    fn say(&mut self, lines: &str) {
        if let Some(control) = &mut self.control {
            let _ = control.write_all(lines.as_bytes());
        }
    }

    fn result(&mut self) -> Result<Option<i32>, Failure> {
        let mut chunk = [0; 256];
        loop {
            match self.results.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::io("the shell's result", &error)),
            }
        }
        let Some(end) = self.read.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.read.drain(..=end).collect();
        let line = String::from_utf8_lossy(&line);
        let unknown = || Failure::new(Kind::Unknown, format!("the shell said no exit code but `{}`", line.trim()));
        line.trim().parse().map(Some).map_err(|_| unknown())
    }
}

impl Drop for Shell {
    /// A script that is not over has not ended: its EXIT trap does not run. What it started in the background goes on.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        signals::group_ended(i32::try_from(self.child.id()).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(dir: &std::path::Path) -> Shell {
        resumed(dir, "", "", "")
    }

    fn resumed(dir: &std::path::Path, restore: &str, definitions: &str, flags: &str) -> Shell {
        let path = dir.to_string_lossy().into_owned();
        let start = Start {
            name: "/a/script".into(),
            env: BTreeMap::new(),
            log: format!("{path}/log"),
            directory: path,
            restore: restore.to_owned(),
        };
        let mut shell = Shell::start(&Host::default(), &start).expect("starts");
        shell.go_on(definitions, flags);
        shell
    }

    fn run(shell: &mut Shell, text: &str) -> ItemEnd {
        shell.run(text, ("runcmd/1", 1), Patience::default(), &mut |_| {}).expect("runs")
    }

    #[test]
    fn state_carries_from_item_to_item_and_each_has_its_status() {
        let dir = tempfile::tempdir().expect("dir");
        let mut sh = shell(dir.path());
        for (text, status) in [
            ("cd /usr; a='x y'; export b=2; f() { echo \"f $a $b\"; }", 0),
            ("false", 1),
            ("echo status $?, $0", 0),
            ("f; pwd", 0),
            ("exec 3>&1; echo to three >&3", 0),
            ("echo $LANDFALL_STEP; read line || echo no input", 0),
            ("(exit 7)", 7),
            ("sleep 30 & echo started", 0),
            ("set -eu", 0),
            ("echo still", 0),
        ] {
            assert_eq!(run(&mut sh, text), ItemEnd::Status(status), "{text}");
        }
        assert_eq!(run(&mut sh, "false; echo not reached"), ItemEnd::Exited(1));
        let log = std::fs::read_to_string(dir.path().join("log")).expect("log");
        assert_eq!(log, "status 1, /a/script\nf x y 2\n/usr\nto three\nrunning\nno input\nstarted\nstill\n".replace("running", "runcmd/1"));
    }

    #[test]
    fn exit_and_syntax_errors_end_the_script_and_an_exit_trap_runs() {
        for (text, code) in [("exit 4", 4), ("if true; then", 2), ("exec true", 0), ("kill -9 $$", 137)] {
            let dir = tempfile::tempdir().expect("dir");
            let mut sh = shell(dir.path());
            assert_eq!(run(&mut sh, "trap 'echo trapped' EXIT"), ItemEnd::Status(0));
            assert_eq!(run(&mut sh, text), ItemEnd::Exited(code), "{text}");
        }
        let dir = tempfile::tempdir().expect("dir");
        let mut sh = shell(dir.path());
        assert_eq!(run(&mut sh, "trap 'echo trapped' EXIT; while :; do break; done"), ItemEnd::Status(0));
        assert_eq!(sh.close(Patience::default(), &mut |_| {}).expect("closes"), ItemEnd::Exited(0));
        assert_eq!(std::fs::read_to_string(dir.path().join("log")).expect("log"), "trapped\n");
    }

    #[test]
    fn an_exit_trap_sees_the_status_of_the_last_item_and_may_change_it() {
        let ends = [
            (&["trap 'echo trap $?' EXIT", "(exit 3)"][..], "trap 3\n", 3),
            (&["trap 'echo trap $?' EXIT", "false", "true"], "trap 0\n", 0),
            (&["trap 'echo trap $?; exit 4' EXIT", "true"], "trap 0\n", 4),
            (&["trap 'false; echo trap $?' EXIT", "true"], "trap 1\n", 0),
            (&["set -e; trap 'false; echo never' EXIT", "true"], "", 1),
            (&["set -u; trap 'echo $nope; echo never' EXIT", "true"], "", 2),
            (&["alias exit=true exec=true set=true", "trap 'read line || echo no input; echo fd >&8' EXIT"], "no input\n", 0),
        ];
        for (texts, said, code) in ends {
            let dir = tempfile::tempdir().expect("dir");
            let mut sh = shell(dir.path());
            for text in texts {
                run(&mut sh, text);
            }
            assert_eq!(sh.close(Patience::default(), &mut |_| {}).expect("closes"), ItemEnd::Exited(code), "{texts:?}");
            let log = std::fs::read_to_string(dir.path().join("log")).expect("log");
            let own: String = log.split_inclusive('\n').filter(|line| !line.starts_with("/a/script: ")).collect();
            assert_eq!(own, said, "{texts:?}: {log}");
        }
    }

    #[test]
    fn a_shell_that_is_left_does_not_end_its_script_and_what_it_started_goes_on() {
        let dir = tempfile::tempdir().expect("dir");
        let mut sh = shell(dir.path());
        run(&mut sh, "trap 'echo trapped' EXIT; sleep 60 & echo $!");
        let log = || std::fs::read_to_string(dir.path().join("log")).expect("log");
        let started: i32 = log().trim().parse().expect("a number");
        drop(sh);
        assert_eq!(log(), format!("{started}\n"));
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(started), Signal::SIGKILL).expect("it goes on");
    }

    #[test]
    fn an_exit_trap_has_the_limits_of_its_script() {
        let dir = tempfile::tempdir().expect("dir");
        let mut sh = shell(dir.path());
        run(&mut sh, "trap 'sleep 60' EXIT");
        let limit = Duration::from_millis(300);
        let patience = Patience { deadline: Some(limit), silence: None };
        assert_eq!(sh.close(patience, &mut |_| {}).expect("closes"), ItemEnd::Deadline(limit));
    }

    #[test]
    fn a_new_shell_goes_on_where_the_old_one_stood() {
        use crate::engine::shell_state::ShellState;
        let dir = tempfile::tempdir().expect("dir");
        let mut old = shell(dir.path());
        run(&mut old, "cd /usr/share; umask 027; export E=\"it's\nhere\"; v='a \"b\"'; set -u; set -f");
        let state = ShellState::parse(&String::from_utf8_lossy(&old.state().expect("state"))).expect("whole");
        let definitions = format!("hello() {{ echo hello; }}\nexec 2>{}/errors", dir.path().display());
        let mut new = resumed(dir.path(), &state.restore(), &definitions, &state.flags());
        run(&mut new, &state.enter_directory().expect("known"));
        let text = "hello; pwd; umask; echo $v; sh -c 'echo \"$E\"'; echo *; echo $nope";
        assert_eq!(run(&mut new, text), ItemEnd::Exited(2), "set -u is in force");
        let log = std::fs::read_to_string(dir.path().join("log")).expect("log");
        assert!(log.starts_with("hello\n/usr/share\n0027\na \"b\"\nit's\nhere\n*\n"), "{log}");
        let errors = std::fs::read_to_string(dir.path().join("errors")).expect("errors");
        assert!(errors.contains("nope"), "standard error goes where it went: {errors}");
    }

    /// What a script defines for itself is its own affair: its items are run, and their status is theirs.
    #[test]
    fn whatever_a_script_calls_its_functions_each_item_is_run_and_has_its_status() {
        let dir = tempfile::tempdir().expect("dir");
        let mut sh = shell(dir.path());
        let hostile = [
            "cat() { echo true; }",
            "printf() { :; }; echo() { :; }; umask() { :; }; command() { :; }; test() { :; }",
            "alias set=false printf=false unset=false eval=false exec=false",
            "PATH=/nowhere; export PATH",
        ];
        for text in hostile {
            assert_eq!(run(&mut sh, text), ItemEnd::Status(0), "{text}");
            assert_eq!(run(&mut sh, "false"), ItemEnd::Status(1), "after {text}");
            assert_eq!(run(&mut sh, "(exit 7)"), ItemEnd::Status(7), "after {text}");
        }
        assert_eq!(run(&mut sh, "ls"), ItemEnd::Status(127), "no program is found where PATH leads nowhere");
        let state = String::from_utf8(sh.state().expect("state")).expect("text");
        let state = crate::engine::shell_state::ShellState::parse(&state).expect("whole");
        assert!(state.restore().contains("PATH='/nowhere'") && state.restore().contains("umask 00"), "{}", state.restore());
        assert_eq!(run(&mut sh, "exit 7"), ItemEnd::Exited(7));
    }
}
