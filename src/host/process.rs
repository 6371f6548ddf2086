//! The one way to run another program.
//!
//! A child gets a process group of its own, no terminal, and its output goes to a file or into memory: never through a pipe
//! that a daemon it leaves behind could hold open. Deadlines and stops end the whole group, TERM first, then KILL.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

use super::files::FileKind;
use super::procs::Process;
use super::streams::Streams;
use super::usage::Sampler;
use super::{signals, Host};
use crate::error::{Failure, Kind};
use crate::secret::Secret;

/// How long a group has between TERM and KILL.
const GRACE: Duration = Duration::from_secs(3);
/// Lines of output quoted in a failure.
const TAIL_LINES: usize = 12;
/// Where programs are looked for: systemd's own default. Behind it `/sbin` and `/bin`, where they are directories of their own (hosts
/// that began as Ubuntu 20.04 or older), and `/snap/bin`, which systemd's units have where snapd is installed (snap-env-generator).
const PATHS: [[&str; 2]; 2] = [
    ["/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/snap/bin"],
    [
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin",
    ],
];

thread_local! {
    static MARKS: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// From here on every child of this thread finds these variables in its environment, whoever starts it.
pub fn mark_children(marks: BTreeMap<String, String>) {
    MARKS.set(marks);
}

/// What every child of this thread is marked with.
pub fn marks() -> BTreeMap<String, String> {
    MARKS.with_borrow(Clone::clone)
}

/// A program to run.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment beside `PATH`, `HOME` and what landfall itself was started with.
    pub env: BTreeMap<String, String>,
    /// What it reads; nothing, by default.
    pub stdin: Option<Secret<Vec<u8>>>,
    /// Append stdout and stderr to this file (0600); otherwise stdout is captured and stderr goes into the failure.
    pub output: Option<PathBuf>,
    /// Wall-clock limit.
    pub deadline: Option<Duration>,
    /// Limit without a new byte in `output`, and in the files of `grows`.
    pub silence: Option<Duration>,
    /// Directories whose files grow while it works, though it says nothing.
    pub grows: Vec<PathBuf>,
    /// Goes on although a stop was asked for (cleaning up).
    pub ignore_stop: bool,
}

/// A limit that several commands share, counted from when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    begun: Instant,
    limit: Option<Duration>,
}

impl Limit {
    /// Begins to count; `None` is no limit.
    pub fn begin(limit: Option<Duration>) -> Self {
        Self { begun: Instant::now(), limit }
    }

    /// What is left for the next command. Where nothing is, it is ended as soon as it has begun.
    pub fn left(&self) -> Option<Duration> {
        self.limit.map(|limit| limit.saturating_sub(self.begun.elapsed()))
    }
}

impl Spec {
    /// `argv` with defaults.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets what it reads.
    #[must_use]
    pub fn stdin(mut self, input: Secret<impl Into<Vec<u8>>>) -> Self {
        self.stdin = Some(input.into_bytes());
        self
    }

    /// Sends its output to a file.
    #[must_use]
    pub fn output(mut self, path: impl Into<PathBuf>) -> Self {
        self.output = Some(path.into());
        self
    }

    /// Limits its time.
    #[must_use]
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = Some(limit);
        self
    }
}

/// Why a child was ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The wall-clock limit.
    Deadline(Duration),
    /// The limit without output.
    Silence(Duration),
    /// A stop was asked for.
    Stop,
}

/// How a child ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code, or 128 + signal.
    pub code: i32,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Captured stdout (empty where it went to a file).
    pub stdout: String,
    /// Last lines of what it said.
    pub tail: Vec<String>,
    /// Ended by us.
    pub cut: Option<Cut>,
    /// What it started and what outlived its group, where a limit ended it.
    pub left_behind: Vec<Process>,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Ended {
    /// Ended by itself with exit code 0.
    pub const fn success(&self) -> bool {
        self.code == 0 && self.cut.is_none()
    }

    /// The failure this is, for what was run as `what`.
    pub fn failure(&self, what: &str) -> Failure {
        let mut failure = match self.cut {
            Some(Cut::Deadline(limit)) => {
                Failure::new(Kind::Timeout, format!("{what} did not end within {} s and was stopped", limit.as_secs()))
            }
            Some(Cut::Silence(limit)) => {
                Failure::new(Kind::Timeout, format!("{what}: no output for {} s; it was stopped", limit.as_secs()))
            }
            Some(Cut::Stop) => Failure::new(Kind::Interrupted, format!("{what} was stopped by a signal to landfall")),
            None if self.signal.is_some() => {
                Failure::new(Kind::Exec, format!("{what} was killed by signal {}", self.signal.unwrap_or_default()))
            }
            None if self.code == 127 => Failure::new(Kind::NotFound, format!("{what}: command not found (exit 127)")),
            None => Failure::new(Kind::Exec, format!("{what} failed with exit {}", self.code)),
        };
        failure.exit = Some(self.code);
        failure.output = self.tail.clone();
        failure.output.extend(self.left_behind.iter().map(|process| format!("still running: {process}")));
        failure
    }
}

