//! Packages, through apt and dpkg.

use std::collections::BTreeSet;
use std::time::Duration;

use super::files::{io_failure, prior_of};
use super::room;
use super::undo::put_back;
use super::{Checked, Context, Effect, Left, PackageChange, Prior, PriorFile};
use crate::error::{Failure, Kind};
use crate::host::apt::Apt;
use crate::host::apt_sizes::Caches;
use crate::host::dpkg::{automatic_in, parse_status, status_file, DpkgPackage, Packages};
use crate::host::files::text_of;
use crate::host::process::Spec;
use crate::host::repair::{installed_in, installed_of, Installed, NewPackages};
use crate::identity;
use crate::plan::operation::Package;
use crate::secret::Secret;

/// Databases that are rewritten while packages are installed, without a sync: what they held before is kept.
const DATABASES: [&str; 4] =
    ["/var/cache/debconf/config.dat", "/var/cache/debconf/passwords.dat", "/var/cache/debconf/templates.dat", EXTENDED_STATES];
/// Which packages came only because others need them.
const EXTENDED_STATES: &str = "/var/lib/apt/extended_states";
const DEBCONF_LIMIT: Duration = Duration::from_secs(120);
const GPG_LIMIT: Duration = Duration::from_secs(120);
const SNAP_LIMIT: Duration = Duration::from_secs(30);

/// What apt is asked to do about one package.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted<'s> {
    /// To have it, perhaps of one architecture or in one version.
    Installed { name: &'s str, arch: Option<&'s str>, version: Option<&'s str> },
    /// Not to have it.
    Removed { name: &'s str },
    /// A task, a release, a file: only apt can say.
    Other,
}

fn wanted(spec: &str) -> Wanted<'_> {
    if spec.contains(['/', '^', '*', '?', '[', '~']) {
        return Wanted::Other;
    }
    if let Some(name) = spec.strip_suffix('-') {
        return Wanted::Removed { name };
    }
    let (package, version) = spec.split_once('=').map_or((spec, None), |(package, version)| (package, Some(version)));
    let (name, arch) = package.split_once(':').map_or((package, None), |(name, arch)| (name, Some(arch)));
    Wanted::Installed { name, arch, version }
}

/// Whether the packages are as a specification wants them; `None` where only apt can say.
fn stands(spec: &str, packages: &[DpkgPackage]) -> Option<bool> {
    let installed = || packages.iter().filter(|package| package.state == "installed");
    match wanted(spec) {
        Wanted::Installed { name, arch, version } => {
            let fits = |package: &DpkgPackage| {
                package.name == name
                    && arch.is_none_or(|arch| package.arch == arch)
                    && version.is_none_or(|version| package.version == version)
            };
            let provided = |package: &DpkgPackage| version.is_none() && package.provides.iter().any(|provided| provided == name);
            Some(installed().any(|package| fits(package) || provided(package)))
        }
        Wanted::Removed { name } => Some(!packages.iter().any(|package| package.name == name && package.is_installed())),
        Wanted::Other => None,
    }
}

fn packages_now(context: &Context<'_>) -> Result<Packages, Failure> {
    Ok(context.host.packages().map_err(io_failure("read", &status_file()))?.unwrap_or_default())
}

/// Whether the host has the package as it is wanted, perhaps as a snap; `None` where only apt can say.
fn is_there(package: &Package, now: &[DpkgPackage], context: &Context<'_>) -> Option<bool> {
    match stands(&package.spec, now) {
        Some(false) if package.or_snap => Some(has_snap(context, &package.spec)),
        known => known,
    }
}

fn has_snap(context: &Context<'_>, name: &str) -> bool {
    let asked = context.host.run(&Spec::new(["snap", "list", name]).deadline(SNAP_LIMIT));
    asked.is_ok_and(|ended| ended.success())
}

/// Installs a snap, once snapd has taken up what came with the image.
fn install_snap(context: &Context<'_>, name: &str) -> Result<(), Failure> {
    for argv in [["snap", "wait", "system", "seed.loaded"].as_slice(), &["snap", "install", name]] {
        let mut spec = Spec::new(argv.iter().copied()).output(&context.output);
        (spec.deadline, spec.silence) = (context.deadline.left(), context.silence);
        spec.env.clone_from(&context.env);
        context.host.run_ok(&spec)?;
    }
    Ok(())
}

