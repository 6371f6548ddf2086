//! A second of `make fuzz` for each reader, and what it found before: `found/TARGET/*` are read first.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, clippy::cast_possible_truncation)]

mod mutate;
#[path = "../validate/random.rs"]
mod random;
mod run;
mod targets;
mod worker;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Not a test by itself: what the others start.
#[test]
fn worker() {
    let Ok(given) = std::env::var("LANDFALL_FUZZ") else { return };
    let words: Vec<&str> = given.splitn(4, ' ').collect();
    landfall::run::rendering::answered_by(env!("CARGO_BIN_EXE_landfall"));
    worker::work(words[0], words[1].parse().unwrap(), Duration::from_millis(words[2].parse().unwrap()), Path::new(words[3]));
}

fn fuzzed(name: &str) {
    let target = targets::TARGETS.iter().find(|target| target.name == name).unwrap();
    let worker = |seed: u64, time: Duration, directory: &Path| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker", "--nocapture"]);
        command.env("LANDFALL_FUZZ", format!("{name} {seed} {} {}", time.as_millis(), directory.display()));
        command
    };
    let outcome = run::run(target, 1, Duration::from_secs(1), &worker);
    println!("{}", outcome.line);
    assert!(outcome.found.is_empty(), "{}: {:#?}", outcome.line, outcome.found);
    assert!(!outcome.line.contains(": 0 runs"), "{}", outcome.line);
}

#[test]
fn yaml_is_read_whatever_it_is() {
    fuzzed("yaml");
}

#[test]
fn mime_is_read_whatever_it_is() {
    fuzzed("mime");
}

#[test]
fn archives_are_read_whatever_they_are() {
    fuzzed("archive");
}

#[test]
fn templates_are_rendered_whatever_they_are() {
    fuzzed("jinja");
}

#[test]
fn what_is_compressed_is_read_whatever_it_is() {
    fuzzed("gzip");
}

#[test]
fn journals_are_read_whatever_they_are() {
    fuzzed("journal");
}
