//! Too little of something, on real Debian roots: room, inodes, memory, a writable disk, a name. A run then changes nothing or stops
//! before damage, says what is missing in numbers, and ends well when there is enough.

mod lab;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use lab::{Disk, Host, Lab, Output, Release};
use serde_json::Value;

/// A root with the program in it; two at most, one for each release.
fn on(releases: &[Release], test: fn(&Host)) {
    let Some(lab) = Lab::require() else { return };
    for release in releases {
        let host = lab.host(*release, Disk::Ext4Upper);
        host.files().write("/usr/bin/landfall", program(), 0o755);
        host.chroot(&["apt-get", "-q", "update"]).expect_ok();
        test(&host);
    }
}

/// The program without its debug information.
fn program() -> Vec<u8> {
    static PROGRAM: Mutex<Option<Vec<u8>>> = Mutex::new(None);
    let mut program = PROGRAM.lock().unwrap();
    let stripped = || {
        let from = std::env::var("LANDFALL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_landfall").to_owned());
        let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("landfall-{}", std::process::id()));
        let status = Command::new("objcopy").arg("--strip-all").arg(&from).arg(&to).status();
        let bytes = std::fs::read(if status.is_ok_and(|status| status.success()) { &to } else { Path::new(&from) }).unwrap();
        let _ = std::fs::remove_file(&to);
        bytes
    };
    program.get_or_insert_with(stripped).clone()
}

const BOTH: [Release; 2] = [Release::Bookworm, Release::Trixie];
/// A disk for apt's archives that is too small for anything.
const SMALL_CACHE: &str = "mount -t tmpfs -o size=1m tmpfs /var/cache/apt && mkdir -p /var/cache/apt/archives/partial";

/// `landfall apply` of this, after `before` in the same mounts.
fn apply(host: &Host, before: &str, user_data: &str) -> Output {
    host.files().write("/root/user-data", format!("#cloud-config\n{user_data}"), 0o600);
    sh(host, before, "landfall apply /root/user-data")
}

fn sh(host: &Host, before: &str, command: &str) -> Output {
    let before = if before.is_empty() { ":" } else { before };
    host.chroot(&["sh", "-c", &format!("{before} && {command}")])
}

fn status(host: &Host) -> Value {
    let text = host.chroot(&["landfall", "status", "--format", "json"]).stdout;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[track_caller]
fn failed(host: &Host, code: &str) -> Value {
    let status = status(host);
    assert_eq!(status["state"], "failed", "{status}");
    let error = status["errors"].as_array().and_then(|errors| errors.first()).unwrap_or_else(|| panic!("no error: {status}")).clone();
    assert_eq!(error["code"], code, "{error}");
    error
}

#[track_caller]
fn done(host: &Host) {
    let status = status(host);
    assert_eq!(status["state"], "done", "{status}");
}

fn is_installed(host: &Host, package: &str) -> bool {
    host.chroot(&["dpkg-query", "-W", "-f", "${db:Status-Status}", package]).stdout == "installed"
}

const TYPICAL: &str = "packages: [hello-lf]\nwrite_files:\n- {path: /srv/written, content: x}\n";

#[test]
fn a_run_whose_disk_is_too_small_changes_nothing_and_is_done_by_resume_when_there_is_room() {
    on(&BOTH, |host| {
        let ran = apply(host, SMALL_CACHE, TYPICAL);
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        let error = failed(host, "E_DISK");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("not begun: disk /var/cache/apt: ") && message.contains("16.0 MiB that stay free"), "{message}");
        assert!(!host.files().exists("/srv/written") && !is_installed(host, "hello-lf"), "nothing was changed");
        let why = host.chroot(&["landfall", "why"]).stdout;
        assert!(why.contains("E_DISK") && why.contains("df -h /var/cache/apt"), "{why}");
        sh(host, "", "landfall resume").expect_ok();
        done(host);
        assert!(host.files().exists("/srv/written") && is_installed(host, "hello-lf"));
    });
}

#[test]
fn a_disk_without_inodes_is_found_before_anything_is_changed() {
    on(&[Release::Trixie], |host| {
        let none_left = "mount -t tmpfs -o size=64m,nr_inodes=3 tmpfs /var/cache/apt && mkdir -p /var/cache/apt/archives/partial";
        assert_eq!(apply(host, none_left, TYPICAL).code(), Some(1));
        let error = failed(host, "E_DISK");
        assert!(error["message"].as_str().unwrap().starts_with("not begun: inodes /var/cache/apt: 0 free"), "{error}");
        assert!(!host.files().exists("/srv/written"));
        sh(host, "", "landfall resume").expect_ok();
        done(host);
    });
}

