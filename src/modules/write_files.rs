//! `write_files`: files before users and packages, or, with `defer`, after them.

use super::{Module, Steps};
use crate::config::typed::{CloudConfig, FileEntry};
use crate::facts::Facts;
use crate::plan::operation::{content, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage, Weight};

/// Largest content after unpacking.
const CONTENT_LIMIT: u64 = 64 << 20;

/// Entries without `defer`.
pub const EARLY: Module = Module {
    name: "write_files",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["write_files"],
    plan: |config, facts, steps| plan(config, facts, steps, false),
};

/// Entries with `defer`.
pub const DEFERRED: Module = Module {
    name: "write_files_deferred",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["write_files"],
    plan: |config, facts, steps| plan(config, facts, steps, true),
};

fn plan(config: &CloudConfig, _facts: &Facts, steps: &mut Steps, deferred: bool) {
    for entry in config.write_files.iter().filter(|entry| entry.defer == deferred) {
        add(entry, steps);
    }
}

fn add(entry: &FileEntry, steps: &mut Steps) {
    let path = if entry.path.starts_with('/') { entry.path.clone() } else { format!("/{}", entry.path) };
    let raw = entry.content.as_ref().map_or(&[][..], |content| content.0.expose());
    let bytes = match entry.encoding.decode(raw, CONTENT_LIMIT) {
        Ok(bytes) => bytes,
        Err(why) => {
            steps.problem(Some(Weight::Failed), format!("{}: content of {path} is {why}; the file is not written", entry.origin));
            return;
        }
    };
    let file = WriteFile {
        path: path.clone(),
        content: content(bytes),
        mode: Some(entry.permissions.map_or(0o644, |mode| mode.0)),
        owner: Some(owner(entry.owner.as_deref())),
        own_parents: true,
    };
    let operation = match &entry.source {
        Some(source) => Operation::Download {
            url: source.uri.clone(),
            headers: source.headers.0.clone(),
            file,
            append: entry.append,
        },
        None if entry.append => Operation::AppendFile(file),
        None => Operation::WriteFile(file),
    };
    let needs_network = entry.source.as_ref().is_some_and(|source| source.uri.contains("://") && !source.uri.starts_with("file:"));
    let step = steps.add(&path, operation).at(&entry.origin);
    if needs_network {
        step.not_before(Stage::Network);
    }
}

/// `user[:group]`; `-1`, `none` and nothing leave that half as it is.
fn owner(text: Option<&str>) -> Owner {
    let Some(text) = text else { return Owner::root() };
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let named = |name: &str| Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "-1" && !name.eq_ignore_ascii_case("none"));
    Owner { user: named(user), group: group.and_then(named) }
}
