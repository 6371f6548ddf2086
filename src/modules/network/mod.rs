//! The `network-config` of a datasource. Not a cloud-config key: user-data cannot set it, as under the peer.
//!
//! It is written in the format of the program that configures this host's network, the first of netplan, ifupdown and
//! systemd-networkd that is there: the peer's order on Debian, and its files.

mod ifupdown;
mod netplan;
mod networkd;

use super::{Module, Scope, Steps};
use crate::config::network::{DeviceKind, Network};
use crate::config::typed::others::Updates;
use crate::facts::Facts;
use crate::plan::operation::{content, ConfigureNetwork, DeviceName, NetworkManager, Operation, Owner, WriteFile};
use crate::plan::{Frequency, NetworkEvent, Stage};

/// The network.
pub const NETWORK: Module =
    Module { name: "network", stage: Stage::Local, frequency: Frequency::Instance, keys: &[], implied: false, plan };

/// systemd's files for a device, networkd's and udev's: lower than netplan's and the administrator's own, as the peer's.
const SYSTEMD_FILES: &str = "/etc/systemd/network/10-cloud-init-";

const HEADER: &str = "# Written by landfall from the network-config of the instance's datasource, once for each instance.\n";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(network) = scope.network else { return };
    let Some(manager) = manager(scope.facts) else {
        let message = "there is neither netplan nor ifupdown nor systemd-networkd: the network-config is not applied";
        steps.report.error("network", message).help("install netplan.io in the image");
        return;
    };
    let asks_for = |wanted| scope.keys.updates.iter().flat_map(Updates::network_events).any(|(event, _)| event == wanted);
    let files = match manager {
        NetworkManager::Netplan => netplan::files(network),
        NetworkManager::Ifupdown => ifupdown::files(network, &scope.facts.interfaces, asks_for(NetworkEvent::Hotplug), &mut steps.report),
        NetworkManager::Networkd => networkd::files(network, &mut steps.report),
    };
    let files = files.into_iter().map(|(path, text)| file(manager, path, &text)).collect();
    let step = steps.add("", Operation::ConfigureNetwork(ConfigureNetwork { manager, files, names: names(network) }));
    if asks_for(NetworkEvent::Boot) {
        let _ = step.every(Frequency::Boot);
    }
}

fn manager(facts: &Facts) -> Option<NetworkManager> {
    [NetworkManager::Netplan, NetworkManager::Ifupdown, NetworkManager::Networkd].into_iter().find(|manager| match manager {
        NetworkManager::Netplan => facts.has("netplan"),
        NetworkManager::Ifupdown => facts.has("ifup") && facts.files.contains("/etc/network/interfaces"),
        NetworkManager::Networkd => facts.has("networkctl"),
    })
}

/// netplan's files may hold passwords of wireless networks.
fn file(manager: NetworkManager, path: String, text: &str) -> WriteFile {
    let mode = if manager == NetworkManager::Netplan { 0o600 } else { 0o644 };
    let content = content(format!("{HEADER}{text}"));
    WriteFile { path, content, mode: Some(mode), owner: Some(Owner::root()), own_parents: false }
}

/// The devices that are found by their address and given a name.
fn names(network: &Network) -> Vec<DeviceName> {
    let renamed = network.devices.iter().filter(|device| device.is_renamed && device.kind == DeviceKind::Physical);
    renamed.filter_map(|device| Some(DeviceName { mac: device.matching.mac.clone()?, name: device.name.clone() })).collect()
}

#[cfg(test)]
mod tests;
