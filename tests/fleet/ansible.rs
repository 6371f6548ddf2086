//! The Ansible role, run by the real Ansible on a real host.

use std::process::Command;
use std::time::Duration;

use crate::desk::{machine, Desk};
use crate::lab::{self, run, Output, Release};

const ROLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/ansible/roles");

fn play(desk: &Desk, user_data: &str, more: &[&str]) -> Output {
    std::fs::write(desk.path("user-data.yaml"), user_data).unwrap();
    let package = lab::package().unwrap();
    let playbook = format!(
        "- hosts: all\n  gather_facts: false\n  roles:\n    - role: landfall\n      landfall_package: {}\n      \
         landfall_user_data: \"{{{{ lookup('file', '{}') }}}}\"\n",
        package.display(),
        desk.path("user-data.yaml").display()
    );
    std::fs::write(desk.path("site.yaml"), playbook).unwrap();
    let options: Vec<String> = desk.options().iter().map(|option| format!("-o '{option}'")).collect();
    let mut command = Command::new("ansible-playbook");
    command.args(["-i", "web,", "-u", "root", "--ssh-common-args", &options.join(" ")]).arg(desk.path("site.yaml")).args(more);
    for name in ["ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP", "ANSIBLE_SSH_CONTROL_PATH_DIR"] {
        command.env(name, desk.path("ansible"));
    }
    // No connection that outlives it.
    command.env("ANSIBLE_SSH_ARGS", "-o ControlMaster=no");
    command.env("ANSIBLE_ROLES_PATH", ROLES).env("ANSIBLE_HOST_KEY_CHECKING", "False").env("ANSIBLE_NOCOLOR", "1").env("LC_ALL", "C.UTF-8");
    run(&mut command, b"", Duration::from_secs(180))
}

#[test]
fn the_role_installs_applies_once_and_fails_where_the_run_failed() {
    let Some(desk) = Desk::new() else { return };
    // One with Python.
    let Some(booted) = machine(Release::TrixieCloudInit, false) else { return };
    desk.reaches(&booted, "web", "root");
    let user_data = |last: &str| format!("#cloud-config\nhostname: fleet\nruncmd: ['echo one >>/root/runs', '{last}']\n");
    let first = play(&desk, &user_data("true"), &[]);
    assert!(first.ok(), "{first:?}");
    assert_eq!(booted.files().read("/root/runs"), "one\n");
    assert_eq!(booted.sh("hostname; landfall status --format json | grep -c '\"state\": \"done\"'").stdout, "fleet\n1\n");
    let again = play(&desk, &user_data("true"), &[]);
    assert!(again.ok() && again.stdout.contains("changed=0"), "{again:?}");
    let checked = play(&desk, &user_data("false"), &["--check", "-v"]);
    assert!(checked.ok() && checked.stdout.contains("runcmd item 2 of 2"), "{checked:?}");
    assert_eq!(booted.files().read("/root/runs"), "one\n", "nothing is changed");
    let failed = play(&desk, &user_data("false"), &[]);
    assert!(!failed.ok() && failed.stdout.contains("failed=1"), "{failed:?}");
    booted.kill();
}
