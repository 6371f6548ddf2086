//! `status`, `why`, `unlock` on a host whose runtime files say something, in a mount namespace of its own.

use std::process::Command;

use super::run::ran;
use super::Ran;

const STATUS: &str = r#"{"state": "STATE", "mode": "standalone", "run": "run-1", "boot": "b", "version": "0", "instance": "i-1",
  "datasource": "nocloud", "stage": "final", "started": 1785587445.0, "boots": 1, "current": "runcmd/1", "told": [], "steps": [
  {"id": "runcmd/1", "phase": "runcmd", "stage": "final", "frequency": "instance", "description": "runcmd item 1 of 1: make",
   "result": "running", "unchanged": false, "attempts": 1, "elapsed_ms": 0}]}"#;

/// Runs `script` with `landfall` on its path, where `/run/landfall/status.json` says `state`. None without root.
fn on_host(state: &str, script: &str) -> Option<Ran> {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var("CI").is_err(), "needs root");
        eprintln!("skipped: needs root");
        return None;
    }
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("status.json"), STATUS.replace("STATE", state)).expect("write");
    let prepare = "mount -t tmpfs t /run && mount -t tmpfs t /var/lib && mkdir /run/landfall && cp \"$DIR/status.json\" /run/landfall/ && ";
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_landfall"));
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", binary.parent().expect("a directory").display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"]).arg(format!("{prepare}{{ {script}\n}}"));
    Some(ran(command.env("PATH", path).env("DIR", dir.path()).env_remove("RUST_LOG").env_remove("LANDFALL_RUN").output()))
}

#[test]
fn exit_codes_say_how_a_run_ended() {
    for (state, script, code) in [
        ("done", "landfall status", 0),
        ("done", "landfall status --wait", 0),
        ("degraded", "landfall status", 0),
        ("degraded", "landfall status --strict", 2),
        ("failed", "landfall status", 1),
        ("failed", "landfall status --wait --strict", 1),
        ("interrupted", "landfall status", 1),
        ("running", "landfall status", 0),
        ("running", "landfall status --wait --timeout 1", 124),
        ("waiting-for-reboot", "landfall status --wait --timeout 0", 124),
        ("failed", "landfall why", 0),
    ] {
        let Some(ran) = on_host(state, script) else { return };
        assert!(ran.ended(code).stdout.contains(state), "{script}");
    }
}

#[test]
fn a_wait_ends_with_the_run() {
    let end = "(sleep 1; sed -i s/running/done/ /run/landfall/status.json) & landfall status --wait --timeout 30";
    let Some(ran) = on_host("running", end) else { return };
    assert!(ran.ended(0).stdout.starts_with("status: done\n"));
}

#[test]
fn a_step_that_waits_for_its_own_run_is_refused() {
    let Some(ran) = on_host("running", "LANDFALL_RUN=run-1 landfall status --wait") else { return };
    assert!(ran.ended(64).stderr.contains("a step of run run-1 itself"));
    on_host("running", "LANDFALL_RUN=run-1 landfall status").expect("root").ended(0);
    on_host("running", "LANDFALL_RUN=other landfall status --wait --timeout 0").expect("root").ended(124);
}

#[test]
fn what_runs_now_is_said() {
    let Some(ran) = on_host("running", "landfall status; landfall why; landfall why --format json") else { return };
    let ran = ran.ended(0);
    for expected in ["now: runcmd/1: runcmd item 1 of 1: make\n", "running: the run goes on\n", "\"state\": \"running\""] {
        assert!(ran.stdout.contains(expected), "{}", ran.stdout);
    }
}

/// A process that holds the run lock as a run does, started in the background; waits until it has it.
const HOLDER: &str = r#"sh -c 'exec 9<>/run/landfall/lock; flock 9
        started=$(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)
        echo "{\"pid\": $$, \"started\": $started, \"boot_id\": \"$(cat /proc/sys/kernel/random/boot_id)\", \"command\": \"landfall run\", \"since\": 0}" >&9
        touch /run/held; exec sleep 60' &
    until [ -e /run/held ]; do sleep 0.1; done; "#;

