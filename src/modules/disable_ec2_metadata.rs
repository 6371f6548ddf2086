//! `disable_ec2_metadata`.

use super::{ops, packages, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// No one on this host can ask the cloud's metadata service. Routes do not outlive a boot.
pub const DISABLE_EC2_METADATA: Module = Module {
    name: "disable_ec2_metadata",
    stage: Stage::Final,
    frequency: Frequency::Boot,
    keys: &["disable_ec2_metadata"],
    implied: false,
    plan,
};

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    if !scope.keys.disable_ec2_metadata {
        return;
    }
    let place = scope.keys.place("disable_ec2_metadata");
    let missing = !scope.facts.has("ip");
    let installed = missing.then(|| packages::install_together(&["iproute2".to_owned()], place, steps)).flatten();
    // `replace`: a run that was cut off behind it finds the route there.
    let command = ops::command(&["ip", "route", "replace", "prohibit", "169.254.169.254"], &[], "close the way to the metadata service");
    let step = steps.add("", Operation::Command(command)).at(place);
    if let Some(installed) = installed {
        let _ = step.needs(installed);
    }
}
