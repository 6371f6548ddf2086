//! What is said of an operation: what it does, in one line, and what undoing it means.

use super::operation::{
    ConfigureNetwork, CreateUser, Edit, NetworkManager, NewPassword, Operation, PasswordLock, PowerMode, ScriptItem, UnitAction, WriteFile,
};

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
            Self::Download { url, file, append, .. } => {
                let verb = if *append { "append to" } else { "write" };
                format!("{verb} {} from {}", file.path, crate::redact::url(url))
            }
            Self::EditFile { path, change, .. } => format!("edit {path}: {}", change.describe()),
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
            Self::AuthorizedKeys { user, keys, options } => {
                let with = if options.is_some() { ", with options" } else { "" };
                format!("authorize {} for {user}{with}", plural(keys.len(), "SSH key"))
            }
            Self::SshHostKey { kind } => format!("generate the {kind} SSH host key"),
            Self::ShowHostKeys => "show SSH host-key fingerprints on the console".into(),
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
            Self::RunFile { path, .. } => format!("run {path}"),
            Self::RunDirectory { path } => format!("run the scripts in {path}"),
            Self::Unit { unit, action, .. } => match action {
                UnitAction::Enable => format!("enable {unit}"),
                UnitAction::Start => format!("start {unit}"),
                UnitAction::Restart => format!("restart {unit}"),
                UnitAction::TryRestart => format!("restart {unit} if it runs"),
                UnitAction::TryReload => format!("reload {unit} if it runs"),
            },
            Self::RebootIfRequired => "reboot if an upgrade asks for it, then go on".into(),
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

    /// What undoing it means.
    pub const fn undo(&self) -> Undo {
        match self {
            Self::WriteFile(_)
            | Self::AppendFile(_)
            | Self::Download { .. }
            | Self::EditFile { .. }
            | Self::RemoveFiles { .. }
            | Self::Symlink { .. }
            | Self::AuthorizedKeys { .. }
            | Self::AptKey { .. } => Undo::Restored("the file as it was is kept and put back"),
            Self::ConfigureNetwork(_) => Undo::Restored("the files as they were are put back; the network follows at the next boot"),
            Self::Directory { .. } => Undo::Restored("removed if landfall made it and it is empty"),
            Self::Hostname { .. } => Undo::Restored("the name before is put back"),
            Self::Group { .. } => Undo::Restored("removed if landfall made it"),
            Self::GroupMembers { .. } => Undo::Restored("members that were added are taken out"),
            Self::User(_) => Undo::Restored("the account is removed if landfall made it; a home that existed stays"),
            Self::Password { .. } | Self::PasswordLock { .. } => Undo::Restored("the shadow entry before is put back"),
            Self::SshHostKey { .. } => Undo::Restored("removed if landfall made it"),
            Self::Debconf { .. } => Undo::None("debconf keeps no earlier answers"),
            Self::AptUpdate | Self::ShowHostKeys | Self::Message { .. } => Undo::Nothing,
            Self::AptUpgrade | Self::InstallPackages { .. } => {
                Undo::Restored("the packages that were there before, in their versions; what their scripts did elsewhere stays")
            }
            Self::Command(_) => Undo::None("a command's effects are not known"),
            Self::ScriptItem(_) | Self::RunFile { .. } | Self::RunDirectory { .. } => Undo::None("a script's effects are not known"),
            Self::Unit { action: UnitAction::Enable | UnitAction::Start, .. } => Undo::Restored("disabled and stopped if it was before"),
            Self::Unit { .. } => Undo::None("a restarted service stays restarted"),
            Self::RebootIfRequired | Self::PowerState { .. } => Undo::None("a reboot cannot be undone"),
        }
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
        }
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
