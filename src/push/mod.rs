//! Applying user-data on other machines: find a user that may, see that there is a landfall, apply, bring back what came of it.
//!
//! The other machine does the work and keeps the record, as if its own root had called `landfall apply`: whatever breaks the
//! connection, running it again goes on there.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::exit;
use crate::host::ssh::{own_program, Answered, Ssh};

/// Users that images come with, tried after the one that ssh's configuration names.
pub const USERS: [&str; 4] = ["root", "debian", "ubuntu", "admin"];

/// Where a landfall that was only copied is kept: root's, beside the state it works on.
const COPIED: &str = "/var/lib/landfall/bin/landfall";

/// What is to be done on each machine.
#[derive(Clone, Debug)]
pub struct Job<'j> {
    /// User-data.
    pub user_data: &'j [u8],
    /// Users to try, in this order; ssh's own choice and [`USERS`] where there are none.
    pub users: &'j [String],
    /// Options for ssh.
    pub options: &'j [String],
    /// The package to install first, where the machine has not that version.
    pub package: Option<&'j [u8]>,
}

/// How it ended on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// A run ended there in this state.
    Ran(String),
    /// ssh could not get there.
    Unreachable,
    /// There is nobody who may.
    Forbidden,
    /// Nothing was run, and why is said.
    Refused,
    /// The connection broke; the machine may go on.
    Lost,
}

impl End {
    /// In one word.
    pub fn name(&self) -> &str {
        match self {
            Self::Ran(state) => state,
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }

    /// Whether the machine is as the user-data says.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Ran(state) if state == "done" || state == "degraded")
    }
}

/// What came of it on a machine.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The machine as it was named.
    pub host: String,
    /// Who was let in; ssh's own choice has no name here.
    pub user: Option<String>,
    /// How it ended.
    pub end: End,
    /// Exit code of the landfall there.
    pub exit: Option<i32>,
    /// Seconds.
    pub seconds: u64,
    /// What is to be known beside the state.
    pub message: String,
    /// The state there, as `landfall status --format json` shows it.
    pub status: Option<Value>,
}

struct Stop {
    end: End,
    message: String,
}

impl Stop {
    fn new(end: End, message: impl Into<String>) -> Self {
        Self { end, message: message.into() }
    }

    fn of(answered: &Answered) -> Self {
        let word = answered.last_word();
        if word.contains("Host key verification failed") {
            let help = "its host key is not known; log in once by hand, or `--ssh-option StrictHostKeyChecking=accept-new`";
            return Self::new(End::Unreachable, help);
        }
        Self::new(End::Unreachable, word)
    }
}

/// Who was let in, and what is there.
struct Entry<'e> {
    ssh: Ssh<'e>,
    /// What makes a command root's.
    prefix: &'static str,
    /// Version of the landfall there.
    version: Option<String>,
    arch: String,
}

/// A server that is busy, or that has just seen keys it does not know (sshd's `MaxStartups`, `PerSourcePenalties`), closes the
/// connection before anybody has said who they are: it does so for 15 s in the second case.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(12)];

/// What answers on a machine: who this is, which processor, whether root is near, which landfall.
const PROBE: &str = "exec sh -c 'echo landfall-push; uname -m; if test \"$(id -u)\" = 0; then echo root; \
                     elif sudo -n true >/dev/null 2>&1; then echo sudo; else echo none; fi; landfall --version 2>/dev/null'";

/// How long another run on a host is waited for.
const OTHERS_RUN: &str = "1h";

/// Applies `job` on `host`. `hear` gets what goes on there, a line at a time.
pub fn push(host: &str, job: &Job<'_>, hear: &mut dyn FnMut(&str)) -> Pushed {
    let start = Instant::now();
    let mut pushed =
        Pushed { host: host.to_owned(), user: None, end: End::Refused, exit: None, seconds: 0, message: String::new(), status: None };
    if let Err(stop) = push_to(host, job, hear, &mut pushed) {
        pushed.end = stop.end;
        pushed.message = stop.message;
    }
    pushed.seconds = start.elapsed().as_secs();
    pushed
}

fn push_to(host: &str, job: &Job<'_>, hear: &mut dyn FnMut(&str), pushed: &mut Pushed) -> Result<(), Stop> {
    let entry = enter(host, job, hear)?;
    pushed.user = entry.ssh.user.map(str::to_owned);
    let program = provide(&entry, job, hear)?;
    hear("applying the user-data");
    let command = format!("{}{program} apply - --format json", entry.prefix);
    let mut applied = called(&entry.ssh, &command, job.user_data, hear)?;
    if applied.code == Some(i32::from(exit::LOCKED)) {
        hear("another run is under way there; waiting for it");
        let wait = format!("{}{program} status --wait --timeout {OTHERS_RUN} --format json", entry.prefix);
        if called(&entry.ssh, &wait, b"", hear)?.code == Some(i32::from(exit::TIMED_OUT)) {
            return Err(Stop::new(End::Refused, format!("another run is under way there, and has not ended within {OTHERS_RUN}")));
        }
        applied = called(&entry.ssh, &command, job.user_data, hear)?;
    }
    let Some(code) = applied.code else {
        let message = format!("{}; what was begun goes on, or is gone on with when this is run again", applied.last_word());
        return Err(Stop::new(End::Lost, message));
    };
    pushed.exit = Some(code);
    let status: Option<Value> = serde_json::from_slice(applied.stdout.as_bytes()).ok();
    let Some(state) = status.as_ref().and_then(|status| status["state"].as_str()).map(str::to_owned) else {
        return Err(Stop::new(End::Refused, reason(&applied)));
    };
    pushed.message = status.as_ref().and_then(first_error).unwrap_or_default();
    pushed.end = End::Ran(state);
    pushed.status = status;
    Ok(())
}