impl Host {
    /// Runs a program to its end. An error means that it could not be started, or that landfall was told to stop before it ended, which is
    /// no answer whatever it was asked; its exit code is for the caller to judge.
    pub fn run(&self, spec: &Spec) -> Result<Ended, Failure> {
        let ended = self.run_watched(spec, &mut |_| ())?;
        match ended.cut {
            Some(Cut::Stop) => Err(ended.failure(spec.argv.first().map_or("a program", String::as_str))),
            _ => Ok(ended),
        }
    }

    /// The same, a stop being one of the ends; `silent` hears, once for each, of silences that are long.
    pub fn run_watched(&self, spec: &Spec, silent: &mut dyn FnMut(Duration)) -> Result<Ended, Failure> {
        let start = Instant::now();
        let mut command = self.command(spec)?;
        let log = direct_output(&mut command, spec)?;
        let mut child = command.spawn().map_err(|error| Failure::io(format!("cannot start {}", spec.argv[0]), &error))?;
        let group = i32::try_from(child.id()).unwrap_or(0);
        signals::group_runs(group);
        let streams = Streams::of(&mut child, spec.stdin.as_ref()).map_err(|error| Failure::io("the pipes of a child", &error));
        let result = match streams {
            Ok(mut streams) => {
                wait(self, &mut child, (spec, silent), start, log.as_ref(), &mut streams).map(|ended| (ended, streams.end()))
            }
            Err(failure) => end_group(&mut child).and(Err(failure)),
        };
        signals::group_ended(group);
        let ((status, cut), (stdout, stderr)) = result?;
        let tail = match &log {
            Some((file, from)) => last_lines(&read_tail(file, *from)),
            None if stderr.trim().is_empty() => last_lines(&stdout),
            None => last_lines(&stderr),
        };
        let left_behind = if matches!(cut, Some(Cut::Deadline(_) | Cut::Silence(_))) { self.left_behind(&spec.env) } else { Vec::new() };
        Ok(Ended { code: exit_code(status), signal: status.signal(), stdout, tail, cut, left_behind, elapsed: start.elapsed() })
    }

    /// Runs a program whose failure is a failure.
    pub fn run_ok(&self, spec: &Spec) -> Result<Ended, Failure> {
        let ended = self.run(spec)?;
        if ended.success() {
            Ok(ended)
        } else {
            Err(ended.failure(&spec.argv.join(" ")))
        }
    }

    /// Whether `text` is a whole shell script: `sh -n` reads it and runs nothing. No when there is no shell to ask.
    pub fn shell_parses(&self, text: &str) -> bool {
        let spec = Spec::new(["sh", "-n"]).stdin(Secret::new(text.to_owned())).deadline(Duration::from_secs(10));
        self.run(&spec).is_ok_and(|ended| ended.success())
    }

    /// What a shell has against a script, and the line that it names; nothing of it is run. Nothing where it can read all of it, and where
    /// there is no such shell.
    pub fn shell_objects(&self, shell: &str, text: &str) -> Option<(u32, String)> {
        let spec = Spec::new([shell, "-n", "/dev/stdin"]).stdin(Secret::new(text.to_owned())).deadline(Duration::from_secs(10));
        let ended = self.run(&Spec { env: [("LC_ALL".to_owned(), "C".to_owned())].into(), ..spec }).ok()?;
        if ended.success() || ended.cut.is_some() {
            return None;
        }
        // `/dev/stdin: 3: Syntax error: ...`, `/dev/stdin: line 3: syntax error ...`
        let said = ended.tail.first()?;
        let said = said.split_once(": ").map_or(said.as_str(), |(_, rest)| rest);
        let line = |place: &str| place.trim_start_matches("line ").parse().ok();
        let located = said.split_once(": ").and_then(|(place, why)| Some((line(place)?, why.to_owned())));
        Some(located.unwrap_or_else(|| (1, said.to_owned())))
    }

