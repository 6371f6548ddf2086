//! The network configuration a datasource brings (`network-config`), version 1 and 2, as one model.
//!
//! Version 2 is netplan's own format: where netplan is installed it reads the document itself, and only the names that devices
//! are given are looked at here.

mod address;
pub mod v1;
pub mod v2;

pub use address::{contains, Cidr};

use std::net::IpAddr;

use super::node::{Entry, Node, Value};
use super::problem::{looks_secret, Report, Severity};
use super::typed::reader::{FromNode as _, Reader};
use super::typed::scalars::{Located, Text};
use crate::secret::Secret;

/// A host's network, as it is to be configured.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Devices, in the order written.
    pub devices: Vec<Device>,
    /// Name servers for every device that has none of its own.
    pub resolver: Resolver,
    /// The document for netplan, which knows more than this model.
    pub netplan: Option<Node>,
    /// Passwords in that document: netplan quotes the lines it does not take.
    pub secrets: Vec<Secret<String>>,
}

impl Network {
    /// Whom to ask over a device: its own name servers, or those of all, if it has addresses.
    pub fn resolver_of<'n>(&'n self, device: &'n Device) -> Option<&'n Resolver> {
        let has_addresses = !device.addresses.is_empty() || device.dhcp4.is_some() || device.dhcp6.is_some() || device.autoconf.is_some();
        let shared = has_addresses.then_some(&self.resolver);
        [Some(&device.resolver), shared].into_iter().flatten().find(|resolver| !resolver.is_empty())
    }
}

/// A device to configure.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// What the configuration calls it.
    pub id: String,
    /// What the kernel is to call it; the same, where nothing else is said.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// How an existing device is found; by its name, where nothing is said.
    pub matching: Matching,
    /// It is found by its address and given `name`.
    pub is_renamed: bool,
    /// The hardware address it is to have.
    pub mac: Option<String>,
    /// DHCP for IPv4.
    pub dhcp4: Option<Dhcp>,
    /// DHCP for IPv6.
    pub dhcp6: Option<Dhcp>,
    /// IPv6 by router advertisements.
    pub autoconf: Option<Autoconf>,
    /// Fixed addresses.
    pub addresses: Vec<Cidr>,
    /// Routes over it.
    pub routes: Vec<Route>,
    /// Name servers asked over it.
    pub resolver: Resolver,
    /// Bytes.
    pub mtu: Option<u32>,
    /// Bytes, for IPv6.
    pub ipv6_mtu: Option<u32>,
    /// Whether router advertisements are accepted.
    pub accept_ra: Option<bool>,
    /// By a magic packet.
    pub wake_on_lan: bool,
    /// The boot does not wait for it.
    pub optional: bool,
    /// It is configured when somebody says so, not at boot.
    pub manual: bool,
}

impl Device {
    /// Whether there is anything to configure: the loopback device is there anyway.
    pub fn is_configured(&self) -> bool {
        self.kind != DeviceKind::Loopback || !self.addresses.is_empty()
    }
}

/// What a device is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// One that exists.
    #[default]
    Physical,
    /// `lo`.
    Loopback,
    /// Several as one.
    Bond(Ports),
    /// A switch.
    Bridge(Ports),
    /// A VLAN of another device.
    Vlan {
        /// Its number.
        id: u32,
        /// The other device's id.
        link: String,
    },
}

/// What a bond or bridge is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Ids of its devices.
    pub names: Vec<String>,
    /// Settings by netplan's names, in the order written.
    pub parameters: Vec<(&'static Parameter, String)>,
}

/// A setting of a bond or bridge in the spelling of everybody who reads it.
#[derive(Debug, PartialEq, Eq)]
pub struct Parameter {
    /// netplan.
    pub netplan: &'static str,
    /// Version 1, and `/etc/network/interfaces`.
    pub interfaces: &'static str,
    /// systemd.netdev(5); empty where it has none.
    pub networkd: &'static str,
    /// Names of its values where version 1 may have their numbers.
    pub values: &'static [&'static str],
    /// It is a number of milliseconds.
    pub milliseconds: bool,
}

const fn parameter(netplan: &'static str, interfaces: &'static str, networkd: &'static str) -> Parameter {
    Parameter { netplan, interfaces, networkd, values: &[], milliseconds: false }
}

