//! Virtual machines: true first boots of Debian 13 with its own kernel, its own udev, and user-data on a volume, as on a
//! hypervisor. A power cut is the end of qemu by SIGKILL: what the guest had not written to its disk is lost.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

#[path = "../lab/mod.rs"]
mod lab;

mod machine;
mod volume;

use std::path::{Path, PathBuf};

use lab::{Disk, Host, Lab, Release};
use machine::Machine;
use volume::Volume;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr7sVlsdLCHZ9BLAvCq4yh1yPMqDM3PsqtXZ1nQZwZS ada@example.org";

/// Counts without a sync of its own, tells the console, and leaves time for a cut in the middle of the second item.
const USER_DATA: &str = r#"#cloud-config
hostname: volume-host
users:
  - name: ada
    groups: [sudo]
    shell: /bin/bash
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    ssh_authorized_keys:
      - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJr7sVlsdLCHZ9BLAvCq4yh1yPMqDM3PsqtXZ1nQZwZS ada@example.org
ssh_genkeytypes: [ed25519]
write_files:
  - path: /etc/volume-host.conf
    permissions: "0640"
    content: |
      from = volume
  - {path: /esp/config.txt, content: "on\n"}
  - {path: /esp/config.txt, content: "added\n", append: true}
bootcmd:
  - mkdir -p /esp; if grep -q vfat /root/kind; then mount LABEL=CIDATA /esp; fi
  - if [ -e /root/jumps ]; then date --set '+9 years'; fi
packages: [hello-lf, user-lf]
runcmd:
  - echo first >>/root/items; if [ -e /root/jumps ]; then date --set '-20 years'; fi
  - echo "lab item 2 begins" >/dev/console; if [ -e /root/linger ]; then sleep 60; fi; echo second >>/root/items
  - echo third >>/root/items; hello-lf >/root/hello
final_message: volume-host is up
"#;

/// Ends the boot when landfall has done its part, and leaves behind what landfall then said of itself.
const END_UNIT: &str = "[Unit]
Description=The end of the lab's boot
After=multi-user.target landfall.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'landfall status --format json >/root/status.json; sync -f /root'
ExecStart=/bin/sh -c '{ landfall status --long; journalctl -b -t landfall --no-pager | tail -n 40; } >/dev/console'
ExecStart=systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
";

/// The package under test; `None` says that the test is skipped.
fn deb() -> Option<PathBuf> {
    let place = std::env::var_os("LANDFALL_DEB").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian"), PathBuf::from);
    let is_package = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("landfall_") && name.ends_with(".deb")
    };
    let found = if place.is_file() {
        Some(place)
    } else {
        std::fs::read_dir(&place).ok().and_then(|entries| entries.map(|entry| entry.unwrap().path()).find(is_package))
    };
    if found.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "the package is missing");
        println!("skipped: the package is missing: run `make deb`");
    }
    found
}

/// An image as somebody builds it for a fleet: landfall in it, a repository it can reach, no identity.
fn image(lab: Lab, deb: &Path) -> Host {
    let host = lab.host(Release::TrixieVm, Disk::Ext4Whole);
    host.install_deb(deb);
    for package in std::fs::read_dir(lab.repo()).unwrap() {
        let package = package.unwrap();
        let name = package.file_name().into_string().unwrap();
        host.files().write(&format!("/opt/repo/{name}"), std::fs::read(package.path()).unwrap(), 0o644);
    }
    host.files().write("/etc/apt/sources.list", "deb [trusted=yes] file:/opt/repo ./\n", 0o644);
    host.files().write("/etc/systemd/system/lab-end.service", END_UNIT, 0o644);
    host.chroot(&["systemctl", "enable", "lab-end.service"]).expect_ok();
    host
}

