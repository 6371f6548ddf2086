//! What is not any more as the run left it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::apply::{self, Checked, Context};
use super::journal::Verdict;
use super::ledger::{Ledger, StepState};
use super::Places;
use crate::error::Failure;
use crate::host::process::Limit;
use crate::host::Host;
use crate::plan::operation::UnitAction;
use crate::plan::{Operation, Plan, Step};

/// A step whose work has been changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drifted {
    /// Step id.
    pub step: String,
    /// What it does, in one line.
    pub description: String,
    /// What is not so any more.
    pub what: String,
}

/// What a look at the host found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drift {
    /// Steps whose work has been changed since.
    pub drifted: Vec<Drifted>,
    /// How many steps were compared.
    pub compared: usize,
    /// Ids of steps that nothing can be compared with.
    pub unknown: Vec<String>,
}

/// Compares the host with what the run left; changes nothing.
///
/// # Errors
/// Something cannot be read.
pub fn drift(host: &Host, plan: &Plan, ledger: &Ledger, places: &Places) -> Result<Drift, Failure> {
    let context = Context {
        host,
        output: host.real_path("/dev/null"),
        env: BTreeMap::new(),
        deadline: Limit::begin(None),
        silence: None,
        backups: places.backups(),
        downloads: places.downloads(),
        instance: plan.instance.clone(),
        datasource: plan.datasource.clone(),
        resources: plan.resources,
        apt_get: &plan.apt_get,
        say: &|_| (),
    };
    let mut drift = Drift::default();
    // A later step may have changed what an earlier one left: the last one counts.
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut seen_things = BTreeSet::new();
    for step in plan.steps.iter().rev() {
        let StepState::Ended(outcome, _) = ledger.state(step) else { continue };
        if outcome.verdict != Verdict::Done {
            continue;
        }
        let mut left = ledger.changes(step).pop().and_then(|change| change.left).unwrap_or_default();
        left.files.retain(|(path, _)| seen.insert(path.clone()));
        left.things.retain(|(thing, _)| seen_things.insert(thing.clone()));
        match of_step(step, &left, &context)? {
            Compared::Same => drift.compared += 1,
            Compared::Differs(what) => {
                drift.compared += 1;
                drift.drifted.push(Drifted { step: step.id.clone(), description: step.operation.describe(), what });
            }
            Compared::Unknown => drift.unknown.push(step.id.clone()),
            Compared::NothingLeft => {}
        }
    }
    drift.drifted.reverse();
    drift.unknown.reverse();
    Ok(drift)
}

enum Compared {
    Same,
    Differs(String),
    /// What it did is not known.
    Unknown,
    /// It leaves nothing.
    NothingLeft,
}

fn of_step(step: &Step, left: &apply::Left, context: &Context<'_>) -> Result<Compared, Failure> {
    let changed = apply::changed_since(left, context)?;
    if !changed.is_empty() {
        let gone = |path: &&String| path.starts_with('/') && !context.host.exists(path);
        let (gone, other): (Vec<&String>, Vec<&String>) = changed.iter().partition(gone);
        let said = |paths: &[&String], how: &str| {
            let names: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
            (!names.is_empty()).then(|| format!("{} {how}", names.join(", ")))
        };
        let what: Vec<String> = [said(&gone, "is gone"), said(&other, "has been changed")].into_iter().flatten().collect();
        return Ok(Compared::Differs(what.join("; ")));
    }
    match &step.operation {
        Operation::ScriptItem(_) | Operation::RunFile { .. } | Operation::RunDirectory { .. } | Operation::Command(_) => {
            Ok(Compared::Unknown)
        }
        Operation::Debconf { .. } | Operation::AptUpgrade => Ok(Compared::Unknown),
        Operation::Message { .. }
        | Operation::ShowHostKeys { .. }
        | Operation::ShowAuthorizedKeys { .. }
        | Operation::AptUpdate
        | Operation::RebootIfRequired
        | Operation::PowerState { .. }
        | Operation::Unit { action: UnitAction::Restart | UnitAction::Reload, .. } => Ok(Compared::NothingLeft),
        Operation::Service(service) => Ok(match apply::is_ready(service, context)? {
            true => Compared::Same,
            false => Compared::Differs(format!("{} is not ready", service.unit)),
        }),
        // What they changed is compared above.
        Operation::EditFile { .. }
        | Operation::CopyFile { .. }
        | Operation::AppendFile(_)
        | Operation::Download { .. }
        | Operation::ConfigureNetwork(_) => Ok(if left.files.is_empty() { Compared::Unknown } else { Compared::Same }),
        Operation::WriteFile(file) if left.files.is_empty() && !context.host.exists(&file.path) => {
            Ok(Compared::Differs(format!("{} is gone", file.path)))
        }
        // A password is known by its hash only, so that its check finds something to do.
        operation => Ok(match (apply::check(operation, context)?, apply::verify(operation, context)) {
            (Checked::Satisfied, _) | (Checked::Needed, Ok(())) => Compared::Same,
            (Checked::Needed, Err(failure)) => Compared::Differs(failure.message.replace("it was done, but ", "")),
        }),
    }
}
