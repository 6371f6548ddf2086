//! What went wrong, in a form every layer shares: a stable kind, a message, and what is known about it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Stable failure kinds. Their spelling is part of the contract (status JSON, journald `LANDFALL_ERROR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A host could not be resolved, reached or did not answer.
    #[serde(rename = "E_NETWORK")]
    Network,
    /// No space, no inodes, read-only or failing disk.
    #[serde(rename = "E_DISK")]
    Disk,
    /// Somebody else holds a lock that is needed.
    #[serde(rename = "E_LOCK")]
    Lock,
    /// A package, its archive or the package database is damaged.
    #[serde(rename = "E_PKG_CORRUPT")]
    PackageCorrupt,
    /// The kernel refused: permission, read-only attribute, missing capability.
    #[serde(rename = "E_PERMISSION")]
    Permission,
    /// A file, user, package or command that is needed does not exist.
    #[serde(rename = "E_NOT_FOUND")]
    NotFound,
    /// A deadline passed.
    #[serde(rename = "E_TIMEOUT")]
    Timeout,
    /// The host's own configuration prevents it.
    #[serde(rename = "E_CONFIG")]
    Config,
    /// The user-data is wrong.
    #[serde(rename = "E_INPUT")]
    Input,
    /// A command ran and failed.
    #[serde(rename = "E_EXEC")]
    Exec,
    /// A signal, a power cut or a shutdown ended it.
    #[serde(rename = "E_INTERRUPTED")]
    Interrupted,
    /// Nothing above.
    #[serde(rename = "E_UNKNOWN")]
    Unknown,
}

impl Kind {
    /// The stable code, as in `E_NETWORK`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Network => "E_NETWORK",
            Self::Disk => "E_DISK",
            Self::Lock => "E_LOCK",
            Self::PackageCorrupt => "E_PKG_CORRUPT",
            Self::Permission => "E_PERMISSION",
            Self::NotFound => "E_NOT_FOUND",
            Self::Timeout => "E_TIMEOUT",
            Self::Config => "E_CONFIG",
            Self::Input => "E_INPUT",
            Self::Exec => "E_EXEC",
            Self::Interrupted => "E_INTERRUPTED",
            Self::Unknown => "E_UNKNOWN",
        }
    }

    /// What to do next, in plain words, when nothing more particular is known.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Network => "check the route, DNS and the address; then `landfall resume`",
            Self::Disk => "free space (`df -h`, `df -i`) or replace the disk; then `landfall resume`",
            Self::Lock => "see who holds it with `landfall unlock`; then `landfall resume`",
            Self::PackageCorrupt => "run `dpkg --audit`; landfall repairs what it can at `landfall resume`",
            Self::Permission => "look for a read-only mount or an immutable file (`lsattr`); then `landfall resume`",
            Self::NotFound => "check the spelling of the name, or install what provides it; then `landfall resume`",
            Self::Timeout => "see the step's output with `landfall logs`; then `landfall resume`",
            Self::Config => "mend the host's configuration named above; then `landfall resume`",
            Self::Input => "correct the user-data (`landfall validate FILE`), then `landfall apply FILE`",
            Self::Exec => "see the command's output above; mend it, then `landfall rerun STEP`",
            Self::Interrupted => "the next boot goes on by itself; `landfall resume` goes on now",
            Self::Unknown => "see `landfall logs`; then `landfall resume`",
        }
    }

    /// The kind of a failed system call.
    pub fn of_io(error: &std::io::Error) -> Self {
        use nix::errno::Errno;
        use std::io::ErrorKind;
        match system_cause(error).raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EIO | Errno::EROFS) => Self::Disk,
            Some(Errno::EACCES | Errno::EPERM) => Self::Permission,
            Some(Errno::ENOENT | Errno::ENOTDIR | Errno::ESRCH) => Self::NotFound,
            Some(Errno::ETIMEDOUT) => Self::Timeout,
            Some(
                Errno::ECONNREFUSED
                | Errno::ECONNRESET
                | Errno::ECONNABORTED
                | Errno::ENETUNREACH
                | Errno::EHOSTUNREACH
                | Errno::ENETDOWN
                | Errno::EADDRNOTAVAIL,
            ) => Self::Network,
            _ => match error.kind() {
                ErrorKind::NotFound => Self::NotFound,
                ErrorKind::PermissionDenied => Self::Permission,
                ErrorKind::TimedOut => Self::Timeout,
                ErrorKind::InvalidData | ErrorKind::InvalidInput => Self::Input,
                _ => Self::Unknown,
            },
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a failure is about: where to look for the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// How the host is set up.
    Config,
    /// What happened while something ran.
    Execution,
    /// What the user wrote.
    Input,
}

impl Category {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Execution => "execution",
            Self::Input => "input",
        }
    }
}

/// How much a failure weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Somebody has to do something.
    Critical,
    /// It may go by itself: it is tried again, at the latest at the next boot.
    Retryable,
    /// The run is degraded by it at worst.
    Warning,
}

impl Severity {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Retryable => "retryable",
            Self::Warning => "warning",
        }
    }
}