/// What the landfall there said last, without its advice.
fn reason(answered: &Answered) -> &str {
    let said = answered.said.iter().rev().find_map(|line| line.strip_prefix("landfall: "));
    said.unwrap_or_else(|| answered.last_word())
}

fn first_error(status: &Value) -> Option<String> {
    let error = status["errors"].as_array()?.first()?;
    Some(format!("{}: {}", error["step"].as_str()?, error["message"].as_str()?))
}

fn called(ssh: &Ssh<'_>, command: &str, input: &[u8], hear: &mut dyn FnMut(&str)) -> Result<Answered, Stop> {
    ssh.run(command, input, hear).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Stop::new(End::Refused, "there is no ssh on this machine; install openssh-client"),
        _ => Stop::new(End::Refused, format!("ssh: {error}")),
    })
}

/// The first user that is let in and is, or may be, root.
fn enter<'e>(host: &'e str, job: &'e Job<'_>, hear: &mut dyn FnMut(&str)) -> Result<Entry<'e>, Stop> {
    let users: Vec<Option<&str>> = if host.contains('@') {
        vec![None]
    } else if job.users.is_empty() {
        std::iter::once(None).chain(USERS.map(Some)).collect()
    } else {
        job.users.iter().map(|user| Some(user.as_str())).collect()
    };
    let mut stop = Stop::new(End::Forbidden, "");
    for user in users {
        let ssh = Ssh { host, user, options: job.options };
        let name = user.map_or_else(|| "the user that ssh's configuration names".to_owned(), |user| format!("user {user}"));
        hear(&format!("trying {name}"));
        let mut answered = called(&ssh, PROBE, b"", &mut |_| {})?;
        for pause in PAUSES {
            if !answered.is_dropped() {
                break;
            }
            hear(&format!("it closes the connection; once more in {} s", pause.as_secs()));
            std::thread::sleep(pause);
            answered = called(&ssh, PROBE, b"", &mut |_| {})?;
        }
        if answered.is_refused() {
            if stop.message.is_empty() {
                "no user is let in with a key; see `--user`, and `ssh-add -l` for the keys there are".clone_into(&mut stop.message);
            }
            continue;
        }
        let mut lines = answered.stdout.lines().skip_while(|line| *line != "landfall-push").skip(1);
        let (Some(arch), Some(way)) = (lines.next(), lines.next()) else {
            if answered.code.is_none() {
                return Err(Stop::of(&answered));
            }
            // Images let root in to be told to be somebody else.
            stop.message = format!("{name} is let in, and gets no shell: {}", answered.last_word());
            continue;
        };
        let prefix = match way {
            "root" => "",
            "sudo" => "sudo -n ",
            _ => {
                stop.message = format!("{name} is let in, and may not become root without a password");
                continue;
            }
        };
        let version = lines.next().and_then(|line| line.strip_prefix("landfall ")).map(str::to_owned);
        return Ok(Entry { ssh, prefix, version, arch: arch.to_owned() });
    }
    Err(stop)
}

/// Sees that there is a landfall; how it is called.
fn provide(entry: &Entry<'_>, job: &Job<'_>, hear: &mut dyn FnMut(&str)) -> Result<&'static str, Stop> {
    let own = env!("CARGO_PKG_VERSION");
    match (&entry.version, job.package) {
        (Some(version), Some(_)) if version == own => return Ok("landfall"),
        (_, Some(package)) => {
            hear("installing the package");
            // dpkg wants a file; what it says is what there is to read where it fails.
            let script = "umask 077; file=$(mktemp --suffix=.deb) && trap \"rm -f $file\" EXIT && cat >$file && \
                          DEBIAN_FRONTEND=noninteractive dpkg --install $file >&2";
            settle(entry, "the package could not be installed", script, package, hear)?;
            return Ok("landfall");
        }
        (Some(_), None) => return Ok("landfall"),
        (None, None) => {}
    }
    if entry.arch != std::env::consts::ARCH {
        let message = format!("it is {}, and this landfall is for {}: install the package there", entry.arch, std::env::consts::ARCH);
        return Err(Stop::new(End::Refused, message));
    }
    hear("copying landfall");
    let program = own_program().map_err(|error| Stop::new(End::Refused, format!("landfall's own program: {error}")))?;
    let script = format!(
        "set -e; umask 077; mkdir -p /var/lib/landfall/bin; cat >{COPIED}.new; chmod 700 {COPIED}.new; sync {COPIED}.new; \
         mv -f {COPIED}.new {COPIED}"
    );
    settle(entry, "landfall could not be copied", &script, &program, hear)?;
    Ok(COPIED)
}

fn settle(entry: &Entry<'_>, what: &str, script: &str, input: &[u8], hear: &mut dyn FnMut(&str)) -> Result<(), Stop> {
    let answered = called(&entry.ssh, &format!("exec {}sh -c '{script}'", entry.prefix), input, hear)?;
    match answered.code {
        Some(0) => Ok(()),
        Some(_) => Err(Stop::new(End::Refused, format!("{what}: {}", answered.last_word()))),
        None => Err(Stop::new(End::Lost, format!("{what}: {}", answered.last_word()))),
    }
}
