//! Disks, filesystems, mounts and swap, on loop devices of a host's own: they go with its last process.

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use landfall::engine::apply::Prior;
use landfall::error::Kind;
use landfall::plan::operation::Operation;
use landfall::plan::storage::{FsPlace, Fstab, Layout, MakeFilesystem, MountFields, PartitionDisk, Share, TableType};

use crate::driver::{done, durable_command, outcomes, resume, resumed, run, undone, Target};
use crate::lab::{wait_until, BootOptions, Booted, Disk, Host, Lab, Output, Release};

/// A disk of a booted host: a loop device over a file in it. There is no udev, so the nodes are made as the kernel shows them.
struct Loop {
    path: String,
    holder: Child,
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Attached so that it goes with the process that holds it, also when that is killed.
const HOLDER: &str = r#"
exec 2>/dev/null
# The lab's overlay over it does not see partitions come and go.
umount -l /sys/class
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
[ -e "$1" ] || truncate -s "$2" "$1"
for try in 1 2 3 4 5 6 7 8; do
  free=$(losetup -f | cut -d" " -f1) && { [ -e "$free" ] || mknod "$free" b 7 "${free#/dev/loop}"; } && losetup -P "$free" "$1" && break
done
exec 9<>"$free"; losetup -d "$free"
# A kernel that reads no partition tables is told of them.
partx -u "$free"
name=${free#/dev/}
echo "$free"
while :; do
  for part in /sys/class/block/"$name"p*; do
    node=/dev/${part##*/}
    number=$(tr : ' ' <"$part/dev") || continue
    [ "$(stat -c '%t %T' "$node")" = "$(printf '%x %x' $number)" ] || { rm -f "$node"; mknod "$node" b $number; }
  done
  for node in /dev/"$name"p*; do [ ! -e "$node" ] || [ -e "/sys/class/block/${node#/dev/}" ] || rm -f "$node"; done
  sleep 0.02
done
"#;

impl Loop {
    fn new(booted: &Booted, file: &str, size: &str) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut holder = booted.command(&["sh", "-c", HOLDER, "sh", file, size]).stdout(Stdio::piped()).spawn().unwrap();
        let mut path = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut path).unwrap();
        assert!(path.starts_with("/dev/loop"), "no loop device: {path}");
        Self { path: path.trim().into(), holder }
    }
}

/// Debian 12 with sfdisk, sgdisk and e2fsprogs.
fn booted(lab: Lab, disk: Disk) -> (Host, Booted) {
    let host = lab.host(Release::BookwormCloudInit, disk);
    host.files().write("/etc/cloud/cloud-init.disabled", "", 0o644);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    (host, booted)
}

fn partition(device: &str, table: TableType, layout: Layout, overwrite: bool) -> Operation {
    Operation::PartitionDisk(PartitionDisk { device: device.into(), table, layout, overwrite })
}

fn halves() -> Layout {
    let share = |kind: Option<&str>| Share { percent: "50".into(), kind: kind.map(str::to_owned) };
    Layout::Shares(vec![share(None), share(Some("82"))])
}

fn filesystem(device: &str, place: FsPlace, kind: &str, label: &str) -> MakeFilesystem {
    MakeFilesystem {
        device: device.into(),
        place,
        kind: kind.into(),
        label: label.into(),
        overwrite: false,
        replaced: None,
        options: Vec::new(),
        command: Vec::new(),
    }
}

fn kind_of(booted: &Booted, device: &str) -> String {
    booted.sh(&format!("blkid -p -o value -s TYPE -s LABEL {device}")).stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_disk_is_partitioned_and_formatted_and_what_it_holds_is_left_alone_unless_it_may_be_overwritten() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    let disk = Loop::new(&booted, "/var/tmp/disk.img", "64M");
    let path = disk.path.as_str();
    let (first, second) = (format!("{path}p1"), format!("{path}p2"));
    for (table, label, types) in [
        (TableType::Mbr, "dos", ["83", "82"]),
        (TableType::Gpt, "gpt", ["0FC63DAF-8483-4772-8E79-3D69D8477DE4", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F"]),
    ] {
        let overwrite = table == TableType::Gpt;
        let made = done(&booted, partition(path, table, halves(), overwrite));
        assert!(!made.satisfied_before && made.satisfied_after, "{made:?}");
        assert!(
            matches!(&made.prior, Prior::Disk { device, held, .. } if device == path && held.is_some() == overwrite),
            "{:?}",
            made.prior
        );
        let dump = booted.sh(&format!("sfdisk --dump {path}")).expect_ok();
        assert!(dump.contains(&format!("label: {label}")) && types.iter().all(|kind| dump.contains(&format!("type={kind}"))), "{dump}");
        assert!(done(&booted, partition(path, table, halves(), overwrite)).satisfied_before, "the same layout is nothing to do");
    }
    // The other table is not put over this one; where no types are asked for not even by one that may overwrite.
    let kept = done(&booted, partition(path, TableType::Mbr, halves(), false));
    assert!(!kept.satisfied_before && kept.done().detail.as_deref().unwrap().contains("stays as it is"), "{kept:?}");
    assert!(done(&booted, partition(path, TableType::Mbr, Layout::One, true)).satisfied_before);
    assert!(booted.sh(&format!("sfdisk --dump {path}")).expect_ok().contains("label: gpt"));

    let made = done(&booted, Operation::MakeFilesystem(filesystem(path, FsPlace::Number(1), "ext4", "data")));
    assert!(made.satisfied_after && kind_of(&booted, &first) == "data ext4", "{made:?} {}", kind_of(&booted, &first));
    booted.sh(&format!("mkdir -p /m && mount {first} /m && echo kept >/m/file && umount /m")).expect_ok();
    // Another label, another kind: left alone. The peer formats it.
    for other in [filesystem(path, FsPlace::Number(1), "ext4", "other"), filesystem(path, FsPlace::Number(1), "ext3", "data")] {
        let kept = done(&booted, Operation::MakeFilesystem(other));
        assert!(kept.done().warnings[0].contains("holds ext4 and stays as it is"), "{kept:?}");
    }
    assert!(done(&booted, Operation::MakeFilesystem(filesystem(path, FsPlace::Number(1), "ext4", "data"))).satisfied_before);
    // The free one of the two.
    let swap = done(&booted, Operation::MakeFilesystem(filesystem(path, FsPlace::Any, "swap", "s")));
    assert_eq!(swap.done().detail.as_deref(), Some(format!("made on {second}").as_str()));
    assert_eq!(kind_of(&booted, &second), "s swap");
    let none = done(&booted, Operation::MakeFilesystem(filesystem(path, FsPlace::Auto, "ext4", "third")));
    assert!(none.done().warnings[0].contains("no partition is free"), "{none:?}");
    let disk_itself = done(&booted, Operation::MakeFilesystem(filesystem(path, FsPlace::None, "ext4", "")));
    assert!(disk_itself.done().warnings[0].contains("holds gpt"), "{disk_itself:?}");
    booted.sh(&format!("mount {first} /m && grep kept /m/file")).expect_ok();

    // In use, nothing is overwritten, whatever is said; also where the mount is of another namespace.
    let over = MakeFilesystem { overwrite: true, ..filesystem(path, FsPlace::Number(1), "ext4", "new") };
    booted.sh("umount /m").expect_ok();
    let hidden = format!("mount {first} /m && echo ready && exec sleep 600");
    let mut elsewhere = booted.command(&["unshare", "-m", "sh", "-c", &hidden]).stdout(Stdio::piped()).spawn().unwrap();
    std::io::Read::read_exact(&mut elsewhere.stdout.take().unwrap(), &mut [0; 5]).unwrap();
    let refused = run(&booted, &[Operation::MakeFilesystem(over.clone()), partition(path, TableType::Mbr, halves(), true)]);
    booted
        .sh("for mine in /proc/[0-9]*; do [ \"$(tr '\\0' ' ' <$mine/cmdline)\" = 'sleep 600 ' ] && kill ${mine#/proc/}; done; true")
        .expect_ok();
    let _ = elsewhere.wait();
    for outcome in refused {
        assert!(outcome.failed().message.contains(" is in use: "), "{outcome:?}");
    }
    booted.sh(&format!("mount {first} /m && grep kept /m/file")).expect_ok();
    for operation in [
        Operation::MakeFilesystem(over.clone()),
        partition(path, TableType::Mbr, halves(), true),
        partition(path, TableType::Gpt, Layout::Remove, false),
    ] {
        let outcome = run(&booted, &[operation]).pop().unwrap();
        let failed = outcome.failed();
        assert!(failed.kind == Kind::Config && failed.message.contains("is mounted at /m"), "{failed:?}");
    }
    booted.sh("grep kept /m/file && umount /m").expect_ok();
    done(&booted, Operation::MakeFilesystem(over));
    assert_eq!(kind_of(&booted, &first), "new ext4");
    booted.sh(&format!("mount {first} /m && ! test -e /m/file && umount /m")).expect_ok();
    let replaced = MakeFilesystem { replaced: Some("ext4".into()), ..filesystem(path, FsPlace::Any, "ext3", "r") };
    done(&booted, Operation::MakeFilesystem(replaced));
    assert_eq!(kind_of(&booted, &first), "r ext3");

    done(&booted, partition(path, TableType::Gpt, Layout::Remove, false));
    assert_eq!(booted.sh(&format!("ls /sys/class/block | grep -c {}p || true; blkid -p {path}", &path[5..])).stdout, "0\n");
    let command = ["sh", "-c", "mkfs.%(filesystem)s -q -L %(label)s %(device)s"].map(str::to_owned).to_vec();
    done(&booted, Operation::MakeFilesystem(MakeFilesystem { command, ..filesystem(path, FsPlace::Any, "ext2", "own") }));
    assert_eq!(kind_of(&booted, path), "own ext2");
}

#[test]
fn a_partition_that_only_looks_empty_is_not_taken_for_a_free_one() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    for (at, (label, kinds)) in [
        ("gpt", "21686148-6449-6E6F-744E-656564454649 C12A7328-F81F-11D2-BA4B-00A0C93EC93B"),
        ("gpt", "9E1A2D38-C612-4316-AA26-8B49521E5A8B E3C9E316-0B5C-4DB8-817D-F92DF00215AE"),
        ("dos", "41 ef"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = format!("/var/tmp/{at}.img");
        let lines = kinds.split(' ').fold(String::new(), |lines, kind| lines + ",4M," + kind + "\n");
        booted.sh(&format!("truncate -s 64M {file} && printf 'label: {label}\n{lines},16M\n,16M\n' | sfdisk -q {file}")).expect_ok();
        let disk = Loop::new(&booted, &file, "64M");
        let part = |number: u32| format!("{}p{number}", disk.path);
        wait_until("the partitions' nodes", Duration::from_secs(10), || booted.sh(&format!("test -b {}", part(4))).ok());
        // What is wanted is looked for on all of them before one is made.
        booted.sh(&format!("mkfs.ext4 -q -L data {}", part(4))).expect_ok();
        let make = |kind: &str, label: &str| Operation::MakeFilesystem(filesystem(&disk.path, FsPlace::Auto, kind, label));
        assert!(done(&booted, make("ext4", "data")).satisfied_before);
        let made = done(&booted, make("ext4", "more"));
        assert_eq!(made.done().detail.as_deref(), Some(format!("made on {}", part(3)).as_str()));
        assert_eq!(kind_of(&booted, &part(1)) + &kind_of(&booted, &part(2)), "");
        let none = done(&booted, make("ext4", "third"));
        assert!(none.done().warnings[0].ends_with("no partition is free"), "{none:?}");
    }
}

#[test]
fn what_is_missing_is_said() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    let disk = Loop::new(&booted, "/var/tmp/disk.img", "64M");
    let outcomes = run(
        &booted,
        &[
            partition("/dev/vdz", TableType::Mbr, Layout::One, false),
            Operation::MakeFilesystem(filesystem(&disk.path, FsPlace::None, "xfs", "")),
            Operation::MakeFilesystem(filesystem("/etc/passwd", FsPlace::None, "ext4", "")),
        ],
    );
    assert!(
        outcomes[0].failed().message == "/dev/vdz is not there" && outcomes[0].said[0] == "waiting for /dev/vdz, 30 s at most",
        "{:?}",
        outcomes[0]
    );
    assert!(outcomes[0].seconds < 10.0, "the wait has an end");
    let tool = outcomes[1].failed();
    assert!(tool.message.contains("mkfs.xfs") && tool.hint.as_deref().unwrap().contains("xfsprogs"), "{tool:?}");
    assert_eq!(outcomes[2].failed().message, "/etc/passwd is no block device");
}

#[test]
fn a_filesystem_that_a_cut_left_half_made_is_made_anew_and_only_that() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    let disk = Loop::new(&booted, "/var/tmp/disk.img", "64M");
    let make = Operation::MakeFilesystem(filesystem(&disk.path, FsPlace::None, "ext4", "data"));
    // Its superblock is there, the rest is not: what a power cut may leave.
    let half =
        format!("mkfs.ext4 -q -L data {0} && dd if=/dev/urandom of={0} bs=4096 seek=1 count=200 conv=notrunc 2>/dev/null", disk.path);
    booted.sh(&half).expect_ok();
    assert!(!booted.sh(&format!("e2fsck -fn {}", disk.path)).ok());
    assert!(done(&booted, make.clone()).satisfied_before, "nobody's step had begun it");
    assert!(!booted.sh(&format!("e2fsck -fn {}", disk.path)).ok());
    let begun = |held: Option<&str>, identity: &str| Prior::Disk {
        device: disk.path.clone(),
        held: held.map(str::to_owned),
        identity: identity.into(),
        uuid: None,
    };
    // Another disk has its name now, or it has been used since: what it holds stays.
    let over = MakeFilesystem { overwrite: true, ..filesystem(&disk.path, FsPlace::None, "ext4", "data") };
    for operation in [Operation::MakeFilesystem(over), partition(&disk.path, TableType::Gpt, halves(), true)] {
        let refused = resume(&booted, operation, begun(None, "0+8192 another"));
        assert!(refused.failed().message.contains("is another device than before the interruption"), "{refused:?}");
    }
    assert!(!booted.sh(&format!("e2fsck -fn {}", disk.path)).ok());
    const UUID: &str = "0a1b2c3d-0000-4000-8000-000000000001";
    let with_uuid = || Prior::Disk { device: disk.path.clone(), held: None, identity: "0+131072".into(), uuid: Some(UUID.into()) };
    // Somebody may have made it by hand meanwhile, of another kind or of the same; a command says nothing of what it makes.
    let other = filesystem(&disk.path, FsPlace::None, "ext3", "data");
    let command = vec!["mkfs.ext4".to_owned(), "-F".into(), "%(device)s".into()];
    let by_command = MakeFilesystem { command, ..filesystem(&disk.path, FsPlace::None, "ext4", "data") };
    for operation in [Operation::MakeFilesystem(other), make.clone(), Operation::MakeFilesystem(by_command)] {
        let refused = resume(&booted, operation, with_uuid());
        assert!(refused.failed().message.contains("holds ext4 that this step has not made: it is left as it is"), "{refused:?}");
    }
    assert_eq!(kind_of(&booted, &disk.path), "data ext4");
    assert!(!booted.sh(&format!("e2fsck -fn {}", disk.path)).ok());
    booted.sh(&half.replace("mkfs.ext4", &format!("mkfs.ext4 -F -U {UUID}"))).expect_ok();
    let outcome = resumed(&booted, make, with_uuid());
    assert!(!outcome.satisfied_before);
    booted.sh(&format!("e2fsck -fn {}", disk.path)).expect_ok();
    assert_eq!(booted.sh(&format!("blkid -p -o value -s UUID {}", disk.path)).stdout.trim(), UUID);
    // Chosen when the intent is recorded, and given to mkfs.
    booted.sh(&format!("wipefs -aq {}", disk.path)).expect_ok();
    for kind in ["ext4", "swap"] {
        booted.sh(&format!("wipefs -aq {}", disk.path)).expect_ok();
        let made = done(&booted, Operation::MakeFilesystem(filesystem(&disk.path, FsPlace::None, kind, "L")));
        let Prior::Disk { uuid: Some(uuid), .. } = &made.prior else { panic!("{made:?}") };
        let found = booted.sh(&format!("blkid -p -o value -s UUID {}", disk.path)).stdout.trim().to_lowercase();
        assert_eq!(found.replace('-', ""), uuid.replace('-', ""), "{kind}");
    }
    booted.sh(&format!("mkfs.ext4 -qF {}", disk.path)).expect_ok();
    // A table that a cut kept from being written.
    let parted = partition(&disk.path, TableType::Gpt, halves(), true);
    resumed(&booted, parted, begun(Some("ext4"), "0+131072"));
    assert!(booted.sh(&format!("sfdisk --verify {}", disk.path)).ok());
    // Without `overwrite` a table with nothing in it is the cut step's own, or else stays; one with something in it always stays.
    let share = || Share { percent: "30".into(), kind: None };
    let thirds = partition(&disk.path, TableType::Gpt, Layout::Shares(vec![share(), share(), share()]), false);
    let count = || booted.sh(&format!("sfdisk --dump {} | grep -c start=", disk.path)).stdout;
    done(&booted, thirds.clone());
    assert_eq!(count(), "2\n");
    resumed(&booted, thirds, begun(None, "0+131072"));
    assert_eq!(count(), "3\n");
    booted.sh(&format!("mkfs.ext4 -q {}p3", disk.path)).expect_ok();
    resumed(&booted, partition(&disk.path, TableType::Gpt, halves(), false), begun(None, "0+131072"));
    assert_eq!(count(), "3\n");
}

#[test]
fn the_power_goes_while_a_disk_is_set_up_and_it_ends_whole() {
    let Some(lab) = Lab::require() else { return };
    // Thousandths of what it takes uncut, after the first, which is not cut.
    let mut whole = Duration::ZERO;
    for cut in [None, Some(150_u32), Some(400), Some(650), Some(900)] {
        let (host, booted) = booted(lab, Disk::Ext4Upper);
        let first = Loop::new(&booted, "/srv/disk.img", "96M");
        let operations = |path: &str| {
            vec![
                partition(path, TableType::Gpt, halves(), false),
                Operation::MakeFilesystem(filesystem(path, FsPlace::Number(1), "ext4", "data")),
                Operation::SwapFile { path: "/swap.img".into(), size: Some(8 << 20), most: None },
            ]
        };
        let command = durable_command(&booted, &operations(&first.path));
        booted.sh("sync").expect_ok();
        let start = std::time::Instant::now();
        let mut running = booted.command(&command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        match cut {
            Some(cut) => std::thread::sleep(whole * cut / 1000),
            None => {
                assert!(running.wait().unwrap().success());
                whole = start.elapsed();
            }
        }
        booted.power_cut();
        let _ = running.wait();
        drop(first);
        let booted = host.boot(BootOptions::default());
        booted.wait_running();
        let again = Loop::new(&booted, "/srv/disk.img", "96M");
        // The loop device may have another number now; the intent names it.
        let intent = booted.sh("cat /var/lib/landfall/test/1.intent 2>/dev/null").stdout;
        let intents = "sed -i 's#/dev/loop[0-9]*#'$1'#' /var/lib/landfall/test/*.intent 2>/dev/null; true";
        booted.exec(&["sh", "-c", intents, "sh", &again.path]).expect_ok();
        booted.sh(&format!("sed -i 's#\\({0}\\)\"#\\1p1\"#' /var/lib/landfall/test/1.intent 2>/dev/null; true", again.path));
        let left = booted.sh("ls /var/lib/landfall/test 2>/dev/null").stdout.replace('\n', " ");
        let output = booted.exec_with(&durable_command(&booted, &operations(&again.path)), b"", Duration::from_secs(120));
        println!("cut at {cut:?} of {whole:?}: {left}{intent}");
        assert!(output.ok(), "{} {}", output.stdout, output.stderr);
        for outcome in outcomes(&output.stdout) {
            outcome.done();
        }
        booted.sh(&format!("e2fsck -fn {0}p1 && sfdisk --verify {0}", again.path)).expect_ok();
        assert_eq!(kind_of(&booted, &format!("{}p1", again.path)), "data ext4");
        assert_eq!(booted.sh("stat -c '%s %a' /swap.img && blkid -p -o value -s TYPE /swap.img").expect_ok(), "8388608 600\nswap\n");
        drop(again);
        booted.shutdown();
    }
}

#[test]
fn partitions_grow_into_the_room_behind_them_and_only_then() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    for (at, label) in ["dos", "gpt"].into_iter().enumerate() {
        let file = format!("/var/tmp/{label}.img");
        booted
            .sh(&format!("truncate -s 32M {file} && printf 'label: {label}\\n,8M\\n,8M\\n' | sfdisk -q {file} && truncate -s 96M {file}"))
            .expect_ok();
        let disk = Loop::new(&booted, &file, "96M");
        let second = format!("{}p2", disk.path);
        wait_until("the partition's node", Duration::from_secs(10), || booted.sh(&format!("test -b {second}")).ok());
        booted.sh(&format!("mkfs.ext4 -q {second} && mkdir -p /g{at} && mount {second} /g{at} && echo kept >/g{at}/file")).expect_ok();
        let grow = |device: &str| Operation::GrowPartition { device: device.into(), even_if_disabled: false };
        assert!(done(&booted, grow(&format!("{}p1", disk.path))).satisfied_before, "there is no room behind it");
        assert!(done(&booted, grow(&disk.path)).satisfied_before, "it is no partition");
        booted.sh("touch /etc/growroot-disabled").expect_ok();
        assert!(done(&booted, grow(&second)).satisfied_before, "it is forbidden");
        booted.sh("rm /etc/growroot-disabled").expect_ok();
        let grown = done(&booted, grow(&format!("/g{at}")));
        assert!(!grown.satisfied_before && grown.satisfied_after, "{grown:?}");
        assert!(grown.done().detail.as_deref().unwrap().starts_with(&format!("{second} has grown from 8.0 MiB to ")), "{grown:?}");
        let sectors: u64 = booted.sh(&format!("cat /sys/class/block/{}/size", &second[5..])).expect_ok().trim().parse().unwrap();
        assert!(sectors * 512 > 70 << 20, "{sectors}");
        assert!(done(&booted, grow(&second)).satisfied_before);
        if label == "dos" {
            // Such a table reaches no further than 2 TiB, however large the disk is.
            booted.sh("truncate -s 32M /var/tmp/large.img && printf 'label: dos\\n,8M\\n' | sfdisk -q /var/tmp/large.img").expect_ok();
            booted.sh("truncate -s 3T /var/tmp/large.img").expect_ok();
            let large = Loop::new(&booted, "/var/tmp/large.img", "3T");
            let first = format!("{}p1", large.path);
            wait_until("the partition's node", Duration::from_secs(10), || booted.sh(&format!("test -b {first}")).ok());
            assert!(!done(&booted, grow(&first)).satisfied_before);
            assert!(done(&booted, grow(&first)).satisfied_before, "it would be tried at every boot");
            assert_eq!(booted.sh(&format!("cat /sys/class/block/{}/size", &first[5..])).expect_ok().trim(), "4294965247");
        }
        booted
            .sh(&format!(
                "sfdisk --verify {} && grep kept /g{at}/file && umount /g{at} && e2fsck -fp {second} && resize2fs {second}",
                disk.path
            ))
            .expect_ok();
    }
}

#[test]
fn the_root_filesystem_grows_to_its_device_while_the_host_runs() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Ext4Whole);
    assert!(done(&booted, Operation::GrowFilesystem).satisfied_before, "its device is not to be seen in the host, as in a container");
    let device = booted.sh("findmnt -n -o SOURCE /").expect_ok().trim().to_owned();
    let number = device.strip_prefix("/dev/loop").expect("on a loop device");
    booted.sh(&format!("mknod {device} b 7 {number}")).expect_ok();
    assert!(done(&booted, Operation::GrowFilesystem).satisfied_before, "it fills its device");
    let backing = std::fs::read_to_string(format!("/sys/block/loop{number}/loop/backing_file")).unwrap();
    let image = std::fs::OpenOptions::new().write(true).open(backing.trim()).unwrap();
    let size = image.metadata().unwrap().len();
    image.write_at(&[0], size + (64 << 20) - 1).unwrap();
    booted.sh(&format!("losetup -c {device}")).expect_ok();
    let outcome = run(&booted, &[Operation::GrowFilesystem]).pop().unwrap();
    if booted.sh("setpriv --dump | grep -q 'bounding.*sys_resource'").ok() {
        let detail = outcome.done().detail.as_deref().unwrap();
        assert!(outcome.satisfied_after && detail.starts_with("the root filesystem has grown to "), "{detail}");
    } else {
        // The kernel wants a right for it that this machine has not got to give; `tests/vm` sees it done.
        let failed = outcome.failed();
        assert!(failed.kind == Kind::Exec && failed.output.join(" ").contains("Permission denied to resize"), "{failed:?}");
    }
}

