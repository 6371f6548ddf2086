//! `updates`: when the network is configured anew.
//!
//! The peer's rule for udev calls its own Python, which asks the datasource again. There is no such thing here, so devices that come
//! later stay as the image has them, and that is told.

use super::{ops, Module, Scope, Steps};
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// What becomes of the peer's hook for devices that come later.
pub const INSTALL_HOTPLUG: Module =
    Module { name: "install_hotplug", stage: Stage::Final, frequency: Frequency::Instance, keys: &["updates"], implied: true, plan };

/// The peer's rule: without the peer it calls a program that is not there.
const RULES: &str = "/etc/udev/rules.d/90-cloud-init-hook-hotplug.rules";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    for event in scope.keys.updates.iter().filter_map(|updates| updates.network.as_ref()).flat_map(|network| &network.when) {
        let what = match event.name {
            "hotplug" => "network devices that come while the host runs are not configured",
            "boot" => "the network is configured for a new instance only, not at every boot",
            // What holds anyhow, and what the peer does where nothing is said.
            _ => continue,
        };
        let message = format!("updates.network.when: `{}` is not supported yet: {what}", event.name);
        steps.report.warning("unsupported", message).at(&event.origin);
    }
    if scope.facts.files.contains(RULES) {
        steps.add("remove", Operation::RemoveFiles { paths: vec![RULES.into()] });
        let command = ops::command(&["udevadm", "control", "--reload-rules"], &[], "have udev read its rules again");
        steps.add("reload", Operation::Command(command)).degrades();
    }
}
