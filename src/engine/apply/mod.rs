//! The only interpreter of [`Operation`]: what each one means on a host.
//!
//! For every operation: `check` (is it so already?), `prior` (what undoing it needs, recorded before the change), `apply`,
//! `verify` (is it so now?). None of them retries, journals or decides what a failure means.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod accounts;
mod disks;
mod download;
mod edit;
mod files;
mod growth;
mod keys;
mod left;
mod mounts;
mod network;
mod packages;
mod part_handlers;
mod phone_home;
mod private_key;
mod room;
mod services;
mod shown_keys;
mod ssh;
mod system;
mod undo;
mod units;

use crate::error::{Failure, Kind};
use crate::host::files::Attributes;
use crate::host::process::Limit;
use crate::host::repair::NewPackages;
use crate::host::Host;
use crate::plan::operation::UnitAction;
use crate::plan::{AptGet, Operation, Resources};

pub(crate) use download::local_path;
pub use download::{fall_back, has_fallback, partial_name};
pub use edit::edited;
pub use left::{changed_since, left_by, Left, PackageChange};
pub use room::check_low_disk;
pub(crate) use room::PLENTY;
pub use services::is_ready;
pub use undo::{undo, verify_undone};

/// What interpreting an operation needs beside it.
pub struct Context<'c> {
    /// The host.
    pub host: &'c Host,
    /// Where children's output goes (0600, inside the state directory).
    pub output: PathBuf,
    /// Environment of children: run id, phase, step, attempt.
    pub env: BTreeMap<String, String>,
    /// Wall-clock limit of all children together, if the step has one.
    pub deadline: Limit,
    /// Limit without new output of one child, if the step has one.
    pub silence: Option<Duration>,
    /// Directory of backups by content (0700).
    pub backups: String,
    /// Directory of downloads that are not whole yet (0700).
    pub downloads: String,
    /// Instance id and datasource, for messages and scripts.
    pub instance: String,
    /// Short name of the datasource.
    pub datasource: String,
    /// What the host must have left.
    pub resources: Resources,
    /// How apt-get is called.
    pub apt_get: &'c AptGet,
    /// Tells the console and the log something while it goes on: who is waited for.
    pub say: &'c dyn Fn(&str),
}

/// Whether an operation has anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The host is as the operation would leave it.
    Satisfied,
    /// There is something to do.
    Needed,
}

impl Checked {
    const fn satisfied_if(so: bool) -> Self {
        if so {
            Self::Satisfied
        } else {
            Self::Needed
        }
    }
}

/// What an operation did.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effect {
    /// What a person should know, short: `installed 3 packages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What went less than well although it is done: the run is degraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What stood at a path before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "was")]
pub enum PriorFile {
    /// Nothing.
    Absent,
    /// A file; its bytes are in the backups under their SHA-256.
    File {
        /// SHA-256 of the bytes, hex.
        sha256: String,
        /// Mode, owner, group.
        attributes: Attributes,
    },
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: String,
    },
    /// A directory.
    Directory {
        /// Mode, owner, group.
        attributes: Attributes,
    },
}

