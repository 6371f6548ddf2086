//! The power suite: the plug is pulled in the middle of a typical first boot, on a disk that then loses what was not synced. After
//! the next boot the host is as if nothing had happened, and no finished item of a script has run twice.
//!
//! `LANDFALL_LONG=1` asks for 300 random cuts instead of 40 and for every crash point instead of a choice.
//! `LANDFALL_POWER_SEED=N` repeats the choices of an earlier run, `LANDFALL_POWER_CUTS=N` makes that many random cuts.
//! The program is the package that `LANDFALL_DEB` names. Crash points and saboteurs need a build of their own, with the feature
//! `faults`, which the suite makes in `target/faults`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod death;
mod journal;
mod peer;
mod points;
mod product;
mod saboteurs;
mod schedule;
mod state;
mod trial;
mod typical;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use lab::{Disk, Lab, Release};
use product::Build;
use schedule::Chance;
use trial::{Moment, Trial, Uncut};

/// The uncut run that everything on a release is held against; it is made once.
fn uncut(lab: Lab, release: Release) -> Arc<Uncut> {
    type Cell = Arc<OnceLock<Arc<Uncut>>>;
    static MADE: Mutex<Option<HashMap<String, Cell>>> = Mutex::new(None);
    let cell = {
        let mut made = MADE.lock().unwrap();
        Arc::clone(made.get_or_insert_default().entry(format!("{release:?}")).or_default())
    };
    Arc::clone(cell.get_or_init(|| Arc::new(trial::uncut(lab, release, Disk::Ext4Upper, Build::Shipped))))
}

fn cuts_wanted() -> usize {
    let told = std::env::var("LANDFALL_POWER_CUTS").ok().and_then(|text| text.parse().ok());
    told.unwrap_or(if schedule::long() { 300 } else { 40 })
}

/// Trials with `count` cuts in all, spread evenly over the run and a bit of the time after it. Every sixth is cut in its second boot too.
fn random_trials(count: usize, chance: &mut Chance, longest: &dyn Fn(Release) -> Duration) -> Vec<Trial> {
    let mut strata: Vec<usize> = (0..count).collect();
    chance.shuffle(&mut strata);
    let mut strata = strata.into_iter();
    let mut trials = Vec::new();
    while let Some(stratum) = strata.next() {
        let number = trials.len();
        let release = if number % 4 == 3 { Release::Bookworm } else { Release::Trixie };
        let mut moment = |stratum: usize| {
            #[allow(clippy::cast_precision_loss)]
            let share = (stratum as f64 + chance.fraction()) / count as f64;
            Moment::After(longest(release).mul_f64(share * 1.1))
        };
        let mut cuts = vec![moment(stratum)];
        if number % 6 == 5 {
            cuts.extend(strata.next().map(&mut moment));
        }
        let disk = if number % 8 == 7 { Disk::Ext4Whole } else { Disk::Ext4Upper };
        trials.push(Trial { name: format!("{release:?} on {disk:?}, cut {cuts:?}"), release, disk, build: Build::Shipped, cuts });
    }
    trials
}

#[test]
fn a_first_boot_that_is_cut_at_any_instant_ends_as_an_uncut_one() {
    let Some(lab) = Lab::require() else { return };
    let seed = schedule::seed();
    let references = schedule::each(typical::RELEASES.to_vec(), |release| uncut(lab, *release));
    for (release, reference) in &references {
        println!("uncut on {release:?}: {:?}", reference.as_ref().unwrap().duration);
    }
    let trials = random_trials(cuts_wanted(), &mut Chance(seed), &|release| uncut(lab, release).duration);
    let (mut cuts, mut inside, mut differ) = (0, 0, Vec::new());
    for (trial, report) in schedule::each(trials, |trial| trial.run(lab, &uncut(lab, trial.release))) {
        let report = report.unwrap_or_else(|panic| trial::Report { cuts: trial.cuts.len(), wrong: vec![panic], ..Default::default() });
        cuts += report.cuts;
        inside += report.inside_of.iter().filter(|steps| !steps.is_empty()).count();
        println!("{}: inside {:?}", trial.name, report.inside_of);
        if !report.wrong.is_empty() {
            println!("DIFFERS: {}\n{}", trial.name, report.evidence);
            differ.push(format!("{}, inside {:?}:\n{}", trial.name, report.inside_of, report.wrong.join("\n")));
        }
    }
    println!("closing: power: {cuts} cuts (seed {seed}), {inside} inside a step, {} differ", differ.len());
    assert!(inside > 0, "no cut fell inside a step: they have shown nothing; repeat with LANDFALL_POWER_SEED={seed}");
    assert!(differ.is_empty(), "repeat with LANDFALL_POWER_SEED={seed}\n{}", differ.join("\n\n"));
}
