//! For systemd-networkd: systemd.network(5), systemd.netdev(5), systemd.link(5).

use super::SYSTEMD_FILES;
use crate::config::network::{Autoconf, Cidr, Device, DeviceKind, Dhcp, Network, Ports, Route};
use crate::config::problem::Report;

/// The files, in the order of the devices.
pub(super) fn files(network: &Network, report: &mut Report) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for device in network.devices.iter().filter(|device| device.is_configured()) {
        let mut file = |kind: &str, text: String| files.push((format!("{SYSTEMD_FILES}{}.{kind}", device.name), text));
        if device.is_renamed || device.wake_on_lan {
            file("link", link(device));
        }
        if let Some(text) = netdev(device) {
            file("netdev", text);
        }
        file("network", settings(device, network));
    }
    if let Some(device) = network.devices.iter().find(|device| device.manual) {
        let message = format!("{} is to be configured by hand: systemd-networkd configures it at boot", device.name);
        report.warning("network", message);
    }
    files
}

/// The section that says which device a file is for.
fn found(device: &Device, name_key: &str) -> String {
    let mut out = String::from("[Match]\n");
    let matching = &device.matching;
    let mut line = |key: &str, value: &str| out.push_str(&format!("{key}={value}\n"));
    if let Some(mac) = &matching.mac {
        line("MACAddress", mac);
        // VLANs and bonds have the hardware address of the device they stand on.
        if name_key == "Name" {
            line("Type", "!vlan bridge bond");
        }
    }
    if let Some(driver) = &matching.driver {
        line("Driver", driver);
    }
    match &matching.name {
        Some(name) => line(name_key, name),
        None if matching.mac.is_none() && matching.driver.is_none() => line(name_key, &device.name),
        None => {}
    }
    out
}

fn link(device: &Device) -> String {
    let mut out = found(device, "OriginalName") + "\n[Link]\n";
    if device.is_renamed {
        out.push_str(&format!("Name={}\n", device.name));
    } else {
        out.push_str("NamePolicy=keep kernel database onboard slot path\n");
    }
    if device.wake_on_lan {
        out.push_str("WakeOnLan=magic\n");
    }
    out
}

fn netdev(device: &Device) -> Option<String> {
    let mac = device.mac.as_ref().map(|mac| format!("MACAddress={mac}\n")).unwrap_or_default();
    let head = |kind: &str| format!("[NetDev]\nName={}\nKind={kind}\n{mac}", device.name);
    match &device.kind {
        DeviceKind::Bond(ports) => Some(head("bond") + &parameters("Bond", ports)),
        DeviceKind::Bridge(ports) => Some(head("bridge") + &parameters("Bridge", ports)),
        DeviceKind::Vlan { id, .. } => Some(format!("{}\n[VLAN]\nId={id}\n", head("vlan"))),
        DeviceKind::Physical | DeviceKind::Loopback => None,
    }
}

fn parameters(section: &str, ports: &Ports) -> String {
    let lines: Vec<String> = ports
        .parameters
        .iter()
        .filter(|(parameter, _)| !parameter.networkd.is_empty())
        .map(|(parameter, value)| {
            let unit = if parameter.milliseconds && value.bytes().all(|b| b.is_ascii_digit()) { "ms" } else { "" };
            format!("{}={value}{unit}\n", parameter.networkd)
        })
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n[{section}]\n{}", lines.concat())
    }
}

fn settings(device: &Device, network: &Network) -> String {
    let mut out = found(device, "Name");
    let mut link = String::new();
    if device.kind == DeviceKind::Physical {
        device.mac.iter().for_each(|mac| link.push_str(&format!("MACAddress={mac}\n")));
    }
    device.mtu.iter().for_each(|mtu| link.push_str(&format!("MTUBytes={mtu}\n")));
    if device.optional {
        link.push_str("RequiredForOnline=no\n");
    }
    if !link.is_empty() {
        out += &format!("\n[Link]\n{link}");
    }
    out += "\n[Network]\n";
    out += &of_network(device, network);
    for (section, client) in [("DHCPv4", &device.dhcp4), ("DHCPv6", &device.dhcp6)] {
        out += &client.as_ref().map(|client| dhcp(section, client)).unwrap_or_default();
    }
    device.routes.iter().for_each(|one| out += &route(one));
    out
}

fn of_network(device: &Device, network: &Network) -> String {
    let mut out = String::new();
    let mut line = |key: &str, value: &str| out.push_str(&format!("{key}={value}\n"));
    let clients = (device.dhcp4.is_some(), device.dhcp6.is_some());
    line(
        "DHCP",
        if clients == (true, true) {
            "yes"
        } else if clients.0 {
            "ipv4"
        } else if clients.1 {
            "ipv6"
        } else {
            "no"
        },
    );
    for port in network.devices.iter() {
        let (key, ports) = match &port.kind {
            DeviceKind::Bond(ports) => ("Bond", ports),
            DeviceKind::Bridge(ports) => ("Bridge", ports),
            DeviceKind::Vlan { link, .. } if *link == device.id => {
                line("VLAN", &port.name);
                continue;
            }
            _ => continue,
        };
        if ports.names.contains(&device.id) {
            line(key, &port.name);
            let primary = ports.parameters.iter().any(|(parameter, value)| parameter.netplan == "primary" && *value == device.id);
            if primary {
                line("PrimarySlave", "yes");
            }
        }
    }
    device.addresses.iter().for_each(|cidr| line("Address", &cidr.to_string()));
    if let Some(resolver) = network.resolver_of(device) {
        let servers: Vec<String> = resolver.servers.iter().map(ToString::to_string).collect();
        [("DNS", servers), ("Domains", resolver.search.clone())].iter().filter(|(_, words)| !words.is_empty()).for_each(|(key, words)| {
            line(key, &words.join(" "));
        });
    }
    let accepted = device.accept_ra.or(matches!(device.autoconf, Some(Autoconf::Slaac | Autoconf::Stateless)).then_some(true));
    accepted.iter().for_each(|accepted| line("IPv6AcceptRA", if *accepted { "yes" } else { "no" }));
    device.ipv6_mtu.iter().for_each(|mtu| line("IPv6MTUBytes", &mtu.to_string()));
    out
}

fn dhcp(section: &str, client: &Dhcp) -> String {
    let metric = client.metric.map(|metric| ("RouteMetric", metric.to_string()));
    let lines: String = metric.into_iter().chain(client.settings.iter().cloned()).map(|(key, value)| format!("{key}={value}\n")).collect();
    if lines.is_empty() {
        lines
    } else {
        format!("\n[{section}]\n{lines}")
    }
}

fn route(route: &Route) -> String {
    let mut out = String::from("\n[Route]\n");
    let mut line = |key: &str, value: String| out.push_str(&format!("{key}={value}\n"));
    let is_default = |to: &&Cidr| to.is_everything() && route.via.is_some();
    route.to.iter().filter(|to| !is_default(to)).for_each(|to| line("Destination", to.to_string()));
    match route.via {
        Some(via) => line("Gateway", via.to_string()),
        None => line("Scope", "link".into()),
    }
    route.metric.iter().for_each(|metric| line("Metric", metric.to_string()));
    route.mtu.iter().for_each(|mtu| line("MTUBytes", mtu.to_string()));
    if route.on_link {
        line("GatewayOnLink", "yes".into());
    }
    out
}