/// What undoing an operation needs; recorded durably before the change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "prior")]
pub enum Prior {
    /// Nothing to undo, or no undo.
    None,
    /// Files as they were, and directories that did not exist (outermost first).
    Files {
        /// Path and what stood there.
        files: Vec<(String, PriorFile)>,
        /// Directories that will be made.
        new_directories: Vec<String>,
    },
    /// The hostname before.
    Hostname {
        /// The kernel's.
        running: String,
    },
    /// An account that did not exist.
    NewUser {
        /// Login name.
        name: String,
        /// Its home existed before.
        home_existed: bool,
        /// Where its home is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        home: Option<String>,
    },
    /// A group that did not exist.
    NewGroup {
        /// Group name.
        name: String,
    },
    /// Members that were not in the group.
    NewMembers {
        /// Group name.
        group: String,
        /// Users.
        users: Vec<String>,
    },
    /// Packages are going to be changed. An interruption is mended by comparing with it; undoing starts from what was left.
    Packages {
        /// SHA-256 of dpkg's status file, which is in the backups.
        status: String,
        /// Databases that are rewritten meanwhile.
        databases: Vec<(String, PriorFile)>,
        /// Versions of configuration files that packages brought and that stand beside the host's own.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        beside: Vec<String>,
    },
    /// A systemd unit.
    Unit {
        /// Unit name.
        unit: String,
        /// It was enabled.
        enabled: bool,
        /// It ran.
        active: bool,
        /// The step takes it down: undoing it brings it up again.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        down: bool,
    },
    /// A swap file that did not exist.
    SwapFile {
        /// Its path.
        path: String,
    },
    /// A disk or partition that is going to be written, and what it held: nothing that can be undone, but where a step that was cut
    /// off had begun.
    Disk {
        /// The device.
        device: String,
        /// `ext4`, `gpt`; nothing where it was empty.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<String>,
        /// Which device it is, whatever it is called after the next boot.
        #[serde(default)]
        identity: String,
        /// What the filesystem that is made is known by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        uuid: Option<String>,
    },
    /// A user's shadow line (stored in the 0700 state directory only).
    Shadow {
        /// Login name.
        user: String,
        /// The whole line.
        line: crate::secret::Secret<String>,
    },
}

fn by_the_engine(operation: &Operation) -> Failure {
    Failure::new(Kind::Unknown, format!("run by the engine: {}", operation.describe()))
}

/// Whether the host is already as the operation would leave it.
pub fn check(operation: &Operation, context: &Context<'_>) -> Result<Checked, Failure> {
    match operation {
        Operation::WriteFile(file) => files::check_write(context, file),
        Operation::Download { file, append: false, checksum: Some(checksum), .. } => download::check(context, file, checksum),
        Operation::EditFile { path, change, mode, force_mode } => files::check_edit(context, path, change, force_mode.then_some(*mode)),
        Operation::CopyFile { from, to } => files::check_copy(context, from, to),
        Operation::RemoveFiles { paths } => files::check_remove(context, paths),
        Operation::Directory { path, mode, owner, keep } => files::check_directory(context, path, *mode, owner.as_ref(), *keep),
        Operation::Symlink { path, target } => files::check_link(context, path, target),
        Operation::Unit { unit, action, optional } => units::check(context, unit, *action, *optional),
        Operation::Service(service) => services::check(context, service),
        Operation::Hostname { name } => Ok(system::check_hostname(context, name)),
        Operation::ConfigureNetwork(wanted) => network::check(context, wanted),
        Operation::Group { name, .. } => accounts::check_group(context, name),
        Operation::GroupMembers { group, users } => accounts::check_members(context, group, users),
        Operation::User(user) => accounts::check_user(context, user),
        Operation::Password { user, password, expire } => accounts::check_password(context, user, password, *expire),
        Operation::PasswordLock { user, lock } => accounts::check_lock(context, user, *lock),
        Operation::AuthorizedKeys { user, keys, options } => ssh::check_keys(context, user, keys, options.as_deref()),
        Operation::SshHostKey { kind } => ssh::check_host_key(context, kind),
        Operation::AptKey { keyid, path, .. } => packages::check_apt_key(context, keyid, path),
        Operation::PartHandlers(handlers) => Ok(part_handlers::check(context, handlers)),
        Operation::InstallPackages { packages } => packages::check_install(context, packages),
        Operation::GrowPartition { device, even_if_disabled } => Ok(growth::check_partition(context, device, *even_if_disabled)),
        Operation::GrowFilesystem => growth::check_filesystem(context),
        Operation::PartitionDisk(disk) => disks::check_disk(context, disk, None),
        Operation::MakeFilesystem(filesystem) => disks::check_filesystem(context, filesystem),
        Operation::SwapFile { path, .. } => mounts::check_swap(context, path),
        Operation::Fstab(fstab) => mounts::check_fstab(context, fstab),
        Operation::MountFstab { remote, swap_file } => mounts::check_mounted(context, *remote, swap_file.as_deref()),
        _ => Ok(Checked::Needed),
    }
}

