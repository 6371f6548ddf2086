//! What a plan may depend on: a read-only snapshot of the host, taken once by [`crate::host`] before planning.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// An account as `/etc/passwd` and `/etc/shadow` have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
    /// A usable password hash is set (locked or not).
    pub has_password: bool,
}

/// Which system this is: what can be told at every boot without looking at much.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct System {
    /// `ID` of os-release: `debian`, `ubuntu`.
    pub distro: String,
    /// `VERSION_CODENAME`: `trixie`.
    pub codename: String,
    /// `VERSION_ID`: `13`.
    pub version_id: String,
    /// Runtime hostname.
    pub hostname: String,
}

/// A network device that stands on no other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Interface {
    /// The kernel's name.
    pub name: String,
    /// Hardware address, lower case.
    pub mac: String,
    /// Its driver, where it has one.
    pub driver: Option<String>,
    /// It is up.
    #[serde(default)]
    pub is_up: bool,
}

/// The snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Facts {
    /// `ID` of os-release: `debian`, `ubuntu`.
    pub distro: String,
    /// `VERSION_CODENAME`: `trixie`.
    pub codename: String,
    /// `VERSION_ID`: `13`.
    pub version_id: String,
    /// dpkg's architecture name.
    pub arch: String,
    /// Runtime hostname.
    pub hostname: String,
    /// The name in `/etc/hostname`.
    pub etc_hostname: Option<String>,
    /// The name landfall or the peer set last; differs from `etc_hostname` when an administrator changed it since.
    /// Gathered: `/var/lib/cloud/data/previous-hostname`, which the hostname module writes as the peer does.
    pub previous_hostname: Option<String>,
    /// Domain of the host's FQDN, where known. Gathered: what follows the first dot of the canonical name of the `/etc/hosts` line
    /// that names the runtime hostname.
    pub domain: Option<String>,
    /// Accounts by name.
    pub users: BTreeMap<String, Account>,
    /// Group names.
    pub groups: BTreeSet<String>,
    /// `/etc/ssh/sshd_config` includes `sshd_config.d/*.conf`.
    pub sshd_includes_dropins: bool,
    /// `/etc/sudoers` includes `/etc/sudoers.d`.
    pub sudoers_includes_dropins: bool,
    /// The root filesystem is on a block device that is to be seen.
    #[serde(default)]
    pub root_on_device: bool,
    /// `/etc/apt/sources.list` exists.
    pub has_sources_list: bool,
    /// Files that exist, of those modules ask for ([`FILES`]).
    #[serde(default)]
    pub files: BTreeSet<String>,
    /// Programs found on the usual path, of those modules ask for ([`PROGRAMS`]).
    pub programs: BTreeSet<String>,
    /// Time zone `/etc/localtime` points to.
    pub timezone: Option<String>,
    /// For each configured time zone what the host calls it, or none where it has none; empty where it has no zone database.
    /// Gathered: NAME where `/usr/share/zoneinfo/NAME` is a regular file (links followed), each NAME from `modules::questions`,
    /// or else the zone that `tzdata.zi` there says it is a former name of.
    #[serde(default)]
    pub zones: BTreeMap<String, Option<String>>,
    /// `LANG` of `/etc/default/locale` (or locale.conf).
    pub lang: Option<String>,
    /// Locales that exist already, as `locale -a` spells them, lower case, without `-`.
    pub locales: BTreeSet<String>,
    /// Bytes of memory. Gathered where a phase asks for it.
    #[serde(default)]
    pub memory: Option<u64>,
    /// What it runs in, as systemd-detect-virt(1) calls it. Gathered where a phase asks for it.
    #[serde(default)]
    pub virtualization: Option<String>,
    /// Network devices. Gathered where there is a network-config.
    #[serde(default)]
    pub interfaces: Vec<Interface>,
    /// Part handlers that lie in `/var/lib/cloud/handlers`, by path.
    #[serde(default)]
    pub part_handlers: Vec<String>,
    /// For each `apt.add_apt_repo_match` the names of the sources that it matches; `None` where it is no regular expression.
    /// Gathered: with `grep -P`, for the sources of `modules::questions`. For a pattern that is missing here the usual one holds.
    #[serde(default)]
    pub repositories: BTreeMap<String, Option<BTreeSet<String>>>,
    /// Instance id.
    pub instance_id: String,
    /// Short name of the datasource, lower case: `nocloud`.
    pub datasource: String,
    /// `local-hostname` of the metadata.
    pub metadata_hostname: Option<String>,
    /// SSH keys of the metadata.
    pub metadata_keys: Vec<String>,
    /// Seed for random numbers that the metadata brings.
    #[serde(default)]
    pub metadata_seed: Option<Secret<String>>,
    /// For each script (`runcmd`, `bootcmd`, `PHASE.runcmd`): ranges of items that only parse jointly, as (first, last) from 0.
    /// Gathered: `script::joint_ranges` with `sh -n`, for each script of `modules::questions`. A script that is missing here has
    /// every item stand alone.
    pub joint_items: BTreeMap<String, Vec<(usize, usize)>>,
}