/// A host's other root, which processes are put into.
struct Inside<'b>(&'b Booted, &'static str);

impl Target for Inside<'_> {
    fn exec(&self, command: &[&str]) -> Output {
        self.0.exec(&[&["chroot", self.1], command].concat())
    }
    fn put(&self, path: &str, content: &[u8], mode: u32) {
        self.0.put(path, content, mode);
    }
    fn has(&self, path: &str) -> bool {
        self.0.has(path)
    }
}

#[test]
fn roots_of_other_filesystems_grow_too() {
    let Some(lab) = Lab::require() else { return };
    let host = lab.host(Release::Trixie, Disk::Directory);
    host.lend_programs(Path::new("/"), &["/usr/sbin/mkfs.xfs", "/usr/sbin/xfs_growfs", "/usr/sbin/mkfs.btrfs", "/usr/bin/btrfs"]);
    let booted = host.boot(BootOptions::default());
    booted.wait_running();
    let known = std::fs::read_to_string("/proc/filesystems").unwrap();
    for (kind, root) in [("xfs", "/xfs"), ("btrfs", "/btrfs")] {
        if !known.lines().any(|line| line.trim() == kind) {
            println!("closing: operations: this kernel has no {kind}, whose growth was not seen");
            continue;
        }
        let file = format!("/var/tmp/{kind}.img");
        let disk = Loop::new(&booted, &file, "400M");
        // Its programs are the host's; what is said into /var/tmp is seen by both.
        booted
            .sh(&format!(
                "mkfs.{kind} -q -f {disk} && mkdir {root} && mount {disk} {root} && cd {root} && mkdir -p usr proc sys dev var/tmp etc &&
                 for shared in usr proc sys dev var/tmp; do mount --rbind /$shared $shared || exit 1; done &&
                 for link in bin sbin lib lib64; do ln -s usr/$link $link || exit 1; done; echo kept >file",
                disk = disk.path
            ))
            .expect_ok();
        let inside = Inside(&booted, root);
        assert!(done(&inside, Operation::GrowFilesystem).satisfied_before, "{kind} fills its device");
        booted.sh(&format!("truncate -s 800M {file} && losetup -c {}", disk.path)).expect_ok();
        let grown = done(&inside, Operation::GrowFilesystem);
        assert!(!grown.satisfied_before && grown.satisfied_after, "{kind}: {grown:?}");
        assert_eq!(grown.done().detail.as_deref(), Some("the root filesystem has grown to 800.0 MiB"));
        assert!(done(&inside, Operation::GrowFilesystem).satisfied_before, "{kind} would grow at every boot");
        let size = booted.sh(&format!("df -m --output=size {root} | tail -n 1")).expect_ok();
        assert!(size.trim().parse::<u64>().unwrap() > 700, "{kind}: {size} MiB");
        assert_eq!(booted.sh(&format!("cat {root}/file && umount -R {root}")).expect_ok(), "kept\n");
    }
}

