use super::*;
use crate::config::network::{read, Asked};
use crate::config::node::Node;
use crate::config::problem::Report;
use crate::config::typed::CloudConfig;
use crate::facts::Interface;
use crate::modules::testing::{assert_problems, assert_steps, debian, document};
use crate::modules::{plan as plan_of, PlanInput, Way};
use crate::plan::Plan;

/// What is planned for a network-config on a host with these programs.
fn planned(text: &str, programs: &[&str]) -> Plan {
    planned_with("{}", text, programs)
}

/// The same with a cloud-config beside it.
fn planned_with(config: &str, text: &str, programs: &[&str]) -> Plan {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    facts.files.insert("/etc/network/interfaces".into());
    let interface =
        |name: &str, mac: &str| Interface { name: name.into(), mac: mac.into(), driver: Some("virtio_net".into()), is_up: false };
    facts.interfaces =
        vec![interface("enp1s0", "52:54:00:12:34:00"), interface("enp2s0", "52:54:00:12:34:01"), interface("wlan0", "52:54:00:12:34:02")];
    let mut report = Report::new();
    let written = document(text);
    let config = CloudConfig::read(&document(config), &mut report).expect("a mapping");
    let Some(Asked::Network(network)) = read(&written, facts.has("netplan"), &mut report) else { panic!("{text}: {report:?}") };
    let config = config.with_network(*network, &written);
    plan_of(PlanInput { config: &config, facts: &facts, user: Default::default(), way: Way::Applied, report: &mut report })
}

/// The files of the step, each under its path, without the header.
fn files(plan: &Plan) -> String {
    let step = plan.steps.iter().find(|step| step.id == "network").expect("a step");
    let Operation::ConfigureNetwork(network) = &step.operation else { panic!("{:?}", step.operation) };
    let one = |file: &WriteFile| {
        let text = String::from_utf8_lossy(&file.content.expose().0).into_owned();
        format!("== {} {:o}\n{}", file.path, file.mode.unwrap_or_default(), text.strip_prefix(HEADER).expect("the header"))
    };
    network.files.iter().map(one).collect()
}

fn sample(name: &str) -> String {
    let path = format!("{}/tests/parity/network/{name}", env!("CARGO_MANIFEST_DIR"));
    fs_err::read_to_string(path).expect("sample")
}

#[test]
fn at_every_boot_and_for_devices_that_come_where_it_is_asked() {
    let text = "version: 2\nethernets: {enp1s0: {dhcp4: true}}\nbridges: {br0: {interfaces: [enp1s0]}}\n";
    let when = |events: &str, programs: &[&str]| planned_with(&format!("updates: {{network: {{when: {events}}}}}"), text, programs);
    let is_of_every_boot =
        |plan: &Plan| plan.steps.iter().find(|step| step.id == "network").is_some_and(|step| step.frequency == Frequency::Boot);
    assert!(is_of_every_boot(&when("[boot]", &["networkctl"])) && is_of_every_boot(&when("[boot-legacy]", &["netplan"])));
    assert!(!is_of_every_boot(&when("[hotplug, boot-new-instance]", &["networkctl"])));
    let hotplug = files(&when("[hotplug]", &["ifup"]));
    assert!(
        hotplug.contains("auto enp1s0\n") && hotplug.contains("allow-hotplug enp1s0\n") && !hotplug.contains("allow-hotplug br0"),
        "{hotplug}"
    );
    assert!(!files(&when("[boot]", &["ifup"])).contains("allow-hotplug"));
}

#[test]
fn who_configures_the_network() {
    let text = "version: 2\nethernets: {eth0: {dhcp4: true}}\n";
    for (programs, step) in [
        (&["netplan", "ifup", "networkctl"][..], "network: configure the network for netplan: write /etc/netplan/50-cloud-init.yaml"),
        (&["ifup", "networkctl"], "network: configure the network for ifupdown: write /etc/network/interfaces.d/50-cloud-init"),
        (&["networkctl"], "network: configure the network for systemd-networkd: write /etc/systemd/network/10-cloud-init-eth0.network"),
    ] {
        assert_steps(&planned(text, programs), &[step]);
    }
    let plan = planned(text, &[]);
    assert_steps(&plan, &[]);
    assert_problems(
        &plan,
        &["failed: there is neither netplan nor ifupdown nor systemd-networkd: the network-config is not applied (install netplan.io in the image)"],
    );
}

