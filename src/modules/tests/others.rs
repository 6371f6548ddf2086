//! `disable_ec2_metadata`, `updates`, `byobu_by_default`, `grub_dpkg`, keys on the console, keys of other systems, `reset_rmc`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::Operation;
use crate::plan::{NetworkEvent, Plan};

fn with(programs: &[&str], files: &[&str], text: &str, way: Way) -> Plan {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    facts.files.extend(files.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], way)
}

fn of(module: &str, plan: &Plan) -> Vec<String> {
    steps(plan).into_iter().filter(|step| step.starts_with(module)).collect()
}

#[test]
fn the_way_to_the_metadata_service_is_closed_at_every_boot() {
    let route = "disable_ec2_metadata: close the way to the metadata service: ip route replace prohibit 169.254.169.254 @final [boot]";
    assert_steps(&with(&["ip"], &[], "disable_ec2_metadata: true", Way::Applied), &[route]);
    assert_steps(&applied("disable_ec2_metadata: false"), &[]);
    let bare = applied("disable_ec2_metadata: true");
    assert_eq!(steps(&bare)[1], "disable_ec2_metadata/install-iproute2: install iproute2 @final", "once");
    assert_eq!(steps(&bare)[2], format!("{route} <- disable_ec2_metadata/install-iproute2"));
}

#[test]
fn udev_tells_of_devices_where_it_is_asked_and_the_peers_hook_goes() {
    let plan = applied("updates: {network: {when: [boot-new-instance]}}");
    assert_problems(&plan, &[]);
    assert_steps(&plan, &[]);
    assert!(plan.network_events.is_empty());
    let plan = applied("updates: {network: {when: [hotplugged]}}");
    assert!(problems(&plan)[0].starts_with("failed: updates.network.when[0]: `hotplugged` is none (did you mean `hotplug`?)"));

    const RULES: &str = "/etc/udev/rules.d/90-landfall-hotplug.rules";
    let reload = "install_hotplug/reload: have udev read its rules again: udevadm control --reload-rules @final ~";
    let asked = applied("updates: {network: {when: [hotplug, boot, boot-legacy]}}");
    assert_problems(&asked, &[]);
    assert_steps(&asked, &[&format!("install_hotplug/rules: write {RULES} (204 bytes, 0644, root:root) @final"), reload]);
    assert!(written(&asked, "install_hotplug/rules").contains("start landfall-hotplug@%k.service"));
    assert_eq!(asked.network_events, [NetworkEvent::Boot, NetworkEvent::Hotplug]);

    let peers = "/etc/udev/rules.d/90-cloud-init-hook-hotplug.rules";
    let left = with(&[], &[peers, RULES], "{}", Way::FirstBoot);
    assert_eq!(of("install_hotplug", &left), [format!("install_hotplug/remove: remove {peers} {RULES} @final").as_str(), reload]);
    let left = with(&[], &[peers, RULES], "updates: {network: {when: [hotplug]}}", Way::FirstBoot);
    let expected = [
        &format!("install_hotplug/rules: write {RULES} (204 bytes, 0644, root:root) @final"),
        &format!("install_hotplug/remove: remove {peers} @final"),
        reload,
    ];
    assert_eq!(of("install_hotplug", &left), expected);
}

