//! Where a host ended up, as far as any two first boots with the same user-data must agree.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::lab::{Booted, Changes, Disk, Entry};
use crate::typical;

/// Paths that differ between any two boots, or that are compared in another way.
const IGNORED: &[&str] = &[
    // The program under test: a build with crash points is another file.
    "/usr/bin/landfall",
    // Logs, landfall's own state (its journal is looked at by itself), the peer's.
    "/var/log/",
    "/var/lib/landfall/",
    "/var/lib/cloud/",
    // Compared by meaning: hashes are salted, days differ, lines of an interrupted tool may stand in another order.
    "/etc/passwd",
    "/etc/group",
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/subuid",
    "/etc/subgid",
    // What the account tools keep of the version before.
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
    // Compared as installed packages, their selections and marks.
    "/var/lib/dpkg/status",
    "/var/lib/dpkg/status-old",
    "/var/lib/dpkg/available",
    "/var/lib/dpkg/available-old",
    "/var/lib/dpkg/diversions-old",
    "/var/lib/dpkg/statoverride-old",
    "/var/lib/apt/extended_states",
    "/var/lib/apt/periodic/",
    // dpkg's format note, which it writes when it has to.
    "/var/lib/dpkg/info/format",
    // Caches that their owners make anew.
    "/var/cache/apt/pkgcache.bin",
    "/var/cache/apt/srcpkgcache.bin",
    "/var/cache/debconf/",
    "/var/cache/ldconfig/",
    "/var/lib/apt/lists/auxfiles/",
    // Random, made by systemd.
    "/etc/machine-id",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
    "/var/lib/systemd/catalog/",
    "/var/lib/systemd/timers/",
    "/var/lib/systemd/timesync/",
    "/var/lib/private/",
    "/var/tmp/",
    "/tmp/",
    // Random keys: compared as present, whole and matching.
    "/etc/ssh/ssh_host_ecdsa_key",
    "/etc/ssh/ssh_host_ecdsa_key.pub",
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssh/ssh_host_rsa_key",
    "/etc/ssh/ssh_host_rsa_key.pub",
    // Compared without comments: the peer writes the time into one.
    "/etc/sudoers.d/90-cloud-init-users",
    // Counted by itself.
    typical::COUNT,
    // The lab's own.
    "/lost+found",
    "/srv/repo/",
    "/srv/mirror/",
];

