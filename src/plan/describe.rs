//! What is said of an operation: what it does, in one line, and what undoing it means.

use super::operation::{
    ConfigureNetwork, CreateUser, Edit, IniEntry, NetworkManager, NewPassword, Operation, PartHandlers, PasswordLock, PowerMode, Readiness,
    ScriptItem, Service, UnitAction, Walked, WriteFile,
};

use super::storage::{FsPlace, Fstab, Layout, MakeFilesystem, MountFields, PartitionDisk, Share, TableType};

/// What undoing an operation means; shown by `plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Put back exactly what was there.
    Restored(&'static str),
    /// Nothing was changed.
    Nothing,
    /// Cannot be undone, and why.
    None(&'static str),
}

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn mode_and_owner(file: &WriteFile) -> String {
    let mut out = plural(file.content.expose().0.len(), "byte");
    if let Some(mode) = file.mode {
        out.push_str(&format!(", {mode:04o}"));
    }
    if let Some(owner) = &file.owner {
        let half = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".into());
        out.push_str(&format!(", {}:{}", half(&owner.user), half(&owner.group)));
    }
    out
}

impl Operation {
    /// What it does, as one line, for files that everybody can read: nothing of a script's text, of which patterns mask only
    /// what looks like a secret.
    pub fn describe_openly(&self) -> String {
        match self {
            Self::ScriptItem(item) => item.name(),
            _ => self.describe(),
        }
    }

    /// What it does, as one line without secrets.
    pub fn describe(&self) -> String {
        match self {
            Self::WriteFile(file) => format!("write {} ({})", file.path, mode_and_owner(file)),
            Self::AppendFile(file) => format!("append to {} ({})", file.path, mode_and_owner(file)),
            Self::Download { url, file, append, checksum, .. } => {
                let verb = if *append { "append to" } else { "write" };
                let checked = if checksum.is_some() { ", checked by its checksum" } else { "" };
                format!("{verb} {} from {}{checked}", file.path, crate::redact::url(url))
            }
            Self::EditFile { path, change, .. } => format!("edit {path}: {}", change.describe()),
            Self::CopyFile { from, to } => format!("keep a copy of {from} as {to}"),
            Self::RemoveFiles { paths } => format!("remove {}", paths.join(" ")),
            Self::Directory { path, mode, .. } => format!("make directory {path} ({mode:04o})"),
            Self::Symlink { path, target } => format!("link {path} to {target}"),
            Self::Hostname { name } => format!("set the hostname to {name}"),
            Self::ConfigureNetwork(network) => network.describe(),
            Self::Group { name, .. } => format!("create group {name}"),
            Self::GroupMembers { group, users } => format!("add {} to group {group}", users.join(", ")),
            Self::User(user) => user.describe(),
            Self::Password { user, password, expire } => {
                let how = match password {
                    NewPassword::Plain(_) => "password",
                    NewPassword::Hash(_) => "password hash",
                    NewPassword::Random => "random password",
                };
                format!("set the {how} of {user}{}", if *expire { ", to be changed at first login" } else { "" })
            }
            Self::PasswordLock { user, lock } => match lock {
                PasswordLock::Lock => format!("lock password login of {user}"),
                PasswordLock::Unlock => format!("unlock password login of {user}"),
            },
            Self::AuthorizedKeys { user, keys, .. } if keys.is_empty() => format!("make authorized_keys of {user} (no key is given)"),
            Self::AuthorizedKeys { user, keys, options } => {
                let with = if options.is_some() { ", with options" } else { "" };
                format!("authorize {} for {user}{with}", plural(keys.len(), "SSH key"))
            }
            Self::SshHostKey { kind } => format!("generate the {kind} SSH host key"),
            Self::ShowHostKeys { .. } => "show SSH host-key fingerprints on the console".into(),
            Self::ShowAuthorizedKeys { users, hash } => {
                format!("show the {hash} fingerprints of the SSH keys of {} on the console", users.join(", "))
            }
            Self::AptKey { keyid, keyserver, path } => format!("fetch key {keyid} from {keyserver} into {path}"),
            Self::Debconf { .. } => "set debconf selections".into(),
            Self::AptUpdate => "update the package lists".into(),
            Self::AptUpgrade => "upgrade all packages".into(),
            Self::InstallPackages { packages } => {
                let names: Vec<_> = packages.iter().map(|p| p.spec.as_str()).collect();
                format!("install {}", names.join(" "))
            }
            Self::Command(command) => format!("{}: {}", command.purpose, command.argv.join(" ")),
            Self::ScriptItem(item) => item.describe(),
            Self::RunFile { path, prefix, .. } if prefix.is_empty() => format!("run {path}"),
            Self::RunFile { path, prefix, .. } => format!("run {} {path}", prefix.join(" ")),
            Self::PartHandlers(handlers) => handlers.describe(),
            Self::RunDirectory { path } => format!("run the scripts in {path}"),
            Self::GrowPartition { device, .. } if device.starts_with("/dev/") => format!("take the room behind the partition {device}"),
            Self::GrowPartition { device, .. } => format!("take the room behind the partition of {device}"),
            Self::GrowFilesystem => "grow the root filesystem to its device".into(),
            Self::PartitionDisk(disk) => disk.describe(),
            Self::MakeFilesystem(filesystem) => filesystem.describe(),
            Self::SwapFile { path, size, most } => {
                let size = match (size, most) {
                    (Some(bytes), _) => crate::amount::size(*bytes),
                    (None, Some(most)) => format!("as large as the memory asks for, {} at most", crate::amount::size(*most)),
                    (None, None) => "as large as the memory asks for".into(),
                };
                format!("make the swap file {path}, {size}")
            }
            Self::Fstab(fstab) => fstab.describe(),
            Self::MountFstab { remote: true, .. } => "mount what these lines of /etc/fstab name of the network".into(),
            Self::MountFstab { .. } => "mount and swap to what these lines of /etc/fstab name".into(),
            Self::Unit { unit, action, .. } => match action {
                UnitAction::TryRestart => format!("restart {unit} if it runs"),
                UnitAction::TryReload => format!("reload {unit} if it runs"),
                _ => format!("{} {unit}", action.word()),
            },
            Self::Service(service) => service.describe(),
            Self::RebootIfRequired => "reboot if an upgrade asks for it, then go on".into(),
            Self::PhoneHome { url, form, .. } => {
                let names: Vec<&str> = form.iter().map(|field| field.name.as_str()).collect();
                format!("phone home to {}: {}", crate::redact::origin(url), names.join(", "))
            }
            Self::Message { .. } => "show the final message".into(),
            Self::PowerState { mode, delay_minutes, .. } => {
                let verb = match mode {
                    PowerMode::Poweroff => "power off",
                    PowerMode::Reboot => "reboot",
                    PowerMode::Halt => "halt",
                };
                match delay_minutes {
                    0 => format!("{verb} when the run has ended"),
                    n => format!("{verb} {} after the run has ended", plural(*n as usize, "minute")),
                }
            }
        }
    }

    /// The command that does it, without secrets; `None` where landfall does it itself, or several programs do.
    pub fn command_line(&self) -> Option<String> {
        Some(match self {
            Self::Command(command) => command.argv.join(" "),
            Self::ScriptItem(item) => item.shown.clone(),
            Self::RunFile { path, prefix, .. } => prefix.iter().chain([path]).map(String::as_str).collect::<Vec<_>>().join(" "),
            Self::AptUpdate => "apt-get update".into(),
            Self::AptUpgrade => "apt-get dist-upgrade".into(),
            Self::InstallPackages { packages } => {
                let names: Vec<_> = packages.iter().map(|package| package.spec.as_str()).collect();
                format!("apt-get install {}", names.join(" "))
            }
            Self::Unit { unit, action, .. } | Self::Service(Service { unit, action, .. }) => format!("systemctl {} {unit}", action.verb()),
            _ => return None,
        })
    }

    /// What undoing it means.
    pub fn undo(&self) -> Undo {
        match self {
            Self::WriteFile(_)
            | Self::AppendFile(_)
            | Self::Download { .. }
            | Self::EditFile { .. }
            | Self::CopyFile { .. }
            | Self::RemoveFiles { .. }
            | Self::Symlink { .. }
            | Self::AuthorizedKeys { .. }
            | Self::AptKey { .. } => Undo::Restored("the file as it was is kept and put back"),
            Self::Fstab(_) => Undo::Restored("the file as it was is put back; what is mounted stays so until the next boot"),
            Self::SwapFile { .. } => Undo::Restored("the file is removed"),
            Self::MountFstab { .. } => Undo::None("what is mounted stays so until the next boot"),
            Self::GrowPartition { .. } | Self::GrowFilesystem => Undo::None("what has grown is not made smaller"),
            Self::PartitionDisk(_) | Self::MakeFilesystem(_) => Undo::None("what a device held before cannot be brought back"),
            Self::ConfigureNetwork(_) => Undo::Restored("the files as they were are put back; the network follows at the next boot"),
            Self::Directory { .. } => Undo::Restored("removed if landfall made it and it is empty"),
            Self::Hostname { .. } => Undo::Restored("the name before is put back"),
            Self::Group { .. } => Undo::Restored("removed if landfall made it"),
            Self::GroupMembers { .. } => Undo::Restored("members that were added are taken out"),
            Self::User(_) => Undo::Restored("the account is removed if landfall made it; a home that existed or that was used since stays"),
            Self::Password { .. } | Self::PasswordLock { .. } => Undo::Restored("the shadow entry before is put back"),
            Self::SshHostKey { .. } => Undo::Restored("removed if landfall made it"),
            Self::Debconf { .. } => Undo::None("debconf keeps no earlier answers"),
            Self::AptUpdate | Self::ShowHostKeys { .. } | Self::ShowAuthorizedKeys { .. } | Self::Message { .. } => Undo::Nothing,
            Self::InstallPackages { packages } if packages.iter().any(|package| package.or_snap) => {
                Undo::Restored("the packages that were there before, in their versions; snaps, and what scripts did elsewhere, stay")
            }
            Self::AptUpgrade | Self::InstallPackages { .. } => {
                Undo::Restored("the packages that were there before, in their versions; what their scripts did elsewhere stays")
            }
            Self::Command(_) => Undo::None("a command's effects are not known"),
            Self::ScriptItem(_) | Self::RunFile { .. } | Self::RunDirectory { .. } | Self::PartHandlers(_) => {
                Undo::None("a script's effects are not known")
            }
            Self::Unit { action: UnitAction::Enable | UnitAction::Start, .. } => Undo::Restored("disabled and stopped if it was before"),
            Self::Unit { action: UnitAction::Disable, .. } => Undo::Restored("enabled again if it was before"),
            Self::Unit { action: UnitAction::Stop, .. } => Undo::Restored("started again if it ran before"),
            Self::Service(_) => Undo::Restored("stopped if it did not run before; a restart of one that ran stays"),
            Self::Unit { .. } => Undo::None("a restarted service stays restarted"),
            Self::PhoneHome { .. } => Undo::None("what was sent cannot be taken back"),
            Self::RebootIfRequired | Self::PowerState { .. } => Undo::None("a reboot cannot be undone"),
        }
    }
}

impl PartHandlers {
    fn describe(&self) -> String {
        let handlers = self.on_host.len() + self.walked.iter().filter(|walked| matches!(walked, Walked::Handler { .. })).count();
        let parts = self.walked.iter().filter(|walked| matches!(walked, Walked::Part(_))).count();
        let often = if self.every_boot { " again, as far as they want it at every boot," } else { "" };
        format!("call {}{often} with {}", plural(handlers, "part handler"), plural(parts, "part"))
    }
}

impl Edit {
    /// What the change is, without secrets.
    pub fn describe(&self) -> String {
        match self {
            Self::EnsureLine { line, .. } => format!("make sure of the line \"{line}\""),
            Self::EnsureBlock { block, .. } => {
                format!("make sure of {}", plural(block.expose().lines().count(), "line"))
            }
            Self::SetKeyword { keyword, separator, value } => format!("set {keyword}{separator}{value}"),
            Self::Uncomment { line } => format!("enable \"{line}\""),
            Self::HostsEntry { address, names } => format!("{address} is {}", names.join(" ")),
            Self::PrefixLines { prefix } => format!("put {prefix} before every entry"),
            Self::HostnameFile { name } => format!("name {name}"),
            Self::SetIni { entries } => {
                let names: Vec<String> = entries.iter().map(IniEntry::name).collect();
                format!("set {}", names.join(", "))
            }
        }
    }
}

impl IniEntry {
    /// `section.key`, without the value.
    pub fn name(&self) -> String {
        if self.section.is_empty() {
            self.key.clone()
        } else {
            format!("{}.{}", self.section, self.key)
        }
    }
}

impl UnitAction {
    /// As a person says it.
    const fn word(self) -> &'static str {
        match self {
            Self::Reload | Self::TryReload => "reload",
            other => other.verb(),
        }
    }

    /// As `systemctl` is told.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart | Self::TryRestart => "restart",
            Self::Reload | Self::TryReload => "reload-or-restart",
        }
    }
}