fn apt<'c>(context: &'c Context<'_>) -> Apt<'c> {
    let (deadline, silence) = (context.deadline, context.silence);
    let (output, env) = (context.output.clone(), context.env.clone());
    Apt { host: context.host, output, env, deadline, silence, apt_get: context.apt_get, say: context.say }
}

// --- what was there before, and mending after a cut ---

/// The packages and databases as they are, everything being synced: what an interruption is compared with.
pub(super) fn prior(context: &Context<'_>) -> Result<Prior, Failure> {
    let path = status_file();
    let status = context.host.read(&path).map_err(io_failure("read", &path))?.unwrap_or_default();
    let beside = packages_now(context)?.iter().flat_map(|package| brought_beside(context, package)).collect();
    let status = context.host.back_up(&context.backups, &status).map_err(io_failure("keep a copy of", &path))?;
    let mut databases = Vec::new();
    for path in DATABASES {
        databases.push((path.to_owned(), prior_of(context, path)?));
    }
    Ok(Prior::Packages { status, databases, beside })
}

/// Where dpkg has put a package's version of a configuration file, the host's own being another.
fn brought_beside(context: &Context<'_>, package: &DpkgPackage) -> Vec<String> {
    let paths = package.conffiles.iter().map(|(path, _)| format!("{path}.dpkg-dist"));
    paths.filter(|path| context.host.exists(path)).collect()
}

/// Mends dpkg and apt. `interrupted`: a step that changes packages was cut off, and this was recorded before it.
pub(super) fn mend(context: &Context<'_>, interrupted: Option<&Prior>, new: NewPackages) -> Result<Vec<String>, Failure> {
    let mut before: Option<Installed> = None;
    if let Some(Prior::Packages { status, databases, .. }) = interrupted {
        before = installed_in(&text_of_copy(context, &status_file(), status)?);
        for (path, was) in databases {
            restore_if_torn(context, path, was)?;
        }
    }
    // What an image holds is as its maker left it.
    let files_too = interrupted.is_some() || !identity::is_first_boot(context.host);
    let actions = apt(context).repair(interrupted.is_some(), files_too, before.as_ref(), new)?;
    for action in &actions {
        (context.say)(action);
    }
    Ok(actions)
}

/// The packages whose versions differ from those of a status file in the backups.
pub(super) fn changes_since(context: &Context<'_>, status: &str) -> Result<Vec<PackageChange>, Failure> {
    let mut before = installed_of(&packages_in(context, status)?);
    let mut changes = Vec::new();
    for (package, after) in installed_of(&packages_now(context)?) {
        let was = before.remove(&package);
        if was.as_ref() != Some(&after) {
            changes.push(PackageChange { package, before: was, after: Some(after) });
        }
    }
    changes.extend(before.into_iter().map(|(package, was)| PackageChange { package, before: Some(was), after: None }));
    Ok(changes)
}

/// The packages of a status file in the backups.
fn packages_in(context: &Context<'_>, status: &str) -> Result<Vec<DpkgPackage>, Failure> {
    let damaged = || Failure::new(Kind::PackageCorrupt, "the copy of dpkg's status file is damaged").transient(false);
    parse_status(&text_of_copy(context, &status_file(), status)?).ok_or_else(damaged)
}

/// What a file held before, from the backups.
fn text_of_copy(context: &Context<'_>, path: &str, sha256: &str) -> Result<String, Failure> {
    context.host.backed_up(&context.backups, sha256).map(text_of).map_err(io_failure("read the copy of", path))
}

fn restore_if_torn(context: &Context<'_>, path: &str, was: &PriorFile) -> Result<(), Failure> {
    let now = context.host.read(path).map_err(io_failure("read", path))?;
    let sound = now.is_some_and(|bytes| bytes.ends_with(b"\n") && !bytes.contains(&0));
    match was {
        PriorFile::File { .. } if !sound => put_back(context, path, was),
        _ => Ok(()),
    }
}

fn effect_of(actions: Vec<String>, detail: Option<String>) -> Effect {
    let details: Vec<String> = actions.into_iter().chain(detail).collect();
    Effect { detail: (!details.is_empty()).then(|| details.join("; ")), warnings: Vec::new() }
}

// --- undoing ---

