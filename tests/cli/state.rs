//! `status`, `why`, `unlock` on a host whose runtime files say something, in a mount namespace of its own.

use std::process::Command;

use super::run::ran;
use super::Ran;

const STATUS: &str = r#"{"state": "STATE", "mode": "standalone", "run": "run-1", "boot": "b", "version": "0", "instance": "i-1",
  "datasource": "nocloud", "stage": "final", "started": 1785587445.0, "boots": 1, "current": "runcmd/1", "told": [], "steps": [
  {"id": "runcmd/1", "phase": "runcmd", "stage": "final", "frequency": "instance", "description": "runcmd item 1 of 1: make",
   "result": "running", "unchanged": false, "attempts": 1, "elapsed_ms": 0}]}"#;

/// Runs `script` with `landfall` on its path, where `/run/landfall/status.json` says `state`. None without root.
pub fn on_host(state: &str, script: &str) -> Option<Ran> {
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

/// Takes the run lock as a run does, in this process and what it becomes.
const HOLDS: &str = r#"exec 9<>/run/landfall/lock; flock 9
        started=$(sed "s/.*) //" /proc/$$/stat | cut -d" " -f20)
        echo "{\"pid\": $$, \"started\": $started, \"boot_id\": \"$(cat /proc/sys/kernel/random/boot_id)\", \"command\": \"landfall run\", \"since\": 0}" >&9"#;

/// `script` while another process, in the background, holds the run lock.
fn while_held(script: &str) -> String {
    format!("sh -c '{HOLDS}\n touch /run/held; exec sleep 60' &\n until [ -e /run/held ]; do sleep 0.1; done; {script}")
}

#[test]
fn a_held_lock_names_its_holder_and_force_ends_it() {
    let Some(ran) = on_host("running", &while_held("landfall unlock")) else { return };
    assert!(ran.ended(75).stderr.contains("(landfall run) holds the run lock"));
    let json = on_host("running", &while_held("landfall unlock --format json")).expect("root").ended(75).json();
    assert_eq!((&json["locked"], &json["owner"]["command"]), (&true.into(), &"landfall run".into()));
    let ran = on_host("running", &while_held("landfall unlock --force && landfall unlock")).expect("root").ended(0);
    assert!(ran.stdout.ends_with("the run lock is free\n"), "{}", ran.stdout);
}

#[test]
fn a_step_of_a_run_does_not_wait_for_that_run_and_a_person_waits_for_none() {
    let own = format!(
        r#"{HOLDS}
        cp /run/landfall/status.json /tmp/before
        for how in "" "--stage final" "--network"; do timeout 60 landfall run $how; echo "ended $?"; done
        cmp /run/landfall/status.json /tmp/before && echo same"#
    );
    let Some(ran) = on_host("running", &own) else { return };
    let ran = ran.ended(0);
    assert_eq!(ran.stdout, "ended 75\nended 75\nended 75\nsame\n", "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("another run holds the lock: landfall run (pid ").count(), 3, "{}", ran.stderr);
    let ran = on_host("running", &while_held("timeout 60 landfall run")).expect("root").ended(75);
    assert!(ran.stderr.contains("another run holds the lock"), "{}", ran.stderr);
}

#[test]
fn asking_for_the_lock_leaves_nothing_where_nothing_was() {
    let Some(ran) =
        on_host("running", "landfall unlock && ls /run/landfall && rm -r /run/landfall && landfall unlock && test ! -e /run/landfall")
    else {
        return;
    };
    assert_eq!(ran.ended(0).stdout, "the run lock is free\nstatus.json\nthe run lock is free\n");
}

#[test]
fn what_would_change_the_host_gives_up_where_another_run_holds_the_lock() {
    for command in ["clean", "resume", "apply /dev/null"] {
        let Some(ran) = on_host("running", &while_held(&format!("landfall {command}"))) else { return };
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

/// The status with a step that has ended and says what it took.
const MEASURED: &str = r#"sed -i 's/"result": "running", /"result": "done", "ended": {"time": 1785587500.5, "uptime": 30.5, "boot": "b"}, "usage": {"cpu_ms": 40, "peak_rss_kib": 2048, "written_bytes": 4096}, /; s/"elapsed_ms": 0/"elapsed_ms": 1500/' /run/landfall/status.json; "#;

#[test]
fn what_each_step_took_is_shown_in_a_table_as_json_and_as_a_picture() {
    let Some(ran) = on_host("done", &format!("{MEASURED} landfall analyze && landfall analyze blame")) else { return };
    let stdout = ran.ended(0).stdout;
    let words: Vec<String> = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let row = "+29.0 s 1.5 s 40 ms 2.0 MiB 4 KiB 1 done runcmd/1 runcmd item 1 of 1: make";
    assert_eq!(words.iter().filter(|line| *line == row).count(), 2, "{stdout}");
    assert!(words.iter().any(|line| line == "1.5 s 40 ms 2.0 MiB 4 KiB 1 stage final, 1 step"), "{stdout}");
    let json = on_host("done", &format!("{MEASURED} landfall analyze --format json")).expect("root").ended(0).json();
    let step = &json["steps"][0];
    assert_eq!(
        (step["cpu_ms"].as_u64(), step["begun_at"].as_f64(), json["total"]["written_bytes"].as_u64()),
        (Some(40), Some(29.0), Some(4096))
    );
    let svg = on_host("done", &format!("{MEASURED} landfall analyze plot")).expect("root").ended(0).stdout;
    assert!(svg.starts_with("<svg ") && svg.contains("runcmd/1 (1.5 s)"), "{svg}");
    on_host("done", "landfall analyze sideways").expect("root").ended(64);
}

#[test]
fn what_a_status_of_an_older_version_does_not_know_is_left_out() {
    let Some(ran) = on_host("failed", "sed -i s/running/failed/ /run/landfall/status.json; landfall analyze") else { return };
    assert!(ran.ended(0).stdout.contains("runcmd/1"));
}

#[test]
fn watching_ends_with_the_run_and_with_its_exit_code() {
    for (end, code) in [("done", 0), ("failed", 1)] {
        let script = format!("(sleep 1; sed -i s/running/{end}/ /run/landfall/status.json) & landfall watch");
        let Some(ran) = on_host("running", &script) else { return };
        let ran = ran.ended(code);
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        assert_eq!(lines[0], "[1/1] ...  runcmd/1: runcmd item 1 of 1: make");
        assert!(lines[1].starts_with(&format!("[1/1] {end} (")), "{lines:?}");
        assert!(lines[2].starts_with(&format!("status: {end}")), "{lines:?}");
    }
    let script = "(sleep 1; sed -i s/running/done/ /run/landfall/status.json) & landfall watch --format json";
    let stdout = on_host("running", script).expect("root").ended(0).stdout;
    let events: Vec<serde_json::Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let words: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(words, ["state", "started", "state", "ended", "end"], "{stdout}");
    assert_eq!(events[4]["exit"], 0);
}

#[test]
fn a_step_does_not_watch_its_own_run_and_who_stops_watching_leaves_it_alone() {
    let Some(ran) = on_host("running", "LANDFALL_RUN=run-1 landfall watch") else { return };
    assert!(ran.ended(64).stderr.contains("a step of run run-1 itself"));
    let stopped = while_held("timeout -s INT 1 landfall watch; landfall unlock");
    assert!(on_host("running", &stopped).expect("root").ended(75).stderr.contains("(landfall run) holds the run lock"));
}

#[test]
fn a_run_by_hand_can_be_analysed_watched_afterwards_and_its_settings_asked_for() {
    let script = "mount -t tmpfs t /var/log; printf '#cloud-config\\nruncmd: [sleep 0.5]\\nlandfall: {retry: 3}\\n' >/run/u.yaml
        landfall -q apply /run/u.yaml && landfall watch && landfall config && landfall analyze --format json >/run/a.json";
    let Some(ran) = on_host("done", &format!("{script}; cat /run/a.json")) else { return };
    let (text, json) = ran.ended(0).stdout.split_once("\n{").map(|(text, json)| (text.to_owned(), format!("{{{json}"))).expect("JSON");
    assert!(text.contains("[1/1] done (") && text.contains("status: done\n"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("retry.attempts ") && line.ends_with("user-data:3:19")), "{text}");
    let analysis: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let step = &analysis["steps"][0];
    assert!(step["elapsed_ms"].as_u64() >= Some(500) && step["cpu_ms"].is_u64() && step["peak_rss_kib"].as_u64() > Some(0), "{step}");
    assert_eq!((step["result"].as_str(), step["boot"].as_u64(), analysis["open"].as_u64()), (Some("done"), Some(1), Some(0)));
}
