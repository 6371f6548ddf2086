//! The program in the two builds that are cut: as it is shipped, and with crash points and saboteurs in it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::lab::{run, Disk, Host, Lab, Release};
use crate::typical;

const UNITS: [&str; 3] = ["landfall-local.service", "landfall-network.service", "landfall.service"];
const MARK: &str = "/run/landfall-cut";
const TRACE: &str = "/run/landfall-points";

/// Which build is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The package that `make check` built, or, for a developer without one, the build with faults.
    Shipped,
    /// Built by this suite with the feature `faults`.
    Faults,
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A build of its own, so that no other test meets a program with faults in it.
fn with_faults() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = top().join("target/faults");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--features", "faults", "--bin", "landfall", "--target-dir"]).arg(&target);
        cargo.current_dir(top()).env("CARGO_PROFILE_DEV_DEBUG", "0");
        run(&mut cargo, b"", Duration::from_secs(1800)).expect_ok();
        let found = run(Command::new("find").arg(&target).args(["-path", "*/debug/landfall", "-type", "f"]), b"", Duration::from_secs(30));
        PathBuf::from(found.expect_ok().trim())
    })
}

/// A host with the program, the seed of the typical run, and nothing done yet.
pub fn host(lab: Lab, release: Release, disk: Disk, build: Build) -> Host {
    let host = lab.host(release, disk);
    match env::var_os("LANDFALL_DEB") {
        Some(deb) => {
            host.install_deb(Path::new(&deb));
            if build == Build::Faults {
                put(&host, with_faults());
            }
        }
        None => {
            put(&host, with_faults());
            for unit in UNITS {
                let text = std::fs::read(top().join("packaging/systemd").join(unit)).unwrap();
                host.files().write(&format!("/usr/lib/systemd/system/{unit}"), text, 0o644);
                host.files().symlink(&format!("/usr/lib/systemd/system/{unit}"), &wanted(unit));
            }
        }
    }
    typical::seed(&host, lab);
    host
}

fn wanted(unit: &str) -> String {
    format!("/etc/systemd/system/multi-user.target.wants/{unit}")
}

fn put(host: &Host, binary: &Path) {
    host.files().write("/usr/bin/landfall", std::fs::read(binary).unwrap(), 0o755);
}

fn drop_in(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}.d")
}

/// What the build with faults is told; it lasts until [`disarm`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// `POINT[@STEP][:N]`.
    pub cut_at: Option<String>,
    /// At the cut it stands still until the power goes; otherwise it aborts.
    pub stand_still: bool,
    /// A saboteur.
    pub sabotage: Option<&'static str>,
    /// Points are traced.
    pub trace: bool,
}

/// Tells the next boots of the host.
pub fn arm(host: &Host, faults: &Faults) {
    let mut text = format!("[Service]\nEnvironment=LANDFALL_CUT_MARK={MARK}\n");
    let mut set = |name: &str, value: &str| text += &format!("Environment=\"{name}={}\"\n", value.replace('%', "%%"));
    if let Some(point) = &faults.cut_at {
        set("LANDFALL_CUT_AT", point);
    }
    if faults.stand_still {
        set("LANDFALL_CUT_BY", "true");
    }
    if let Some(sabotage) = faults.sabotage {
        set("LANDFALL_SABOTAGE", sabotage);
    }
    if faults.trace {
        set("LANDFALL_FAULT_TRACE", TRACE);
    }
    for unit in UNITS {
        host.files().write(&format!("{}/faults.conf", drop_in(unit)), &text, 0o644);
    }
}

/// Kills the program where it stands still; systemd starts it again, with these faults.
pub fn start_again(host: &Host, booted: &crate::lab::Booted, faults: &Faults) {
    arm(host, faults);
    booted.files().remove(MARK);
    booted.exec(&["systemctl", "daemon-reload"]).expect_ok();
    for unit in UNITS {
        if booted.exec(&["systemctl", "show", "--value", "-p", "ActiveState", unit]).stdout.trim() == "activating" {
            booted.exec(&["systemctl", "kill", "-s", "KILL", unit]).expect_ok();
        }
    }
}

/// The build with faults is an ordinary one from the next boot on.
pub fn disarm(host: &Host) {
    for unit in UNITS {
        host.files().remove(&drop_in(unit));
    }
}

/// The point was reached in this boot.
pub fn reached(booted: &crate::lab::Booted) -> bool {
    booted.files().exists(MARK)
}

/// Points in the order they were reached in this boot: name and step.
pub fn traced(booted: &crate::lab::Booted) -> Vec<(String, String)> {
    let text = booted.files().read(TRACE);
    text.lines().filter_map(|line| line.split_once('@')).map(|(name, step)| (name.to_owned(), step.to_owned())).collect()
}
