//! `bootcmd`, `runcmd`, scripts.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::{questions, ScriptKind, UserScript, Way};
use crate::config::problem::Report;
use crate::config::typed::CloudConfig;
use crate::facts::Facts;
use crate::plan::operation::{content, Operation, ScriptItem, StopsMachine};
use crate::plan::{Frequency, Plan};

fn items(plan: &Plan) -> Vec<ScriptItem> {
    let item = |operation: &Operation| match operation {
        Operation::ScriptItem(item) => Some(item.clone()),
        _ => None,
    };
    plan.steps.iter().filter_map(|step| item(&step.operation)).collect()
}

fn script(name: &str, kind: ScriptKind) -> UserScript {
    UserScript { name: name.into(), part: name.into(), content: content(format!("#!/bin/sh\necho {name}\n")), kind }
}

#[test]
fn each_item_is_a_step_and_the_last_decides() {
    let plan = applied("runcmd: [echo a, [touch, \"it's\", 7, true, null], ~, echo c]");
    assert_steps(
        &plan,
        &[
            "runcmd/1: runcmd item 1 of 4: echo a @final ~",
            r"runcmd/2: runcmd item 2 of 4: 'touch' 'it'\''s' '7' 'True' 'None' @final ~",
            "runcmd/4: runcmd item 4 of 4: echo c @final",
        ],
    );
    let told = problems(&plan);
    assert!(told.iter().all(|problem| problem.starts_with("degraded: runcmd[1]: ")), "{told:?}");
}

#[test]
fn boot_commands_are_run_at_every_boot_once_the_network_is_there() {
    let plan = applied("{bootcmd: [echo a, echo b], hostname: web, write_files: [{path: /a}]}");
    let found = steps(&plan);
    assert_eq!(found[1], "set_hostname: set the hostname to web");
    assert_eq!(found[3], "bootcmd/1: bootcmd item 1 of 2: echo a @network [boot] ~");
    assert_eq!(found[4], "bootcmd/2: bootcmd item 2 of 2: echo b @network [boot]");
    // What comes after waits too: the order is the peer's.
    assert_eq!(found[5], "write_files/a: write /a (0 bytes, 0644, root:root) @network");
    assert_eq!(items(&plan)[0].env["INSTANCE_ID"], "i-1");
}

#[test]
fn a_bad_item_loses_only_itself() {
    for (item, problem) in [
        (
            "{echo a: b}",
            "failed: runcmd[0] must be a string, not a mapping (put the whole value in quotes: `: ` inside it makes it a mapping)",
        ),
        ("[ls, [x]]", "failed: runcmd[0] must be a string, not a list"),
    ] {
        let plan = applied(&format!("runcmd: [{item}, echo b]"));
        assert_eq!(steps(&plan), ["runcmd/2: runcmd item 2 of 2: echo b @final"]);
        assert_eq!(problems(&plan)[0], problem);
    }
    let plan = applied("runcmd: [5, yes]");
    assert_eq!(items(&plan).iter().map(|item| item.text.expose().clone()).collect::<Vec<_>>(), ["5", "yes"]);
    assert!(
        problems(&applied("runcmd: echo a"))[0].starts_with("failed: runcmd must be a list of commands, not a string (let each command")
    );
}

#[test]
fn items_that_only_parse_jointly_are_one_step() {
    let facts = Facts { joint_items: [("runcmd".to_owned(), vec![(0, 0), (1, 3), (4, 4)])].into(), ..debian() };
    let plan = planned("runcmd: [echo a, if true; then, echo b, fi, echo c]", &facts, &[], Way::Applied);
    assert_steps(
        &plan,
        &[
            "runcmd/1: runcmd item 1 of 5: echo a @final ~",
            "runcmd/2-4: runcmd item 2-4 of 5: if true; then ... @final ~",
            "runcmd/5: runcmd item 5 of 5: echo c @final",
        ],
    );
    assert_eq!(items(&plan)[1].text.expose(), "if true; then\necho b\nfi");
}

#[test]
fn facts_are_asked_for_by_script() {
    let text = "{timezone: Europe/Berlin, runcmd: [a], bootcmd: [b, c], landfall: {phases: [{name: x, runcmd: [d]}]}}";
    let config = CloudConfig::read(&super::super::testing::document(text), &mut Report::new()).expect("config");
    let asked = questions(&config);
    assert_eq!(asked.timezones, ["Europe/Berlin"]);
    let expected = [("bootcmd", vec!["b", "c"]), ("runcmd", vec!["a"]), ("x.runcmd", vec!["d"])];
    assert_eq!(asked.scripts, expected.map(|(name, texts)| (name.to_owned(), texts)));
}

#[test]
fn items_say_what_they_are() {
    let plan = applied("runcmd: ['deploy() { :; }', 'set -e', 'deploy2() { :; }; deploy', reboot, 'reboot -f', 'alias x=y; ls']");
    let items = items(&plan);
    assert_eq!(items.iter().map(|item| item.definition).collect::<Vec<_>>(), [true, true, false, false, false, false]);
    let stops: Vec<_> = items.iter().map(|item| item.stops_machine).collect();
    assert_eq!(stops, [None, None, None, Some(StopsMachine::Orderly), Some(StopsMachine::Forced), None]);
    assert_eq!(items[2].lost_on_resume, ["function deploy2"]);
    assert!(items[0].lost_on_resume.is_empty());
    assert_eq!(plan.steps[2].notices, ["if the power fails after this item, later items do without: function deploy2"]);
    // After the last item nothing is left that could miss it.
    assert_eq!(plan.steps[5].notices, [""; 0]);
}

