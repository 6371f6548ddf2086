//! The plan of an instance: made when the instance is new, made anew where it is damaged or was made of half the user-data.

use std::time::Duration;

use super::instance_dir::Inputs;
use super::prepare::NETWORK_CONFIG;
use super::{Fetching, InstanceDir, Job, Patience, Prepared, Source, SETTLE_WAIT};
use crate::compat;
use crate::config::problem::{Problem, Severity};
use crate::config::settings::Overrides;
use crate::error::{Failure, Kind};
use crate::host::Host;
use crate::identity::{self, Here, Recorded, STATE};
use crate::plan::{NetworkEvent, Plan, Stage, Weight};

/// How long the last stage tries to fetch what user-data includes.
const INCLUDE_WAIT: Duration = Duration::from_secs(5 * 60);

/// Plans an instance that is new here.
pub(super) fn new_instance(
    host: &Host,
    machine: Recorded,
    id: &str,
    mode: &'static str,
    source: &Source,
    (given, stage): (&Overrides, Stage),
) -> Result<Job, Failure> {
    let directory = InstanceDir::new(&identity::directory_of(id));
    let prepared = super::prepare(host, id, source, given, &fetching(stage, &directory))?;
    let recorded = Recorded {
        instance_id: Some(id.to_owned()),
        directory: Some(directory.name().to_owned()),
        source: Some(source.datasource().to_owned()),
        ..machine
    };
    store(host, &directory, source, &prepared)?;
    recorded.store(host)?;
    Ok(Job { directory, plan: prepared.plan, mode, known: true, notices: Vec::new() })
}

/// The plan last, because it is what counts: once it is stored nobody writes cloud-init's files again. What stands beside it is synced
/// as a whole before.
fn store(host: &Host, directory: &InstanceDir, source: &Source, prepared: &Prepared) -> Result<(), Failure> {
    let Source::Datasource(found) = source else { return directory.store_of(host, source, prepared, Inputs::ToBeStored) };
    let state = directory.places().instance;
    directory.make_unsynced(host)?;
    compat::new_instance(host, &state, found, &prepared.copies, &prepared.system)
        .map_err(|error| Failure::io("cloud-init's files", &error))?;
    let inputs = directory.store_inputs_unsynced(host, prepared)?;
    host.sync_filesystems_of(&[STATE, compat::CLOUD])?;
    directory.store_of(host, source, prepared, inputs)
}

/// How long a stage waits for what user-data includes: nothing holds up the network, and a login not for long.
fn fetching(stage: Stage, directory: &InstanceDir) -> Fetching {
    let patience = match stage {
        Stage::Local => Patience::Later,
        Stage::Network => Patience::Within(SETTLE_WAIT),
        Stage::Final => Patience::Within(INCLUDE_WAIT),
    };
    Fetching { patience, kept: Some(directory.includes()) }
}

/// Includes what an earlier stage or boot could not, and makes the plan anew, of which what was done counts as done. What still
/// cannot be had is in the plan as a problem.
pub(super) fn complete(host: &Host, job: &mut Job, stage: Stage, given: &Overrides) -> Result<(), Failure> {
    if !job.plan.is_incomplete() || stage == Stage::Local {
        return Ok(());
    }
    let Some(source) = job.directory.source(host)? else {
        let told = format!("the user-data is incomplete, and what the datasource gave is lost ({})", job.plan.waits_for.join(", "));
        job.notices.push((Some(Weight::Failed), told));
        return Ok(());
    };
    let prepared = super::prepare(host, &job.plan.instance, &source, given, &fetching(stage, &job.directory))?;
    store(host, &job.directory, &source, &prepared)?;
    job.plan = prepared.plan;
    Ok(())
}

/// The step that configures the network.
pub(super) const NETWORK_STEP: &str = "network";

/// Has the plan configure the network as the datasource describes it now; everything else of the plan stays. What to say where that
/// cannot be read.
fn renew_network(
    host: &Host,
    directory: &InstanceDir,
    plan: &mut Plan,
    source: &Source,
    given: &Overrides,
) -> Result<Option<(Option<Weight>, String)>, Failure> {
    let prepared = super::prepare(host, &plan.instance, source, given, &fetching(Stage::Local, directory))?;
    if plan.take_step(NETWORK_STEP, &prepared.plan) {
        directory.store_plan(host, plan)?;
    }
    let of_network = |problem: &Problem| problem.origin.as_ref().is_some_and(|origin| *origin.part == *NETWORK_CONFIG);
    let wrong = prepared.report.problems.iter().find(|problem| problem.severity == Severity::Error && of_network(problem));
    Ok(wrong.map(|problem| (Some(Weight::Degraded), format!("the network stays as it is: {}", problem.sentence()))))
}

/// The recorded instance: its stored plan counts, whatever the datasource says now.
pub(super) fn same_instance(
    host: &Host,
    recorded: Option<Recorded>,
    here: &Here,
    id: &str,
    mode: &'static str,
    source: Option<Source>,
    (given, stage, event): (&Overrides, Stage, Option<NetworkEvent>),
) -> Result<Option<Job>, Failure> {
    let adopted = recorded.as_ref().is_some_and(|recorded| recorded.installed_on_running_system);
    let directory = InstanceDir::new(recorded.and_then(|recorded| recorded.directory).as_deref().unwrap_or(&identity::directory_of(id)));
    if let Some(Source::Datasource(found)) = &source {
        // A cloud-init did the rest of this instance before landfall took its place.
        if compat::stored_subject(host, &directory.places().instance).is_none() {
            super::keep(compat::in_use(host, found));
        }
    }
    let mut notices = Vec::new();
    let anew = source.as_ref().filter(|source| directory.holds(host, source));
    let stored = match directory.load_plan(host) {
        Err(failure) if failure.kind == Kind::Disk && anew.is_some() => {
            let aside = directory.put_aside_damaged_plan(host)?;
            let told = format!(
                "{}; it was made anew from the same user-data, and the journal tells what is done (kept as {aside})",
                failure.message
            );
            notices.push((Some(Weight::Degraded), told));
            None
        }
        loaded => loaded?,
    };
    let Some(mut plan) = stored else {
        // A host that was in use is not provisioned because the record of what was applied by hand is lost.
        let Some(source) = source.filter(|_| !adopted) else { return Ok(None) };
        let job = new_instance(host, Recorded::of(here), id, mode, &source, (given, stage))?;
        return Ok(Some(Job { notices, ..job }));
    };
    if let (Some(source), Some(event)) = (&source, event) {
        if event == NetworkEvent::Hotplug || plan.network_events.contains(&event) {
            notices.extend(renew_network(host, &directory, &mut plan, source, given)?);
        }
    }
    if let Some(source) = source.filter(|source| !directory.holds(host, source)) {
        let told = format!(
            "the user-data from {} has changed since this instance was provisioned; it is not applied again (`landfall apply` does)",
            source.datasource()
        );
        notices.push((None, told));
    }
    Ok(Some(Job { directory, plan, mode, known: true, notices }))
}
