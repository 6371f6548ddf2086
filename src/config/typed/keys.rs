//! Every top-level key.

use super::apt::Apt;
use super::files::FileEntry;
use super::packages::PackageList;
use super::passwords::{Chpasswd, DefaultPassword, PasswordLogin};
use super::scalars::Located;
use super::scripts::ScriptItems;
use super::ssh::{HostKeys, KeyKinds, PublicKeys, SshConsole};
use super::system::{AbsolutePath, CaCerts, HostName, LocaleSetting, ManageEtcHosts, PowerState, ZoneName};
use super::users::{DefaultUser, Groups, Users};

crate::record! {
    /// Every top-level key landfall does. What is neither here nor listed as "later" is reported as unknown.
    pub struct Keys {
        /// Short name of the host, or with its domain.
        optional hostname: HostName,
        /// Name of the host with its domain.
        optional fqdn: HostName,
        /// Leave the name as it is.
        default preserve_hostname: bool,
        /// The kernel and `/etc/hostname` get the name with its domain.
        default prefer_fqdn_over_hostname: bool,
        /// Make `/etc/hostname` where there is none (the default).
        optional create_hostname_file: bool,
        /// What to do with `/etc/hosts`.
        optional manage_etc_hosts: ManageEtcHosts,
        /// Commands of every boot, before anything else.
        default bootcmd: ScriptItems,
        /// Files to write.
        default write_files: Vec<FileEntry>,
        /// Certificates to trust.
        optional ca_certs: CaCerts,
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
        /// Sources, keys and settings of apt.
        optional apt: Apt,
        /// Locale.
        optional locale: Located<LocaleSetting>,
        /// File that holds it.
        optional locale_configfile: AbsolutePath,
        /// Time zone.
        optional timezone: Located<ZoneName>,
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
        /// No tables of users' keys on the console; landfall shows none.
        optional no_ssh_fingerprints: bool,
        /// What the console is told at the end.
        optional final_message: String,
        /// Reboot, halt or power off at the end.
        optional power_state: PowerState,
    }
    later [
        // Modules of the peer.
        "ansible", "apk_repos", "apt_pipelining", "authkey_hash", "autoinstall", "byobu_by_default", "chef", "device_aliases",
        "disable_ec2_metadata", "disk_setup", "drivers", "fan", "fs_setup", "growpart", "grub_dpkg", "keyboard", "landscape", "lxd",
        "manage_resolv_conf", "mcollective", "mount_default_fields", "mounts", "ntp", "phone_home", "puppet", "random_seed",
        "resize_rootfs", "resolv_conf", "rh_subscription", "rsyslog", "salt_minion", "snap", "spacewalk", "ssh_fp_console_blacklist",
        "ssh_import_id", "ssh_key_console_blacklist", "ssh_publish_hostkeys", "swap", "ubuntu_advantage", "ubuntu_pro", "updates",
        "wireguard", "yum_repo_dir", "yum_repos", "zypper",
        // Settings of the peer itself.
        "allow_userdata", "cloud_config_modules", "cloud_final_modules", "cloud_init_modules", "conf_d", "datasource",
        "datasource_list", "def_log_file", "disable_network_activation", "log_cfgs", "manual_cache_clean", "network", "output", "reporting",
        "syslog_fix_perms", "system_info", "unverified_modules", "vendor_data", "vendor_data2", "warnings",
    ]
}

/// Keys that steer how documents are read or merged: they have been used by then.
pub const CONSUMED: [&str; 3] = ["merge_how", "merge_type", "launch-index"];
