//! The lab tests itself: what it promises to other tests is true on this machine.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod lab;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::{wait_until, BootOptions, Booted, Disk, Ended, Entry, Host, Lab, Release};

const COUNT_BOOTS: &str = "[Unit]\nDescription=Counts the boots\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/bin/sh -c 'echo boot >>/var/lib/boots; echo counted on the console >/dev/console'\n[Install]\nWantedBy=multi-user.target\n";

fn counting_host(lab: Lab, release: Release, disk: Disk) -> Host {
    let host = lab.host(release, disk);
    host.files().write("/etc/systemd/system/count.service", COUNT_BOOTS, 0o644);
    host.chroot(&["systemctl", "enable", "count.service"]).expect_ok();
    host
}

fn boots(host: &Host) -> usize {
    host.files().try_read("/var/lib/boots").map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
}

fn boot_and_look(release: Release) {
    let Some(lab) = Lab::require() else { return };
    let host = counting_host(lab, release, Disk::Directory);
    let begin = Instant::now();
    let booted = host.boot(BootOptions { cmdline: "ro landfall=off".into(), ..BootOptions::default() });
    let state = booted.wait_running();
    println!("{release:?}: {state} after {:?}, {:?} CPU", begin.elapsed(), host.cpu_time());
    assert_eq!(booted.wait_unit("count.service"), "active");

    let seen = booted.sh("cat /proc/1/comm /proc/cmdline /sys/class/dmi/id/product_uuid /proc/sys/kernel/random/boot_id").expect_ok();
    let dmi = host.dmi();
    assert_eq!(seen.lines().collect::<Vec<_>>(), ["systemd", "ro landfall=off", dmi.product_uuid.as_str(), booted.boot_id()]);
    assert_eq!(booted.exec(&["false"]).code(), Some(1));
    assert_eq!(booted.exec_with(&["cat"], b"typed", Duration::from_secs(5)).stdout, "typed");
    assert!(booted.console().contains("counted on the console"), "{}", booted.console());
    assert!(booted.journal(&["-u", "count.service"]).contains("Counts the boots"));
    assert_eq!(host.files().read("/etc/machine-id").trim().len(), 32);
    assert!(booted.files().exists("/run/systemd/system"), "the guest's own mounts are seen through Booted::files");
    assert!(!host.files().exists("/run/systemd/system"), "and not through Host::files");
    booted.shutdown();
}

#[test]
fn trixie_boots_runs_units_and_shuts_down() {
    boot_and_look(Release::Trixie);
}

#[test]
fn bookworm_boots_runs_units_and_shuts_down() {
    boot_and_look(Release::Bookworm);
}

#[test]
fn the_roots_with_cloud_init_run_it() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::BookwormCloudInit, Release::TrixieCloudInit] {
        let host = lab.host(release, Disk::Directory);
        host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-one\n", 0o644);
        host.files().write(
            "/var/lib/cloud/seed/nocloud/user-data",
            "#cloud-config\nlocale: C.UTF-8\nruncmd: [[touch, /root/ran]]\n",
            0o644,
        );
        let booted = host.boot(BootOptions { eth0: true, ..BootOptions::default() });
        booted.wait_running();
        let status = booted.exec(&["cloud-init", "status", "--wait", "--long"]).stdout;
        assert!(status.contains("status: done"), "{status}");
        assert!(host.files().exists("/root/ran"));
    }
}

#[test]
fn every_boot_has_its_own_boot_id_and_the_same_machine_id() {
    let Some(lab) = Lab::require() else { return };
    let host = counting_host(lab, Release::Trixie, Disk::Directory);
    let mut ids = BTreeSet::new();
    let mut machines = BTreeSet::new();
    for _ in 0..3 {
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        ids.insert(booted.files().read("/proc/sys/kernel/random/boot_id"));
        machines.insert(host.files().read("/etc/machine-id"));
        let last_boot = booted.sh("journalctl --list-boots -q | tail -n 1").expect_ok();
        assert!(last_boot.contains(&booted.boot_id().replace('-', "")), "{last_boot}");
        booted.shutdown();
    }
    assert_eq!((ids.len(), machines.len(), boots(&host)), (3, 1, 3));
}

