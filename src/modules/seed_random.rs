//! `random_seed`.

use base64::prelude::{Engine as _, BASE64_STANDARD};

use super::{ops, Module, Scope, Steps};
use crate::config::typed::files::Encoding;
use crate::config::typed::seed::RandomSeed;
use crate::plan::operation::{content, Command, Operation, WriteFile};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

/// What the kernel's random numbers are seeded with.
pub const SEED_RANDOM: Module =
    Module { name: "seed_random", stage: Stage::Local, frequency: Frequency::Instance, keys: &["random_seed"], implied: true, plan };

const POOL: &str = "/dev/urandom";
/// Largest seed after unpacking.
const SEED_LIMIT: u64 = 1 << 20;

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let said = scope.keys.random_seed.as_ref();
    let path = said.and_then(|seed| seed.file.as_ref()).map_or(POOL, |file| &file.0);
    let mut bytes = said.map(|seed| decoded(seed, steps)).unwrap_or_default();
    bytes.extend(scope.facts.metadata_seed.iter().flat_map(|seed| seed.expose().bytes()));
    if !bytes.is_empty() {
        let step = steps.add("", seeding(path, bytes));
        if let Some(seed) = said {
            let _ = step.at(&seed.origin);
        }
    }
    if let Some(seed) = said {
        plan_command(seed, path, scope, steps);
    }
}

/// The seed; empty where it cannot be decoded, which is reported.
fn decoded(seed: &RandomSeed, steps: &mut Steps) -> Vec<u8> {
    let Some(data) = &seed.data else { return Vec::new() };
    // An encoding that is not known has been reported.
    if seed.encoding.is_none() && seed.given.contains(&"encoding") {
        return Vec::new();
    }
    let encoding = seed.encoding.map_or(Encoding::Plain, |encoding| encoding.0);
    let decoded = encoding.decode(data.0.expose(), SEED_LIMIT).unwrap_or_else(|why| {
        let message = format!("random_seed.data is {why}: it is not used");
        steps.report.error("encoding", message).at(seed.place("data")).help("correct `encoding` or `data`");
        Vec::new()
    });
    if !decoded.is_empty() && encoding.drops_some(data.0.expose()) {
        let message = "random_seed.data has characters that base64 does not have: they are dropped";
        steps.report.warning("encoding", message).at(seed.place("data"));
    }
    decoded
}

/// A device takes the bytes as they come; a file has them added.
fn seeding(path: &str, bytes: Vec<u8>) -> Operation {
    if path.starts_with("/dev/") {
        let command = ops::command(&["/bin/sh", "-c", "base64 -d >>\"$1\"", "sh", path], &[], "seed the random numbers");
        return Operation::Command(Command { stdin: Some(Secret::new(BASE64_STANDARD.encode(bytes))), ..command });
    }
    Operation::AppendFile(WriteFile { path: path.to_owned(), content: content(bytes), mode: None, owner: None, own_parents: false })
}

fn plan_command(seed: &RandomSeed, path: &str, scope: &Scope<'_>, steps: &mut Steps) {
    let place = seed.place(if seed.command.is_empty() { "command_required" } else { "command" });
    let Some(program) = seed.command.first() else {
        if seed.command_required {
            let message = "random_seed.command_required is set, and there is no `command`";
            steps.report.error("random-seed", message).at(place).help("add `command`, or take `command_required` away");
        }
        return;
    };
    if !scope.facts.has(program) {
        let message = format!("random_seed.command: there is no program `{program}`: it is not run");
        if seed.command_required {
            steps.report.error(super::OF_THIS_HOST, message).at(place).help("have the image hold it, or take `command_required` away");
        } else {
            steps.report.note(super::OF_THIS_HOST, message).at(place);
        }
        return;
    }
    let mut command = Command { idempotent: false, ..ops::command(&[], &seed.command, "seed the random numbers") };
    command.env.insert("RANDOM_SEED_FILE".into(), path.to_owned());
    steps.add("command", Operation::Command(command)).at(place);
}
