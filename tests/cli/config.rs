//! `landfall config`, and where settings come from.

use super::plain_debian::plain_debian;
use super::run::{landfall_in, landfall_reading, landfall_unprivileged};

const TEXT: &str = "#cloud-config\nruncmd: [\"true\"]\nlandfall:\n  retry: 4\n  on_interrupt: skip\npackages: [jq]\n";

/// A root with settings of its own, in two files.
fn configured() -> tempfile::TempDir {
    let dir = plain_debian();
    std::fs::create_dir_all(dir.path().join("etc/landfall/conf.d")).expect("mkdir");
    let write = |name: &str, text: &str| std::fs::write(dir.path().join("etc/landfall").join(name), text).expect("write");
    write("landfall.yaml", "landfall:\n  on_error: stop\n  timeouts: {other: 9m}\n");
    write("conf.d/50-user.yaml", "landfall:\n  on_error: warn\n  retry: {attempts: 9}\n");
    dir
}

/// `name value source` of every line.
fn rows(stdout: &str) -> Vec<String> {
    stdout.lines().map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" | ")).collect()
}

#[track_caller]
fn has(stdout: &str, expected: &str) {
    assert!(rows(stdout).iter().any(|row| row == expected), "{expected} is missing in\n{stdout}");
}

#[test]
fn every_setting_is_shown_with_its_source_and_the_nearer_source_wins() {
    let dir = configured();
    let root = dir.path().to_string_lossy();
    let environment = [("LANDFALL_ON_ERROR", "continue"), ("LANDFALL_TIMEOUTS", "{packages: 10m}"), ("LANDFALL_PHASE", "nonsense")];
    let args = ["config", "--root", &root, "--on-interrupt", "stop", "-"];
    let ran = landfall_in(&environment, &args, TEXT.as_bytes()).ended(0);
    for expected in [
        "on_error | continue | environment LANDFALL_ON_ERROR",
        "on_interrupt | stop | command line --on-interrupt",
        "retry.attempts | 4 | stdin:4:10",
        "timeouts.packages | 10m | environment LANDFALL_TIMEOUTS",
        "timeouts.commands | none | default",
        "timeouts.other | 9m | /etc/landfall/landfall.yaml:3:21",
        "wipe_user_data | false | default",
    ] {
        has(&ran.stdout, expected);
    }
    let ran = landfall_reading(&["config", "--root", &root], b"").ended(0);
    has(&ran.stdout, "on_error | warn | /etc/landfall/conf.d/50-user.yaml:2:13");
    has(&ran.stdout, "retry.attempts | 9 | /etc/landfall/conf.d/50-user.yaml:3:21");
}

#[test]
fn settings_as_json_carry_the_same() {
    let dir = configured();
    let ran = landfall_reading(&["config", "--root", &dir.path().to_string_lossy(), "--format", "json"], b"").ended(0);
    let json = ran.json();
    assert_eq!(json["valid"], true);
    let retry = json["settings"].as_array().expect("settings").iter().find(|one| one["name"] == "retry.attempts").expect("listed");
    assert_eq!((retry["value"].as_str(), retry["source"].as_str()), (Some("9"), Some("/etc/landfall/conf.d/50-user.yaml:3:21")));
}

#[test]
fn a_plan_is_made_with_the_settings_of_the_environment_and_of_the_command_line() {
    let dir = configured();
    let root = dir.path().to_string_lossy().into_owned();
    let step = |environment: &[(&str, &str)], flags: &[&str]| {
        let args: Vec<&str> = ["plan", "--root", &root, "--format", "json", "-"].iter().chain(flags).copied().collect();
        let json = landfall_in(environment, &args, TEXT.as_bytes()).ended(0).json();
        json["steps"]
            .as_array()
            .expect("steps")
            .iter()
            .find(|step| step["id"] == "package_update_upgrade_install/install")
            .expect("a step")
            .clone()
    };
    let written = step(&[], &[]);
    assert_eq!((written["limits"]["attempts"].as_u64(), written["on_error"].as_str()), (Some(4), Some("warn")));
    let told = step(&[("LANDFALL_RETRY", "7"), ("LANDFALL_ON_ERROR", "stop")], &[]);
    assert_eq!((told["limits"]["attempts"].as_u64(), told["on_error"].as_str()), (Some(7), Some("stop")));
    let flagged = step(&[("LANDFALL_RETRY", "7")], &["--retry", "2", "--timeout", "90s"]);
    assert_eq!((flagged["limits"]["attempts"].as_u64(), flagged["limits"]["timeout_seconds"].as_u64()), (Some(2), Some(90)));
}

#[test]
fn a_bad_value_names_its_variable_or_flag() {
    let dir = configured();
    let root = dir.path().to_string_lossy();
    let ran = landfall_in(&[("LANDFALL_ON_ERROR", "stopp")], &["plan", "--root", &root, "-"], TEXT.as_bytes()).ended(64);
    assert!(ran.stderr.contains("environment LANDFALL_ON_ERROR:1:1") && ran.stderr.contains("did you mean `stop`?"), "{}", ran.stderr);
    let ran = landfall_reading(&["plan", "--root", &root, "--timeout", "soon", "-"], TEXT.as_bytes()).ended(64);
    assert!(ran.stderr.contains("command line --timeout:1:1"), "{}", ran.stderr);
    let ran = landfall_in(&[("LANDFALL_RETRY", "0")], &["config", "--root", &root], b"").ended(65);
    assert!(ran.stderr.contains("environment LANDFALL_RETRY:1:1"), "{}", ran.stderr);
    has(&ran.stdout, "retry.attempts | 6 for packages and downloads, else 1 | default");
}

#[test]
fn settings_can_be_asked_for_by_everybody_where_the_files_can_be_read() {
    let dir = configured();
    let root = dir.path().to_string_lossy().into_owned();
    has(&landfall_unprivileged(&["config", "--root", &root]).ended(0).stdout, "on_error | warn | /etc/landfall/conf.d/50-user.yaml:2:13");
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let private = dir.path().join("etc/landfall/conf.d/50-user.yaml");
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let ran = landfall_unprivileged(&["config", "--root", &root]).ended(77);
    assert!(ran.stderr.contains("50-user.yaml") && ran.stderr.contains("sudo landfall config"), "{}", ran.stderr);
}
