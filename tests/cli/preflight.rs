//! `landfall preflight`.

use super::run::{landfall, landfall_reading, landfall_unprivileged};

const TEXT: &str = "#cloud-config\nwrite_files:\n- path: /etc/landfall-preflight-test\n  content: hunter2\n";

#[test]
fn a_host_that_has_everything_passes_and_is_left_as_it_is() {
    let ran = landfall_reading(&["preflight", "-"], TEXT.as_bytes()).ended(0);
    for expected in ["pass  disk ", "pass  clock: ", " free, "] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    assert!(!std::path::Path::new("/etc/landfall-preflight-test").exists());
}

#[test]
fn what_is_missing_is_said_at_once_with_what_to_do_and_fails() {
    let text = format!(
        "{TEXT}- path: /etc/x\n  source: {{uri: 'file:///no/such/file'}}\n- path: /etc/y\n  source: {{uri: 'http://no-such-name.invalid/y'}}\n\
         - path: /etc/z\n  source: {{uri: 'http://u:geheim-pw@127.0.0.1:1/z'}}\nlandfall: {{resources: {{min_disk: 900000T}}}}\n"
    );
    let ran = landfall_reading(&["preflight", "-"], text.as_bytes()).ended(1);
    for expected in [
        "fail  files: files that the steps read are missing: /no/such/file (write_files/etc/x)",
        "fail  host http://no-such-name.invalid: the name no-such-name.invalid cannot be resolved (needed by write_files/etc/y)",
        "fail  host http://127.0.0.1:1: 127.0.0.1:1 cannot be connected to: ",
        "fail  disk /",
    ] {
        assert!(ran.stdout.contains(expected), "{expected}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("geheim-pw"), "{}", ran.stdout);
    let json = landfall_reading(&["preflight", "--format", "json", "-"], text.as_bytes()).ended(1).json();
    assert_eq!(json["verdict"], "fail");
    let checks = json["checks"].as_array().expect("checks");
    let disk = checks.iter().find(|check| check["name"] == "disk" && check["grade"] == "fail").expect("a disk");
    assert!(disk["numbers"]["free_bytes"].as_f64() < disk["numbers"]["reserve_bytes"].as_f64(), "{disk}");
    assert!(checks.iter().all(|check| check["grade"] == "pass" || check["hint"].is_string()), "{checks:?}");
    assert!(!json.to_string().contains("hunter2") && !json.to_string().contains("geheim-pw"), "{json}");
}

#[test]
fn user_data_that_is_not_valid_is_refused() {
    let ran = landfall_reading(&["preflight", "-"], b"#cloud-config\nusers: 5\n").ended(65);
    assert!(ran.stderr.contains("stdin:2:8") && ran.stderr.contains("landfall validate"), "{}", ran.stderr);
}

#[test]
fn without_root_it_says_what_it_could_not_look_at() {
    let dir = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().expect("dir");
    let file = dir.path().join("user-data");
    std::fs::write(&file, TEXT).expect("write");
    let ran = landfall_unprivileged(&["preflight", &file.to_string_lossy()]);
    if nix::unistd::geteuid().is_root() {
        assert!(ran.stdout.contains("not checked: what only root can read"), "{}", ran.stdout);
    }
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    landfall_unprivileged(&["preflight"]).ended(77);
}

#[test]
fn its_switches_are_told_by_its_help() {
    let help = landfall(&["preflight", "--help"]).ended(0).stdout;
    assert!(help.contains("--bandwidth") && help.contains("--format") && help.contains("[FILE]"), "{help}");
}