/// As [`check`], for a step whose intent stands in the journal without an outcome, with what the intent recorded: tells what
/// the interrupted step had begun from what was there before it.
pub fn check_again(operation: &Operation, prior: &Prior, context: &Context<'_>) -> Result<Checked, Failure> {
    let of_accounts = matches!(
        operation,
        Operation::Group { .. }
            | Operation::GroupMembers { .. }
            | Operation::User(_)
            | Operation::Password { .. }
            | Operation::PasswordLock { .. }
    );
    if of_accounts && accounts::has_leftovers(context)? {
        return Ok(Checked::Needed);
    }
    match (operation, prior) {
        (Operation::Group { name, .. }, Prior::NewGroup { .. }) => accounts::check_own_group(context, name),
        (Operation::GroupMembers { group, users }, _) => accounts::check_members_again(context, group, users),
        (Operation::User(user), Prior::NewUser { home_existed, .. }) => accounts::check_own_user(context, user, *home_existed),
        // Installed does not mean whole: what the packages' scripts wrote was not synced.
        (Operation::InstallPackages { .. }, _) => Ok(Checked::Needed),
        // Neither does a filesystem or swap that was not synced.
        (Operation::MakeFilesystem(_), Prior::Disk { .. }) | (Operation::SwapFile { .. }, Prior::SwapFile { .. }) => Ok(Checked::Needed),
        (Operation::PartitionDisk(disk), Prior::Disk { identity, .. }) => disks::check_disk(context, disk, Some(identity)),
        // Files that are there do not say that anybody has read them.
        (Operation::ConfigureNetwork(_), _) => Ok(Checked::Needed),
        _ => check(operation, context),
    }
}

/// What undoing the operation needs. Files that will be changed are copied into the backups, durably, here.
pub fn prior(operation: &Operation, context: &Context<'_>) -> Result<Prior, Failure> {
    match operation {
        Operation::WriteFile(file) | Operation::AppendFile(file) => files::prior_write(context, &file.path),
        Operation::EditFile { path, .. } | Operation::CopyFile { to: path, .. } => files::prior_write(context, path),
        Operation::Download { file, .. } => files::prior_write(context, &file.path),
        Operation::RemoveFiles { paths } => files::prior_remove(context, paths),
        Operation::Directory { path, .. } => files::prior_directory(context, path),
        Operation::Symlink { path, .. } => files::prior_link(context, path),
        Operation::Hostname { .. } => Ok(system::prior_hostname(context)),
        Operation::ConfigureNetwork(wanted) => network::prior(context, wanted),
        Operation::Group { name, .. } => accounts::prior_group(context, name),
        Operation::GroupMembers { group, users } => accounts::prior_members(context, group, users),
        Operation::User(user) => accounts::prior_user(context, user),
        Operation::Password { user, .. } | Operation::PasswordLock { user, .. } => accounts::prior_shadow(context, user),
        Operation::AuthorizedKeys { user, .. } => ssh::prior_keys(context, user),
        Operation::SshHostKey { kind } => ssh::prior_host_key(context, kind),
        Operation::AptKey { path, .. } => files::prior_write(context, path),
        Operation::AptUpgrade | Operation::InstallPackages { .. } => packages::prior(context),
        Operation::PartitionDisk(disk) => disks::prior_disk(context, disk),
        Operation::MakeFilesystem(filesystem) => disks::prior_filesystem(context, filesystem),
        Operation::SwapFile { path, .. } => mounts::prior_swap(context, path),
        Operation::Fstab(_) => files::prior_write(context, "/etc/fstab"),
        Operation::Unit { unit, action, .. } => units::prior(context, unit, *action),
        Operation::Service(service) => units::prior(context, &service.unit, UnitAction::Start),
        _ => Ok(Prior::None),
    }
}