#[test]
fn a_disk_that_fills_while_the_run_goes_on_stops_the_packages_before_damage() {
    on(&BOTH, |host| {
        let fills = "landfall: {phases: [{name: fill, runcmd: ['head -c 60000000 /dev/zero >/var/cache/apt/filler']}, {name: web, packages: [hello-lf]}]}\n";
        let small = "mount -t tmpfs -o size=64m tmpfs /var/cache/apt && mkdir -p /var/cache/apt/archives/partial";
        assert_eq!(apply(host, small, fills).code(), Some(1));
        let error = failed(host, "E_DISK");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("free on /var/cache/apt") && message.contains("`resources.min_disk`"), "{message}");
        assert_eq!(host.chroot(&["dpkg", "--audit"]).expect_ok(), "");
        assert!(!is_installed(host, "hello-lf"));
        sh(host, "", "landfall resume").expect_ok();
        done(host);
        assert!(is_installed(host, "hello-lf"));
    });
}

#[test]
fn limits_of_the_user_hold_and_can_be_made_warnings() {
    on(&[Release::Trixie], |host| {
        for (limits, code) in [("min_memory: 900000G", "E_CONFIG"), ("min_disk: 900000G", "E_DISK")] {
            assert_eq!(apply(host, "", &format!("{TYPICAL}landfall: {{resources: {{{limits}}}}}\n")).code(), Some(1), "{limits}");
            failed(host, code);
            assert!(!host.files().exists("/srv/written"), "{limits}");
            host.chroot(&["landfall", "clean"]).expect_ok();
        }
        apply(host, "", &format!("{TYPICAL}landfall: {{resources: {{min_memory: 900000G, check: warn}}}}\n")).expect_ok();
        done(host);
        let told = status(host)["told"].to_string();
        assert!(told.contains("preflight: memory: "), "{told}");
    });
}

#[test]
fn a_read_only_disk_is_told_beforehand_and_costs_only_the_step_that_writes_there() {
    on(&[Release::Trixie], |host| {
        let read_only = "mkdir -p /opt/ro && mount -t tmpfs -o ro tmpfs /opt/ro";
        let text = "write_files:\n- {path: /opt/ro/x, content: x}\n- {path: /srv/written, content: x}\n";
        assert_eq!(apply(host, read_only, text).code(), Some(1));
        let error = failed(host, "E_DISK");
        assert_eq!(error["step"], "write_files/opt/ro/x");
        assert!(host.files().exists("/srv/written"));
        let told = status(host)["told"].to_string();
        assert!(told.contains("preflight: disk /opt/ro: it is read-only"), "{told}");
    });
}

#[test]
fn preflight_asks_apt_what_the_packages_take_and_writes_nothing() {
    on(&BOTH, |host| {
        let stanza = "Package: large-lf\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nInstalled-Size: 2048\n\
            Filename: ./large-lf_1.0_all.deb\nSize: 1000\nMD5sum: d41d8cd98f00b204e9800998ecf8427e\nDescription: x\n";
        host.files().write("/srv/large/Packages", stanza, 0o644);
        host.files().write("/etc/apt/sources.list.d/large.list", "deb [trusted=yes] file:/srv/large ./\n", 0o644);
        host.chroot(&["apt-get", "-q", "update"]).expect_ok();
        host.files().write("/root/user-data", "#cloud-config\npackages: [large-lf, deps-lf, no-such-lf]\n", 0o600);
        let before = host.changes();
        let ran = sh(host, "", "landfall preflight --format json /root/user-data");
        assert_eq!(ran.code(), Some(0), "{ran:?}");
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let sizes = checks.iter().find(|check| check["name"] == "packages" && check["grade"] == "pass").unwrap();
        assert_eq!((&sizes["numbers"]["packages"], &sizes["numbers"]["installed_bytes"]), (&4.0.into(), &2_097_152.0.into()), "{sizes}");
        assert_eq!(sizes["numbers"]["download_bytes"], 0.0, "every source is on the host's own disk");
        let unknown = checks.iter().find(|check| check["name"] == "packages" && check["grade"] == "warn").unwrap();
        assert!(unknown["message"].as_str().unwrap().ends_with("no-such-lf"), "{unknown}");
        assert_eq!(host.changes(), before, "nothing was written");
    });
}

#[test]
fn preflight_tells_a_name_that_is_not_known_from_a_server_that_is_not_reached() {
    on(&[Release::Trixie], |host| {
        let sources = "deb http://no-such-name.invalid/debian trixie main\ndeb http://127.0.0.1:9/debian trixie main\n";
        host.files().write("/etc/apt/sources.list.d/dead.list", sources, 0o644);
        host.files().write("/root/user-data", "#cloud-config\npackages: [hello-lf]\n", 0o600);
        let ran = sh(host, "", "landfall preflight /root/user-data");
        assert_eq!(ran.code(), Some(1), "{ran:?}");
        for expected in [
            "fail  source http://no-such-name.invalid/debian/dists/trixie/: http://no-such-name.invalid/debian/dists/trixie/InRelease: the name cannot be resolved",
            "fail  source http://127.0.0.1:9/debian/dists/trixie/: http://127.0.0.1:9/debian/dists/trixie/InRelease: cannot be connected to: ",
            "warn  route: ",
        ] {
            assert!(ran.stdout.contains(expected), "{expected}\n{}", ran.stdout);
        }
    });
}