/// The peer's files are what `cloud-init devel net-convert` of 25.1 wrote. Ours differ where it loses something: a route of no
/// device, name servers for all on a device with DHCP, and that a gateway is on the link, where it is not the default one.
#[test]
fn netplan_gets_what_the_peer_writes() {
    for name in ["static", "bond", "bridge", "ipv6", "v2"] {
        let ours = files(&planned(&sample(&format!("{name}.yaml")), &["netplan"]));
        let (head, ours) = ours.split_once('\n').expect("a head");
        assert_eq!(head, "== /etc/netplan/50-cloud-init.yaml 600");
        let ours = document(ours).to_json();
        let mut peers = document(&sample(&format!("{name}.netplan"))).to_json();
        let ethernets = &mut peers["network"]["ethernets"];
        if name == "static" {
            let lost = serde_json::json!({"to": "10.9.0.0/16", "via": "192.0.2.254", "metric": 7});
            ethernets["eth0"]["routes"].as_array_mut().expect("routes").push(lost);
            ethernets["eth2"]["routes"][1]["on-link"] = true.into();
            ethernets["eth1"]["nameservers"] = serde_json::json!({"addresses": ["9.9.9.9"], "search": ["example.net"]});
        }
        assert_eq!(ours, peers, "{name}");
    }
}

#[test]
fn netplans_own_document_is_passed_on_whole() {
    let text = "version: 2\nwifis:\n  w0: {access-points: {'Café': {password: 'no'}}}\n";
    let plan = planned(text, &["netplan"]);
    let written = files(&plan);
    let (_, ours) = written.split_once('\n').expect("a head");
    assert_eq!(document(ours).get("network").map(Node::to_json), Some(document(text).to_json()));
    assert_problems(&plan, &[]);
}

#[test]
fn networkd_gets_its_files() {
    let expected = "\
== /etc/systemd/network/10-cloud-init-lan0.link 644
[Match]
MACAddress=52:54:00:12:34:00

[Link]
Name=lan0
== /etc/systemd/network/10-cloud-init-lan0.network 644
[Match]
MACAddress=52:54:00:12:34:00
Type=!vlan bridge bond

[Network]
DHCP=no
Address=192.0.2.10/24
Address=2001:db8::10/64
DNS=192.0.2.53
Domains=example.org

[Route]
Gateway=192.0.2.1

[Route]
Destination=198.51.100.0/24
Gateway=192.0.2.254
Metric=50

[Route]
Gateway=2001:db8::1
== /etc/systemd/network/10-cloud-init-eth1.network 644
[Match]
Name=eth1

[Link]
MTUBytes=9000
RequiredForOnline=no

[Network]
DHCP=yes

[DHCPv4]
RouteMetric=200
UseDNS=no
";
    assert_eq!(files(&planned(&sample("v2.yaml"), &["networkctl"])), expected);
}

