//! Whole configurations.

mod files;
mod hostname;
mod packages;
mod phases;
mod scripts;
mod ssh;
mod system;
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
        "ssh/authorized-keys/debian: authorize 0 SSH keys for debian <- users_groups/debian",
        "ssh/authorized-keys/root: authorize 0 SSH keys for root, with options",
        "scripts_per_once: run the scripts in /var/lib/cloud/scripts/per-once @final [once]",
        "scripts_per_boot: run the scripts in /var/lib/cloud/scripts/per-boot @final [boot]",
        "scripts_per_instance: run the scripts in /var/lib/cloud/scripts/per-instance @final",
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
        ("ntp: {}", "degraded: `ntp` is not supported yet: it is ignored"),
        ("mounts: []", "degraded: `mounts` is not supported yet: it is ignored"),
        ("grub-dpkg: {}", "degraded: `grub-dpkg` is not supported yet: it is ignored"),
        ("cloud_init_modules: []", "degraded: `cloud_init_modules` is not supported yet: it is ignored"),
        ("mount: []", "degraded: unknown key `mount`: it is ignored (did you mean `mounts`?)"),
        ("datasource: {}", "degraded: `datasource` is not supported yet: it is ignored"),
        ("ssh-pwauth: unchanged", "note: `ssh-pwauth` is an old spelling of `ssh_pwauth`"),
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
         apt: {conf: x}\nssh_pwauth: false\npower_state: {mode: reboot}\n",
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
    let plan =
        first_boot("{users: [default, alice], packages: [x], runcmd: [a, a], apt: {sources: {s: {source: deb a b c}}}, password: geheim}");
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
