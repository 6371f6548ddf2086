//! `packages`, `package_update`, `package_upgrade`, `package_reboot_if_required`.

use super::gate::OTHER_SYSTEM;
use super::{ops, snap, Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::packages::{PackageEntry, SnapEntry};
use crate::plan::operation::{Operation, Package};
use crate::plan::{Frequency, Stage};

/// Package lists, upgrade, installation.
pub const PACKAGES: Module = Module {
    name: "package_update_upgrade_install",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["package_update", "package_upgrade", "packages"],
    implied: false,
    plan,
};

/// Unless their owner holds them back for good.
const REFRESH: &str = "[ \"$(snap get system refresh.hold 2>/dev/null)\" = forever ] || exec snap refresh";

/// Also installs what other modules want.
fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let wanted = steps.take_wanted();
    let keys = scope.keys;
    let mut packages: Vec<&PackageEntry> = keys.packages.0.iter().collect();
    packages.extend(wanted.iter().filter(|wanted| !keys.packages.0.iter().any(|known| known.spec == wanted.spec)));
    if keys.package_update || keys.package_upgrade || !packages.is_empty() {
        steps.update_lists();
    }
    if keys.package_upgrade {
        steps.add("upgrade", Operation::AptUpgrade);
        if scope.facts.distro == "ubuntu" && scope.facts.has("snap") {
            steps.add("snap-refresh", Operation::Command(ops::command(&["/bin/sh", "-c", REFRESH], &[], "upgrade all snaps")));
        }
    }
    if !packages.is_empty() {
        install(&packages, scope, steps);
    }
    plan_snaps(&keys.packages.1, scope, steps);
    if keys.package_reboot_if_required && (keys.package_upgrade || !packages.is_empty()) {
        steps.add("reboot", Operation::RebootIfRequired);
    }
}

fn plan_snaps(snaps: &[SnapEntry], scope: &Scope<'_>, steps: &mut Steps) {
    if scope.facts.distro != "ubuntu" {
        for entry in snaps {
            let message = format!("snaps are installed on Ubuntu only: {} is not installed", entry.words.join(" "));
            steps.report.error(OTHER_SYSTEM, message).at(&entry.origin).help("name a package of apt's");
        }
        return;
    }
    for entry in snaps {
        let ready = snap::seeded(scope, steps);
        let command = Operation::Command(ops::command(&["snap", "install"], &entry.words, "install a snap"));
        steps.add(&format!("snap/{}", entry.words[0]), command).at(&entry.origin).needs(ready);
    }
}

/// One installation of all packages, each with its own place.
fn install(packages: &[&PackageEntry], scope: &Scope<'_>, steps: &mut Steps) {
    let has_snaps = scope.facts.distro == "ubuntu" && scope.facts.has("snap");
    let named = |entry: &&PackageEntry| Package {
        spec: entry.spec.clone(),
        origin: (entry.origin.line > 0).then(|| entry.origin.to_string()),
        or_snap: has_snaps && !entry.of_apt && entry.spec.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
    };
    let named = packages.iter().map(named).collect();
    steps.add("install", Operation::InstallPackages { packages: named }).at(&packages[0].origin);
}

/// Installs packages now, because what follows needs them. The step that does; `None` where there are none.
pub fn install_together(specs: &[String], origin: &Origin, steps: &mut Steps) -> Option<String> {
    let first = specs.first()?;
    if let Some(done) = steps.provider(&format!("package:{first}")) {
        return Some(done.to_owned());
    }
    steps.update_lists();
    let place = (origin.line > 0).then(|| origin.to_string());
    let packages = specs.iter().map(|spec| Package { origin: place.clone(), ..Package::of_apt(spec) }).collect();
    let step = steps.add(&format!("install-{first}"), Operation::InstallPackages { packages }).at(origin);
    Some(step.every(Frequency::Instance).provides(&format!("package:{first}")).id())
}

/// Installs one package now, because what follows needs it.
pub fn install_now(spec: &str, steps: &mut Steps) {
    if steps.provider(&format!("package:{spec}")).is_some() {
        return;
    }
    steps.update_lists();
    let packages = vec![Package::of_apt(spec)];
    steps.add(&format!("install-{spec}"), Operation::InstallPackages { packages }).provides(&format!("package:{spec}"));
}
