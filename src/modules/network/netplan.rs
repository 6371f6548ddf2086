//! For netplan(5).

use serde_json::{json, Map, Value};

use crate::config::network::{Autoconf, Device, DeviceKind, Network, Parameter, Ports, Resolver, Route};
use crate::config::node::{Node, Origin};
use crate::ordered::object_of;

const PATH: &str = "/etc/netplan/50-cloud-init.yaml";

/// The file: a version 2 as it is, a version 1 in those terms.
pub(super) fn files(network: &Network) -> Vec<(String, String)> {
    let document = match &network.netplan {
        Some(document) => document.clone(),
        None => Node::from_json(&document(network), &Origin::new("network-config", 0, 0)),
    };
    // Cannot fail: what was read can be written.
    vec![(PATH.into(), crate::yaml::to_string(&document).unwrap_or_default())]
}

fn document(network: &Network) -> Value {
    let mut sections = json!({"version": 2});
    for device in network.devices.iter().filter(|device| device.is_configured()) {
        let section = match device.kind {
            DeviceKind::Physical | DeviceKind::Loopback => "ethernets",
            DeviceKind::Bond(_) => "bonds",
            DeviceKind::Bridge(_) => "bridges",
            DeviceKind::Vlan { .. } => "vlans",
        };
        sections[section][&device.id] = Value::Object(settings(device, network));
    }
    json!({"network": sections})
}

fn settings(device: &Device, network: &Network) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    if let (true, Some(mac)) = (device.is_renamed, &device.matching.mac) {
        set("match", json!({"macaddress": mac}));
        set("set-name", json!(device.name));
    }
    if let Some(mac) = &device.mac {
        set("macaddress", json!(mac));
    }
    match &device.kind {
        DeviceKind::Bond(ports) | DeviceKind::Bridge(ports) => {
            set("interfaces", json!(ports.names));
            if !ports.parameters.is_empty() {
                set("parameters", parameters(ports));
            }
        }
        DeviceKind::Vlan { id, link } => {
            set("id", json!(id));
            set("link", json!(link));
        }
        DeviceKind::Physical | DeviceKind::Loopback => {}
    }
    // netplan has no word for a stateless DHCPv6: it asks for what the advertisements say there is.
    let dhcp6 = device.dhcp6.is_some() || device.autoconf == Some(Autoconf::Stateless);
    // networkd wants one metric for both.
    let metric = [&device.dhcp4, &device.dhcp6].into_iter().flatten().find_map(|client| client.metric);
    for (key, _) in [("dhcp4", device.dhcp4.is_some()), ("dhcp6", dhcp6)].into_iter().filter(|(_, on)| *on) {
        set(key, json!(true));
        metric.iter().for_each(|metric| set(&format!("{key}-overrides"), json!({"route-metric": metric})));
    }
    if device.autoconf == Some(Autoconf::Slaac) && device.accept_ra.is_none() {
        set("accept-ra", json!(true));
    }
    if !device.addresses.is_empty() {
        set("addresses", device.addresses.iter().map(|cidr| json!(cidr.to_string())).collect());
    }
    if !device.routes.is_empty() {
        set("routes", device.routes.iter().map(route).collect());
    }
    if let Some(resolver) = network.resolver_of(device) {
        set("nameservers", nameservers(resolver));
    }
    let numbers = [("mtu", device.mtu), ("ipv6-mtu", device.ipv6_mtu)];
    numbers.into_iter().filter_map(|(key, value)| Some((key, value?))).for_each(|(key, value)| set(key, json!(value)));
    if let Some(accepted) = device.accept_ra {
        set("accept-ra", json!(accepted));
    }
    let truths = [("wakeonlan", device.wake_on_lan), ("optional", device.optional || device.manual)];
    truths.into_iter().filter(|(_, value)| *value).for_each(|(key, _)| set(key, json!(true)));
    if device.manual {
        set("activation-mode", json!("manual"));
    }
    out
}

fn parameters(ports: &Ports) -> Value {
    let one = |(parameter, value): &(&Parameter, String)| {
        let value = match value.as_str() {
            _ if parameter.netplan == "arp-ip-targets" => json!(value.split_whitespace().collect::<Vec<_>>()),
            "yes" | "on" => json!(true),
            "no" | "off" => json!(false),
            text => text.parse::<u32>().map_or_else(|_| json!(text), |number| json!(number)),
        };
        (parameter.netplan.to_owned(), value)
    };
    object_of(ports.parameters.iter().map(one))
}

fn route(route: &Route) -> Value {
    let mut out = json!({"to": route.to.map_or_else(|| "default".to_owned(), |to| to.to_string())});
    if let Some(via) = route.via {
        out["via"] = json!(via);
    } else {
        out["scope"] = json!("link");
    }
    if let Some(metric) = route.metric {
        out["metric"] = json!(metric);
    }
    if let Some(mtu) = route.mtu {
        out["mtu"] = json!(mtu);
    }
    if route.on_link {
        out["on-link"] = json!(true);
    }
    out
}

fn nameservers(resolver: &Resolver) -> Value {
    let mut out = json!({"addresses": resolver.servers});
    if !resolver.search.is_empty() {
        out["search"] = json!(resolver.search);
    }
    out
}
