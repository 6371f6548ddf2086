//! Only the process dies: the run is finished in the same boot.

use std::time::{Duration, Instant};

use crate::lab::{Booted, Disk, Lab, Release};
use crate::product::{self, Build, Faults};
use crate::schedule::{self, Chance};
use crate::state::EndState;
use crate::trial::{counts, evidence, options, settle, Moment, Trial};
use crate::{typical, uncut};

/// How it dies.
#[derive(Debug, Clone)]
enum Death {
    /// By abort at this point.
    At(&'static str),
    /// By SIGKILL at these instants: the main process alone, as an administrator or the OOM killer does it.
    Main(Vec<Duration>),
    /// By SIGKILL of every process of the unit.
    Unit(Vec<Duration>),
}

const POINTS: [&str; 4] = [
    "step.after-intent@write_files/etc/bash.bashrc",
    "file.before-rename@write_files/etc/example/large",
    "step.after-effect@runcmd/5",
    "journal.after-record@runcmd/7",
];

fn kill(booted: &Booted, times: &[Duration], whom: &str) -> usize {
    let begin = Instant::now();
    let mut killed = 0;
    for time in times {
        std::thread::sleep(time.saturating_sub(begin.elapsed()));
        for unit in ["landfall-local.service", "landfall-network.service", "landfall.service"] {
            let running = booted.exec(&["systemctl", "show", "--value", "-p", "ActiveState,MainPID", unit]).stdout;
            if running.contains("activating") && !running.lines().any(|line| line == "0") {
                killed += usize::from(booted.exec(&["systemctl", "kill", "-s", "KILL", whom, unit]).ok());
            }
        }
    }
    killed
}

fn dies(lab: Lab, release: Release, death: &Death) -> (usize, Vec<String>) {
    let host = product::host(lab, release, Disk::Directory, Build::Faults);
    if let Death::At(point) = death {
        product::arm(&host, &Faults { cut_at: Some((*point).to_owned()), ..Faults::default() });
    }
    let booted = host.boot(options());
    let deaths = match death {
        Death::At(_) => 1,
        Death::Main(times) => kill(&booted, times, "--kill-whom=main"),
        Death::Unit(times) => kill(&booted, times, "--kill-whom=all"),
    };
    let mut wrong = settle(&booted);
    if matches!(death, Death::At(_)) && !product::reached(&booted) {
        wrong.push("the point was not reached".into());
    }
    product::disarm(&host);
    let state = EndState::of(&booted, Disk::Directory);
    wrong.extend(state.problems.iter().cloned());
    // bootcmd keeps its record in /run, which lasts here: an item that was killed in the middle is run again.
    let differs = state.difference(&uncut(lab, release).state, lab.root(release));
    let again = |line: &String| (1..=deaths).any(|more| line.starts_with(&format!("bootcmd: Some(\"boot{}\")", "; boot".repeat(more))));
    wrong.extend(differs.into_iter().filter(|line| !again(line)));
    wrong.extend(counts(&host, &|_| 1 + deaths));
    if !wrong.is_empty() {
        println!("DIFFERS: {release:?} {death:?}\n{}", evidence(&booted));
    }
    (deaths, wrong)
}

#[test]
fn a_run_whose_process_dies_is_finished_in_the_same_boot() {
    let Some(lab) = Lab::require() else { return };
    let mut chance = Chance(schedule::seed());
    let mut cases: Vec<(Release, Death)> = POINTS.iter().map(|point| (Release::Trixie, Death::At(point))).collect();
    cases.push((Release::Bookworm, Death::At(POINTS[2])));
    for number in 0..if schedule::long() { 20 } else { 4 } {
        let release = typical::RELEASES[number % 2];
        let duration = uncut(lab, release).duration;
        let mut times: Vec<Duration> = (0..3).map(|_| duration.mul_f64(chance.fraction())).collect();
        times.sort();
        cases.push((release, if number % 4 < 2 { Death::Main(times) } else { Death::Unit(times) }));
    }
    let (mut deaths, mut wrong) = (0, Vec::new());
    for ((release, death), result) in schedule::each(cases, |(release, death)| dies(lab, *release, death)) {
        let (count, found) = result.unwrap_or_else(|panic| (0, vec![panic]));
        deaths += count;
        println!("{release:?} {death:?}: {count} deaths");
        if !found.is_empty() {
            wrong.push(format!("{release:?} {death:?}\n{}", found.join("\n")));
        }
    }
    let aborts = POINTS.len() + 1;
    assert!(deaths > aborts, "no random instant fell into a run: {deaths} deaths, {aborts} of them at points");
    println!("closing: death of the process only: {deaths} deaths, {} runs not finished in the same boot", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// `useradd` syncs no file of the home it makes: that home is found by whoever goes on, and may not count as done before it lasts.
#[test]
fn what_a_killed_run_left_in_memory_is_made_durable_before_it_counts_as_done() {
    let Some(lab) = Lab::require() else { return };
    let release = Release::Trixie;
    let stand = |point: &str| Faults { cut_at: Some(point.to_owned()), stand_still: true, ..Faults::default() };
    let trial = Trial {
        name: "killed after useradd, cut at the next step that changes anything".into(),
        release,
        disk: Disk::Ext4Upper,
        build: Build::Faults,
        cuts: vec![Moment::KilledThenAt(stand("step.after-effect@users_groups/ada"), stand("step.after-intent@users_groups/ada/ssh-keys"))],
    };
    let report = trial.run(lab, &uncut(lab, release));
    assert!(report.wrong.is_empty(), "{}\n{}", report.wrong.join("\n"), report.evidence);
    assert!(report.inside_of[0].contains("users_groups/ada/ssh-keys"), "{:?}", report.inside_of);
}