/// What the user-data asked for, on the disk after the last boot.
fn assert_provisioned(host: &Host) {
    let files = host.files();
    assert_eq!(files.read("/etc/hostname").trim(), "volume-host");
    assert_eq!(files.read("/etc/volume-host.conf"), "from = volume\n");
    assert!(files.read("/home/ada/.ssh/authorized_keys").contains(KEY));
    assert!(files.read("/etc/passwd").contains("\nada:x:") && files.read("/etc/passwd").contains("\nlf-daemon:x:"));
    assert!(!files.list("/etc/ssh").iter().any(|name| name.starts_with("ssh_host_rsa")), "only an ed25519 key was asked for");
    assert!(files.exists("/etc/ssh/ssh_host_ed25519_key"));
    assert_eq!(files.read("/root/hello"), "hello 2.0\n");
    assert_eq!(host.chroot(&["dpkg", "--audit"]).expect_ok(), "");
    assert_eq!(host.chroot(&["debsums", "-s", "hello-lf", "user-lf"]).expect_ok(), "");
}

fn status(host: &Host) -> serde_json::Value {
    serde_json::from_str(&host.files().read("/root/status.json")).unwrap()
}

#[test]
fn a_first_boot_with_an_iso9660_volume_is_provisioned_although_its_clock_jumps_years_forth_and_back() {
    let (Some(lab), Some(deb)) = (Lab::require(), deb()) else { return };
    let host = image(lab, &deb);
    host.files().write("/root/jumps", "", 0o644);
    host.files().write("/root/kind", "iso9660\n", 0o644);
    let volume = Volume::iso9660(USER_DATA);

    let machine = Machine::boot(lab, &host, &volume);
    machine.wait_for("volume-host is up");
    machine.wait_power_off();
    let console = machine.console();
    drop(machine);

    for line in ["ssh-ed25519", "stage final: done"] {
        assert!(console.contains(line), "the console lacks {line:?}:\n{console}");
    }
    assert_provisioned(&host);
    assert_eq!(host.files().read("/root/items"), "first\nsecond\nthird\n");
    let status = status(&host);
    assert_eq!((&status["state"], &status["datasource"], &status["boots"]), (&"done".into(), &"nocloud".into(), &1.into()), "{status:#}");
    let year = |name: &str| status[name].as_f64().unwrap() / 31_557_600.0;
    assert!((-12.0..-10.0).contains(&(year("finished") - year("started"))), "the clock went 9 years forth and 20 back: {status:#}");
    let elapsed = status["elapsed"].as_f64().unwrap();
    assert!(elapsed > 0.0 && elapsed <= volume.age().as_secs_f64(), "{status:#}");
    println!("closing: vm: iso9660 volume, a clock that jumps: done after {:.0} s of an emulated machine", volume.age().as_secs_f64());
}

/// The clock is ahead, and goes back when it is set right. Or the battery of a machine that was never on holds no time: systemd then
/// takes the day it was made, before the packages were.
const CLOCKS: [&str; 2] = ["2036-01-01", "2001-01-01"];

#[test]
fn a_first_boot_with_a_wrong_clock_is_finished_after_a_power_cut_by_a_boot_with_the_right_one() {
    let (Some(lab), Some(deb)) = (Lab::require(), deb()) else { return };
    let clocks = if std::env::var_os("LANDFALL_LONG").is_some() { &CLOCKS[..] } else { &CLOCKS[..1] };
    for clock in clocks {
        let host = image(lab, &deb);
        host.files().write("/root/linger", "", 0o644);
        host.files().write("/root/kind", "vfat\n", 0o644);
        let volume = Volume::vfat(USER_DATA);

        let machine = Machine::boot_in(lab, &host, &volume, clock);
        machine.wait_for("lab item 2 begins");
        machine.power_cut();
        drop(machine);
        assert_eq!(host.files().read("/root/items"), "first\n", "a finished item's work is on the disk");
        host.files().remove("/root/linger");

        let machine = Machine::boot(lab, &host, &volume);
        machine.wait_for("volume-host is up");
        machine.wait_power_off();
        let console = machine.console();
        drop(machine);

        println!("{console}");
        assert_provisioned(&host);
        assert_eq!(volume.read("config.txt"), "on\nadded\n", "which is no place that keeps modes");
        assert!(!host.files().exists("/esp/config.txt"));
        assert_eq!(host.files().read("/root/items"), "first\nsecond\nthird\n", "finished items ran once");
        let status = status(&host);
        assert_eq!(
            (&status["state"], &status["datasource"], &status["boots"]),
            (&"done".into(), &"nocloud".into(), &2.into()),
            "{status:#}"
        );
        println!(
            "closing: vm: vfat volume: cut in {clock} in the second of three items, finished by the next boot, {:.0} s in all",
            volume.age().as_secs_f64()
        );
    }
}