fn port_list(ports: &[u16]) -> String {
    let names: Vec<String> = ports.iter().map(u16::to_string).collect();
    format!("port{} {}", if ports.len() == 1 { "" } else { "s" }, names.join(", "))
}

impl Service {
    /// What is waited for, as in "until ...".
    pub fn readiness(&self) -> String {
        match &self.ready {
            Readiness::Active => "it is active".into(),
            Readiness::Answers { address, ports } => {
                let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
                format!("{}{at} {}", port_list(ports), if ports.len() == 1 { "answers" } else { "answer" })
            }
        }
    }

    fn describe(&self) -> String {
        let free = if self.ports.is_empty() {
            String::new()
        } else {
            format!(" if {} {} free", port_list(&self.ports), if self.ports.len() == 1 { "is" } else { "are" })
        };
        format!("{} {}{free}, and wait until {}, {} s at most", self.action.word(), self.unit, self.readiness(), self.timeout_seconds)
    }
}

impl ConfigureNetwork {
    fn describe(&self) -> String {
        let manager = match self.manager {
            NetworkManager::Netplan => "netplan",
            NetworkManager::Ifupdown => "ifupdown",
            NetworkManager::Networkd => "systemd-networkd",
        };
        let files: Vec<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
        let names: Vec<String> = self.names.iter().map(|device| format!("{} becomes {}", device.mac, device.name)).collect();
        let names = if names.is_empty() { String::new() } else { format!("; {}", names.join(", ")) };
        format!("configure the network for {manager}: write {}{names}", files.join(" "))
    }
}

