//! Version 2: netplan's format, as far as the other programs can do what it says.

use super::address::Cidr;
use super::{
    hardware_address, ip_address, is_device_name, mac_address, under_network, Device, DeviceKind, Dhcp, Matching, Network, Parameter,
    Ports, Resolver, Route, BOND, BRIDGE,
};
use crate::config::node::{Node, Value};
use crate::config::typed::reader::{FromNode, Reader};
use crate::config::typed::scalars::{Located, Text};
use crate::record;

/// A mapping from names.
#[derive(Clone, Debug)]
pub struct Named<T>(Vec<(String, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping from names of devices") };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.key.source_text();
            found.extend(reader.within(&name, |reader| T::from_node(&entry.value, reader)).map(|value| (name, value)));
        }
        Some(Self(found))
    }
}

record! {
    /// The document.
    pub struct Document {
        /// 2.
        required version: Text,
        /// Who is to do it; what the host has is taken.
        optional renderer: Text,
        /// Devices that exist.
        default ethernets: Named<Settings>,
        /// Several as one.
        default bonds: Named<Settings>,
        /// Switches.
        default bridges: Named<Settings>,
        /// VLANs.
        default vlans: Named<Settings>,
    }
    later ["wifis", "tunnels", "vrfs", "modems", "dummy_devices", "nm_devices", "openvswitch", "virtual_ethernets"]
}

record! {
    /// A device.
    pub struct Settings {
        /// How it is found.
        optional matching as "match": Match,
        /// What it is to be called.
        optional set_name as "set-name": Text,
        /// By a magic packet.
        default wakeonlan: bool,
        /// DHCP for IPv4.
        default dhcp4: bool,
        /// DHCP for IPv6.
        default dhcp6: bool,
        /// Settings of the client.
        optional dhcp4_overrides as "dhcp4-overrides": Overrides,
        /// Settings of the client.
        optional dhcp6_overrides as "dhcp6-overrides": Overrides,
        /// Fixed addresses.
        default addresses: Vec<Node>,
        /// Default route; an old form.
        optional gateway4: Located<Text>,
        /// Default route; an old form.
        optional gateway6: Located<Text>,
        /// Name servers.
        optional nameservers: Nameservers,
        /// Bytes.
        optional mtu: u32,
        /// Bytes, for IPv6.
        optional ipv6_mtu as "ipv6-mtu": u32,
        /// Router advertisements.
        optional accept_ra as "accept-ra": bool,
        /// The boot does not wait for it.
        default optional: bool,
        /// Routes.
        default routes: Vec<RouteEntry>,
        /// The hardware address it is to have.
        optional macaddress: Located<Text>,
        /// Devices of a bond or bridge.
        default interfaces: Vec<Text>,
        /// Settings of a bond or bridge.
        optional parameters: Node,
        /// Number of a VLAN.
        optional id: u32,
        /// The device a VLAN is on.
        optional link: Text,
        /// Who is to do it.
        optional renderer: Text,
    }
    later ["link_local", "critical", "dhcp_identifier", "routing_policy", "ipv6_privacy", "ipv6_address_generation", "optional_addresses",
           "emit_lldp", "activation_mode", "ignore_carrier", "ra_overrides", "receive_checksum_offload", "neigh_suppress", "auth"]
}

record! {
    /// How a device is found.
    pub struct Match {
        /// Hardware address.
        optional macaddress: Located<Text>,
        /// Name or pattern.
        optional name: Text,
        /// Driver.
        optional driver: Text,
    }
}

record! {
    /// Settings of a DHCP client.
    pub struct Overrides {
        /// Metric of the routes.
        optional route_metric as "route-metric": u32,
        /// Name servers.
        optional use_dns as "use-dns": bool,
        /// Domains that are searched.
        optional use_domains as "use-domains": Text,
        /// The host's name.
        optional use_hostname as "use-hostname": bool,
        /// Time servers.
        optional use_ntp as "use-ntp": bool,
        /// Routes.
        optional use_routes as "use-routes": bool,
        /// Bytes.
        optional use_mtu as "use-mtu": bool,
        /// Say the host's name.
        optional send_hostname as "send-hostname": bool,
        /// The name said.
        optional hostname: Text,
    }
}

record! {
    /// Name servers.
    pub struct Nameservers {
        /// Their addresses.
        default addresses: Vec<Located<Text>>,
        /// Domains that are searched.
        default search: Vec<Text>,
    }
}