/// What was recorded before packages were changed.
pub(super) struct Before<'p> {
    pub status: &'p str,
    pub databases: &'p [(String, PriorFile)],
    pub beside: &'p [String],
}

/// With which apt may go back to older versions.
const GOING_BACK: [&str; 1] = ["--allow-downgrades"];

/// What is to be undone of `left`: what stands as the step left it. A package that somebody has changed since is theirs.
fn still_ours(context: &Context<'_>, status: &str, left: Option<&Left>) -> Result<(Vec<PackageChange>, Vec<String>), Failure> {
    let Some(left) = left else { return Ok((changes_since(context, status)?, Vec::new())) };
    let now = installed_of(&packages_now(context)?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for change in &left.packages {
        let is = now.get(&change.package);
        if is == change.after.as_ref() {
            ours.push(change.clone());
        } else if is != change.before.as_ref() {
            theirs.push(format!("{} has been changed since and stays as it is", change.package));
        }
    }
    Ok((ours, theirs))
}

/// Has the packages that were there before in the versions they had, and no others of those that the step brought; with the
/// marks of automatic installation as they were. Configuration files go with the packages that had none before.
pub(super) fn undo(context: &Context<'_>, before: &Before<'_>, left: Option<&Left>) -> Result<Effect, Failure> {
    mend(context, None, NewPackages::CameForOthers)?;
    let apt = apt(context);
    let old = packages_in(context, before.status)?;
    let (ours, warnings) = still_ours(context, before.status, left)?;
    let there = packages_now(context)?;
    change_back(&apt, &ours)?;
    // Also where an earlier try came as far as the removal.
    let touched = left.map_or(ours.as_slice(), |left| left.packages.as_slice());
    let now = packages_now(context)?;
    let named =
        |packages: &[DpkgPackage], name: &str, state: &str| packages.iter().any(|package| package.name == name && package.state == state);
    let remains = |change: &&PackageChange| {
        let name = plain_name(&change.package);
        change.before.is_none() && !named(&old, name, "config-files") && named(&now, name, "config-files")
    };
    apt.purge(&touched.iter().filter(remains).map(|change| change.package.clone()).collect::<Vec<_>>())?;
    for package in there.iter().chain(now.iter()).filter(|package| touched.iter().any(|change| change.package == package.spec())) {
        for path in brought_beside(context, package).iter().filter(|path| !before.beside.contains(path)) {
            context.host.remove(path).map_err(io_failure("remove", path))?;
        }
    }
    put_marks_back(context, &apt, &old, before.databases)?;
    Ok(Effect { detail: None, warnings })
}

/// Has apt go back over the changes; nothing is done where something else would have to go.
fn change_back(apt: &Apt<'_>, changes: &[PackageChange]) -> Result<(), Failure> {
    let spec = |change: &PackageChange| match &change.before {
        Some(version) => format!("{}={version}", change.package),
        None => format!("{}-", change.package),
    };
    let wanted: Vec<String> = changes.iter().map(spec).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let new: BTreeSet<&str> = changes.iter().filter(|change| change.before.is_none()).map(|change| plain_name(&change.package)).collect();
    let removed = apt.would_remove(&GOING_BACK, &wanted)?;
    let others: Vec<String> = removed.into_iter().filter(|name| !new.contains(plain_name(name))).collect();
    if !others.is_empty() {
        return Err(Failure::new(Kind::Config, format!("packages that came later need these: {}", others.join(", ")))
            .hint("remove those first, or undo the steps that installed them too (`--cascade`)"));
    }
    apt.install(&GOING_BACK, &wanted)
}

fn plain_name(spec: &str) -> &str {
    spec.split(':').next().unwrap_or(spec)
}

/// Marks of automatic installation, for the packages that were there before.
fn put_marks_back(context: &Context<'_>, apt: &Apt<'_>, before: &[DpkgPackage], databases: &[(String, PriorFile)]) -> Result<(), Failure> {
    let was = match databases.iter().find(|(path, _)| path == EXTENDED_STATES) {
        Some((path, PriorFile::File { sha256, .. })) => automatic_in(&text_of_copy(context, path, sha256)?),
        _ => BTreeSet::new(),
    };
    let now = context.host.automatic_packages().map_err(io_failure("read", EXTENDED_STATES))?;
    let there: BTreeSet<&str> = before.iter().filter(|package| package.is_installed()).map(|package| package.name.as_str()).collect();
    let of_those = |names: &BTreeSet<String>, other: &BTreeSet<String>| -> Vec<String> {
        names.difference(other).filter(|name| there.contains(name.as_str())).cloned().collect()
    };
    apt.mark_automatic(&of_those(&was, &now))?;
    apt.mark_manual(&of_those(&now, &was))
}

/// Each package is as it was.
pub(super) fn verify_undone(context: &Context<'_>, status: &str, left: Option<&Left>) -> Result<(), Failure> {
    let (ours, _) = still_ours(context, status, left)?;
    let wrong: Vec<&str> = ours.iter().filter(|change| change.before != change.after).map(|change| change.package.as_str()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Kind::Unknown, format!("it was undone, but these packages are not as they were before: {}", wrong.join(", "))))
}