#[test]
fn byobu_is_started_for_whom_it_is_asked() {
    let debconf = "byobu/debconf: set debconf selections @final";
    let system = "byobu: byobu at everybody's logins: dpkg-reconfigure byobu --frontend=noninteractive @final <- byobu/debconf";
    let user = |launcher: &str| {
        format!("byobu/debian: byobu at logins of debian: runuser -u debian -- byobu-launcher-{launcher} @final <- users_groups/debian")
    };
    for (value, expected) in [
        ("system", vec![debconf.to_owned(), system.to_owned()]),
        ("enable", vec![debconf.to_owned(), system.to_owned()]),
        ("user", vec![user("install"), debconf.to_owned(), system.to_owned()]),
        ("enable-user", vec![user("install"), debconf.to_owned(), system.to_owned()]),
        ("disable-system", vec![debconf.to_owned(), system.to_owned()]),
        ("disable-user", vec![user("uninstall")]),
        ("disable", vec![user("uninstall"), debconf.to_owned(), system.to_owned()]),
    ] {
        let plan = with(&["byobu"], &[], &format!("byobu_by_default: {value}"), Way::FirstBoot);
        assert_eq!(of("byobu", &plan), expected, "{value}");
        let enabled = plan.steps.iter().find_map(|step| match &step.operation {
            Operation::Debconf { selections } => Some(selections.expose().ends_with("boolean true\n")),
            _ => None,
        });
        assert!(enabled.is_none_or(|enabled| enabled != value.starts_with("disable")), "{value}");
    }
    let plan = applied("byobu_by_default: user");
    assert!(problems(&plan)[0].starts_with("degraded: `byobu_by_default` is for the default user, and there is none"));
    assert_eq!(steps(&plan)[1], "byobu/install-byobu: install byobu @final");
    assert_eq!(steps(&plan)[2], "byobu/debconf: set debconf selections @final <- byobu/install-byobu");
    assert!(
        problems(&applied("byobu_by_default: on"))[1].starts_with("failed: byobu_by_default: `on` is none"),
        "{:?}",
        problems(&applied("byobu_by_default: on"))
    );
}

#[test]
fn the_packages_of_grub_are_told_where_it_is() {
    assert_steps(&applied("grub_dpkg: {}"), &[]);
    assert_steps(&applied("grub_dpkg: {enabled: false, grub-pc/install_devices: /dev/sda}"), &[]);
    let selections = |plan: &Plan| match &plan.steps[0].operation {
        Operation::Debconf { selections } => selections.expose().clone(),
        Operation::Command(command) => command.argv[4..].join("|"),
        other => panic!("{other:?}"),
    };
    let on = |text: &str| applied(&format!("grub_dpkg: {{enabled: true{text}}}"));
    let pc = "grub-pc grub-pc/install_devices string /dev/sda\ngrub-pc grub-pc/install_devices_empty boolean false\n";
    assert_eq!(selections(&on(", grub-pc/install_devices: /dev/sda")), pc);
    assert!(selections(&on(", grub-pc/install_devices: '', grub-pc/install_devices_empty: true")).ends_with("boolean true\n"));
    assert_eq!(selections(&on("")), "disk|/boot|grub-pc grub-pc/install_devices string @|grub-pc grub-pc/install_devices_empty boolean ?");
    let efi = |text: &str| with(&[], &["/sys/firmware/efi"], &format!("grub_dpkg: {{enabled: true{text}}}"), Way::Applied);
    assert_eq!(selections(&efi("")), "device|/boot/efi|grub-pc grub-efi/install_devices string @");
    assert_eq!(selections(&efi(", grub-efi/install_devices: /dev/sda1")), "grub-pc grub-efi/install_devices string /dev/sda1\n");
    assert_problems(&applied("grub-dpkg: {}"), &["note: `grub-dpkg` is an old spelling of `grub_dpkg`"]);
    assert_eq!(
        problems(&on(", grub-pc/install_devices_empty: 'true'"))[0],
        "note: grub_dpkg.grub-pc/install_devices_empty is a string here; taken as true (write `true`)"
    );
}

#[test]
fn who_may_log_in_with_which_key_is_shown_unless_forbidden() {
    let shown = |text: &str| of("ssh_authkey_fingerprints", &first_boot(text));
    assert_eq!(shown("{}"), ["ssh_authkey_fingerprints: show the sha256 fingerprints of the SSH keys of debian on the console @final ~"]);
    assert_eq!(
        shown("{users: [alice, {name: sys, system: true}, {name: bob, no_create_home: true}], authkey_hash: MD5}"),
        ["ssh_authkey_fingerprints: show the md5 fingerprints of the SSH keys of alice on the console @final ~"]
    );
    assert_eq!(shown("no_ssh_fingerprints: true"), [""; 0]);
    assert_eq!(shown("users: []"), [""; 0]);
    assert_steps(&applied("no_ssh_fingerprints: false"), &[]);
    let plan = first_boot("authkey_hash: sha-256");
    assert!(problems(&plan)[0].starts_with("failed: authkey_hash: `sha-256` is no digest: sha256 is used"), "{:?}", problems(&plan));
}