const fn named(netplan: &'static str, interfaces: &'static str, networkd: &'static str, values: &'static [&'static str]) -> Parameter {
    Parameter { netplan, interfaces, networkd, values, milliseconds: false }
}

const fn milliseconds(netplan: &'static str, interfaces: &'static str, networkd: &'static str) -> Parameter {
    Parameter { netplan, interfaces, networkd, values: &[], milliseconds: true }
}

/// Settings of a bond.
pub const BOND: &[Parameter] = &[
    named(
        "mode",
        "bond-mode",
        "Mode",
        &["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"],
    ),
    named("ad-select", "bond-ad-select", "AdSelect", &["stable", "bandwidth", "count"]),
    milliseconds("arp-interval", "bond-arp-interval", "ARPIntervalSec"),
    parameter("arp-ip-targets", "bond-arp-ip-target", "ARPIPTargets"),
    named("arp-validate", "bond-arp-validate", "ARPValidate", &["none", "active", "backup", "all"]),
    milliseconds("down-delay", "bond-downdelay", "DownDelaySec"),
    named("fail-over-mac-policy", "bond-fail-over-mac", "FailOverMACPolicy", &["none", "active", "follow"]),
    named("lacp-rate", "bond-lacp-rate", "LACPTransmitRate", &["slow", "fast"]),
    milliseconds("mii-monitor-interval", "bond-miimon", "MIIMonitorSec"),
    parameter("min-links", "bond-min-links", "MinLinks"),
    parameter("gratuitous-arp", "bond-num-grat-arp", "GratuitousARP"),
    parameter("primary", "bond-primary", ""),
    named("primary-reselect-policy", "bond-primary-reselect", "PrimaryReselectPolicy", &["always", "better", "failure"]),
    milliseconds("up-delay", "bond-updelay", "UpDelaySec"),
    named(
        "transmit-hash-policy",
        "bond-xmit-hash-policy",
        "TransmitHashPolicy",
        &["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"],
    ),
];

/// Settings of a bridge.
pub const BRIDGE: &[Parameter] = &[
    parameter("ageing-time", "bridge_ageing", "AgeingTimeSec"),
    parameter("priority", "bridge_bridgeprio", "Priority"),
    parameter("forward-delay", "bridge_fd", "ForwardDelaySec"),
    parameter("hello-time", "bridge_hello", "HelloTimeSec"),
    parameter("max-age", "bridge_maxage", "MaxAgeSec"),
    parameter("stp", "bridge_stp", "STP"),
];

/// How an existing device is found: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matching {
    /// Hardware address, lower case.
    pub mac: Option<String>,
    /// Name or pattern.
    pub name: Option<String>,
    /// Driver.
    pub driver: Option<String>,
}

/// A DHCP client's settings, each left to the client where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// Metric of the routes it brings.
    pub metric: Option<u32>,
    /// `use-dns` and its like: systemd.network(5)'s name and the value.
    pub settings: Vec<(&'static str, String)>,
}

/// IPv6 by router advertisements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autoconf {
    /// Addresses.
    Slaac,
    /// Addresses, the rest by DHCPv6.
    Stateless,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it leads to; `None`: the default route, of its gateway's family.
    pub to: Option<Cidr>,
    /// Gateway; `None`: the device itself.
    pub via: Option<IpAddr>,
    /// Metric.
    pub metric: Option<u32>,
    /// The gateway is on the link although no address says so.
    pub on_link: bool,
    /// Bytes.
    pub mtu: Option<u32>,
}

impl Route {
    /// Whether it is for IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.via.map(|via| via.is_ipv6()).or_else(|| self.to.map(|to| to.address.is_ipv6())).unwrap_or(false)
    }
}

/// Whom a host asks for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Domains that are searched.
    pub search: Vec<String>,
}

impl Resolver {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.search.is_empty()
    }
}

/// What a network-config asks for.
#[derive(Debug)]
pub enum Asked {
    /// To leave the network alone.
    Disabled,
    /// This network.
    Network(Box<Network>),
}

/// Reads a network-config; what cannot be read is reported and left out. `None` where nothing of it can be used. `for_netplan`:
/// netplan itself will read a version 2.
pub fn read(document: &Node, for_netplan: bool, report: &mut Report) -> Option<Asked> {
    let errors = report.count(Severity::Error);
    let mut reader = Reader::new(report);
    reader.within("network-config", |reader| {
        let Some(entries) = document.as_map() else { return reader.mismatch(document, "a mapping") };
        let document = match entries {
            [Entry { key, value }] if key.as_str() == Some("network") && value.as_map().is_some() => value,
            _ => document,
        };
        if document.get("config").and_then(Node::as_str) == Some("disabled") {
            return Some(Asked::Disabled);
        }
        let version = document.get("version").and_then(|node| Text::from_node(node, reader)).map(|text| text.0);
        let network = match version.as_deref() {
            Some("1") => v1::read(&one_line(document), reader),
            Some("2") if for_netplan => Some((v2::for_netplan(document), Vec::new())),
            Some("2") => v2::read(&one_line(document), reader).map(|network| (network, Vec::new())),
            Some(other) => return reader.invalid(&document.origin, format!("there is no version {other}"), "write `version: 2`, or 1"),
            None => return reader.invalid(&document.origin, "it has no `version`", "add `version: 2` above the devices"),
        };
        let (mut network, routes) = network?;
        if network.netplan.is_some() {
            collect_secrets(document, reader);
            network.secrets.clone_from(&reader.secrets);
        }
        let network = complete(network, routes, reader);
        if network.netplan.is_none() && network.devices.is_empty() && reader.report.count(Severity::Error) > errors {
            return reader.invalid(&document.origin, "no device is left of it: the network is left as it is", "correct the devices");
        }
        Some(Asked::Network(Box::new(network)))
    })
}

