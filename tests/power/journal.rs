//! What landfall's journals on a host's disk say, read from outside.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::lab::Files;

const STATE: &str = "/var/lib/landfall";
/// Ids of the steps that no run may do again once they are done begin so.
const ONCE_ONLY: &str = "runcmd/";

/// One record that concerns a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Step id.
    pub step: String,
    /// True for an outcome, false for an intent.
    pub ended: bool,
}

/// The records of all journals that last, each in its order.
#[derive(Debug, Clone, Default)]
pub struct Journals(BTreeMap<String, Vec<Record>>);

impl Journals {
    /// Reads what is there; of a torn line nothing.
    pub fn read(files: &Files) -> Self {
        let instances = files.list(&format!("{STATE}/instances")).into_iter().map(|name| format!("{STATE}/instances/{name}/journal"));
        let paths = instances.chain([format!("{STATE}/once")]);
        Self(paths.map(|path| (path.clone(), files.try_read(&path).map_or_else(|_| Vec::new(), |bytes| records(&bytes)))).collect())
    }

    /// Steps that were begun and have no outcome.
    pub fn interrupted(&self) -> BTreeSet<String> {
        let mut open = BTreeSet::new();
        for record in self.0.values().flatten() {
            if record.ended {
                open.remove(&record.step);
            } else {
                open.insert(record.step.clone());
            }
        }
        open
    }

    /// Steps with an outcome.
    pub fn finished(&self) -> BTreeSet<String> {
        self.0.values().flatten().filter(|record| record.ended).map(|record| record.step.clone()).collect()
    }

    /// Steps whose outcome had to be durable at the time of reading. Work that is never done again has its outcome synced before
    /// anything else is recorded. The outcomes of other steps become durable with the next intent, and that one is once more has
    /// been recorded after it: as the last line of the file it may not have been synced yet.
    pub fn durable(&self) -> BTreeSet<String> {
        let mut durable = BTreeSet::new();
        for records in self.0.values() {
            let Some((_, followed)) = records.split_last() else { continue };
            let synced = followed.iter().rposition(|record| !record.ended).unwrap_or(0);
            let outcomes = followed.iter().enumerate().filter(|(_, record)| record.ended);
            let lasting = outcomes.filter(|(at, record)| *at < synced || record.step.starts_with(ONCE_ONLY));
            durable.extend(lasting.map(|(_, record)| record.step.clone()));
        }
        durable
    }
}

fn records(bytes: &[u8]) -> Vec<Record> {
    String::from_utf8_lossy(bytes).lines().filter_map(record).collect()
}

fn record(line: &str) -> Option<Record> {
    let (sum, json) = line.split_once(' ')?;
    let digest: String = Sha256::digest(json).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    if sum != digest {
        return None;
    }
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let ended = match value["record"].as_str()? {
        "intent" => false,
        "outcome" => true,
        _ => return None,
    };
    Some(Record { step: value["step"].as_str()?.to_owned(), ended })
}