/// Asked of the running host in one go. `=` begins a fact, the lines after it are its value.
const QUESTIONS: &str = r#"
echo '=hostname'; hostname
echo '=packages'; dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
echo '=automatic'; apt-mark showauto
echo '=selections'; debconf-show debconf-lf 2>/dev/null
echo '=enabled'; systemctl list-unit-files --no-legend --state=enabled,enabled-runtime,masked,masked-runtime | awk '{ print $1, $2 }'
echo '=failed'; systemctl list-units --failed --no-legend --plain | awk '{ print $1 }'
echo '=timers'; for t in apt-daily.timer apt-daily-upgrade.timer; do echo "$t $(systemctl is-active $t) $(systemctl is-enabled $t)"; done
echo '=service'; systemctl is-active svc-lf.service
echo '=bootcmd'; cat /run/bootcmd-count
echo '=sudoers'; stat -c '%a %U:%G %n' /etc/sudoers.d/*; grep -hv '^#' /etc/sudoers.d/*
echo '=host keys'; for key in /etc/ssh/ssh_host_*_key; do
  stat -c '%a %U:%G %n' "$key" "$key.pub"
  [ "$(ssh-keygen -y -f "$key" | cut -d' ' -f1,2)" = "$(cut -d' ' -f1,2 <"$key.pub")" ] && echo matching
done
echo '=plain password'; perl -e '
  open(my $f, "<", "/etc/shadow"); while (<$f>) { my ($n, $h) = split /:/; print crypt($ARGV[1], $h) eq $h ? "right\n" : "wrong\n" if $n eq $ARGV[0] }' 'NAME' 'PASSWORD'
echo '!dpkg --audit'; dpkg --audit
echo '!debsums'; debsums -s PACKAGES 2>&1
echo '!locks'; ls /etc/*.lock /etc/.*.lock 2>/dev/null | grep -v '^/etc/.pwd.lock$'
echo '!temporary files'; find / -xdev \( -name '.landfall-tmp-*' -o -name '*.dpkg-new' -o -name '*.dpkg-tmp' -o -name '*.dpkg-dist' \)
"#;

/// Where a host ended up.
#[derive(Debug, Clone)]
pub struct EndState {
    facts: BTreeMap<String, String>,
    files: Changes,
    /// What is wrong whatever another host looks like.
    pub problems: Vec<String>,
}

impl EndState {
    /// Looks at a host whose boot is complete.
    pub fn of(booted: &Booted, disk: Disk) -> Self {
        let questions = QUESTIONS.replace("NAME", typical::PLAIN.0).replace("PASSWORD", typical::PLAIN.1);
        let answers = booted.sh(&questions.replace("PACKAGES", &typical::PACKAGES.join(" "))).stdout;
        let mut state = Self { facts: BTreeMap::new(), files: Changes::default(), problems: Vec::new() };
        for (name, lines) in sections(&answers) {
            state.take(name, lines);
        }
        state.accounts(booted);
        let files = if disk == Disk::Ext4Whole { booted.host().tree() } else { booted.host().changes() };
        state.files = files.without(IGNORED);
        state
    }

    fn take(&mut self, name: &str, mut lines: Vec<&str>) {
        let (kind, name) = name.split_at(1);
        if kind == "!" {
            self.problems.extend(lines.iter().filter(|line| !line.is_empty()).map(|line| format!("{name}: {line}")));
            return;
        }
        if matches!(name, "packages" | "automatic" | "enabled" | "failed") {
            lines.sort();
            self.facts.extend(lines.iter().map(|line| {
                let (key, value) = line.split_once(' ').unwrap_or((*line, "yes"));
                (format!("{name}: {key}"), (*value).to_owned())
            }));
            return;
        }
        self.facts.insert(name.to_owned(), lines.join("; "));
    }

    fn accounts(&mut self, booted: &Booted) {
        let files = booted.host().files();
        for path in ["/etc/passwd", "/etc/group", "/etc/gshadow", "/etc/shadow", "/etc/subuid", "/etc/subgid"] {
            for line in files.read(path).lines() {
                let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
                let name = fields.remove(0);
                match path {
                    "/etc/group" | "/etc/gshadow" => {
                        let mut members: Vec<_> = fields.pop().unwrap_or_default().split(',').map(str::to_owned).collect();
                        members.sort();
                        fields.push(members.join(","));
                    }
                    "/etc/shadow" => mask(&name, &mut fields),
                    _ => {}
                }
                let twice = self.facts.insert(format!("{path}: {name}"), fields.join(":"));
                if twice.is_some() && !path.starts_with("/etc/sub") {
                    self.problems.push(format!("{path} has {name} twice"));
                }
            }
        }
    }

    /// What is different from `reference`; `root` is the tree below both.
    pub fn difference(&self, reference: &Self, root: &Path) -> Vec<String> {
        let keys: std::collections::BTreeSet<_> = self.facts.keys().chain(reference.facts.keys()).collect();
        let facts = keys.into_iter().filter(|key| self.facts.get(*key) != reference.facts.get(*key));
        let mut found: Vec<String> =
            facts.map(|key| format!("{key}: {:?}, uncut {:?}", self.facts.get(key), reference.facts.get(key))).collect();
        let paths: std::collections::BTreeSet<_> = self.files.0.keys().chain(reference.files.0.keys()).collect();
        for path in paths {
            let (here, there) = (self.entry(path, root), reference.entry(path, root));
            if here != there {
                found.push(format!("{path}: {here:?}, uncut {there:?}"));
            }
        }
        found
    }

    /// What stands at `path` in the end: an entry of the changes, else that of the root.
    fn entry(&self, path: &str, root: &Path) -> Option<Entry> {
        match self.files.0.get(path) {
            Some(Entry::Removed) => None,
            Some(entry) => Some(entry.clone()),
            None => entry_of(&root.join(&path[1..])),
        }
    }
}

/// Hash and day of the last change are different at every run; that there is one, of which kind, and whether it is to be
/// changed at the next login is not. A hash that was given is compared.
fn mask(name: &str, fields: &mut [String]) {
    if name == typical::PLAIN.0 {
        fields[0].truncate(3);
    }
    if fields[1].parse::<u32>().is_ok_and(|day| day > 0) {
        fields[1] = "a day".into();
    }
}

/// Answers by the line that begins them.
fn sections(answers: &str) -> Vec<(&str, Vec<&str>)> {
    let mut all: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in answers.lines() {
        match all.last_mut() {
            _ if line.starts_with(['=', '!']) => all.push((line, Vec::new())),
            Some((_, lines)) => lines.push(line),
            None => {}
        }
    }
    all
}

fn entry_of(path: &Path) -> Option<Entry> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let (mode, owner) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()));
    Some(if metadata.is_dir() {
        Entry::Directory { mode, owner }
    } else if metadata.is_symlink() {
        Entry::Link(fs::read_link(path).unwrap_or_default())
    } else if metadata.is_file() {
        let content = fs::read(path).unwrap_or_default();
        let digest = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
        Entry::File { mode, owner, size: content.len() as u64, digest }
    } else {
        Entry::Other
    })
}
