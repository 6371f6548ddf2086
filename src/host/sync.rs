//! Makes everything that was written durable, as far as this host's own disks go.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::OFlag;

use super::files::read_kernel;
use super::{fault, Host};
use crate::error::Failure;

/// Filesystems whose data is on this host. An overlay syncs the one its changes are on.
const LOCAL: [&str; 24] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "msdos", "exfat", "ntfs3", "fuseblk", "jfs", "reiserfs", "nilfs2", "zfs",
    "bcachefs", "overlay", "ubifs", "jffs2", "udf", "hfsplus", "minix", "ecryptfs", "ocfs2",
];

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `major:minor`.
    pub device: String,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Filesystem type.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// The filesystem itself can be written, whatever this mount says.
    pub writable: bool,
    /// No more than a view of a part of it, through which nothing can be written: what a container is shown of the machine it runs on.
    pub view: bool,
}

/// Octal escapes of mountinfo and fstab undone.
pub fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = (bytes[at] == b'\\').then(|| text.get(at + 1..at + 4)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn mount_of(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let mut right = right.split(' ');
    let (kind, source, options) = (right.next()?, right.next()?, right.next().unwrap_or(""));
    Some(Mount {
        device: (*left.get(2)?).to_owned(),
        point: PathBuf::from(unescaped(left.get(4)?)),
        kind: kind.to_owned(),
        source: unescaped(source),
        writable: options.split(',').any(|option| option == "rw"),
        view: left.get(3) != Some(&"/") && left.get(5)?.split(',').any(|option| option == "ro"),
    })
}

/// One mount for each filesystem that has to be synced. Where a mere view is all there is of one, nothing here has written to it.
fn to_sync(mountinfo: &str) -> Vec<Mount> {
    let mut seen = BTreeSet::new();
    // Most mounts are the kernel's own: they are not read any further.
    let is_local = |line: &&str| {
        let kind = line.split_once(" - ").and_then(|(_, right)| right.split_once(' '));
        kind.is_some_and(|(kind, _)| LOCAL.contains(&kind))
    };
    let can_be_written = |mount: &Mount| mount.writable && !mount.view;
    let mounts = mountinfo.lines().filter(is_local).filter_map(mount_of);
    mounts.filter(|mount| can_be_written(mount) && seen.insert(mount.device.clone())).collect()
}

impl Host {
    /// Every mount, in the order they were made.
    pub fn mounts(&self) -> std::io::Result<Vec<Mount>> {
        Ok(read_kernel("/proc/self/mountinfo")?.lines().filter_map(mount_of).collect())
    }

    /// Returns when everything that landfall itself has written below these directories is on its disk, whatever filesystem they are on.
    pub fn sync_filesystems_of(&self, directories: &[&str]) -> Result<(), Failure> {
        if fault::sabotaged("no-syncfs") {
            return Ok(());
        }
        let mut synced = BTreeSet::new();
        for directory in directories {
            let point = self.inside(directory).map_err(|error| Failure::io(*directory, &error))?;
            if fs_err::metadata(&point).map_or(true, |found| synced.insert(found.dev())) {
                sync(&point)?;
            }
        }
        Ok(())
    }

    /// Returns when everything that was written to a local filesystem so far is on its disk. What a program wrote and did not
    /// sync itself (apt, useradd, a script) is at 0 bytes after a power cut otherwise, even beside a synced record.
    pub fn sync_filesystems(&self) -> Result<(), Failure> {
        if fault::sabotaged("no-syncfs") {
            return Ok(());
        }
        let text = read_kernel("/proc/self/mountinfo").map_err(|error| Failure::io("list of mounts", &error))?;
        let mut mounts = to_sync(&text);
        mounts.retain(|mount| mount.point.starts_with(self.root()));
        if !self.is_live() || mounts.is_empty() {
            sync(self.root())?;
        }
        mounts.iter().try_for_each(|mount| sync(&mount.point))
    }
}

fn sync(point: &std::path::Path) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::io(format!("sync {}", point.display()), crate::error::system_cause(error));
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    match fs_err::OpenOptions::new().read(true).custom_flags(flags).open(point) {
        Ok(file) => nix::unistd::syncfs(file.file()).map_err(|errno| failed(&errno.into())),
        // Unmounted meanwhile: the kernel has synced it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_writable_local_filesystem_is_synced_once() {
        let text = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
23 22 0:5 / /proc rw - proc proc rw\n\
24 22 0:23 / /run rw - tmpfs tmpfs rw\n\
25 22 8:1 /srv /mnt/with\\040blank ro - ext4 /dev/sda1 rw\n\
26 22 8:2 / /data ro - xfs /dev/sdb ro\n\
27 22 0:40 / /net rw - nfs4 host:/x rw\n\
28 22 8:3 / /boot/efi\\040x rw - vfat /dev/sda3 rw,umask=0077\n\
29 22 0:41 / /over rw master:2 propagate_from:1 - overlay overlay rw,upperdir=/u\n\
30 22 8:4 /srv/files /shown ro,relatime - ext4 /dev/sda4 rw\n\
31 22 8:5 / /kept ro,relatime - ext4 /dev/sda5 rw\n\
32 22 8:6 /part /seen ro,relatime - ext4 /dev/sda6 rw\n\
33 22 8:6 /part /written rw,relatime - ext4 /dev/sda6 rw\n\
broken\n";
        let found: Vec<_> = to_sync(text).into_iter().map(|mount| mount.point.display().to_string()).collect();
        assert_eq!(found, ["/", "/boot/efi x", "/over", "/kept", "/written"]);
    }

    #[test]
    fn an_image_root_is_synced_by_itself() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        host.sync_filesystems().expect("synced");
        host.sync_filesystems_of(&["/", "/."]).expect("synced");
        assert!(!Host::default().mounts().expect("mounts").is_empty());
    }
}
