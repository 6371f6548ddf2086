//! The journal: what was intended and what came of it, one checksummed record a line, append-only.
//!
//! A line is `CHECKSUM JSON`, the checksum being the first 16 hex digits of the JSON's SHA-256. A torn last line is cut off
//! when the journal is opened; a damaged line before it is passed over and reported. After a write error nothing more is
//! accepted: what cannot be recorded must not be done.

use serde::{Deserialize, Serialize};

use super::apply::{Effect, Left, Prior, PriorFile};
use crate::error::{Failure, Kind};
use crate::hash::{hex, sha256};
use crate::host::append_log::AppendLog;
use crate::host::usage::Usage;
use crate::plan::Weight;
use crate::secret::reveal;

/// Format of the records; a newer one is refused.
pub const FORMAT: u32 = 1;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Done, by this landfall or before it.
    Done,
    /// Tried, and failed.
    Failed,
    /// Not tried, because something it needs failed.
    Skipped,
    /// Not run, because the script ended before it.
    NotRun,
    /// Done, and undone again.
    Undone,
}

/// Where a step's output stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputRange {
    /// File, a path of the host.
    pub file: String,
    /// First byte.
    pub from: u64,
    /// Byte after the last.
    pub to: u64,
}

/// The end of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Step id.
    pub step: String,
    /// Digest of the step.
    pub digest: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How a failure counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it did; warnings.
    #[serde(default)]
    pub effect: Effect,
    /// The state it left, by which undoing tells what is somebody else's by now.
    #[serde(default, skip_serializing_if = "Left::is_empty")]
    pub left: Left,
    /// Nothing had to be changed.
    #[serde(default)]
    pub unchanged: bool,
    /// How often it was tried.
    pub attempts: u32,
    /// Wall time.
    pub elapsed_ms: u64,
    /// What it took; absent where nothing had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Where its output stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<OutputRange>,
    /// It ended its script with this exit code: the later items are not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_script: Option<i32>,
    /// Shell state after it, a file below the instance's `shell/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell_state: Option<String>,
    /// Its phase was rightly not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<super::phases::Unmet>,
}

impl Outcome {
    /// That of a step that was done, and undone again.
    pub fn undone(step: &str, digest: &str) -> Self {
        Self {
            step: step.to_owned(),
            digest: digest.to_owned(),
            verdict: Verdict::Undone,
            weight: None,
            failure: None,
            effect: Effect::default(),
            left: Left::default(),
            unmet: None,
            usage: None,
            unchanged: false,
            attempts: 1,
            elapsed_ms: 0,
            output: None,
            ended_script: None,
            shell_state: None,
        }
    }
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "record")]
pub enum Event {
    /// A run of a stage begins and has something to do.
    Begin {
        /// Record format.
        format: u32,
        /// landfall's version.
        version: String,
        /// Stage it goes up to.
        stage: crate::plan::Stage,
    },
    /// A step is about to change something.
    Intent {
        /// Step id.
        step: String,
        /// Digest of the step.
        digest: String,
        /// What undoing it needs.
        prior: Prior,
    },
    /// A step has ended.
    Outcome(Box<Outcome>),
    /// A stop was asked for (by a signal, a shutdown job): recorded before the child is ended.
    StopRequest {
        /// The step that was running.
        step: Option<String>,
        /// Why: `SIGTERM`, `shutdown`.
        reason: String,
    },
    /// The user asked for these steps to be run again.
    Again {
        /// Step ids.
        steps: Vec<String>,
    },
    /// Something to be told that no step's outcome tells.
    Notice {
        /// How it counts.
        weight: Option<Weight>,
        /// The sentence.
        message: String,
    },
    /// These steps are going to be undone, in this order; until [`Event::RollbackEnd`] none of them is run.
    Rollback {
        /// Step ids, last first.
        steps: Vec<String>,
        /// Also what was changed since by somebody else.
        #[serde(default)]
        force: bool,
        /// The failure that asked for it; absent where a person did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cause: Option<Box<Failure>>,
    },
    /// What came of undoing a step.
    Undone {
        /// Step id.
        step: String,
        /// Digest of the step.
        digest: String,
        /// What came of it.
        result: Undone,
    },
    /// A person has an earlier version of a file put back.
    Restored {
        /// The file.
        path: String,
        /// What it was until then.
        was: PriorFile,
    },
    /// Each step of the rollback was undone, left, or could not be undone.
    RollbackEnd,
    /// Every step of the plan that is due has an outcome.
    End,
}

impl Event {
    /// Whether it tells of this step.
    pub fn is_about(&self, id: &str) -> bool {
        match self {
            Self::Intent { step, .. } | Self::Undone { step, .. } => step == id,
            Self::Outcome(outcome) => outcome.step == id,
            Self::Again { steps } | Self::Rollback { steps, .. } => steps.iter().any(|step| step == id),
            _ => false,
        }
    }
}

