//! NoCloud volumes, made without mounting anything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::run;

/// How a volume is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// A CD in a SCSI drive, `/dev/sr0`.
    Cd,
    /// A second disk, `/dev/vdb`.
    Disk,
}

/// A volume; its file is removed with it.
pub struct Volume {
    directory: tempfile::TempDir,
    /// How a machine gets it.
    pub bus: Bus,
    made: Instant,
}

impl Volume {
    /// The CD that hypervisors attach, labelled `cidata`.
    pub fn iso9660(user_data: &str) -> Self {
        let volume = Self::with_seed(user_data, Bus::Cd);
        let seed = volume.directory.path().join("seed");
        let arguments = ["-as", "mkisofs", "-quiet", "-V", "cidata", "-J", "-r", "-o"];
        tool(Command::new("xorriso").args(arguments).arg(volume.image()).arg(seed));
        volume
    }

    /// The disk that tools without an iso maker attach, labelled `CIDATA`.
    pub fn vfat(user_data: &str) -> Self {
        let volume = Self::with_seed(user_data, Bus::Disk);
        tool(sbin("mkfs.vfat").args(["-n", "CIDATA", "-C"]).arg(volume.image()).arg("1440"));
        for name in ["user-data", "meta-data"] {
            let file = volume.directory.path().join("seed").join(name);
            tool(Command::new("mcopy").arg("-i").arg(volume.image()).arg(file).arg("::"));
        }
        volume
    }

    fn with_seed(user_data: &str, bus: Bus) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let seed = directory.path().join("seed");
        std::fs::create_dir(&seed).unwrap();
        std::fs::write(seed.join("user-data"), user_data).unwrap();
        std::fs::write(seed.join("meta-data"), "instance-id: i-volume\n").unwrap();
        Self { directory, bus, made: Instant::now() }
    }

    /// A file in a vfat volume.
    pub fn read(&self, name: &str) -> String {
        let out = Command::new("mtype").arg("-i").arg(self.image()).arg(format!("::{name}")).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// The image file.
    pub fn image(&self) -> PathBuf {
        self.directory.path().join("volume.img")
    }

    /// How long it has been there, which is how long its test took.
    pub fn age(&self) -> Duration {
        self.made.elapsed()
    }
}

/// A tool that a user's path may lack.
fn sbin(name: &str) -> Command {
    let path = Path::new("/usr/sbin").join(name);
    Command::new(if path.exists() { path } else { name.into() })
}

fn tool(command: &mut Command) {
    run(command, b"", Duration::from_secs(60)).expect_ok();
}
