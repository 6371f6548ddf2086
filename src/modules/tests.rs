//! Whole configurations.

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
        "final_message: show the final message @final [boot] ~",
    ];
    assert_steps(&plan, &expected);
}
