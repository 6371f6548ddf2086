//! A datasource's network-config on real hosts: what the network is when the host has booted.

mod lab;

use lab::{BootOptions, Booted, Disk, Host, Lab, Release};

/// Of the eth0 that the lab gives a host.
const MAC: &str = "52:54:00:12:34:56";

const STATIC: &str = "version: 2\n\
    ethernets:\n\
    \x20 eth0:\n\
    \x20   addresses: [192.0.2.7/24, '2001:db8::7/64']\n\
    \x20   routes: [{to: default, via: 192.0.2.1}, {to: 198.51.100.0/24, via: 192.0.2.254, metric: 50}]\n\
    \x20   mtu: 1400\n";

fn host(release: Release, network_config: &str) -> Option<Host> {
    let lab = Lab::require()?;
    let host = lab.host(release, Disk::Directory);
    host.install_deb(&lab::package()?);
    seed(&host, "i-1", network_config);
    Some(host)
}

fn seed(host: &Host, id: &str, network_config: &str) {
    let files = host.files();
    files.write("/var/lib/cloud/seed/nocloud/meta-data", format!("instance-id: {id}\n"), 0o600);
    files.write("/var/lib/cloud/seed/nocloud/user-data", "#cloud-config\nhostname: net-1\n", 0o600);
    files.write("/var/lib/cloud/seed/nocloud/network-config", network_config, 0o600);
}

/// Boots with an eth0 and waits for the end of the run; its state.
fn boot(host: &Host) -> (Booted, String) {
    let booted = host.boot(BootOptions { eth0: true, ..BootOptions::default() });
    booted.wait_unit("landfall.service");
    let text = booted.sh("landfall status --wait --timeout 120s --format json").stdout;
    let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let state = status["state"].as_str().unwrap_or_default().to_owned();
    (booted, state)
}

fn has(booted: &Booted, device: &str, command: &str, expected: &[&str]) {
    let output = || booted.sh(&format!("ip {command} show dev {device}")).stdout;
    let lines = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    booted.wait_until(&format!("{device} has {expected:?}"), || expected.iter().all(|part| lines(&output()).contains(part)));
}

fn is_as_configured(booted: &Booted, device: &str) {
    has(booted, device, "addr", &["192.0.2.7/24", "2001:db8::7/64", "mtu 1400"]);
    has(booted, device, "route", &["default via 192.0.2.1", "198.51.100.0/24 via 192.0.2.254"]);
}