#[test]
fn a_reboot_by_the_guest_is_seen_and_the_next_boot_goes_on() {
    let Some(lab) = Lab::require() else { return };
    let host = counting_host(lab, Release::Bookworm, Disk::Ext4Upper);
    let booted = host.boot(BootOptions::default());
    booted.wait_unit("count.service");
    booted.exec(&["systemctl", "reboot"]);
    assert_eq!(booted.wait_end(), Ended::Reboot);
    let booted = host.boot(BootOptions::default());
    booted.wait_unit("count.service");
    booted.exec(&["systemctl", "reboot", "--force", "--force"]);
    assert_eq!(booted.wait_end(), Ended::Reboot);
    assert_eq!(boots(&host), 2);
}

#[test]
fn a_crash_keeps_what_was_written() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Ext4Upper);
    let booted = host.boot(BootOptions::default());
    booted.sh("echo unsynced >/root/file").expect_ok();
    booted.kill();
    assert_eq!(booted.try_end(), Some(Ended::Killed));
    assert_eq!(host.files().read("/root/file"), "unsynced\n");
    assert!(!host.is_booted());
}

fn power_cut_loses_exactly_the_unsynced(disk: Disk) {
    let Some(lab) = Lab::require() else { return };
    let host = counting_host(lab, Release::Trixie, disk);
    let begin = Instant::now();
    let booted = host.boot(BootOptions::default());
    booted.wait_unit("count.service");
    let ready = begin.elapsed();
    // dd fsyncs the file itself; `sync FILE` of coreutils is fsync, of a directory too; `sync -f` is syncfs.
    booted.sh("dd if=/dev/zero of=/root/fsynced bs=9 count=1 conv=fsync && sync /root").expect_ok();
    booted.sh("mkdir /root/tree && echo one >/root/tree/one && echo two >/etc/two && sync -f /root").expect_ok();
    booted.sh("sed -i s/two/three/ /etc/two; echo lost >/root/lost; echo more >>/root/fsynced; mkdir /root/gone").expect_ok();
    let begin = Instant::now();
    booted.power_cut();
    let cut = begin.elapsed();
    let files = host.files();
    assert_eq!(files.read_bytes("/root/fsynced"), [0; 9], "fsynced stays, what was appended later is lost");
    assert_eq!(files.read("/root/tree/one"), "one\n", "syncfs reaches the disk below the overlay");
    assert_eq!(files.read("/etc/two").trim_end(), "two");
    assert!(files.try_read("/root/lost").map_or(true, |bytes| bytes.is_empty()), "never synced, so lost or empty");
    assert!(!files.exists("/root/gone"));

    let booted = host.boot(BootOptions::default());
    let state = booted.wait_unit("count.service");
    assert_eq!(state, "active", "{}", booted.journal(&[]));
    println!("{disk:?}: boot {ready:?}, cut with remount {cut:?}, cut to the next unit {:?}", begin.elapsed());
    booted.shutdown();
    assert!(boots(&host) >= 2, "the first boot's line was synced by syncfs, the last one by the orderly shutdown");
}

#[test]
fn a_power_cut_loses_exactly_the_unsynced_on_an_ext4_upper_layer() {
    power_cut_loses_exactly_the_unsynced(Disk::Ext4Upper);
}

#[test]
fn a_power_cut_loses_exactly_the_unsynced_on_a_whole_ext4() {
    power_cut_loses_exactly_the_unsynced(Disk::Ext4Whole);
}

fn updated(booted: &Booted) {
    booted.exec(&["apt-get", "-q", "update"]).expect_ok();
}

