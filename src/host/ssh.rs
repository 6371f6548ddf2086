//! The system's own ssh: configuration, keys, agent and jump hosts are those of who calls it. It never asks for anything.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

/// Exit code with which ssh says that it, and not the remote command, has failed.
const OWN_FAILURE: i32 = 255;

/// How another machine is reached.
#[derive(Clone, Debug)]
pub struct Ssh<'s> {
    /// `HOST`, `USER@HOST` or an alias of ssh's configuration.
    pub host: &'s str,
    /// User to log in as; ssh's own choice where there is none.
    pub user: Option<&'s str>,
    /// Options as `-o` takes them.
    pub options: &'s [String],
}

/// What came of a remote command.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// Its exit code; `None` where ssh itself failed, or the connection broke.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// The last lines of stderr, its own and ssh's.
    pub said: Vec<String>,
}

impl Answered {
    /// The last thing that was said, or something in its place.
    pub fn last_word(&self) -> &str {
        self.said.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or("ssh has ended without a word")
    }

    /// Whether the connection was closed before anybody had said who they are.
    pub fn is_dropped(&self) -> bool {
        let word = self.last_word();
        self.code.is_none() && ["Connection closed by", "Connection reset by"].iter().any(|words| word.contains(words))
    }

    /// Whether the login was refused, so that another user may be let in.
    pub fn is_refused(&self) -> bool {
        let refused = ["Permission denied", "Too many authentication failures", "not allowed"];
        self.code.is_none() && self.said.iter().any(|line| refused.iter().any(|words| line.contains(words)))
    }
}

/// Lines of stderr that are kept.
const KEPT: usize = 40;

impl Ssh<'_> {
    /// ssh with what the caller gave it: the first value of an option counts, and those of a command line before those of a file.
    fn command(&self) -> Command {
        let mut ssh = Command::new("ssh");
        for option in self.options {
            ssh.args(["-o", option]);
        }
        if let Some(user) = self.user {
            ssh.args(["-l", user]);
        }
        ssh
    }

    /// Limits on a machine that does not answer, of those that neither the caller nor a file of ssh's has set.
    fn limits_not_set(&self) -> Vec<&'static str> {
        let asked = self.command().args(["-G", "--", self.host]).stdin(Stdio::null()).stderr(Stdio::null()).output();
        let settings = asked.map(|asked| String::from_utf8_lossy(&asked.stdout).into_owned()).unwrap_or_default();
        let is_set = |default: &str| !settings.is_empty() && !settings.lines().any(|line| line == default);
        let mut limits = Vec::new();
        if !is_set("connecttimeout none") {
            limits.push("ConnectTimeout=20");
        }
        if !is_set("serveraliveinterval 0") {
            limits.extend(["ServerAliveInterval=15", "ServerAliveCountMax=4"]);
        }
        limits
    }

    /// Runs `command` in the login shell there, with `input` to read. `hear` gets each line of stderr as it comes.
    pub fn run(&self, command: &str, input: &[u8], hear: &mut dyn FnMut(&str)) -> io::Result<Answered> {
        let mut ssh = self.command();
        ssh.args(["-T", "-o", "BatchMode=yes"]);
        for limit in self.limits_not_set() {
            ssh.args(["-o", limit]);
        }
        ssh.args(["--", self.host, command]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ssh.spawn()?;
        let (Some(mut stdin), Some(mut stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
            return Err(io::Error::other("ssh has no pipes"));
        };
        let mut answered = Answered::default();
        let said = &mut answered.said;
        let bytes = thread::scope(|scope| {
            scope.spawn(move || {
                // A command that ends before it has read everything says why by itself.
                let _ = stdin.write_all(input);
            });
            let bytes = scope.spawn(move || {
                let mut bytes = Vec::new();
                stdout.read_to_end(&mut bytes).map(|_| bytes)
            });
            for line in BufReader::new(stderr).split(b'\n') {
                let line = String::from_utf8_lossy(&line?).trim_end_matches('\r').to_owned();
                hear(&line);
                if said.len() == KEPT {
                    said.remove(0);
                }
                said.push(line);
            }
            bytes.join().unwrap_or_else(|_| Err(io::Error::other("what ssh printed could not be read")))
        })?;
        answered.stdout = String::from_utf8_lossy(&bytes).into_owned();
        answered.code = child.wait()?.code().filter(|code| *code != OWN_FAILURE);
        Ok(answered)
    }
}

/// This very program, to be taken to a machine that has none.
pub fn own_program() -> io::Result<Vec<u8>> {
    std::fs::read("/proc/self/exe")
}
