//! Everything of a booted host that an installation could change.

use std::collections::BTreeSet;

use crate::lab::Booted;

/// Files with their kind, mode, owner, size and time, and units with their state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// One line a file; directories without time and size.
    pub files: BTreeSet<String>,
    /// One line a loaded unit, with the id of its invocation, and one a job.
    pub units: BTreeSet<String>,
}

/// What dpkg, journald and systemd write of themselves.
const OWN_BOOKS: &str = "-path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /var/lib/systemd/timers \
    -o -path /var/lib/systemd/random-seed -o -path /root -o -path /tmp -o -path /var/tmp";

impl Snapshot {
    /// Looks at the host as it is now.
    #[track_caller]
    pub fn of(booted: &Booted) -> Self {
        let find = format!(
            "find / -xdev \\( {OWN_BOOKS} \\) -prune -o -type d -printf '%p %y %m %u:%g\\n' -o -printf '%p %y %m %u:%g %s %T@ %l\\n'"
        );
        let units = "systemctl list-units --plain --no-legend --type=service,socket,target,mount,path | sed 's/  */ /g'; \
            systemctl list-jobs --no-legend; \
            systemctl show --all --value -p InvocationID '*.service' '*.socket' | sort";
        Self { files: lines(&booted.sh(&find).expect_ok()), units: lines(&booted.sh(units).expect_ok()) }
    }

    /// What is in only one of the two, marked `-` and `+`.
    pub fn difference(&self, later: &Self) -> Vec<String> {
        let gone = self.files.difference(&later.files).chain(self.units.difference(&later.units)).map(|line| format!("-{line}"));
        let new = later.files.difference(&self.files).chain(later.units.difference(&self.units)).map(|line| format!("+{line}"));
        gone.chain(new).collect()
    }
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}
