//! One trial: a first boot is cut, the host is booted until its run is settled, and what came of it is held against a host that
//! was never cut.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::journal::Journals;
use crate::lab::{BootOptions, Booted, Disk, Host, Lab, Release};
use crate::product::{self, Build, Faults};
use crate::state::EndState;
use crate::typical;

/// Boots in which a run must be settled after the last cut.
const BOOTS: usize = 3;
/// The longest that a boot of the typical run may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// When the power goes.
#[derive(Debug, Clone)]
pub enum Moment {
    /// So long after systemd took over.
    After(Duration),
    /// When the build with faults stands still at this point.
    At(Faults),
    /// It is killed where it stands still at the first point, started again in the same boot, and cut at the second.
    KilledThenAt(Faults, Faults),
}

/// What is cut, and when: one moment for each boot that is cut.
#[derive(Debug, Clone)]
pub struct Trial {
    /// For messages.
    pub name: String,
    /// Debian's release.
    pub release: Release,
    /// The disk.
    pub disk: Disk,
    /// The program.
    pub build: Build,
    /// Each is the end of one boot.
    pub cuts: Vec<Moment>,
}

/// What came of a trial.
#[derive(Debug, Default)]
pub struct Report {
    /// Cuts that were made.
    pub cuts: usize,
    /// For each, the steps in the middle of which it fell, by the journal on the disk.
    pub inside_of: Vec<BTreeSet<String>>,
    /// What is wrong with the host in the end; empty is right.
    pub wrong: Vec<String>,
    /// What helps to understand it; long.
    pub evidence: String,
}

/// A host that was never cut, and how long its run took.
pub struct Uncut {
    /// Where it ended up.
    pub state: EndState,
    /// From systemd's start to the end of the boot.
    pub duration: Duration,
    /// Points it went through.
    pub traced: Vec<(String, String)>,
}

pub fn options() -> BootOptions {
    BootOptions { timeout: PATIENCE, ..BootOptions::default() }
}

/// Runs it uncut.
pub fn uncut(lab: Lab, release: Release, disk: Disk, build: Build) -> Uncut {
    let host = product::host(lab, release, disk, build);
    if build == Build::Faults {
        product::arm(&host, &Faults { trace: true, ..Faults::default() });
    }
    let begin = Instant::now();
    let booted = host.boot(options());
    let unsettled = settle(&booted);
    let duration = begin.elapsed();
    let traced = if build == Build::Faults { product::traced(&booted) } else { Vec::new() };
    product::disarm(&host);
    let state = EndState::of(&booted, disk);
    let wrong: Vec<String> = unsettled.into_iter().chain(state.problems.clone()).chain(counts(&host, &|_| 1)).collect();
    assert!(wrong.is_empty(), "an uncut run on {release:?} is wrong already:\n{}\n{}", wrong.join("\n"), evidence(&booted));
    Uncut { state, duration, traced }
}

impl Trial {
    /// Cuts, boots, compares.
    pub fn run(&self, lab: Lab, uncut: &Uncut) -> Report {
        let host = product::host(lab, self.release, self.disk, self.build);
        let mut report = Report::default();
        let mut settled = BTreeSet::new();
        for moment in &self.cuts {
            if cut(&host, moment, &mut report, &mut settled) {
                report.cuts += 1;
            }
        }
        let booted = boot_until_settled(&host, &mut report);
        let state = EndState::of(&booted, self.disk);
        report.wrong.extend(state.problems.iter().cloned());
        report.wrong.extend(state.difference(&uncut.state, lab.root(self.release)));
        report.wrong.extend(counts(&host, &|item| report.most(item, &settled)));
        if !report.wrong.is_empty() {
            report.evidence = evidence(&booted);
        }
        report
    }
}

