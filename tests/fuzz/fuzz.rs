//! `make fuzz`: every reader is fed with changed inputs, FUZZ_SECONDS (60) each, from FUZZ_SEED (the time) on; FUZZ_TARGETS names
//! some of them. One line for each; what did harm is in target/fuzz. Exit 1 if anything did.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types, clippy::cast_possible_truncation)]

mod mutate;
#[path = "../validate/random.rs"]
mod random;
mod run;
mod targets;
mod worker;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

fn main() -> ExitCode {
    if let Some(code) = landfall::run::rendering::main(&std::env::args_os().collect::<Vec<_>>()) {
        return ExitCode::from(code);
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, target, seed, time, directory] = arguments.as_slice() {
        worker::work(target, seed.parse().unwrap(), Duration::from_millis(time.parse().unwrap()), Path::new(directory));
        return ExitCode::SUCCESS;
    }
    let setting = |name: &str, usual: u64| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (time, seed) = (Duration::from_secs(setting("FUZZ_SECONDS", 60)), setting("FUZZ_SEED", now));
    let wanted = std::env::var("FUZZ_TARGETS").unwrap_or_default();
    let mut outcomes = Vec::new();
    for target in targets::TARGETS.iter().filter(|target| wanted.is_empty() || wanted.split(',').any(|name| name == target.name)) {
        eprintln!("{}: {} s from seed {seed}", target.name, time.as_secs());
        let worker = |seed: u64, time: Duration, directory: &Path| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.arg(target.name).arg(seed.to_string()).arg(time.as_millis().to_string()).arg(directory);
            command
        };
        outcomes.push(run::run(target, seed, time, &worker));
    }
    for outcome in &outcomes {
        println!("{}", outcome.line);
        outcome.found.iter().for_each(|path| println!("  {}", path.display()));
    }
    ExitCode::from(u8::from(outcomes.iter().any(|outcome| !outcome.found.is_empty())))
}
