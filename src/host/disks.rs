//! Disks, partitions and what is on them, by sysfs, mountinfo and blkid(8).

use std::io;
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use super::process::Spec;
use super::sync::Mount;
use super::usage::kib_of_status;
use super::{signals, Host};
use crate::error::{Failure, Kind};
use crate::ordered::sort_by_key;

const BLOCK: &str = "/sys/class/block";
/// Bytes of a sector as sysfs counts them, whatever the disk has.
pub const SECTOR: u64 = 512;
/// A device that is not there is waited for as long, where udev is still at work.
const DEVICE_WAIT: Duration = Duration::from_secs(30);
/// And as long where it is not.
const SHORT_WAIT: Duration = Duration::from_secs(3);

/// A block device, by the kernel's name of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `vda1`.
    pub name: String,
    /// Sectors.
    pub size: u64,
    /// The disk it is a partition of, its number, and its first sector.
    pub partition: Option<(String, u32, u64)>,
}

impl Block {
    /// `/dev/vda1`.
    pub fn path(&self) -> String {
        path_of(&self.name)
    }
}

fn path_of(name: &str) -> String {
    format!("/dev/{}", name.replace('!', "/"))
}

/// What blkid finds on a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Kind of filesystem, swap, or whatever holds a volume.
    pub kind: String,
    /// Its label.
    pub label: String,
    /// Kind of partition table.
    pub table: String,
    /// What it is known by, of the filesystem.
    pub uuid: String,
    /// Of a partition: its type in the table.
    pub partition_type: String,
}

impl Content {
    /// What it is, in a word; `None` for nothing.
    pub fn word(&self) -> Option<&str> {
        [&self.kind, &self.table].into_iter().find(|word| !word.is_empty()).map(String::as_str)
    }
}

impl Host {
    fn attribute(&self, name: &str, attribute: &str) -> Option<u64> {
        self.read_text(&format!("{BLOCK}/{name}/{attribute}")).ok()??.trim().parse().ok()
    }

    /// The block device behind a path, links followed.
    pub fn block_of(&self, path: &str) -> Option<Block> {
        let real = self.follow(path).ok()?;
        self.exists(&real).then(|| self.block(&real.strip_prefix("/dev/")?.replace('/', "!"))).flatten()
    }

    /// The block device that the kernel calls so.
    pub fn block(&self, name: &str) -> Option<Block> {
        let size = self.attribute(name, "size")?;
        let partition = self.attribute(name, "partition").and_then(|number| {
            let target = self.link_target(&format!("{BLOCK}/{name}")).ok()??;
            let disk = target.rsplit('/').nth(1)?.to_owned();
            Some((disk, u32::try_from(number).ok()?, self.attribute(name, "start")?))
        });
        Some(Block { name: name.to_owned(), size, partition })
    }

    /// The block device of a mount; `None` where there is none to be seen, as in most containers.
    pub fn block_of_mount(&self, mount: &Mount) -> Option<Block> {
        if !mount.source.starts_with("/dev/") {
            return None;
        }
        let by_number = self.link_target(&format!("/sys/dev/block/{}", mount.device)).ok().flatten();
        let named = by_number.and_then(|target| self.block(target.rsplit('/').next()?));
        let block = named.or_else(|| self.block_of(&mount.source))?;
        self.exists(&block.path()).then_some(block)
    }

    /// The device that an open LUKS volume is on; `None` for everything else.
    pub fn encrypted_on(&self, volume: &Block) -> Option<Block> {
        let kind = self.read_text(&format!("{BLOCK}/{}/dm/uuid", volume.name)).ok()??;
        let below = self.list(&format!("{BLOCK}/{}/slaves", volume.name)).ok()?;
        match below.as_slice() {
            [only] if kind.starts_with("CRYPT-LUKS") => self.block(only),
            _ => None,
        }
    }

