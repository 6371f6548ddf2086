//! The two programs, and how each gets its hosts and is waited for.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use crate::lab::{Booted, Disk, Host, Lab, Output, Release};

pub enum Program {
    /// Debian 13's cloud-init, which is in its root already.
    CloudInit,
    /// landfall's package, put once into a root without cloud-init; every case has a copy of that host.
    Landfall(Mutex<Host>),
}

/// Mirrors that do not answer are part of some cases. That landfall is patient with them is tested elsewhere.
const IMPATIENT: &str = "landfall:\n  retry: 1\n";

impl Program {
    /// landfall as `make deb` leaves it, or as `LANDFALL_DEB` names it. Without one the test is skipped; with `CI=true` it fails.
    pub fn landfall(lab: Lab) -> Option<Self> {
        let named = std::env::var_os("LANDFALL_DEB").map(PathBuf::from);
        if let Some(deb) = named.or_else(built) {
            let host = lab.host(Release::Trixie, Disk::Directory);
            host.install_deb(&deb);
            host.files().write("/etc/landfall/conf.d/parity.yaml", IMPATIENT, 0o644);
            return Some(Self::Landfall(Mutex::new(host)));
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "target/debian/landfall_*.deb is missing");
        println!("skipped: target/debian/landfall_*.deb is missing: run `make deb`");
        None
    }

    /// A host of its own for a case.
    pub fn host(&self, lab: Lab) -> Host {
        match self {
            Self::CloudInit => lab.host(Release::TrixieCloudInit, Disk::Directory),
            Self::Landfall(installed) => installed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).duplicate(),
        }
    }

    /// Waits for the end of its run in this boot.
    pub fn wait(&self, booted: &Booted) -> Output {
        let command: &[&str] = match self {
            Self::CloudInit => &["cloud-init", "status", "--wait", "--format", "json"],
            Self::Landfall(_) => &["landfall", "status", "--wait", "--format", "json"],
        };
        booted.exec_with(command, b"", Duration::from_secs(60))
    }
}

fn built() -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let entries = std::fs::read_dir(directory).ok()?;
    let mut debs = entries.map(|entry| entry.unwrap().path());
    debs.find(|path| path.extension().is_some_and(|extension| extension == "deb"))
}
