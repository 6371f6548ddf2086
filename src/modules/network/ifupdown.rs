//! For ifupdown: interfaces(5). Routes are set by `ip`, which is there where the peer's `route` no longer is.

use super::SYSTEMD_FILES;
use crate::config::network::{Autoconf, Device, DeviceKind, Network, Route};
use crate::config::problem::Report;
use crate::facts::Interface;
use crate::ordered::sort_by_key;

const PATH: &str = "/etc/network/interfaces.d/50-cloud-init";

/// The file, and the names that udev gives devices.
pub(super) fn files(network: &Network, interfaces: &[Interface], hotplug: bool, report: &mut Report) -> Vec<(String, String)> {
    let mut text = String::from("\nauto lo\niface lo inet loopback\n");
    resolver_lines(&mut text, &network.resolver.servers, &network.resolver.search);
    let mut files = Vec::new();
    let mut devices: Vec<&Device> = network.devices.iter().filter(|device| device.is_configured()).collect();
    sort_by_key(&mut devices, |device| order(&device.kind));
    for device in devices {
        if let (true, Some(mac)) = (device.is_renamed, &device.matching.mac) {
            let link = format!("[Match]\nMACAddress={mac}\n\n[Link]\nName={}\n", device.name);
            files.push((format!("{SYSTEMD_FILES}{}.link", device.name), link));
        }
        let names = names(device, interfaces);
        if names.is_empty() {
            let message = format!("no device of this host is meant by {}: it is not configured", device.id);
            report.warning("network", message).help("match it by `macaddress`, or by its name");
        }
        warn_of_what_is_lost(device, report);
        for name in names {
            stanzas(&mut text, &name, device, network);
            // For ifupdown's own rule of udev, which brings up what comes later.
            if hotplug && !device.manual && device.kind == DeviceKind::Physical {
                text += &format!("allow-hotplug {name}\n");
            }
        }
        if let Some(package) = needed(&device.kind) {
            report.note("network", format!("{} is set up by ifupdown with the package {package}", device.name));
        }
    }
    files.insert(0, (PATH.into(), text));
    files
}

/// What something stands on comes before it.
const fn order(kind: &DeviceKind) -> u8 {
    match kind {
        DeviceKind::Physical | DeviceKind::Loopback => 0,
        DeviceKind::Bond(_) => 1,
        DeviceKind::Bridge(_) => 2,
        DeviceKind::Vlan { .. } => 3,
    }
}

const fn needed(kind: &DeviceKind) -> Option<&'static str> {
    match kind {
        DeviceKind::Bond(_) => Some("ifenslave"),
        DeviceKind::Bridge(_) => Some("bridge-utils"),
        DeviceKind::Vlan { .. } | DeviceKind::Physical | DeviceKind::Loopback => None,
    }
}

/// What interfaces(5) has no word for.
fn warn_of_what_is_lost(device: &Device, report: &mut Report) {
    let overrides = [&device.dhcp4, &device.dhcp6].into_iter().flatten().any(|client| !client.settings.is_empty());
    let metric6 = device.dhcp6.as_ref().is_some_and(|client| client.metric.is_some());
    let no_stanza = device.accept_ra.is_some() && device.dhcp6.is_none() && !device.addresses.iter().any(|cidr| cidr.address.is_ipv6());
    for (lost, what) in
        [(overrides, "overrides of DHCP"), (metric6, "a metric of DHCPv6"), (no_stanza, "accept-ra without an IPv6 address or DHCPv6")]
    {
        if lost {
            let message = format!("{}: ifupdown has no word for {what}: it is left out", device.id);
            report.warning("network", message).help("install netplan.io in the image");
        }
    }
}

/// interfaces(5) knows names only: those of the devices that are meant.
fn names(device: &Device, interfaces: &[Interface]) -> Vec<String> {
    let matching = &device.matching;
    let by_name = matching.mac.is_none() && matching.name.is_none() && matching.driver.is_none();
    if device.kind != DeviceKind::Physical || device.is_renamed || by_name {
        return vec![device.name.clone()];
    }
    let meant = |interface: &&Interface| {
        matching.mac.as_ref().is_none_or(|mac| *mac == interface.mac)
            && matching.name.as_ref().is_none_or(|pattern| glob(pattern.as_bytes(), interface.name.as_bytes()))
            && matching.driver.as_ref().is_none_or(|driver| Some(driver) == interface.driver.as_ref())
    };
    interfaces.iter().filter(meant).map(|interface| interface.name.clone()).collect()
}

fn glob(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => glob(rest, name) || (!name.is_empty() && glob(pattern, &name[1..])),
        ([b'?', rest @ ..], [_, more @ ..]) => glob(rest, more),
        ([letter, rest @ ..], [first, more @ ..]) => letter == first && glob(rest, more),
        _ => false,
    }
}

