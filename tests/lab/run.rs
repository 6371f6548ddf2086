//! Running a command with a deadline, so that a host that hangs fails a test instead of stopping it.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{killpg, Signal};
use nix::unistd::Pid;

/// What a finished command left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended; killed by a signal if the host went down under it.
    pub status: ExitStatus,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Output {
    /// True if it exited with 0.
    pub fn ok(&self) -> bool {
        self.status.success()
    }

    /// The exit code; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output of a command that must succeed.
    #[track_caller]
    pub fn expect_ok(self) -> String {
        assert!(self.ok(), "command failed: {}\n--- stdout\n{}\n--- stderr\n{}", self.status, self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs `command` to its end, or kills its process group at the deadline and panics with what it had said.
/// It ends by its exit, not by the end of its output: a background job that keeps the pipe open holds nobody up.
#[track_caller]
pub fn run(command: &mut Command, input: &[u8], deadline: Duration) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let stdin = child.stdin.take();
    let input = input.to_vec();
    thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));
    let stdout = Collector::of(child.stdout.take());
    let stderr = Collector::of(child.stderr.take());

    let status = wait(&mut child, deadline);
    let Some(status) = status else {
        let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
        let _ = child.wait();
        panic!("{command:?} was still running after {deadline:?}\n--- stdout\n{}\n--- stderr\n{}", stdout.text(), stderr.text());
    };
    Output { status, stdout: stdout.text(), stderr: stderr.text() }
}

/// Waits for the end of a child for at most `deadline`.
pub fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_micros(500);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// Repeats `condition` until it holds; panics naming `what` when `deadline` passes first.
#[track_caller]
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "waited {deadline:?} in vain for: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: mpsc::Receiver<()>,
}

impl Collector {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel();
        let sink = Arc::clone(&bytes);
        thread::spawn(move || {
            let mut chunk = [0; 8192];
            if let Some(mut pipe) = pipe {
                while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                    sink.lock().unwrap().extend_from_slice(&chunk[..count]);
                }
            }
            let _ = end.send(());
        });
        Self { bytes, ended }
    }

    fn text(&self) -> String {
        let _ = self.ended.recv_timeout(Duration::from_secs(1));
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

/// Lines that only one of the two has, for a test's message; empty if there are none.
pub fn differences(wanted: &str, found: &str) -> String {
    let only = |one: &str, other: &str, mark: &str| {
        one.lines().filter(|line| !other.lines().any(|same| same == *line)).map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    only(wanted, found, "-") + &only(found, wanted, "+")
}