#[test]
fn apt_installs_from_the_local_repositories() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Directory);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let begin = Instant::now();
        updated(&booted);
        booted.exec(&["apt-get", "-qy", "install", "deps-lf", "svc-lf", "big-lf"]).expect_ok();
        println!("{release:?}: apt-get update and install of 5 packages {:?}", begin.elapsed());
        assert_eq!(booted.wait_unit("svc-lf.service"), "active");
        assert_eq!(booted.exec(&["hello-lf"]).stdout, "hello 2.0\n");
        assert!(!booted.exec(&["apt-get", "-qy", "install", "broken-lf"]).ok());
        assert!(!booted.exec(&["dpkg", "--audit"]).stdout.is_empty());
        booted.exec(&["dpkg", "--purge", "broken-lf"]).expect_ok();
        booted.sh("echo debconf-lf debconf-lf/answer string 42 | debconf-set-selections").expect_ok();
        booted.exec(&["apt-get", "-qy", "install", "debconf-lf"]).expect_ok();
        assert_eq!(host.files().read("/var/lib/debconf-lf.answer"), "42\n");
        assert_eq!(
            booted.exec(&["debsums", "-s", "hello-lf", "big-lf", "conf-lf", "dpkg"]).stderr,
            "debsums: package conf-lf is not installed\n"
        );

        let codename = if release == Release::Trixie { "trixie" } else { "bookworm" };
        let signed = format!("deb [signed-by=/srv/mirror/key.asc] file:/srv/mirror {codename} main\n");
        host.files().write("/etc/apt/sources.list", signed, 0o644);
        updated(&booted);
        booted.exec(&["apt-get", "-qy", "install", "conf-lf=1.0"]).expect_ok();
        host.files().write("/etc/apt/sources.list", format!("deb file:/srv/mirror {codename} main\n"), 0o644);
        let refused = booted.exec(&["apt-get", "-q", "update", "--error-on=any"]);
        assert!(!refused.ok(), "an unknown key is refused: {refused:?}");
    }
}

#[test]
fn a_deb_is_installed_in_a_chroot_that_starts_nothing() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    host.install_deb(&lab.repo().join("svc-lf_1.0_all.deb"));
    assert!(host.files().metadata("/etc/systemd/system/multi-user.target.wants/svc-lf.service").unwrap().is_symlink());
    let booted = host.boot(BootOptions::default());
    assert_eq!(booted.wait_unit("svc-lf.service"), "active");
}

#[test]
fn files_outside_the_host_are_out_of_reach() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    let marker = format!("/var/run/lab-selftest-{}", std::process::id());
    host.files().write(&marker, "inside", 0o600);
    assert!(!fs::exists(&marker).unwrap(), "/var/run is an absolute link to /run and must not lead out");
    assert_eq!(host.files().read(&marker), "inside");
    host.files().symlink("/etc/hostname", "/root/link");
    assert_eq!(host.files().read("/root/link"), "localhost\n");
    host.files().remove("/root/link");
    assert!(!host.files().exists("/root/link") && host.files().exists("/etc/hostname"));
}

#[test]
fn a_duplicate_has_the_same_disk_and_another_identity() {
    let Some(lab) = Lab::require() else { return };
    for disk in [Disk::Directory, Disk::Ext4Upper] {
        let host = counting_host(lab, Release::Trixie, disk);
        let booted = host.boot(BootOptions::default());
        booted.wait_unit("count.service");
        booted.shutdown();
        let copy = host.duplicate();
        assert_eq!((boots(&copy), host.files().read("/etc/machine-id")), (1, copy.files().read("/etc/machine-id")));
        assert_ne!(host.dmi(), copy.dmi());
        let (one, two) = (host.boot(BootOptions::default()), copy.boot(BootOptions::default()));
        assert_eq!((one.wait_unit("count.service"), two.wait_unit("count.service")), ("active".into(), "active".into()));
    }
}

#[test]
fn the_package_manager_waits_for_a_held_lock() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    let booted = host.boot(BootOptions::default());
    updated(&booted);
    let install = ["apt-get", "-qy", "install", "hello-lf"];
    let held = booted.hold_lock("/var/lib/dpkg/lock-frontend");
    let refused = booted.exec(&install);
    assert!(refused.stderr.contains("Could not get lock"), "{refused:?}");
    drop(held);
    booted.exec(&install).expect_ok();

    booted.exec(&["apt-get", "-qy", "install", "unattended-upgrades"]).expect_ok();
    booted.exec(&["systemctl", "start", "unattended-upgrades.service"]).expect_ok();
    let remove = ["apt-get", "-qy", "remove", "hello-lf"];
    booted.wait_until("the service to take the lock", || !booted.exec(&remove).ok());
    booted.exec(&["systemctl", "stop", "unattended-upgrades.service"]).expect_ok();
}

