//! `random_seed` and `rsyslog`: what is done before anything runs.

use super::super::testing::{applied, assert_problems, assert_steps, debian, first_boot, planned, problems, steps, written};
use super::super::Way;
use crate::facts::Facts;
use crate::plan::operation::Operation;
use crate::plan::Plan;
use crate::secret::Secret;

fn with(programs: &[&str], text: &str) -> Plan {
    let mut facts = debian();
    facts.programs.extend(programs.iter().map(|name| (*name).to_owned()));
    planned(text, &facts, &[], Way::Applied)
}

#[test]
fn a_seed_is_added_to_a_file_or_fed_to_the_kernel() {
    for (encoding, data) in
        [("raw", "hello"), ("b64", "aGVsbG8="), ("base64", "aGVsbG8="), ("gz", "!!binary H4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==")]
    {
        let plan = applied(&format!("random_seed: {{file: /var/lib/seed, data: {data}, encoding: {encoding}}}"));
        assert_problems(&plan, &[]);
        assert_steps(&plan, &["seed_random: append to /var/lib/seed (5 bytes)"]);
        assert_eq!(written(&plan, "seed_random"), "hello", "{encoding}");
    }
    let plan = applied("random_seed: {data: hello}");
    assert_steps(&plan, &["seed_random: seed the random numbers: /bin/sh -c base64 -d >>\"$1\" sh /dev/urandom"]);
    let Operation::Command(command) = &plan.steps[0].operation else { panic!("a command") };
    assert_eq!(command.stdin.as_ref().map(|text| text.expose().as_str()), Some("aGVsbG8="));
}

#[test]
fn the_metadatas_seed_follows_the_users_and_is_used_without_one() {
    let facts = Facts { metadata_seed: Some(Secret::new("meta".into())), ..debian() };
    let plan = planned("random_seed: {file: /s, data: user}", &facts, &[], Way::FirstBoot);
    assert_eq!(written(&plan, "seed_random"), "usermeta");
    let plan = planned("{}", &facts, &[], Way::FirstBoot);
    assert!(steps(&plan)[0].starts_with("seed_random: seed the random numbers"));
    assert!(!steps(&first_boot("{}"))[0].starts_with("seed_random"));
}

#[test]
fn a_command_that_seeds_is_told_the_file_and_may_be_missing_unless_it_is_required() {
    let plan = with(&["pollinate"], "random_seed: {file: /s, command: [pollinate, -q]}");
    assert_steps(&plan, &["seed_random/command: seed the random numbers: pollinate -q"]);
    let Operation::Command(command) = &plan.steps[0].operation else { panic!("a command") };
    assert_eq!(command.env["RANDOM_SEED_FILE"], "/s");
    assert_problems(&applied("random_seed: {command: [none]}"), &["note: random_seed.command: there is no program `none`: it is not run"]);
    for (text, problem) in [
        ("{command: [none], command_required: true}", "failed: random_seed.command: there is no program `none`: it is not run"),
        ("{command_required: true}", "failed: random_seed.command_required is set, and there is no `command`"),
        ("{data: '%', encoding: b64}", "failed: random_seed.data is not base64"),
        ("{data: x, encoding: rot13}", "failed: random_seed.encoding: `rot13` is no encoding"),
        ("{file: x}", "failed: random_seed.file: `x` is no absolute path"),
    ] {
        let plan = applied(&format!("random_seed: {text}"));
        assert!(problems(&plan)[0].starts_with(problem), "{text}: {:?}", problems(&plan));
        assert_steps(&plan, &[]);
    }
}

