//! Usage, help, rights.

use super::run::{landfall, landfall_unprivileged};

#[test]
fn wrong_usage_is_exit_64_and_says_what_is_right() {
    for (args, expected) in [
        (vec![], "Usage: landfall"),
        (vec!["frobnicate"], "unrecognized subcommand 'frobnicate'"),
        (vec!["statu"], "similar subcommand"),
        (vec!["run", "--stage", "nowhere"], "possible values: local, network, final"),
        (vec!["apply"], "<FILE>"),
        (vec!["rerun"], "<STEP>"),
        (vec!["status", "--timeout", "5"], "--wait"),
        (vec!["status", "--wait", "--timeout", "soon"], "a duration is a number"),
        (vec!["status", "--format", "xml"], "tabular, json, yaml"),
        (vec!["-q", "-v", "status"], "cannot be used with"),
        (vec!["identity"], "--record"),
    ] {
        let ran = landfall(&args).ended(64);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let version = landfall(&["--version"]).ended(0);
    assert_eq!(version.stdout, format!("landfall {}\n", env!("CARGO_PKG_VERSION")));
    let help = landfall(&["--help"]).ended(0);
    for command in [
        "run", "apply", "plan", "validate", "schema", "status", "why", "resume", "rerun", "unlock", "clean", "logs", "config", "analyze",
        "watch",
    ] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command} is missing in\n{}", help.stdout);
        landfall(&[command, "--help"]).ended(0);
    }
    assert!(!help.stdout.contains("identity"), "hidden commands are not listed");
}

#[test]
fn what_changes_the_host_needs_root() {
    for args in [
        vec!["run"],
        vec!["apply", "/dev/null"],
        vec!["resume"],
        vec!["rerun", "x"],
        vec!["unlock"],
        vec!["clean"],
        vec!["identity", "--record"],
        vec!["logs", "runcmd/1"],
    ] {
        let ran = landfall_unprivileged(&args).ended(77);
        assert!(ran.stderr.contains("needs root") && ran.stderr.contains("help: sudo landfall"), "{}", ran.stderr);
    }
}

#[test]
fn state_can_be_asked_for_by_everybody() {
    for args in [vec!["status"], vec!["status", "--long"], vec!["why"]] {
        assert!(landfall_unprivileged(&args).ended(0).stdout.contains("not-started"));
    }
    assert_eq!(landfall_unprivileged(&["status", "--format", "json"]).ended(0).json()["state"], "not-started");
    assert!(landfall_unprivileged(&["status", "--format", "yaml"]).ended(0).stdout.contains("state: not-started\n"));
    assert_eq!(landfall_unprivileged(&["why", "--format", "json"]).ended(0).json()["state"], "not-started");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    if nix::unistd::geteuid().is_root() {
        let dir = tempfile::tempdir().expect("dir");
        let root = dir.path().to_string_lossy().into_owned();
        let ran = landfall(&["apply", "--root", &root, "/nonexistent.yaml"]).ended(64);
        assert!(ran.stderr.contains("/nonexistent.yaml"), "{}", ran.stderr);
    }
}

#[test]
fn a_root_directory_that_does_not_exist_is_wrong_usage() {
    for command in ["plan", "apply"] {
        if command == "apply" && !nix::unistd::geteuid().is_root() {
            continue;
        }
        for root in ["/nonexistent/root", "/dev/null"] {
            let ran = landfall(&[command, "--root", root, "/dev/null"]).ended(64);
            assert!(ran.stderr.contains(&format!("--root {root}: there is no such directory")), "{command}: {}", ran.stderr);
        }
    }
}
