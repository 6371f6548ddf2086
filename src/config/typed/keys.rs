//! Every top-level key.

use super::ansible::Ansible;
use super::apt::Apt;
use super::chef::Chef;
use super::cloud::{SystemInfo, Unused, VendorData};
use super::files::FileEntry;
use super::keyboard::Keyboard;
use super::module_lists::ModuleList;
use super::ntp::Ntp;
use super::others::{Byobu, GrubDpkg, KeyHash, OfOtherSystem, PublishHostKeys, ResolvConf, Updates, Words};
use super::packages::PackageList;
use super::passwords::{Chpasswd, DefaultPassword, PasswordLogin};
use super::phone_home::PhoneHome;
use super::pipelining::PipelineDepth;
use super::puppet::Puppet;
use super::reporting::Reporting;
use super::rsyslog::Rsyslog;
use super::salt::{Mcollective, SaltMinion};
use super::scalars::{Located, OrEmpty};
use super::scripts::ScriptItems;
use super::seed::RandomSeed;
use super::snap::Snap;
use super::ssh::{HostKeys, ImportIds, KeyKinds, PublicKeys, SshConsole};
use super::storage::{Aliases, DefaultFields, Disks, FsEntry, Growing, MountEntry, ResizeRoot, Swap};
use super::system::{AbsolutePath, CaCerts, HostName, LocaleSetting, ManageEtcHosts, PowerState, ZoneName};
use super::ubuntu::{Drivers, Fan, Landscape, Lxd, UbuntuPro};
use super::users::{DefaultUser, Groups, Users};
use super::wireguard::Wireguard;
use crate::config::node::Node;

