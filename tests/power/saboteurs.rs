//! Programs with one promise broken, which the suite must not let pass.

use crate::lab::{Lab, Release};
use crate::points::at;
use crate::product::Faults;
use crate::schedule;
use crate::uncut;

/// Each with the cut that shows it: after a finished item of a script whose files only `syncfs` saves, and before the effect of a step.
const SABOTEURS: [(&str, &str); 3] = [
    ("no-syncfs", "step.after-intent@runcmd/6"),
    ("no-record-fsync", "step.after-intent@runcmd/6"),
    ("outcome-first", "step.before-effect@write_files/etc/example/app.conf"),
];

#[test]
fn every_saboteur_is_caught_and_only_saboteurs_are() {
    let Some(lab) = Lab::require() else { return };
    let release = Release::Trixie;
    let reference = uncut(lab, release);
    let faults = |point: &str, sabotage| Faults { cut_at: Some(point.to_owned()), stand_still: true, sabotage, ..Faults::default() };
    let mut trials: Vec<_> = SABOTEURS.iter().map(|(name, point)| at(release, faults(point, Some(*name)))).collect();
    trials.extend(SABOTEURS[1..].iter().map(|(_, point)| at(release, faults(point, None))));
    let (mut caught, mut wrong) = (0, Vec::new());
    for (number, (trial, report)) in schedule::each(trials, |trial| trial.run(lab, &reference)).into_iter().enumerate() {
        // A trial that could not be made has caught nobody.
        let report = report.unwrap_or_else(|panic| panic!("{}: {panic}", trial.name));
        match (number < SABOTEURS.len(), report.wrong.is_empty()) {
            (true, false) => {
                caught += 1;
                println!("{}: caught by: {}", trial.name, report.wrong[..report.wrong.len().min(3)].join("; "));
            }
            (true, true) => wrong.push(format!("{}: survived", trial.name)),
            (false, false) => wrong.push(format!("{}: an honest program is accused\n{}", trial.name, report.wrong.join("\n"))),
            (false, true) => {}
        }
    }
    println!("closing: saboteurs: {caught} of {} caught", SABOTEURS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
