//! The package and the binary as `make deb` leaves them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::lab::run;

/// 6 MB.
const LIMIT: u64 = 6_000_000;

/// What glibc answers by loading the host's NSS modules, which kills a static binary of another glibc version.
const NSS_CALLS: [&str; 12] = [
    "getaddrinfo",
    "gethostbyname",
    "getpwnam",
    "getpwnam_r",
    "getpwuid",
    "getpwuid_r",
    "getgrnam",
    "getgrnam_r",
    "getgrgid",
    "getgrgid_r",
    "initgroups",
    "getgrouplist",
];

fn built(variable: &str, default: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(default), PathBuf::from);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is missing", path.display());
    println!("skipped: {} is missing: run `make deb`", path.display());
    None
}

/// The package under test; `None` says that the test is skipped.
pub fn deb() -> Option<PathBuf> {
    let directory = built("LANDFALL_DEB", "target/debian")?;
    if directory.is_file() {
        return Some(directory);
    }
    let is_deb = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("landfall_") && name.ends_with(".deb")
    };
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).find(is_deb)
}

/// The package of cloud-init's names that was built with it.
pub fn stand_in(deb: &Path) -> PathBuf {
    let name = deb.file_name().unwrap().to_string_lossy().replacen("landfall_", "landfall-cloud-init_", 1);
    deb.with_file_name(name)
}

/// The binary under test, as the package has it; `None` says that the test is skipped.
pub fn binary() -> Option<PathBuf> {
    built("LANDFALL_BIN", "target/debian/landfall")
}

/// What a tool of this machine prints.
#[track_caller]
pub fn tool(program: &str, arguments: &[&str]) -> String {
    run(Command::new(program).args(arguments), b"", Duration::from_secs(120)).expect_ok()
}

/// The package unpacked, with its control files in `DEBIAN`.
pub fn unpacked(deb: &Path) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::remove_dir(directory.path()).unwrap();
    tool("dpkg-deb", &["-R", deb.to_str().unwrap(), directory.path().to_str().unwrap()]);
    directory
}

/// The same package with a version one up.
pub fn newer(deb: &Path, into: &Path) -> PathBuf {
    let tree = unpacked(deb);
    let control = tree.path().join("DEBIAN/control");
    let changed: String = fs::read_to_string(&control)
        .unwrap()
        .lines()
        .map(|line| if line.starts_with("Version: ") { format!("{line}+1\n") } else { format!("{line}\n") })
        .collect();
    fs::write(&control, changed).unwrap();
    let newer = into.join("newer.deb");
    tool("dpkg-deb", &["--root-owner-group", "-b", tree.path().to_str().unwrap(), newer.to_str().unwrap()]);
    newer
}

#[test]
fn the_binary_needs_no_shared_library_and_is_small() {
    let Some(deb) = deb() else { return };
    let tree = unpacked(&deb);
    let binary = tree.path().join("usr/bin/landfall");
    let dynamic = tool("readelf", &["-d", "-l", binary.to_str().unwrap()]);
    assert!(!dynamic.contains("NEEDED") && !dynamic.contains("INTERP"), "{dynamic}");
    let size = fs::metadata(&binary).unwrap().len();
    println!("stripped: {size} bytes");
    assert!(size <= LIMIT, "{size} bytes");
}

#[test]
fn the_binary_names_no_call_that_loads_nss_modules() {
    let Some(binary) = built("LANDFALL_UNSTRIPPED", "target/debian/landfall") else { return };
    let symbols = tool("nm", &[binary.to_str().unwrap()]);
    let names: Vec<_> = symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert!(names.contains(&"main"), "not a binary with symbols");
    // Strong definitions carry other names too, such as __getpwnam_r.
    let found: Vec<_> = names.iter().filter(|name| NSS_CALLS.contains(&name.trim_start_matches('_'))).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn lintian_finds_nothing_but_what_is_overridden_with_a_reason() {
    let Some(deb) = deb() else { return };
    let own: &[&str] = &["shared-library-lacks-prerequisites"];
    for (deb, expected) in [(stand_in(&deb), &["service-file-is-not-a-file"; 5][..]), (deb, own)] {
        let deb = deb.to_str().unwrap();
        let found = run(Command::new("lintian").args(["--allow-root", "--fail-on", "error,warning", deb]), b"", Duration::from_secs(120));
        assert!(found.ok() && found.stdout.is_empty(), "{}{}", found.stdout, found.stderr);
        let overridden = tool("lintian", &["--allow-root", "--show-overrides", "--fail-on", "none", deb]);
        let overrides: Vec<_> = overridden.lines().filter(|line| line.starts_with("O: ")).collect();
        assert_eq!(overrides.len(), expected.len(), "{overridden}");
        assert!(expected.iter().all(|tag| overridden.contains(tag)), "{overridden}");
    }
}

#[test]
fn maintainer_scripts_start_stop_and_restart_no_unit_but_an_idle_one_at_removal() {
    let Some(deb) = deb() else { return };
    let tree = unpacked(&deb);
    let mut found = Vec::new();
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let text = fs::read_to_string(tree.path().join("DEBIAN").join(script)).unwrap_or_default();
        let acting = |line: &&str| line.contains("deb-systemd-invoke") || line.contains("systemctl");
        found.extend(text.lines().filter(acting).map(|line| format!("{script}: {}", line.trim())));
    }
    assert_eq!(
        found,
        [
            "postinst: systemctl --system daemon-reload >/dev/null || true",
            "prerm: deb-systemd-invoke stop $unit >/dev/null || true",
            "postrm: systemctl --system daemon-reload >/dev/null || true",
        ]
    );
}