impl PartitionDisk {
    fn describe(&self) -> String {
        let share = |share: &Share| {
            let kind = share.kind.as_ref().map(|kind| format!(" of type {kind}")).unwrap_or_default();
            format!("{} %{kind}", share.percent)
        };
        let layout = match &self.layout {
            Layout::Remove => return format!("remove the partitions and filesystems of {}", self.device),
            Layout::Shares(shares) => shares.iter().map(share).collect::<Vec<_>>().join(", "),
            Layout::Nothing | Layout::One => "one partition".into(),
        };
        let table = if self.table == TableType::Gpt { "gpt" } else { "mbr" };
        format!("partition {} ({table}: {layout}), {}", self.device, unless(self.overwrite))
    }
}

const fn unless(overwrite: bool) -> &'static str {
    if overwrite {
        "whatever it holds"
    } else {
        "unless it holds something"
    }
}

impl MakeFilesystem {
    fn describe(&self) -> String {
        let kind = if self.kind.is_empty() { "a filesystem" } else { &self.kind };
        let (device, unless) = (&self.device, unless(self.overwrite));
        let what = match self.place {
            FsPlace::Auto | FsPlace::Any => format!("make {kind} on a free partition of {device}"),
            FsPlace::None => format!("make {kind} on {device}, {unless}"),
            FsPlace::Number(number) => format!("make {kind} on partition {number} of {device}, {unless}"),
        };
        let command = self.command.strip_prefix(["/bin/sh", "-c"].map(str::to_owned).as_slice()).unwrap_or(&self.command);
        if command.is_empty() {
            what
        } else {
            format!("{what}, by `{}`", command.join(" "))
        }
    }
}

