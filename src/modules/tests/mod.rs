//! Whole configurations.

mod access;
mod agents;
mod files;
mod hostname;
mod ntp;
mod others;
mod packages;
mod phases;
mod scripts;
mod seed;
mod services;
mod shells;
mod snap;
mod ssh;
mod system;
mod ubuntu;
mod unread;
mod users;

use super::testing::{applied, assert_problems, assert_steps, first_boot};

#[test]
fn an_empty_configuration_applied_by_hand_changes_nothing() {
    assert_steps(&applied("{}"), &[]);
}

#[test]
fn an_empty_configuration_at_first_boot_does_what_the_peers_defaults_do() {
    let plan = first_boot("{}");
    assert_problems(&plan, &[]);
    let expected = [
        "users_groups/debian: create user debian (groups adm,audio,cdrom,dialout,dip,floppy,plugdev,sudo,video, shell /bin/bash)",
        "users_groups/debian/lock: lock password login of debian <- users_groups/debian",
        "users_groups/sudo/directory: make directory /etc/sudoers.d (0750)",
        "users_groups/debian/sudo: edit /etc/sudoers.d/90-cloud-init-users: make sure of 3 lines <- users_groups/debian",
        "ssh/delete-host-keys: remove /etc/ssh/ssh_host_*key*",
        "ssh/host-key/rsa: generate the rsa SSH host key ~",
        "ssh/host-key/ecdsa: generate the ecdsa SSH host key ~",
        "ssh/host-key/ed25519: generate the ed25519 SSH host key ~",
        "ssh/authorized-keys/debian: make authorized_keys of debian (no key is given) <- users_groups/debian",
        "ssh/authorized-keys/root: make authorized_keys of root (no key is given)",
        "scripts_per_once: run the scripts in /var/lib/cloud/scripts/per-once @final [once]",
        "scripts_per_boot: run the scripts in /var/lib/cloud/scripts/per-boot @final [boot]",
        "scripts_per_instance: run the scripts in /var/lib/cloud/scripts/per-instance @final",
        "ssh_authkey_fingerprints: show the sha256 fingerprints of the SSH keys of debian on the console @final ~",
        "keys_to_console: show SSH host-key fingerprints on the console @final ~",
        "final_message: show the final message @final ~",
    ];
    assert_steps(&plan, &expected);
}

#[test]
fn keys_that_are_not_known_are_named_and_the_run_goes_on() {
    for (key, problem) in [
        ("pakages: [x]", "degraded: unknown key `pakages`: it is ignored (did you mean `packages`?)"),
        ("wibble: 1", "degraded: unknown key `wibble`: it is ignored"),
        ("mount: []", "degraded: unknown key `mount`: it is ignored (did you mean `mounts`?)"),
        ("datasource: {}", "degraded: `datasource` is never read from user-data: it is ignored (it belongs in a file of the image's `/etc/cloud/cloud.cfg.d`)"),
        ("ssh-pwauth: false", "degraded: unknown key `ssh-pwauth`: it is ignored (did you mean `ssh_pwauth`?)"),
    ] {
        let plan = applied(&format!("{key}\npackages: [curl]\n"));
        assert_problems(&plan, &[problem]);
        assert_eq!(plan.steps.len(), 2, "{key}");
    }
    for key in ["merge_how: 'list(append)'", "merge_type: x", "launch-index: 1"] {
        assert_problems(&applied(key), &[]);
    }
}

#[test]
fn a_typical_configuration_is_planned_in_the_peers_order() {
    let plan = first_boot(
        "hostname: web\nusers: [default, {name: alice, groups: sudo}]\nwrite_files: [{path: /etc/motd}]\nbootcmd: [echo boot]\n\
         packages: [nginx]\nruncmd: [echo run]\ntimezone: Europe/Berlin\nlocale: de_DE.UTF-8\nmanage_etc_hosts: true\n\
         apt: {conf: x;}\nssh_pwauth: false\npower_state: {mode: reboot}\n",
    );
    let mut modules: Vec<&str> = plan.steps.iter().map(|step| step.phase.as_str()).collect();
    modules.dedup();
    let expected = [
        "set_hostname",
        "bootcmd",
        "write_files",
        "update_etc_hosts",
        "users_groups",
        "ssh",
        "set_passwords",
        "apt_configure",
        "locale",
        "timezone",
        "package_update_upgrade_install",
        "scripts_per_once",
        "scripts_per_boot",
        "scripts_per_instance",
        "runcmd",
        "ssh_authkey_fingerprints",
        "keys_to_console",
        "final_message",
        "power_state_change",
    ];
    assert_eq!(modules, expected);
    let mut stages: Vec<_> = plan.steps.iter().map(|step| step.stage).collect();
    assert!(stages.is_sorted());
    stages.dedup();
    assert_eq!(stages.len(), 3);
}

#[test]
fn a_plan_survives_being_stored_and_has_unique_ids() {
    let plan = first_boot(
        "{users: [default, alice], packages: [x], runcmd: [a, a], apt: {sources: {s: {source: deb http://a b c}}}, password: geheim}",
    );
    let stored = crate::plan::to_stored_json(&plan).expect("json");
    assert_eq!(crate::plan::parse(&stored).expect("a plan"), plan);
    let mut ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), plan.steps.len());
    let known = |id: &String| plan.steps.iter().any(|step| step.id == *id);
    assert!(plan.steps.iter().all(|step| step.needs.iter().all(known)));
}

