//! Mends dpkg and apt after a power cut.
//!
//! dpkg syncs what it unpacks, so its own files survive or are known to be unfinished. What maintainer scripts wrote is synced
//! by nobody: after a cut it may be empty although the package counts as installed. So where it is known which packages were
//! changed since the last sync, those are installed again, which runs their scripts again.

use std::collections::BTreeMap;

use super::apt::Apt;
use super::dpkg::{parse_status, Damage, DpkgPackage};
use crate::error::{Failure, Kind};
use crate::ordered::map_of;

/// Versions of the installed packages at some time.
pub type Installed = BTreeMap<String, String>;

/// The installed packages of a status file.
pub fn installed_in(status: &str) -> Option<Installed> {
    parse_status(status).as_deref().map(installed_of)
}

/// Those of these packages that are installed.
pub fn installed_of(packages: &[DpkgPackage]) -> Installed {
    map_of(packages.iter().filter(|package| package.is_installed()).map(|package| (package.spec(), package.version.clone())))
}

/// What is known of packages that were not there before the step that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPackages {
    /// They came because others need them; those that the user asked for, the step asks for again.
    CameForOthers,
    /// A script may have asked for them.
    AskedForByScript,
}

fn look_failed(error: std::io::Error) -> Failure {
    Failure::io("looking at the package database", crate::error::system_cause(&error))
}

/// Failures that mending has to wait for.
fn is_in_the_way(failure: &Failure) -> bool {
    matches!(failure.kind, Kind::Interrupted | Kind::Lock | Kind::Disk)
}

