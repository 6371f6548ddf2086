//! Version 1: a list of things, each with its `type`.

use super::address::Cidr;
use super::{
    hardware_address, ip_address, is_device_name, Autoconf, Device, DeviceKind, Dhcp, Network, Parameter, Ports, Resolver, Route, BOND,
    BRIDGE,
};
use crate::config::node::{Node, Origin};
use crate::config::typed::reader::{FromNode, Reader};
use crate::config::typed::scalars::{Located, Text};
use crate::record;

record! {
    /// The document.
    pub struct Document {
        /// 1.
        required version: Text,
        /// What is configured.
        default config: Vec<Item>,
    }
}

record! {
    /// One thing of the list.
    pub struct Item {
        /// What it is.
        required kind as "type": Located<Text>,
        /// A device's name.
        optional name: Text,
        /// A device's hardware address.
        optional mac_address: Located<Text>,
        /// Bytes.
        optional mtu: u32,
        /// Router advertisements.
        optional accept_ra as "accept-ra" ["accept_ra"]: bool,
        /// By a magic packet.
        default wakeonlan: bool,
        /// The boot does not wait for it.
        default optional: bool,
        /// Addresses and how they are found.
        default subnets: Vec<Subnet>,
        /// Devices of a bond.
        default bond_interfaces: Words,
        /// Devices of a bridge.
        default bridge_interfaces: Words,
        /// Settings of a bond or bridge.
        optional params: Node,
        /// Number of a VLAN.
        optional vlan_id: u32,
        /// The device a VLAN is on.
        optional vlan_link: Text,
        /// Name servers.
        default address: Words,
        /// Domains that are searched.
        default search: Words,
        /// The device that name servers belong to.
        optional interface: Text,
        /// Where a route leads to.
        optional destination ["network"]: Located<Text>,
        /// Its mask.
        optional netmask: Text,
        /// Its gateway.
        optional gateway: Located<Text>,
        /// Its metric.
        optional metric: u32,
        /// A name for the item itself.
        optional id: Text,
    }
    later ["keep_configuration"]
}

record! {
    /// Addresses of a device.
    pub struct Subnet {
        /// How they are found.
        required kind as "type": Located<Text>,
        /// `auto`, `manual`, `hotplug`.
        optional control: Text,
        /// The address.
        optional address ["ip_address"]: Located<Text>,
        /// Its mask.
        optional netmask: Text,
        /// The same as a number of bits.
        optional prefix: Text,
        /// Follows from address and mask.
        optional broadcast: Text,
        /// Default route.
        optional gateway: Located<Text>,
        /// Name servers.
        default dns_nameservers: Words,
        /// Domains that are searched.
        default dns_search: Words,
        /// Routes.
        default routes: Vec<RouteEntry>,
        /// Metric of a default route.
        optional metric: u32,
        /// Bytes.
        optional mtu: u32,
    }
    later ["scope", "pointopoint"]
}

record! {
    /// A route of a subnet.
    pub struct RouteEntry {
        /// Where it leads to.
        required destination ["network"]: Located<Text>,
        /// Its mask.
        optional netmask: Text,
        /// The same as a number of bits.
        optional prefix: Text,
        /// Its gateway.
        optional gateway: Located<Text>,
        /// Its metric.
        optional metric: u32,
        /// Bytes.
        optional mtu: u32,
    }
}

/// A list, or words with spaces between them.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Located<String>>);

impl FromNode for Words {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let words = |text: &str| text.split([' ', ',']).filter(|word| !word.is_empty()).map(String::from).collect::<Vec<_>>();
        let located = |text: String, origin: &Origin| Located { value: text, origin: origin.clone() };
        match node.as_seq() {
            Some(items) => {
                let texts = items.iter().filter_map(|item| Some((Text::from_node(item, reader)?, &item.origin)));
                Some(Self(
                    texts
                        .flat_map(|(text, origin)| words(&text.0).into_iter().map(|word| located(word, origin)).collect::<Vec<_>>())
                        .collect(),
                ))
            }
            None => {
                Text::from_node(node, reader).map(|text| Self(words(&text.0).into_iter().map(|word| located(word, &node.origin)).collect()))
            }
        }
    }
}

impl Words {
    fn texts(&self) -> Vec<String> {
        self.0.iter().map(|word| word.value.clone()).collect()
    }
}

