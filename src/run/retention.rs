//! How long copies of what files held before are kept: those that undoing the recorded run needs as long as it is recorded, all
//! others for a time, and the latest of each file.

use std::collections::{BTreeMap, BTreeSet};

use super::restore::before;
use super::InstanceDir;
use crate::engine::journal::{Event, Record};
use crate::error::{Failure, Kind};
use crate::host::Host;
use crate::identity::STATE;
use crate::ordered::sort_by;
use crate::plan::{Frequency, Plan, Retention, Stage};
use crate::secret::reveal;

/// A copy: when it was made, the directory it is in, its name there.
type Copy = (f64, String, String);

/// Removes the copies that neither `plan`, recorded in `current`, needs nor its settings keep. How many. `applied`: by hand, so
/// that several plans have followed each other in one directory.
pub fn prune(host: &Host, current: &InstanceDir, plan: &Plan, applied: bool) -> Result<usize, Failure> {
    let mut kept: BTreeSet<(String, String)> = BTreeSet::new();
    let mut others: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
    let instances = format!("{STATE}/instances");
    let names = host.list(&instances).map_err(|error| Failure::io(&instances, &error))?;
    if names.len() == 1 && !applied {
        return Ok(0);
    }
    for name in &names {
        let directory = InstanceDir::new(name);
        let ledger = directory.ledger(host, Stage::Final, true)?;
        let backups = directory.places().backups();
        for frequency in [Frequency::Instance, Frequency::Once, Frequency::Boot] {
            for record in ledger.records(frequency) {
                if directory == *current && is_of(plan, &record.event) {
                    kept.extend(named(record)?.into_iter().map(|sha256| (backups.clone(), sha256)));
                    continue;
                }
                for one in before(&record.event) {
                    if let Some(sha256) = one.sha256() {
                        others.entry(one.path.to_owned()).or_default().push((record.time, backups.clone(), sha256.to_owned()));
                    }
                }
            }
        }
    }
    for copies in others.values_mut() {
        kept.extend(latest(copies, &plan.backups, host.now()));
    }
    let mut removed = 0;
    for name in &names {
        let backups = InstanceDir::new(name).places().backups();
        for sha256 in host.list(&backups).map_err(|error| Failure::io(&backups, &error))? {
            let path = format!("{backups}/{sha256}");
            if !kept.contains(&(backups.clone(), sha256)) && host.remove(&path).map_err(|error| Failure::io(&path, &error))? {
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// Whether it tells of a step of the plan, as that has it.
fn is_of(plan: &Plan, event: &Event) -> bool {
    let (step, digest) = match event {
        Event::Intent { step, digest, .. } | Event::Undone { step, digest, .. } => (step, digest),
        Event::Outcome(outcome) => (&outcome.step, &outcome.digest),
        _ => return false,
    };
    plan.steps.iter().any(|one| one.id == *step && one.digest() == digest)
}

/// Every checksum that a record names, whatever it is of: a file, dpkg's status, a configuration file that a package brought.
fn named(record: &Record) -> Result<Vec<String>, Failure> {
    let text =
        reveal(|| serde_json::to_string(&record.event)).map_err(|error| Failure::new(Kind::Unknown, format!("a record: {error}")))?;
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    Ok(words.filter(|word| word.len() == 64).map(str::to_owned).collect())
}

/// Those of one file that are young enough, and not too many. A clock that was set back makes none older.
fn latest(copies: &mut Vec<Copy>, retention: &Retention, now: f64) -> Vec<(String, String)> {
    sort_by(copies, |one, other| other.0.total_cmp(&one.0));
    let oldest = now - f64::from(retention.days) * 86_400.0;
    let young = copies.iter().filter(|copy| copy.0 >= oldest);
    young.take(retention.copies as usize).map(|(_, directory, sha256)| (directory.clone(), sha256.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_kept_by_age_and_number() {
        let day = 86_400.0;
        let copy = |days_ago: f64, name: &str| (1_000.0 * day - days_ago * day, "d".to_owned(), name.to_owned());
        let names = |retention: Retention| {
            let mut copies = vec![copy(3.0, "three"), copy(1.0, "one"), copy(40.0, "forty"), copy(-2.0, "ahead")];
            latest(&mut copies, &retention, 1_000.0 * day).into_iter().map(|(_, name)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(Retention { days: 90, copies: 10 }), ["ahead", "one", "three", "forty"]);
        assert_eq!(names(Retention { days: 30, copies: 10 }), ["ahead", "one", "three"]);
        assert_eq!(names(Retention { days: 90, copies: 2 }), ["ahead", "one"]);
        assert!(names(Retention { days: 90, copies: 0 }).is_empty());
    }
}