/// Programs whose presence modules ask for.
pub const PROGRAMS: &[&str] = &[
    "locale-gen",
    "update-locale",
    "update-ca-certificates",
    "sudo",
    "sshd",
    "ssh-keygen",
    "gpg",
    "add-apt-repository",
    "chronyd",
    "ntpctl",
    "ntpd",
    "ntpdate",
    "setupcon",
    "ssh-import-id",
    "snap",
    "rsyslogd",
    "wg",
    "ansible",
    "pip3",
    "git",
    "ip",
    "byobu",
    "puppet",
    "/opt/puppetlabs/bin/puppet",
    "/usr/bin/chef-client",
    "gem",
    "salt-minion",
    "mcollectived",
    "pro",
    "landscape-config",
    "fanctl",
    "ubuntu-drivers",
    "lxd",
    "zfs",
    "lvcreate",
    "mkfs.btrfs",
    "debconf-set-selections",
    "netplan",
    "ifup",
    "networkctl",
    "python3",
];

/// Files whose presence modules ask for.
pub const FILES: &[&str] = &[
    "/etc/apt/apt.conf.d/90cloud-init-aptproxy",
    "/etc/apt/apt.conf.d/94cloud-init-config",
    "/etc/network/interfaces",
    "/usr/lib/systemd/systemd-timesyncd",
    "/sys/firmware/efi",
    "/etc/udev/rules.d/90-cloud-init-hook-hotplug.rules",
    "/etc/udev/rules.d/90-landfall-hotplug.rules",
    "/opt/rsct/install/bin",
    "/snap/subiquity",
    "/snap/ubuntu-desktop-installer",
    "/snap/ubuntu-desktop-bootstrap",
];

impl Facts {
    /// Whether `program` is on the usual path.
    pub fn has(&self, program: &str) -> bool {
        self.programs.contains(program)
    }

    /// The distribution's customary first user: name, groups, comment, as the `cloud.cfg` of its own cloud-init package has them.
    /// Debian 13 no longer puts the user into `netdev`.
    pub fn default_user(&self) -> (&'static str, &'static [&'static str], &'static str) {
        const DEBIAN: &[&str] = &["adm", "audio", "cdrom", "dialout", "dip", "floppy", "plugdev", "sudo", "video"];
        const DEBIAN_12: &[&str] = &["adm", "audio", "cdrom", "dialout", "dip", "floppy", "netdev", "plugdev", "sudo", "video"];
        let old = ["11", "12"].contains(&self.version_id.as_str());
        match self.distro.as_str() {
            "ubuntu" => ("ubuntu", &["adm", "cdrom", "dip", "lxd", "sudo"], "Ubuntu"),
            _ if old => ("debian", DEBIAN_12, "Debian"),
            _ => ("debian", DEBIAN, "Debian"),
        }
    }
}