    /// Whether a Perl-compatible regular expression is found anywhere in `text`, as grep(1) has it; `None` where it is no expression or
    /// there is no such grep. `^` and `$` are the ends of the whole text.
    pub fn regex_matches(&self, pattern: &str, text: &str) -> Option<bool> {
        let argv = ["grep", "--quiet", "--null-data", "--perl-regexp", "--regexp", &format!("(?-m){pattern}")];
        let spec = Spec::new(argv).stdin(Secret::new(text.to_owned())).deadline(Duration::from_secs(10));
        match self.run(&spec).ok()?.code {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        }
    }

    /// Where programs are looked for on this host.
    pub fn search_path(&self) -> &'static str {
        let is_own = self.status("/bin").ok().flatten().is_some_and(|status| status.kind == FileKind::Directory);
        PATHS[usize::from(is_own)][usize::from(self.exists("/snap/bin"))]
    }

    /// `PATH` for a script that says `cloud-init-per`, on a host that has no program of this name but landfall's own, which is out of
    /// the way of everything else.
    pub fn path_of_script(&self, mut text: impl FnMut(&str) -> bool) -> Option<String> {
        const NAME: &str = "cloud-init-per";
        const OWN: &str = "/usr/lib/landfall/bin";
        let needs_it = text(NAME) && !self.finds_program(NAME) && self.exists(&format!("{OWN}/{NAME}"));
        needs_it.then(|| format!("{}:{OWN}", self.search_path()))
    }

    /// Runs a command in the place of this program: in its group, with its streams and its environment, as a shell finds it. Its exit
    /// code.
    pub fn run_here(&self, argv: &[String]) -> Result<i32, Failure> {
        let mut command = Command::new(self.real_path("/bin/sh"));
        command.args(["-c", "\"$@\"", argv.first().map_or("sh", String::as_str)]).args(argv);
        command.status().map(exit_code).map_err(|error| Failure::io("/bin/sh", &error))
    }

    /// The command with group, environment and root, its streams still to be set.
    pub(super) fn command(&self, spec: &Spec) -> Result<Command, Failure> {
        let Some(program) = spec.argv.first() else {
            return Err(Failure::new(Kind::Input, "a command without a program"));
        };
        let search_path = self.search_path();
        let mut command = if self.is_live() {
            // By its path: a program to be searched for in a `PATH` other than ours makes the standard library fork, which copies
            // our page tables, where it would use posix_spawn(3).
            let path = spec.env.get("PATH").map_or(search_path, String::as_str);
            let mut command = Command::new(program_path(program, path));
            command.arg0(program).args(&spec.argv[1..]);
            command
        } else {
            let mut command = Command::new("chroot");
            command.arg(self.root()).args(&spec.argv);
            command
        };
        command.process_group(0).env("PATH", search_path).stdin(Stdio::null());
        // What programs need to start at all: git a home, tput a terminal. Nothing here is one.
        for (name, value) in [("HOME", "/root"), ("TERM", "dumb")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        for name in ["LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "INVOCATION_ID", "JOURNAL_STREAM"] {
            command.env_remove(name);
        }
        MARKS.with_borrow(|marks| {
            command.envs(marks);
        });
        command.envs(&spec.env);
        if spec.stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        Ok(command)
    }
}

/// Where a shell would find a program; its name where it would not, so that starting it says so.
fn program_path(program: &str, path: &str) -> PathBuf {
    let is_program = |file: &PathBuf| fs_err::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    let candidates = || path.split(':').map(|directory| Path::new(directory).join(program));
    let found = if program.contains('/') { None } else { candidates().find(is_program) };
    found.unwrap_or_else(|| PathBuf::from(program))
}

/// Exit code, or 128 + signal.
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

type Log = Option<(PathBuf, u64)>;

/// Sends a child's output to its file (which file, and its length before), or into pipes.
fn direct_output(command: &mut Command, spec: &Spec) -> Result<Log, Failure> {
    let Some(path) = &spec.output else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        return Ok(None);
    };
    let failed = |error: std::io::Error| Failure::io("output of a child", &error);
    let file = open_log(path)?;
    let from = file.metadata().map_err(failed)?.len();
    let again = file.try_clone().map_err(failed)?;
    command.stdout(file.into_parts().0).stderr(again.into_parts().0);
    Ok(Some((path.clone(), from)))
}