fn stanzas(text: &mut String, name: &str, device: &Device, network: &Network) {
    let mut own = Vec::new();
    if device.dhcp4.is_some() {
        own.push(("inet", "dhcp", None));
    }
    own.extend(device.addresses.iter().map(|cidr| (if cidr.address.is_ipv6() { "inet6" } else { "inet" }, "static", Some(cidr))));
    if device.dhcp6.is_some() {
        own.push(("inet6", "dhcp", None));
    }
    if device.autoconf.is_some() {
        own.push(("inet6", "auto", None));
    }
    if own.is_empty() {
        own.push(("inet", "manual", None));
    }
    *text += "\n";
    if !device.manual && device.kind != DeviceKind::Loopback {
        *text += &format!("auto {name}\n");
    }
    for (at, (family, method, address)) in own.iter().enumerate() {
        *text += &format!("iface {name} {family} {method}\n");
        let mut line = |key: &str, value: &str| text.push_str(&format!("    {key} {value}\n"));
        address.iter().for_each(|cidr| line("address", &cidr.to_string()));
        let metric = match (*family, *method) {
            ("inet", "dhcp") => device.dhcp4.as_ref().and_then(|client| client.metric),
            _ => None,
        };
        metric.iter().for_each(|metric| line("metric", &metric.to_string()));
        if *family == "inet6" && *method != "auto" {
            device.accept_ra.iter().for_each(|accepted| line("accept_ra", if *accepted { "1" } else { "0" }));
        }
        if *method == "auto" {
            line("dhcp", if device.autoconf == Some(Autoconf::Stateless) { "1" } else { "0" });
        }
        if at == 0 {
            of_device(&mut line, device, network);
            resolver_lines(text, &device.resolver.servers, &device.resolver.search);
        }
        let last_of_family = !own[at + 1..].iter().any(|(other, ..)| other == family);
        let no_later = at + 1 == own.len();
        let here = |route: &&Route| (last_of_family && route.is_ipv6() == (*family == "inet6")) || (no_later && !has_family(&own, route));
        device.routes.iter().filter(here).for_each(|route| route_lines(text, route, name));
    }
}

fn has_family<T, U>(own: &[(&str, T, U)], route: &Route) -> bool {
    own.iter().any(|(family, ..)| (*family == "inet6") == route.is_ipv6())
}

fn of_device(line: &mut impl FnMut(&str, &str), device: &Device, network: &Network) {
    device.mac.iter().for_each(|mac| line("hwaddress", mac));
    let me = "\"$IFACE\"";
    if let DeviceKind::Vlan { id, link } = &device.kind {
        let link = network.devices.iter().find(|other| other.id == *link).map_or(link, |other| &other.name);
        line("pre-up", &format!("ip link show dev {me} >/dev/null 2>&1 || ip link add link {link} name {me} type vlan id {id}"));
        line("post-down", &format!("ip link del dev {me} || true"));
    }
    // Under DHCP there is no `mtu`.
    device.mtu.iter().for_each(|mtu| line("pre-up", &format!("ip link set dev {me} mtu {mtu}")));
    device.ipv6_mtu.iter().for_each(|mtu| line("post-up", &format!("echo {mtu} >/proc/sys/net/ipv6/conf/$IFACE/mtu || true")));
    if device.wake_on_lan {
        line("ethernet-wol", "g");
    }
    match &device.kind {
        DeviceKind::Bond(ports) | DeviceKind::Bridge(ports) => {
            let is_bond = matches!(device.kind, DeviceKind::Bond(_));
            let joined = if ports.names.is_empty() { "none".to_owned() } else { ports.names.join(" ") };
            line(if is_bond { "bond-slaves" } else { "bridge_ports" }, if is_bond { "none" } else { &joined });
            ports.parameters.iter().for_each(|(parameter, value)| line(parameter.interfaces, value));
        }
        DeviceKind::Vlan { .. } | DeviceKind::Physical | DeviceKind::Loopback => {}
    }
    for bond in &network.devices {
        if matches!(&bond.kind, DeviceKind::Bond(ports) if ports.names.contains(&device.id)) {
            line("bond-master", &bond.name);
        }
    }
}

fn resolver_lines(text: &mut String, servers: &[std::net::IpAddr], search: &[String]) {
    let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
    for (key, words) in [("dns-nameservers", &servers), ("dns-search", &search.to_vec())] {
        if !words.is_empty() {
            *text += &format!("    {key} {}\n", words.join(" "));
        }
    }
}

fn route_lines(text: &mut String, route: &Route, device: &str) {
    let family = if route.is_ipv6() { "-6" } else { "-4" };
    let mut what = route.to.map_or_else(|| "default".to_owned(), |to| to.to_string());
    route.via.iter().for_each(|via| what += &format!(" via {via}"));
    what += &format!(" dev {device}");
    route.metric.iter().for_each(|metric| what += &format!(" metric {metric}"));
    route.mtu.iter().for_each(|mtu| what += &format!(" mtu {mtu}"));
    if route.on_link {
        what += " onlink";
    }
    // A route that is there already, or cannot be, must not keep the rest of the device from coming up.
    *text += &format!("    post-up ip {family} route add {what} || true\n    pre-down ip {family} route del {what} || true\n");
}
