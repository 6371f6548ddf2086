//! Installing, upgrading, removing, purging.

use std::fs;
use std::path::Path;

use crate::built::{deb, newer};
use crate::lab::{BootOptions, Booted, Disk, Host, Lab, Release};
use crate::snapshot::Snapshot;
use crate::stub;

const RELEASES: [Release; 2] = [Release::Bookworm, Release::Trixie];
const UNITS: [&str; 3] = ["landfall-local.service", "landfall-network.service", "landfall.service"];

fn provide(host: &Host, deb: &Path, name: &str) {
    host.files().write(&format!("/root/{name}.deb"), fs::read(deb).unwrap(), 0o644);
}

fn wanted(unit: &str) -> String {
    format!("/etc/systemd/system/multi-user.target.wants/{unit}")
}

/// Of a difference, what the package itself does not bring.
fn foreign(difference: Vec<String>, booted: &Booted) -> Vec<String> {
    let own: Vec<String> = booted.exec(&["dpkg", "-L", "landfall"]).expect_ok().lines().map(str::to_owned).collect();
    let is_own = |line: &String| {
        let path = line[1..].split(' ').next().unwrap();
        line.starts_with('+')
            && (own.iter().any(|file| file == path)
                || path.starts_with("/etc/systemd/system/multi-user.target.wants/landfall")
                || path.starts_with("/var/lib/systemd/deb-systemd-helper-enabled/")
                || path.starts_with("/var/lib/landfall"))
    };
    difference.into_iter().filter(|line| !is_own(line)).collect()
}

#[test]
fn installing_on_a_running_host_starts_nothing_and_changes_nothing_else() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        host.chroot(&["ssh-keygen", "-A"]).expect_ok();
        provide(&host, &deb, "landfall");
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let before = Snapshot::of(&booted);
        booted.exec(&["dpkg", "-i", "/root/landfall.deb"]).expect_ok();
        let after = Snapshot::of(&booted);
        assert_eq!(foreign(before.difference(&after), &booted), Vec::<String>::new(), "{release:?}");
        for unit in UNITS {
            assert_eq!(booted.exec(&["systemctl", "is-enabled", unit]).stdout.trim(), "enabled");
            assert_eq!(booted.exec(&["systemctl", "is-active", unit]).stdout.trim(), "inactive");
        }
        booted.exec(&["dpkg", "--purge", "landfall"]).expect_ok();
        assert_eq!(before.difference(&Snapshot::of(&booted)), Vec::<String>::new(), "{release:?}: left behind by the purge");
    }
}

#[test]
fn in_an_image_build_the_units_are_enabled_and_nothing_is_recorded() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        host.install_deb(&deb);
        for unit in UNITS {
            assert!(host.files().metadata(&wanted(unit)).is_ok_and(|link| link.is_symlink()), "{unit}");
        }
        assert!(!host.files().exists("/var/lib/landfall"), "{:?}", host.files().list("/var/lib/landfall"));
    }
}

#[test]
fn an_upgrade_in_the_middle_of_a_run_leaves_it_running() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    let directory = tempfile::tempdir().unwrap();
    let newer = newer(&deb, directory.path());
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        host.install_deb(&deb);
        stub::install(&host);
        provide(&host, &newer, "newer");
        // The upgrade comes from the run itself, as by package_upgrade, and from elsewhere, as by an administrator.
        stub::set(
            &host,
            "final",
            "dpkg -i /root/newer.deb >/run/upgrade.log 2>&1; note \"upgraded $?\"; while [ ! -e /run/go ]; do sleep 0.1; done\n",
        );
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the upgrade by the run", || stub::count(&booted, "final upgraded 0") == 1);
        booted.exec(&["dpkg", "-i", "/root/newer.deb"]).expect_ok();
        assert_eq!(booted.exec(&["systemctl", "show", "--value", "-p", "ActiveState", "landfall.service"]).stdout.trim(), "activating");
        booted.sh("touch /run/go").expect_ok();
        assert_eq!(booted.wait_unit("landfall.service"), "active");
        assert_eq!((stub::count(&booted, "final begin"), stub::count(&booted, "final end")), (1, 1));
        assert!(booted.exec(&["dpkg-query", "-W", "-f", "${Version}", "landfall"]).stdout.ends_with("+1"));
        for unit in UNITS {
            assert_eq!(booted.exec(&["systemctl", "is-enabled", unit]).stdout.trim(), "enabled");
        }
    }
}

/// An item that upgrades landfall and kills the run once: what is started again is the newer one, and goes on where the older stood.
const UPGRADING: &str = r#"#cloud-config
runcmd:
  - v=kept; cd /srv; echo one >>/root/items
  - dpkg -i /root/newer.deb && echo two >>/root/items
  - '[ -e /root/killed ] || { touch /root/killed; systemctl kill --kill-whom=main -s KILL landfall.service; sleep 60; }'
  - echo "three $v $PWD" >>/root/items
"#;

