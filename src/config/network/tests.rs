use super::*;
use crate::yaml;

fn read_text(text: &str, for_netplan: bool) -> (Option<Asked>, Vec<String>) {
    let document = yaml::parse("network-config", text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let mut report = Report::new();
    let asked = read(&document, for_netplan, &mut report);
    (asked, report.problems.iter().map(crate::config::problem::Problem::sentence).collect())
}

fn network(text: &str) -> (Network, Vec<String>) {
    match read_text(text, false) {
        (Some(Asked::Network(network)), problems) => (*network, problems),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_the_rest_is_kept() {
    for (text, kept, problem) in [
        (
            "version: 1\nconfig:\n- {type: physical, name: eth0}\n- {type: phisical, name: eth1}\n",
            1,
            "network-config:4:10: network-config.config[1]: there is no type `phisical` (did you mean `physical`?)",
        ),
        (
            "version: 1\nconfig:\n- {type: physical, name: eth0, mac_address: '52:54'}\n",
            1,
            "network-config:3:45: network-config.config[0]: `52:54` is no hardware address (as in 52:54:00:12:34:56)",
        ),
        (
            "version: 1\nconfig:\n- type: physical\n  name: eth0\n  subnets: [{type: static, address: 10.0.0.300}]\n",
            1,
            "network-config:5:37: network-config.config[0].subnets[0]: `10.0.0.300` is no IP address (as in 192.0.2.7/24)",
        ),
        (
            "version: 1\nconfig:\n- {type: physical, name: eth0}\n- {type: nameserver, interface: eth9, address: 9.9.9.9}\n",
            1,
            "network-config:4:3: name servers are given for eth9, and there is no such device",
        ),
        (
            "version: 1\nconfig:\n- {type: physical, name: eth0}\n- {type: route, destination: 10.0.0.0/8, gateway: 192.0.2.1}\n",
            1,
            "network-config:4:3: network-config: no device reaches the gateway of this route (put the route into the subnet of its device)",
        ),
        (
            "version: 2\nethernets:\n  eth0: {adresses: [10.0.0.2/24]}\n",
            1,
            "network-config:3:10: unknown key `adresses` in network-config.ethernets.eth0: it is ignored (did you mean `addresses`?)",
        ),
        (
            "version: 2\nethernets:\n  eth0: {addresses: [10.0.0.2, 10.0.0.3/24]}\n",
            1,
            "network-config:3:22: network-config.ethernets.eth0: `10.0.0.2` has no prefix (as in 192.0.2.7/24)",
        ),
        (
            "version: 2\nvlans:\n  v5: {id: 5}\nethernets: {eth0: {}}\n",
            1,
            "network-config:3:7: network-config.vlans.v5: a VLAN needs `id` and `link` (add `id: 5` and `link: eth0`)",
        ),
        (
            "version: 2\nethernets: {eth0: {}}\nwifis: {w: {}}\n",
            1,
            "network-config:3:1: `wifis` in network-config is not supported yet: it is ignored",
        ),
        ("version: 2\nethernets: {'../eth0': {}, eth1: {}}\n", 1, "network-config:2:24: network-config.ethernets.../eth0: `../eth0` is no device's name (at most 15 characters, without spaces and `/`)"),
    ] {
        let (network, problems) = network(text);
        assert_eq!((network.devices.len(), problems), (kept, vec![problem.to_owned()]), "{text}");
    }
}

#[test]
fn of_a_document_with_errors_and_without_a_device_nothing_is_made() {
    let (asked, problems) = read_text("version: 2\nethernets: {'../eth0': {}}\n", false);
    assert!(asked.is_none(), "{asked:?}");
    let told = "network-config:1:1: network-config: no device is left of it: the network is left as it is (correct the devices)";
    assert_eq!(problems[1], told);
    assert!(read_text("version: 2\nethernets: {}\n", false).0.is_some());
}

#[test]
fn a_document_that_says_nothing_usable() {
    for (text, problem) in [
        ("[]", "network-config:1:1: network-config must be a mapping, not a list"),
        ("ethernets: {}", "network-config:1:1: network-config: it has no `version` (add `version: 2` above the devices)"),
        ("version: 3", "network-config:1:1: network-config: there is no version 3 (write `version: 2`, or 1)"),
    ] {
        let (asked, problems) = read_text(text, false);
        assert!(asked.is_none(), "{text}: {asked:?}");
        assert_eq!(problems, [problem], "{text}");
    }
    for text in ["{config: disabled}", "network: {config: disabled}"] {
        assert!(matches!(read_text(text, false), (Some(Asked::Disabled), _)), "{text}");
    }
}

#[test]
fn an_address_without_quotes_is_not_taken_for_a_number() {
    let (network, problems) = network("version: 1\nconfig: [{type: physical, name: eth0, mac_address: 52:54:00:12:34:00}]\n");
    assert_eq!((network.devices[0].matching.mac.as_deref(), problems.len()), (Some("52:54:00:12:34:00"), 0));
}

#[test]
fn routes_find_their_device() {
    let (network, problems) = network(
        "version: 1\nconfig:\n\
         - {type: physical, name: eth0, subnets: [{type: dhcp}]}\n\
         - {type: physical, name: eth1, subnets: [{type: static, address: 192.0.2.7/24}, {type: static, address: 203.0.113.7/32, gateway: 203.0.113.1}]}\n\
         - {type: route, destination: 10.0.0.0/8, gateway: 192.0.2.1}\n\
         - {type: route, destination: 0.0.0.0, netmask: 0.0.0.0, gateway: 198.51.100.1}\n",
    );
    let routes = |at: usize| -> Vec<(Option<String>, Option<String>, bool)> {
        let of = &network.devices[at].routes;
        of.iter().map(|route| (route.to.map(|to| to.to_string()), route.via.map(|via| via.to_string()), route.on_link)).collect()
    };
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(routes(0), [(Some("0.0.0.0/0".into()), Some("198.51.100.1".into()), false)]);
    assert_eq!(routes(1), [(None, Some("203.0.113.1".into()), true), (Some("10.0.0.0/8".into()), Some("192.0.2.1".into()), false)]);
}

#[test]
fn the_later_of_two_counts() {
    let (network, problems) =
        network("version: 1\nconfig:\n- {type: physical, name: eth0, mtu: 1400}\n- {type: physical, name: eth0, mtu: 1500}\n");
    assert_eq!(network.devices.iter().map(|device| device.mtu).collect::<Vec<_>>(), [Some(1500)]);
    assert_eq!(problems, ["the network-config has eth0 twice: what stands later counts"]);
}

#[test]
fn netplan_reads_its_own_format_itself() {
    let text = "network:\n  version: 2\n  wifis: {w: {access-points: {x: {password: pass-4711}}}}\n  ethernets:\n    a: {match: {macaddress: '52:54:00:12:34:00'}, set-name: lan0, odd: 1}\n    b: {match: {name: en*}}\n";
    let (asked, problems) = read_text(text, true);
    let Some(Asked::Network(network)) = asked else { panic!("{asked:?}") };
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(network.devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>(), ["lan0"]);
    assert_eq!(network.secrets.iter().map(|secret| secret.expose().as_str()).collect::<Vec<_>>(), ["pass-4711"]);
    assert!(network.netplan.is_some_and(|document| document.get("network").and_then(|inner| inner.get("wifis")).is_some()));
}
