//! The hosts that are compared: one root of Debian 13, with cloud-init 25.1, with landfall instead of it, and with neither.

use std::path::Path;
use std::time::Duration;

use crate::lab::{BootOptions, Booted, Disk, Host, Lab, Release};
use crate::measure::Usage;

const WRAPPER: &str = "/opt/bench";
const RESULTS: &str = "/run/bench";

/// What provisions a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provisioner {
    /// Nothing.
    None,
    /// cloud-init, as Debian ships it.
    CloudInit,
    /// landfall, in the same root after `dpkg --purge cloud-init`.
    Landfall,
}

impl Provisioner {
    /// Its units, and the command of each that is a process of its own.
    const fn units(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::None => &[],
            Self::CloudInit => &[
                ("cloud-init-main.service", Some("/usr/bin/cloud-init --all-stages")),
                ("cloud-init-local.service", None),
                ("cloud-init-network.service", None),
                ("cloud-config.service", None),
                ("cloud-final.service", None),
            ],
            Self::Landfall => &[
                ("landfall-local.service", Some("/usr/bin/landfall run --stage local")),
                ("landfall-network.service", Some("/usr/bin/landfall run --stage network")),
                ("landfall.service", Some("/usr/bin/landfall run --stage final")),
            ],
        }
    }
}

/// What one boot used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Boot {
    /// CPU of the provisioner's own processes, its children aside; only where it was wrapped.
    pub own: f64,
    /// The largest peak among them, in KiB; only where it was wrapped.
    pub peak: u64,
    /// CPU of its units with all children, in seconds.
    pub units: f64,
    /// CPU of everything in the host, systemd and all, in seconds.
    pub host: f64,
    /// Seconds from systemd's start to the end of the last job of the boot.
    pub end: f64,
}

/// A host from which copies are made: host keys in it, user-data in its seed directory, never booted.
pub struct Template {
    host: Host,
    provisioner: Provisioner,
    wrapped: bool,
}

impl Template {
    /// `wrapped` puts the wrapper before its programs; it has a cost of its own, so the other figures are taken without.
    pub fn new(lab: Lab, provisioner: Provisioner, deb: &Path, user_data: &str, wrapped: bool) -> Self {
        // No overlay: what a call to the kernel costs is what it costs on a real disk.
        let host = lab.host(Release::TrixieCloudInit, Disk::Ext4Whole);
        if provisioner != Provisioner::CloudInit {
            host.chroot(&["dpkg", "--purge", "cloud-init"]).expect_ok();
        }
        if provisioner == Provisioner::Landfall {
            host.install_deb(deb);
        }
        host.chroot(&["ssh-keygen", "-A"]).expect_ok();
        // As in an image that is made to be copied.
        host.files().write("/etc/machine-id", "", 0o444);
        host.files().write("/var/lib/cloud/seed/nocloud/user-data", user_data, 0o600);
        host.files().write("/var/lib/cloud/seed/nocloud/meta-data", "instance-id: i-bench\n", 0o644);
        if wrapped {
            let wrapper = std::fs::read(std::env::current_exe().unwrap()).unwrap();
            host.files().write(WRAPPER, wrapper, 0o755);
            for (unit, command) in provisioner.units() {
                let Some(command) = command else { continue };
                let drop_in = format!("[Service]\nNotifyAccess=all\nExecStart=\nExecStart={WRAPPER} measure {RESULTS}/{unit} {command}\n");
                host.files().write(&format!("/etc/systemd/system/{unit}.d/bench.conf"), drop_in, 0o644);
            }
        }
        Self { host, provisioner, wrapped }
    }

    /// Boots a fresh copy for the first time and then again.
    pub fn first_and_second(&self) -> (Boot, Boot) {
        let host = self.host.duplicate();
        (self.boot(&host), self.boot(&host))
    }

    /// Boots a fresh copy for the first time.
    pub fn first(&self) -> Boot {
        self.boot(&self.host.duplicate())
    }

    fn boot(&self, host: &Host) -> Boot {
        let booted = host.boot(BootOptions { timeout: Duration::from_secs(300), ..BootOptions::default() });
        assert_eq!(booted.wait_running(), "running", "{}", booted.console());
        let end = microseconds(&booted, "", "FinishTimestampMonotonic") - microseconds(&booted, "", "UserspaceTimestampMonotonic");
        let mut boot = Boot { end: end / 1e6, host: host.cpu_time().as_secs_f64(), ..Boot::default() };
        for (unit, command) in self.provisioner.units() {
            // A unit whose condition does not hold starts no process.
            if booted.exec(&["systemctl", "show", "--value", "-p", "ConditionResult", unit]).stdout.trim() == "no" {
                continue;
            }
            boot.units += microseconds(&booted, unit, "CPUUsageNSec") / 1e9;
            if command.is_none() || !self.wrapped {
                continue;
            }
            // The program may end a little later than the boot.
            let file = format!("{RESULTS}/{unit}");
            let mut usage: Option<Usage> = None;
            booted.wait_until(&format!("the figures of {unit}"), || {
                usage = booted.files().try_read(&file).ok().and_then(|line| serde_json::from_slice(&line).ok());
                usage.is_some()
            });
            let usage = usage.unwrap();
            boot.own += usage.cpu;
            boot.peak = boot.peak.max(usage.peak);
        }
        self.expect_done(&booted);
        booted.shutdown();
        boot
    }

    /// A figure counts only if the work was done.
    fn expect_done(&self, booted: &Booted) {
        let (command, done) = match self.provisioner {
            Provisioner::None => return,
            Provisioner::CloudInit => (["cloud-init", "status"], "status: done"),
            Provisioner::Landfall => (["landfall", "status"], "done"),
        };
        let said = booted.exec(&command);
        assert!(said.stdout.contains(done), "{}{}", said.stdout, said.stderr);
    }
}

/// A number that systemd shows of itself (no unit) or of a unit.
fn microseconds(booted: &Booted, unit: &str, property: &str) -> f64 {
    let mut command = vec!["systemctl", "show", "--value", "-p", property];
    if !unit.is_empty() {
        command.push(unit);
    }
    let value = booted.exec(&command).expect_ok();
    value.trim().parse().unwrap_or_else(|_| panic!("{unit} {property}: {value}"))
}
