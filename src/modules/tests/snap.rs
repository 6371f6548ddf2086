//! `snap`.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::Operation;
use crate::plan::Plan;

fn ubuntu(programs: &[&str], text: &str) -> Plan {
    let mut facts = Facts { distro: "ubuntu".into(), version_id: "24.04".into(), ..debian() };
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], Way::Applied)
}

#[test]
fn assertions_come_before_commands_and_both_after_snapd_is_ready() {
    let plan =
        ubuntu(&["snap"], "snap: {assertions: [one, two], commands: [[install, hello], 'snap refresh', [snap, list], [~, echo, hi]]}");
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "snap/seeded: wait until snapd is ready: snap wait system seed.loaded @final",
            "snap/assertions/write: write /var/lib/cloud/instance/snapd.assertions (7 bytes, 0644, root:root) @final",
            "snap/assertions: import assertions: snap ack /var/lib/cloud/instance/snapd.assertions @final <- snap/assertions/write snap/seeded",
            "snap/1: snap item 1 of 4: 'snap' 'install' 'hello' @final <- snap/seeded snap/assertions",
            "snap/2: snap item 2 of 4: snap refresh @final <- snap/seeded snap/assertions",
            "snap/3: snap item 3 of 4: 'snap' 'list' @final <- snap/seeded snap/assertions",
            "snap/4: snap item 4 of 4: 'echo' 'hi' @final <- snap/seeded snap/assertions",
        ],
    );
    assert_eq!(written(&plan, "snap/assertions/write"), "one\ntwo");
}

#[test]
fn commands_of_a_mapping_are_run_in_the_order_of_their_keys_each_in_its_own_shell() {
    let plan = ubuntu(&["snap"], "snap: {assertions: {b: two, a: one}, commands: {'02': snap b, '01': [a]}}");
    assert_eq!(written(&plan, "snap/assertions/write"), "two\none");
    let items: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| match &step.operation {
            Operation::ScriptItem(item) => Some(item.text.expose().as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(items, [r"/bin/sh -c ''\''snap'\'' '\''a'\'''", "/bin/sh -c 'snap b'"]);
}

#[test]
fn on_debian_snaps_are_left_out_and_that_is_told_unless_they_are_asked_for_by_name() {
    let plan = applied("snap: {commands: [[install, hello]]}");
    assert_steps(&plan, &[]);
    assert_problems(
        &plan,
        &["degraded: `snap` is done on Ubuntu only: here it is ignored (take it out, or have it done with `unverified_modules: [snap]`)"],
    );
    let plan = applied("{snap: {commands: [[install, hello]]}, unverified_modules: [snap]}");
    assert_problems(&plan, &[]);
    assert_eq!(steps(&plan)[1], "snap/install-snapd: install snapd @final");
    assert_eq!(steps(&plan)[2], "snap/seeded: wait until snapd is ready: snap wait system seed.loaded @final <- snap/install-snapd");
}

#[test]
fn one_bad_command_never_loses_the_others() {
    for (entry, problem) in [
        ("7", "failed: snap.commands[0] must be a command: a string or a list of words, not an integer"),
        ("{a: b}", "failed: snap.commands[0] must be a command: a string or a list of words, not a mapping"),
        ("[]", "failed: snap.commands[0] must be a command, not a list"),
        ("[~]", "failed: snap.commands[0] must be a command, not a list"),
        ("'echo hi'", "note: snap.commands[0] does not begin with `snap`: it is run as it stands"),
    ] {
        let plan = ubuntu(&["snap"], &format!("snap: {{commands: [{entry}, [list]]}}"));
        assert!(problems(&plan)[0].starts_with(problem), "{entry}: {:?}", problems(&plan));
        assert!(steps(&plan).iter().any(|step| step.starts_with("snap/2: snap item 2 of 2: 'snap' 'list'")), "{entry}");
    }
    assert!(problems(&applied("snap: {commands: x}"))[0].starts_with("failed: snap.commands must be a list of commands"));
    assert!(problems(&applied("snap: {command: [x]}"))[0].contains("did you mean `commands`?"));
}

#[test]
fn snaps_among_the_packages_are_installed_after_those_of_apt_and_all_are_upgraded_on_request() {
    let plan = ubuntu(&["snap"], "{package_upgrade: true, packages: [curl, {snap: [certbot, [juju, --edge]]}]}");
    assert_problems(&plan, &[]);
    let at = "package_update_upgrade_install";
    assert_eq!(
        steps(&plan)[2..],
        [
            format!("{at}/snap-refresh: upgrade all snaps: /bin/sh -c [ \"$(snap get system refresh.hold 2>/dev/null)\" = forever ] || exec snap refresh @final"),
            format!("{at}/install: install curl @final"),
            format!("{at}/seeded: wait until snapd is ready: snap wait system seed.loaded @final"),
            format!("{at}/snap/certbot: install a snap: snap install certbot @final <- {at}/seeded"),
            format!("{at}/snap/juju: install a snap: snap install juju --edge @final <- {at}/seeded"),
        ]
    );
}

#[test]
fn a_package_that_apt_may_not_have_may_be_a_snap_where_there_are_snaps() {
    let said = "packages: [curl, g++, [jq, '1.6'], {apt: [git, [vim, '9']]}, htop]";
    let or_snap = |plan: &Plan| -> Vec<String> {
        let packages = plan.steps.iter().filter_map(|step| match &step.operation {
            Operation::InstallPackages { packages } => Some(packages),
            _ => None,
        });
        packages.flatten().filter(|package| package.or_snap).map(|package| package.spec.clone()).collect()
    };
    assert_eq!(or_snap(&ubuntu(&["snap"], said)), ["curl", "htop"]);
    assert!(or_snap(&ubuntu(&[], said)).is_empty() && or_snap(&applied(said)).is_empty());
}

#[test]
fn a_user_of_ubuntus_shop_is_made_when_snapd_can_be_asked() {
    let plan = ubuntu(&["snap"], "users: [{name: bob, snapuser: bob@example.org, groups: [x], known: true}, {name: eve}]");
    let found = steps(&plan);
    assert!(!found.iter().any(|step| step.contains("create user bob") || step.contains("group/x")), "{found:?}");
    assert_eq!(found[found.len() - 1], "users_groups/bob/snap: create the user of a shop account: snap create-user --sudoer --json --known bob@example.org @final <- users_groups/seeded");
    assert!(problems(&ubuntu(&["snap"], "users: [{name: bob, snapuser: bob}]"))[0]
        .starts_with("failed: users[0].snapuser: `bob` is no address"));
}
