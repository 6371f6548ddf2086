//! `power_state`. Its `timeout`, the time the peer waits for its own end, has nothing to say here: this is the last step, and
//! whatever comes before it has ended by then, however long that took.

use super::{ops, Module, Scope, Steps};
use crate::plan::operation::{Condition, Operation};
use crate::plan::{Frequency, Stage};

/// Reboot, halt or power off when the run has ended.
pub const POWER_STATE: Module = Module {
    name: "power_state_change",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["power_state"],
    implied: false,
    plan,
};

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(state) = &scope.keys.power_state else { return };
    if ops::is_unread("power_state", state.unread(), "the host stays on", steps) {
        return;
    }
    let condition = state.condition.clone().unwrap_or(Condition::Constant(true));
    if condition == Condition::Constant(false) {
        return;
    }
    let operation = Operation::PowerState {
        mode: state.mode,
        delay_minutes: state.delay.unwrap_or_default().0,
        message: state.message.as_ref().map(|text| text.0.clone()).filter(|text| !text.is_empty()),
        condition,
    };
    steps.add("", operation).at(&state.origin);
    if state.timeout.is_some() {
        let message = "`power_state.timeout` is not needed: landfall acts when the run has ended, however long that takes";
        steps.report.note("power-state", message).at(state.place("timeout"));
    }
}
