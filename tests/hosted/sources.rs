//! Where the bootstrap takes the package from.

use std::process::Command;
use std::time::Duration;

use crate::bootstrap::{boot, boot_to_done, deb, host, said, wait, ITEMS, PACKAGE, SECTION};
use crate::lab::{run, Disk, Host, Release};

/// Serves `/root` on loopback before cloud-init's final stage, as a download server would.
const SERVER: &str = "[Unit]
Description=Download server
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory /root 8080
[Install]
WantedBy=sysinit.target
";

fn serve(host: &Host) {
    host.files().write("/etc/systemd/system/server.service", SERVER, 0o644);
    host.chroot(&["systemctl", "enable", "server.service"]).expect_ok();
}

fn sha256(path: &std::path::Path) -> String {
    let sum = run(Command::new("sha256sum").arg(path), b"", Duration::from_secs(10)).expect_ok();
    sum.split(' ').next().unwrap().to_owned()
}

#[test]
fn a_url_with_its_checksum() {
    let Some(deb) = deb() else { return };
    let from = format!("LANDFALL_FROM='http://bob:planted-1@127.0.0.1:8080/landfall.deb?token=planted-2#{}'", sha256(&deb));
    let Some(host) = host(Release::TrixieCloudInit, Disk::Directory, &from, SECTION, "") else { return };
    serve(&host);
    let booted = boot_to_done(&host);
    assert!(said(&booted).contains("installing from") && !said(&booted).contains("planted"), "{}", said(&booted));
    assert_eq!(host.files().read("/root/items"), ITEMS);
}

#[test]
fn a_url_whose_file_is_another_is_refused() {
    let wrong = "0".repeat(64);
    let from = format!("LANDFALL_FROM='http://bob:planted-1@127.0.0.1:8080/landfall.deb?token=planted-2#{wrong}'");
    let Some(host) = host(Release::TrixieCloudInit, Disk::Directory, &from, SECTION, "") else { return };
    serve(&host);
    let booted = boot(&host);
    booted.wait_until("two attempts", || {
        said(&booted).matches("Hash Sum mismatch").count() >= 1 && said(&booted).contains("next attempt in 10 s")
    });
    assert!(!said(&booted).contains("planted"), "{}", said(&booted));
    assert!(!host.files().exists("/usr/bin/landfall"));
}

#[test]
fn a_url_without_https_and_without_a_checksum_is_refused() {
    let from = "LANDFALL_FROM='http://127.0.0.1:8080/landfall.deb'";
    let Some(host) = host(Release::BookwormCloudInit, Disk::Directory, from, SECTION, "") else { return };
    serve(&host);
    let booted = boot(&host);
    booted.wait_until("the refusal", || said(&booted).contains("its SHA-256 is needed"));
    assert!(!host.files().exists("/usr/bin/landfall"));
}

#[test]
fn an_apt_source() {
    for release in [Release::BookwormCloudInit, Release::TrixieCloudInit] {
        let from = "LANDFALL_FROM='deb [trusted=yes] file:/root/source ./'";
        let Some(host) = host(release, Disk::Directory, from, SECTION, "") else { return };
        let Some(deb) = deb() else { return };
        let source = tempfile::tempdir().unwrap();
        std::fs::copy(&deb, source.path().join("landfall.deb")).unwrap();
        let index = run(Command::new("apt-ftparchive").args(["packages", "."]).current_dir(source.path()), b"", Duration::from_secs(60));
        host.files().write("/root/source/Packages", index.expect_ok(), 0o644);
        host.files().write("/root/source/landfall.deb", std::fs::read(&deb).unwrap(), 0o644);
        host.files().remove(PACKAGE);
        let booted = boot_to_done(&host);
        assert_eq!(host.files().read("/root/items"), ITEMS, "{}", said(&booted));
    }
}

#[test]
fn a_network_that_comes_late_is_waited_for() {
    let Some(deb) = deb() else { return };
    let from = format!("LANDFALL_FROM='http://127.0.0.1:8080/landfall.deb#{}'", sha256(&deb));
    let Some(host) = host(Release::TrixieCloudInit, Disk::Directory, &from, SECTION, "") else { return };
    let booted = boot(&host);
    booted.wait_until("a first attempt in vain", || said(&booted).contains("next attempt in 5 s"));
    booted.sh("cd /root && setsid python3 -m http.server --bind 127.0.0.1 8080 >/dev/null 2>&1 &").expect_ok();
    assert_eq!(wait(&booted).code(), Some(0), "{}", said(&booted));
    assert_eq!(host.files().read("/root/items"), ITEMS);
}