record! {
    /// A route.
    pub struct RouteEntry {
        /// Where it leads to.
        required to: Located<Text>,
        /// Its gateway.
        optional via: Located<Text>,
        /// Its metric.
        optional metric: u32,
        /// The gateway is on the link.
        default on_link as "on-link": bool,
        /// Bytes.
        optional mtu: u32,
    }
    later ["from", "table", "scope", "type", "congestion_window", "advertised_receive_window", "advmss"]
}

/// For netplan: the document as it is, and the devices that it gives names.
pub(super) fn for_netplan(document: &Node) -> Network {
    let devices = document.get("ethernets").map(Node::entries).unwrap_or_default().iter().filter_map(|entry| {
        let name = entry.value.get("set-name")?.as_str()?.to_owned();
        let mac = mac_address(&entry.value.get("match")?.get("macaddress")?.source_text())?;
        let matching = Matching { mac: Some(mac), ..Matching::default() };
        is_device_name(&name).then(|| Device { id: entry.key.source_text(), name, matching, is_renamed: true, ..Device::default() })
    });
    Network { devices: devices.collect(), netplan: Some(under_network(&as_written(document))), ..Network::default() }
}

/// Numbers as they were written: netplan reads a hardware address and a password as text, whatever they look like.
fn as_written(node: &Node) -> Node {
    let mut plain = node.clone();
    match &mut plain.value {
        Value::Int(_) | Value::Float(_) if node.raw.is_some() => plain = Node::new(Value::Str(node.source_text()), node.origin.clone()),
        Value::Seq(items) => items.iter_mut().for_each(|item| *item = as_written(item)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| entry.value = as_written(&entry.value)),
        _ => {}
    }
    plain
}