/// The document with every text on one line: these go into files that are read by lines.
fn one_line(node: &Node) -> Node {
    let mut plain = node.clone();
    match &mut plain.value {
        Value::Str(text) if text.contains(char::is_control) => {
            let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect();
            *text = words.join(" ");
        }
        Value::Seq(items) => items.iter_mut().for_each(|item| *item = one_line(item)),
        Value::Map(entries) => {
            for entry in entries {
                *entry = Entry { key: one_line(&entry.key), value: one_line(&entry.value) };
            }
        }
        _ => {}
    }
    plain
}

/// Values of keys that say they are secret.
fn collect_secrets(node: &Node, reader: &mut Reader<'_>) {
    for entry in node.entries() {
        if looks_secret(&entry.key.source_text()) && entry.value.is_scalar() {
            let _ = reader.secret(entry.value.source_text());
        }
        collect_secrets(&entry.value, reader);
    }
    node.as_seq().unwrap_or_default().iter().for_each(|item| collect_secrets(item, reader));
}

/// What follows from all that is said: of two devices of one name the later counts, a route of no device belongs to the one that
/// reaches its gateway, a gateway outside of a device's networks is on its link.
fn complete(mut network: Network, routes: Vec<Located<Route>>, reader: &mut Reader<'_>) -> Network {
    for at in (1..network.devices.len()).rev() {
        let id = network.devices[at].id.clone();
        if let Some(earlier) = network.devices[..at].iter().position(|device| device.id == id) {
            reader.report.warning("network", format!("the network-config has {id} twice: what stands later counts"));
            network.devices.swap(earlier, at);
            network.devices.remove(at);
        }
    }
    declare_what_others_stand_on(&mut network);
    for route in routes {
        let reaches = |device: &&mut Device| route.value.via.is_some_and(|via| device.addresses.iter().any(|cidr| contains(cidr, via)));
        let reached = network.devices.iter_mut().find(reaches);
        let of_dhcp = |device: &Device| if route.value.is_ipv6() { device.dhcp6.is_some() } else { device.dhcp4.is_some() };
        match reached {
            Some(device) => device.routes.push(route.value),
            None => match network.devices.iter_mut().find(|device| of_dhcp(device)) {
                Some(device) => device.routes.push(route.value),
                None => {
                    let _: Option<()> = reader.invalid(
                        &route.origin,
                        "no device reaches the gateway of this route",
                        "put the route into the subnet of its device",
                    );
                }
            },
        }
    }
    for device in &mut network.devices {
        let addresses = device.addresses.clone();
        for route in &mut device.routes {
            let Some(via) = route.via.filter(|via| !is_link_local(via)) else { continue };
            let of_family = || addresses.iter().filter(|cidr| cidr.address.is_ipv6() == via.is_ipv6());
            route.on_link |= of_family().next().is_some() && !of_family().any(|cidr| contains(cidr, via));
        }
    }
    network
}

/// A bond's ports and a VLAN's link need not be written as devices themselves.
fn declare_what_others_stand_on(network: &mut Network) {
    let mut missing: Vec<String> = Vec::new();
    for device in &network.devices {
        let names = match &device.kind {
            DeviceKind::Bond(ports) | DeviceKind::Bridge(ports) => ports.names.as_slice(),
            DeviceKind::Vlan { link, .. } => std::slice::from_ref(link),
            DeviceKind::Physical | DeviceKind::Loopback => &[],
        };
        let new =
            |name: &&String| is_device_name(name) && !missing.contains(name) && !network.devices.iter().any(|other| other.id == **name);
        let new: Vec<String> = names.iter().filter(new).cloned().collect();
        missing.extend(new);
    }
    let plain = |name: String| Device { id: name.clone(), name, ..Device::default() };
    network.devices.splice(0..0, missing.into_iter().map(plain));
}

fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.segments()[0] & 0xffc0 == 0xfe80)
}

/// A device's name goes into files and commands.
fn is_device_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 15
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
}

/// A hardware address in the kernel's spelling.
fn mac_address(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase().replace('-', ":");
    let parts: Vec<&str> = text.split(':').collect();
    let plain = [6, 20].contains(&parts.len()) && parts.iter().all(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
    plain.then_some(text)
}

/// Reads a hardware address.
fn hardware_address(text: &Located<Text>, reader: &mut Reader<'_>) -> Option<String> {
    let known = mac_address(&text.value.0);
    known.or_else(|| reader.invalid(&text.origin, format!("`{}` is no hardware address", text.value.0), "as in 52:54:00:12:34:56"))
}

/// Reads a gateway or a name server.
fn ip_address(text: &Located<Text>, reader: &mut Reader<'_>) -> Option<IpAddr> {
    let address = text.value.0.trim().parse().ok();
    address.or_else(|| reader.invalid(&text.origin, format!("`{}` is no IP address", text.value.0), "as in 192.0.2.1"))
}

/// The document under `network:`, as netplan has it.
fn under_network(document: &Node) -> Node {
    let key = Node::new(Value::Str("network".into()), document.origin.clone());
    Node::new(Value::Map(vec![Entry { key, value: document.clone() }]), document.origin.clone())
}

#[cfg(test)]
mod tests;