/// Does it.
pub fn apply(operation: &Operation, context: &Context<'_>) -> Result<Effect, Failure> {
    match operation {
        Operation::WriteFile(file) => files::write(context, file, &file.content.expose().0),
        Operation::AppendFile(file) => files::append(context, file, &file.content.expose().0),
        Operation::Download { url, headers, file, append, checksum } => {
            let download = download::Download { url, headers, file, append: *append, checksum: checksum.as_ref() };
            download::download(context, &download, None)
        }
        Operation::EditFile { path, change, mode, force_mode } => files::edit(context, path, change, *mode, *force_mode),
        Operation::CopyFile { from, to } => files::copy(context, from, to),
        Operation::RemoveFiles { paths } => files::remove(context, paths),
        Operation::Directory { path, mode, owner, .. } => files::directory(context, path, *mode, owner.as_ref()),
        Operation::Symlink { path, target } => files::link(context, path, target),
        Operation::Unit { unit, action, optional } => units::apply(context, unit, *action, *optional),
        Operation::Service(service) => services::apply(context, service),
        Operation::Hostname { name } => system::hostname(context, name),
        Operation::ConfigureNetwork(wanted) => network::apply(context, wanted),
        Operation::PhoneHome { url, form, .. } => phone_home::phone_home(context, url, form),
        Operation::Message { template } => Ok(system::message(context, template)),
        Operation::Command(command) => system::command(context, command),
        Operation::Group { name, system } => accounts::group(context, name, *system),
        Operation::GroupMembers { group, users } => accounts::members(context, group, users),
        Operation::User(user) => accounts::user(context, user, None),
        Operation::Password { user, password, expire } => accounts::password(context, user, password, *expire),
        Operation::PasswordLock { user, lock } => accounts::lock(context, user, *lock),
        Operation::AuthorizedKeys { user, keys, options } => ssh::keys(context, user, keys, options.as_deref()),
        Operation::SshHostKey { kind } => ssh::host_key(context, kind),
        Operation::ShowHostKeys { without_fingerprints, without_keys } => {
            shown_keys::host_keys(context, without_fingerprints, without_keys)
        }
        Operation::ShowAuthorizedKeys { users, hash } => shown_keys::authorized_keys(context, users, hash),
        Operation::AptKey { keyid, keyserver, path } => packages::apt_key(context, keyid, keyserver, path),
        Operation::PartHandlers(handlers) => part_handlers::call(context, handlers),
        Operation::Debconf { selections } => packages::debconf(context, selections),
        Operation::AptUpdate => packages::update(context, None),
        Operation::AptUpgrade => packages::upgrade(context, None),
        Operation::InstallPackages { packages } => packages::install(context, packages, None),
        Operation::GrowPartition { device, .. } => growth::grow(context, device),
        Operation::GrowFilesystem => growth::grow_filesystem(context),
        Operation::PartitionDisk(disk) => disks::partition(context, disk, None),
        Operation::MakeFilesystem(filesystem) => disks::make(context, filesystem, &Prior::None, false),
        Operation::SwapFile { path, size, most } => mounts::swap_file(context, path, *size, *most),
        Operation::Fstab(fstab) => mounts::write_fstab(context, fstab),
        Operation::MountFstab { remote, swap_file } => mounts::mount(context, *remote, swap_file.as_deref()),
        Operation::ScriptItem(_)
        | Operation::RunFile { .. }
        | Operation::RunDirectory { .. }
        | Operation::RebootIfRequired
        | Operation::PowerState { .. } => Err(by_the_engine(operation)),
    }
}

/// Does it for the first time, with what the intent has recorded.
pub fn apply_intended(operation: &Operation, prior: &Prior, context: &Context<'_>) -> Result<Effect, Failure> {
    match operation {
        Operation::MakeFilesystem(filesystem) => disks::make(context, filesystem, prior, false),
        _ => apply(operation, context),
    }
}