impl Apt<'_> {
    /// Mends what a cut left. Costs a few reads where nothing is wrong. `interrupted`: a step of ours was cut off, so that
    /// everything is looked at; `files_too`: at the files of packages as well. `before`: the packages when everything was last synced. Says what was done.
    pub fn repair(&self, interrupted: bool, files_too: bool, before: Option<&Installed>, new: NewPackages) -> Result<Vec<String>, Failure> {
        let (host, mut actions) = (self.host, Vec::new());
        let mut damage = host.dpkg_damage(files_too).map_err(look_failed)?;
        let lists = host.damaged_lists(interrupted).map_err(look_failed)?;
        if damage.is_none() && lists.is_empty() && !interrupted {
            return Ok(actions);
        }
        // What looks damaged may be at work.
        self.host.wait_for_package_locks(self.lock_wait(), self.say)?;
        if interrupted {
            host.remove_apt_caches().map_err(look_failed)?;
            self.remove_leftovers().map_err(look_failed)?;
            actions.extend(host.complete_accounts().map_err(|error| Failure::io("completing accounts", &error))?);
            self.remove_damaged_archives(&mut actions)?;
        }
        if damage.status {
            let copy = host.restore_dpkg_status().map_err(look_failed)?.ok_or_else(|| {
                Failure::new(Kind::PackageCorrupt, "dpkg's status file is damaged and there is no copy of it").transient(false)
            })?;
            actions.push(format!("dpkg's status file was damaged and is restored from {copy}"));
            damage = host.dpkg_damage(files_too).map_err(look_failed)?;
        }
        for path in &damage.unreadable {
            self.mend_database_file(path).map_err(look_failed)?;
        }
        if !lists.is_empty() {
            host.remove_lists(&lists).map_err(look_failed)?;
            self.update()?;
            actions.push("damaged package lists were fetched again".into());
        }
        if !damage.unfinished.is_empty() || !damage.reinstall.is_empty() {
            damage.reinstall.extend(self.remove_emptied_new_conffiles()?);
            // A package that still cannot be configured must not keep the others from being mended.
            let _ = self.configure_all();
            if !damage.unfinished.is_empty() {
                actions.push(format!("finished interrupted packages: {}", damage.unfinished.join(", ")));
            }
        }
        self.install_again(before, new, &damage, &mut actions)?;
        let left = host.dpkg_damage(files_too).map_err(look_failed)?;
        if !left.is_none() {
            let _ = self.fix_broken();
        }
        Ok(actions)
    }

    /// Temporary files of apt and of deb-systemd-helper: one that is killed leaves them for ever. Of the latter also lists of
    /// links whose bytes never reached the disk: it would take such a unit for one that somebody has disabled.
    fn remove_leftovers(&self) -> std::io::Result<()> {
        let units = ["helper-enabled", "helper-masked", "user-helper-enabled", "user-helper-masked"];
        for kind in units {
            for path in self.host.matching(&format!("/var/lib/systemd/deb-systemd-{kind}/*.dsh-also"))? {
                if self.host.read(&path)?.is_some_and(|bytes| bytes.contains(&0)) {
                    self.host.remove(&path)?;
                }
            }
        }
        let of_units = units.map(|kind| format!("/var/lib/systemd/deb-systemd-{kind}/.state*.tmp"));
        let of_apt =
            ["/var/cache/apt/archives/partial", "/var/lib/apt/lists/partial"].map(|dir| format!("{dir}/.apt-acquire-privs-test.*"));
        for pattern in of_units.iter().chain(&of_apt) {
            for path in self.host.matching(pattern)? {
                self.host.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes configuration files that were unpacked, not configured yet, and emptied by a cut: dpkg would take them for what the
    /// package brings. Gives their packages, which bring them once more when they are installed again.
    fn remove_emptied_new_conffiles(&self) -> Result<Vec<String>, Failure> {
        // dpkg itself, since what it keeps in `updates` stands in no status file yet.
        const FORMAT: &str = "Package: ${Package}\nArchitecture: ${Architecture}\nStatus: ${Status}\nConffiles:\n${Conffiles}\n\n";
        let known = self.host.run(&super::process::Spec::new(["dpkg-query", "--show", "--showformat", FORMAT]))?;
        let mut again = Vec::new();
        for package in parse_status(&known.stdout).unwrap_or_default().iter().filter(|package| package.is_unfinished()) {
            for path in self.host.emptied_new_conffiles(package).map_err(look_failed)? {
                self.host.remove(&path).map_err(look_failed)?;
                again.push(package.spec());
            }
        }
        again.dedup();
        Ok(again)
    }

    fn mend_database_file(&self, path: &str) -> std::io::Result<()> {
        if path.ends_with("/format") {
            // The one format there has been since 2011 (dpkg's info/format).
            return self.host.write(path, b"1\n", super::files::Attributes::own(0o644));
        }
        self.host.remove(path).map(|_| ())
    }

    /// Packages of which only a part was unpacked. apt passes over them where dpkg does not say that it wants them again.
    fn unpack_half_installed(&self, actions: &mut Vec<String>) -> Result<(), Failure> {
        let packages = self.host.packages().map_err(look_failed)?.unwrap_or_default();
        let half: Vec<String> =
            packages.iter().filter(|package| package.reinstall || package.state == "half-installed").map(DpkgPackage::spec).collect();
        for spec in &half {
            let mut fetched = self.unpack_again(spec);
            if fetched.is_err() && self.update().is_ok() {
                fetched = self.unpack_again(spec);
            }
            match fetched {
                Ok(()) => actions.push(format!("unpacked again: {spec}")),
                Err(failure) if is_in_the_way(&failure) => return Err(failure),
                // What was never installed is taken away, and may be installed anew.
                Err(_) if self.remove_broken(spec).is_ok() => {
                    actions.push(format!("removed {spec}, which a cut had left half unpacked and which cannot be fetched"));
                }
                Err(failure) => actions.push(format!("{spec} stays half unpacked: {}", failure.message)),
            }
        }
        if !half.is_empty() {
            let _ = self.configure_all();
        }
        Ok(())
    }

    fn install_again(
        &self,
        before: Option<&Installed>,
        new: NewPackages,
        damage: &Damage,
        actions: &mut Vec<String>,
    ) -> Result<(), Failure> {
        self.unpack_half_installed(actions)?;
        let packages = self.host.packages().map_err(look_failed)?.unwrap_or_default();
        let changed = |package: &DpkgPackage| before.is_some_and(|before| before.get(&package.spec()) != Some(&package.version));
        let again = |package: &&DpkgPackage| package.is_installed() && (changed(package) || damage.reinstall.contains(&package.spec()));
        let packages: Vec<&DpkgPackage> = packages.iter().filter(again).collect();
        if packages.is_empty() {
            return Ok(());
        }
        for package in packages.iter().filter(|package| changed(package)) {
            for path in self.host.emptied_conffiles(package).map_err(look_failed)? {
                self.host.remove(&path).map_err(look_failed)?;
            }
        }
        // To apt a package that is named was asked for.
        let known = self.host.automatic_packages().map_err(look_failed)?;
        let is_new =
            |package: &DpkgPackage| new == NewPackages::CameForOthers && before.is_some_and(|before| !before.contains_key(&package.spec()));
        let came_for_others = packages.iter().filter(|package| known.contains(&package.name) || is_new(package));
        let automatic: Vec<String> = came_for_others.map(|package| package.spec()).collect();
        let specs: Vec<String> = packages.iter().map(|package| package.spec()).collect();
        const AGAIN: &[&str] = &["--reinstall", "--fix-broken", "-o", "Dpkg::Options::=--force-confmiss"];
        let mut result = self.install(AGAIN, &specs);
        if result.is_err() && self.update().is_ok() {
            result = self.install(AGAIN, &specs);
        }
        let marked = self.mark_automatic(&automatic);
        match result {
            Ok(()) => actions.push(format!("installed again: {}", specs.join(", "))),
            Err(failure) if is_in_the_way(&failure) => return Err(failure),
            Err(failure) => actions.push(format!("not installed again, because it failed ({}): {}", failure.message, specs.join(", "))),
        }
        marked
    }

    /// Archives that were being fetched, or that cannot be unpacked.
    fn remove_damaged_archives(&self, actions: &mut Vec<String>) -> Result<(), Failure> {
        let host = self.host;
        for path in host.matching("/var/cache/apt/archives/partial/*").map_err(look_failed)? {
            host.remove(&path).map_err(look_failed)?;
        }
        for path in host.matching("/var/cache/apt/archives/*.deb").map_err(look_failed)? {
            let unpack = ["sh", "-c", "dpkg-deb --fsys-tarfile \"$1\" >/dev/null", "sh", path.as_str()];
            if !host.run(&super::process::Spec::new(unpack))?.success() {
                host.remove(&path).map_err(look_failed)?;
                actions.push(format!("removed the damaged archive {path}"));
            }
        }
        Ok(())
    }
}
