//! The power is cut at one instant after another; what landfall is to do is done after the next boot as after one without a cut.

use std::time::Duration;

use crate::bootstrap::{boot, boot_until_landfall_is_done, from_package, host, said, ITEMS, RELEASES};
use crate::lab::{wait_until, Booted, Disk, Host, Release};

/// After each item that counts comes one that says so and takes its time: a cut placed there is not in the middle of one that
/// counts, which would be run again.
const SECTION: &str = "landfall:
  phases:
    - name: first
      write_files:
        - path: /root/written
          content: by landfall
      runcmd:
        - echo one >>/root/items
        - touch /run/one; sleep 1
        - echo two >>/root/items
        - touch /run/two; sleep 1
    - name: second
      needs: first
      packages: [hello-lf]
      runcmd:
        - hello-lf >>/root/items
        - touch /run/three; sleep 1
";

/// An instant: its name, and how to know that it has come.
type Instant = (&'static str, fn(&Booted) -> bool);

fn is_there(booted: &Booted, path: &str) -> bool {
    booted.files().exists(path)
}

const INSTANTS: [Instant; 11] = [
    ("cloud-init has found its instance", |booted| is_there(booted, "/var/lib/cloud/data/instance-id")),
    ("bootcmd has begun", |booted| is_there(booted, "/etc/landfall/bootstrap.conf")),
    ("bootcmd has written the script", |booted| is_there(booted, "/var/lib/cloud/scripts/per-boot/landfall")),
    ("cloud-init has marked its own work as done", |booted| is_there(booted, "/var/lib/cloud/instance/sem/config_users_groups")),
    ("the installation has begun", |booted| is_there(booted, "/run/landfall-bootstrap")),
    ("the package is being unpacked", |booted| is_there(booted, "/usr/bin/landfall.dpkg-new") || is_there(booted, "/usr/bin/landfall")),
    ("the package is being configured", |booted| is_there(booted, "/etc/systemd/system/multi-user.target.wants/landfall.service")),
    ("landfall has its state", |booted| is_there(booted, "/var/lib/landfall/instances")),
    ("an item is being run", |booted| is_there(booted, "/run/one")),
    ("another item is being run", |booted| is_there(booted, "/run/two")),
    ("the last item is being run", |booted| is_there(booted, "/run/three")),
];

/// All of them with LANDFALL_LONG=1, otherwise every other one under one release and the rest under the other.
fn instants(release: Release) -> impl Iterator<Item = Instant> {
    let long = std::env::var_os("LANDFALL_LONG").is_some();
    let odd = usize::from(release == Release::TrixieCloudInit);
    INSTANTS.into_iter().enumerate().filter(move |(at, _)| long || at % 2 == odd).map(|(_, instant)| instant)
}

fn cut_at(host: &Host, (name, has_come): Instant) {
    let booted = boot(host);
    wait_until(name, Duration::from_secs(180), || has_come(&booted));
    booted.power_cut();
}

fn assert_complete(host: &Host, booted: &Booted, cut: &str) {
    let items = String::from_utf8(host.files().try_read("/root/items").unwrap_or_default()).unwrap();
    // An append that was not synced can leave NUL bytes in its place: that of an item that was cut off in the middle.
    let mut lines: Vec<&str> = items.lines().map(|line| line.trim_start_matches('\0')).collect();
    let torn = items.lines().filter(|line| line.starts_with('\0')).count();
    lines.dedup();
    // Such an item may have done its work: it is run again, and that is told.
    let told = booted.exec(&["landfall", "status", "--long"]).stdout.matches("was cut off and is run again").count();
    let twice = torn + items.lines().count() - lines.len();
    assert!(lines == ITEMS.lines().collect::<Vec<_>>() && twice <= told, "after a cut when {cut}: {items:?}\n{}", said(booted));
    assert_eq!(host.files().read("/root/written"), "by landfall", "after a cut when {cut}");
    assert_eq!(booted.exec(&["dpkg", "--audit"]).stdout, "", "after a cut when {cut}");
    booted.exec(&["dpkg", "--verify", "landfall", "hello-lf"]).expect_ok();
}

#[test]
fn a_host_whose_power_is_cut_at_any_instant_of_its_first_boot_ends_up_complete() {
    let mut cuts = 0;
    for release in RELEASES {
        for instant in instants(release) {
            let Some(host) = host(release, Disk::Ext4Whole, &from_package(), SECTION, "") else { return };
            cut_at(&host, instant);
            cuts += 1;
            let (booted, cloud_init) = boot_until_landfall_is_done(&host);
            assert_complete(&host, &booted, instant.0);
            if cloud_init.code() != Some(0) {
                println!("{release:?}, cut when {}: cloud-init lost work of its own for good", instant.0);
            }
            booted.shutdown();
        }
    }
    println!("closing: hosted: {cuts} cuts of a first boot under cloud-init 22.4 and 25.1, 0 differ");
}

#[test]
fn a_host_whose_power_is_cut_in_every_boot_ends_up_complete() {
    for release in RELEASES {
        let Some(host) = host(release, Disk::Ext4Whole, &from_package(), SECTION, "") else { return };
        let mut cuts = 0;
        for instant in INSTANTS {
            let booted = boot(&host);
            let mut done = false;
            wait_until(instant.0, Duration::from_secs(180), || {
                done = booted.exec(&["cloud-init", "status"]).stdout.contains("status: done");
                done || (instant.1)(&booted)
            });
            booted.power_cut();
            if done {
                break;
            }
            cuts += 1;
        }
        assert!(cuts > 1, "{release:?}: cloud-init was through after {cuts} cuts: this is no host that is cut in every boot");
        let (booted, _) = boot_until_landfall_is_done(&host);
        assert_complete(&host, &booted, "every boot was cut");
    }
}
