//! `landfall plan`.

use super::notify::server;
use super::plain_debian::plain_debian;
use super::run::{landfall, landfall_in, landfall_reading, landfall_unprivileged};
use super::state::on_host;

fn planned(format: &str, text: &str) -> super::Ran {
    let dir = plain_debian();
    landfall_reading(&["plan", "--root", &dir.path().to_string_lossy(), "--format", format, "-"], text.as_bytes())
}

const TEXT: &str =
    "#cloud-config\nhostname: web\npackages: [nginx]\nwrite_files:\n- path: /etc/motd\n  content: hunter2\nruncmd:\n- echo hi\n";

#[test]
fn a_plan_shows_every_step_in_its_real_order() {
    let ran = planned("text", TEXT).ended(0);
    let at = |what: &str| ran.stdout.find(what).unwrap_or_else(|| panic!("{what} is missing in\n{}", ran.stdout));
    assert!(at("stage local") < at("write /etc/motd (7 bytes, 0644, root:root)"));
    assert!(at("write /etc/motd") < at("install nginx") && at("install nginx") < at("runcmd item 1 of 1: echo hi"));
}

#[test]
fn a_plan_as_json_is_the_plan_with_its_secrets_masked() {
    let text = format!("{TEXT}password: hunter2-hunter2\nchpasswd: {{expire: false}}\n");
    let ran = planned("json", &text).ended(0);
    assert!(!ran.stdout.contains("hunter2"), "{}", ran.stdout);
    let json = ran.json();
    assert_eq!(json["format"], 1);
    let write = json["steps"].as_array().expect("steps").iter().find(|step| step["id"] == "write_files/etc/motd").expect("a step");
    for (key, value) in [("op", "write_file"), ("path", "/etc/motd"), ("content", "***"), ("origin", "stdin:5:3")] {
        assert_eq!(write[key], value);
    }
}

#[test]
fn a_secret_that_a_command_repeats_is_masked_in_the_plan() {
    let text = "#cloud-config\npassword: Tr0ub4dor\nchpasswd: {expire: false}\nruncmd:\n- mysql -u root -pTr0ub4dor\n- curl https://bob:geheim@example.org/\n";
    for format in ["text", "json"] {
        let ran = planned(format, text).ended(0);
        assert!(!ran.stdout.contains("Tr0ub4dor") && !ran.stdout.contains("geheim"), "{format}: {}", ran.stdout);
    }
}

#[test]
fn credentials_of_an_address_are_masked_wherever_they_show_up() {
    let text = "#cloud-config\ntimezone: geheim-x!\nwrite_files:\n- path: /a\n  source: {uri: 'https://bob:geheim-x@example.org/a'}\n\
        - path: /b\n  source: {uri: 'https://x/', headers: {A: Bearer t0ken-of-ours}}\nruncmd: [echo geheim-x t0ken-of-ours]\n";
    for format in ["text", "json"] {
        let ran = planned(format, text).ended(65);
        assert!(!ran.stdout.contains("geheim-x") && !ran.stdout.contains("t0ken-of-ours"), "{format}: {}", ran.stdout);
        assert!(ran.stdout.contains("***@example.org/a"), "{format}: {}", ran.stdout);
    }
    let json = planned("json", text).json();
    let problem = json["problems"][0]["message"].as_str().expect("a message");
    assert!(problem.contains("`***!` is no time zone"), "{problem}");
}

#[test]
fn what_is_wrong_is_said_beside_the_plan_of_the_rest() {
    let ran = planned("text", "#cloud-config\nhostname: web\nusers: 5\n").ended(65);
    assert!(ran.stdout.contains("error: stdin:3:8: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("web"), "{}", ran.stdout);
}

#[test]
fn nothing_to_do_is_said() {
    let applied = landfall_reading(&["plan", "-"], b"#cloud-config\n").ended(0);
    assert!(applied.stdout.contains("nothing to do") && applied.stderr.contains("--first-boot"), "{}{}", applied.stdout, applied.stderr);
    let booted = landfall_reading(&["plan", "--first-boot", "-"], b"#cloud-config\n").ended(0);
    assert!(booted.stdout.contains("users_groups") && !booted.stderr.contains("--first-boot"), "{}{}", booted.stdout, booted.stderr);
}

#[test]
fn a_file_that_the_environment_names_lies_over_user_data_at_a_first_boot() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("more.cfg").to_string_lossy().into_owned();
    std::fs::write(&path, "hostname: from-environment\n").expect("file");
    let planned = |file: &str, args: &[&str]| {
        landfall_in(&[("CLOUD_CFG", file)], &[&["plan"], args, &["-"]].concat(), b"#cloud-config\nhostname: from-user-data\n")
    };
    let shown = planned(&path, &["--first-boot"]).ended(0).stdout;
    assert!(shown.contains("from-environment") && shown.contains("`hostname` replaces the one at stdin:2:1"), "{shown}");
    assert!(planned(&path, &[]).ended(0).stdout.contains("from-user-data"), "what is applied by hand is the file's");
    let shown = planned("/nonexistent/x.cfg", &["--first-boot"]).ended(65).stdout;
    assert!(shown.contains("/nonexistent/x.cfg, which CLOUD_CFG names in the environment, is not used"), "{shown}");
    assert!(shown.contains("from-user-data"), "{shown}");
}

#[test]
fn the_command_that_makes_a_filesystem_is_shown_without_its_secrets() {
    let shown = planned("text", "#cloud-config\nfs_setup: [{device: vdz, partition: none, cmd: 'mk --token t0k3n-x %(device)s'}]\n")
        .ended(0)
        .stdout;
    assert!(shown.contains("by `mk --token *** %(device)s`"), "{shown}");
}

#[test]
fn planning_changes_nothing() {
    let dir = plain_debian();
    let before = tree(dir.path());
    landfall_reading(&["plan", "--root", &dir.path().to_string_lossy(), "-"], TEXT.as_bytes()).ended(0);
    assert_eq!(tree(dir.path()), before);
}

fn tree(path: &std::path::Path) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(path).expect("dir").flatten() {
        out.push((entry.path(), entry.metadata().expect("metadata").modified().expect("time")));
        if entry.path().is_dir() {
            out.extend(tree(&entry.path()));
        }
    }
    out.sort();
    out
}