#[test]
fn the_digest_is_of_the_whole_document() {
    let digest = |text: &str| applied(text).config_digest;
    assert_ne!(digest("hostname: a"), digest("hostname: b"));
    assert_ne!(digest("hostname: a"), digest("{hostname: a, wibble: 1}"));
    assert_eq!(digest("{}"), digest("null"));
}

/// One secret in each place where a module can have one.
const SECRETS: &str = "ubuntu_pro: {token: planted01, config: {http_proxy: 'http://u:planted02@p:1'}}
landscape: {client: {account_name: a, computer_title: b, registration_key: planted03}}
lxd: {init: {trust_password: planted04}}
chef: {server_url: https://x, validation_name: v, validation_cert: planted05, initial_attributes: {db: {password: planted06}}}
puppet: {csr_attributes: {custom_attributes: {1.2.3: planted07}}, conf: {agent: {http_proxy_password: planted08}}}
salt_minion: {conf: {password: planted09}, public_key: a, private_key: planted10}
mcollective: {conf: {private-cert: planted11, plugin.psk: planted12}}
wireguard: {interfaces: [{name: wg0, config_path: /etc/wireguard/wg0.conf, content: \"PrivateKey = planted13\"}]}
rsyslog: {configs: ['pwd=planted14']}
random_seed: {data: planted15}
ansible: {pull: {url: 'https://u:planted16@example.org/', playbook_name: x}, setup_controller: {run_ansible: [{playbook_name: a, playbook_dir: /b, extra_vars: planted17}]}}
rh_subscription: {username: u, password: planted18}
";

#[test]
fn no_secret_of_any_module_is_shown() {
    let facts = crate::facts::Facts { distro: "ubuntu".into(), version_id: "24.04".into(), ..super::testing::debian() };
    let plan = super::testing::planned(SECRETS, &facts, &[], super::Way::FirstBoot);
    let redactor = crate::redact::Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
    let openly: Vec<String> = plan.steps.iter().map(|step| step.operation.describe_openly()).collect();
    let shown = format!("{:?}\n{openly:?}\n{:?}", super::testing::steps(&plan), plan.problems);
    let seen = |text: &str| (1..=18).map(|number| format!("planted{number:02}")).filter(|secret| text.contains(secret)).collect::<Vec<_>>();
    assert_eq!(seen(&redactor.apply(&shown)), [""; 0], "{shown}");
    // What is never masked afterwards: the operations as they are printed, and arguments, which everybody can see.
    let printed = format!("{:?}", plan.steps);
    assert_eq!(seen(&printed), [""; 0]);
    let stored = crate::plan::to_stored_json(&plan).expect("JSON");
    assert!(String::from_utf8_lossy(&stored).contains("planted04"), "the stored plan has them, in the state directory");
}

#[test]
fn modules_are_done_in_the_peers_order_where_nothing_has_to_be_installed_for_them() {
    let text = "random_seed: {data: x}\nbootcmd: [a]\nca_certs: {remove_defaults: true}\nrsyslog: {configs: [a]}\nusers: [{name: u, ssh_import_id: [gh:u]}]\n\
        wireguard: {interfaces: [{name: wg0, config_path: /etc/wireguard/wg0.conf, content: x}]}\nsnap: {commands: [snap list]}\n\
        keyboard: {layout: us}\nlocale: C.UTF-8\ngrub_dpkg: {enabled: true}\napt_pipelining: 0\napt: {conf: x;}\nubuntu_pro: {token: geheim}\nntp: {}\n\
        timezone: UTC\ndisable_ec2_metadata: true\nbyobu_by_default: system\npackages: [a]\nfan: {config: x}\n\
        landscape: {client: {account_name: a, computer_title: b}}\nlxd: {preseed: x}\ndrivers: {nvidia: {license-accepted: true}}\n\
        write_files: [{path: /a, defer: true}]\npuppet: {}\nchef: {server_url: https://x, validation_name: v}\n\
        ansible: {galaxy: {actions: [[a]]}}\nmcollective: {}\nsalt_minion: {}\nruncmd: [a]\n";
    let mut facts = super::testing::debian();
    facts.distro = "ubuntu".into();
    facts.version_id = "24.04".into();
    facts.programs.extend(crate::facts::PROGRAMS.iter().map(|name| (*name).to_owned()));
    facts.zones.insert("UTC".into(), Some("UTC".into()));
    let plan = super::testing::planned(text, &facts, &[], super::Way::FirstBoot);
    let expected = [
        "seed_random",
        "bootcmd",
        "ca_certs",
        "rsyslog",
        "users_groups",
        "wireguard",
        "snap",
        "ssh_import_id",
        "keyboard",
        "grub_dpkg",
        "apt_pipelining",
        "apt_configure",
        "locale",
        "ubuntu_pro",
        "ntp",
        "timezone",
        "disable_ec2_metadata",
        "byobu",
        "package_update_upgrade_install",
        "fan",
        "landscape",
        "lxd",
        "ubuntu_drivers",
        "write_files_deferred",
        "puppet",
        "chef",
        "ansible",
        "mcollective",
        "salt_minion",
        "runcmd",
        "ssh_authkey_fingerprints",
        "keys_to_console",
        "final_message",
    ];
    let mut modules: Vec<&str> = plan.steps.iter().map(|step| step.phase.as_str()).filter(|name| expected.contains(name)).collect();
    modules.dedup();
    assert_eq!(modules, expected);
}
