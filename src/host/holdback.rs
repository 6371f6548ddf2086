//! Keeps the host's own package timers from starting while landfall works on packages.
//!
//! They are stopped, not disabled: a reboot brings them back whatever happens to us. What was stopped is recorded first, so
//! that a landfall that starts after a crash in the same boot starts them again. A job of theirs that runs is let run.

use serde::{Deserialize, Serialize};

use super::files::Attributes;
use super::Host;
use crate::error::Failure;

/// What starts apt by itself on Debian and Ubuntu. The last one keeps a lock only while it works, and is then left alone.
const UNITS: [&str; 3] = ["apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service"];

/// Units that were stopped; to be given back by [`HoldBack::restore`].
#[derive(Debug, Serialize, Deserialize)]
pub struct HoldBack {
    boot_id: String,
    units: Vec<String>,
}

fn failed(error: std::io::Error) -> Failure {
    Failure::io("record of stopped timers", crate::error::system_cause(&error))
}

impl HoldBack {
    /// Stops what would start apt meanwhile. `record` is a path of the host. Nothing is done where systemd does not run.
    pub fn take(host: &Host, record: &str) -> Result<Option<Self>, Failure> {
        Self::recover(host, record)?;
        if !host.runs_systemd() {
            return Ok(None);
        }
        let mut units = Vec::new();
        let holders = host.package_lock_holders().map_err(failed)?;
        for (unit, state) in UNITS.into_iter().zip(host.units(&UNITS)?) {
            let works = holders.iter().any(|holder| holder.process.as_ref().is_some_and(|process| process.unit.as_deref() == Some(unit)));
            if !works && state.active == "active" {
                units.push(unit.to_owned());
            }
        }
        let held = Self { boot_id: host.boot_id(), units };
        if held.units.is_empty() {
            return Ok(None);
        }
        let text = serde_json::to_vec(&held).map_err(|error| failed(error.into()))?;
        if let Some((directory, _)) = record.rsplit_once('/') {
            host.make_directories(directory, Attributes::own(0o700)).map_err(failed)?;
        }
        host.write(record, &text, Attributes::own(0o600)).map_err(failed)?;
        if let Err(failure) = held.jobs(host, "stop") {
            held.restore(host, record)?;
            return Err(failure);
        }
        Ok(Some(held))
    }

    /// Starts them again, as they were found.
    pub fn restore(self, host: &Host, record: &str) -> Result<(), Failure> {
        self.jobs(host, "start")?;
        host.remove(record).map(|_| ()).map_err(failed)
    }

    /// Does it to every unit.
    fn jobs(&self, host: &Host, verb: &str) -> Result<(), Failure> {
        host.unit_jobs(verb, &self.units.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Starts what an earlier landfall of this boot stopped and did not get to start again. After a reboot the record is only
    /// taken away.
    pub fn recover(host: &Host, record: &str) -> Result<(), Failure> {
        let Some(bytes) = host.read(record).map_err(failed)? else { return Ok(()) };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(held) if held.boot_id == host.boot_id() && host.runs_systemd() => held.restore(host, record),
            _ => host.remove(record).map(|_| ()).map_err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_another_boot_is_only_taken_away() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        HoldBack::recover(&host, "/held").expect("nothing");
        for text in ["", "{\"boot_id\":\"other\",\"units\":[\"apt-daily.timer\"]}"] {
            std::fs::write(dir.path().join("held"), text).expect("write");
            HoldBack::recover(&host, "/held").expect("recovered");
            assert!(!host.exists("/held"));
        }
        assert!(HoldBack::take(&host, "/held").expect("no systemd").is_none());
    }
}
