//! Which steps a rollback undoes, and which later ones rest on them.

use std::collections::BTreeSet;

use super::apply::Prior;
use super::journal::{Undone, Verdict};
use super::ledger::{Ledger, StepState};
use crate::plan::{Frequency, Operation, Plan, Step, Undo};

/// How much is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The whole run.
    All,
    /// One phase.
    Phase(String),
    /// One step.
    Step(String),
}

/// What a rollback comes to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Choice {
    /// Ids of the steps, last first.
    pub steps: Vec<String>,
    /// Steps that would be undone although a later one, which would stay, rests on them: both ids.
    pub needed: Vec<(String, String)>,
}

/// Chooses the steps of `extent`; with `cascade`, also the later ones that rest on them.
pub fn choose(plan: &Plan, ledger: &Ledger, extent: &Extent, cascade: bool) -> Choice {
    let is_meant = |step: &&Step| match extent {
        Extent::All => true,
        Extent::Phase(phase) => step.phase == *phase,
        Extent::Step(id) => step.id == *id,
    };
    let chosen = plan.steps.iter().filter(is_meant).filter(|step| is_open(step, ledger)).map(|step| step.id.clone()).collect();
    weigh(plan, ledger, chosen, cascade)
}

/// As [`choose`], for steps that are chosen one by one.
pub fn weigh(plan: &Plan, ledger: &Ledger, mut chosen: BTreeSet<String>, cascade: bool) -> Choice {
    let changed: Vec<&Step> =
        plan.steps.iter().filter(|step| step.frequency != Frequency::Boot && !ledger.changes(step).is_empty()).collect();
    let things: Vec<BTreeSet<String>> = changed.iter().map(|step| things(step, ledger)).collect();
    let mut needed = Vec::new();
    for (at, step) in changed.iter().enumerate() {
        let rests_on = |earlier: usize| {
            let other = changed[earlier];
            chosen.contains(&other.id) && (step.needs.contains(&other.id) || rest_on(&things[at], &things[earlier]))
        };
        let Some(earlier) = (0..at).find(|earlier| rests_on(*earlier)) else { continue };
        if chosen.contains(&step.id) {
            continue;
        }
        if cascade {
            chosen.insert(step.id.clone());
        } else {
            needed.push((changed[earlier].id.clone(), step.id.clone()));
        }
    }
    let steps = plan.steps.iter().rev().filter(|step| chosen.contains(&step.id)).map(|step| step.id.clone()).collect();
    Choice { steps, needed }
}

/// A later step that rests on this one and that was to be undone but was not.
pub(super) fn holds<'p>(plan: &'p Plan, ledger: &Ledger, step: &Step) -> Option<&'p Step> {
    let own = things(step, ledger);
    let later = plan.steps.iter().skip_while(|other| other.id != step.id).skip(1);
    let rests = |later: &&Step| {
        matches!(later.operation.undo(), Undo::Restored(_))
            && ledger.not_undone(later).is_some()
            && (later.needs.contains(&step.id) || rest_on(&things(later, ledger), &own))
    };
    later.into_iter().find(rests)
}

/// It has changed something, or is still to be done. What is done at every boot is not undone: the next boot would do it again.
fn is_open(step: &Step, ledger: &Ledger) -> bool {
    if step.frequency == Frequency::Boot || matches!(ledger.not_undone(step), Some(Undone::Left { .. })) {
        return false;
    }
    !ledger.changes(step).is_empty() || ledger.has_failed_or_waits(step)
}

/// What a step has changed or works on, by name.
fn things(step: &Step, ledger: &Ledger) -> BTreeSet<String> {
    let mut things = BTreeSet::new();
    for change in ledger.changes(step) {
        match change.prior {
            Prior::Files { files, new_directories } => {
                things.extend(files.into_iter().map(|(path, _)| path));
                things.extend(new_directories.into_iter().map(|path| path + "/"));
            }
            Prior::Hostname { .. } => drop(things.insert("hostname".to_owned())),
            Prior::NewUser { name, .. } => drop(things.insert(format!("user {name}"))),
            Prior::Shadow { user, .. } => drop(things.insert(format!("user {user}"))),
            Prior::NewGroup { name } => drop(things.insert(format!("group {name}"))),
            Prior::NewMembers { group, users } => {
                things.insert(format!("group {group}"));
                things.extend(users.iter().map(|user| format!("user {user}")));
            }
            Prior::Unit { unit, .. } => drop(things.insert(format!("unit {unit}"))),
            Prior::SwapFile { path } => drop(things.insert(path)),
            Prior::None | Prior::Packages { .. } | Prior::Disk { .. } => {}
        }
    }
    match &step.operation {
        Operation::AuthorizedKeys { user, .. } => drop(things.insert(format!("user {user}"))),
        Operation::User(user) => {
            things.extend(user.groups.iter().chain(&user.primary_group).map(|group| format!("group {group}")));
        }
        Operation::WriteFile(file) | Operation::AppendFile(file) | Operation::Download { file, .. } => {
            let owner = file.owner.iter();
            things.extend(owner.clone().filter_map(|owner| owner.user.as_ref()).map(|user| format!("user {user}")));
            things.extend(owner.filter_map(|owner| owner.group.as_ref()).map(|group| format!("group {group}")));
        }
        _ => {}
    }
    things.remove("user root");
    things.remove("group root");
    things
}

/// The later one has to do with what the earlier one made: the same thing, or a path in a directory that it made.
fn rest_on(later: &BTreeSet<String>, earlier: &BTreeSet<String>) -> bool {
    earlier.iter().any(|thing| later.contains(thing) || (thing.ends_with('/') && later.iter().any(|path| path.starts_with(thing.as_str()))))
}

impl Ledger {
    /// It was not done, or not to its end: a later start would run it.
    fn has_failed_or_waits(&self, step: &Step) -> bool {
        match self.state(step) {
            StepState::Pending | StepState::Interrupted(_) => true,
            StepState::Ended(outcome, _) => !matches!(outcome.verdict, Verdict::Done | Verdict::Undone),
        }
    }
}
