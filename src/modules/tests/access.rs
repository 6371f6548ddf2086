//! `ssh_import_id`, `wireguard`: ways to this host.

use super::super::testing::{applied, assert_problems, assert_steps, debian, planned, problems, steps};
use super::super::Way;
use crate::plan::operation::Operation;
use crate::plan::Plan;

fn with(programs: &[&str], text: &str, way: Way) -> Plan {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], way)
}

fn of(module: &str, plan: &Plan) -> Vec<String> {
    steps(plan).into_iter().filter(|step| step.starts_with(module)).collect()
}

#[test]
fn keys_are_imported_for_the_default_user_and_for_each_that_names_some() {
    let text = "ssh_import_id: [gh:me, lp:you]\nusers:\n- default\n- {name: alice, ssh_import_id: [gh:alice]}\n- {name: bob, ssh_import_id: 'lp:bob, gh:bob'}\n- eve\n";
    let plan = with(&["ssh-import-id"], text, Way::FirstBoot);
    assert_problems(&plan, &[]);
    assert_eq!(
        of("ssh_import_id", &plan),
        [
            "ssh_import_id/debian: import SSH keys for debian: runuser -u debian -- ssh-import-id gh:me lp:you @final <- users_groups/debian",
            "ssh_import_id/alice: import SSH keys for alice: runuser -u alice -- ssh-import-id gh:alice @final <- users_groups/alice",
            "ssh_import_id/bob: import SSH keys for bob: runuser -u bob -- ssh-import-id lp:bob gh:bob @final <- users_groups/bob",
        ]
    );
    assert!(plan.steps.iter().filter(|step| step.phase == "ssh_import_id").all(|step| step.limits.attempts == Some(2)));
    let plan = with(&["ssh-import-id"], "{ssh_import_id: [gh:me], landfall: {retry: 7}}", Way::FirstBoot);
    assert!(plan.steps.iter().any(|step| step.phase == "ssh_import_id" && step.limits.attempts == Some(7)));
}

#[test]
fn arguments_of_the_module_are_a_user_and_whose_keys_it_gets_and_nobody_else_gets_any() {
    let listed = |arguments: &str, rest: &str| {
        let text = format!("cloud_config_modules: [[ssh_import_id, once-per-instance{arguments}]]\n{rest}\n");
        let plan = with(&["ssh-import-id"], &text, Way::FirstBoot);
        let found: Vec<String> = of("ssh_import_id", &plan).iter().map(|step| step.split(" @").next().unwrap().to_owned()).collect();
        (found, plan)
    };
    let (found, plan) = listed(", root, gh:one, lp:two", "ssh_import_id: [gh:me]");
    assert_problems(&plan, &[]);
    assert_eq!(found, ["ssh_import_id/root: import SSH keys for root: runuser -u root -- ssh-import-id gh:one lp:two"]);
    // Only where some key asks for the module at all.
    assert_eq!(listed(", root, gh:one", "users: [default, {name: alice}]").0, [""; 0]);
    assert_eq!(listed(", root, gh:one", "users: [default, {name: alice, ssh_import_id: [gh:me]}]").0.len(), 1);
    assert_eq!(listed(", root", "ssh_import_id: [gh:me]").0, [""; 0]);
    let (_, plan) = listed(", root, --help", "ssh_import_id: [gh:me]");
    assert!(problems(&plan)[0].contains("`--help` names nobody"), "{:?}", problems(&plan));
}

#[test]
fn what_is_said_of_the_default_user_himself_is_imported_too() {
    let text = "ssh_import_id: [gh:me]\nusers: [default, {name: debian, ssh_import_id: [gh:me, gh:too]}]\n";
    let found = of("ssh_import_id", &with(&["ssh-import-id"], text, Way::FirstBoot));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("ssh-import-id gh:me gh:too"), "{found:?}");
}

#[test]
fn where_the_program_is_missing_it_is_installed_after_apt_is_set_up() {
    let plan = with(&[], "{ssh_import_id: [gh:me], apt: {conf: x;}}", Way::FirstBoot);
    let found = of("ssh_import_id", &plan);
    assert_eq!(found[1], "ssh_import_id/install-ssh-import-id: install ssh-import-id @final");
    assert!(found[2].ends_with("<- users_groups/debian ssh_import_id/install-ssh-import-id"), "{found:?}");
    let at = |prefix: &str| steps(&plan).iter().position(|step| step.starts_with(prefix));
    assert!(at("apt_configure") < at("ssh_import_id"));
}

