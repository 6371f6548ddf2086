//! What packages take, by apt's own figures.
//!
//! `apt-get --simulate` names what would be unpacked and removed, `apt-cache show` and dpkg's status file have each package's
//! `Size` and `Installed-Size` (deb-control(5), in KiB): all of that is meant to be read by programs and is the same in apt 2.6 and
//! 3.0, which the sentence "After this operation ..." is not.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::apt::Apt;
use super::dpkg::{status_file, DpkgPackage};
use super::Host;
use crate::error::{Failure, Kind};
use crate::ordered::map_of;

const ARCHIVES: &str = "/var/cache/apt/archives";

/// What becomes of the caches that apt makes of its lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caches {
    /// apt makes them anew where they are old, which spares the next call the work.
    Renew,
    /// Nothing at all is written.
    Leave,
}

impl Caches {
    pub(super) const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Renew => &[],
            Self::Leave => &["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Dir::Log::Planner="],
        }
    }
}

/// What packages take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageSizes {
    /// Packages that would be unpacked.
    pub packages: usize,
    /// Those of them that are not there in any version.
    pub new: usize,
    /// Bytes of archives to be fetched over the network into apt's cache.
    pub download: u64,
    /// Bytes that the packages take on the disk beyond what the ones they replace took, by their makers' estimate.
    pub installed: u64,
    /// What apt does not know yet, so that it is not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

/// What `apt-get --simulate` says it would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// Name (with a foreign architecture) and version of what would be unpacked, and the version it replaces.
    unpacked: Vec<(String, String, Option<String>)>,
    /// Names of what would be removed.
    pub(super) removed: Vec<String>,
}

impl Simulated {
    /// From lines as `Inst name [old] (new origin [arch])` and `Remv name [version]`.
    pub fn of(said: &str) -> Self {
        let mut simulated = Self::default();
        for line in said.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("Inst"), Some(name)) => {
                    let Some((before, after)) = line.split_once('(') else { continue };
                    let old = before.split_once('[').and_then(|(_, rest)| rest.split(']').next()).map(str::to_owned);
                    let Some(version) = after.split_whitespace().next() else { continue };
                    simulated.unpacked.push((name.to_owned(), version.to_owned(), old));
                }
                (Some("Remv"), Some(name)) => simulated.removed.push(name.to_owned()),
                _ => {}
            }
        }
        simulated
    }
}

/// A stanza of deb822 with one-line fields.
fn stanzas(text: &str) -> impl Iterator<Item = BTreeMap<&str, &str>> {
    text.split("\n\n").map(|stanza| {
        let fields = stanza.lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split_once(": "));
        map_of(fields.map(|(name, value)| (name, value.trim())))
    })
}

/// Bytes that the installed packages take, by name.
fn installed_sizes(packages: &[DpkgPackage]) -> BTreeMap<&str, u64> {
    let there = packages.iter().filter(|package| package.state == "installed");
    map_of(there.map(|package| (package.name.as_str(), package.installed_size << 10)))
}