#[test]
fn a_plan_needs_no_rights() {
    let dir = plain_debian();
    let file = dir.path().join("user-data");
    std::fs::write(&file, TEXT).expect("write");
    std::fs::set_permissions(dir.path().join("etc/shadow"), std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("chmod");
    let (root, file) = (dir.path().to_string_lossy(), file.to_string_lossy());
    let ran = landfall_unprivileged(&["plan", "--root", &root, &file]).ended(0);
    assert_eq!(ran.stdout, landfall(&["plan", "--root", &root, &file]).stdout);
    landfall_unprivileged(&["plan", &file]).ended(0);
}

#[test]
fn user_data_is_read_from_an_address_too_and_what_lets_in_there_is_not_shown() {
    let (address, _) = server("200 OK", "#cloud-config\nhostname: web1\nnonsense: 1\n");
    let (away, _) = server("404 Not Found", "");
    let ask = |args: &[&str], address: &str| {
        let url = format!("{}/user-data?token=geheim2", address.replace("://", "://bob:geheim1@"));
        landfall_in(&[("no_proxy", "127.0.0.1")], &[args, &[&url]].concat(), b"")
    };
    let shown = format!("{}/user-data?***:3:1", address.replace("://", "://***@"));
    let ran = ask(&["plan", "--first-boot"], &address).ended(0);
    assert!(ran.stdout.contains("set the hostname to web1") && ran.stdout.contains(&shown), "{}", ran.stdout);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("geheim"), "{}{}", ran.stdout, ran.stderr);
    let ran = ask(&["validate"], &away).ended(1);
    assert!(ran.stderr.contains("404") && !ran.stderr.contains("geheim"), "{}", ran.stderr);
}

#[test]
fn user_data_at_an_address_is_applied_and_what_lets_in_there_is_kept_nowhere() {
    let (address, _) = server("200 OK", "#cloud-config\nwrite_files: [{path: /run/made, content: x}]\n");
    let url = format!("{}/user-data?token=geheim2", address.replace("://", "://bob:geheim1@"));
    let script = format!(
        "mount -t tmpfs t /var/log; export no_proxy=127.0.0.1; landfall apply '{url}'; echo \"exit $?\"; cat /run/made; echo; \
         landfall status --long; grep -rl geheim /var/log /run /var/lib && echo leaked; exit 0"
    );
    let Some(ran) = on_host("done", &script) else { return };
    let ran = ran.ended(0);
    assert!(ran.stdout.contains("exit 0\nx\nstatus: done\n"), "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        !format!("{}{}", ran.stdout, ran.stderr).contains("geheim") && !ran.stdout.contains("leaked"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
}

/// Half of a configuration that somebody stops waiting for is none.
#[test]
fn a_stop_while_an_include_is_waited_for_changes_nothing() {
    // It is connected to, and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let url = format!("http://{}/never", silent.local_addr().expect("address"));
    let script = format!(
        "mount -t tmpfs t /var/log; export no_proxy=127.0.0.1; printf 'Content-Type: multipart/mixed; boundary=b\\nMIME-Version: 1.0\\n\\n--b\\n\\n#include\\n{url}\\n--b\\n\\n#!/bin/sh\\ntouch /run/made\\n--b--\\n' >/run/u; \
         landfall apply /run/u & pid=$!; sleep 1; kill -TERM $pid; wait $pid; echo \"exit $?\"; ls /run/made /var/lib/landfall/instances; exit 0"
    );
    let Some(ran) = on_host("done", &script) else { return };
    let ran = ran.ended(0);
    assert!(ran.stderr.contains("stopped while the plan was made; nothing was changed"), "{}\n{}", ran.stdout, ran.stderr);
    assert!(
        !ran.stdout.contains("/run/made") && !ran.stdout.contains("plan.json") && !ran.stdout.contains("exit 0"),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
}
