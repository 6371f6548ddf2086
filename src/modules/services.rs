//! `services` of a phase: after its packages, files and scripts.

use super::{Module, Scope, Steps};
use crate::config::typed::services::{ServiceEntry, ServiceState};
use crate::plan::operation::{Operation, Readiness, Service, UnitAction};
use crate::plan::{Frequency, Stage};

/// Start services and wait for them.
pub const SERVICES: Module =
    Module { name: "services", stage: Stage::Final, frequency: Frequency::Instance, keys: &[], implied: false, plan };

/// Time to get ready, where none is given.
const TIMEOUT: u64 = 90;

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    for item in scope.phase.iter().flat_map(|phase| &phase.head.services) {
        add(&item.0, steps);
    }
}

/// A service is enabled once it runs: one that cannot run is not to be started at every boot.
fn add(entry: &ServiceEntry, steps: &mut Steps) {
    let unit = &entry.name.0;
    let started = entry.wanted_state().map(|state| steps.add(unit, operation(entry, state)).at(&entry.origin).id());
    let Some(enable) = entry.wanted_enablement() else { return };
    let (name, action) = if enable { ("enable", UnitAction::Enable) } else { ("disable", UnitAction::Disable) };
    let step = steps.add(&format!("{unit}/{name}"), Operation::Unit { unit: unit.clone(), action, optional: false }).at(&entry.origin);
    if let Some(started) = started {
        let _ = step.needs(started);
    }
}

fn operation(entry: &ServiceEntry, state: ServiceState) -> Operation {
    let unit = entry.name.0.clone();
    let action = match state {
        ServiceState::Stopped => return Operation::Unit { unit, action: UnitAction::Stop, optional: false },
        ServiceState::Started => UnitAction::Start,
        ServiceState::Restarted => UnitAction::Restart,
        ServiceState::Reloaded => UnitAction::Reload,
    };
    Operation::Service(Service {
        unit,
        action,
        ready: entry.wait.as_ref().map_or(Readiness::Active, |wait| wait.0.clone()),
        timeout_seconds: entry.timeout.map_or(TIMEOUT, |timeout| timeout.seconds),
        ports: entry.ports.0.iter().map(|port| port.0).collect(),
    })
}