#[test]
fn types_of_host_keys_may_be_left_out_on_the_console() {
    let blacklists = |text: &str| {
        let plan = first_boot(text);
        let found = plan.steps.iter().find_map(|step| match &step.operation {
            Operation::ShowHostKeys { without_fingerprints, without_keys } => Some((without_fingerprints.clone(), without_keys.clone())),
            _ => None,
        });
        found.map(|(fingerprints, keys)| (fingerprints.join(" "), keys.join(" ")))
    };
    let pair = |one: &str, other: &str| Some((one.to_owned(), other.to_owned()));
    assert_eq!(blacklists("{}"), pair("", ""));
    assert_eq!(
        blacklists("{ssh_fp_console_blacklist: [ssh-rsa, ssh-dss], ssh_key_console_blacklist: 'ssh-rsa, ssh-ed25519'}"),
        pair("ssh-rsa ssh-dss", "ssh-rsa ssh-ed25519")
    );
    assert_eq!(blacklists("{ssh_key_console_blacklist: [x], ssh: {emit_keys_to_console: false}}"), None);
    assert_problems(&applied("ssh_publish_hostkeys: {enabled: false, blacklist: [rsa]}"), &[]);
    assert_problems(
        &applied("ssh_publish_hostkeys: {enabled: true}"),
        &["note: `ssh_publish_hostkeys`: the datasource nocloud takes no host keys"],
    );
}

#[test]
fn what_is_for_other_systems_is_told_and_does_nothing() {
    for (text, problem) in [
        ("yum_repos: {a: {baseurl: x}}", "note: `yum_repos` is for Red Hat and its kin: here it is ignored"),
        ("yum_repo_dir: /etc/yum.repos.d", "note: `yum_repo_dir` is for Red Hat and its kin: here it is ignored"),
        ("zypper: {repos: [x]}", "note: `zypper` is for SUSE: here it is ignored"),
        ("rh_subscription: {username: a, password: geheim}", "note: `rh_subscription` is for Red Hat and its kin: here it is ignored"),
        ("spacewalk: {server: x}", "note: `spacewalk` is for Red Hat and its kin: here it is ignored"),
        ("apk_repos: {alpine_repo: {version: edge}}", "note: `apk_repos` is for Alpine: here it is ignored"),
        (
            "{manage_resolv_conf: true, resolv_conf: {nameservers: [9.9.9.9]}}",
            "degraded: `manage_resolv_conf` is not done on Debian and Ubuntu",
        ),
        ("resolv_conf: {nameservers: [9.9.9.9], options: {rotate: true}}", "degraded: `resolv_conf` is not done on Debian and Ubuntu"),
        ("resolv_conf: {nameserver: x}", "degraded: unknown key `nameserver` in resolv_conf: it is ignored (did you mean `nameservers`?)"),
    ] {
        let plan = applied(text);
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
        assert_steps(&plan, &[]);
    }
    assert_problems(&applied("manage_resolv_conf: false"), &[]);
    let plan = applied("rh_subscription: {username: a, password: geheim, activation-key: auchgeheim}");
    assert_eq!(plan.secrets.len(), 2);
}

#[test]
fn a_node_of_an_image_that_holds_rsct_gets_an_id_of_its_own() {
    let image = Facts { files: ["/opt/rsct/install/bin".to_owned()].into(), ..debian() };
    let found = |way| of("reset_rmc", &planned("{}", &image, &[], way)).len();
    assert_eq!((found(Way::FirstBoot), found(Way::Applied)), (1, 0));
    assert_eq!(of("reset_rmc", &first_boot("{}")), [""; 0]);
}