fn plain(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Adds up. `shown`: what `apt-cache show` says of the new versions; `fetched`: names of archives that are in the cache already;
/// `is_here`: every source is on the host's own disks, and apt takes the archives from where they lie.
fn added_up(simulated: &Simulated, shown: &str, there: &[DpkgPackage], fetched: &BTreeSet<String>, is_here: bool) -> PackageSizes {
    let before = installed_sizes(there);
    let mut sizes = PackageSizes { packages: simulated.unpacked.len(), ..PackageSizes::default() };
    let mut taken: u64 = 0;
    let mut freed: u64 = simulated.removed.iter().filter_map(|name| before.get(plain(name))).sum();
    let mut counted: BTreeSet<(String, String)> = BTreeSet::new();
    for stanza in stanzas(shown) {
        let (Some(name), Some(version)) = (stanza.get("Package"), stanza.get("Version")) else { continue };
        let arch = stanza.get("Architecture").copied().unwrap_or_default();
        let is_it = |one: &&(String, String, Option<String>)| plain(&one.0) == *name && one.1 == *version;
        if !simulated.unpacked.iter().any(|one| is_it(&one)) || !counted.insert(((*name).to_owned(), arch.to_owned())) {
            continue;
        }
        let number = |field: &str| stanza.get(field).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        taken = taken.saturating_add(number("Installed-Size") << 10);
        // Its name in the cache has the version's colon escaped.
        let archive = format!("{name}_{}_{arch}.deb", version.replace(':', "%3a"));
        if !is_here && !fetched.contains(&archive) {
            sizes.download = sizes.download.saturating_add(number("Size"));
        }
    }
    for (name, _, old) in &simulated.unpacked {
        match old {
            Some(_) => freed = freed.saturating_add(before.get(plain(name)).copied().unwrap_or(0)),
            None => sizes.new += 1,
        }
    }
    sizes.installed = taken.saturating_sub(freed);
    sizes
}

impl Apt<'_> {
    /// What `apt-get install` of these takes, as far as apt knows them; with `upgrade`, what `apt-get dist-upgrade` does.
    pub fn sizes(&self, upgrade: bool, specs: &[String], caches: Caches) -> Result<PackageSizes, Failure> {
        let mut wanted = specs.to_vec();
        let mut unknown = Vec::new();
        let mut tried = self.would_do(upgrade, &wanted, caches);
        if tried.as_ref().is_err_and(|failure| matches!(failure.kind, Kind::NotFound | Kind::Config | Kind::Exec)) {
            let known = self.known_names(caches);
            let name = |spec: &String| spec.split(['=', '/', ':']).next().unwrap_or(spec).trim_end_matches(['-', '+']).to_owned();
            (wanted, unknown) = wanted.into_iter().partition(|spec| known.contains(&name(spec)) || known.contains(spec));
            tried = self.would_do(upgrade, &wanted, caches);
        }
        let sizes = self.sizes_of(&tried?, caches)?;
        Ok(PackageSizes { unknown, ..sizes })
    }

    /// What apt would do, upgrade and installation taken together where both are asked for.
    fn would_do(&self, upgrade: bool, specs: &[String], caches: Caches) -> Result<Simulated, Failure> {
        let mut arguments = caches.options().to_vec();
        arguments.push(if upgrade { "dist-upgrade" } else { "install" });
        if !upgrade && specs.is_empty() {
            return Ok(Simulated::default());
        }
        self.simulated("trying what apt would do", &arguments, specs)
    }

    /// What doing this takes.
    fn sizes_of(&self, simulated: &Simulated, caches: Caches) -> Result<PackageSizes, Failure> {
        if simulated.unpacked.is_empty() {
            return Ok(PackageSizes::default());
        }
        let mut argv = vec!["apt-cache".to_owned()];
        argv.extend(caches.options().iter().chain(&["show", "--"]).map(|word| (*word).to_owned()));
        argv.extend(simulated.unpacked.iter().map(|(name, version, _)| format!("{name}={version}")));
        let shown = self.asked("apt-cache show", argv)?;
        let there = self.host.packages().map_err(|error| Failure::io(status_file(), &error))?.unwrap_or_default();
        let fetched: BTreeSet<String> = self.host.list(ARCHIVES).unwrap_or_default().into_iter().collect();
        Ok(added_up(simulated, &shown, &there, &fetched, self.host.release_urls().is_empty()))
    }
}

impl Host {
    /// Whether apt has any list of packages to answer from.
    pub fn has_package_lists(&self) -> bool {
        self.list("/var/lib/apt/lists").is_ok_and(|names| names.iter().any(|name| name.contains("_Packages")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::dpkg::parse_status;

    const SAID: &str = "Reading package lists...\nInst libx:i386 (1:2.0-1 Debian:13/stable [i386])\n\
        Inst hello-lf [1.0] (2.0 localhost [all]) []\nRemv old-lf [1.0]\nConf hello-lf (2.0 localhost [all])\n";
    const SHOWN: &str = "Package: libx\nVersion: 1:2.0-1\nArchitecture: i386\nInstalled-Size: 100\nSize: 4000\nFilename: pool/x.deb\n\
        Description: x\n more\n\nPackage: hello-lf\nVersion: 2.0\nArchitecture: all\nInstalled-Size: 30\nSize: 888\nFilename: pool/h.deb\n\n\
        Package: hello-lf\nVersion: 2.0\nArchitecture: all\nInstalled-Size: 30\nSize: 888\n";
    const STATUS_TEXT: &str = "Package: hello-lf\nStatus: install ok installed\nInstalled-Size: 20\n\n\
        Package: old-lf\nStatus: install ok installed\nInstalled-Size: 5\n\nPackage: gone\nStatus: deinstall ok config-files\nInstalled-Size: 7\n";

    #[test]
    fn what_apt_would_do_is_read_from_what_it_says() {
        let simulated = Simulated::of(SAID);
        assert_eq!(
            simulated.unpacked,
            [("libx:i386".into(), "1:2.0-1".into(), None), ("hello-lf".into(), "2.0".into(), Some("1.0".to_owned()))]
        );
        assert_eq!(simulated.removed, ["old-lf"]);
    }

    #[test]
    fn sizes_are_added_up_once_for_each_package_and_what_is_replaced_is_taken_off() {
        let there = parse_status(STATUS_TEXT).expect("sound");
        let sizes = added_up(&Simulated::of(SAID), SHOWN, &there, &BTreeSet::new(), false);
        let expected = PackageSizes { packages: 2, new: 1, download: 4888, installed: (100 + 30 - 20 - 5) << 10, unknown: Vec::new() };
        assert_eq!(sizes, expected);
        let fetched = BTreeSet::from(["libx_1%3a2.0-1_i386.deb".to_owned()]);
        assert_eq!(added_up(&Simulated::of(SAID), SHOWN, &there, &fetched, false).download, 888);
        assert_eq!(added_up(&Simulated::of(SAID), SHOWN, &there, &fetched, true).download, 0);
    }
}