/// Reads the document.
pub(super) fn read(document: &Node, reader: &mut Reader<'_>) -> Option<(Network, Vec<Located<Route>>)> {
    let document = Document::from_node(document, reader)?;
    let (mut network, mut routes) = (Network::default(), Vec::new());
    let mut named: Vec<(Text, Resolver, Origin)> = Vec::new();
    for (at, item) in document.config.iter().enumerate() {
        reader.within(&format!("config[{at}]"), |reader| {
            match item.kind.value.0.as_str() {
                "nameserver" => {
                    let resolver = Resolver { servers: servers(&item.address, reader), search: item.search.texts() };
                    match &item.interface {
                        Some(device) => named.push((device.clone(), resolver, item.origin.clone())),
                        None => add(&mut network.resolver, resolver),
                    }
                }
                "route" => match &item.destination {
                    Some(to) => {
                        let one = route(to, item.netmask.as_ref(), item.gateway.as_ref(), item.metric, None, reader);
                        routes.extend(one.map(|value| Located { value, origin: item.origin.clone() }));
                    }
                    None => drop(reader.invalid::<()>(&item.origin, "a route has no `destination`", "add `destination: 198.51.100.0/24`")),
                },
                _ => {
                    let mut device = device(item, reader)?;
                    if device.kind == DeviceKind::Loopback {
                        add(&mut network.resolver, std::mem::take(&mut device.resolver));
                    }
                    network.devices.push(device);
                }
            }
            Some(())
        });
    }
    for (name, resolver, origin) in named {
        match network.devices.iter_mut().find(|device| device.id == name.0) {
            Some(device) => add(&mut device.resolver, resolver),
            None => {
                let message = format!("name servers are given for {}, and there is no such device", name.0);
                reader.report.error("network", message).at(&origin);
            }
        }
    }
    Some((network, routes))
}

fn add(resolver: &mut Resolver, more: Resolver) {
    resolver.servers.extend(more.servers);
    resolver.search.extend(more.search);
}

fn device(item: &Item, reader: &mut Reader<'_>) -> Option<Device> {
    let Some(name) = &item.name else {
        return reader.invalid(&item.origin, "it has no `name`", "add `name: eth0`");
    };
    if !is_device_name(&name.0) {
        return reader.invalid(
            item.place("name"),
            format!("`{}` is no device's name", name.0),
            "at most 15 characters, without spaces and `/`",
        );
    }
    let ports = |names: &Words, known: &'static [Parameter], reader: &mut Reader<'_>| Ports {
        names: names.texts(),
        parameters: item.params.as_ref().map(|node| parameters(node, known, reader)).unwrap_or_default(),
    };
    let kind = match item.kind.value.0.as_str() {
        "physical" | "infiniband" => DeviceKind::Physical,
        "loopback" => DeviceKind::Loopback,
        "bond" => DeviceKind::Bond(ports(&item.bond_interfaces, BOND, reader)),
        "bridge" => DeviceKind::Bridge(ports(&item.bridge_interfaces, BRIDGE, reader)),
        "vlan" => match (item.vlan_id, &item.vlan_link) {
            (Some(id), Some(link)) => DeviceKind::Vlan { id, link: link.0.clone() },
            _ => return reader.invalid(&item.origin, "a VLAN needs `vlan_id` and `vlan_link`", "add `vlan_id: 5` and `vlan_link: eth0`"),
        },
        other => {
            let known = ["physical", "loopback", "infiniband", "bond", "bridge", "vlan", "nameserver", "route"];
            return reader.unknown_word(&item.kind.origin, format!("there is no type `{other}`"), other, &known);
        }
    };
    let mac = item.mac_address.as_ref().and_then(|mac| hardware_address(mac, reader));
    let mut device = Device { id: name.0.clone(), name: name.0.clone(), kind, ..Device::default() };
    if device.kind == DeviceKind::Physical {
        device.is_renamed = mac.is_some();
        device.matching.mac = mac;
    } else {
        device.mac = mac;
    }
    (device.mtu, device.accept_ra, device.wake_on_lan, device.optional) = (item.mtu, item.accept_ra, item.wakeonlan, item.optional);
    for (at, subnet) in item.subnets.iter().enumerate() {
        reader.within(&format!("subnets[{at}]"), |reader| add_subnet(&mut device, subnet, reader));
    }
    Some(device)
}

