//! What a plan needs of a host, told from the plan alone: programs, files it reads, room for the files it writes, packages, hosts
//! of the network, root. What packages take only apt can say; how large a file is that is still to be fetched nobody can.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::apply::local_path;
use crate::host::apt_sources::release_urls;
use crate::host::net::host_of;
use crate::plan::operation::{NetworkManager, WriteFile};
use crate::plan::{Operation, Plan, Step};

/// A program that steps run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    /// Its name, or its path.
    pub name: String,
    /// The first step that runs it.
    pub step: String,
    /// An earlier step installs packages or runs scripts: it may come with those.
    pub may_come: bool,
}

/// A file that a step reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Its path.
    pub path: String,
    /// The step.
    pub step: String,
    /// An earlier step writes it, or may.
    pub may_come: bool,
}

/// A file that a step writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its path.
    pub path: String,
    /// The step.
    pub step: String,
    /// Bytes that are known beforehand.
    pub bytes: u64,
    /// They are added to what it holds.
    pub appended: bool,
    /// An earlier step runs what the user wrote, which may make room or the file itself.
    pub after_script: bool,
}

/// A host that a step talks to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Its address without path and credentials.
    pub url: String,
    /// The first step.
    pub step: String,
}

/// What a plan needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Needs {
    /// Programs, each once.
    pub programs: Vec<Program>,
    /// Files that are read.
    pub sources: Vec<Source>,
    /// Files that are written.
    pub targets: Vec<Target>,
    /// The first step that changes packages.
    pub package_step: Option<String>,
    /// Some of what the user wrote runs before it.
    pub package_step_after_script: bool,
    /// What is to be installed, as apt names it.
    pub packages: Vec<String>,
    /// Everything is to be upgraded.
    pub upgrade: bool,
    /// Lists of packages, or packages, are fetched.
    pub apt: bool,
    /// Something is fetched into a file.
    pub downloads: bool,
    /// Hosts that are talked to beside apt's.
    pub peers: Vec<Peer>,
    /// Directories of Release files of the sources that the plan itself adds.
    pub new_origins: Vec<String>,
    /// Nothing of it needs root.
    pub nothing: bool,
}

impl Needs {
    /// Those of the steps of a plan that are due.
    pub fn of(plan: &Plan, is_due: &dyn Fn(&Step) -> bool) -> Self {
        let mut gather = Gather::default();
        plan.steps.iter().filter(|step| is_due(step)).for_each(|step| gather.add(step));
        gather.needs.nothing = !gather.any;
        gather.needs
    }

    /// What has to be there beforehand, for a person; `landfall preflight` says whether it is.
    pub fn render(&self) -> String {
        let programs = self.programs.iter().filter(|program| !program.may_come).map(|program| program.name.as_str()).collect();
        let sources = self.sources.iter().filter(|source| !source.may_come).map(|source| source.path.as_str()).collect();
        let hosts = self.peers.iter().map(|peer| peer.url.as_str()).collect();
        let apt = if self.apt { vec!["apt's sources"] } else { Vec::new() };
        let all: [(&str, Vec<&str>); 4] = [("programs", programs), ("files", sources), ("hosts", hosts), ("packages from", apt)];
        let lines = all.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| format!("; {what} {}", names.join(", ")));
        if self.nothing {
            String::new()
        } else {
            format!("needs: root{}\n", lines.collect::<String>())
        }
    }

    /// Whether it changes packages or fetches something.
    pub const fn fetches(&self) -> bool {
        self.apt || self.downloads
    }
}

#[derive(Default)]
struct Gather {
    needs: Needs,
    any: bool,
    /// Something was installed or run that may bring programs and files.
    open: bool,
    /// Something ran that the user wrote.
    ran_script: bool,
    written: BTreeSet<String>,
    /// Lists of mirrors that are written, by their path.
    mirror_lists: BTreeMap<String, String>,
    programs: BTreeMap<String, ()>,
}

