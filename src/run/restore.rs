//! The versions of a file that are kept from before landfall changed it, and putting one back.

use std::io;

use serde::Serialize;

use super::InstanceDir;
use crate::engine::apply::{Prior, PriorFile};
use crate::engine::journal::{Event, Record, Stamp};
use crate::engine::RunIds;
use crate::error::{Failure, Kind};
use crate::hash::sha256_hex;
use crate::host::files::{Attributes, FileKind};
use crate::host::Host;
use crate::identity::{Recorded, STATE};
use crate::ordered::sort_by;
use crate::plan::{Frequency, Stage};

/// What a file was before a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Version {
    /// Seconds since 1970 of the change.
    pub time: f64,
    /// The step that made it; `restore` for this command.
    pub step: String,
    /// SHA-256 of what it held; `None` where it did not exist.
    pub sha256: Option<String>,
    /// How many bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    #[serde(skip)]
    attributes: Attributes,
    /// The instance's directory that keeps it.
    #[serde(skip)]
    directory: String,
}

struct Stamped<'h>(&'h Host, RunIds);

impl Stamp for Stamped<'_> {
    fn stamp(&self) -> (f64, f64, String, String) {
        (self.0.now(), self.0.uptime_seconds(), self.1.run.clone(), self.1.boot.clone())
    }
}

/// The versions of `path` that are kept, newest first.
pub fn versions(host: &Host, path: &str) -> Result<Vec<Version>, Failure> {
    let instances = format!("{STATE}/instances");
    let mut found: Vec<Version> = Vec::new();
    for name in host.list(&instances).map_err(|error| Failure::io(&instances, &error))? {
        let directory = InstanceDir::new(&name);
        let ledger = directory.ledger(host, Stage::Final, true)?;
        let backups = directory.places().backups();
        for frequency in [Frequency::Instance, Frequency::Once, Frequency::Boot] {
            for record in ledger.records(frequency) {
                found.extend(version_in(host, record, path, &backups).map(|version| Version { directory: backups.clone(), ..version }));
            }
        }
    }
    sort_by(&mut found, |one, other| other.time.total_cmp(&one.time));
    // A step that was cut off and resumed has recorded the same twice; the journals of all instances share two.
    found.dedup_by(|one, other| one.step == other.step && one.sha256 == other.sha256 && one.mode == other.mode);
    Ok(found)
}

/// What a file was before a change, as a record says it.
pub(super) struct Before<'r> {
    pub path: &'r str,
    /// Id and digest of the step; `None` for `landfall restore`.
    pub step: Option<(&'r str, &'r str)>,
    was: &'r PriorFile,
}

/// Every file that a record tells of.
pub(super) fn before(event: &Event) -> Vec<Before<'_>> {
    match event {
        Event::Intent { step, digest, prior: Prior::Files { files, .. } } => {
            files.iter().map(|(path, was)| Before { path, step: Some((step, digest)), was }).collect()
        }
        Event::Restored { path, was } => vec![Before { path, step: None, was }],
        _ => Vec::new(),
    }
}

impl Before<'_> {
    /// Name of the copy; `None` where there was no file.
    pub fn sha256(&self) -> Option<&str> {
        match self.was {
            PriorFile::File { sha256, .. } => Some(sha256),
            _ => None,
        }
    }
}

fn version_in(host: &Host, record: &Record, path: &str, backups: &str) -> Option<Version> {
    let found = before(&record.event).into_iter().find(|before| before.path == path)?;
    let step = found.step.map_or("restore", |(step, _)| step).to_owned();
    let (sha256, attributes) = match found.was {
        PriorFile::File { sha256, attributes } => (Some(sha256.clone()), *attributes),
        PriorFile::Absent => (None, Attributes::own(0)),
        PriorFile::Symlink { .. } | PriorFile::Directory { .. } => return None,
    };
    let size = match &sha256 {
        // Kept by another instance, or not any more.
        Some(sha256) => host.status(&format!("{backups}/{sha256}")).ok().flatten()?.size,
        None => 0,
    };
    Some(Version { time: record.time, step, sha256, size, mode: attributes.mode, attributes, directory: String::new() })
}

/// What a version held.
pub fn bytes_of(host: &Host, version: &Version) -> Result<Vec<u8>, Failure> {
    match &version.sha256 {
        Some(sha256) => host.backed_up(&version.directory, sha256).map_err(|error| Failure::io("the version", &error)),
        None => Ok(Vec::new()),
    }
}

/// Whether the file is as it was then.
pub fn is_so(host: &Host, path: &str, version: &Version) -> io::Result<bool> {
    Ok(match (&version.sha256, host.status(path)?) {
        (None, now) => now.is_none(),
        (Some(sha256), Some(now)) => now.attributes == version.attributes && host.sha256_of(path)? == *sha256,
        (Some(_), None) => false,
    })
}

/// Puts a version back; what the file holds until then is kept and recorded first.
pub fn restore(host: &Host, path: &str, version: &Version) -> Result<(), Failure> {
    let _lock = super::lock_for(host, "landfall restore")?;
    let failed = |error: io::Error| Failure::io(path, &error);
    let bytes = bytes_of(host, version)?;
    let nothing = || Failure::new(Kind::NotFound, "landfall has not run on this host");
    let name = Recorded::load(host)?.and_then(|recorded| recorded.directory).ok_or_else(nothing)?;
    let directory = InstanceDir::new(&name);
    let was = match host.status(path).map_err(failed)? {
        None => PriorFile::Absent,
        Some(status) if status.kind == FileKind::File => {
            let now = host.read(path).map_err(failed)?.unwrap_or_default();
            host.back_up(&directory.places().backups(), &now).map_err(failed)?;
            PriorFile::File { sha256: sha256_hex(&now), attributes: status.attributes }
        }
        Some(_) => return Err(Failure::new(Kind::Config, format!("{path} is not a file any more")).hint("move it out of the way first")),
    };
    let mut ledger = directory.ledger(host, Stage::Final, false)?;
    let event = Event::Restored { path: path.to_owned(), was };
    ledger.record(&Stamped(host, super::view::run_ids(host)?), Frequency::Instance, event, true)?;
    match &version.sha256 {
        Some(_) => host.replace(path, &bytes, version.attributes).map_err(failed)?,
        None => drop(host.remove(path).map_err(failed)?),
    }
    if is_so(host, path, version).map_err(failed)? {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("it was written, but {path} is not as it was")))
    }
}