#[test]
fn a_run_that_upgrades_landfall_is_finished_by_the_newer_one() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    let directory = tempfile::tempdir().unwrap();
    let newer = newer(&deb, directory.path());
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        host.install_deb(&deb);
        provide(&host, &newer, "newer");
        host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-1\n", 0o644);
        host.files().write("/var/lib/cloud/seed/nocloud/user-data", UPGRADING, 0o600);
        let booted = host.boot(BootOptions::default());
        let status = booted.exec(&["landfall", "status", "--wait", "--timeout", "240"]);
        assert!(status.stdout.starts_with("status: done\n"), "{status:?}");
        assert_eq!(booted.files().read("/root/items"), "one\ntwo\nthree kept /srv\n");
        assert!(booted.files().exists("/root/killed"));
        assert!(booted.exec(&["dpkg-query", "-W", "-f", "${Version}", "landfall"]).stdout.ends_with("+1"));
        assert_eq!(booted.wait_unit("landfall.service"), "active");
    }
}

#[test]
fn a_unit_that_was_disabled_stays_disabled_through_an_upgrade() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    let directory = tempfile::tempdir().unwrap();
    let newer = newer(&deb, directory.path());
    let host = lab.host(Release::Trixie, Disk::Directory);
    host.install_deb(&deb);
    host.chroot(&["systemctl", "disable", "landfall.service"]).expect_ok();
    host.install_deb(&newer);
    assert!(!host.files().exists(&wanted("landfall.service")));
    assert!(host.files().exists(&wanted("landfall-local.service")));
}

#[test]
fn a_removal_by_the_run_itself_does_not_kill_it() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        host.install_deb(&deb);
        stub::install(&host);
        stub::set(&host, "final", "dpkg --purge landfall >/run/purge.log 2>&1; note \"purged $?\"\n");
        let booted = host.boot(BootOptions::default());
        booted.wait_until("the run to end", || stub::count(&booted, "final end") == 1);
        assert_eq!(stub::count(&booted, "final purged 0"), 1);
        for unit in UNITS {
            assert!(!host.files().exists(&wanted(unit)));
        }
    }
}

#[test]
fn removing_keeps_what_was_recorded_and_purging_leaves_nothing() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    for release in RELEASES {
        let host = lab.host(release, Disk::Directory);
        let untouched = host.boot(BootOptions::default());
        untouched.wait_running();
        let before = Snapshot::of(&untouched);
        untouched.shutdown();

        host.install_deb(&deb);
        stub::install(&host);
        stub::set(
            &host,
            "final",
            "mkdir -p /var/lib/landfall/instances/i-one; echo log >/var/log/landfall.log; touch /var/log/landfall.log.1\n",
        );
        host.files().write("/etc/landfall/conf.d/50-user.yaml", "landfall: {}\n", 0o600);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        assert_eq!(booted.wait_unit("landfall.service"), "active");
        booted.exec(&["dpkg", "--remove", "landfall"]).expect_ok();
        let units = booted.exec(&["systemctl", "list-units", "--plain", "--no-legend", "landfall*"]).expect_ok();
        assert_eq!(units, "", "{release:?}: units are left");
        assert!(host.files().exists("/var/lib/landfall/instances/i-one") && host.files().exists("/etc/landfall/conf.d/50-user.yaml"));
        booted.shutdown();

        // Removed, not purged: a boot in between is not disturbed by what is left.
        let booted = host.boot(BootOptions::default());
        assert_eq!(booted.wait_running(), "running");
        assert!(stub::log(&booted).is_empty());
        booted.exec(&["dpkg", "--purge", "landfall"]).expect_ok();
        assert_eq!(host.files().list("/var/log").iter().filter(|name| name.starts_with("landfall")).count(), 0);
        booted.sh("rm -rf /etc/stub").expect_ok();
        let new: Vec<_> = Snapshot::of(&booted).files.difference(&before.files).filter(|line| line.contains("landfall")).cloned().collect();
        assert_eq!(new, Vec::<String>::new(), "{release:?}");
    }
}

#[test]
fn a_purge_after_a_run_leaves_what_the_user_asked_for_and_nothing_of_its_own() {
    let Some(deb) = deb() else { return };
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    host.install_deb(&deb);
    let seed = "/var/lib/cloud/seed/nocloud";
    host.files().write(&format!("{seed}/meta-data"), "instance-id: i-purged\n", 0o644);
    host.files().write(
        &format!("{seed}/user-data"),
        "#cloud-config\nhostname: purged\nwrite_files: [{path: /etc/made, content: x}]\n",
        0o600,
    );
    host.files().write("/var/lib/cloud/scripts/per-boot/mine", "#!/bin/sh\n", 0o755);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    assert!(host.files().exists("/var/lib/cloud/instances/i-purged/boot-finished"));
    booted.exec(&["dpkg", "--purge", "landfall"]).expect_ok();
    const FIND: &str =
        "find /var/lib/cloud /run/cloud-init /var/lib/landfall /run/landfall /etc/landfall /var/log/landfall* ! -type d 2>/dev/null | sort";
    assert_eq!(booted.sh(FIND).stdout, format!("/var/lib/cloud/scripts/per-boot/mine\n{seed}/meta-data\n{seed}/user-data\n"));
    assert!(host.files().exists("/etc/made"));
    booted.shutdown();
}
