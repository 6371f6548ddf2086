//! `bootcmd`, `runcmd`, and the scripts that came with the user-data or lie in the script directories.

use super::{Module, Scope, Steps};
use crate::config::typed::scripts::{ScriptItems, ScriptLine};
use crate::plan::operation::{content, Content, Operation, Owner, ScriptItem, WriteFile};
use crate::plan::{digest_of, Frequency, OnError, Stage};
use crate::script;
use crate::secret::Secret;

use std::collections::BTreeMap;

/// Commands of every boot.
pub const BOOTCMD: Module = Module {
    name: "bootcmd",
    stage: Stage::Network,
    frequency: Frequency::Boot,
    keys: &["bootcmd"],
    implied: false,
    plan: |scope, steps| {
        let env = BTreeMap::from([("INSTANCE_ID".to_owned(), scope.facts.instance_id.clone())]);
        plan_items(&scope.keys.bootcmd, &env, scope, steps);
    },
};

/// Commands of the first boot. The peer runs them as one of the user's scripts, in byte order of the names.
pub const RUNCMD: Module = Module {
    name: "runcmd",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["runcmd"],
    implied: false,
    plan: |scope, steps| plan_items(&scope.keys.runcmd, &BTreeMap::new(), scope, steps),
};

const fn directory(name: &'static str, frequency: Frequency, plan: fn(&Scope<'_>, &mut Steps)) -> Module {
    Module { name, stage: Stage::Final, frequency, keys: &[], implied: false, plan }
}

/// `/var/lib/cloud/scripts/per-once`.
pub const PER_ONCE: Module =
    directory("scripts_per_once", Frequency::Once, |scope, steps| plan_directory(Frequency::Once, "per-once", scope, steps));
/// `/var/lib/cloud/scripts/per-boot`.
pub const PER_BOOT: Module =
    directory("scripts_per_boot", Frequency::Boot, |scope, steps| plan_directory(Frequency::Boot, "per-boot", scope, steps));
/// `/var/lib/cloud/scripts/per-instance`.
pub const PER_INSTANCE: Module = directory("scripts_per_instance", Frequency::Instance, |scope, steps| {
    plan_directory(Frequency::Instance, "per-instance", scope, steps);
});
/// The user's scripts whose names come before `runcmd`.
pub const USER_BEFORE: Module =
    directory("scripts_user", Frequency::Instance, |scope, steps| plan_user_scripts(|name| name < "runcmd", scope, steps));
/// The user's scripts whose names come after `runcmd`.
pub const USER_AFTER: Module =
    directory("scripts_user", Frequency::Instance, |scope, steps| plan_user_scripts(|name| name >= "runcmd", scope, steps));

const SCRIPTS: &str = "/var/lib/cloud/scripts";
const USER_SCRIPTS: &str = "/var/lib/cloud/instance/scripts";

/// When a script that came with the user-data is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptKind {
    /// Once for the instance, beside `runcmd`: `#!` user-data, `text/x-shellscript`.
    User,
    /// With the scripts of that directory: `text/x-shellscript-per-boot` and its like.
    Per(Frequency),
}

/// A script that came with the user-data.
#[derive(Clone, Debug)]
pub struct UserScript {
    /// File name, without directory: `part-001`.
    pub name: String,
    /// What it holds.
    pub content: Content,
    /// When it is run.
    pub kind: ScriptKind,
}

fn plan_directory(frequency: Frequency, directory: &str, scope: &Scope<'_>, steps: &mut Steps) {
    let path = format!("{SCRIPTS}/{directory}");
    let own: Vec<&UserScript> = scope.scripts.iter().filter(|script| script.kind == ScriptKind::Per(frequency)).collect();
    for script in &own {
        write_script(&path, script, steps);
    }
    if !own.is_empty() || scope.implies(&[]) {
        steps.add("", Operation::RunDirectory { path });
    }
}