/// Does it after an interruption, with what was recorded before the first try: for an intent without an outcome, where
/// [`check_again`] says there is something to do. It differs from [`apply`] where doing it twice is not doing it once.
pub fn apply_again(operation: &Operation, prior: &Prior, context: &Context<'_>) -> Result<Effect, Failure> {
    match (operation, prior) {
        (Operation::AppendFile(file), _) => files::append_again(context, file, &file.content.expose().0, prior),
        (Operation::AptUpdate, _) => packages::update(context, Some(prior)),
        (Operation::AptUpgrade, _) => packages::upgrade(context, Some(prior)),
        (Operation::InstallPackages { packages }, _) => packages::install(context, packages, Some(prior)),
        (Operation::Download { url, headers, file, append, checksum }, _) => {
            let download = download::Download { url, headers, file, append: *append, checksum: checksum.as_ref() };
            download::download(context, &download, Some(prior))
        }
        (Operation::PartitionDisk(disk), Prior::Disk { identity, .. }) => disks::partition(context, disk, Some(identity)),
        (Operation::MakeFilesystem(filesystem), Prior::Disk { .. }) => disks::make(context, filesystem, prior, true),
        (Operation::User(user), Prior::NewUser { home_existed, .. }) => accounts::user(context, user, Some(*home_existed)),
        _ => apply(operation, context),
    }
}

/// What [`mend_packages`] needs: for a script that works on packages.
pub fn prior_of_packages(context: &Context<'_>) -> Result<Prior, Failure> {
    packages::prior(context)
}

/// Mends dpkg and apt after a cut, as every step that changes packages does first: for a script that is run again. Where nothing
/// was recorded of the packages before it, only what is seen to be damaged is mended.
pub fn mend_packages(prior: &Prior, context: &Context<'_>) -> Result<(), Failure> {
    let recorded = matches!(prior, Prior::Packages { .. }).then_some(prior);
    // Unit tests run scripts on the machine itself, whose packages are not theirs.
    if cfg!(test) && recorded.is_none() {
        return Ok(());
    }
    packages::mend(context, recorded, NewPackages::AskedForByScript).map(|_| ())
}

/// Whether it is so now: as `check`, but saying what is not.
pub fn verify(operation: &Operation, context: &Context<'_>) -> Result<(), Failure> {
    match operation {
        Operation::AppendFile(file) => files::verify_append(context, file, Some(&file.content.expose().0)),
        Operation::Download { file, .. } => files::verify_append(context, file, None),
        Operation::Unit { unit, action, optional } => units::verify(context, unit, *action, *optional),
        Operation::GroupMembers { group, users } => accounts::verify_members(context, group, users),
        Operation::Password { user, password, expire } => accounts::verify_password(context, user, password, *expire),
        Operation::PasswordLock { user, lock } => accounts::verify_lock(context, user, *lock),
        Operation::AuthorizedKeys { user, keys, options } => ssh::verify_keys(context, user, keys, options.as_deref()),
        Operation::SshHostKey { kind } => ssh::verify_host_key(context, kind),
        Operation::InstallPackages { packages } => packages::verify_install(context, packages),
        Operation::ConfigureNetwork(wanted) => network::verify(context, wanted),
        Operation::PartitionDisk(disk) => disks::verify_disk(context, disk),
        Operation::MakeFilesystem(filesystem) => disks::verify_filesystem(context, filesystem),
        Operation::WriteFile(_)
        | Operation::Fstab(_)
        | Operation::SwapFile { .. }
        | Operation::EditFile { .. }
        | Operation::CopyFile { .. }
        | Operation::RemoveFiles { .. }
        | Operation::Directory { .. }
        | Operation::Symlink { .. }
        | Operation::Hostname { .. }
        | Operation::Group { .. }
        | Operation::User(_) => match check(operation, context)? {
            Checked::Satisfied => Ok(()),
            Checked::Needed => Err(Failure::new(Kind::Unknown, format!("it was done, but is not so: {}", operation.describe()))),
        },
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