// --- operations ---

pub(super) fn update(context: &Context<'_>, interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    let actions = mend(context, interrupted, NewPackages::CameForOthers)?;
    apt(context).update()?;
    Ok(effect_of(actions, None))
}

pub(super) fn upgrade(context: &Context<'_>, interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    let actions = mend(context, interrupted, NewPackages::CameForOthers)?;
    let before = packages_now(context)?;
    room::check_packages(context, &apt(context), None)?;
    apt(context).upgrade()?;
    Ok(effect_of(actions, counted(&before, &packages_now(context)?)))
}

/// `installed 3 packages, upgraded 2`.
fn counted(before: &[DpkgPackage], after: &[DpkgPackage]) -> Option<String> {
    let (old, now) = (installed_of(before), installed_of(after));
    let new = now.keys().filter(|spec| !old.contains_key(*spec)).count();
    let upgraded = now.iter().filter(|(spec, version)| old.get(*spec).is_some_and(|old| old != *version)).count();
    let parts: Vec<String> = [(new, "installed"), (upgraded, "upgraded")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, verb)| format!("{verb} {count} package{}", if *count == 1 { "" } else { "s" }))
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn check_install(context: &Context<'_>, packages: &[Package]) -> Result<Checked, Failure> {
    let now = packages_now(context)?;
    Ok(Checked::satisfied_if(packages.iter().all(|package| is_there(package, &now, context) == Some(true))))
}

pub(super) fn verify_install(context: &Context<'_>, packages: &[Package]) -> Result<(), Failure> {
    let now = packages_now(context)?;
    let found = |spec: &str| match wanted(spec) {
        Wanted::Installed { name, .. } | Wanted::Removed { name } => now.iter().find(|package| package.name == name),
        Wanted::Other => None,
    };
    let shown = |spec: &str| format!("{spec} ({})", found(spec).map_or("unknown to dpkg", |package| package.state.as_str()));
    let missing = packages.iter().filter(|package| is_there(package, &now, context) == Some(false));
    let missing: Vec<String> = missing.map(|package| shown(&package.spec)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(Kind::Exec, format!("apt-get ended well, but this is not as it was asked for: {}", missing.join(", "))))
    }
}

/// A specification that apt refuses, and why.
struct Refused {
    spec: String,
    failure: Failure,
}

/// Installs what can be installed; what cannot is named in the failure.
pub(super) fn install(context: &Context<'_>, packages: &[Package], interrupted: Option<&Prior>) -> Result<Effect, Failure> {
    let actions = mend(context, interrupted, NewPackages::CameForOthers)?;
    let apt = apt(context);
    let all: Vec<String> = packages.iter().map(|package| package.spec.clone()).collect();
    if let Some(option) = all.iter().find(|spec| spec.starts_with('-') || spec.is_empty() || spec.contains(char::is_whitespace)) {
        return Err(Failure::new(Kind::Input, format!("{option:?} cannot be the name of a package")));
    }
    let before = packages_now(context)?;
    let mut refused = Vec::new();
    let mut tried = apt.simulate(&all);
    if tried.as_ref().is_err_and(|failure| failure.kind == Kind::NotFound) && apt.has_missing_lists()? {
        (context.say)("some lists of packages were never fetched: they are fetched now");
        apt.update()?;
        tried = apt.simulate(&all);
    }
    let accepted = match tried {
        Ok(_) => all,
        Err(failure) if failure.transient || !matches!(failure.kind, Kind::NotFound | Kind::Config | Kind::Exec) => return Err(failure),
        Err(failure) => sorted_out(&apt, all, failure, &mut refused),
    };
    if let Some(passing) = refused.iter().find(|one| one.failure.transient) {
        // Not the package's fault.
        return Err(passing.failure.clone());
    }
    let mut effect = Effect::default();
    if !accepted.is_empty() {
        room::check_packages(context, &apt, Some(&accepted))?;
        if let Err(failure) = apt.install(&[], &accepted) {
            let now = packages_now(context)?;
            let there = accepted.iter().all(|spec| stands(spec, &now) == Some(true));
            if !there || failure.transient || failure.kind == Kind::Interrupted {
                return Err(failure);
            }
            effect.warnings.push(failure.message);
        }
    }
    let snaps = as_snaps(context, packages, &mut refused);
    let details: Vec<String> = counted(&before, &packages_now(context)?).into_iter().chain(snaps).collect();
    let detail = (!details.is_empty()).then(|| details.join("; "));
    if refused.is_empty() {
        effect.detail = effect_of(actions, detail).detail;
        return Ok(effect);
    }
    Err(refusal(&apt, &refused, packages.len().saturating_sub(refused.len())))
}

