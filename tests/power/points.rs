//! Cuts exactly at the points between which the journal's promises lie.

use crate::lab::{Disk, Lab, Release};
use crate::product::{Build, Faults};
use crate::schedule::{self, Chance};
use crate::trial::{self, Moment, Report, Trial};
use crate::uncut;

/// Points that every suite run must meet: the program has them all, and the typical run comes by each.
const POINTS: [&str; 10] = [
    "journal.before-record",
    "journal.after-record",
    "journal.after-fsync",
    "step.after-intent",
    "step.before-effect",
    "step.after-effect",
    "step.after-syncfs",
    "file.before-fsync",
    "file.before-rename",
    "file.after-rename",
];

/// Points of which one is tried in `make check`; at full size, all are.
const CHOICE: usize = 24;

/// What kind of step it is: points of the same name in steps of one kind are alike.
fn kind(step: &str) -> &str {
    step.split('/').next().unwrap_or("")
}

/// One of each pair of point and kind of step, in the order of the run; the last of its kind, where the most stands before it.
fn candidates(traced: &[(String, String)]) -> Vec<String> {
    let mut found: Vec<(String, String)> = Vec::new();
    for (point, step) in traced {
        let alike = |other: &(String, String)| other.0 == *point && kind(&other.1) == kind(step);
        match found.iter_mut().find(|other| alike(other)) {
            Some(other) => other.1.clone_from(step),
            None => found.push((point.clone(), step.clone())),
        }
    }
    found.into_iter().map(|(point, step)| format!("{point}@{step}")).collect()
}

/// A choice in which every point comes first with some step.
fn chosen(mut candidates: Vec<String>, chance: &mut Chance) -> Vec<String> {
    chance.shuffle(&mut candidates);
    let mut seen: Vec<String> = Vec::new();
    candidates.sort_by_cached_key(|candidate| {
        let point = candidate.split('@').next().unwrap_or("").to_owned();
        let again = seen.iter().filter(|other| **other == point).count();
        seen.push(point);
        again
    });
    candidates.truncate(CHOICE);
    candidates
}

#[test]
fn a_cut_at_any_point_of_the_journal_changes_nothing() {
    let Some(lab) = Lab::require() else { return };
    let release = Release::Trixie;
    let seed = schedule::seed();
    let reference = uncut(lab, release);
    let with_points = trial::uncut(lab, release, Disk::Ext4Upper, Build::Faults);
    let difference = with_points.state.difference(&reference.state, lab.root(release));
    assert!(difference.is_empty(), "two uncut runs differ: the comparison cannot be trusted\n{}", difference.join("\n"));
    for point in POINTS {
        assert!(with_points.traced.iter().any(|(name, _)| name == point), "{point} is not on the way of the typical run");
    }
    let all = candidates(&with_points.traced);
    let count = all.len();
    let targets = if schedule::long() { all } else { chosen(all, &mut Chance(seed)) };
    let trials: Vec<Trial> =
        targets.into_iter().map(|target| at(release, Faults { cut_at: Some(target), stand_still: true, ..Faults::default() })).collect();
    let (cuts, mut wrong) = (trials.len(), Vec::new());
    for (trial, report) in schedule::each(trials, |trial| trial.run(lab, &reference)) {
        let report = report.unwrap_or_else(|panic| Report { wrong: vec![panic], ..Report::default() });
        println!("{}: inside {:?}", trial.name, report.inside_of);
        if !report.wrong.is_empty() {
            println!("DIFFERS: {}\n{}", trial.name, report.evidence);
            wrong.push(format!("{}\n{}", trial.name, report.wrong.join("\n")));
        }
    }
    println!("closing: points: {cuts} cuts at {count} journal points (seed {seed}), {} differ", wrong.len());
    assert!(wrong.is_empty(), "repeat with LANDFALL_POWER_SEED={seed}\n{}", wrong.join("\n\n"));
}

/// A trial with one cut where these faults say.
pub fn at(release: Release, faults: Faults) -> Trial {
    let point = faults.cut_at.clone().unwrap_or_default();
    let name = format!("{release:?}, cut at {point}{}", faults.sabotage.map_or_else(String::new, |name| format!(" with {name}")));
    Trial { name, release, disk: Disk::Ext4Upper, build: Build::Faults, cuts: vec![Moment::At(faults)] }
}
