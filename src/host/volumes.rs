//! Block devices: which there are, reading them raw, mounting one for a look.

use std::io;
use std::os::unix::fs::FileExt as _;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{mount, umount2, MntFlags, MsFlags};

use super::files::Attributes;
use super::Host;
use crate::error::Failure;

/// Where a volume is mounted while it is read.
pub const MOUNT_POINT: &str = "/run/landfall/volume";

/// What a volume is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// A CD or its image.
    Iso9660,
    /// FAT of any width.
    Vfat,
}

impl Filesystem {
    /// As mount(8) calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iso9660 => "iso9660",
            Self::Vfat => "vfat",
        }
    }
}

/// A block device and what is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// `/dev/sr0`.
    pub path: String,
    /// Its filesystem.
    pub filesystem: Filesystem,
}

/// A device open for reading.
pub struct OpenDevice(fs::File);

impl OpenDevice {
    /// Fills `bytes` from `offset` on.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.file().read_exact_at(bytes, offset)
    }
}

/// A volume mounted for reading; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted(());

impl Mounted {
    /// Where its files are.
    pub const fn path(&self) -> &'static str {
        MOUNT_POINT
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = umount2(MOUNT_POINT, MntFlags::MNT_DETACH);
    }
}

impl Host {
    /// Block devices with a size, partitions too, as `/dev` paths. An image has none: those of the machine that builds it
    /// are no business of the image.
    pub fn block_devices(&self) -> Vec<String> {
        if !self.is_live() {
            return Vec::new();
        }
        let has_size = |name: &String| {
            let size = self.read_text(&format!("/sys/class/block/{name}/size")).ok().flatten();
            size.is_some_and(|size| !matches!(size.trim(), "" | "0"))
        };
        let names = self.list("/sys/class/block").unwrap_or_default();
        let worth_reading = |name: &String| !name.starts_with("ram") && !name.starts_with("zram");
        // A `/` in a device's name is a `!` in sysfs.
        names.into_iter().filter(worth_reading).filter(has_size).map(|name| format!("/dev/{}", name.replace('!', "/"))).collect()
    }

    /// Whether udev is still at work, so that devices may appear whose drivers it loads: it keeps this file as long (what
    /// `udevadm settle` waits for).
    pub fn awaits_devices(&self) -> bool {
        self.exists("/run/udev/queue")
    }

    /// Opens a device for reading, without waiting for a drive to find a medium.
    pub fn open_device(&self, path: &str) -> io::Result<OpenDevice> {
        let flags = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map(OpenDevice)
    }

    /// Whether the kernel holds a device for something: a mount of whatever namespace, swap, a volume, a filesystem of several devices.
    pub fn is_busy(&self, path: &str) -> bool {
        let flags = OFlag::O_EXCL | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
    }

    /// Mounts a device read-only at [`MOUNT_POINT`].
    pub fn mount_volume(&self, device: &Device) -> Result<Mounted, Failure> {
        self.make_directories(MOUNT_POINT, Attributes { mode: 0o700, uid: 0, gid: 0 }).map_err(|error| Failure::io(MOUNT_POINT, &error))?;
        let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let mounted = |flags| mount(Some(device.path.as_str()), MOUNT_POINT, Some(device.filesystem.name()), flags, None::<&str>);
        mounted(closed | MsFlags::MS_RDONLY)
            .or_else(|errno| {
                // The host has it mounted for writing, as a boot partition that is the volume, too: then only this mount is read-only.
                if errno == Errno::EBUSY {
                    mounted(closed)?;
                    return mount(
                        None::<&str>,
                        MOUNT_POINT,
                        None::<&str>,
                        closed | MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY,
                        None::<&str>,
                    );
                }
                Err(errno)
            })
            .map_err(|errno| Failure::io(format!("cannot be mounted as {}", device.filesystem.name()), &io::Error::from(errno)))?;
        Ok(Mounted(()))
    }
}
