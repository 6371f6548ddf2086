//! The plan: what `landfall plan` prints, what `run` executes, what a later boot resumes. Plain, versioned data.

mod apt_get;
mod describe;
pub mod digest;
pub mod notify;
pub mod operation;
pub mod phase;
mod render;
pub mod storage;
mod store;

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};
use crate::ordered::sort_by_key;

pub use apt_get::AptGet;
pub use describe::Undo;
pub use digest::digest_of;
pub use operation::Operation;
pub use phase::{PhaseOutcome, PhaseRules};
pub use render::render_text;
pub use store::{parse, to_stored_json, wiped, PlanError};

/// Newest stored format this program writes and reads. Every released format is a fixture of the tests.
pub const FORMAT: u32 = 3;
/// The format of a plan whose phases may have conditions.
const FORMAT_WITH_CONDITIONS: u32 = 2;
/// The format of a plan whose phases have no conditions. A landfall that knows no other would run those that have some, so it must
/// refuse them.
const FORMAT_WITHOUT_CONDITIONS: u32 = 1;

/// The format that a plan with these phases is stored in. One that waits for includes is of the newest: a landfall that does not
/// know it would take it for all there is to do.
pub fn format_for(phases: &[PhaseRules]) -> u32 {
    if phases.iter().all(PhaseRules::is_plain) {
        FORMAT_WITHOUT_CONDITIONS
    } else {
        FORMAT_WITH_CONDITIONS
    }
}

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
    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Backoff::is_default")]
    pub backoff: Backoff,
    /// Wall-clock seconds for one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Seconds without new output of what it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_seconds: Option<u64>,
    /// Exit codes beside 0 that mean success, of the user's own commands and scripts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_exit: Vec<i32>,
}

impl Limits {
    /// Wall-clock limit of one attempt.
    pub fn timeout(&self) -> Option<std::time::Duration> {
        self.timeout_seconds.map(std::time::Duration::from_secs)
    }

    /// Limit without new output.
    pub fn silence(&self) -> Option<std::time::Duration> {
        self.silence_seconds.map(std::time::Duration::from_secs)
    }

    /// Whether a command that ended with this code has succeeded.
    pub fn accepts(&self, code: i32) -> bool {
        code == 0 || self.accept_exit.contains(&code)
    }
}

/// When a step is tried again. Absent values are the engine's defaults for the kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Backoff {
    /// Seconds before the second attempt; the pause doubles each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_seconds: Option<u64>,
    /// The longest pause, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay_seconds: Option<u64>,
    /// No attempt begins after this many seconds in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// Whether pauses are shortened at random, so that hosts that failed together do not come back together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<bool>,
}

impl Backoff {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// When a host or service that fails is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerLimits {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so many seconds.
    pub cooldown_seconds: u64,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self { failures: 5, cooldown_seconds: 60 }
    }
}

impl BreakerLimits {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How long copies of what files held before are kept that undoing the recorded run does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// For so many days.
    pub days: u32,
    /// No more than so many of one file.
    pub copies: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 90, copies: 10 }
    }
}

impl Retention {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done where the host has too little of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ResourceCheck {
    /// What cannot work for lack of room is not begun.
    #[default]
    Stop,
    /// It is told, and begun.
    Warn,
    /// Nobody looks.
    Off,
}

/// What the host must have left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Resources {
    /// Bytes that stay free on the filesystems that are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_disk: Option<u64>,
    /// Bytes of memory that can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_memory: Option<u64>,
    /// What is done where it has less.
    #[serde(default)]
    pub check: ResourceCheck,
}

impl Resources {
    /// Bytes that must be free before packages are changed or files fetched, where nobody says how many.
    pub const LOW_DISK: u64 = 16 << 20;

    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Bytes that must be free before packages are changed or files fetched.
    pub fn low_disk(&self) -> u64 {
        self.min_disk.unwrap_or(Self::LOW_DISK)
    }
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
    #[serde(default, rename = "digest", skip_serializing_if = "digest::Remembered::is_unknown")]
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
    /// Stored format, up to [`FORMAT`].
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
    /// The user's phases, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<PhaseRules>,
    /// When a host or service that fails is left alone.
    #[serde(default, skip_serializing_if = "BreakerLimits::is_default")]
    pub breaker: BreakerLimits,
    /// What the host must have left.
    #[serde(default, skip_serializing_if = "Resources::is_default")]
    pub resources: Resources,
    /// How apt-get is called.
    #[serde(default, skip_serializing_if = "AptGet::is_default")]
    pub apt_get: AptGet,
    /// How long copies of what files held before are kept.
    #[serde(default, skip_serializing_if = "Retention::is_default")]
    pub backups: Retention,
    /// What was wrong with the user-data.
    #[serde(default)]
    pub problems: Vec<Problem>,
    /// Values that must not be shown in any output, beyond those inside the operations.
    #[serde(default)]
    pub secrets: Vec<crate::secret::Secret<String>>,
    /// Who is told how the run ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<notify::Listener>,
    /// Remove what is stored of the user-data when the run has ended well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wipe_user_data: bool,
    /// Addresses that user-data includes and that could not be fetched yet: the plan is that of the rest, without what cannot be
    /// done twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Events at which the datasource is asked again for the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network_events: Vec<NetworkEvent>,
}