#[test]
fn a_change_anywhere_makes_it_another_script() {
    let digest = |text: &str| items(&applied(text))[0].script_digest.clone();
    assert_ne!(digest("runcmd: [a, b]"), digest("runcmd: [a, c]"));
    assert_eq!(digest("runcmd: [a, b]"), digest("{runcmd: [a, b], hostname: x}"));
}

#[test]
fn scripts_and_runcmd_are_run_in_byte_order_of_their_names() {
    let scripts = [script("zz", ScriptKind::User), script("part-001", ScriptKind::User), script("Z", ScriptKind::User)];
    let plan = planned("runcmd: [echo]", &debian(), &scripts, Way::Applied);
    assert_steps(
        &plan,
        &[
            "scripts_user/Z/write: write /var/lib/cloud/instance/scripts/Z (17 bytes, 0700, root:root) @final",
            "scripts_user/Z: run /var/lib/cloud/instance/scripts/Z @final <- scripts_user/Z/write",
            "scripts_user/part-001/write: write /var/lib/cloud/instance/scripts/part-001 (24 bytes, 0700, root:root) @final",
            "scripts_user/part-001: run /var/lib/cloud/instance/scripts/part-001 @final <- scripts_user/part-001/write",
            "runcmd/1: runcmd item 1 of 1: echo @final",
            "scripts_user/zz/write: write /var/lib/cloud/instance/scripts/zz (18 bytes, 0700, root:root) @final",
            "scripts_user/zz: run /var/lib/cloud/instance/scripts/zz @final <- scripts_user/zz/write",
        ],
    );
}

#[test]
fn scripts_for_a_directory_are_written_there_before_it_is_run() {
    let scripts = [script("a", ScriptKind::Per(Frequency::Boot)), script("b", ScriptKind::Per(Frequency::Once))];
    let plan = planned("{}", &debian(), &scripts, Way::Applied);
    assert_steps(
        &plan,
        &[
            "scripts_per_once/b/write: write /var/lib/cloud/scripts/per-once/b (17 bytes, 0700, root:root) @final",
            "scripts_per_once: run the scripts in /var/lib/cloud/scripts/per-once @final [once]",
            "scripts_per_boot/a/write: write /var/lib/cloud/scripts/per-boot/a (17 bytes, 0700, root:root) @final",
            "scripts_per_boot: run the scripts in /var/lib/cloud/scripts/per-boot @final [boot]",
        ],
    );
}

#[test]
fn windows_line_ends_are_taken_out_of_scripts_that_begin_with_one() {
    let windows = UserScript { name: "a".into(), part: "a".into(), content: content("#!/bin/sh\r\necho\r\n"), kind: ScriptKind::User };
    let mixed = UserScript { name: "b".into(), part: "b".into(), content: content("#!/bin/sh\necho 'x\r\n'"), kind: ScriptKind::User };
    let plan = planned("{}", &debian(), &[windows, mixed], Way::Applied);
    assert_eq!(written(&plan, "scripts_user/a/write"), "#!/bin/sh\necho\n");
    assert_eq!(written(&plan, "scripts_user/b/write"), "#!/bin/sh\necho 'x\r\n'");
}

#[test]
fn known_secrets_are_not_shown_in_items() {
    let plan = first_boot("{password: geheimnis, runcmd: ['login geheimnis', 'x --token abc']}");
    let found = steps(&plan).join("\n");
    assert!(found.contains("login ***") && found.contains("x --token ***"), "{found}");
}

#[test]
fn secrets_are_not_shown_in_items_that_are_lists_or_go_on_in_a_second_line() {
    let plan = first_boot(
        "runcmd:\n- [docker, login, --password, S3CRET, -u, bob]\n- [mysql, -pS3CRET]\n- [cmd, --token, 0123, next]\n\
         - |\n  echo \"root:S3CRET\n  ann:S3CRET\" | chpasswd\n",
    );
    let found = format!("{:?} {:?}", steps(&plan), plan.problems);
    let shown = [
        "'docker' 'login' '--password' '***' '-u' 'bob'",
        "'mysql' '-p***'",
        "'cmd' '--token' '***' 'next'",
        "echo \\\"root:***\\\" | chpasswd",
    ];
    assert!(shown.iter().all(|text| found.contains(text)), "{found}");
    assert!(!found.contains("S3CRET") && !found.contains("0123") && !found.contains("`83`"), "{found}");
}

#[test]
fn words_that_are_run_as_something_else_than_is_written_are_told() {
    let plan = applied("runcmd: [[install, -m, 0600, no, 5, '0600'], [echo, ok]]");
    assert_problems(
        &plan,
        &[
            "degraded: runcmd[0]: `0600` is an integer here, and run as `384` (write it in quotes)",
            "degraded: runcmd[0]: `no` is a boolean here, and run as `False` (write it in quotes)",
        ],
    );
}

#[test]
fn what_only_bash_has_is_told() {
    assert_problems(
        &applied("runcmd: ['[[ -f /x ]] && y', 'a &> /b']\n"),
        &[
            "note: item 1 of runcmd: `[[` is of bash; /bin/sh, which runs it, is dash and does not know it (write `[ ... ]`, or `bash -c '...'`)",
            "note: item 2 of runcmd: `&>` is of bash; /bin/sh, which runs it, is dash and runs the command in the background and redirects nothing (write `>FILE 2>&1`)",
        ],
    );
}
