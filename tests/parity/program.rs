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

    /// For every other case landfall's host has what Debian's cloud-init package leaves in `/etc/cloud`, as an image has that the package
    /// was removed from; with `LANDFALL_PARITY_STOCK=all` for each. It is to make no difference.
    pub fn lay_out(&self, lab: Lab, host: &Host, case: &str) {
        let all = std::env::var("LANDFALL_PARITY_STOCK").as_deref() == Ok("all");
        if matches!(self, Self::Landfall(_)) && (all || case.len() % 2 == 0) {
            let stock = lab.root(Release::TrixieCloudInit).join("etc/cloud");
            for name in ["cloud.cfg", "cloud.cfg.d/05_logging.cfg"] {
                host.files().write(&format!("/etc/cloud/{name}"), std::fs::read(stock.join(name)).unwrap(), 0o644);
            }
        }
    }

    /// What asks it for the instance's data.
    pub fn query(&self) -> &'static str {
        match self {
            Self::CloudInit => "cloud-init query",
            Self::Landfall(_) => "landfall query",
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
    debs.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("landfall_") && name.ends_with(".deb")
    })
}