/// Installs as snaps what apt does not know and the user did not ask apt for; says what it has installed.
fn as_snaps(context: &Context<'_>, packages: &[Package], refused: &mut Vec<Refused>) -> Option<String> {
    let mut installed = Vec::new();
    refused.retain_mut(|one| {
        let is_meant = packages.iter().any(|package| package.or_snap && package.spec == one.spec);
        if one.failure.kind != Kind::NotFound || !is_meant {
            return true;
        }
        if has_snap(context, &one.spec) {
            return false;
        }
        match install_snap(context, &one.spec) {
            Ok(()) => installed.push(one.spec.clone()),
            Err(failure) => {
                one.failure.message = format!("{}, and no snap was installed: {}", one.failure.message, failure.message);
                one.failure.output.extend(failure.output);
                return true;
            }
        }
        false
    });
    (!installed.is_empty()).then(|| format!("as snaps: {}", installed.join(", ")))
}

/// Takes out what apt refuses: first what it refuses by itself, by halves, then what does not go with the others.
fn sorted_out(apt: &Apt<'_>, specs: Vec<String>, failure: Failure, refused: &mut Vec<Refused>) -> Vec<String> {
    let mut accepted = by_halves(apt, specs, failure, refused);
    if accepted.is_empty() || apt.simulate(&accepted).is_ok() {
        return accepted;
    }
    let mut together: Vec<String> = Vec::new();
    for spec in accepted.drain(..) {
        together.push(spec.clone());
        if let Err(failure) = apt.simulate(&together) {
            together.pop();
            refused.push(Refused { spec, failure });
        }
    }
    together
}

/// `specs` are known to be refused together.
fn by_halves(apt: &Apt<'_>, mut specs: Vec<String>, failure: Failure, refused: &mut Vec<Refused>) -> Vec<String> {
    if specs.len() == 1 {
        refused.extend(specs.into_iter().map(|spec| Refused { spec, failure: failure.clone() }));
        return Vec::new();
    }
    let second = specs.split_off(specs.len() / 2);
    let mut accepted = Vec::new();
    for half in [specs, second] {
        match apt.simulate(&half) {
            Ok(_) => accepted.extend(half),
            Err(failure) => accepted.extend(by_halves(apt, half, failure, refused)),
        }
    }
    accepted
}

fn refusal(apt: &Apt<'_>, refused: &[Refused], installed: usize) -> Failure {
    let unknown = refused.iter().all(|one| one.failure.kind == Kind::NotFound);
    let names: Vec<&str> = refused.iter().map(|one| one.spec.as_str()).collect();
    let rest = match installed {
        0 => String::new(),
        1 => "; the other one is installed".to_owned(),
        n => format!("; the other {n} are installed"),
    };
    let why = match (unknown, names.len()) {
        (true, 1) => format!("there is no package {}", names[0]),
        (true, _) => format!("there are no packages {}", names.join(", ")),
        _ => refused.iter().map(|one| one.failure.message.clone()).collect::<Vec<_>>().join("; "),
    };
    let kind = if unknown { Kind::NotFound } else { Kind::Config };
    let mut failure = Failure::new(kind, format!("{why}{rest}"));
    failure.output = refused.iter().flat_map(|one| one.failure.output.clone()).collect();
    failure.exit = refused.iter().find_map(|one| one.failure.exit);
    if unknown {
        let known = apt.known_names(Caches::Renew);
        let close: Vec<String> = names.iter().filter_map(|name| closest(name, &known)).collect();
        let meant = if close.is_empty() { String::new() } else { format!("did you mean {}? ", close.join(", ")) };
        failure.hint = Some(format!("{meant}correct the name, or add the apt source that has it, then `landfall apply FILE`"));
    }
    failure
}