/// What has the network configured anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkEvent {
    /// Every boot.
    Boot,
    /// A device came or went.
    Hotplug,
}

impl Plan {
    /// Takes the step of this id from another plan, in the place of its own or before all others, with what must not be shown of it.
    /// False where there is none to take, or it is the same.
    pub fn take_step(&mut self, id: &str, from: &Self) -> bool {
        let Some(new) = from.steps.iter().find(|step| step.id == id) else { return false };
        match self.steps.iter_mut().find(|step| step.id == id) {
            Some(old) if old.digest() == new.digest() => return false,
            Some(old) => *old = new.clone(),
            None => self.steps.insert(0, new.clone()),
        }
        let known = |secret: &&crate::secret::Secret<String>| !self.secrets.contains(secret);
        let secrets: Vec<_> = from.secrets.iter().filter(known).cloned().collect();
        self.secrets.extend(secrets);
        true
    }

    /// Whether more of the user-data is still to be fetched.
    pub fn is_incomplete(&self) -> bool {
        !self.waits_for.is_empty()
    }

    /// Makes it the plan of what is known while these addresses are still to be fetched: without what the user's own commands do,
    /// which may need what they bring and may be others then, without phases, and without what ends a run.
    pub fn wait_for(&mut self, addresses: Vec<String>) {
        if addresses.is_empty() {
            return;
        }
        let phases = std::mem::take(&mut self.phases);
        let left_out = |step: &Step| step.operation.needs_whole_user_data() || phases.iter().any(|phase| phase.holds(step));
        let mut named: Vec<&str> = self.steps.iter().filter(|step| left_out(step)).map(|step| step.phase.as_str()).collect();
        named.dedup();
        if !named.is_empty() {
            let message = format!("until {} can be included, these wait: {}", addresses.join(", "), named.join(", "));
            self.problems.push(Problem { weight: None, message });
        }
        self.steps.retain(|step| !left_out(step));
        self.wipe_user_data = false;
        self.waits_for = addresses;
        self.format = FORMAT;
    }

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
        self.phases.extend(before.phases.iter().filter(|phase| kept.iter().any(|step| phase.holds(step))).cloned());
        self.format = format_for(&self.phases);
        self.steps.extend(kept);
        sort_by_key(&mut self.steps, |step| step.stage);
        self.secrets.extend(before.secrets.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::{applied, problems};

    #[test]
    fn a_plan_that_waits_leaves_out_what_cannot_be_done_twice_and_says_so() {
        let text =
            "users: [a]\nwrite_files: [{path: /a, content: x}]\npackages: [b]\nruncmd: [c]\nbootcmd: [d]\npower_state: {mode: reboot}\n\
            landfall: {phases: [{name: p, write_files: [{path: /q, content: x}]}]}\n";
        let mut plan = applied(text);
        let whole = plan.clone();
        plan.wait_for(Vec::new());
        assert_eq!(plan, whole, "nothing is waited for");
        plan.wait_for(vec!["http://h/x".into()]);
        let phases: Vec<&str> = plan.steps.iter().map(|step| step.phase.as_str()).collect();
        for kept in ["users_groups", "write_files", "package_update_upgrade_install"] {
            assert!(phases.contains(&kept), "{kept}: {phases:?}");
        }
        let told = "note: until http://h/x can be included, these wait: bootcmd, runcmd, p, power_state_change";
        assert_eq!(problems(&plan).last().map(String::as_str), Some(told));
        assert!(!phases.iter().any(|phase| ["bootcmd", "runcmd", "p", "power_state_change"].contains(phase)), "{phases:?}");
        assert_eq!((plan.format, plan.is_incomplete()), (FORMAT, true));
        let kept = |step: &Step| whole.steps.iter().any(|other| other.id == step.id && other.digest() == step.digest());
        assert!(plan.steps.iter().all(kept), "what is done now counts as done later");
        assert_eq!(parse(&to_stored_json(&plan).expect("JSON")).expect("whole"), plan);
    }
}