fn fstab(entries: &[[Option<&str>; 6]]) -> Fstab {
    let entries = entries.iter().map(|entry| MountFields(entry.map(|field| field.unwrap_or_default().to_owned()))).collect();
    Fstab { entries, if_there: Vec::new(), adds: false, aliases: Default::default(), swap_file: None }
}

#[test]
fn fstab_is_written_its_lines_are_mounted_and_one_bad_line_does_not_lose_the_others() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    let before = "# root\n/dev/sdz1 /old ext4 defaults 0 0\n/dev/gone /gone ext4 noauto,comment=cloudconfig 0 0\n";
    booted.files().write("/etc/fstab", before, 0o644);
    let disk = Loop::new(&booted, "/var/tmp/disk.img", "16M");
    booted.sh(&format!("mkfs.ext4 -q {}", disk.path)).expect_ok();
    let line = |device, point, kind, options| [Some(device), Some(point), Some(kind), Some(options), Some("0"), Some("2")];
    let wanted = Fstab {
        aliases: [("data".to_owned(), disk.path.clone())].into(),
        ..fstab(&[
            line("data", "/with space", "auto", "defaults"),
            line("/dev/none", "/none", "ext4", "nofail"),
            line("tmpfs", "/t", "no-such-type", "defaults"),
            line("tmpfs", "/t2", "tmpfs", "size=1M"),
            line("tmpfs", "/t5", "odd", "defaults"),
            line("nas:/x", "/nas", "nfs", "soft"),
            line("vdz", "/cancelled", "auto", "defaults"),
            [Some("vdz"), None, Some("auto"), Some("defaults"), Some("0"), Some("2")],
        ])
    };
    let written = done(&booted, Operation::Fstab(wanted.clone()));
    let text = booted.files().read("/etc/fstab");
    let expected = format!(
        "# root\n/dev/sdz1 /old ext4 defaults 0 0\n{}\t/with\\040space\tauto\tdefaults,comment=cloudconfig\t0\t2\n\
         /dev/none\t/none\text4\tnofail,comment=cloudconfig\t0\t2\ntmpfs\t/t\tno-such-type\tdefaults,comment=cloudconfig\t0\t2\n\
         tmpfs\t/t2\ttmpfs\tsize=1M,comment=cloudconfig\t0\t2\ntmpfs\t/t5\todd\tdefaults,comment=cloudconfig\t0\t2\nnas:/x\t/nas\tnfs\tsoft,comment=cloudconfig\t0\t2\n",
        disk.path
    );
    assert_eq!(text, expected);
    assert!(done(&booted, Operation::Fstab(wanted.clone())).satisfied_before);
    // A phase has lines of its own.
    let added = Fstab { adds: true, ..fstab(&[line("tmpfs", "/t3", "tmpfs", "size=1M,noauto")]) };
    let second = done(&booted, Operation::Fstab(added.clone()));
    assert_eq!(booted.files().read("/etc/fstab"), expected + "tmpfs\t/t3\ttmpfs\tsize=1M,noauto,comment=cloudconfig\t0\t2\n");
    assert!(done(&booted, Operation::Fstab(added)).satisfied_before);
    undone(&booted, second.prior);
    assert!(done(&booted, Operation::Fstab(wanted)).satisfied_before);
    assert!(written.done().warnings.iter().any(|note| note.contains("/dev/gone /gone`")), "{written:?}");
    // One for the same mount point takes the place of the earlier one.
    let changed = Fstab { adds: true, ..fstab(&[line("tmpfs", "/t2", "tmpfs", "size=2M")]) };
    let third = done(&booted, Operation::Fstab(changed));
    let text = booted.files().read("/etc/fstab");
    assert!(text.contains("size=2M") && !text.contains("/t2\ttmpfs\tsize=1M") && text.contains("/nas"), "{text}");
    assert_eq!(third.done().warnings.len(), 1, "{third:?}");
    undone(&booted, third.prior);
    // Somebody else is first with one of them, and mount(8) fails.
    booted.files().write("/sbin/mount.odd", "#!/bin/sh\nmount -i -t tmpfs none \"$2\"\nexit 32\n", 0o755);
    let outcome = run(&booted, &[Operation::MountFstab { remote: false, swap_file: None }]).pop().unwrap();
    let failed = outcome.failed();
    assert!(failed.message.contains("/t ") || failed.message.contains("at /t"), "{failed:?}");
    assert!(!["/none", "nas:", "/t5"].iter().any(|other| failed.message.contains(other)), "{failed:?}");
    booted.sh("mountpoint '/with space' && mountpoint /t5 && mountpoint /t2 && ! mountpoint -q /nas").expect_ok();
    undone(&booted, written.prior);
    assert_eq!(booted.files().read("/etc/fstab"), before);
    let foreign = [before.as_bytes(), b"# gr\xfc\xdfe\n"].concat();
    booted.put("/etc/fstab", &foreign, 0o644);
    let refused = run(&booted, &[Operation::Fstab(fstab(&[line("tmpfs", "/t4", "tmpfs", "size=1M")]))]).pop().unwrap();
    assert!(refused.failed().message.contains("is not UTF-8"), "{refused:?}");
    booted.sh("grep -c $(printf 'gr\\374\\337e') /etc/fstab").expect_ok();
    booted.sh("umount '/with space' /t2 /t5").expect_ok();
}