impl Gather {
    fn add(&mut self, step: &Step) {
        self.any = true;
        for name in programs_of(&step.operation) {
            if !self.written.contains(name) && self.programs.insert(name.to_owned(), ()).is_none() {
                self.needs.programs.push(Program { name: name.to_owned(), step: step.id.clone(), may_come: self.open });
            }
        }
        match &step.operation {
            Operation::WriteFile(file) => self.write(step, file, false),
            Operation::AppendFile(file) => self.write(step, file, true),
            Operation::ConfigureNetwork(network) => network.files.iter().for_each(|file| self.write(step, file, false)),
            Operation::Download { url, file, append, .. } => self.download(step, url, file, *append),
            Operation::AptKey { keyserver, .. } => {
                let url = if keyserver.contains("://") { keyserver.clone() } else { format!("hkp://{keyserver}") };
                self.talk(step, &url);
            }
            Operation::PhoneHome { url, .. } => self.talk(step, url),
            Operation::SwapFile { path, size: Some(bytes), .. } => {
                let (path, step) = (path.clone(), step.id.clone());
                self.needs.targets.push(Target { path, step, bytes: *bytes, appended: false, after_script: self.ran_script });
            }
            Operation::AptUpdate => self.needs.apt = true,
            Operation::AptUpgrade => {
                self.needs.upgrade = true;
                self.change_packages(step);
            }
            Operation::InstallPackages { packages } => {
                self.needs.packages.extend(packages.iter().map(|package| package.spec.clone()));
                self.change_packages(step);
            }
            _ => {}
        }
        if step.operation.runs_users_text() {
            self.ran_script = true;
            self.open = true;
        }
    }

    fn change_packages(&mut self, step: &Step) {
        self.needs.apt = true;
        self.open = true;
        if self.needs.package_step.is_none() {
            self.needs.package_step = Some(step.id.clone());
            self.needs.package_step_after_script = self.ran_script;
        }
    }

    fn write(&mut self, step: &Step, file: &WriteFile, appended: bool) {
        let content = &file.content.expose().0;
        if file.path.starts_with("/etc/apt/sources.list") {
            let list = |path: &str| self.mirror_lists.get(path).cloned().unwrap_or_default();
            let found = release_urls(&String::from_utf8_lossy(content), file.path.ends_with(".sources"), &list);
            self.needs.new_origins.extend(found);
        } else if file.path.starts_with("/etc/apt/mirrors/") {
            self.mirror_lists.insert(file.path.clone(), String::from_utf8_lossy(content).into_owned());
        }
        self.target(step, file, content.len() as u64, appended);
    }

    fn target(&mut self, step: &Step, file: &WriteFile, bytes: u64, appended: bool) {
        self.written.insert(file.path.clone());
        let (path, step) = (file.path.clone(), step.id.clone());
        self.needs.targets.push(Target { path, step, bytes, appended, after_script: self.ran_script });
    }

    fn download(&mut self, step: &Step, url: &str, file: &WriteFile, append: bool) {
        match local_path(url) {
            Some(path) => {
                let may_come = self.open || self.written.contains(path);
                self.needs.sources.push(Source { path: path.to_owned(), step: step.id.clone(), may_come });
            }
            None => {
                self.needs.downloads = true;
                self.talk(step, url);
            }
        }
        self.target(step, file, 0, append);
    }

    fn talk(&mut self, step: &Step, url: &str) {
        let Some((scheme, host)) = url.split_once("://").map(|(scheme, _)| scheme).zip(host_of(url)) else { return };
        let url = format!("{scheme}://{host}");
        if !self.needs.peers.iter().any(|peer| peer.url == url) {
            self.needs.peers.push(Peer { url, step: step.id.clone() });
        }
    }
}

