//! `updates`: when the network is configured anew.
//!
//! At a boot that is the local stage's work. While the host runs udev tells of devices that come and go, and a unit asks the datasource
//! again: `landfall run --network`.

use super::{ops, Module, Scope, Steps};
use crate::config::typed::others::Updates;
use crate::plan::operation::Operation;
use crate::plan::{Frequency, NetworkEvent, Stage};

/// What has udev tell of network devices.
pub const INSTALL_HOTPLUG: Module =
    Module { name: "install_hotplug", stage: Stage::Final, frequency: Frequency::Instance, keys: &["updates"], implied: true, plan };

/// The peer's rule: without the peer it calls a program that is not there.
const OF_THE_PEER: &str = "/etc/udev/rules.d/90-cloud-init-hook-hotplug.rules";

const RULES: &str = "/etc/udev/rules.d/90-landfall-hotplug.rules";

/// Devices that a bus has, not those that programs make: udev(7), and a unit for each so that none waits for another's.
const RULES_TEXT: &str = "# Written by landfall, for `updates.network.when: [hotplug]`.\n\
    ACTION==\"add|remove\", SUBSYSTEM==\"net\", DEVPATH!=\"/devices/virtual/*\", \
    RUN+=\"/usr/bin/systemctl --no-block start landfall-hotplug@%k.service\"\n";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let mut events = scope.keys.updates.iter().flat_map(Updates::network_events);
    let asked = events.find(|(event, _)| *event == NetworkEvent::Hotplug);
    let mut gone = vec![OF_THE_PEER];
    if asked.is_none() {
        gone.push(RULES);
    }
    gone.retain(|path| scope.facts.files.contains(*path));
    if let Some((_, origin)) = asked {
        let _ = steps.add("rules", ops::write(RULES, RULES_TEXT, 0o644)).at(origin);
    }
    if !gone.is_empty() {
        steps.add("remove", Operation::RemoveFiles { paths: gone.iter().map(|path| (*path).to_owned()).collect() });
    }
    if asked.is_some() || !gone.is_empty() {
        let command = ops::command(&["udevadm", "control", "--reload-rules"], &[], "have udev read its rules again");
        steps.add("reload", Operation::Command(command)).degrades();
    }
}
