//! `bootcmd`, `runcmd`, and the scripts that came with the user-data or lie in the script directories.

use super::{Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::scripts::{ScriptItems, ScriptLine};
use crate::plan::operation::{content, Content, Operation, Owner, ScriptItem, WriteFile};
use crate::plan::{digest_of, Frequency, OnError, Stage};
use crate::script::{self, Script};
use crate::secret::Secret;

use crate::ordered::{map_of, sort_by};
use std::collections::BTreeMap;

/// Commands of every boot.
pub const BOOTCMD: Module = Module {
    name: "bootcmd",
    stage: Stage::Network,
    frequency: Frequency::Boot,
    keys: &["bootcmd"],
    implied: false,
    plan: |scope, steps| {
        let env = map_of([("INSTANCE_ID".to_owned(), scope.facts.instance_id.clone())]);
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

/// The vendor's scripts.
pub const VENDOR: Module = directory("scripts_vendor", Frequency::Instance, plan_vendor_scripts);
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
const VENDOR_SCRIPTS: &str = "/var/lib/cloud/instance/scripts/vendor";

/// When a script that came with the user-data is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptKind {
    /// Once for the instance, beside `runcmd`: `#!` user-data, `text/x-shellscript`.
    User,
    /// With the scripts of that directory: `text/x-shellscript-per-boot` and its like.
    Per(Frequency),
    /// Once for the instance, before the user's: a script of the vendor.
    Vendor,
}

/// A script that came with the user-data.
#[derive(Clone, Debug)]
pub struct UserScript {
    /// File name, without directory: `part-001`.
    pub name: String,
    /// What messages call it.
    pub part: String,
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

fn plan_vendor_scripts(scope: &Scope<'_>, steps: &mut Steps) {
    let mut own: Vec<&UserScript> = scope.scripts.iter().filter(|script| script.kind == ScriptKind::Vendor).collect();
    sort_by(&mut own, |a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let prefix = scope.keys.vendor_data.as_ref().map(|vendor| vendor.prefix.clone()).unwrap_or_default();
    for script in own {
        let written = write_script(VENDOR_SCRIPTS, script, steps);
        let path = format!("{VENDOR_SCRIPTS}/{}", script.name);
        steps.add(&script.name, Operation::RunFile { path, env: BTreeMap::new(), prefix: prefix.clone() }).needs(written);
    }
}

fn plan_user_scripts(belongs: impl Fn(&str) -> bool, scope: &Scope<'_>, steps: &mut Steps) {
    let mut own: Vec<&UserScript> =
        scope.scripts.iter().filter(|script| script.kind == ScriptKind::User && belongs(&script.name)).collect();
    sort_by(&mut own, |a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    for script in own {
        let written = write_script(USER_SCRIPTS, script, steps);
        let path = format!("{USER_SCRIPTS}/{}", script.name);
        let operation = Operation::RunFile { path, env: BTreeMap::new(), prefix: Vec::new() };
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
pub(crate) fn unix_lines(bytes: &[u8]) -> Vec<u8> {
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
        let (mut item, bashisms) = script_item(&script, &script_digest, part, items.total, env);
        report_bashisms(&bashisms, &part[0], &script, steps);
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

/// A command of another module.
pub struct ShellLine {
    /// Its number from 1, as the user counts.
    pub number: u32,
    /// Shell text.
    pub text: String,
    /// What is shown of it, before secrets are masked.
    pub shown: String,
    /// Where the user wrote it.
    pub origin: Origin,
}

/// Commands that a user wrote for another module, each in a shell of its own.
pub fn plan_commands(commands: &ScriptItems, needed: &[String], scope: &Scope<'_>, steps: &mut Steps) {
    let alone = |line: &ScriptLine| {
        let text = line.text.expose();
        let (number, origin) = (line.number, line.origin.clone());
        ShellLine { number, text: format!("/bin/sh -c {}", script::quote(text)), shown: text.clone(), origin }
    };
    let lines: Vec<ShellLine> = commands.items.iter().map(alone).collect();
    plan_lines(&lines, commands.total, needed, false, scope, steps);
}

/// Commands of another module, of which none matters less than the others; `total` is how many the user counts. `chained`: each
/// needs the one before.
pub fn plan_lines(lines: &[ShellLine], total: u32, needed: &[String], chained: bool, scope: &Scope<'_>, steps: &mut Steps) {
    let name = steps.prefix().to_owned();
    let digest = digest_of(&lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>());
    let mut before: Option<String> = None;
    for line in lines {
        let part = [ScriptLine { number: line.number, text: Secret::new(line.text.clone()), origin: line.origin.clone() }];
        let (mut item, _) = script_item(&name, &digest, &part, total, &BTreeMap::new());
        item.shown = script::shown(&line.shown, scope.redactor);
        item.stops_machine = Script::read(&line.shown).stops_machine();
        let mut step = steps.add(&item.range(), Operation::ScriptItem(item)).at(&line.origin);
        for id in needed.iter().chain(&before) {
            step = step.needs(id.as_str());
        }
        let id = step.id();
        before = chained.then_some(id);
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

fn script_item(
    script: &str,
    script_digest: &str,
    part: &[ScriptLine],
    total: u32,
    env: &BTreeMap<String, String>,
) -> (ScriptItem, Vec<&'static str>) {
    let texts: Vec<&str> = part.iter().map(|line| line.text.expose().as_str()).collect();
    let text = texts.join("\n");
    let read = Script::read(&text);
    let definition = read.is_definition();
    let bashisms = read.bashisms();
    let item = ScriptItem {
        script: script.to_owned(),
        script_digest: script_digest.to_owned(),
        first: part.first().map_or(0, |line| line.number),
        last: part.last().map_or(0, |line| line.number),
        total,
        shown: String::new(),
        definition,
        stops_machine: read.stops_machine(),
        lost_on_resume: if definition { Vec::new() } else { read.lost_state() },
        env: env.clone(),
        text: Secret::new(text),
    };
    (item, bashisms)
}

/// dash says `not found` of most of it, and of `&>` nothing.
fn report_bashisms(bashisms: &[&str], line: &ScriptLine, script: &str, steps: &mut Steps) {
    for what in bashisms {
        let (does, instead) = match *what {
            "&>" => ("runs the command in the background and redirects nothing", "write `>FILE 2>&1`"),
            "[[" => ("does not know it", "write `[ ... ]`, or `bash -c '...'`"),
            "set -o pipefail" => ("ends the script there", "leave it out, or write `bash -c '...'`"),
            "source" => ("does not know it", "write `. FILE`, or `bash -c '...'`"),
            _ => ("does not know it", "write `bash -c '...'`"),
        };
        let message = format!("item {} of {script}: `{what}` is of bash; /bin/sh, which runs it, is dash and {does}", line.number);
        steps.report.note("bash", message).at(&line.origin).help(instead);
    }
}