#[test]
fn a_held_lock_names_its_holder_and_force_ends_it() {
    let Some(ran) = on_host("running", &format!("{HOLDER} landfall unlock")) else { return };
    assert!(ran.ended(75).stderr.contains("(landfall run) holds the run lock"));
    let json = on_host("running", &format!("{HOLDER} landfall unlock --format json")).expect("root").ended(75).json();
    assert_eq!((&json["locked"], &json["owner"]["command"]), (&true.into(), &"landfall run".into()));
    let ran = on_host("running", &format!("{HOLDER} landfall unlock --force && landfall unlock")).expect("root").ended(0);
    assert!(ran.stdout.ends_with("the run lock is free\n"), "{}", ran.stdout);
}

#[test]
fn what_would_change_the_host_gives_up_where_another_run_holds_the_lock() {
    for command in ["clean", "resume", "apply /dev/null"] {
        let Some(ran) = on_host("running", &format!("{HOLDER} landfall {command}")) else { return };
        assert!(ran.ended(75).stderr.contains("lock"), "{command}");
    }
}

#[test]
fn the_log_is_shown_whole_in_part_and_as_json() {
    let log = "mount -t tmpfs t /var/log; printf 'one\\ntwo\\nthree\\n' >/var/log/landfall.log; ";
    let Some(ran) = on_host("done", &format!("{log} landfall logs")) else { return };
    assert_eq!(ran.ended(0).stdout, "one\ntwo\nthree\n");
    assert_eq!(on_host("done", &format!("{log} landfall logs -n 1")).expect("root").ended(0).stdout, "three\n");
    let json = on_host("done", &format!("{log} landfall logs -n 2 --format json")).expect("root").ended(0).json();
    assert_eq!(json["lines"], serde_json::json!(["two", "three"]));
    on_host("done", "mount -t tmpfs t /var/log; landfall logs").expect("root").ended(1);
}

#[test]
fn a_step_that_the_run_does_not_have_is_wrong_usage() {
    for (script, help) in [
        ("landfall logs nosuchstep", "`landfall status --long` lists the steps"),
        ("landfall rerun nosuchstep", "`landfall status --long` lists the steps"),
        ("landfall rerun runcmd/2", "did you mean `runcmd/1`?"),
    ] {
        let Some(ran) = on_host("done", script) else { return };
        let ran = ran.ended(64);
        assert!(ran.stderr.contains("the recorded run has no step `") && ran.stderr.contains(help), "{script}: {}", ran.stderr);
    }
}

#[test]
fn nothing_to_resume_is_said() {
    let Some(ran) = on_host("done", "landfall resume; landfall resume --format json") else { return };
    assert!(ran.stderr.contains("nothing to do") || ran.stderr.contains("no recorded run"), "{} {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\"state\": \"not-started\""), "{}", ran.stdout);
}

#[test]
fn a_clean_host_has_no_run_left() {
    let script = "mkdir -p /var/lib/landfall/instances/i /var/lib/cloud/seed; touch /var/lib/landfall/host.json; landfall clean --format json; ls -A /var/lib/landfall /run/landfall /var/lib/cloud; landfall status";
    let Some(ran) = on_host("done", script) else { return };
    let ran = ran.ended(0);
    assert!(ran.stdout.contains("\"/var/lib/landfall/host.json\"") && ran.stdout.contains("status: not-started"), "{}", ran.stdout);
    assert!(ran.stdout.contains("/run/landfall:\nlock\n") && ran.stdout.contains("/var/lib/cloud:\nseed\n"), "{}", ran.stdout);
}

#[test]
fn what_commands_say_is_shown_to_root_and_kept_from_others() {
    let script = r#"mount -t tmpfs t /var/log; mount -o bind,remount,ro /
        printf '#cloud-config\nruncmd: ["echo answer-of-it; false -pgeheim"]\n' >/run/user-data
        landfall -q apply /run/user-data; cat /run/landfall/status.json /run/landfall/result.json; echo ----; landfall status --long; landfall why"#;
    let Some(ran) = on_host("done", script) else { return };
    let (open, root) = ran.stdout.split_once("----").unwrap_or_else(|| panic!("{} {}", ran.stdout, ran.stderr));
    assert!(open.matches("runcmd item 1 of 1\"").count() == 2 && open.contains("E_EXEC"), "{open} {}", ran.stderr);
    assert!(!open.contains("geheim") && !open.contains("answer-of-it"), "{open}");
    assert!(root.contains("runcmd item 1 of 1: echo answer-of-it; false -pgeheim") && root.contains("\n    answer-of-it\n"), "{root}");
}