/// A disk of 100 MiB with a partition of 40, an encrypted volume on it that is open, and a key that opens it until it has grown.
const ENCRYPTED: &str = "
set -e
truncate -s 100M /disk
printf 'label: gpt\\nsize=40M\\n' | sfdisk -q /disk
losetup -P /dev/loop0 /disk
head -c 64 /dev/urandom >/key
head -c 64 /dev/urandom >/spare
kdf='--batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000'
cryptsetup luksFormat $kdf /dev/loop0p1 /key
cryptsetup luksAddKey $kdf --key-file /key --new-key-slot 5 /dev/loop0p1 /spare
cryptsetup open --key-file /key /dev/loop0p1 safe
printf '{\"key\": \"%s\", \"slot\": 5}' \"$(base64 -w0 /spare)\" >/cc_growpart_keydata
";

#[test]
fn the_root_and_an_encrypted_volume_grow_into_their_disks_at_first_boot_before_anything_needs_the_room() {
    let (Some(lab), Some(deb)) = (Lab::require(), deb()) else { return };
    let host = image(lab, &deb);
    host.lend_programs(lab.root(Release::BookwormCloudInit), &["/usr/sbin/sfdisk", "/usr/sbin/resize2fs"]);
    let size = "echo \"root: $(cat /sys/class/block/vda1/size) sectors, $(($(stat -f -c '%b * %S' /) >> 20)) MiB\" >/dev/console";
    let encrypted = "echo \"safe: $(cat /sys/class/block/loop0p1/size) $(cat /sys/class/block/dm-0/size) \
        $(cryptsetup luksDump /dev/loop0p1 | grep -c '^  [0-9]*: luks2') $(ls /cc_growpart_keydata 2>&1)\" >/dev/console";
    let prepare = ENCRYPTED.trim().replace('\n', "\n    ");
    let volume = Volume::iso9660(&format!(
        "#cloud-config\nssh_genkeytypes: [ed25519]\ngrowpart: {{devices: [/, /dev/mapper/safe]}}\nbootcmd:\n  - |\n    {prepare}\n\
         runcmd:\n  - |\n    {size}\n  - |\n    {encrypted}\nfinal_message: it is up\n"
    ));

    let machine = Machine::boot_on_larger_disk(lab, &host, &volume);
    machine.wait_for("it is up");
    machine.wait_power_off();
    let console = machine.console();
    drop(machine);

    let grown = console.lines().find_map(|line| line.split_once("root: ")).unwrap_or_else(|| panic!("no size:\n{console}")).1;
    let number = |word: usize| grown.split_whitespace().nth(word).and_then(|word| word.parse::<u64>().ok()).unwrap();
    assert_eq!(number(0), (3 << 30) / 512, "the partition takes all but the first mebibyte: {grown}");
    assert!(number(2) > 2900, "and the filesystem all of that: {grown}");
    assert!(console.contains("stage final: done"), "{console}");
    let safe = console.lines().find_map(|line| line.split_once("safe: ")).unwrap_or_else(|| panic!("no volume:\n{console}")).1;
    let number = |word: usize| safe.split_whitespace().nth(word).and_then(|word| word.parse::<u64>().ok()).unwrap();
    assert!(number(0) > (98 << 20) / 512, "the partition takes the room behind it: {safe}");
    assert_eq!(number(0) - number(1), (16 << 20) / 512, "and the volume all of that but its header: {safe}");
    assert_eq!(number(2), 1, "the key for growing opens it no more: {safe}");
    assert!(safe.contains("No such file"), "and is gone: {safe}");
    println!("closing: vm: the root grew from 2 to 3 GiB at first boot, {:.0} s", volume.age().as_secs_f64());
}