/// The known name that differs least, if it differs little.
fn closest(spec: &str, known: &std::collections::BTreeSet<String>) -> Option<String> {
    let name = spec.split(['=', '/', ':']).next().unwrap_or(spec);
    let far = name.len() / 3 + 1;
    let near = known.iter().filter(|known| known.len().abs_diff(name.len()) <= far).map(|known| (distance(name, known), known));
    near.min().filter(|(distance, _)| *distance > 0 && *distance <= far).map(|(_, known)| known.clone())
}

/// Letters to change, add or take away between two names (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = row[0];
        row[0] = at + 1;
        for (column, with) in other.iter().enumerate() {
            let kept = corner + usize::from(letter != *with);
            corner = row[column + 1];
            row[column + 1] = kept.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

// --- debconf ---

pub(super) fn debconf(context: &Context<'_>, selections: &Secret<String>) -> Result<Effect, Failure> {
    // As long as the packages that are to have these answers wait.
    context.host.wait_for_package_locks(apt(context).lock_wait(), context.say)?;
    let mut spec =
        Spec::new(["debconf-set-selections"]).stdin(selections.clone()).deadline(context.deadline.left().unwrap_or(DEBCONF_LIMIT));
    spec.env.clone_from(&context.env);
    let ended = context.host.run(&spec)?;
    if ended.success() {
        Ok(Effect::default())
    } else {
        Err(ended.failure("setting debconf selections: debconf-set-selections"))
    }
}

// --- keys from a key server ---

fn gpg(context: &Context<'_>, home: &str, arguments: &[&str]) -> Result<crate::host::process::Ended, Failure> {
    let mut argv = vec!["gpg", "--homedir", home, "--batch", "--no-tty", "--no-auto-key-locate"];
    argv.extend(arguments);
    context.host.run(&Spec::new(argv).deadline(context.deadline.left().unwrap_or(GPG_LIMIT)))
}

/// A key id as gpg prints fingerprints: upper case, no `0x`, no blanks.
fn plain_id(keyid: &str) -> String {
    keyid.trim_start_matches("0x").chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase()
}

fn has_key(listing: &str, keyid: &str) -> bool {
    let wanted = plain_id(keyid);
    let fingerprint = |line: &str| line.strip_prefix("fpr:").map(|rest| rest.trim_matches(':').to_owned());
    wanted.len() >= 8 && listing.lines().filter_map(fingerprint).any(|found| found.ends_with(&wanted))
}

pub(super) fn check_apt_key(context: &Context<'_>, keyid: &str, path: &str) -> Result<Checked, Failure> {
    if !context.host.exists(path) || !context.host.finds_program("gpg") {
        return Ok(Checked::Needed);
    }
    with_gpg_home(context, |home| {
        let ended = gpg(context, home, &["--with-colons", "--show-keys", path])?;
        Ok(Checked::satisfied_if(ended.success() && has_key(&ended.stdout, keyid)))
    })
}

/// Fetches a key into a keyring of its own, makes sure that it is the one asked for, and writes it.
pub(super) fn apt_key(context: &Context<'_>, keyid: &str, keyserver: &str, path: &str) -> Result<Effect, Failure> {
    if !context.host.finds_program("gpg") {
        return Err(Failure::new(Kind::NotFound, format!("there is no gpg to fetch the key {keyid} with"))
            .hint("install gnupg, or give the key itself (`key:`); then `landfall resume`"));
    }
    let id = plain_id(keyid);
    if id.len() < 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Failure::new(Kind::Input, format!("{keyid} is not the id of a key")));
    }
    with_gpg_home(context, |home| {
        let fetched = gpg(context, home, &["--keyserver", keyserver, "--recv-keys", &id])?;
        if !fetched.success() {
            let failure = fetched.failure(&format!("fetching the key {keyid} from {keyserver}: gpg"));
            return Err(if fetched.cut.is_none() { Failure { kind: Kind::Network, transient: true, ..failure } } else { failure });
        }
        let listed = gpg(context, home, &["--with-colons", "--list-keys"])?;
        if !has_key(&listed.stdout, keyid) {
            return Err(Failure::new(Kind::Network, format!("{keyserver} sent another key than {keyid}")).transient(false));
        }
        let exported = format!("{home}/key");
        let ended = gpg(context, home, &["--output", &exported, "--export", &id])?;
        if !ended.success() {
            return Err(ended.failure("exporting the key: gpg"));
        }
        let bytes = context.host.read(&exported).map_err(io_failure("read", &exported))?.unwrap_or_default();
        let file = crate::plan::operation::WriteFile {
            path: path.to_owned(),
            content: Secret::default(),
            mode: Some(0o644),
            owner: Some(crate::plan::operation::Owner::root()),
            own_parents: false,
        };
        super::files::write(context, &file, &bytes)
    })
}