/// The programs that an operation cannot do without.
fn programs_of(operation: &Operation) -> Vec<&str> {
    match operation {
        Operation::Group { .. } => vec!["groupadd"],
        Operation::GroupMembers { .. } => vec!["usermod"],
        Operation::User(user) if user.password_hash.is_some() => vec!["useradd", "chpasswd"],
        Operation::User(_) => vec!["useradd"],
        Operation::Password { expire: true, .. } => vec!["chpasswd", "passwd"],
        Operation::Password { .. } => vec!["chpasswd"],
        Operation::PasswordLock { .. } => vec!["passwd"],
        Operation::SshHostKey { .. } => vec!["ssh-keygen"],
        Operation::AptKey { .. } => vec!["gpg"],
        Operation::Debconf { .. } => vec!["debconf-set-selections"],
        Operation::AptUpdate => vec!["apt-get"],
        Operation::AptUpgrade | Operation::InstallPackages { .. } => vec!["apt-get", "apt-mark", "dpkg"],
        Operation::Command(command) => command.argv.first().map(String::as_str).into_iter().collect(),
        Operation::ScriptItem(_) => vec!["/bin/sh"],
        Operation::PartitionDisk(_) => vec!["sfdisk", "blkid"],
        Operation::MakeFilesystem(filesystem) => {
            let own = match filesystem.kind.as_str() {
                "ext4" => "mkfs.ext4",
                "xfs" => "mkfs.xfs",
                "btrfs" => "mkfs.btrfs",
                "vfat" => "mkfs.vfat",
                "swap" => "mkswap",
                _ => "blkid",
            };
            let own = Some(own).filter(|name| filesystem.command.is_empty() && *name != "blkid");
            own.into_iter().chain(["blkid"]).collect()
        }
        Operation::SwapFile { .. } => vec!["mkswap"],
        Operation::MountFstab { .. } => vec!["mount"],
        Operation::RunFile { path, prefix, .. } => vec![prefix.first().unwrap_or(path).as_str()],
        Operation::PartHandlers(_) => vec!["python3"],
        // In an image, and where systemd does not run, links are made by landfall itself; `optional` units may be missing with it.
        Operation::Unit { optional: false, .. } | Operation::Service(_) => vec!["systemctl"],
        Operation::ConfigureNetwork(network) if network.manager == NetworkManager::Netplan => vec!["netplan"],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::testing::applied;

    fn needs(text: &str) -> Needs {
        Needs::of(&applied(text), &|_| true)
    }

    #[test]
    fn the_programs_of_the_steps_are_named_once_with_the_first_step() {
        let needs = needs("{users: [{name: alice, lock_passwd: false}, bob], packages: [nginx], runcmd: [a, b]}");
        let named: Vec<(&str, bool)> = needs.programs.iter().map(|program| (program.name.as_str(), program.may_come)).collect();
        for expected in [("useradd", false), ("apt-get", false), ("dpkg", false), ("/bin/sh", true)] {
            assert!(named.contains(&expected), "{expected:?}: {named:?}");
        }
        assert_eq!(named.iter().filter(|(name, _)| *name == "useradd").count(), 1);
        let text = needs.render();
        assert!(
            text.starts_with("needs: root; programs ") && text.contains("useradd") && text.ends_with("; packages from apt's sources\n"),
            "{text}"
        );
        assert!(!text.contains("/bin/sh"), "it may come with a package: {text}");
        assert_eq!((needs.packages.as_slice(), needs.apt, needs.package_step_after_script), (&["nginx".to_owned()][..], true, false));
    }

    #[test]
    fn files_that_are_read_and_written_and_hosts_are_told_apart() {
        let text = "write_files:\n- {path: /etc/a, content: hello}\n- {path: /etc/b, content: x, append: true}\n\
            - {path: /etc/c, source: {uri: 'file:///etc/a'}}\n- {path: /etc/d, source: {uri: 'file:///srv/d'}}\n\
            - {path: /etc/e, source: {uri: 'https://u:pw@example.org:8443/e?token=1'}}\n\
            - {path: /etc/apt/sources.list.d/x.list, content: 'deb http://ppa.example.org/x trixie main'}\n";
        let needs = needs(text);
        let bytes: Vec<(&str, u64, bool)> =
            needs.targets.iter().map(|target| (target.path.as_str(), target.bytes, target.appended)).collect();
        assert_eq!(bytes[..2], [("/etc/a", 5, false), ("/etc/b", 1, true)]);
        let sources: Vec<(&str, bool)> = needs.sources.iter().map(|source| (source.path.as_str(), source.may_come)).collect();
        assert_eq!(sources, [("/etc/a", true), ("/srv/d", false)]);
        assert_eq!(needs.peers.iter().map(|peer| peer.url.as_str()).collect::<Vec<_>>(), ["https://example.org:8443"]);
        assert_eq!(needs.new_origins, ["http://ppa.example.org/x/dists/trixie/"]);
        assert!(needs.downloads && !needs.apt);
    }

    #[test]
    fn what_sets_up_disks_and_the_room_of_a_swap_file_are_needed() {
        let needs = needs(
            "{disk_setup: {vdb: {layout: true}}, fs_setup: [{device: vdb, filesystem: xfs}, {device: vdc, cmd: x}], swap: {size: 1G}}",
        );
        let names: Vec<&str> = needs.programs.iter().map(|program| program.name.as_str()).collect();
        assert_eq!(names, ["sfdisk", "blkid", "mkfs.xfs", "mkswap", "mount"]);
        assert_eq!((needs.targets[0].path.as_str(), needs.targets[0].bytes), ("/swap.img", 1 << 30));
    }

    #[test]
    fn an_empty_plan_needs_nothing() {
        assert!(needs("{}").nothing);
    }
}