/// What came of undoing a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "undone")]
pub enum Undone {
    /// Everything is as it was before the step.
    Whole {
        /// What had to stay.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    },
    /// It is left as it is, and why.
    Left {
        /// Why.
        why: String,
    },
    /// It could not be undone.
    Failed {
        /// Why.
        failure: Box<Failure>,
    },
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Seconds since 1970.
    pub time: f64,
    /// Seconds since boot.
    pub uptime: f64,
    /// Run id.
    pub run: String,
    /// Boot id.
    pub boot: String,
    /// What it says.
    #[serde(flatten)]
    pub event: Event,
}

/// Stamps records: which run, which boot, what time.
pub trait Stamp {
    /// Time since 1970, since boot; run id; boot id.
    fn stamp(&self) -> (f64, f64, String, String);
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    /// Absent in a copy: another one writes.
    log: Option<AppendLog>,
    records: Vec<Record>,
    damaged: usize,
    broken: bool,
}

impl Journal {
    /// Opens a journal and mends its torn tail.
    pub fn open(mut log: AppendLog) -> Result<Self, Failure> {
        let bytes = log.read().map_err(|error| Failure::io("journal", &error))?;
        let scan = scan(&bytes);
        if scan.newer {
            return Err(Failure::new(Kind::Config, "the journal was written by a newer landfall").hint("install the newer version again"));
        }
        if scan.whole < bytes.len() {
            log.truncate(scan.whole as u64).map_err(|error| Failure::io("journal", &error))?;
        }
        Ok(Self { log: Some(log), records: scan.records, damaged: scan.damaged, broken: false })
    }

    /// Reads without mending anything.
    pub fn view(log: AppendLog) -> Result<Self, Failure> {
        let bytes = log.read().map_err(|error| Failure::io("journal", &error))?;
        let scan = scan(&bytes);
        Ok(Self { log: None, records: scan.records, damaged: scan.damaged, broken: true })
    }

    /// What it holds now, for somebody who does not write it.
    pub(super) fn copy(&self) -> Self {
        Self { log: None, records: self.records.clone(), damaged: self.damaged, broken: true }
    }

    /// Knows a record that another one has written.
    pub(super) fn learn(&mut self, record: Record) {
        self.records.push(record);
    }

    /// All records, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Lines that were passed over.
    pub const fn damaged(&self) -> usize {
        self.damaged
    }

    /// Appends a record; with `sync`, it is durable when this returns.
    pub fn append(&mut self, stamp: &dyn Stamp, event: Event, sync: bool) -> Result<(), Failure> {
        let Some(log) = self.log.as_mut().filter(|_| !self.broken) else {
            return Err(Failure::new(Kind::Disk, "the journal could not be written before; nothing more is changed"));
        };
        let (time, uptime, run, boot) = stamp.stamp();
        let record = Record { time, uptime, run, boot, event };
        let line = encode(&record)?;
        if let Err(error) = log.append(&line, sync) {
            self.broken = true;
            return Err(Failure::io("journal", &error));
        }
        self.records.push(record);
        Ok(())
    }
}

fn encode(record: &Record) -> Result<Vec<u8>, Failure> {
    let json = reveal(|| serde_json::to_vec(record)).map_err(|error| Failure::new(Kind::Unknown, format!("journal record: {error}")))?;
    let mut line = checksum(&json).into_bytes();
    line.push(b' ');
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

fn checksum(json: &[u8]) -> String {
    hex(&sha256(json)[..8])
}

struct Scan {
    records: Vec<Record>,
    /// Length up to the last whole, sound line.
    whole: usize,
    damaged: usize,
    newer: bool,
}

fn scan(bytes: &[u8]) -> Scan {
    let mut scan = Scan { records: Vec::new(), whole: 0, damaged: 0, newer: false };
    let mut at = 0;
    let mut pending_damage = 0;
    while let Some(len) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = &bytes[at..at + len];
        at += len + 1;
        match decode(line) {
            Some(record) => {
                if let Event::Begin { format, .. } = &record.event {
                    scan.newer |= *format > FORMAT;
                }
                scan.records.push(record);
                scan.damaged += pending_damage;
                pending_damage = 0;
                scan.whole = at;
            }
            None => pending_damage += 1,
        }
    }
    scan
}

fn decode(line: &[u8]) -> Option<Record> {
    let (sum, json) = line.split_at_checked(17)?;
    if sum[16] != b' ' || checksum(json).as_bytes() != &sum[..16] {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Stamp for Fixed {
        fn stamp(&self) -> (f64, f64, String, String) {
            (1.0, 2.0, "run".into(), "boot".into())
        }
    }

    fn notice(text: &str) -> Event {
        Event::Notice { weight: None, message: text.into() }
    }

    fn texts(journal: &Journal) -> Vec<String> {
        journal
            .records()
            .iter()
            .filter_map(|record| match &record.event {
                Event::Notice { message, .. } => Some(message.clone()),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_torn_tail_is_cut_off_and_no_record_before_it_is_lost() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(AppendLog::new(&path, true)).expect("open");
        for text in ["one", "two", "three"] {
            journal.append(&Fixed, notice(text), true).expect("append");
        }
        let whole = std::fs::read(&path).expect("read");
        let second_end = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).expect("lines").0 + 1;
        for cut in second_end..whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("write");
            let mut journal = Journal::open(AppendLog::new(&path, true)).expect("open");
            assert_eq!(texts(&journal), ["one", "two"], "cut at {cut}");
            journal.append(&Fixed, notice("again"), true).expect("append");
            let journal = Journal::open(AppendLog::new(&path, true)).expect("open");
            assert_eq!(texts(&journal), ["one", "two", "again"], "cut at {cut}");
        }
    }

    #[test]
    fn a_damaged_line_in_the_middle_is_passed_over_and_counted() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("journal");
        let mut journal = Journal::open(AppendLog::new(&path, true)).expect("open");
        for text in ["one", "two", "three"] {
            journal.append(&Fixed, notice(text), true).expect("append");
        }
        let mut bytes = std::fs::read(&path).expect("read");
        let first_end = bytes.iter().position(|byte| *byte == b'\n').expect("line");
        bytes[first_end + 30] ^= 1;
        std::fs::write(&path, &bytes).expect("write");
        let journal = Journal::open(AppendLog::new(&path, true)).expect("open");
        assert_eq!((texts(&journal), journal.damaged()), (vec!["one".to_owned(), "three".to_owned()], 1));
    }
}
