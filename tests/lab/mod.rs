//! The lab: throwaway Debian hosts that boot real systemd as PID 1, inside namespaces of this machine.
//!
//! A [`Host`] is a disk: a cached Debian root below, a private layer of changes above. It can be written to, chrooted into,
//! booted as often as wanted, copied, and it is gone when dropped, or when the test process dies by whatever cause.
//! [`Host::boot`] gives a [`Booted`] host, which ends by [`Booted::shutdown`], by [`Booted::kill`] (the processes die, the page
//! cache survives), by [`Booted::power_cut`] (what was not synced is lost) or by itself (the guest reboots; see [`Booted::wait_end`]).
//!
//! ```ignore
//! mod lab;
//! use lab::{BootOptions, Disk, Lab, Release};
//!
//! #[test]
//! fn a_unit_runs_once() {
//!     let Some(lab) = Lab::require() else { return };
//!     let host = lab.host(Release::Trixie, Disk::Directory);
//!     host.files().write("/etc/systemd/system/once.service", UNIT, 0o644);
//!     host.chroot(&["systemctl", "enable", "once.service"]).expect_ok();
//!     let booted = host.boot(BootOptions::default());
//!     assert_eq!(booted.wait_unit("once.service"), "active");
//!     booted.shutdown();
//! }
//! ```
//!
//! Limits: the kernel is the machine's. There is no udev, no module loading, `/sys` and `/proc/sys` (without `net`) are
//! read-only, systemd knows that it is in a container (`systemd-detect-virt` says `container-other`), and nothing may be tested
//! here that acts on the kernel as a whole, such as `swapon`. See `README.md` beside this file.

// Each test binary uses a part of the lab. Tests may touch the operating system and may panic.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod boot;
mod changes;
mod console;
mod files;
mod groups;
mod host;
mod identity;
mod lend;
mod limits;
mod locks;
mod programs;
mod run;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

#[allow(unused_imports)]
pub use boot::{BootOptions, Booted, Ended};
#[allow(unused_imports)]
pub use changes::{Changes, Entry};
#[allow(unused_imports)]
pub use files::Files;
#[allow(unused_imports)]
pub use host::{Disk, Host};
#[allow(unused_imports)]
pub use identity::Dmi;
#[allow(unused_imports)]
pub use lend::LentDisk;
#[allow(unused_imports)]
pub use limits::Limit;
#[allow(unused_imports)]
pub use locks::HeldLock;
#[allow(unused_imports)]
pub use run::{differences, run, wait_until, Output};

/// The package under test; `None` says that the test is skipped.
#[allow(dead_code)]
pub fn package() -> Option<PathBuf> {
    let deb = std::env::var_os("LANDFALL_DEB").map(PathBuf::from);
    if deb.is_none() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "LANDFALL_DEB is not set");
        println!("skipped: LANDFALL_DEB is not set: run `make deb`");
    }
    deb
}

/// The Debian roots that `tests/setup.sh` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian 12: systemd 252, apt 2.6.
    Bookworm,
    /// Debian 13: systemd 257, apt 3.0.
    Trixie,
    /// Debian 12 with its cloud-init (22.4).
    BookwormCloudInit,
    /// Debian 13 with its cloud-init (25.1).
    TrixieCloudInit,
    /// Debian 13 whose nsswitch.conf names `resolve`, `myhostname` and `mymachines`, with systemd-resolved running.
    TrixieNss,
    /// Debian 13 with netplan and ifupdown.
    TrixieNetwork,
    /// Debian 13 with Debian's kernel, for a virtual machine: see [`Host::lend_disk`].
    TrixieVm,
}

impl Release {
    fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::BookwormCloudInit => "bookworm-cloudinit",
            Self::TrixieCloudInit => "trixie-cloudinit",
            Self::TrixieNss => "trixie-nss",
            Self::TrixieNetwork => "trixie-network",
            Self::TrixieVm => "trixie-vm",
        }
    }
}

/// The prepared cache, and the proof that this process may use it.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    entries: &'static HashMap<String, PathBuf>,
}

impl Lab {
    /// The lab if this machine can run it. Otherwise says why and gives `None`, so that the test returns; with `CI=true` in the
    /// environment it panics, because there a skipped test is a failed one.
    pub fn require() -> Option<Self> {
        static FOUND: OnceLock<Result<HashMap<String, PathBuf>, String>> = OnceLock::new();
        match FOUND.get_or_init(find) {
            Ok(entries) => Some(Self { entries }),
            Err(reason) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
                panic!("the lab is needed in CI: {reason}")
            }
            Err(reason) => {
                println!("skipped: {reason}");
                None
            }
        }
    }

    /// The unpacked root of a release. Read only: it is the lower layer of every host.
    pub fn root(&self, release: Release) -> &'static Path {
        &self.entries[release.name()]
    }

    /// The flat repository that hosts see at `/srv/repo`.
    pub fn repo(&self) -> PathBuf {
        self.entries["repo"].join("repo")
    }

    /// The flat repository of `make demo`, for a host to have a copy of.
    pub fn demo_repo(&self) -> &'static Path {
        &self.entries["demo-repo"]
    }

    /// The flat repository of stand-ins for what the examples of `cloud-config/` install.
    pub fn examples_repo(&self) -> &'static Path {
        &self.entries["examples-repo"]
    }

    /// The signed repository in Debian's layout that hosts see at `/srv/mirror`; its key is `key.asc` in it.
    pub fn mirror(&self) -> PathBuf {
        self.entries["repo"].join("mirror")
    }

    /// A new throwaway host.
    pub fn host(&self, release: Release, disk: Disk) -> Host {
        Host::new(*self, release, disk)
    }
}

/// Where the lab's scripts are.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

fn find() -> Result<HashMap<String, PathBuf>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("needs root".into());
    }
    let setup = scripts().join("../setup.sh");
    let listed = run(Command::new("bash").arg(setup).arg("paths"), b"", Duration::from_secs(30));
    if !listed.ok() {
        return Err(listed.stderr.trim().into());
    }
    let probe = ["--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork", "true"];
    let probe = run(Command::new("unshare").args(probe), b"", Duration::from_secs(10));
    if !probe.ok() {
        return Err(format!("needs root with all namespaces: {}", probe.stderr.trim()));
    }
    let entries = listed.stdout.lines().filter_map(|line| line.split_once('\t'));
    Ok(entries.map(|(name, path)| (name.to_owned(), PathBuf::from(path))).collect())
}