/// The first boot has the network that was asked for; so has the second, in which nothing is done.
fn first_and_second_boot(host: &Host, device: &str) {
    let (booted, state) = boot(host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why; journalctl -b -u landfall-local --no-pager").stdout);
    is_as_configured(&booted, device);
    booted.shutdown();
    let (booted, state) = boot(host);
    assert_eq!(state, "done");
    is_as_configured(&booted, device);
}

#[test]
fn systemd_networkd_configures_it_where_there_is_nothing_else() {
    for release in [Release::Trixie, Release::Bookworm] {
        let Some(host) = host(release, STATIC) else { return };
        first_and_second_boot(&host, "eth0");
    }
}

#[test]
fn a_device_gets_its_name_before_the_network_is_up() {
    let config =
        STATIC.replace("\x20   addresses", &format!("\x20   match: {{macaddress: '{MAC}'}}\n\x20   set-name: lan0\n\x20   addresses"));
    let Some(host) = host(Release::Trixie, &config) else { return };
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    is_as_configured(&booted, "lan0");
    let plan = booted.sh("landfall status --long").stdout;
    assert!(plan.contains(&format!("{MAC} becomes lan0")), "{plan}");
}

/// The lab's host has two devices: eth0, and the other end of its cable.
const PEER: &str = "52:54:00:65:43:21";

fn address_of(booted: &Booted, device: &str) -> String {
    booted.files().read(&format!("/sys/class/net/{device}/address")).trim().to_owned()
}

#[test]
fn two_devices_swap_their_names_and_one_that_is_in_the_way_makes_way() {
    let named = |mac: &str, name: &str| {
        format!("- {{type: physical, name: {name}, mac_address: '{mac}', subnets: [{{type: static, address: 192.0.2.7/24}}]}}\n")
    };
    let config = format!("version: 1\nconfig:\n{}{}", named(MAC, "labpeer"), named(PEER, "eth0"));
    let Some(host) = host(Release::Trixie, &config) else { return };
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    let addresses = booted.sh("ip -br link").stdout;
    assert!(addresses.lines().any(|line| line.starts_with("labpeer") && line.contains(MAC)), "{addresses}");
    assert!(addresses.lines().any(|line| line.starts_with("eth0") && line.contains(PEER)), "{addresses}");
    has(&booted, "labpeer", "addr", &["192.0.2.7/24"]);
    booted.shutdown();

    seed(&host, "i-2", &format!("version: 1\nconfig:\n{}", named(MAC, "labpeer")));
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    let addresses = booted.sh("ip -br link").stdout;
    assert!(addresses.lines().any(|line| line.starts_with("labpeer") && line.contains(MAC)), "{addresses}");
    assert!(addresses.lines().any(|line| line.starts_with("cirename0") && line.contains(PEER)), "{addresses}");
}

/// A host whose user-data asks for this, with a network-config that gives eth0 the address.
fn updated(when: &str, release: Release) -> Option<Host> {
    let host = host(release, &config_with("192.0.2.7/24"))?;
    let user_data = format!("#cloud-config\nhostname: net-1\nupdates: {{network: {{when: {when}}}}}\nruncmd: [echo once >>/root/ran]\n");
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
    Some(host)
}

fn config_with(address: &str) -> String {
    format!("version: 2\nethernets:\n  eth0: {{addresses: [{address}]}}\n")
}

fn set_config(host: &Host, text: &str) {
    host.files().write("/var/lib/cloud/seed/nocloud/network-config", text, 0o600);
}

#[test]
fn at_every_boot_where_it_is_asked_the_network_is_what_the_datasource_says() {
    for (release, file) in
        [(Release::Trixie, "/etc/systemd/network/10-cloud-init-eth0.network"), (Release::TrixieNetwork, "/etc/netplan/50-cloud-init.yaml")]
    {
        let Some(host) = updated("[boot-new-instance, boot]", release) else { return };
        let (booted, state) = boot(&host);
        assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
        has(&booted, "eth0", "addr", &["192.0.2.7/24"]);
        booted.shutdown();

        // Another network of the same instance, and a hand that was in the file.
        set_config(&host, &config_with("192.0.2.8/24"));
        let (booted, state) = boot(&host);
        assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
        has(&booted, "eth0", "addr", &["192.0.2.8/24"]);
        host.files().write(file, "# by hand\n", 0o600);
        booted.shutdown();
        let (booted, state) = boot(&host);
        assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
        has(&booted, "eth0", "addr", &["192.0.2.8/24"]);
        booted.shutdown();

        // What cannot be used leaves it as it is; what is gone too.
        set_config(&host, "version: 9\n");
        let (booted, state) = boot(&host);
        assert_eq!(state, "degraded");
        let why = booted.sh("landfall why").stdout;
        assert!(why.contains("the network stays as it is: network-config:1:1: ") && why.contains("there is no version 9"), "{why}");
        has(&booted, "eth0", "addr", &["192.0.2.8/24"]);
        booted.shutdown();
        host.files().remove("/var/lib/cloud/seed/nocloud/network-config");
        let (booted, state) = boot(&host);
        assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
        has(&booted, "eth0", "addr", &["192.0.2.8/24"]);
        assert_eq!(host.files().read("/root/ran"), "once\n", "the rest of the plan stays as it was");
    }
}

#[test]
fn a_device_that_comes_is_configured_where_it_is_asked() {
    let Some(host) = updated("[hotplug]", Release::Trixie) else { return };
    // There is no udev in the lab: what its rule starts is started by hand, and the rule is one that it takes.
    let without_udev = "#!/bin/sh\n[ \"$1\" != control ] || exec touch /run/reloaded\nexec /usr/bin/udevadm \"$@\"\n";
    host.files().write("/usr/local/bin/udevadm", without_udev, 0o755);
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    booted.sh("test -e /run/reloaded").expect_ok();
    let rules = "/etc/udev/rules.d/90-landfall-hotplug.rules";
    booted.sh(&format!("udevadm verify --no-style {rules}")).expect_ok();
    let command = booted.files().read(rules).split("RUN+=\"").nth(1).unwrap().split('"').next().unwrap().replace("%k", "new0");
    let come = || booted.sh(&format!("{} && systemctl start landfall-hotplug@new0", command.replace(" --no-block", ""))).expect_ok();
    set_config(&host, &(config_with("192.0.2.7/24") + "  new0: {addresses: [198.51.100.7/24]}\n"));
    booted.sh("ip link add new0 type veth peer name new1 && ip link set new1 up").expect_ok();
    come();
    has(&booted, "new0", "addr", &["198.51.100.7/24"]);
    has(&booted, "eth0", "addr", &["192.0.2.7/24"]);
    assert_eq!(booted.sh("landfall status --format json | grep -c '\"state\": \"done\"'").stdout, "1\n");

    // Another instance's network is none of this one's, and neither is that of nobody.
    seed(&host, "i-2", &config_with("192.0.2.99/24"));
    come();
    booted.sh("rm -r /var/lib/cloud/seed").expect_ok();
    let said = booted.sh("landfall run --network 2>&1; echo $?").stdout;
    assert!(
        said.contains("the network stays as it is: no datasource says that this is the same instance") && said.ends_with("0\n"),
        "{said}"
    );
    let written = booted.sh("cat /etc/systemd/network/*").stdout;
    assert!(written.contains("198.51.100.7/24") && !written.contains("192.0.2.99"), "{written}");
    assert_eq!(host.files().read("/root/ran"), "once\n");
}

#[test]
fn an_address_that_no_device_has_is_told() {
    let config = "version: 1\nconfig:\n- {type: physical, name: eth0, mac_address: '52:54:00:00:00:01', subnets: [{type: dhcp}]}\n";
    let Some(host) = host(Release::Trixie, config) else { return };
    let (booted, state) = boot(&host);
    assert_eq!(state, "degraded");
    let why = booted.sh("landfall why").stdout;
    assert!(why.contains("no device has the address 52:54:00:00:00:01"), "{why}");
    assert_eq!(address_of(&booted, "eth0"), MAC);
}

#[test]
fn netplan_configures_it_where_it_is_there() {
    let Some(host) = host(Release::TrixieNetwork, STATIC) else { return };
    first_and_second_boot(&host, "eth0");
    let written = host.files().read("/etc/netplan/50-cloud-init.yaml");
    assert!(written.contains("2001:db8::7/64"), "{written}");
}

#[test]
fn what_netplan_refuses_is_not_put_in_place_and_the_rest_is_done() {
    let Some(host) = host(Release::TrixieNetwork, "version: 2\nwifis:\n  w0: {access-points: {x: {password: Planted-4711}}, dhcp4: Planted-4711}\nethernets:\n  eth0: {addresses: [192.0.2.7]}\n") else { return };
    host.files().write("/etc/netplan/10-image.yaml", "network: {version: 2, ethernets: {eth0: {addresses: [192.0.2.99/24]}}}\n", 0o600);
    let (booted, state) = boot(&host);
    assert_eq!(state, "failed");
    let why = booted.sh("landfall why").stdout;
    assert!(why.contains("netplan does not take this network-config") && why.contains("dhcp4"), "{why}");
    for command in [
        "landfall why",
        "landfall status --long --format json",
        "landfall logs",
        "journalctl -b",
        "cat /var/log/landfall.log /run/landfall/*.json",
    ] {
        let output = booted.sh(command).stdout;
        assert!(!output.contains("Planted"), "{command}: {output}");
    }
    assert!(!booted.files().exists("/etc/netplan/50-cloud-init.yaml"), "netplan would fail at every boot");
    assert_eq!(booted.exec(&["hostname"]).stdout.trim(), "net-1");
    assert!(!booted.files().exists("/run/landfall/netplan-trial"));
    booted.shutdown();
    let (booted, _) = boot(&host);
    has(&booted, "eth0", "addr", &["192.0.2.99/24"]);
}

#[test]
fn ifupdown_configures_it_where_netplan_is_not() {
    let Some(host) = host(Release::TrixieNetwork, STATIC) else { return };
    host.files().remove("/usr/sbin/netplan");
    first_and_second_boot(&host, "eth0");
    let written = host.files().read("/etc/network/interfaces.d/50-cloud-init");
    assert!(written.contains("iface eth0 inet6 static"), "{written}");
}

/// The files of the instance before go; the network of a host that runs is told at once.
#[test]
fn another_instance_gets_another_network() {
    let Some(host) = host(Release::Trixie, STATIC) else { return };
    let (booted, _) = boot(&host);
    booted.shutdown();
    seed(&host, "i-2", "version: 1\nconfig:\n- {type: physical, name: eth1, subnets: [{type: dhcp}]}\n- {type: physical, name: eth0, subnets: [{type: static, address: 203.0.113.9/24}]}\n");
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    has(&booted, "eth0", "addr", &["203.0.113.9/24"]);
    let listed = booted.sh("ls /etc/systemd/network; ip addr show dev eth0").stdout;
    assert!(listed.contains("10-cloud-init-eth1.network") && !listed.contains("192.0.2.7"), "{listed}");
    booted.shutdown();
    seed(&host, "i-3", STATIC);
    host.files().remove("/etc/systemd/system/multi-user.target.wants/landfall-local.service");
    let (booted, state) = boot(&host);
    assert_eq!(state, "done", "{}", booted.sh("landfall why").stdout);
    is_as_configured(&booted, "eth0");
    assert!(!booted.files().exists("/etc/systemd/network/10-cloud-init-eth1.network"));
}

#[test]
fn disabled_leaves_the_network_alone() {
    let Some(host) = host(Release::Trixie, "network: {config: disabled}\n") else { return };
    let (booted, state) = boot(&host);
    assert_eq!(state, "done");
    assert_eq!(booted.sh("ls /etc/systemd/network | grep cloud-init").stdout, "");
    assert!(!booted.sh("systemctl is-active systemd-networkd").ok());
}