fn parameters(node: &Node, known: &'static [Parameter], reader: &mut Reader<'_>) -> Vec<(&'static Parameter, String)> {
    let mut found = Vec::new();
    for entry in node.entries() {
        let spelled = entry.key.source_text();
        let plain = |text: &str| text.replace('_', "-");
        match known.iter().find(|parameter| plain(parameter.interfaces) == plain(&spelled)) {
            Some(parameter) => {
                let text = super::v2::parameter_text(&entry.value);
                let number = text.parse::<usize>().ok();
                let named = number.and_then(|number| parameter.values.get(number)).map(|name| (*name).to_owned());
                found.push((parameter, named.unwrap_or_else(|| text.replace(',', " "))));
            }
            None => {
                reader
                    .report
                    .warning("network", format!("{}: `{spelled}` is not known: it is ignored", reader.path()))
                    .at(&entry.key.origin);
            }
        }
    }
    found
}

fn add_subnet(device: &mut Device, subnet: &Subnet, reader: &mut Reader<'_>) {
    device.manual |= subnet.control.as_ref().is_some_and(|control| control.0 == "manual");
    let dhcp = || Dhcp { metric: subnet.metric, settings: Vec::new() };
    match subnet.kind.value.0.as_str() {
        "dhcp" | "dhcp4" => device.dhcp4 = Some(dhcp()),
        "dhcp6" | "ipv6_dhcpv6-stateful" => device.dhcp6 = Some(dhcp()),
        "ipv6_dhcpv6-stateless" => device.autoconf = Some(Autoconf::Stateless),
        "ipv6_slaac" => device.autoconf = Some(Autoconf::Slaac),
        "static" | "static6" => add_static(device, subnet, reader),
        "manual" | "loopback" => {}
        other => {
            let known =
                ["dhcp", "dhcp4", "dhcp6", "static", "static6", "ipv6_slaac", "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless", "manual"];
            let _: Option<()> = reader.unknown_word(&subnet.kind.origin, format!("there is no type `{other}`"), other, &known);
        }
    }
    if subnet.mtu.is_some() {
        let ipv6 = subnet.address.as_ref().is_some_and(|address| address.value.0.contains(':'));
        *(if ipv6 { &mut device.ipv6_mtu } else { &mut device.mtu }) = subnet.mtu;
    }
    device.resolver.servers.extend(servers(&subnet.dns_nameservers, reader));
    device.resolver.search.extend(subnet.dns_search.texts());
    for entry in &subnet.routes {
        let mask = entry.netmask.as_ref().or(entry.prefix.as_ref());
        device.routes.extend(route(&entry.destination, mask, entry.gateway.as_ref(), entry.metric, entry.mtu, reader));
    }
}

fn add_static(device: &mut Device, subnet: &Subnet, reader: &mut Reader<'_>) {
    let Some(address) = &subnet.address else {
        let _: Option<()> = reader.invalid(&subnet.origin, "a static subnet has no `address`", "add `address: 192.0.2.7/24`");
        return;
    };
    let mask = subnet.netmask.as_ref().or(subnet.prefix.as_ref()).map(|mask| mask.0.as_str());
    match Cidr::parse(&address.value.0, mask, false) {
        Ok(cidr) => {
            if mask.is_none() && !address.value.0.contains('/') {
                let message = format!("{} has no netmask: {cidr} is taken", address.value.0);
                reader.report.note("network", message).at(&address.origin).help("write it with its prefix");
            }
            device.addresses.push(cidr);
        }
        Err(why) => drop(reader.invalid::<()>(&address.origin, why, "as in 192.0.2.7/24")),
    }
    let via = subnet.gateway.as_ref().and_then(|gateway| ip_address(gateway, reader));
    device.routes.extend(via.map(|via| Route { to: None, via: Some(via), metric: subnet.metric, on_link: false, mtu: None }));
}

fn servers(words: &Words, reader: &mut Reader<'_>) -> Vec<std::net::IpAddr> {
    let one = |word: &Located<String>| {
        let address = word.value.parse().ok();
        address.or_else(|| reader.invalid(&word.origin, format!("`{}` is no IP address", word.value), "as in 192.0.2.53"))
    };
    words.0.iter().filter_map(one).collect()
}

fn route(
    to: &Located<Text>,
    mask: Option<&Text>,
    gateway: Option<&Located<Text>>,
    metric: Option<u32>,
    mtu: Option<u32>,
    reader: &mut Reader<'_>,
) -> Option<Route> {
    let cidr = match Cidr::parse(&to.value.0, mask.map(|mask| mask.0.as_str()), false) {
        Ok(cidr) => cidr,
        Err(why) => return reader.invalid(&to.origin, why, "as in 198.51.100.0/24"),
    };
    let via = match gateway {
        None => None,
        Some(gateway) => Some(ip_address(gateway, reader)?),
    };
    Some(Route { to: Some(cidr.network()), via, metric, on_link: false, mtu })
}
