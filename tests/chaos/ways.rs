//! Hosts that reach others in one way only: over IPv6, or through a proxy.

use crate::agree::end_of;
use crate::case::{host, missing, user_data};
use crate::lab::{BootOptions, Booted, Disk, Host};
use crate::origin::{Manner, Origin};

const SOURCES: &str = "deb [trusted=yes] http://packages.example.org:3142/ ./\n";
/// Downloads that landfall does itself, beside those of apt.
const FETCHED: &str = "  - {path: /root/fetched, source: {uri: 'http://packages.example.org:3142/./Release'}}\n";

fn fetching(more: &str) -> String {
    user_data("").replace("write_files:\n", &format!("{more}write_files:\n{FETCHED}"))
}

fn assert_done(booted: &Booted, host: &Host) {
    let end = end_of(booted);
    assert_eq!((end.state.as_str(), &end.disagreements), ("done", &Vec::new()), "{}", end.why);
    assert_eq!(missing(booted), Vec::<String>::new());
    assert!(host.files().read("/root/fetched").contains("SHA256"), "the file is fetched");
}

#[test]
fn a_host_that_has_only_ipv6_is_provisioned() {
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    let files = host.files();
    files.write("/etc/apt/sources.list", SOURCES, 0o644);
    files.write("/etc/hosts", "::1 localhost\n::1 packages.example.org\n", 0o644);
    files.write("/var/lib/cloud/seed/nocloud/user-data", fetching(""), 0o600);
    let booted = host.boot(BootOptions::default());
    let _origin = Origin::start_at(&booted, "[::1]:3142", lab.repo(), Manner::Serves);
    assert_done(&booted, &host);
    booted.shutdown();
}

/// Its names are known to nobody but the proxy, which apt has from the user-data and landfall from its environment.
#[test]
fn a_host_behind_a_proxy_is_provisioned() {
    const PROXY: &str = "127.0.0.1:3128";
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    let files = host.files();
    files.write("/etc/apt/sources.list", SOURCES, 0o644);
    files.write("/etc/systemd/system.conf.d/proxy.conf", format!("[Manager]\nDefaultEnvironment=http_proxy=http://{PROXY}\n"), 0o644);
    files.write("/var/lib/cloud/seed/nocloud/user-data", fetching(&format!("apt: {{http_proxy: 'http://{PROXY}'}}\n")), 0o600);
    let booted = host.boot(BootOptions::default());
    let _origin = Origin::start_at(&booted, PROXY, lab.repo(), Manner::Serves);
    assert_done(&booted, &host);
    booted.shutdown();
}
