//! Whole boots.

use crate::bootstrap::{boot, boot_to_done, from_package, host, said, wait, ITEMS, RELEASES, SECTION};
use crate::lab::Disk;

#[test]
fn the_pasted_bootstrap_installs_landfall_and_provisions_once() {
    for release in RELEASES {
        let more = "runcmd:\n  - echo cloud-init >>/root/own\n";
        let Some(host) = host(release, Disk::Directory, &from_package(), SECTION, more) else { return };
        let booted = boot_to_done(&host);
        assert_eq!(host.files().read("/root/items"), ITEMS, "{release:?}");
        assert_eq!(host.files().read("/root/written"), "by landfall", "{release:?}");
        assert_eq!(host.files().read("/root/own"), "cloud-init\n", "{release:?}: cloud-init does its own part");
        let section = host.files().metadata("/etc/landfall/conf.d/50-user.yaml").unwrap();
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&section) & 0o7777, 0o600);
        let output = host.files().read("/var/log/cloud-init-output.log");
        assert!(output.contains("second"), "the run is streamed into cloud-init's output: {output}");
        booted.shutdown();
        for _ in 0..2 {
            let booted = boot_to_done(&host);
            assert_eq!(host.files().read("/root/items"), ITEMS, "{release:?}: repeated");
            booted.shutdown();
        }
    }
}

/// An image with both: the section may stand in the user-data itself, which cloud-init calls degraded where it checks keys.
#[test]
fn a_section_at_the_top_of_the_user_data_is_run_where_the_image_has_both() {
    for release in RELEASES {
        let Some(host) = host(release, Disk::Directory, &from_package(), SECTION, "") else { return };
        let Some(deb) = crate::bootstrap::deb() else { return };
        host.install_deb(&deb);
        host.files().write("/var/lib/cloud/seed/nocloud/user-data", format!("#cloud-config\nlocale: C.UTF-8\n{SECTION}"), 0o600);
        for boots in 1..=2 {
            let booted = boot(&host);
            let peer = wait(&booted);
            assert!(peer.stdout.contains("status: done") && matches!(peer.code(), Some(0 | 2)), "{}\n{}", peer.stdout, said(&booted));
            let landfall = booted.exec(&["landfall", "status", "--wait"]);
            assert!(landfall.ok() && landfall.stdout.starts_with("status: done\n"), "{landfall:?}\n{}", said(&booted));
            assert_eq!(host.files().read("/root/items"), ITEMS, "{release:?}, boot {boots}");
            booted.shutdown();
        }
    }
}

#[test]
fn a_failed_run_fails_cloud_init_status() {
    for release in RELEASES {
        let section = "landfall:\n  phases:\n    - name: only\n      runcmd:\n        - echo one >>/root/items\n        - echo before the failure; exit 7\n";
        let Some(host) = host(release, Disk::Directory, &from_package(), section, "") else { return };
        let booted = boot(&host);
        let status = wait(&booted);
        assert_eq!(status.code(), Some(1), "{}\n{}", status.stdout, said(&booted));
        assert_eq!(booted.wait_unit("landfall.service"), "failed");
        assert_eq!(booted.exec(&["landfall", "status", "--wait"]).code(), Some(1));
        assert_eq!(host.files().read("/root/items"), "one\n");
    }
}

#[test]
fn a_landfall_that_was_removed_stays_removed() {
    for release in RELEASES {
        let Some(host) = host(release, Disk::Directory, &from_package(), SECTION, "") else { return };
        let booted = boot_to_done(&host);
        booted.exec(&["dpkg", "--purge", "landfall"]).expect_ok();
        booted.shutdown();
        let booted = boot(&host);
        assert_eq!(wait(&booted).code(), Some(0), "{}", said(&booted));
        assert!(!host.files().exists("/usr/bin/landfall"));
        assert_eq!(host.files().read("/root/items"), ITEMS);
    }
}

#[test]
fn a_host_with_landfall_switched_off_is_left_alone() {
    for release in RELEASES {
        let Some(host) = host(release, Disk::Directory, &from_package(), SECTION, "") else { return };
        host.files().write("/etc/landfall/disabled", "", 0o644);
        let booted = boot(&host);
        assert_eq!(wait(&booted).code(), Some(0), "{}", said(&booted));
        assert!(!host.files().exists("/usr/bin/landfall") && !host.files().exists("/root/items"));
    }
}

#[test]
fn a_new_instance_on_a_copied_disk_is_provisioned_by_its_own_section() {
    for release in RELEASES {
        let Some(host) = host(release, Disk::Directory, &from_package(), SECTION, "") else { return };
        boot_to_done(&host).shutdown();
        let copy = host.duplicate();
        let section = "landfall:\n  phases:\n    - name: other\n      runcmd: [echo other >>/root/items]\n";
        let user_data = crate::bootstrap::user_data(&from_package(), section, "");
        copy.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-two\n", 0o644);
        copy.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
        let booted = boot_to_done(&copy);
        assert_eq!(copy.files().read("/root/items"), format!("{ITEMS}other\n"), "{release:?}\n{}", said(&booted));
    }
}