#[test]
fn changes_name_what_was_written_and_removed() {
    let Some(lab) = Lab::require() else { return };
    let hosts = [Disk::Directory, Disk::Ext4Upper].map(|disk| lab.host(Release::Trixie, disk));
    for host in &hosts {
        host.chroot(&["sh", "-c", "apt-get -q update && apt-get -qy install hello-lf && rm /etc/hostname"]).expect_ok();
    }
    let timed = ["/var/log/", "/var/cache/", "/var/lib/apt/"];
    let [one, two] = hosts.each_ref().map(|host| host.changes().without(&timed));
    assert_eq!(one.difference(&two), Vec::<String>::new());
    assert_eq!(one.0["/etc/hostname"], Entry::Removed);
    assert!(matches!(&one.0["/usr/bin/hello-lf"], Entry::File { mode: 0o755, owner: (0, 0), size: 25, .. }));
    hosts[1].files().write("/etc/hello-lf.conf", "changed", 0o600);
    let difference = one.difference(&hosts[1].changes().without(&timed));
    assert!(difference.len() == 1 && difference[0].starts_with("/etc/hello-lf.conf"), "{difference:?}");
}

#[test]
fn the_roots_are_as_dpkg_left_them() {
    let Some(lab) = Lab::require() else { return };
    for release in [Release::Bookworm, Release::Trixie] {
        let host = lab.host(release, Disk::Directory);
        let checked = host.chroot(&["sh", "-c", "debsums --silent; dpkg --verify; dpkg --audit; ls /usr/bin/python3"]);
        assert_eq!(checked.stdout + &checked.stderr, "ls: cannot access '/usr/bin/python3': No such file or directory\n");
    }
}

/// Everything of `host` that this machine would show: mounts, processes, control groups, loop devices, files.
fn traces(name: &str) -> Vec<String> {
    let mut traces = Vec::new();
    let mut look =
        |what: &str, text: String| traces.extend(text.lines().filter(|line| line.contains(name)).map(|line| format!("{what}: {line}")));
    look("mount", fs::read_to_string("/proc/self/mountinfo").unwrap());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        look("process", fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default());
        look("argument", fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " "));
        look("mount of a process", fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default());
    }
    for entry in fs::read_dir("/sys/block").unwrap().flatten() {
        look("loop", fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default());
    }
    look("file", lab::run(Command::new("find").arg(hosts()), b"", Duration::from_secs(60)).stdout);
    traces
}

fn hosts() -> std::path::PathBuf {
    Lab::require().unwrap().root(Release::Trixie).join("../../hosts")
}

fn assert_gone(name: &str) {
    let mut left = Vec::new();
    for _ in 0..100 {
        left = traces(name);
        if left.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{name} left {left:#?}");
}

#[test]
fn nothing_is_left_of_a_dropped_host() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Ext4Upper);
    let name = host.name().to_owned();
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    assert!(!traces(&name).is_empty());
    drop(host);
    assert!(!traces(&name).is_empty(), "a booted host keeps its disk");
    drop(booted);
    assert_gone(&name);
}

/// Not a test by itself: the process that `nothing_is_left_when_the_test_process_is_killed` starts and kills.
#[test]
#[ignore = "started by another test"]
fn hold_a_booted_host() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Bookworm, Disk::Ext4Upper);
    let booted = host.boot(BootOptions::default());
    fs::write(std::env::var("LAB_SELFTEST_NAME").unwrap(), host.name()).unwrap();
    booted.exec(&["sleep", "300"]);
}

#[test]
fn nothing_is_left_when_the_test_process_is_killed() {
    let Some(_) = Lab::require() else { return };
    let told = tempfile::NamedTempFile::new().unwrap();
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "hold_a_booted_host"])
        .env("LAB_SELFTEST_NAME", told.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let name = || fs::read_to_string(told.path()).unwrap();
    wait_until("the other process to boot a host", Duration::from_secs(60), || !name().is_empty());
    assert!(!traces(&name()).is_empty());
    other.kill().unwrap();
    other.wait().unwrap();
    assert_gone(&name());
}

#[test]
fn a_host_whose_keeper_was_killed_is_swept_by_the_next_one() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Ext4Upper);
    let name = host.name().to_owned();
    let booted = host.boot(BootOptions::default());
    host.kill_keeper();
    drop(lab.host(Release::Trixie, Disk::Directory));
    // What the dead init's parent left for us to reap is no trace of the host.
    assert_eq!(booted.try_end(), Some(Ended::Killed));
    assert_gone(&name);
}
