//! Hosts whose user-data is `cloud-config/bootstrap.yaml` with its two sections filled in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::{BootOptions, Booted, Disk, Host, Lab, Output, Release};

/// The releases with a real cloud-init.
pub const RELEASES: [Release; 2] = [Release::BookwormCloudInit, Release::TrixieCloudInit];

/// Where hosts have the package.
pub const PACKAGE: &str = "/root/landfall.deb";

/// Three commands in two phases, each leaving a line.
pub const SECTION: &str = "landfall:
  phases:
    - name: first
      write_files:
        - path: /root/written
          content: by landfall
      runcmd:
        - echo one >>/root/items
        - echo two >>/root/items
    - name: second
      needs: first
      packages: [hello-lf]
      runcmd:
        - hello-lf >>/root/items
";

/// What is in `/root/items` when [`SECTION`] is done.
pub const ITEMS: &str = "one\ntwo\nhello 2.0\n";

/// The package under test; `None` says that the test is skipped.
pub fn deb() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let is_deb = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("landfall_") && name.ends_with(".deb")
    };
    let found = match std::env::var_os("LANDFALL_DEB") {
        Some(path) => Some(PathBuf::from(path)),
        None => fs::read_dir(built).ok().and_then(|entries| entries.map(|entry| entry.unwrap().path()).find(is_deb)),
    };
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the package is missing: run `make deb`");
        println!("skipped: the package is missing: run `make deb`");
    }
    found
}

/// The pasted file with section 1 (`LANDFALL_...=` lines) and section 2 replaced, and cloud-config added.
pub fn user_data(from: &str, section: &str, more: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-config/bootstrap.yaml");
    let pasted = fs::read_to_string(path).unwrap();
    let pasted = replace(&pasted, "/etc/landfall/bootstrap.conf", from);
    // A locale that is there: on a minimal Debian 12 cloud-init's locale module fails at its default.
    replace(&pasted, "/etc/landfall/conf.d/50-user.yaml", section) + "locale: C.UTF-8\n" + more
}

fn replace(pasted: &str, path: &str, content: &str) -> String {
    let (before, rest) = pasted.split_once(&format!("put {path} <<'END'\n")).unwrap();
    let (_, after) = rest.split_once("    END\n").unwrap();
    let indented: String = content.lines().map(|line| format!("    {line}\n")).collect();
    format!("{before}put {path} <<'END'\n{indented}    END\n{after}")
}

/// A host of an image with cloud-init and without landfall, its user-data on the NoCloud seed; `None` says that the test is skipped.
pub fn host(release: Release, disk: Disk, from: &str, section: &str, more: &str) -> Option<Host> {
    let (lab, deb) = (Lab::require()?, deb()?);
    let host = lab.host(release, disk);
    host.files().write(PACKAGE, fs::read(deb).unwrap(), 0o644);
    host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-one\n", 0o644);
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data(from, section, more), 0o600);
    Some(host)
}

/// Section 1 for the package in the host's `/root`.
pub fn from_package() -> String {
    format!("LANDFALL_FROM='{PACKAGE}'")
}

/// Boots with time for an installation.
#[track_caller]
pub fn boot(host: &Host) -> Booted {
    host.boot(BootOptions { timeout: Duration::from_secs(180), ..BootOptions::default() })
}

/// `cloud-init status --wait --long`.
#[track_caller]
pub fn wait(booted: &Booted) -> Output {
    booted.exec(&["cloud-init", "status", "--wait", "--long"])
}

/// What cloud-init's modules and scripts said, and landfall's own log.
pub fn said(booted: &Booted) -> String {
    booted.sh("cat /var/log/cloud-init-output.log /var/log/landfall.log; landfall status --long; landfall why").stdout
}

/// A boot that ends well: cloud-init says done, and landfall too.
#[track_caller]
pub fn boot_to_done(host: &Host) -> Booted {
    let (booted, status) = boot_until_landfall_is_done(host);
    assert!(status.stdout.contains("status: done"), "{}\n{}", status.stdout, said(&booted));
    assert_eq!(status.code(), Some(0), "{}\n{}", status.stdout, said(&booted));
    booted
}

/// A boot after which landfall says done, and what cloud-init says: a cut can have cost it work of its own for good.
#[track_caller]
pub fn boot_until_landfall_is_done(host: &Host) -> (Booted, Output) {
    let booted = boot(host);
    let status = wait(&booted);
    let landfall = booted.exec(&["landfall", "status"]);
    assert!(landfall.ok() && landfall.stdout.starts_with("status: done\n"), "{landfall:?}\n{}", said(&booted));
    (booted, status)
}