/// Boots the host and pulls the plug. `settled` learns which items may not run again.
fn cut(host: &Host, moment: &Moment, report: &mut Report, settled: &mut BTreeSet<String>) -> bool {
    if let Moment::At(faults) | Moment::KilledThenAt(faults, _) = moment {
        product::arm(host, faults);
    }
    let booted = host.boot(options());
    match moment {
        Moment::After(time) => std::thread::sleep(*time),
        Moment::At(faults) => wait_for_point(&booted, faults),
        Moment::KilledThenAt(first, second) => {
            wait_for_point(&booted, first);
            product::start_again(host, &booted, second);
            wait_for_point(&booted, second);
        }
    }
    let before = Journals::read(&host.files());
    booted.power_cut();
    let after = Journals::read(&host.files());
    let lost: Vec<String> = before.durable().difference(&after.finished()).cloned().collect();
    report.wrong.extend(lost.iter().map(|step| format!("{step}: its outcome was recorded, the run went on, and the cut took the record")));
    settled.extend(before.durable());
    settled.extend(after.finished());
    report.inside_of.push(after.interrupted());
    if !matches!(moment, Moment::After(_)) {
        product::disarm(host);
    }
    true
}

fn wait_for_point(booted: &Booted, faults: &Faults) {
    let end = Instant::now() + PATIENCE;
    let mut look = Instant::now() + Duration::from_secs(3);
    while !product::reached(booted) {
        assert!(Instant::now() < end, "{faults:?} was not reached in time\n{}", evidence(booted));
        if Instant::now() > look {
            let over = booted.exec(&["systemctl", "is-active", "landfall.service"]).stdout.trim() == "active";
            assert!(!over || product::reached(booted), "{faults:?} is not on the way of the run\n{}", evidence(booted));
            look += Duration::from_secs(1);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn boot_until_settled(host: &Host, report: &mut Report) -> Booted {
    for boot in 1.. {
        let booted = host.boot(options());
        let wrong = settle(&booted);
        if wrong.is_empty() || boot == BOOTS {
            report.wrong.extend(wrong);
            return booted;
        }
        booted.shutdown();
    }
    unreachable!("the loop returns")
}

/// Waits for the end of the boot and of the run in it. Gives what is wrong with landfall's own account of the run.
pub fn settle(booted: &Booted) -> Vec<String> {
    booted.wait_running();
    let output = booted.exec(&["landfall", "status", "--wait", "--timeout", "90", "--format", "json"]);
    let state = serde_json::from_str::<serde_json::Value>(&output.stdout).ok().and_then(|value| value["state"].as_str().map(str::to_owned));
    if output.code() == Some(0) && state.as_deref() == Some("done") {
        return Vec::new();
    }
    vec![format!("landfall status: exit {:?}, state {state:?}\n{}{}", output.code(), output.stdout, output.stderr)]
}

impl Report {
    /// How often a step may have run: once more for each cut in the middle of it, and those not in `settled` for each cut at all.
    fn most(&self, step: &str, settled: &BTreeSet<String>) -> usize {
        1 + if settled.contains(step) { self.inside_of.iter().filter(|steps| steps.contains(step)).count() } else { self.cuts }
    }
}

/// What is wrong with the numbers of times that the items of `runcmd` ran; `most` says how often each step may have run.
pub fn counts(host: &Host, most: &dyn Fn(&str) -> usize) -> Vec<String> {
    let text = host.files().try_read(typical::COUNT).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned());
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    // An append that was not synced can leave NUL bytes: that of an item that was cut in the middle, which has to run again.
    for line in text.split_terminator('\n').map(|line| line.trim_start_matches('\0')) {
        *lines.entry(line).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for item in typical::COUNTED {
        let ran = lines.remove(item.to_string().as_str()).unwrap_or(0);
        let most = most(&format!("runcmd/{item}"));
        if ran == 0 || ran > most {
            wrong.push(format!("runcmd item {item} ran {ran} times, at most {most} are right"));
        }
    }
    wrong.extend(lines.keys().map(|line| format!("{}: a line that no item wrote: {line:?}", typical::COUNT)));
    wrong
}

/// What helps to understand a trial that went wrong.
pub fn evidence(booted: &Booted) -> String {
    let log = booted
        .sh("cat /var/lib/landfall/instances/*/journal; landfall status --long; journalctl --no-pager -q -n 60 -t landfall -t systemd");
    format!("--- evidence\n{}{}", log.stdout, log.stderr)
}
