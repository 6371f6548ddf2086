//! One case through one program: prepare the root, boot as often as the case says, and see what changed.

use std::time::{Duration, Instant};

use crate::case::{Boot, Case};
use crate::content::Known;
use crate::lab::{BootOptions, Booted, Ended, Host, Lab};
use crate::program::Program;
use crate::running;
use crate::state::{self, Facts};

const SEED: &str = "/var/lib/cloud/seed/nocloud";

/// How a case ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the program changed, and what was seen while the host was up.
    pub facts: Facts,
    /// What the program says of itself, for the reader: not compared.
    pub status: String,
}

/// Runs `case` through `program`.
pub fn provision(lab: Lab, case: &Case, program: &Program) -> Outcome {
    let lab_key = std::fs::read_to_string(lab.mirror().join("key.asc")).unwrap();
    let host = program.host(lab);
    let known = Known::of(case, &lab_key, &host.files().read("/etc/shadow"));
    program.lay_out(lab, &host, &case.name);
    for (path, content, mode) in &case.files {
        host.files().write(path, content, *mode);
    }
    for command in &case.settings.prepare {
        host.chroot(&["sh", "-c", command]).expect_ok();
    }
    host.files().write(&format!("{SEED}/user-data"), case.packed(&lab_key), 0o644);
    let before = state::of(&host, lab, &known);

    let mut facts = Facts::new();
    let mut status = String::new();
    for (at, expected) in case.settings.boots.iter().enumerate() {
        host.files().write(&format!("{SEED}/meta-data"), case.meta_data(at), 0o644);
        let last = at + 1 == case.settings.boots.len();
        let seen = boot(&host, case, program, *expected, last);
        if case.settings.boots.len() > 1 {
            facts.insert(format!("boot/{}", at + 1), seen.ended);
        }
        facts.extend(seen.facts);
        if !seen.status.is_empty() {
            status = seen.status;
        }
    }

    let after = state::of(&host, lab, &known);
    facts.extend(state::change(&before, &after));
    Outcome { facts, status }
}

struct Seen {
    ended: String,
    facts: Facts,
    status: String,
}

fn boot(host: &Host, case: &Case, program: &Program, expected: Boot, last: bool) -> Seen {
    let booted = host.boot(BootOptions::default());
    let mut seen = Seen { ended: "stays".into(), facts: Facts::new(), status: String::new() };
    let mut ended = if expected == Boot::Stays { None } else { wait_for_end(&booted) };
    if ended.is_none() {
        ended = settle(&booted);
    }
    if ended.is_none() {
        let said = program.wait(&booted);
        seen.status = running::summary(program, &said);
        if last {
            seen.facts = running::facts(&booted, case, program);
        }
        booted.shutdown();
    }
    if let Some(ended) = ended {
        seen.ended = match ended {
            Ended::Reboot => "reboots".into(),
            Ended::PowerOff => "powers off".into(),
            other => format!("{other:?}"),
        };
    }
    seen
}

/// Waits for the end of a boot that is to end by itself. Nothing is run in the host meanwhile: systemd-shutdown stops every
/// process for a moment, and nsenter would stop itself with its child, for good.
fn wait_for_end(booted: &Booted) -> Option<Ended> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(90) {
        if let Some(ended) = booted.try_end() {
            return Some(ended);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Waits until the boot is complete; says how it ended if that came first.
fn settle(booted: &Booted) -> Option<Ended> {
    let begin = Instant::now();
    loop {
        let state = booted.exec(&["systemctl", "is-system-running", "--wait"]);
        if matches!(state.stdout.trim(), "running" | "degraded") {
            return None;
        }
        if let Some(ended) = booted.try_end() {
            return Some(ended);
        }
        if state.stdout.trim() == "stopping" {
            return Some(booted.wait_end());
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "the boot does not complete: {state:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
