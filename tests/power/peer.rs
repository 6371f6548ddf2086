//! What the same cuts do to Debian 13's cloud-init: a measurement, made at full size only. It passes whatever the figure is.

use std::time::{Duration, Instant};

use crate::journal::Journals;
use crate::lab::{Booted, Disk, Host, Lab, Release};
use crate::schedule::{self, Chance};
use crate::state::EndState;
use crate::trial::{counts, options};
use crate::typical;

const RELEASE: Release = Release::TrixieCloudInit;
const CUTS: usize = 34;
/// Boots after the cut in which it may mend itself.
const BOOTS: usize = 2;

fn host(lab: Lab) -> Host {
    let host = lab.host(RELEASE, Disk::Ext4Upper);
    typical::seed(&host, lab);
    host
}

fn settle(booted: &Booted) -> String {
    booted.wait_running();
    booted.exec(&["cloud-init", "status", "--wait"]).stdout.trim().to_owned()
}

/// Whether the host is another one than after an uncut boot, for good; and what cloud-init says.
fn cut(lab: Lab, uncut: &EndState, at: Duration) -> (Vec<String>, String) {
    let host = host(lab);
    let booted = host.boot(options());
    std::thread::sleep(at);
    booted.power_cut();
    let (mut found, mut said) = (Vec::new(), String::new());
    for _ in 0..BOOTS {
        let booted = host.boot(options());
        said = settle(&booted);
        let state = EndState::of(&booted, Disk::Ext4Upper);
        found = state.problems.clone();
        found.extend(state.difference(uncut, lab.root(RELEASE)));
        found.extend(counts(&host, &|_| 2));
        if found.is_empty() {
            break;
        }
        booted.shutdown();
    }
    assert!(Journals::read(&host.files()).finished().is_empty(), "landfall is not part of this");
    (found, said)
}

#[test]
fn the_peer_is_measured_by_the_same_cuts() {
    let Some(lab) = Lab::require() else { return };
    if !schedule::long() {
        println!("left out: it is measured with LANDFALL_LONG=1");
        return;
    }
    let seed = schedule::seed();
    let made = schedule::each(vec![(), ()], |()| {
        let host = host(lab);
        let begin = Instant::now();
        let booted = host.boot(options());
        let said = settle(&booted);
        let duration = begin.elapsed();
        println!("uncut: {said}, {duration:?}, {:?}", counts(&host, &|_| 1));
        (EndState::of(&booted, Disk::Ext4Upper), duration)
    });
    let mut made: Vec<_> = made.into_iter().map(|(_, result)| result.unwrap()).collect();
    let (again, _) = made.pop().unwrap();
    let (uncut, duration) = made.pop().unwrap();
    let noise = again.difference(&uncut, lab.root(RELEASE));
    assert!(noise.is_empty(), "two uncut runs of the peer differ: the comparison cannot be trusted\n{}", noise.join("\n"));

    let mut chance = Chance(seed);
    #[allow(clippy::cast_precision_loss)]
    let times: Vec<Duration> = (0..CUTS).map(|cut| duration.mul_f64((cut as f64 + chance.fraction()) / CUTS as f64)).collect();
    let mut differ = 0;
    for (at, result) in schedule::each(times, |at| cut(lab, &uncut, *at)) {
        let (found, said) = result.unwrap_or_else(|panic| (vec![panic], "nothing".into()));
        differ += usize::from(!found.is_empty());
        let shown: Vec<String> = found.iter().take(4).map(|line| line.chars().take(200).collect()).collect();
        println!("cut after {at:?}: says {said:?}, {} differences: {}", found.len(), shown.join("; "));
    }
    println!("closing: peer: {differ} of {CUTS} cuts differ for good (cloud-init 25.1, seed {seed})");
}