fn plan_user_scripts(belongs: impl Fn(&str) -> bool, scope: &Scope<'_>, steps: &mut Steps) {
    let mut own: Vec<&UserScript> =
        scope.scripts.iter().filter(|script| script.kind == ScriptKind::User && belongs(&script.name)).collect();
    own.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    for script in own {
        let written = write_script(USER_SCRIPTS, script, steps);
        let operation = Operation::RunFile { path: format!("{USER_SCRIPTS}/{}", script.name), env: BTreeMap::new() };
        steps.add(&script.name, operation).needs(written);
    }
}

fn write_script(directory: &str, script: &UserScript, steps: &mut Steps) -> String {
    let path = format!("{directory}/{}", script.name);
    let file = WriteFile {
        path,
        content: content(unix_lines(&script.content.expose().0)),
        mode: Some(0o700),
        owner: Some(Owner::root()),
        own_parents: false,
    };
    steps.add(&format!("{}/write", script.name), Operation::WriteFile(file)).every(Frequency::Instance).id()
}

/// A script whose first line ends as on Windows would name an interpreter that does not exist.
fn unix_lines(bytes: &[u8]) -> Vec<u8> {
    let first_end = bytes.iter().position(|byte| *byte == b'\n');
    if !first_end.is_some_and(|at| at > 0 && bytes[at - 1] == b'\r') {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        if !(*byte == b'\r' && bytes.get(at + 1) == Some(&b'\n')) {
            out.push(*byte);
        }
    }
    out
}

/// One step for each item, or for each run of items that only parse jointly.
fn plan_items(items: &ScriptItems, env: &BTreeMap<String, String>, scope: &Scope<'_>, steps: &mut Steps) {
    let script = steps.prefix().to_owned();
    let ranges = joined(items.items.len(), scope.facts.joint_items.get(&script));
    let texts: Vec<&str> = items.items.iter().map(|item| item.text.expose().as_str()).collect();
    let script_digest = digest_of(&texts);
    let last_matters = items.items.last().map(|item| item.number);
    // In a phase that stops at an error no item is less important than the last.
    let all_matter = matches!(steps.on_error(), OnError::Stop | OnError::Rollback);
    for (first, last) in ranges {
        let part = &items.items[first..=last];
        let mut item = script_item(&script, &script_digest, part, items.total, env);
        item.shown = script::shown(item.text.expose(), scope.redactor);
        let stops = item.stops_machine.is_some();
        let is_last = part.last().map(|line| line.number) == last_matters;
        let lost = item.lost_on_resume.join(", ");
        let mut step = steps.add(&item.range(), Operation::ScriptItem(item)).at(&part[0].origin);
        if !is_last && !all_matter {
            step = step.degrades();
        }
        if stops && step.is_of_every_boot() {
            step = step.notice("it stops the machine, and it is run at every boot: nothing ends that by itself");
        }
        if !is_last && !lost.is_empty() {
            let _ = step.notice(format!("if the power fails after this item, later items do without: {lost}"));
        }
    }
}

/// Ranges of items to run as one, covering all of them in order; what is not named stands alone.
fn joined(count: usize, named: Option<&Vec<(usize, usize)>>) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < count {
        let last =
            named.and_then(|named| named.iter().find(|(first, _)| *first == at)).map_or(at, |(_, last)| (*last).clamp(at, count - 1));
        ranges.push((at, last));
        at = last + 1;
    }
    ranges
}

fn script_item(script: &str, script_digest: &str, part: &[ScriptLine], total: u32, env: &BTreeMap<String, String>) -> ScriptItem {
    let texts: Vec<&str> = part.iter().map(|line| line.text.expose().as_str()).collect();
    let text = texts.join("\n");
    let definition = script::is_definition(&text);
    ScriptItem {
        script: script.to_owned(),
        script_digest: script_digest.to_owned(),
        first: part.first().map_or(0, |line| line.number),
        last: part.last().map_or(0, |line| line.number),
        total,
        shown: String::new(),
        definition,
        stops_machine: script::stops_machine(&text),
        lost_on_resume: if definition { Vec::new() } else { script::lost_state(&text) },
        env: env.clone(),
        text: Secret::new(text),
    }
}