#[test]
fn networkd_builds_bonds_bridges_and_vlans() {
    let written = files(&planned(&sample("bond.yaml"), &["networkctl"]));
    for part in [
        "10-cloud-init-eth0.network 644\n[Match]\nMACAddress=52:54:00:12:34:00\nType=!vlan bridge bond\n\n[Network]\nDHCP=no\nBond=bond0\n",
        "10-cloud-init-bond0.netdev 644\n[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=802.3ad\nMIIMonitorSec=100ms\nLACPTransmitRate=fast\n",
        "10-cloud-init-bond0.network 644\n[Match]\nName=bond0\n\n[Network]\nDHCP=ipv4\nVLAN=bond0.5\n",
        "10-cloud-init-bond0.5.netdev 644\n[NetDev]\nName=bond0.5\nKind=vlan\n\n[VLAN]\nId=5\n",
        "10-cloud-init-bond0.5.network 644\n[Match]\nName=bond0.5\n\n[Network]\nDHCP=no\nBridge=br0\nAddress=10.5.0.2/24\n",
        "10-cloud-init-br0.netdev 644\n[NetDev]\nName=br0\nKind=bridge\n\n[Bridge]\nSTP=off\nForwardDelaySec=0\n",
    ] {
        assert!(written.contains(part), "{part}\nin\n{written}");
    }
}

#[test]
fn ifupdown_gets_stanzas() {
    let expected = r#"== /etc/network/interfaces.d/50-cloud-init 644

auto lo
iface lo inet loopback
    dns-nameservers 9.9.9.9
    dns-search example.net

auto eth0
iface eth0 inet static
    address 192.0.2.10/24
    pre-up ip link set dev "$IFACE" mtu 1400
    dns-nameservers 192.0.2.53 192.0.2.54
    dns-search example.org
    post-up ip -4 route add default via 192.0.2.1 dev eth0 || true
    pre-down ip -4 route del default via 192.0.2.1 dev eth0 || true
    post-up ip -4 route add 10.9.0.0/16 via 192.0.2.254 dev eth0 metric 7 || true
    pre-down ip -4 route del 10.9.0.0/16 via 192.0.2.254 dev eth0 metric 7 || true
iface eth0 inet6 static
    address 2001:db8::10/64
    post-up ip -6 route add default via 2001:db8::1 dev eth0 || true
    pre-down ip -6 route del default via 2001:db8::1 dev eth0 || true

auto eth1
iface eth1 inet dhcp
iface eth1 inet6 dhcp

auto eth2
iface eth2 inet static
    address 203.0.113.7/32
    post-up ip -4 route add default via 203.0.113.1 dev eth2 onlink || true
    pre-down ip -4 route del default via 203.0.113.1 dev eth2 onlink || true
    post-up ip -4 route add 198.51.100.0/24 via 203.0.113.2 dev eth2 onlink || true
    pre-down ip -4 route del 198.51.100.0/24 via 203.0.113.2 dev eth2 onlink || true
== /etc/systemd/network/10-cloud-init-eth0.link 644
[Match]
MACAddress=52:54:00:12:34:00

[Link]
Name=eth0
== /etc/systemd/network/10-cloud-init-eth2.link 644
[Match]
MACAddress=52:54:00:12:34:02

[Link]
Name=eth2
"#;
    assert_eq!(files(&planned(&sample("static.yaml"), &["ifup"])), expected);
}

#[test]
fn ifupdown_knows_names_only() {
    let plan = planned(
        "version: 2\nethernets:\n  a: {match: {name: 'enp*'}, dhcp4: true}\n  b: {match: {driver: e1000}, dhcp4: true}\n",
        &["ifup"],
    );
    let written = files(&plan);
    assert!(
        written.contains("auto enp1s0\niface enp1s0 inet dhcp\n\nauto enp2s0\niface enp2s0 inet dhcp\n") && !written.contains("wlan0"),
        "{written}"
    );
    assert_problems(
        &plan,
        &["degraded: no device of this host is meant by b: it is not configured (match it by `macaddress`, or by its name)"],
    );
}

#[test]
fn devices_that_are_given_names_are_renamed() {
    let plan = planned(&sample("v2.yaml"), &["netplan"]);
    assert_steps(
        &plan,
        &["network: configure the network for netplan: write /etc/netplan/50-cloud-init.yaml; 52:54:00:12:34:00 becomes lan0"],
    );
}

