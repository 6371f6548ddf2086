//! The two programs, and how each is put into a host and waited for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::lab::{Booted, Host, Output, Release};

#[derive(Debug, Clone)]
pub enum Program {
    /// Debian 13's cloud-init, which is in its root already.
    CloudInit,
    /// landfall's package, put into the root without cloud-init.
    Landfall(PathBuf),
}

impl Program {
    /// landfall as `make deb` leaves it, or as `LANDFALL_DEB` names it. Without one the test is skipped; with `CI=true` it fails.
    pub fn landfall() -> Option<Self> {
        let named = std::env::var_os("LANDFALL_DEB").map(PathBuf::from);
        if let Some(deb) = named.or_else(built) {
            return Some(Self::Landfall(deb));
        }
        assert!(std::env::var("CI").as_deref() != Ok("true"), "target/debian/landfall_*.deb is missing");
        println!("skipped: target/debian/landfall_*.deb is missing: run `make deb`");
        None
    }

    pub fn release(&self) -> Release {
        match self {
            Self::CloudInit => Release::TrixieCloudInit,
            Self::Landfall(_) => Release::Trixie,
        }
    }

    pub fn install(&self, host: &Host) {
        if let Self::Landfall(deb) = self {
            host.install_deb(deb);
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
