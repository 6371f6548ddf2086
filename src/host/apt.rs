//! apt-get and dpkg, run so that they never ask, never skip a sync, and wait for each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::apt_lists::LISTS;
use super::apt_sizes::{Caches, Simulated};
use super::process::{read_tail, Ended, Limit, Spec};
use super::Host;
use crate::error::{Failure, Kind};
use crate::plan::AptGet;

/// No new output for this long: something waits for an answer that never comes.
const SILENCE: Duration = Duration::from_secs(30 * 60);
/// How long others may hold the package locks.
const LOCK_WAIT: Duration = Duration::from_secs(10 * 60);
/// A program that only asks, and changes nothing.
const ANSWER: Duration = Duration::from_secs(10 * 60);
/// How long apt itself waits for the two dpkg locks, so that a lock taken in the last moment is no failure.
const LOCK_RACE: &str = "DPkg::Lock::Timeout=60";
/// dpkg keeps the configuration files a person changed, takes the new ones otherwise, and syncs whatever an image's own
/// configuration says.
const DPKG_OPTIONS: [&str; 3] = ["--force-confdef", "--force-confold", "--no-force-unsafe-io"];
/// Environment of everything that may run maintainer scripts. Messages are English because they are read; the locale that
/// scripts work in is the host's own.
const ENVIRONMENT: [(&str, &str); 7] = [
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("NEEDRESTART_SUSPEND", "1"),
    ("UCF_FORCE_CONFFOLD", "1"),
    ("LC_ALL", ""),
    ("LC_MESSAGES", "C.UTF-8"),
    ("LANGUAGE", ""),
];

/// How apt is run for one step.
pub struct Apt<'h> {
    /// The host.
    pub host: &'h Host,
    /// Where everything it says goes.
    pub output: PathBuf,
    /// Environment beside the usual one.
    pub env: BTreeMap<String, String>,
    /// Limit for all calls together, if there is one.
    pub deadline: Limit,
    /// Limit without new output, if there is another than the usual one.
    pub silence: Option<Duration>,
    /// How apt-get is called.
    pub apt_get: &'h AptGet,
    /// Tells who is waited for.
    pub say: &'h dyn Fn(&str),
}

/// A source that could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unfetched {
    url: String,
    why: String,
}