#[test]
fn a_swap_file_is_made_kept_and_taken_away_and_a_file_of_somebody_elses_stays() {
    let Some(lab) = Lab::require() else { return };
    let (_host, booted) = booted(lab, Disk::Directory);
    let swap = |path: &str, size| Operation::SwapFile { path: path.into(), size, most: Some(4 << 20) };
    let made = done(&booted, swap("/new/swap.img", None));
    assert!(made.satisfied_after && made.done().detail.as_deref() == Some("/new/swap.img has 4.0 MiB"), "{made:?}");
    assert_eq!(booted.sh("stat -c '%s %a' /new/swap.img").expect_ok(), "4194304 600\n");
    assert!(done(&booted, swap("/new/swap.img", Some(8 << 20))).satisfied_before, "swap that is there is kept");
    let tmpfs = [Some("tmpfs"), Some("/t"), Some("tmpfs"), Some("size=1M"), Some("0"), Some("0")];
    let with_swap = Fstab { swap_file: Some("/new/swap.img".into()), ..fstab(&[tmpfs]) };
    done(&booted, Operation::Fstab(with_swap.clone()));
    assert_eq!(booted.sh("grep -c swap.img /etc/fstab").expect_ok(), "1\n");
    assert!(done(&booted, Operation::Fstab(with_swap)).satisfied_before, "the line stands there once");
    // What a cut left of it is made anew.
    booted.sh("truncate -s 1M /new/swap.img").expect_ok();
    resumed(&booted, swap("/new/swap.img", None), made.prior.clone());
    assert_eq!(booted.sh("stat -c '%s' /new/swap.img").expect_ok(), "4194304\n");
    undone(&booted, made.prior);
    assert!(!booted.files().exists("/new/swap.img"));
    booted.files().write("/srv/mine", "mine\n", 0o644);
    let outcome = run(&booted, &[swap("/srv/mine", Some(4 << 20))]).pop().unwrap();
    assert!(outcome.failed().message.contains("holds something else than swap"), "{outcome:?}");
    assert_eq!(booted.files().read("/srv/mine"), "mine\n");
}