crate::record! {
    /// Every top-level key landfall does. What is neither here nor listed as "later" is reported as unknown.
    pub struct Keys {
        /// Short name of the host, or with its domain.
        optional hostname: HostName,
        /// Name of the host with its domain.
        optional fqdn: HostName,
        /// Leave the name as it is.
        optional preserve_hostname: bool,
        /// The kernel and `/etc/hostname` get the name with its domain.
        default prefer_fqdn_over_hostname: bool,
        /// Make `/etc/hostname` where there is none (the default).
        optional create_hostname_file: bool,
        /// What to do with `/etc/hosts`.
        optional manage_etc_hosts: ManageEtcHosts,
        /// What random numbers are seeded with.
        optional random_seed: RandomSeed,
        /// Commands of every boot, before anything else.
        default bootcmd: ScriptItems,
        /// Files to write.
        default write_files: Vec<FileEntry>,
        /// Partitions that grow.
        optional growpart: Growing,
        /// Whether the root filesystem grows.
        optional resize_rootfs: ResizeRoot,
        /// Names of devices.
        default device_aliases: Aliases,
        /// Disks to partition.
        default disk_setup: Disks,
        /// Filesystems to make.
        default fs_setup: Vec<FsEntry>,
        /// What is mounted where.
        default mounts: Vec<MountEntry>,
        /// Fields of `mounts` that are not given.
        optional mount_default_fields: DefaultFields,
        /// A swap file.
        optional swap: Swap,
        /// Certificates to trust.
        optional ca_certs ["ca-certs"]: CaCerts,
        /// The log daemon.
        optional rsyslog: Rsyslog,
        /// Groups to make.
        default groups: Groups,
        /// Users to make.
        optional users: Users,
        /// What the default user is to be.
        optional user: DefaultUser,
        /// Remove the image's SSH host keys (the default).
        optional ssh_deletekeys: bool,
        /// Types of host keys to generate.
        optional ssh_genkeytypes: KeyKinds,
        /// Host keys to use.
        optional ssh_keys: HostKeys,
        /// Say less while host keys are generated; landfall says nothing anyhow.
        optional ssh_quiet_keygen: bool,
        /// Keys of the default user and of root.
        optional ssh_authorized_keys: PublicKeys,
        /// Take the instance's own keys too (the default).
        optional allow_public_ssh_keys: bool,
        /// Root's keys lead to a message that names the default user (the default).
        optional disable_root: bool,
        /// The options that do so.
        optional disable_root_opts: String,
        /// Password of the default user.
        optional password: DefaultPassword,
        /// Passwords.
        optional chpasswd: Chpasswd,
        /// Whether sshd takes passwords.
        optional ssh_pwauth: PasswordLogin,
        /// Tunnels.
        optional wireguard: Wireguard,
        /// Snaps.
        optional snap: Snap,
        /// Where the default user's keys are imported from.
        optional ssh_import_id: ImportIds,
        /// The console's keyboard.
        optional keyboard: Keyboard,
        /// Where GRUB is installed when it is upgraded.
        optional grub_dpkg ["grub-dpkg"]: GrubDpkg,
        /// How many requests apt has on their way.
        optional apt_pipelining: PipelineDepth,
        /// Sources, keys and settings of apt.
        optional apt: Apt,
        /// Locale.
        optional locale: Located<LocaleSetting>,
        /// File that holds it.
        optional locale_configfile: AbsolutePath,
        /// Time zone.
        optional timezone: Located<ZoneName>,
        /// Who tells the time.
        optional ntp: OrEmpty<Ntp>,
        /// No one asks the cloud's metadata service.
        default disable_ec2_metadata: bool,
        /// Whether a login starts byobu.
        optional byobu_by_default: Byobu,
        /// A contract with Canonical.
        optional ubuntu_pro ["ubuntu_advantage", "ubuntu-advantage"]: UbuntuPro,
        /// Landscape's client.
        optional landscape: Landscape,
        /// Containers.
        optional lxd: Lxd,
        /// Fan networking.
        optional fan: Fan,
        /// Drivers of others.
        optional drivers: Drivers,
        /// What Ubuntu's installer reads itself.
        optional autoinstall: Node,
        /// Puppet's agent.
        optional puppet: Puppet,
        /// Chef's client.
        optional chef: Chef,
        /// Ansible.
        optional ansible: Ansible,
        /// The Marionette Collective.
        optional mcollective: Mcollective,
        /// Salt's minion.
        optional salt_minion: SaltMinion,
        /// Commands of the first boot.
        default runcmd: ScriptItems,
        /// Update the package lists.
        default package_update ["apt_update"]: bool,
        /// Upgrade all packages.
        default package_upgrade ["apt_upgrade"]: bool,
        /// Reboot if an upgrade asks for it.
        default package_reboot_if_required ["apt_reboot_if_required"]: bool,
        /// Packages to install.
        default packages: PackageList,
        /// Whether host-key fingerprints are shown.
        optional ssh: SshConsole,
        /// No tables of users' keys on the console.
        optional no_ssh_fingerprints: bool,
        /// The digest of fingerprints of users' keys.
        optional authkey_hash: KeyHash,
        /// Types of host keys whose fingerprints are not shown.
        optional ssh_fp_console_blacklist: Words,
        /// Types of host keys that are not shown.
        optional ssh_key_console_blacklist: Words,
        /// Whether the cloud is given the host keys.
        optional ssh_publish_hostkeys: PublishHostKeys,
        /// When the network is configured anew.
        optional updates: Updates,
        /// What the console is told at the end.
        optional final_message: String,
        /// Handlers of events.
        default reporting: Reporting,
        /// Where this host reports itself at the end.
        optional phone_home: PhoneHome,
        /// Reboot, halt or power off at the end.
        optional power_state: PowerState,
        /// Repositories of Alpine.
        optional apk_repos: OfOtherSystem,
        /// Whether `resolv_conf` is done, on systems where it is.
        default manage_resolv_conf: bool,
        /// Who is asked for names, on systems where that is done.
        optional resolv_conf: ResolvConf,
        /// Subscription of Red Hat.
        optional rh_subscription: OfOtherSystem,
        /// Spacewalk.
        optional spacewalk: OfOtherSystem,
        /// Directory of yum's repositories.
        optional yum_repo_dir: OfOtherSystem,
        /// Repositories of yum.
        optional yum_repos: OfOtherSystem,
        /// Repositories of zypper.
        optional zypper: OfOtherSystem,
        /// Marks of the peer's own, of before there were instances: there are none here.
        optional migrate: Unused,
        /// Version of a document; there is but one.
        optional version: Unused,
        /// What distribution this is.
        optional system_info: SystemInfo,
        /// Whether and how the vendor's data is used.
        optional vendor_data: VendorData,
        /// The same for its second part.
        optional vendor_data2: VendorData,
        /// Whether user-data is used; only the system's configuration can say no.
        optional allow_userdata: bool,
        /// Modules of the first stage that are run.
        optional cloud_init_modules: ModuleList,
        /// Modules of the second one.
        optional cloud_config_modules: ModuleList,
        /// Modules of the last one.
        optional cloud_final_modules: ModuleList,
        /// Modules of another distribution to run nevertheless.
        default unverified_modules: Vec<Located<String>>,
    }
    later [
        // Settings of the peer itself.
        "conf_d", "datasource", "datasource_list", "def_log_file", "disable_network_activation", "log_cfgs", "manual_cache_clean",
        "network", "output", "syslog_fix_perms", "warnings",
    ]
}

/// Keys that steer how documents are read or merged: they have been used by then.
pub const CONSUMED: [&str; 3] = ["merge_how", "merge_type", "launch-index"];
