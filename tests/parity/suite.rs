//! The tests.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::case::{directory_of_suite, Case};
use crate::compare::{differing, judge, told, Verdict};
use crate::lab::Lab;
use crate::program::Program;
use crate::provision::provision;
use crate::stored::{self, Stored};

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn matching(wanted: &str) -> Vec<Case> {
    let mut cases = Case::all();
    cases.retain(|case| wanted.split(',').any(|part| case.name.contains(part)));
    cases
}

/// The cases that were asked for.
fn asked() -> Vec<Case> {
    matching(&variable("LANDFALL_PARITY_CASES").unwrap_or_default())
}

/// Calls `act` for each case, some at a time (a host that boots often waits), and gives what it said in the cases' order. A panic is told as an error.
fn for_each<R: Send>(cases: &[Case], act: impl Fn(&Case) -> R + Sync) -> Vec<Result<R, String>> {
    let waiting = Mutex::new(cases.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || loop {
        let Some((at, case)) = waiting.lock().unwrap().next() else {
            return;
        };
        let begin = Instant::now();
        let act = std::panic::AssertUnwindSafe(|| act(case));
        let result = std::panic::catch_unwind(act).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.unwrap_or_else(|| "the test panicked".into())
        });
        // Not captured by libtest: the way to see how far a long run is.
        let _ = writeln!(std::io::stderr(), "parity: {} {:.1} s", case.name, begin.elapsed().as_secs_f32());
        done.lock().unwrap().push((at, result));
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from) + 1;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// A comparison that was not asked for in a recording run would only say what the recording says better.
fn is_recording() -> bool {
    variable("LANDFALL_PARITY_RECORD").is_some()
}

#[test]
fn landfall_leaves_what_cloud_init_leaves() {
    let Some(lab) = Lab::require() else { return };
    if is_recording() {
        return;
    }
    let Some(program) = Program::landfall(lab) else {
        return;
    };
    let cases = asked();
    let verdicts = for_each(&cases, |case| {
        let verdict = match Stored::read(case) {
            Ok(stored) => judge(case, &stored.facts, &provision(lab, case, &program).facts),
            Err(reason) => Verdict { failures: vec![reason], ..Verdict::default() },
        };
        if !verdict.failures.is_empty() {
            println!("--- {}: {}\n{}", case.name, case.settings.says, verdict.failures.join("\n"));
        }
        verdict
    });
    let mut agree = 0;
    let mut differ = 0;
    let mut failed = Vec::new();
    let mut ids = BTreeSet::new();
    for (case, verdict) in cases.iter().zip(verdicts) {
        let verdict = verdict.unwrap_or_else(|panic| {
            println!("--- {}: {panic}", case.name);
            Verdict { failures: vec![panic], ..Verdict::default() }
        });
        if !verdict.failures.is_empty() {
            failed.push(case.name.clone());
        } else if verdict.by_design.is_empty() {
            agree += 1;
        } else {
            differ += 1;
        }
        ids.extend(verdict.by_design);
    }
    println!(
        "closing: parity: {} cases, {agree} agree, {differ} differ by design ({}), {} fail",
        cases.len(),
        ids.into_iter().collect::<Vec<_>>().join(", "),
        failed.len()
    );
    assert!(failed.is_empty(), "these cases fail: {}", failed.join(", "));
}

/// The cases whose peer results are renewed in this run. By default two, others every day.
fn renewed() -> Vec<Case> {
    match variable("LANDFALL_PARITY_RENEW").as_deref() {
        Some("all") => Case::all(),
        Some("none") => Vec::new(),
        Some(names) => matching(names),
        None => {
            let cases = Case::all();
            let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            let first = (seconds / 86400) as usize * 2;
            [first, first + 1].map(|at| cases[at % cases.len()].clone()).into()
        }
    }
}

#[test]
fn stored_peer_results_are_what_cloud_init_does_today() {
    let Some(lab) = Lab::require() else { return };
    if is_recording() {
        return record(lab);
    }
    let cases = renewed();
    let results = for_each(&cases, |case| {
        let stored = Stored::read(case)?;
        let now = Stored::from(provision(lab, case, &Program::CloudInit));
        if now == stored {
            return Ok(());
        }
        let differing = differing(&stored.facts, &now.facts);
        let lines: Vec<_> = differing.into_iter().map(|(name, pair)| told(name, pair)).collect();
        Err(format!("stored (as peer) and today's (as landfall) differ; {} | {}\n{}", stored.status, now.status, lines.join("\n")))
    });
    let mut names = Vec::new();
    let mut failures = Vec::new();
    for (case, result) in cases.iter().zip(results) {
        names.push(case.name.as_str());
        if let Err(reason) = result.unwrap_or_else(Err) {
            failures.push(format!("--- {}: {reason}", case.name));
        }
    }
    println!("closing: parity: renewed from cloud-init: {}; {} differ from what is stored", names.join(", "), failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn record(lab: Lab) {
    let (base, cases): (Vec<_>, Vec<_>) = asked().into_iter().partition(stored::is_base);
    record_all(lab, &base);
    record_all(lab, &cases);
}

fn record_all(lab: Lab, cases: &[Case]) {
    let results = for_each(cases, |case| {
        let stored = Stored::from(provision(lab, case, &Program::CloudInit));
        stored.write(case);
        stored
    });
    let mut failures = Vec::new();
    for (case, result) in cases.iter().zip(results) {
        match result {
            Ok(stored) => println!("{}: {}, {} facts", case.name, stored.status, stored.facts.len()),
            Err(reason) => failures.push(format!("{}: {reason}", case.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_stored_result_belongs_to_a_case_as_it_is() {
    let cases = Case::all();
    for case in &cases {
        if !is_recording() {
            if let Err(reason) = Stored::read(case) {
                panic!("{}: {reason}", case.name);
            }
        }
    }
    for entry in std::fs::read_dir(directory_of_suite().join("peer")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().replace(".json", "");
        let known = name == "BASE" || cases.iter().any(|case| case.name == name);
        assert!(known, "peer/{name}.json has no case");
    }
}

#[test]
fn every_expected_difference_has_its_entry_in_differences_md() {
    let entries = std::fs::read_to_string(directory_of_suite().join("DIFFERENCES.md")).unwrap_or_default();
    for case in Case::all() {
        for expected in &case.settings.expect_different {
            let heading = entries.lines().any(|line| {
                let words = line.trim_start_matches(['#', '|', '-', '*', ' ', '`']);
                let rest = words.strip_prefix(expected.id.as_str());
                rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-'))
            });
            assert!(heading, "{}: DIFFERENCES.md has no entry {}", case.name, expected.id);
        }
    }
}