fn with_gpg_home<T>(context: &Context<'_>, work: impl FnOnce(&str) -> Result<T, Failure>) -> Result<T, Failure> {
    use crate::host::files::Attributes;
    let home = format!("{}/gpg", crate::host::runlock::RUNTIME);
    let failed = io_failure("make", &home);
    context.host.remove_tree(&home).map_err(&failed)?;
    context.host.make_directories(crate::host::runlock::RUNTIME, Attributes::own(0o755)).map_err(&failed)?;
    context.host.make_directories(&home, Attributes::own(0o700)).map_err(&failed)?;
    let result = work(&home);
    let _ = context.host.run(&Spec::new(["gpgconf", "--homedir", &home, "--kill", "all"]).deadline(GPG_LIMIT));
    let _ = context.host.remove_tree(&home);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, version: &str, state: &str) -> DpkgPackage {
        DpkgPackage { name: name.into(), arch: "amd64".into(), version: version.into(), state: state.into(), ..DpkgPackage::default() }
    }

    #[test]
    fn a_specification_is_compared_with_what_is_installed() {
        let mut mta = package("postfix", "3", "installed");
        mta.provides = vec!["mail-transport-agent".into()];
        let packages =
            [package("nginx", "1.2", "installed"), mta, package("half", "1", "half-configured"), package("old", "1", "config-files")];
        for (spec, so) in [
            ("nginx", Some(true)),
            ("nginx=1.2", Some(true)),
            ("nginx=1.3", Some(false)),
            ("nginx:amd64", Some(true)),
            ("nginx:arm64", Some(false)),
            ("nginx-", Some(false)),
            ("old-", Some(true)),
            ("old", Some(false)),
            ("half", Some(false)),
            ("mail-transport-agent", Some(true)),
            ("nginx/stable", None),
            ("lamp-server^", None),
            ("g++", Some(false)),
        ] {
            assert_eq!(stands(spec, &packages), so, "{spec}");
        }
    }

    #[test]
    fn names_that_differ_little_are_proposed() {
        let known = ["nginx", "nginx-full", "postgresql", "git"].map(str::to_owned).into();
        assert_eq!(closest("ngnix", &known).as_deref(), Some("nginx"));
        assert_eq!(closest("postgressql=16", &known).as_deref(), Some("postgresql"));
        assert_eq!(closest("kubernetes", &known), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("a", "a")), (3, 2, 0));
    }

    #[test]
    fn a_key_is_known_by_the_end_of_its_fingerprint() {
        let listing = "pub:-:4096:1:AAAABBBBCCCCDDDD:::\nfpr:::::::::0123456789ABCDEF0123456789ABCDEF01234567:\n";
        assert!(has_key(listing, "0x89ABCDEF01234567") && has_key(listing, "89ab cdef 0123 4567"));
        assert!(!has_key(listing, "DEADBEEF") && !has_key(listing, "567"));
    }

    #[test]
    fn what_was_installed_is_counted() {
        let before = [package("a", "1", "installed"), package("b", "1", "config-files")];
        let after = [package("a", "2", "installed"), package("b", "1", "installed"), package("c", "1", "installed")];
        assert_eq!(counted(&before, &after).as_deref(), Some("installed 2 packages, upgraded 1 package"));
        assert_eq!(counted(&after, &after), None);
    }
}
