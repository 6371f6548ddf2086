//! `landfall push` against the real sshd of real hosts: who is let in, what is copied or installed, what breaks off and is gone on with.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::desk::{machine, Desk};
use crate::lab::{self, run, Output, Release};

const SECRET: &str = "planted-Secret-4711";

fn command(desk: &Desk, arguments: &[&str]) -> Command {
    let mut command = Command::new(&desk.program);
    command.arg("push").args(arguments);
    for option in desk.options() {
        command.args(["--ssh-option", &option]);
    }
    command
}

fn push(desk: &Desk, arguments: &[&str], user_data: &str) -> (Output, serde_json::Value) {
    let mut command = command(desk, arguments);
    command.args(["--format", "json", "--file", "-"]);
    let output = run(&mut command, user_data.as_bytes(), Duration::from_secs(180));
    let result = serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert!(!format!("{output:?}").contains(SECRET), "{output:?}");
    (output, result)
}

fn of<'r>(result: &'r serde_json::Value, host: &str) -> &'r serde_json::Value {
    result["hosts"].as_array().unwrap().iter().find(|one| one["host"] == host).unwrap_or_else(|| panic!("{host}: {result}"))
}

fn user_data(item: &str) -> String {
    format!(
        "#cloud-config\n\
         write_files: [{{path: /root/token, permissions: '0600', content: {SECRET}}}]\n\
         runcmd: ['echo one >>/root/runs', '{item}', 'echo two >>/root/runs']\n"
    )
}

#[test]
fn several_machines_at_once_each_by_the_user_that_is_let_in() {
    let Some(desk) = Desk::new() else { return };
    let Some(bare) = machine(Release::Trixie, false) else { return };
    let Some(packaged) = machine(Release::Bookworm, true) else { return };
    desk.reaches(&bare, "bare", "root");
    desk.drops_one("bare");
    desk.reaches(&packaged, "packaged", "debian");
    packaged.files().write("/etc/sudoers.d/debian", "debian ALL=(ALL) NOPASSWD:ALL\n", 0o440);
    let hosts = ["bare", "packaged", "nowhere"];
    let (output, result) = push(&desk, &hosts, &user_data("true"));
    assert_eq!(output.code(), Some(1), "one of them cannot be reached: {output:?}");
    for (host, state, user) in [("bare", "done", None), ("packaged", "done", Some("debian")), ("nowhere", "unreachable", None)] {
        let one = of(&result, host);
        assert_eq!((one["state"].as_str(), one["user"].as_str()), (Some(state), user), "{one}");
    }
    for booted in [&bare, &packaged] {
        assert_eq!(booted.files().read("/root/runs"), "one\ntwo\n");
        assert_eq!(booted.files().read("/root/token"), SECRET);
    }
    assert!(output.stderr.contains("bare      copying landfall") && !output.stderr.contains("packaged  copying"), "{}", output.stderr);
    assert!(output.stderr.contains("bare      it closes the connection; once more in 1 s"), "{}", output.stderr);
    assert_eq!(bare.sh("stat -c '%a %U' /var/lib/landfall/bin/landfall").stdout, "700 root\n");

    let (output, result) = push(&desk, &hosts[..2], &user_data("true"));
    assert_eq!((output.code(), of(&result, "bare")["state"].as_str()), (Some(0), Some("done")), "{result}");
    assert_eq!(bare.files().read("/root/runs"), "one\ntwo\n", "what is done is not done again");

    let deb = lab::package().unwrap();
    let (_, result) = push(&desk, &["bare", "--deb", deb.to_str().unwrap()], &user_data("false"));
    assert_eq!(of(&result, "bare")["state"], "degraded", "{result}");
    assert_eq!(bare.sh("command -v landfall").stdout, "/usr/bin/landfall\n");

    let mut table = command(&desk, &["bare", "nowhere", "--file", "-"]);
    let text = run(&mut table, user_data("false").as_bytes(), Duration::from_secs(60)).stdout;
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows[..3], [["HOST", "STATE"], ["bare", "degraded"], ["nowhere", "unreachable"]], "{text}");
    assert!(text.ends_with("1 of 2 are as the user-data says\n"), "{text}");
    bare.shutdown();
    packaged.shutdown();
}

#[test]
fn who_may_not_and_what_is_no_user_data_is_said_and_nothing_is_changed() {
    let Some(desk) = Desk::new() else { return };
    let Some(booted) = machine(Release::Trixie, true) else { return };
    desk.reaches(&booted, "web", "ubuntu");
    let (output, result) = push(&desk, &["web"], &user_data("true"));
    assert_eq!(output.code(), Some(1));
    let one = of(&result, "web");
    assert_eq!(one["state"], "forbidden", "{one}");
    assert!(one["message"].as_str().unwrap().contains("may not become root without a password"), "{one}");
    let (_, result) = push(&desk, &["web", "--user", "debian,admin"], &user_data("true"));
    assert!(of(&result, "web")["message"].as_str().unwrap().contains("no user is let in"), "{result}");
    desk.reaches(&booted, "web", "root");
    let (_, result) = push(&desk, &["web"], "#cloud-config\nruncmd: [");
    let one = of(&result, "web");
    assert_eq!((one["state"].as_str(), one["exit"].as_i64()), (Some("refused"), Some(65)), "{one}");
    assert!(!booted.files().exists("/root/runs") && !booted.files().exists("/root/token"));
    booted.shutdown();
}

#[test]
fn a_connection_that_breaks_is_told_and_running_it_again_goes_on() {
    let Some(desk) = Desk::new() else { return };
    let Some(booted) = machine(Release::Trixie, false) else { return };
    desk.reaches(&booted, "web", "root");
    let text = user_data("touch /root/here; until [ -e /root/go ]; do sleep 0.1; done");
    std::fs::write(desk.path("user-data"), &text).unwrap();
    let mut child = start(&desk, &desk.path("user-data"));
    booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
    booted.sh("pkill -KILL -f '[s]shd-session: root'").expect_ok();
    assert!(!child.wait().unwrap().success());
    let result: serde_json::Value = serde_json::from_slice(&std::fs::read(desk.path("result")).unwrap()).unwrap();
    assert_eq!(of(&result, "web")["state"], "lost", "{result}");
    booted.files().write("/root/go", "", 0o600);
    let (output, result) = push(&desk, &["web"], &text);
    assert_eq!((output.code(), of(&result, "web")["state"].as_str()), (Some(0), Some("done")), "{result}");
    assert_eq!(booted.files().read("/root/runs"), "one\ntwo\n", "no item is run twice");
    booted.shutdown();
}

fn start(desk: &Desk, user_data: &Path) -> Child {
    let mut command = command(desk, &["web", "--format", "json"]);
    command.arg("--file").arg(user_data).stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(std::fs::File::create(desk.path("result")).unwrap()).spawn().unwrap()
}