/// `E: Failed to fetch URL  reason`.
fn unfetched(text: &str) -> Vec<Unfetched> {
    let mut found: Vec<Unfetched> = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("E: Failed to fetch ").or_else(|| line.strip_prefix("W: Failed to fetch ")) else { continue };
        let (url, why) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let why = why.trim().split(" [IP:").next().unwrap_or("").trim().to_owned();
        let one = Unfetched { url: crate::redact::url(url), why };
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

impl Unfetched {
    /// The server says that there is no such file, which a newer list may know better.
    fn is_gone(&self) -> bool {
        self.why.starts_with("404") || self.why.starts_with("410")
    }

    /// apt's words for a name that nobody knows, in contrast to a server that nobody reaches (its http and https methods).
    fn is_unresolved(&self) -> bool {
        ["Temporary failure resolving", "Could not resolve", "Something wicked happened resolving"]
            .iter()
            .any(|words| self.why.contains(words))
    }

    /// The server says no, and will say it again.
    fn is_final(&self) -> bool {
        ["401", "403"].iter().any(|status| self.why.starts_with(status)) || self.why.starts_with("File not found")
    }
}

impl Apt<'_> {
    fn spec(&self, argv: Vec<String>) -> Spec {
        let mut spec = Spec::new(argv);
        spec.env = self.env.clone();
        spec.env.extend(ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        spec.deadline = self.deadline.left();
        spec.silence = Some(self.silence.unwrap_or(SILENCE));
        // It says nothing while it fetches a large archive.
        spec.grows = ["/var/cache/apt/archives/partial", "/var/lib/apt/lists/partial"].map(|path| self.host.real_path(path)).into();
        spec
    }

    /// How long is waited for others: no longer than the step itself may take.
    pub fn lock_wait(&self) -> Duration {
        self.deadline.left().map_or(LOCK_WAIT, |deadline| deadline.min(LOCK_WAIT))
    }

    /// apt-get with the user's own arguments and ours, which hold; but what the user says of configuration files is left to him.
    fn apt_get(&self, arguments: &[&str]) -> Vec<String> {
        let AptGet { command, wrapper, wrapper_if_there, .. } = self.apt_get;
        let is_used = |program: &String| !wrapper_if_there || self.host.finds_program(program);
        let mut argv = if wrapper.first().is_some_and(is_used) { wrapper.clone() } else { Vec::new() };
        argv.extend_from_slice(command);
        if command.is_empty() {
            argv.push("apt-get".to_owned());
        }
        argv.extend(["--assume-yes", "--quiet", "-o", LOCK_RACE, "-o", "Dpkg::Use-Pty=0"].map(str::to_owned));
        let user_decides = command.iter().any(|argument| argument.contains("--force-conf"));
        for option in DPKG_OPTIONS.iter().filter(|option| !(user_decides && option.starts_with("--force-conf"))) {
            argv.extend(["-o".to_owned(), format!("Dpkg::Options::={option}")]);
        }
        argv.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        argv
    }

    /// Runs a command that changes packages, its output going to the file: once nobody else does, and again if somebody was
    /// quicker. Gives back how it ended and what it said.
    fn change(&self, argv: &[String]) -> Result<(Ended, String), Failure> {
        let start = Instant::now();
        loop {
            let left = self.lock_wait().saturating_sub(start.elapsed());
            self.host.wait_for_package_locks(left, self.say)?;
            let from = fs_err::metadata(&self.output).map_or(0, |metadata| metadata.len());
            let ended = self.host.run(&self.spec(argv.to_vec()).output(&self.output))?;
            let said = read_tail(&self.output, from);
            let locked_out = !ended.success() && ended.cut.is_none() && !left.is_zero() && says_locked(&said);
            if !locked_out {
                return Ok((ended, said));
            }
            if !super::signals::sleep(Duration::from_secs(1)) {
                return Err(Failure::new(Kind::Interrupted, "stopped while it waited for the package locks"));
            }
        }
    }

    /// `apt-get update`; any source that fails is a failure, the others are up to date nevertheless. Lists on the disk that are
    /// damaged, which apt takes for good and then stumbles over for ever, are fetched again.
    pub fn update(&self) -> Result<(), Failure> {
        let argv = self.apt_get(&["-o", "APT::Update::Error-Mode=any", "update"]);
        let (mut ended, mut said) = self.change(&argv)?;
        if !ended.success() && ended.cut.is_none() && says_damaged_list(&said) {
            let mut damaged = self.host.damaged_lists(true).map_err(|error| Failure::io("looking at the package lists", &error))?;
            damaged.extend(unparsed_lists(&said));
            if !damaged.is_empty() {
                self.host.remove_lists(&damaged).map_err(|error| Failure::io("removing damaged package lists", &error))?;
                (ended, said) = self.change(&argv)?;
            }
        }
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure("updating the package lists", &ended, &said))
        }
    }

    /// `apt-get dist-upgrade`, or what the user wants instead.
    pub fn upgrade(&self) -> Result<(), Failure> {
        self.get("upgrading the packages", &[self.apt_get.upgrade.as_deref().unwrap_or("dist-upgrade")])
    }

    /// `apt-get install` of these, with options. Lists that are older than what the server holds are fetched once more.
    pub fn install(&self, options: &[&str], specs: &[String]) -> Result<(), Failure> {
        let mut arguments: Vec<&str> = vec!["install"];
        arguments.extend(options);
        arguments.push("--");
        arguments.extend(specs.iter().map(String::as_str));
        self.get("installing packages", &arguments)
    }

    /// Runs apt-get, and once more after what can be mended by fetching again: outdated lists, a damaged archive.
    fn get(&self, doing: &str, arguments: &[&str]) -> Result<(), Failure> {
        let argv = self.apt_get(arguments);
        let (mut ended, mut said) = self.change(&argv)?;
        if !ended.success() && ended.cut.is_none() {
            let gone = unfetched(&said).iter().any(Unfetched::is_gone);
            let damaged = says_damaged_archive(&said);
            if damaged {
                self.clear_archives()?;
            }
            if gone {
                self.update()?;
            }
            if gone || damaged {
                (ended, said) = self.change(&argv)?;
            }
        }
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure(doing, &ended, &said))
        }
    }

    /// What `apt-get install` of these would do, without doing it, or the failure it would be.
    pub fn simulate(&self, specs: &[String]) -> Result<Simulated, Failure> {
        self.simulated(&format!("installing {}", specs.join(" ")), &["install"], specs)
    }

    /// The packages that `apt-get install` of these, with options, would remove.
    pub fn would_remove(&self, options: &[&str], specs: &[String]) -> Result<BTreeSet<String>, Failure> {
        let arguments: Vec<&str> = ["install"].iter().chain(options).copied().collect();
        let would = self.simulated("trying what apt would do", &arguments, specs)?;
        Ok(would.removed.into_iter().collect())
    }

    /// What apt-get would do, without doing it.
    pub(super) fn simulated(&self, doing: &str, arguments: &[&str], specs: &[String]) -> Result<Simulated, Failure> {
        let fixed = ["apt-get", "--assume-yes", "--quiet", "--simulate"];
        let mut argv: Vec<String> = fixed.iter().chain(arguments).chain(&["--"]).map(|word| (*word).to_owned()).collect();
        argv.extend(specs.iter().cloned());
        self.asked(doing, argv).map(|said| Simulated::of(&said))
    }

    /// What a program of apt's that only asks says.
    pub(super) fn asked(&self, doing: &str, argv: Vec<String>) -> Result<String, Failure> {
        let mut spec = self.spec(argv);
        spec.deadline = Some(spec.deadline.unwrap_or(ANSWER));
        let ended = self.host.run(&spec)?;
        if ended.success() {
            return Ok(ended.stdout);
        }
        let said = format!("{}\n{}", ended.stdout, ended.tail.join("\n"));
        Err(self.failure(doing, &ended, &said))
    }

    /// `dpkg --configure -a`: finishes what was begun.
    pub fn configure_all(&self) -> Result<(), Failure> {
        let mut argv = vec!["dpkg".to_owned()];
        argv.extend(DPKG_OPTIONS.map(str::to_owned));
        argv.extend(["--configure".to_owned(), "-a".to_owned()]);
        let (ended, said) = self.change(&argv)?;
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure("finishing interrupted packages", &ended, &said))
        }
    }

    /// `apt-get -f install`: makes dependencies whole.
    pub fn fix_broken(&self) -> Result<(), Failure> {
        self.get("mending dependencies", &["--fix-broken", "install"])
    }

    /// Marks packages as installed because others need them.
    pub fn mark_automatic(&self, specs: &[String]) -> Result<(), Failure> {
        self.mark("auto", specs)
    }

    /// Marks packages as asked for by somebody.
    pub fn mark_manual(&self, specs: &[String]) -> Result<(), Failure> {
        self.mark("manual", specs)
    }

    fn mark(&self, word: &str, specs: &[String]) -> Result<(), Failure> {
        if specs.is_empty() {
            return Ok(());
        }
        let mut argv: Vec<String> = ["apt-mark", word, "--"].map(str::to_owned).into();
        argv.extend(specs.iter().cloned());
        let (ended, said) = self.change(&argv)?;
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("marking packages: apt-mark {word}"), &ended, &said))
        }
    }

    /// Removes what is left of packages that are not installed any more: their configuration files.
    pub fn purge(&self, specs: &[String]) -> Result<(), Failure> {
        if specs.is_empty() {
            return Ok(());
        }
        let mut arguments: Vec<&str> = vec!["purge", "--"];
        arguments.extend(specs.iter().map(String::as_str));
        self.get("purging packages", &arguments)
    }

    /// Fetches the archive of a package that is half installed and has dpkg unpack it once more.
    pub fn unpack_again(&self, spec: &str) -> Result<(), Failure> {
        // apt-get download writes into the working directory.
        const SCRIPT: &str =
            "set -e; umask 022; dir=/var/cache/apt/archives/landfall; rm -rf $dir; mkdir -p $dir; cd $dir; trap 'rm -rf $dir' EXIT
            apt-get --quiet download -- \"$1\"; shift; dpkg \"$@\" --unpack ./*.deb";
        let mut argv: Vec<String> = ["sh", "-c", SCRIPT, "sh", spec].map(str::to_owned).into();
        argv.extend(DPKG_OPTIONS.map(str::to_owned));
        let (ended, said) = self.change(&argv)?;
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("unpacking {spec} again"), &ended, &said))
        }
    }

    /// Removes a package that can neither be finished nor fetched again.
    pub fn remove_broken(&self, spec: &str) -> Result<(), Failure> {
        let argv = ["dpkg", "--force-remove-reinstreq", "--force-depends", "--remove", "--", spec].map(str::to_owned);
        let (ended, said) = self.change(&argv)?;
        if ended.success() {
            Ok(())
        } else {
            Err(self.failure(&format!("removing {spec}"), &ended, &said))
        }
    }

    /// Removes archives that were fetched, so that they are fetched again.
    pub fn clear_archives(&self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io("clearing fetched archives", &error);
        for pattern in ["/var/cache/apt/archives/*.deb", "/var/cache/apt/archives/partial/*"] {
            for path in self.host.matching(pattern).map_err(failed)? {
                self.host.remove(&path).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Whether nothing was ever fetched of a configured source, so that apt cannot know what it has.
    pub fn has_missing_lists(&self) -> Result<bool, Failure> {
        let ended = self.host.run(&self.spec(["apt-get", "update", "--print-uris"].map(str::to_owned).into()))?;
        if !ended.success() {
            return Err(ended.failure("asking apt for its sources"));
        }
        // 'URI' FILE SIZE, the first of each source being that of its InRelease.
        let start = |line: &str| line.split_whitespace().nth(1)?.strip_suffix("InRelease").map(|start| format!("{LISTS}/{start}*"));
        for pattern in ended.stdout.lines().filter_map(start) {
            if self.host.matching(&pattern).map_err(|error| Failure::io(LISTS, &error))?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Names that apt knows.
    pub fn known_names(&self, caches: Caches) -> BTreeSet<String> {
        let words = ["apt-cache"].iter().chain(caches.options()).chain(&["pkgnames"]);
        let ended = self.host.run(&self.spec(words.map(|word| (*word).to_owned()).collect()));
        ended.map(|ended| ended.stdout.lines().map(|line| line.trim().to_owned()).collect()).unwrap_or_default()
    }

    /// What a failed call was: by its end, then by the state of the locks, the packages and the disk, and only then by what it
    /// said.
    fn failure(&self, doing: &str, ended: &Ended, said: &str) -> Failure {
        let mut failure = ended.failure(doing);
        failure.output = super::process::last_lines(said);
        if ended.signal == Some(Signal::SIGKILL as i32) && ended.cut.is_none() {
            return failure.starved();
        }
        if ended.cut.is_some() || ended.code > 100 {
            return failure;
        }
        let with = |kind: Kind, message: String| Failure {
            exit: Some(ended.code),
            output: super::process::last_lines(said),
            ..Failure::new(kind, message)
        };
        if says_locked(said) {
            let holder = self.host.package_lock_holders().ok().and_then(|holders| holders.into_iter().next());
            let who = holder.map_or_else(|| "another program".to_owned(), |holder| holder.to_string());
            return with(Kind::Lock, format!("{doing}: {who} holds a package lock"));
        }
        if let Some(line) = starved(said) {
            return with(Kind::Exec, format!("{doing}: {}", bare(line))).starved();
        }
        if said.contains("No space left on device") || said.contains("You don't have enough free space") {
            return with(Kind::Disk, format!("{doing}: the disk is full"));
        }
        if let Some(failure) = self.broken_packages(doing, said, &with) {
            return failure;
        }
        let unfetched = unfetched(said);
        if let Some(first) = unfetched.first() {
            let others = if unfetched.len() > 1 { format!(" and {} more", unfetched.len() - 1) } else { String::new() };
            let message = format!("{doing}: {}: {}{others}", first.url, first.why);
            let failure = with(Kind::Network, message).transient(!unfetched.iter().all(Unfetched::is_final));
            let failure = if first.is_unresolved() { failure.hint(super::net::UNRESOLVED) } else { failure };
            return Failure { target: super::net::host_of(&first.url).map(String::into_boxed_str), ..failure };
        }
        match explained(said) {
            // The clock is set soon after the network is there, on some hosts only then.
            Some((kind, why)) if why.contains(AHEAD) => with(kind, format!("{doing}: {why}"))
                .transient(true)
                .hint("see whether the clock is right (`timedatectl`), and that something sets it; then `landfall resume`"),
            Some((kind, why)) => with(kind, format!("{doing}: {why}")).transient(false),
            None => failure,
        }
    }

    /// Packages that dpkg could not finish.
    fn broken_packages(&self, doing: &str, said: &str, with: &dyn Fn(Kind, String) -> Failure) -> Option<Failure> {
        let packages = self.host.packages().ok()??;
        let names: Vec<String> = packages
            .iter()
            .filter(|package| package.is_unfinished() && !package.is_installed())
            .map(|package| package.name.clone())
            .collect();
        if !said.contains("dpkg:") && !said.contains("Sub-process /usr/bin/dpkg returned an error code") {
            return None;
        }
        if says_damaged_archive(said) {
            return Some(with(Kind::PackageCorrupt, format!("{doing}: an archive is damaged ({})", last_error(said))));
        }
        let named = if names.is_empty() { last_error(said) } else { format!("{} could not be configured", names.join(", ")) };
        let hint = "see its output with `landfall logs`; mend it, or take the package out; then `landfall resume`";
        Some(with(Kind::Exec, format!("{doing}: {named}")).hint(hint))
    }
}

impl Host {
    /// The hosts that packages come from, as the configured sources name them.
    pub fn package_origins(&self) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for pattern in ["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"] {
            for path in self.matching(pattern).unwrap_or_default() {
                let text = self.read_text(&path).ok().flatten().unwrap_or_default();
                let words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
                for host in words.filter(|word| word.starts_with("http")).filter_map(super::net::host_of) {
                    if !found.contains(&host) {
                        found.push(host);
                    }
                }
            }
        }
        found
    }
}

/// apt's and dpkg's own words for a lock that somebody else has.
fn says_locked(said: &str) -> bool {
    ["Could not get lock ", "Unable to acquire the dpkg frontend lock", "Unable to lock directory ", "is locked by another process"]
        .iter()
        .any(|words| said.contains(words))
}

fn says_damaged_archive(said: &str) -> bool {
    ["dpkg-deb: error: ", "corrupted filesystem tarfile", "unexpected end of file in archive", "cannot access archive"]
        .iter()
        .any(|words| said.contains(words))
}

/// The line that says that a part of apt was killed or could not be started: for want of memory or processes, as far as anybody
/// knows.
fn starved(said: &str) -> Option<&str> {
    const WORDS: [&str; 5] =
        ["Cannot allocate memory", "Resource temporarily unavailable", "received signal 9", "Failed to fork", "fork failed"];
    said.lines().find(|line| WORDS.iter().any(|words| line.contains(words)))
}

fn says_damaged_list(said: &str) -> bool {
    ["Hash Sum mismatch", "Unable to parse package file", "The package lists or status file could not be parsed"]
        .iter()
        .any(|words| said.contains(words))
}

/// The lists that apt says it cannot read.
fn unparsed_lists(said: &str) -> impl Iterator<Item = String> + '_ {
    let paths = said.lines().filter_map(|line| line.strip_prefix("E: Unable to parse package file ")?.split(' ').next());
    paths.filter(|path| path.starts_with(LISTS)).map(str::to_owned)
}

/// A line of apt's without the mark of an error.
fn bare(line: &str) -> &str {
    line.trim_start_matches("E: ").trim()
}

fn last_error(said: &str) -> String {
    let mut errors =
        said.lines().filter(|line| line.starts_with("E: ") || line.starts_with("dpkg: error") || line.starts_with("dpkg-deb: error"));
    errors.next_back().or_else(|| said.lines().next_back()).unwrap_or("").trim_start_matches("E: ").to_owned()
}

/// What apt says of a Release file that was made later than it is now.
const AHEAD: &str = "is not valid yet";

/// Failures that only apt's words tell apart.
fn explained(said: &str) -> Option<(Kind, String)> {
    let line = |words: &str| said.lines().find(|line| line.contains(words)).map(|line| bare(line).to_owned());
    const MISSING: [&str; 5] = [
        "Unable to locate package ",
        "has no installation candidate",
        "Couldn't find any package by ",
        "was not found",
        "Couldn't find task ",
    ];
    const CONFIG: [&str; 8] = [
        "does not have a Release file",
        "is not signed",
        "NO_PUBKEY",
        AHEAD,
        "Malformed entry ",
        "could not be parsed",
        "Syntax error ",
        "unmet dependencies",
    ];
    if said.contains("The list of sources could not be read") {
        // Why, is said before.
        let first = said.lines().find(|line| line.starts_with("E: "))?;
        return Some((Kind::Config, bare(first).to_owned()));
    }
    for words in MISSING {
        if let Some(why) = line(words) {
            return Some((Kind::NotFound, why));
        }
    }
    for words in CONFIG {
        if let Some(why) = line(words) {
            let depends = said
                .lines()
                .find(|line| line.contains(" : Depends: ") || line.contains(" : Conflicts: ") || line.contains(" : PreDepends: "));
            return Some((Kind::Config, depends.map_or(why, |line| line.split_whitespace().collect::<Vec<_>>().join(" "))));
        }
    }
    let last = said.lines().rev().find(|line| line.starts_with("E: "))?;
    Some((Kind::Exec, last.trim_start_matches("E: ").to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_fetched_is_named_once_with_its_reason() {
        let said = "Err:1 http://deb.example.org trixie InRelease\n  Temporary failure resolving 'deb.example.org'\n\
                    W: Failed to fetch http://deb.example.org/dists/trixie/InRelease  Temporary failure resolving 'deb.example.org'\n\
                    E: Failed to fetch http://u:p@deb.example.org/a.deb  404  Not Found [IP: 10.0.0.1 80]\n\
                    E: Failed to fetch http://u:p@deb.example.org/a.deb  404  Not Found [IP: 10.0.0.2 80]\n";
        let found = unfetched(said);
        assert_eq!(found.len(), 2);
        assert_eq!((found[1].url.as_str(), found[1].why.as_str()), ("http://***@deb.example.org/a.deb", "404  Not Found"));
        assert!(found[0].is_unresolved() && !found[1].is_unresolved());
        assert!(found[1].is_gone() && !found[0].is_gone() && !found[0].is_final());
    }

    #[test]
    fn the_hosts_of_the_sources_are_found_in_either_format() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc/apt/sources.list.d")).expect("directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join("etc/apt").join(name), text).expect("file");
        write(
            "sources.list",
            "# deb http://old.example/ x main\ndeb [trusted=yes] http://deb.example.org/debian trixie main\ndeb cdrom:[x]/ y main\n",
        );
        write("sources.list.d/x.sources", "Types: deb\nURIs: https://u:p@ppa.example.org:8443/x http://deb.example.org/y\nSuites: z\n");
        assert_eq!(Host::rooted(dir.path()).package_origins(), ["deb.example.org", "ppa.example.org:8443"]);
    }

    #[test]
    fn words_of_apt_are_told_apart() {
        for (said, kind, why) in [
            ("Reading package lists...\nE: Unable to locate package nginxx\n", Kind::NotFound, "Unable to locate package nginxx"),
            (
                "E: Conflicting values set for option Trusted regarding source http://x/ ./\nE: The list of sources could not be read.\n",
                Kind::Config,
                "Conflicting values set for option Trusted regarding source http://x/ ./",
            ),
            ("E: Package 'x' has no installation candidate\n", Kind::NotFound, "Package 'x' has no installation candidate"),
            ("E: Version '9' for 'bash' was not found\n", Kind::NotFound, "Version '9' for 'bash' was not found"),
            (
                "The following packages have unmet dependencies:\n undep-lf : Depends: no-such but it is not installable\nE: Unable to correct problems\n",
                Kind::Config,
                "undep-lf : Depends: no-such but it is not installable",
            ),
            ("E: The repository 'http://x y Release' is not signed.\n", Kind::Config, "The repository 'http://x y Release' is not signed."),
            ("E: Something else\n", Kind::Exec, "Something else"),
        ] {
            assert_eq!(explained(said), Some((kind, why.to_owned())));
        }
        assert_eq!(explained("nothing\n"), None);
    }
}