    /// The ZFS pool that a mount is of; `None` where it is of none, or the kernel cannot be asked, as in containers.
    pub fn pool_of_mount<'m>(&self, mount: &'m Mount) -> Option<&'m str> {
        let is_zfs = mount.kind == "zfs" && self.exists("/dev/zfs");
        is_zfs.then(|| mount.source.split('/').next()).flatten().filter(|pool| !pool.is_empty())
    }

    /// What is mounted at a path, if anything is.
    pub fn mounted_at(&self, point: &str) -> Option<Mount> {
        let same = |mount: &Mount| mount.point == std::path::Path::new(point);
        self.mounts().ok()?.into_iter().rev().find(same)
    }

    /// Partitions of a disk, in the order of their first sectors.
    pub fn partitions(&self, disk: &str) -> Vec<Block> {
        let names = self.list(&format!("{BLOCK}/{disk}")).unwrap_or_default();
        let mut found: Vec<Block> = names.iter().filter(|name| name.starts_with(disk)).filter_map(|name| self.block(name)).collect();
        found.retain(|block| block.partition.is_some());
        sort_by_key(&mut found, |block| block.partition.as_ref().map(|(_, _, start)| *start));
        found
    }

    /// Sectors behind a partition that nothing has.
    pub fn room_behind(&self, block: &Block) -> u64 {
        let Some((disk, _, start)) = &block.partition else { return 0 };
        let end = start + block.size;
        let starts = self.partitions(disk).into_iter().filter_map(|other| other.partition.map(|(_, _, start)| start));
        let limit = starts.filter(|start| *start >= end).min().or_else(|| self.attribute(disk, "size"));
        limit.unwrap_or(end).saturating_sub(end)
    }

    /// What tells a device from others also when the kernel calls it by another name: size, place, and what its maker says of it.
    pub fn identity_of(&self, block: &Block) -> String {
        let (disk, start) = block.partition.as_ref().map_or((&block.name, 0), |(disk, _, start)| (disk, *start));
        let said = |attribute: &&str| Some(self.read_text(&format!("{BLOCK}/{disk}/{attribute}")).ok()??.trim().to_owned());
        let mut said: Vec<String> = ["wwid", "device/wwid", "serial", "device/serial"].iter().filter_map(said).collect();
        if said.is_empty() {
            // Disks that are equal are told by where they are attached.
            let device = format!("{BLOCK}/{disk}/device");
            said.extend(self.exists(&device).then(|| self.follow(&device).ok()).flatten());
        }
        format!("{start}+{} {}", block.size, said.join(" ")).trim_end().to_owned()
    }

    /// Sectors of a disk as its own size of them has it.
    pub fn own_sectors(&self, block: &Block) -> u64 {
        let size = self.attribute(&block.name, "queue/logical_block_size").unwrap_or(SECTOR).max(SECTOR);
        block.size * SECTOR / size
    }

    /// Where a device or one of its partitions is mounted, swapped to, or held by another one.
    pub fn use_of(&self, block: &Block) -> io::Result<Option<String>> {
        let mounts = self.mounts()?;
        let swaps = self.read_text("/proc/swaps")?.unwrap_or_default();
        let all: Vec<Block> = std::iter::once(block.clone()).chain(self.partitions(&block.name)).collect();
        for one in &all {
            let number = self.read_text(&format!("{BLOCK}/{}/dev", one.name))?.unwrap_or_default();
            let path = one.path();
            if let Some(mount) = mounts.iter().find(|mount| mount.device == number.trim() || mount.source == path) {
                return Ok(Some(format!("{path} is mounted at {}", mount.point.display())));
            }
            if swaps.lines().any(|line| line.split_whitespace().next() == Some(&path)) {
                return Ok(Some(format!("{path} is swapped to")));
            }
            if let Some(holder) = self.list(&format!("{BLOCK}/{}/holders", one.name))?.first() {
                return Ok(Some(format!("{path} is part of {}", path_of(holder))));
            }
        }
        // The kernel knows more: mounts of other namespaces, filesystems and volumes of several devices.
        for path in all.iter().map(Block::path) {
            let is_busy = |_| self.is_busy(&path) && (signals::sleep(Duration::from_millis(100)), true).1;
            // A tool that only looks may have it for a moment.
            if (0..5).all(is_busy) {
                return Ok(Some(format!("{path} is in use")));
            }
        }
        Ok(None)
    }

    /// What is on a device.
    ///
    /// # Errors
    /// It cannot be read, or is no block device.
    pub fn content_of(&self, path: &str) -> Result<Content, Failure> {
        let mut device = self.open_device(path).map_err(|error| Failure::io(path, &error))?;
        // blkid says the same of a device that cannot be read as of an empty one.
        device.read_at(0, &mut [0; 512]).map_err(|error| Failure::io(format!("read {path}"), &error))?;
        let ended = self.run(&Spec::new(["blkid", "-p", "-o", "export", path]).deadline(Duration::from_secs(60)))?;
        let value = |name: &str| {
            let line = ended.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().replace('\\', "")
        };
        match ended.code {
            0 => Ok(Content {
                kind: value("TYPE"),
                label: value("LABEL"),
                table: value("PTTYPE"),
                uuid: value("UUID"),
                partition_type: value("PART_ENTRY_TYPE"),
            }),
            2 => Ok(Content::default()),
            8 => Ok(Content { kind: "more than one kind of data".into(), ..Content::default() }),
            _ => Err(ended.failure(&format!("look at what is on {path}"))),
        }
    }

    /// Waits until a block device is there, as long as one may come.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_for_block(&self, path: &str, say: &dyn Fn(&str)) -> Result<Block, Failure> {
        let start = Instant::now();
        let mut told = false;
        loop {
            if let Some(block) = self.block_of(path) {
                return Ok(block);
            }
            let limit = if self.awaits_devices() { DEVICE_WAIT } else { SHORT_WAIT };
            if start.elapsed() >= limit || signals::stop_requested().is_some() || !self.is_live() {
                let what = if self.exists(path) { "is no block device" } else { "is not there" };
                let failure = Failure::new(Kind::NotFound, format!("{path} {what}"));
                return Err(failure.hint("`lsblk` shows the devices; correct the name or attach the disk, then `landfall resume`"));
            }
            if !told {
                say(&format!("waiting for {path}, {} s at most", DEVICE_WAIT.as_secs()));
                told = true;
            }
            signals::sleep(Duration::from_millis(100));
        }
    }

    /// Whether a file is one that can be swapped to: mkswap has written its last bytes last.
    pub fn is_swap_file(&self, path: &str) -> bool {
        let page = u32::try_from(nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096)).unwrap_or(4096);
        let is_file = self.status(path).ok().flatten().is_some_and(|status| status.kind == super::files::FileKind::File);
        is_file && self.read_range(path, page - 10, 10).is_ok_and(|bytes| bytes == b"SWAPSPACE2")
    }

    /// Bytes of memory that the kernel counts.
    pub fn kernel_memory(&self) -> io::Result<u64> {
        let text = self.read_text("/proc/meminfo")?.unwrap_or_default();
        Ok(kib_of_status(&text, "MemTotal:").map_or(0, |kibibytes| kibibytes << 10))
    }

    /// What the filesystem of a directory is.
    pub fn kind_of_filesystem(&self, directory: &str) -> Option<String> {
        let real = self.real_path(&self.follow(directory).ok()?);
        let mounts = self.mounts().ok()?.into_iter().filter(|mount| real.starts_with(&mount.point));
        mounts.max_by_key(|mount| mount.point.components().count()).map(|mount| mount.kind)
    }

    /// Makes a file of so many bytes that only root reads, every one of which has its place on the disk. `begun` is told while it is
    /// empty.
    ///
    /// # Errors
    /// There is no room, there is something, or `begun` says so.
    pub fn allocate(&self, path: &str, bytes: u64, begun: &mut dyn FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
        use std::io::Write as _;
        let failed = |error: &io::Error| Failure::io(format!("make {path}"), error);
        let place = self.walk(path, super::walk::Links::AnyButLast).map_err(|error| failed(&error))?;
        let flags = nix::fcntl::OFlag::O_WRONLY | nix::fcntl::OFlag::O_CREAT | nix::fcntl::OFlag::O_EXCL;
        let mut file = place.open(flags, 0o600).map_err(|error| failed(&error))?;
        begun()?;
        let length = i64::try_from(bytes).unwrap_or(i64::MAX);
        match nix::fcntl::fallocate(&file, nix::fcntl::FallocateFlags::empty(), 0, length) {
            Ok(()) => return Ok(()),
            Err(nix::errno::Errno::EOPNOTSUPP) => {}
            Err(errno) => return Err(failed(&errno.into())),
        }
        let zeros = vec![0; 1 << 20];
        for _ in 0..bytes >> 20 {
            file.write_all(&zeros).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Bytes that a mounted filesystem has of its device; `None` where its kind is not known.
    pub fn filesystem_size(&self, device: &str, mount: &Mount) -> io::Result<Option<u64>> {
        let mut open = self.open_device(device)?;
        let mut read = |offset: u64, bytes: &mut [u8]| open.read_at(offset, bytes);
        let (mut four, mut eight) = ([0; 4], [0; 8]);
        Ok(match mount.kind.as_str() {
            "ext2" | "ext3" | "ext4" => {
                read(1024 + 0x4, &mut four)?;
                let low = u64::from(u32::from_le_bytes(four));
                read(1024 + 0x150, &mut four)?;
                let high = u64::from(u32::from_le_bytes(four));
                read(1024 + 0x18, &mut four)?;
                let shift = u32::from_le_bytes(four).min(20);
                read(1024 + 0x60, &mut four)?;
                let has_high = u32::from_le_bytes(four) & 0x80 != 0;
                Some((low + if has_high { high << 32 } else { 0 }) * (1024 << shift))
            }
            "xfs" => {
                // The superblock on the device stays as it was until the filesystem is unmounted (measured with Linux 6.18). What
                // statfs(2) counts leaves out a log inside, which never grows.
                read(48, &mut eight)?;
                read(96, &mut four)?;
                let log = if u64::from_be_bytes(eight) == 0 { 0 } else { u64::from(u32::from_be_bytes(four)) };
                let now = statvfs(&self.root().join(mount.point.strip_prefix("/").unwrap_or(&mount.point)))?;
                Some((now.blocks() + log) * now.fragment_size())
            }
            "btrfs" => {
                read(0x1_00d1, &mut eight)?;
                Some(u64::from_le_bytes(eight))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk of 10,000 sectors with two partitions, as sysfs shows it.
    fn disk() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        let write = |path: &str, text: &str| {
            let real = dir.path().join(path);
            std::fs::create_dir_all(real.parent().expect("parent")).expect("directories");
            std::fs::write(real, text).expect("write");
        };
        write("sys/devices/vda/size", "10000\n");
        for (number, start, size) in [(1, 2048, 1000), (2, 4096, 2000)] {
            for (name, value) in [("partition", number), ("start", start), ("size", size)] {
                write(&format!("sys/devices/vda/vda{number}/{name}"), &format!("{value}\n"));
            }
            write(&format!("dev/vda{number}"), "");
        }
        write("dev/vda", "");
        std::fs::create_dir_all(dir.path().join(&BLOCK[1..])).expect("directory");
        for (name, target) in [("vda", "vda"), ("vda1", "vda/vda1"), ("vda2", "vda/vda2")] {
            std::os::unix::fs::symlink(format!("../../devices/{target}"), dir.path().join(&BLOCK[1..]).join(name)).expect("link");
        }
        let host = Host::rooted(dir.path());
        (dir, host)
    }

    #[test]
    fn partitions_and_the_room_behind_them_are_told_by_sysfs() {
        let (dir, host) = disk();
        let first = host.block_of("/dev/vda1").expect("a partition");
        assert_eq!(first.partition, Some(("vda".to_owned(), 1, 2048)));
        assert_eq!(host.room_behind(&first), 4096 - 3048);
        assert_eq!(host.room_behind(&host.block("vda2").expect("a partition")), 10000 - 6096);
        assert_eq!(host.room_behind(&host.block("vda").expect("a disk")), 0);
        assert_eq!(host.partitions("vda").len(), 2);
        assert_eq!(host.block_of("/dev/vdb"), None);
        assert_eq!(host.identity_of(&first), "2048+1000");
        std::fs::create_dir(dir.path().join("sys/devices/port-3")).expect("directory");
        std::os::unix::fs::symlink("../port-3", dir.path().join("sys/devices/vda/device")).expect("link");
        assert_eq!(host.identity_of(&first), "2048+1000 /sys/devices/port-3");
        std::fs::write(dir.path().join("sys/devices/vda/serial"), "disk-7\n").expect("write");
        assert_eq!(host.identity_of(&first), "2048+1000 disk-7");
    }
}