impl Fstab {
    fn describe(&self) -> String {
        let entry = |entry: &MountFields| match entry.point() {
            Some(point) => format!("{} at {point}", entry.device()),
            None => format!("not {}", entry.device()),
        };
        let optional = self.if_there.iter().map(|one| format!("{}, where it is there", entry(one)));
        let swap = self.swap_file.iter().map(|path| format!("swap file {path}"));
        let all: Vec<String> = self.entries.iter().map(entry).chain(optional).chain(swap).collect();
        format!("write to /etc/fstab: {}", all.join(", "))
    }
}

impl CreateUser {
    fn describe(&self) -> String {
        let mut out = format!("create user {}", self.name);
        let mut details = Vec::new();
        if let Some(uid) = self.uid {
            details.push(format!("uid {uid}"));
        }
        if !self.groups.is_empty() {
            details.push(format!("groups {}", self.groups.join(",")));
        }
        if let Some(shell) = &self.shell {
            details.push(format!("shell {shell}"));
        }
        if self.system {
            details.push("system account".into());
        }
        if !details.is_empty() {
            out.push_str(&format!(" ({})", details.join(", ")));
        }
        out
    }
}

impl ScriptItem {
    /// `3` or `3-5`: the items as the user counts them.
    pub fn range(&self) -> String {
        if self.first == self.last {
            self.first.to_string()
        } else {
            format!("{}-{}", self.first, self.last)
        }
    }

    fn describe(&self) -> String {
        format!("{}: {}", self.name(), self.shown)
    }

    /// `runcmd item 3 of 8`.
    fn name(&self) -> String {
        format!("{} item {} of {}", self.script, self.range(), self.total)
    }
}
