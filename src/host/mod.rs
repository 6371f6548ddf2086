//! The only code that touches the operating system: files, processes, locks, accounts, apt and dpkg, systemd, network.
//!
//! Everything is rooted at a directory: `/` on a running host, an image's root with `--root`. Nothing here knows plans,
//! journals or configuration.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod account_db;
pub mod accounts;
pub mod append_log;
pub mod apt;
pub mod apt_lists;
pub mod apt_sizes;
pub mod apt_sources;
pub mod backups;
pub mod boot;
pub mod copies;
pub mod disks;
pub mod download;
pub mod dpkg;
pub mod facts;
pub mod fault;
pub mod files;
pub mod holdback;
pub mod hostname;
mod http_proxy;
pub mod identity;
pub mod locks;
pub mod log;
#[cfg(test)]
pub(crate) mod loopback;
pub mod net;
pub mod ports;
pub mod process;
pub mod procs;
pub mod random;
pub mod repair;
pub mod resources;
pub mod runlock;
pub mod shell;
pub mod signals;
pub mod ssh;
pub mod sshd;
mod streams;
pub mod sync;
pub mod systemd;
mod tls;
pub mod trees;
mod unsynced;
pub mod usage;
pub mod volumes;
mod walk;
mod watchdog;

use std::path::{Path, PathBuf};

/// A host, or the root directory of one.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
    known_packages: dpkg::Known,
}

impl Default for Host {
    fn default() -> Self {
        Self::rooted("/")
    }
}

impl Host {
    /// The host whose root directory is `root`.
    pub fn rooted(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), known_packages: dpkg::Known::default() }
    }

    /// Whether this is the running system itself.
    pub fn is_live(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether systemd runs this host, so that units can be asked and started.
    pub fn runs_systemd(&self) -> bool {
        self.is_live() && Path::new("/run/systemd/system").is_dir()
    }
}
