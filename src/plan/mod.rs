//! The plan: what `landfall plan` prints, what `run` executes, what a later boot resumes. Plain, versioned data.

mod describe;
pub mod digest;
pub mod operation;
mod render;
mod store;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};

pub use describe::Undo;
pub use digest::digest_of;
pub use operation::Operation;
pub use render::render_text;
pub use store::{parse, to_stored_json, wiped, PlanError};

/// Newest stored format this program writes and reads. Every released format is a fixture of the tests.
pub const FORMAT: u32 = 1;

/// The point of the boot at which a step is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the network is configured.
    Local,
    /// The network is configured, perhaps not yet up; before ssh.
    Network,
    /// Everything is up.
    Final,
}

impl Stage {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Network => "network",
            Self::Final => "final",
        }
    }
}

/// How often a step is run; it decides in which journal its outcome is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frequency {
    /// Once for each instance.
    Instance,
    /// Once for the machine.
    Once,
    /// At every boot.
    Boot,
}

/// What a failure of the step does to the rest of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Later steps run; the run ends failed. As the peer.
    #[default]
    Continue,
    /// Nothing more is run.
    Stop,
    /// Later steps run; the run ends degraded at worst.
    Warn,
    /// Undo what this phase did, then stop.
    Rollback,
}

/// What a failure means for the end state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The run has failed.
    #[default]
    Failed,
    /// The run is degraded.
    Degraded,
}

/// Limits of a step. Absent values are the engine's defaults for the kind of operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Limits {
    /// How many times in all it is tried, where the failure is transient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Wall-clock seconds for one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the plan and stable: `users_groups/alice`, `runcmd/3`.
    pub id: String,
    /// The phase it belongs to: the module's name, or the user's own phase.
    pub phase: String,
    /// When it is due.
    pub stage: Stage,
    /// How often.
    pub frequency: Frequency,
    /// What is done.
    #[serde(flatten)]
    pub operation: Operation,
    /// Steps that must have succeeded; otherwise this one is skipped and says why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// What a failure does to the rest.
    #[serde(default)]
    pub on_error: OnError,
    /// What a failure means for the end state.
    #[serde(default)]
    pub weight: Weight,
    /// What an interruption means, for what cannot be repeated blindly.
    #[serde(default)]
    pub on_interrupt: operation::OnInterrupt,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// Where the user wrote it: `user-data:12:3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// What the user should know beforehand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// The digest from before its secrets were wiped; such a step is shown and never run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiped: Option<String>,
    /// Its digest, once it was asked for.
    #[serde(skip)]
    pub remembered: digest::Remembered,
}

/// A problem of the user-data that the run has to report, whatever else it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// How it counts: something was lost (failed), or only odd (degraded); absent for a mere note.
    pub weight: Option<Weight>,
    /// The located sentence, without secrets.
    pub message: String,
}

/// A whole plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Stored format, [`FORMAT`].
    pub format: u32,
    /// The landfall that made it.
    pub version: String,
    /// The instance it is for.
    pub instance: String,
    /// Where the user-data came from: `nocloud`, `cloud-init`, `file`.
    pub datasource: String,
    /// Digest of the configuration it was made from.
    pub config_digest: String,
    /// Steps in the order they are run.
    pub steps: Vec<Step>,
    /// What was wrong with the user-data.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Values that must not be shown in any output, beyond those inside the operations.
    #[serde(default)]
    pub secrets: Vec<crate::secret::Secret<String>>,
    /// Remove what is stored of the user-data when the run has ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wipe_user_data: bool,
}

impl Plan {
    /// Whether nothing secret is left of the steps that no later boot runs.
    pub fn is_wiped(&self) -> bool {
        self.steps.iter().all(|step| step.frequency == Frequency::Boot || step.wiped.is_some())
    }
}

impl Step {
    /// It was cut off, and its user wants to look at what it left: nothing goes on until it is told to be run again.
    pub fn waits_for_a_person(&self, failure: Option<&Failure>) -> bool {
        self.on_interrupt == operation::OnInterrupt::Stop && failure.is_some_and(|failure| failure.kind == Kind::Interrupted)
    }

    /// Whether this failure of it ends the run.
    pub fn halts(&self, failure: Option<&Failure>) -> bool {
        matches!(self.on_error, OnError::Stop | OnError::Rollback) || self.waits_for_a_person(failure)
    }
}

impl Plan {
    /// Takes over what an earlier plan does at every boot, but for the phases that this one has too.
    pub fn keep_boot_steps(&mut self, before: &Self) {
        let own: std::collections::BTreeSet<&str> = self.steps.iter().map(|step| step.phase.as_str()).collect();
        let kept = before.steps.iter().filter(|step| step.frequency == Frequency::Boot && !own.contains(step.phase.as_str()));
        let kept: Vec<Step> = kept.cloned().collect();
        self.steps.extend(kept);
        self.steps.sort_by_key(|step| step.stage);
        self.secrets.extend(before.secrets.iter().cloned());
    }
}