/// Opens an output file for appending, 0600.
pub fn open_log(path: &std::path::Path) -> Result<fs_err::File, Failure> {
    use fs_err::os::unix::fs::OpenOptionsExt as _;
    fs_err::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| Failure::io("output file", &error))
}

/// Waits for the child's end and moves what goes through its pipes.
fn wait(
    host: &Host,
    child: &mut Child,
    (spec, tell): (&Spec, &mut dyn FnMut(Duration)),
    start: Instant,
    log: Option<&(PathBuf, u64)>,
    streams: &mut Streams,
) -> Result<(ExitStatus, Option<Cut>), Failure> {
    let failed = |error: std::io::Error| Failure::io("waiting for a child", &error);
    let mut silence = Silence::new(log.map_or(0, |(_, from)| *from)).unless_grow(&spec.grows);
    let mut sampler = Sampler::new(child.id(), host);
    loop {
        sampler.look();
        streams.move_on();
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok((status, None));
        }
        let cut = if !spec.ignore_stop && signals::stop_requested().is_some() {
            Some(Cut::Stop)
        } else if let Some(limit) = spec.deadline.filter(|limit| start.elapsed() >= *limit) {
            Some(Cut::Deadline(limit))
        } else {
            match (spec.silence, log) {
                (limit, Some((path, _))) => {
                    silence.tell_once(path, tell);
                    limit.filter(|limit| silence.lasts(path) >= *limit).map(Cut::Silence)
                }
                _ => None,
            }
        };
        if let Some(cut) = cut {
            return Ok((end_whole_group(child)?, Some(cut)));
        }
        streams.wait(Duration::from_millis(500));
    }
}

/// A silence that is worth telling.
const LONG_SILENCE: Duration = Duration::from_secs(5 * 60);

/// How long a file has not grown.
pub(super) struct Silence {
    size: u64,
    /// Directories whose files count too.
    others: Vec<PathBuf>,
    since: Instant,
    told: bool,
}

impl Silence {
    pub(super) fn new(size: u64) -> Self {
        Self { size, others: Vec::new(), since: Instant::now(), told: false }
    }

    fn unless_grow(mut self, others: &[PathBuf]) -> Self {
        self.others = others.to_vec();
        self
    }

    fn size_of(&self, path: &Path) -> u64 {
        let files = self.others.iter().filter_map(|directory| fs_err::read_dir(directory).ok()).flatten().flatten();
        length_of(path) + files.filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum::<u64>()
    }

    /// Tells of a silence that is long, once.
    pub(super) fn tell_once(&mut self, path: &Path, tell: &mut dyn FnMut(Duration)) {
        let silent = self.lasts(path);
        if silent >= LONG_SILENCE && !self.told {
            tell(silent);
        }
        self.told = silent >= LONG_SILENCE;
    }

    pub(super) fn lasts(&mut self, path: &Path) -> Duration {
        let size = self.size_of(path);
        if size != self.size {
            self.size = size;
            self.since = Instant::now();
        }
        self.since.elapsed()
    }
}

/// Ends a child's whole group: TERM, a grace period, KILL.
pub fn end_group(child: &mut Child) -> Result<ExitStatus, Failure> {
    let failed = |error: std::io::Error| Failure::io("waiting for a child", &error);
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let _ = killpg(group, Signal::SIGTERM);
    let start = Instant::now();
    while start.elapsed() < GRACE {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        signals::wait(Duration::from_millis(10));
    }
    let _ = killpg(group, Signal::SIGKILL);
    child.wait().map_err(failed)
}

/// The same for what outlives the group's first process, too.
pub fn end_whole_group(child: &mut Child) -> Result<ExitStatus, Failure> {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0));
    let status = end_group(child)?;
    if !is_gone_within(group, GRACE) {
        let _ = killpg(group, Signal::SIGKILL);
        is_gone_within(group, Duration::from_secs(1));
    }
    Ok(status)
}

/// The same for a group that is none of our children.
pub(super) fn end_group_of_others(group: Pid) {
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let _ = killpg(group, signal);
        if is_gone_within(group, GRACE) {
            return;
        }
    }
}