#[test]
fn what_a_bond_and_a_vlan_stand_on_need_not_be_written() {
    let text = "version: 1\nconfig:\n- {type: bond, name: bond0, bond_interfaces: [eth0, eth1], params: {bond-mode: 1, bond_arp_ip_target: '192.0.2.1,192.0.2.2'}, \
                subnets: [{type: dhcp, metric: 9}, {type: dhcp6}]}\n- {type: vlan, name: mgmt, vlan_id: 7, vlan_link: eth2}\n";
    let networkd = files(&planned(text, &["networkctl"]));
    for part in [
        "eth1.network 644\n[Match]\nName=eth1\n\n[Network]\nDHCP=no\nBond=bond0\n",
        "eth2.network 644\n[Match]\nName=eth2\n\n[Network]\nDHCP=no\nVLAN=mgmt\n",
        "Mode=active-backup\nARPIPTargets=192.0.2.1 192.0.2.2\n",
    ] {
        assert!(networkd.contains(part), "{part}\nin\n{networkd}");
    }
    let ifupdown = files(&planned(text, &["ifup"]));
    for part in ["auto eth0\niface eth0 inet manual\n    bond-master bond0\n", "ip link add link eth2 name \"$IFACE\" type vlan id 7\n"] {
        assert!(ifupdown.contains(part), "{part}\nin\n{ifupdown}");
    }
    let netplan = files(&planned(text, &["netplan"]));
    let (_, netplan) = netplan.split_once('\n').expect("a head");
    let netplan = document(netplan).to_json();
    assert_eq!(netplan["network"]["ethernets"], serde_json::json!({"eth0": {}, "eth1": {}, "eth2": {}}));
    assert_eq!(netplan["network"]["bonds"]["bond0"]["dhcp4-overrides"], netplan["network"]["bonds"]["bond0"]["dhcp6-overrides"]);
}

#[test]
fn no_text_becomes_a_line_of_its_own() {
    let text = "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets:\n  - {type: static, address: 192.0.2.7/24, dns_search: \"a.org\\nb.org\"}\n\
                - {type: bond, name: bond0, bond_interfaces: [eth0], params: {bond-mode: \"802.3ad\\n    post-up reboot\"}}\n";
    for manager in ["ifup", "networkctl"] {
        let written = files(&planned(text, &[manager]));
        assert!(written.contains("a.org b.org\n"), "{written}");
        assert!(written.lines().all(|line| !line.trim_start().starts_with("post-up reboot") && line.trim() != "b.org"), "{written}");
    }
}

#[test]
fn a_hardware_address_and_a_password_reach_netplan_as_they_were_written() {
    let written = files(&planned("version: 2\nethernets: {a: {match: {macaddress: 52:54:00:12:34:00}, mtu: 1400}}\nwifis: {w: {access-points: {x: {password: 01234567}}}}\n", &["netplan"]));
    for part in ["macaddress: '52:54:00:12:34:00'", "mtu: 1400", "password: '01234567'"] {
        assert!(written.contains(part), "{part} in {written}");
    }
}

#[test]
fn an_address_of_the_loopback_device_and_a_route_without_gateway() {
    let text = "version: 1\nconfig:\n- {type: loopback, name: lo, subnets: [{type: loopback}, {type: static, address: 192.0.2.9/32, dns_nameservers: 192.0.2.53}]}\n\
                - {type: physical, name: eth0, subnets: [{type: static, address: 192.0.2.7/24, routes: [{destination: '::', netmask: '::'}, {destination: 10.0.0.5, netmask: 255.0.0.0}]}]}\n";
    let networkd = files(&planned(text, &["networkctl"]));
    for part in ["lo.network", "Address=192.0.2.9/32", "DNS=192.0.2.53", "Destination=::/0\nScope=link", "Destination=10.0.0.0/8"] {
        assert!(networkd.contains(part), "{part}\nin\n{networkd}");
    }
    let ifupdown = files(&planned(text, &["ifup"]));
    assert!(
        ifupdown.contains("iface lo inet static\n    address 192.0.2.9/32\n") && ifupdown.matches("auto lo\n").count() == 1,
        "{ifupdown}"
    );
}
