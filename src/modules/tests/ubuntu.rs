//! What is Ubuntu's own: `ubuntu_pro`, `landscape`, `lxd`, `fan`, `drivers`, `autoinstall`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::{Command, Operation};
use crate::plan::Plan;

fn ubuntu(programs: &[&str], text: &str) -> Plan {
    let mut facts = Facts { distro: "ubuntu".into(), version_id: "24.04".into(), ..debian() };
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], Way::Applied)
}

fn command<'p>(plan: &'p Plan, id: &str) -> &'p Command {
    let step = plan.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no {id} in {:#?}", steps(plan)));
    match &step.operation {
        Operation::Command(command) => command,
        other => panic!("{other:?}"),
    }
}

fn stdin(command: &Command) -> &str {
    command.stdin.as_ref().map_or("", |text| text.expose())
}

#[test]
fn on_debian_none_of_it_is_done_and_each_key_is_told() {
    for (text, key, module) in [
        ("ubuntu_pro: {token: geheim}", "ubuntu_pro", "ubuntu_pro"),
        ("landscape: {client: {account_name: a, computer_title: b}}", "landscape", "landscape"),
        ("lxd: {init: {}}", "lxd", "lxd"),
        ("fan: {config: x}", "fan", "fan"),
        ("drivers: {nvidia: {license-accepted: true}}", "drivers", "ubuntu_drivers"),
    ] {
        let plan = applied(text);
        assert_steps(&plan, &[]);
        let expected = format!(
            "degraded: `{key}` is done on Ubuntu only: here it is ignored (take it out, or have it done with `unverified_modules: [{module}]`)"
        );
        assert_problems(&plan, &[&expected]);
        assert!(!steps(&applied(&format!("{text}\nunverified_modules: [{}]\n", module.replace('_', "-")))).is_empty(), "{key}");
    }
    for more in ["", "\nunverified_modules: [ubuntu_autoinstall]\n"] {
        assert_problems(&applied(&format!("autoinstall: {{version: 1}}{more}")), &[NO_INSTALLER]);
    }
}

const NO_INSTALLER: &str = "degraded: `autoinstall` is for Ubuntu's installer, which is not here: it is ignored (take it out)";

#[test]
fn a_module_that_is_to_be_done_all_the_same_and_does_not_exist_is_told() {
    assert_problems(
        &applied("unverified_modules: [snapp, lxd, ubuntu-drivers, yum_add_repo, nothing-of-it]"),
        &[
            "degraded: unverified_modules: there is no module `snapp` (did you mean `snap`?)",
            "degraded: unverified_modules: there is no module `nothing-of-it`",
        ],
    );
}

