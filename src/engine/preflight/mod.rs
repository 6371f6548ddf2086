//! Whether a host has what a plan needs, found out before anything is changed.
//!
//! [`local`] asks the host alone and waits for nobody: a run does it too. [`network`] asks the hosts that the plan will ask, and may
//! take as long as they do. Every check says what it found in numbers; one that does not pass says what to do.

mod disk;
mod local;
mod network;
mod sizes;

use std::collections::BTreeMap;

use serde::Serialize;

use super::needs::Needs;
use crate::error::{Failure, Kind};
use crate::host::apt_sizes::PackageSizes;
use crate::host::Host;
use crate::plan::Resources;

pub use local::local;
pub use network::{network, Network};
pub use sizes::package_sizes;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// There is enough.
    Pass,
    /// It may go wrong.
    Warn,
    /// It will go wrong.
    Fail,
}

impl Grade {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// What was looked at: `disk`, `memory`, `route`.
    pub name: &'static str,
    /// Which one, where there are several: a mount point, a host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// How it ended.
    pub grade: Grade,
    /// What was found, in a sentence.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The numbers behind it: bytes, inodes, seconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<&'static str, f64>,
    /// A run that begins nevertheless stops because of it, at this step: a failure of this kind.
    #[serde(skip)]
    pub stops: Option<(Kind, Option<String>)>,
}

impl Check {
    fn new(name: &'static str, grade: Grade, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { name, subject: None, grade, message, hint: None, numbers: BTreeMap::new(), stops: None }
    }

    fn of(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn number(mut self, name: &'static str, value: impl Into<f64>) -> Self {
        self.numbers.insert(name, value.into());
        self
    }

    fn bytes(self, name: &'static str, value: u64) -> Self {
        self.number(name, value as f64)
    }

    /// `disk /: ...`.
    pub fn sentence(&self) -> String {
        let subject = self.subject.as_deref().map(|subject| format!(" {subject}")).unwrap_or_default();
        format!("{}{subject}: {}", self.name, self.message)
    }

    /// The failure of a run that is not begun because of it.
    pub fn failure(&self) -> Option<(Failure, Option<&str>)> {
        let (kind, step) = self.stops.as_ref()?;
        let failure = Failure::new(*kind, format!("not begun: {}", self.sentence())).transient(true);
        let failure = match &self.hint {
            Some(hint) => failure.hint(format!("{hint}; then `landfall resume`")),
            None => failure,
        };
        Some((failure, step.as_deref()))
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Findings {
    /// The checks.
    pub checks: Vec<Check>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
}

impl Findings {
    /// The worst of the checks.
    pub fn worst(&self) -> Grade {
        self.checks.iter().map(|check| check.grade).max().unwrap_or(Grade::Pass)
    }

    /// How many checks ended so.
    pub fn count(&self, grade: Grade) -> usize {
        self.checks.iter().filter(|check| check.grade == grade).count()
    }

    /// Takes over others.
    pub fn extend(&mut self, other: Self) {
        self.checks.extend(other.checks);
        self.unchecked.extend(other.unchecked);
    }
}

/// What is asked for.
pub struct Question<'q> {
    /// The host.
    pub host: &'q Host,
    /// What the plan needs of it.
    pub needs: &'q Needs,
    /// What it must have left.
    pub resources: Resources,
    /// What the packages take, where apt could say.
    pub sizes: Option<&'q PackageSizes>,
    /// Whoever asks has root's rights.
    pub is_root: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::applied;

    fn found(text: &str, resources: Resources, sizes: Option<&PackageSizes>, root: &std::path::Path) -> Findings {
        let needs = Needs::of(&applied(text), &|_| true);
        local(&Question { host: &Host::rooted(root), needs: &needs, resources, sizes, is_root: true })
    }

    fn check<'f>(findings: &'f Findings, name: &str) -> &'f Check {
        findings.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{name}: {findings:?}"))
    }

    #[test]
    fn what_is_missing_is_reported_together() {
        let dir = tempfile::tempdir().expect("dir");
        let text = "{users: [alice], packages: [nginx], write_files: [{path: /etc/a, source: {uri: 'file:///srv/a'}}]}";
        let findings = found(text, Resources::default(), None, dir.path());
        assert_eq!(findings.worst(), Grade::Fail);
        let programs = check(&findings, "programs");
        assert!(programs.message.contains("useradd (users_groups/alice)") && programs.message.contains("apt-get"), "{programs:?}");
        assert!(check(&findings, "files").message.contains("/srv/a (write_files/etc/a)"), "{findings:?}");
        assert!(findings.unchecked.iter().any(|what| what.contains("how large the packages are")), "{findings:?}");
        assert_eq!(check(&findings, "disk").grade, Grade::Pass, "what is not known does not fail");
    }

    #[test]
    fn only_a_disk_that_certainly_cannot_hold_it_keeps_a_run_from_being_begun() {
        let dir = tempfile::tempdir().expect("dir");
        let free = Host::rooted(dir.path()).filesystem_of("/usr").expect("there").free_bytes;
        let sizes = |installed| PackageSizes { packages: 2, new: 2, installed, ..PackageSizes::default() };
        let disk = |installed| {
            let findings = found("{packages: [nginx]}", Resources::default(), Some(&sizes(installed)), dir.path());
            let disk = check(&findings, "disk").clone();
            (disk.grade, disk.failure().map(|(failure, step)| (failure.kind, failure.message.clone(), step.map(str::to_owned))), disk)
        };
        assert_eq!(disk(1 << 20).0, Grade::Pass);
        let (grade, stops, _) = disk(free / 4 * 5);
        assert_eq!((grade, stops), (Grade::Fail, None), "an estimate that is often too high");
        let (grade, stops, disk) = disk(free * 3);
        let (kind, message, step) = stops.expect("a failure");
        assert_eq!((grade, kind), (Grade::Fail, Kind::Disk));
        assert!(step.is_some_and(|step| step.starts_with("package")), "{disk:?}");
        assert!(message.starts_with("not begun: disk /: ") && message.contains("2 packages"), "{message}");
        assert!(disk.numbers["needed_bytes"] > disk.numbers["free_bytes"]);
    }

    #[test]
    fn what_a_script_before_may_mend_keeps_nothing_from_being_begun() {
        let dir = tempfile::tempdir().expect("dir");
        let sizes = PackageSizes { packages: 2, new: 2, installed: u64::MAX / 2, ..PackageSizes::default() };
        let text = "{landfall: {phases: [{name: a, runcmd: [rm -rf /srv/old]}, {name: b, packages: [nginx]}]}}";
        let findings = found(text, Resources::default(), Some(&sizes), dir.path());
        let disk = check(&findings, "disk");
        assert!(disk.grade == Grade::Fail && disk.failure().is_none(), "{disk:?}");
    }

    #[test]
    fn a_file_that_replaces_one_as_large_needs_no_room_that_is_certain() {
        let dir = tempfile::tempdir().expect("dir");
        let findings = found("{write_files: [{path: /etc/a, content: hello}]}", Resources::default(), None, dir.path());
        assert_eq!(check(&findings, "disk").grade, Grade::Pass);
        let least = Resources { min_disk: Some(u64::MAX / 2), ..Resources::default() };
        let findings = found("{write_files: [{path: /etc/a, content: hello}]}", least, None, dir.path());
        let (failure, _) = check(&findings, "disk").failure().expect("a failure");
        assert!(failure.kind == Kind::Disk && failure.may_go_by_itself() && failure.message.contains("stay free"), "{failure}");
    }
}