/// The system's own error inside one that only adds a path to it.
pub fn system_cause(error: &std::io::Error) -> &std::io::Error {
    let inner = error.get_ref().and_then(std::error::Error::source);
    inner.and_then(|inner| inner.downcast_ref()).unwrap_or(error)
}

/// Whether the system had no more of what the call needed, and may have again.
fn is_for_want(error: &std::io::Error) -> bool {
    use nix::errno::Errno;
    let code = system_cause(error).raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EAGAIN | Errno::ENOMEM | Errno::ENFILE | Errno::EMFILE))
}

/// A failed operation: what the journal keeps, and what status, `why` and journald are derived from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable kind.
    pub kind: Kind,
    /// One sentence: what failed, on what, why.
    pub message: String,
    /// Exit status of the command that failed, or 128 + signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// Last lines of its output, redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output: Vec<String>,
    /// What to do, where more is known than the kind's own hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Worth trying again by itself: decided where the fact is known, not from text.
    #[serde(default)]
    pub transient: bool,
    /// How long a server asked to be left alone, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The host or service that failed, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Box<str>>,
}

impl Failure {
    /// A failure of `kind` with its sentence.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            exit: None,
            output: Vec::new(),
            hint: None,
            transient: matches!(kind, Kind::Network | Kind::Lock),
            retry_after: None,
            target: None,
        }
    }

    /// A failed system call on `what`.
    pub fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        let failure = Self::new(Kind::of_io(error), format!("{what}: {error}"));
        if is_for_want(error) {
            failure.starved()
        } else {
            failure
        }
    }

    /// The host had no memory or no process left, which goes by.
    #[must_use]
    pub fn starved(self) -> Self {
        self.transient(true).hint("see what takes memory and processes (`free`, `ps`, limits of the unit); then `landfall resume`")
    }

    /// Adds the next action.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets whether the engine may retry it.
    #[must_use]
    pub const fn transient(mut self, transient: bool) -> Self {
        self.transient = transient;
        self
    }

    /// What it is about. A name that does not exist was written by the user, but for one that a command of theirs looked for.
    pub const fn category(&self) -> Category {
        match (self.kind, self.exit) {
            (Kind::NotFound, Some(127)) => Category::Execution,
            (Kind::Input | Kind::NotFound, _) => Category::Input,
            (Kind::Config | Kind::Permission, _) => Category::Config,
            _ => Category::Execution,
        }
    }

    /// How much it weighs; `degrades` where its step only degrades the run.
    pub const fn severity(&self, degrades: bool) -> Severity {
        if degrades {
            Severity::Warning
        } else if self.may_go_by_itself() {
            Severity::Retryable
        } else {
            Severity::Critical
        }
    }

    /// Whether a later boot tries again what failed: the cause may have gone by itself.
    pub const fn may_go_by_itself(&self) -> bool {
        self.transient || matches!(self.kind, Kind::Network | Kind::Lock | Kind::Disk | Kind::Timeout | Kind::Interrupted)
    }

    /// The next action: its own, or its kind's.
    pub fn next_action(&self) -> &str {
        self.hint.as_deref().unwrap_or_else(|| self.kind.hint())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Failure {}

/// Exit codes of every command (contract).
pub mod exit {
    /// Done, or degraded without `--strict`.
    pub const OK: u8 = 0;
    /// A run failed.
    pub const FAILED: u8 = 1;
    /// Degraded, with `--strict` only.
    pub const DEGRADED: u8 = 2;
    /// Wrong usage.
    pub const USAGE: u8 = 64;
    /// Invalid user-data.
    pub const DATA: u8 = 65;
    /// No datasource where one was required.
    pub const NO_DATASOURCE: u8 = 69;
    /// Another run holds the lock.
    pub const LOCKED: u8 = 75;
    /// Needs root.
    pub const NEEDS_ROOT: u8 = 77;
    /// A wait timed out.
    pub const TIMED_OUT: u8 = 124;
    /// Stopped by SIGINT.
    pub const SIGINT: u8 = 130;
    /// Stopped by SIGTERM.
    pub const SIGTERM: u8 = 143;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn category_and_severity_follow_from_kind_and_facts() {
        use Category::{Config, Execution, Input};
        use Severity::{Critical, Retryable, Warning};
        for (kind, exit, category, severity) in [
            (Kind::Network, None, Execution, Retryable),
            (Kind::Lock, Some(100), Execution, Retryable),
            (Kind::Exec, Some(3), Execution, Critical),
            (Kind::NotFound, Some(127), Execution, Critical),
            (Kind::NotFound, None, Input, Critical),
            (Kind::Input, None, Input, Critical),
            (Kind::Config, None, Config, Critical),
            (Kind::Permission, None, Config, Critical),
        ] {
            let failure = Failure { exit, ..Failure::new(kind, "x") };
            assert_eq!((failure.category(), failure.severity(false), failure.severity(true)), (category, severity, Warning), "{kind}");
        }
        assert_eq!(Failure::new(Kind::Exec, "x").transient(true).severity(false), Retryable);
    }
}