#[test]
fn a_contract_is_attached_without_its_token_being_seen() {
    let plan = ubuntu(
        &["pro"],
        "ubuntu_pro: {token: C123geheim, enable: [esm-infra, livepatch], config: {https_proxy: 'http://u:pw99@p:3128', http_proxy: }}",
    );
    assert_problems(&plan, &[]);
    let found = steps(&plan);
    assert_eq!(found[0], "ubuntu_pro/config/http_proxy: take a setting of Ubuntu Pro away: pro config unset http_proxy @final");
    assert!(found[1].starts_with("ubuntu_pro/config/https_proxy: set a setting of Ubuntu Pro: /bin/sh -c "), "{found:?}");
    assert_eq!(stdin(command(&plan, "ubuntu_pro/config/https_proxy")), "http://u:pw99@p:3128");
    let attach = command(&plan, "ubuntu_pro");
    assert_eq!(attach.argv[3..], ["sh", "true", r#"{"enable":["esm-infra","livepatch"]}"#, "given", "esm-infra", "livepatch"]);
    assert_eq!(stdin(attach), "token: \"C123geheim\"\n");
    let shown = format!("{found:?}{:?}", plan.steps);
    assert!(!shown.contains("C123geheim") && !shown.contains("pw99"), "{shown}");
    assert_eq!(
        steps(&ubuntu(&[], "ubuntu_pro: {token: x}"))[1],
        "ubuntu_pro/install-ubuntu-advantage-tools: install ubuntu-advantage-tools @final"
    );
}

#[test]
fn without_a_token_the_cloud_is_asked_unless_that_is_switched_off() {
    let words = |text: &str| command(&ubuntu(&["pro"], text), "ubuntu_pro").argv[4..].join(" ");
    assert_eq!(words("ubuntu_pro: {enable: [esm-apps]}"), r#"true {"enable":["esm-apps"]} missing esm-apps"#);
    assert_eq!(words("ubuntu_pro: {features: {disable_auto_attach: false}}"), "true {} none");
    assert_eq!(words("ubuntu_pro: {features: {disable_auto_attach: true}, token: x}"), "false {} given");
    assert_steps(&ubuntu(&["pro"], "ubuntu_pro: {features: {disable_auto_attach: true}}"), &[]);
    for (text, problem) in [
        (
            "ubuntu_pro: {enable: [a], features: {disable_auto_attach: true}}",
            "failed: ubuntu_pro has no `token`, and may not attach without one",
        ),
        ("ubuntu_pro: {commands: [x]}", "failed: ubuntu_pro.commands is of before there were tokens: nothing is done"),
        ("ubuntu_pro: {token: x, config: {http_proxy: ftp://x}}", "failed: ubuntu_pro.config.http_proxy: this is no http or https address"),
        ("ubuntu_pro: {token: x, config: {no_proxy: y}}", "degraded: ubuntu_pro.config: `no_proxy` is no setting that is known"),
        ("ubuntu_advantage: {token: x}", "note: `ubuntu_advantage` is an old spelling of `ubuntu_pro`"),
        ("ubuntu-advantage: {token: x}", "note: `ubuntu-advantage` is an old spelling of `ubuntu_pro`"),
    ] {
        let plan = ubuntu(&["pro"], text);
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
}

#[test]
fn landscape_is_told_its_settings_in_a_file() {
    let plan = ubuntu(
        &["landscape-config"],
        "landscape: {client: {account_name: acme, computer_title: web 1, registration_key: ganzgeheim, tags: 'a,b'}}",
    );
    let register = command(&plan, "landscape");
    assert_eq!(stdin(register), "[client]\naccount_name = acme\ncomputer_title = web 1\nregistration_key = ganzgeheim\ntags = a,b\n");
    assert!(!register.argv.join(" ").contains("geheim"));
    assert!(
        problems(&ubuntu(&[], "landscape: {client: {account_name: a}}"))[0].starts_with("failed: landscape.client has no `computer_title`")
    );
    assert!(problems(&ubuntu(&[], "landscape: {}"))[0].starts_with("failed: landscape has no `client`"));
}

#[test]
fn lxd_is_set_up_by_options_or_by_a_preseed_never_by_both() {
    let plan = ubuntu(&["snap"], "lxd: {init: {storage_backend: zfs, storage_pool: p, network_port: 8443, trust_password: ganzgeheim}}");
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "lxd/seeded: wait until snapd is ready: snap wait system seed.loaded @final",
            "lxd/install: install LXD: snap install lxd @final <- lxd/seeded",
            "lxd/update: update the package lists @final",
            "lxd/install-zfsutils-linux: install zfsutils-linux @final <- lxd/install",
            "lxd/ready: wait until LXD is ready: lxd waitready --timeout=300 @final <- lxd/install-zfsutils-linux",
            "lxd/init: set up LXD: lxd init --auto --network-port=8443 --storage-backend=zfs --storage-pool=p @final <- lxd/ready",
            "lxd/trust-password: set the password for clients: lxc config set core.trust_password - @final <- lxd/init",
        ],
    );
    assert_eq!(stdin(command(&plan, "lxd/trust-password")), "ganzgeheim");
    let plan = ubuntu(&["lxd", "lvcreate"], "lxd: {init: {storage_backend: lvm}}");
    assert_eq!(command(&plan, "lxd/init").argv[0], "/bin/sh", "with a way out where thin volumes do not work");
    let plan = ubuntu(&["lxd"], "lxd: {preseed: \"storage_pools:\\n- {name: a, driver: btrfs}\\n\"}");
    assert_eq!(steps(&plan)[1], "lxd/install-btrfs-progs: install btrfs-progs @final");
    assert_eq!(steps(&plan)[3], "lxd: set up LXD: lxd init --preseed @final <- lxd/ready");
    let plan = ubuntu(&["lxd"], "lxd: {preseed: x, init: {}}");
    assert!(problems(&plan)[0].starts_with("failed: `lxd.preseed` says everything at once"));
    assert_steps(&plan, &[]);
}

#[test]
fn a_bridge_of_lxd_is_made_attached_or_left_out() {
    let bridge = |text: &str| {
        let plan = ubuntu(&["lxd"], &format!("lxd: {{init: {{}}, bridge: {{{text}}}}}"));
        steps(&plan)
            .into_iter()
            .filter(|step| step.contains("bridge"))
            .map(|step| step.split(": ").nth(2).unwrap_or_default().split(" @").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bridge("mode: none"), [""; 0]);
    assert_eq!(bridge("mode: existing, name: br0"), ["lxc network attach-profile br0 default eth0 --force-local"]);
    assert_eq!(
        bridge("mode: new, ipv4_address: 10.0.8.1, ipv4_netmask: 24, ipv4_dhcp_first: 10.0.8.2, ipv4_dhcp_last: 10.0.8.254, domain: lxd, mtu: 1400"),
        [
            "lxc profile device remove default eth0 --force-local",
            "lxc network delete lxdbr0 --force-local",
            "lxc network create lxdbr0 ipv4.address=10.0.8.1/24 ipv4.nat=true ipv4.dhcp.ranges=10.0.8.2-10.0.8.254 ipv6.address=none dns.domain=lxd bridge.mtu=1400 --force-local",
            "lxc network attach-profile lxdbr0 default eth0 --force-local",
        ]
    );
    for (text, problem) in [
        ("lxd: {bridge: {}}", "failed: lxd.bridge has no `mode`"),
        ("lxd: {bridge: {mode: old}}", "failed: lxd.bridge.mode: `old` is none"),
        ("lxd: {init: {storage_backend: ext4}}", "failed: lxd.init.storage_backend: `ext4` is none (use zfs, dir, lvm or btrfs)"),
    ] {
        let plan = ubuntu(&["lxd"], text);
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
    }
}

#[test]
fn fan_and_drivers_are_installed_and_told() {
    assert_steps(
        &ubuntu(&["fanctl"], "fan: {config: '10.0.0.0/8 eth0/16 dhcp'}"),
        &[
            "fan/stop: stop ubuntu-fan.service @final ~",
            "fan: write /etc/network/fan (24 bytes, 0644, root:root) @final",
            "fan/start: start ubuntu-fan.service @final ~",
            "fan/enable: enable ubuntu-fan.service @final",
        ],
    );
    let plan = ubuntu(&[], "drivers: {nvidia: {license-accepted: true, version: 535}}");
    let found = steps(&plan);
    assert_eq!(found[1], "ubuntu_drivers/install-ubuntu-drivers-common: install ubuntu-drivers-common @final");
    assert_eq!(
        found[3],
        "ubuntu_drivers: install NVIDIA's drivers: ubuntu-drivers install --gpgpu nvidia:535 @final <- ubuntu_drivers/license"
    );
    assert_steps(&ubuntu(&[], "drivers: {nvidia: {license-accepted: false}}"), &[]);
    assert!(problems(&ubuntu(&[], "drivers: {nvidia: {}}"))[0].starts_with("failed: drivers.nvidia has no `license-accepted`"));
    let plan = ubuntu(&[], "autoinstall: {version: 1}");
    assert_eq!(problems(&plan), [NO_INSTALLER]);
}