#[test]
fn names_that_cannot_be_asked_for_are_left_out() {
    for (text, problem) in [
        ("ssh_import_id: ['--help', gh:me]", "failed: ssh_import_id: `--help` names nobody: it is left out"),
        ("ssh_import_id: [a b, gh:me]", "failed: ssh_import_id: `a b` names nobody: it is left out"),
        ("ssh_import_id: {a: b}", "failed: ssh_import_id must be a list, not a mapping"),
    ] {
        let plan = with(&["ssh-import-id"], text, Way::FirstBoot);
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
        assert_eq!(of("ssh_import_id", &plan).len(), usize::from(text.contains("gh:me")), "{text}");
    }
    assert!(
        problems(&applied("ssh_import_id: [gh:me]"))[0].starts_with("degraded: `ssh_import_id` is for the default user, and there is none")
    );
}

const TUNNEL: &str = "wireguard:\n  interfaces:\n  - name: wg0\n    config_path: /etc/wireguard/wg0.conf\n    content: |\n      [Interface]\n      PrivateKey = geheimgeheim=\n\
                      \x20 readinessprobe: ['ping -qc 3 10.0.0.1', 'true']\n";

#[test]
fn a_tunnel_is_written_enabled_and_brought_up_before_it_is_asked() {
    let plan = with(&["wg"], TUNNEL, Way::Applied);
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "wireguard/wg0/config: write /etc/wireguard/wg0.conf (39 bytes, 0600, root:root) @final",
            "wireguard/wg0/enable: enable wg-quick@wg0.service @final <- wireguard/wg0/config",
            "wireguard/wg0: restart wg-quick@wg0.service @final <- wireguard/wg0/enable",
            "wireguard/1: wireguard item 1 of 2: ping -qc 3 10.0.0.1 @final <- wireguard/wg0",
            "wireguard/2: wireguard item 2 of 2: true @final <- wireguard/wg0",
        ],
    );
    let Operation::ScriptItem(item) = &plan.steps[3].operation else { panic!("an item") };
    assert_eq!(item.text.expose(), "/bin/sh -c 'ping -qc 3 10.0.0.1'", "each in a shell of its own");
    assert!(plan.secrets.iter().any(|secret| secret.expose() == "geheimgeheim="));
}

#[test]
fn without_wg_the_tools_are_installed_from_the_sources_that_are_configured() {
    let plan = with(&[], &format!("{TUNNEL}apt: {{conf: x;}}\n"), Way::Applied);
    let found = steps(&plan);
    assert_eq!(found[0].split(':').next(), Some("apt_configure/conf"));
    assert_eq!(found[2], "wireguard/install-wireguard-tools: install wireguard-tools @final");
    assert_eq!(
        found[4],
        "wireguard/wg0/enable: enable wg-quick@wg0.service @final <- wireguard/wg0/config wireguard/install-wireguard-tools"
    );
}

#[test]
fn one_bad_tunnel_never_loses_the_others() {
    let good = "{name: wg1, config_path: /etc/wireguard/wg1.conf, content: x}";
    for (entry, problem) in [
        ("{name: wg0, content: x}", "failed: wireguard.interfaces[0] has no `config_path`"),
        ("{name: 'a/b', config_path: /a, content: x}", "failed: wireguard.interfaces[0].name: `a/b` is no name of an interface"),
        ("{name: abcdefghijklmnop, config_path: /a, content: x}", "failed: wireguard.interfaces[0].name: `abcdefghijklmnop` is no name"),
        ("{name: wg0, config_path: /a, content: [x]}", "failed: wireguard.interfaces[0].content must be a string, not a list"),
    ] {
        let plan = with(&["wg"], &format!("wireguard: {{interfaces: [{entry}, {good}]}}"), Way::Applied);
        assert!(problems(&plan)[0].starts_with(problem), "{entry}: {:?}", problems(&plan));
        assert_eq!(steps(&plan).len(), 3, "{entry}");
    }
    assert!(problems(&applied("wireguard: {readinessprobe: [x]}"))[0].starts_with("failed: wireguard has no `interfaces`"));
    let elsewhere = with(&["wg"], "wireguard: {interfaces: [{name: wg0, config_path: /etc/wg0.conf, content: x}]}", Way::Applied);
    assert!(problems(&elsewhere)[0].starts_with("degraded: wg-quick@wg0 reads /etc/wireguard/wg0.conf, not /etc/wg0.conf"));
}