#[test]
fn texts_of_rsyslog_go_to_their_files_each_written_once() {
    let text = "rsyslog:\n  configs:\n  - '*.* @a'\n  - {content: \"b\\n\", filename: 10-b.conf}\n  - {content: c}\n  - {content: d, filename: /srv/d.conf}\n\
        \x20 remotes: {one: 10.0.0.1, two: 'kern.* @@logs.example.org:514 # kernel', six: '@[fd00::1]:10514', none: }\n";
    let plan = with(&["rsyslogd"], text);
    assert_problems(&plan, &[]);
    assert_steps(
        &plan,
        &[
            "rsyslog/etc/rsyslog.d/20-cloud-config.conf: write /etc/rsyslog.d/20-cloud-config.conf (92 bytes, 0644, root:root)",
            "rsyslog/etc/rsyslog.d/10-b.conf: write /etc/rsyslog.d/10-b.conf (2 bytes, 0644, root:root)",
            "rsyslog/srv/d.conf: write /srv/d.conf (2 bytes, 0644, root:root)",
            "rsyslog/reload: reload rsyslog.service if it runs ~",
        ],
    );
    assert_eq!(
        written(&plan, "rsyslog/etc/rsyslog.d/20-cloud-config.conf"),
        "*.* @a\nc\n*.* @10.0.0.1 # one\n*.* @[fd00::1]:10514 # six\nkern.* @@logs.example.org:514 # two\n"
    );
    let plan = with(
        &["rsyslogd"],
        "rsyslog: {configs: [x], config_dir: /etc/r/, config_filename: y, service_reload_command: [systemctl, restart, r]}",
    );
    assert_steps(
        &plan,
        &[
            "rsyslog/etc/r/y: write /etc/r/y (2 bytes, 0644, root:root)",
            "rsyslog/reload: have rsyslog take up its configuration: systemctl restart r @final ~",
        ],
    );
}

#[test]
fn rsyslog_is_installed_where_asked_and_told_where_it_is_missing() {
    let install = |text: &str| steps(&applied(text)).last().cloned().unwrap_or_default();
    assert!(install("rsyslog: {configs: [x], install_rsyslog: true}").ends_with("/install: install rsyslog @final"));
    assert!(install("rsyslog: {install_rsyslog: true, packages: [a, b]}").ends_with("/install: install a b @final"));
    assert_steps(&with(&["/opt/rsyslogd"], "rsyslog: {install_rsyslog: true, check_exe: /opt/rsyslogd}"), &[]);
    assert_problems(
        &applied("rsyslog: {configs: [x]}"),
        &["degraded: rsyslog is not installed: what `rsyslog` says holds as soon as it is (set `install_rsyslog: true`)"],
    );
    assert_steps(&applied("rsyslog: {}"), &[]);
}

#[test]
fn the_old_form_of_rsyslog_is_a_list_with_keys_beside_it() {
    let plan = with(&["rsyslogd"], "{rsyslog: ['*.* @a', {content: b, filename: b.conf}], rsyslog_dir: /etc/r, rsyslog_filename: a.conf}");
    assert_problems(
        &plan,
        &[
            "note: `rsyslog` as a list is an old form (write `rsyslog: {configs: [...]}`)",
            "note: `rsyslog_dir` is an old spelling of `config_dir` under `rsyslog`",
            "note: `rsyslog_filename` is an old spelling of `config_filename` under `rsyslog`",
        ],
    );
    assert_eq!(steps(&plan)[0], "rsyslog/etc/r/a.conf: write /etc/r/a.conf (7 bytes, 0644, root:root)");
    assert_eq!(steps(&plan)[1], "rsyslog/etc/r/b.conf: write /etc/r/b.conf (2 bytes, 0644, root:root)");
}

#[test]
fn one_bad_entry_of_rsyslog_loses_only_itself() {
    for (entry, problem) in [
        ("configs: [7, a]", "degraded: rsyslog.configs[0] is an integer here; taken as the text `7`"),
        ("configs: [{filename: x}, a]", "degraded: rsyslog.configs[0] has no `content`: it is left out"),
        ("configs: [{filename: ' ', content: x}, a]", "degraded: rsyslog.configs[0].filename: `` is no name of a file"),
        ("configs: [[x], a]", "failed: rsyslog.configs[0] must be a string, not a list"),
        ("configs: [a], remotes: {x: 'a b c'}", "degraded: rsyslog.remotes.x: `a b c` names no host"),
        ("configs: [a], remotes: {x: 'fd00::1'}", "degraded: rsyslog.remotes.x: `fd00::1` names no host"),
        ("configs: [a], remotes: {x: '@@'}", "degraded: rsyslog.remotes.x: `@@` names no host"),
        ("configs: [a], service_reload_command: restart", "failed: rsyslog.service_reload_command must be `auto` or a list"),
        ("configs: [a], remotes: [x]", "failed: rsyslog.remotes must be a mapping, not a list"),
    ] {
        let plan = with(&["rsyslogd"], &format!("rsyslog: {{{entry}}}"));
        assert!(problems(&plan)[0].starts_with(problem), "{entry}: {:?}", problems(&plan));
        assert!(written(&plan, "rsyslog/etc/rsyslog.d/20-cloud-config.conf").ends_with("a\n"), "{entry}");
    }
}
