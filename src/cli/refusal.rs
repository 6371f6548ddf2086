//! Why a command did not do what was asked.

use crate::error::{exit, Failure, Kind};

/// A message for stderr and the exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Exit code of the contract.
    pub exit: u8,
    /// What is the matter, one sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Refusal {
    /// A refusal without advice.
    pub fn new(exit: u8, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// On stderr, redacted.
    pub(super) fn show(&self) {
        let mut text = format!("landfall: {}\n", self.message);
        if let Some(help) = &self.help {
            text.push_str(&format!("  help: {help}\n"));
        }
        super::out::complain(&crate::telemetry::redacted(&text));
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let exit = match failure.kind {
            Kind::Lock => exit::LOCKED,
            Kind::Input => exit::DATA,
            _ => exit::FAILED,
        };
        Self { exit, message: failure.message.clone(), help: Some(failure.next_action().to_owned()) }
    }
}

/// Refuses anybody but root.
pub(super) fn require_root(what: &str) -> Result<(), Refusal> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Refusal::new(exit::NEEDS_ROOT, format!("`landfall {what}` needs root")).help(format!("sudo landfall {what}")))
}