/// Reads the document.
pub(super) fn read(document: &Node, reader: &mut Reader<'_>) -> Option<Network> {
    let document = Document::from_node(document, reader)?;
    let mut network = Network::default();
    type Kind = fn(&Settings, &mut Reader<'_>) -> Option<DeviceKind>;
    let sections: [(&str, &Named<Settings>, Kind); 4] = [
        ("ethernets", &document.ethernets, |_, _| Some(DeviceKind::Physical)),
        ("bonds", &document.bonds, |settings, reader| Some(DeviceKind::Bond(ports(settings, BOND, reader)))),
        ("bridges", &document.bridges, |settings, reader| Some(DeviceKind::Bridge(ports(settings, BRIDGE, reader)))),
        ("vlans", &document.vlans, vlan),
    ];
    for (section, devices, kind) in sections {
        for (id, settings) in &devices.0 {
            reader.within(&format!("{section}.{id}"), |reader| {
                let kind = kind(settings, reader)?;
                network.devices.extend(device(id, settings, kind, reader));
                Some(())
            });
        }
    }
    Some(network)
}

fn vlan(settings: &Settings, reader: &mut Reader<'_>) -> Option<DeviceKind> {
    match (settings.id, &settings.link) {
        (Some(id), Some(link)) => Some(DeviceKind::Vlan { id, link: link.0.clone() }),
        _ => reader.invalid(&settings.origin, "a VLAN needs `id` and `link`", "add `id: 5` and `link: eth0`"),
    }
}

fn ports(settings: &Settings, known: &'static [Parameter], reader: &mut Reader<'_>) -> Ports {
    let mut found = Vec::new();
    for entry in settings.parameters.as_ref().map(Node::entries).unwrap_or_default() {
        let spelled = match entry.key.source_text().as_str() {
            "gratuitious-arp" => "gratuitous-arp".to_owned(), // an old spelling that netplan takes too
            other => other.to_owned(),
        };
        match known.iter().find(|parameter| parameter.netplan == spelled) {
            Some(parameter) => found.push((parameter, parameter_text(&entry.value))),
            None => {
                let message = format!("{}.parameters: `{spelled}` needs netplan: it is ignored", reader.path());
                reader.report.warning("network", message).at(&entry.key.origin).help("install netplan.io in the image");
            }
        }
    }
    Ports { names: settings.interfaces.iter().map(|name| name.0.clone()).collect(), parameters: found }
}

/// A setting as the programs that read lines have it.
pub(super) fn parameter_text(node: &Node) -> String {
    match &node.value {
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Seq(items) => items.iter().map(Node::source_text).collect::<Vec<_>>().join(" "),
        _ => node.source_text(),
    }
}

fn device(id: &str, settings: &Settings, kind: DeviceKind, reader: &mut Reader<'_>) -> Option<Device> {
    let name = settings.set_name.as_ref().map_or(id, |name| &name.0);
    let is_pattern = kind == DeviceKind::Physical && settings.matching.is_some() && settings.set_name.is_none();
    let is_fine = if is_pattern { !id.is_empty() && !id.contains(|c: char| c == '/' || c.is_whitespace()) } else { is_device_name(name) };
    if !is_fine {
        return reader.invalid(&settings.origin, format!("`{name}` is no device's name"), "at most 15 characters, without spaces and `/`");
    }
    let mut mac = |text: &Located<Text>| hardware_address(text, reader);
    let given = settings.matching.as_ref();
    let matching = Matching {
        mac: given.and_then(|given| given.macaddress.as_ref()).and_then(&mut mac),
        name: given.and_then(|given| given.name.as_ref()).map(|name| name.0.clone()),
        driver: given.and_then(|given| given.driver.as_ref()).map(|driver| driver.0.clone()),
    };
    let own_mac = settings.macaddress.as_ref().and_then(&mut mac);
    let is_renamed = settings.set_name.is_some() && matching.mac.is_some();
    let dhcp = |on: bool, overrides: Option<&Overrides>| on.then(|| overrides.map(client).unwrap_or_default());
    let mut device = Device {
        id: id.to_owned(),
        name: name.to_owned(),
        kind,
        matching,
        is_renamed,
        mac: own_mac,
        dhcp4: dhcp(settings.dhcp4, settings.dhcp4_overrides.as_ref()),
        dhcp6: dhcp(settings.dhcp6, settings.dhcp6_overrides.as_ref()),
        mtu: settings.mtu,
        ipv6_mtu: settings.ipv6_mtu,
        accept_ra: settings.accept_ra,
        wake_on_lan: settings.wakeonlan,
        optional: settings.optional,
        ..Device::default()
    };
    device.addresses = settings.addresses.iter().filter_map(|node| address(node, reader)).collect();
    if let Some(nameservers) = &settings.nameservers {
        let servers = nameservers.addresses.iter().filter_map(|text| ip_address(text, reader)).collect();
        device.resolver = Resolver { servers, search: nameservers.search.iter().map(|domain| domain.0.clone()).collect() };
    }
    for (key, gateway) in [("gateway4", &settings.gateway4), ("gateway6", &settings.gateway6)] {
        let Some(gateway) = gateway else { continue };
        let message = format!("{}: `{key}` is an old form", reader.path());
        reader.report.note("deprecated", message).at(&gateway.origin).help("write `routes: [{to: default, via: ...}]`");
        let via = ip_address(gateway, reader);
        device.routes.extend(via.map(|via| Route { to: None, via: Some(via), metric: None, on_link: false, mtu: None }));
    }
    device.routes.extend(settings.routes.iter().filter_map(|entry| route(entry, reader)));
    Some(device)
}

fn client(overrides: &Overrides) -> Dhcp {
    let truth = |value: Option<bool>| value.map(|value| if value { "yes" } else { "no" }.to_owned());
    let settings = [
        ("UseDNS", truth(overrides.use_dns)),
        ("UseDomains", overrides.use_domains.as_ref().map(|text| text.0.clone())),
        ("UseHostname", truth(overrides.use_hostname)),
        ("UseNTP", truth(overrides.use_ntp)),
        ("UseRoutes", truth(overrides.use_routes)),
        ("UseMTU", truth(overrides.use_mtu)),
        ("SendHostname", truth(overrides.send_hostname)),
        ("Hostname", overrides.hostname.as_ref().map(|text| text.0.clone())),
    ];
    Dhcp { metric: overrides.route_metric, settings: settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect() }
}

fn address(node: &Node, reader: &mut Reader<'_>) -> Option<Cidr> {
    let node = match node.entries() {
        [entry] => {
            let message = format!("{}: options of an address need netplan: they are ignored", reader.path());
            reader.report.warning("network", message).at(&entry.value.origin);
            &entry.key
        }
        _ => node,
    };
    let text = Text::from_node(node, reader)?;
    if !text.0.contains('/') {
        return reader.invalid(&node.origin, format!("`{}` has no prefix", text.0), "as in 192.0.2.7/24");
    }
    match Cidr::parse(&text.0, None, false) {
        Ok(cidr) => Some(cidr),
        Err(why) => reader.invalid(&node.origin, why, "as in 192.0.2.7/24"),
    }
}

fn route(entry: &RouteEntry, reader: &mut Reader<'_>) -> Option<Route> {
    let to = match entry.to.value.0.as_str() {
        "default" => None,
        text => match Cidr::parse(text, None, true) {
            Ok(cidr) => Some(cidr.network()),
            Err(why) => return reader.invalid(&entry.to.origin, why, "as in 198.51.100.0/24, or `default`"),
        },
    };
    let via = match &entry.via {
        Some(via) => Some(ip_address(via, reader)?),
        None => None,
    };
    Some(Route { to, via, metric: entry.metric, on_link: entry.on_link, mtu: entry.mtu })
}
