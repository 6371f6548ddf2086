//! A host's disk in the hands of a virtual machine.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::{Disk, Host};

/// The disk of a host while it is not mounted here. Given back when dropped: then it is mounted again, its journal replayed.
pub struct LentDisk {
    host: Host,
}

impl Host {
    /// Unmounts the disk, which must be a [`Disk::Ext4Whole`], so that a virtual machine can have it.
    #[track_caller]
    pub fn lend_disk(&self) -> LentDisk {
        assert_eq!(self.disk_kind(), Disk::Ext4Whole, "a virtual machine needs a whole disk");
        assert!(!self.claim().swap(true, Ordering::SeqCst), "the host is already booted");
        self.disk("unmount");
        LentDisk { host: self.clone() }
    }
}

impl LentDisk {
    /// The raw image, an ext4 without a partition table.
    pub fn image(&self) -> PathBuf {
        self.host.image()
    }
}

impl Drop for LentDisk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.host.disk("mount");
        }
        self.host.claim().store(false, Ordering::SeqCst);
    }
}