/// A group keeps its number for as long as anybody is in it.
fn is_gone_within(group: Pid, limit: Duration) -> bool {
    let start = Instant::now();
    while killpg(group, None).is_ok() {
        if start.elapsed() >= limit {
            return false;
        }
        signals::wait(Duration::from_millis(10));
    }
    true
}

/// Bytes in a file; 0 where there is none.
pub(super) fn length_of(path: &Path) -> u64 {
    fs_err::metadata(path).map_or(0, |metadata| metadata.len())
}

/// What stands in an output file from `from` on, the last 16 KiB at most.
pub fn read_tail(path: &std::path::Path, from: u64) -> String {
    const MOST: u64 = 16 << 10;
    let mut bytes = Vec::new();
    if let Ok(mut file) = fs_err::File::open(path) {
        let len = file.metadata().map_or(0, |metadata| metadata.len());
        let _ = file.seek(SeekFrom::Start(from.max(len.saturating_sub(MOST))));
        let _ = file.take(MOST).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines with something in them, for a person.
pub fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_is_no_silence() {
        let dir = tempfile::tempdir().expect("dir");
        let partial = dir.path().join("partial");
        std::fs::create_dir(&partial).expect("directory");
        let text = format!("for i in 1 2 3 4 5 6 7 8; do sleep 0.3; echo $i >>{}/archive; done", partial.display());
        let spec = Spec { silence: Some(Duration::from_secs(1)), ..Spec::new(["sh", "-c", &text]).output(dir.path().join("log")) };
        let ended = |spec: &Spec| Host::default().run(spec).expect("runs").cut;
        assert_eq!(ended(&spec), Some(Cut::Silence(Duration::from_secs(1))));
        assert_eq!(ended(&Spec { grows: vec![partial], ..spec }), None);
    }

    #[test]
    fn programs_are_looked_for_where_systemd_would_and_in_directories_of_older_hosts() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        std::os::unix::fs::symlink("usr/bin", dir.path().join("bin")).expect("link");
        assert!(host.search_path().ends_with(":/usr/sbin:/usr/bin"));
        std::fs::remove_file(dir.path().join("bin")).expect("remove");
        for made in ["bin", "snap/bin"] {
            std::fs::create_dir_all(dir.path().join(made)).expect("directory");
        }
        assert!(host.search_path().ends_with(":/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"));
    }

    #[test]
    fn a_script_that_says_cloud_init_per_finds_one_and_any_other_has_the_usual_path() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let make = |directory: &str| {
            std::fs::create_dir_all(dir.path().join(directory)).expect("directory");
            std::fs::write(dir.path().join(directory).join("cloud-init-per"), "").expect("program");
        };
        let path = |text: &str| host.path_of_script(|name| text.contains(name));
        assert_eq!(path("cloud-init-per once x true"), None, "there is none");
        make("usr/lib/landfall/bin");
        assert_eq!(path("cloud-init-per once x true"), Some(format!("{}:/usr/lib/landfall/bin", host.search_path())));
        assert_eq!(path("echo $PATH"), None);
        make("usr/bin");
        assert_eq!(path("cloud-init-per once x true"), None, "the host's own is the one");
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let ended = Host::default().run(&Spec::new(["sh", "-c", "echo out; echo err >&2; exit 3"])).expect("runs");
        assert_eq!((ended.code, ended.stdout.as_str()), (3, "out\n"));
        assert_eq!(ended.tail, ["err"]);
        assert_eq!(ended.failure("x").kind, Kind::Exec);
        for (text, said) in [("exit 255", "x failed with exit 255"), ("kill -9 $$", "x was killed by signal 9")] {
            let ended = Host::default().run(&Spec::new(["sh", "-c", text])).expect("runs");
            assert_eq!(ended.failure("x").message, said);
        }
    }

    #[test]
    fn commands_that_share_a_limit_have_what_the_earlier_ones_left_of_it() {
        let limit = Limit::begin(Some(Duration::from_millis(400)));
        let sleep = |seconds: &str| {
            let mut spec = Spec::new(["sleep", seconds]);
            spec.deadline = limit.left();
            Host::default().run(&spec).expect("runs").cut
        };
        assert_eq!(sleep("0.3"), None);
        assert!(sleep("0.3").is_some() && sleep("0.3").is_some(), "0.6 s are more than 0.4 s, and nothing is left for a third");
        assert_eq!(Limit::begin(None).left(), None);
    }

    #[test]
    fn input_is_fed_and_a_deadline_ends_the_group() {
        let spec = Spec::new(["cat"]).stdin(Secret::new("hello".to_owned()));
        assert_eq!(Host::default().run(&spec).expect("runs").stdout, "hello");
        let spec = Spec::new(["sh", "-c", "sleep 60 & wait"]).deadline(Duration::from_millis(50));
        let ended = Host::default().run(&spec).expect("runs");
        assert!(matches!(ended.cut, Some(Cut::Deadline(_))));
    }

    #[test]
    fn silence_ends_the_whole_group_and_what_escaped_it_is_named() {
        let dir = tempfile::tempdir().expect("dir");
        let run = format!("run-{}", std::process::id());
        let text = "echo working; setsid sleep 97 & trap '' TERM; sleep 98 & trap - TERM; wait";
        let mut spec = Spec::new(["sh", "-c", text]).output(dir.path().join("log"));
        spec.env = [("LANDFALL_RUN", run.as_str()), ("LANDFALL_STEP", "a.x/1")].map(|(name, value)| (name.into(), value.into())).into();
        spec.silence = Some(Duration::from_secs(2));
        let ended = Host::default().run(&spec).expect("runs");
        assert_eq!(ended.cut, Some(Cut::Silence(Duration::from_secs(2))));
        let failure = ended.failure("x");
        assert_eq!((failure.kind, failure.message.as_str()), (Kind::Timeout, "x: no output for 2 s; it was stopped"));
        let [process] = &ended.left_behind[..] else { panic!("{:?}", ended.left_behind) };
        assert_eq!((process.command.as_str(), failure.output[0].as_str()), ("sleep 97", "working"));
        assert!(failure.output[1].starts_with(&format!("still running: sleep 97 (pid {}", process.pid)), "{:?}", failure.output);
        Host::default().end_process(process.pid, process.started).expect("ends");
    }

    #[test]
    fn much_goes_in_and_out_at_once() {
        let text = "0123456789abcde\n".repeat(20_000);
        let spec = Spec::new(["sh", "-c", "tee /dev/stderr"]).stdin(Secret::new(text.clone()));
        let ended = Host::default().run(&spec).expect("runs");
        assert!(ended.stdout == text && ended.tail.len() == TAIL_LINES, "{} of {} bytes", ended.stdout.len(), text.len());
        let spec = Spec::new(["true"]).stdin(Secret::new(text));
        assert!(Host::default().run(&spec).expect("one that does not read").success());
        let spec = Spec::new(["head", "-c", "5000000", "/dev/zero"]);
        assert_eq!(Host::default().run(&spec).expect("more than is kept").stdout.len(), 4 << 20);
    }

    #[test]
    fn one_that_never_stops_talking_is_ended_in_time() {
        let ended = Host::default().run(&Spec::new(["yes"]).deadline(Duration::from_millis(100))).expect("runs");
        assert!(matches!(ended.cut, Some(Cut::Deadline(_))) && ended.stdout.starts_with("y\n"));
        let ended = Host::default().run(&Spec::new(["sh", "-c", "timeout 60 yes & exit 3"])).expect("runs");
        assert!(ended.code == 3 && ended.elapsed < Duration::from_secs(30));
    }

    #[test]
    fn a_job_left_behind_with_the_pipe_is_not_waited_for() {
        let ended = Host::default().run(&Spec::new(["sh", "-c", "echo started; sleep 60 &"])).expect("runs");
        assert!(ended.elapsed < Duration::from_secs(30));
        assert_eq!(ended.stdout, "started\n");
    }

    #[test]
    fn a_whole_script_parses_and_half_of_one_does_not() {
        let host = Host::default();
        assert!(host.shell_parses("if true; then\n echo a; fi\n"));
        assert!(!host.shell_parses("if true; then\n"));
        assert!(!host.shell_parses("echo 'open\n"));
    }

    #[test]
    fn a_daemon_left_behind_does_not_hold_up_what_logs_to_a_file() {
        let dir = tempfile::tempdir().expect("dir");
        let spec = Spec::new(["sh", "-c", "echo started; sleep 60 &"]).output(dir.path().join("log"));
        let ended = Host::default().run(&spec).expect("runs");
        assert!(ended.elapsed < Duration::from_secs(30));
        assert_eq!(ended.tail, ["started"]);
    }
}
