//! `packages`, `package_update`, `package_upgrade`, `package_reboot_if_required`.

use super::{Module, Scope, Steps};
use crate::config::typed::packages::PackageEntry;
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
    }
    if !packages.is_empty() {
        install(&packages, steps);
    }
    if keys.package_reboot_if_required && (keys.package_upgrade || !packages.is_empty()) {
        steps.add("reboot", Operation::RebootIfRequired);
    }
}

/// One installation of all packages, each with its own place.
fn install(packages: &[&PackageEntry], steps: &mut Steps) {
    let place = |entry: &PackageEntry| (entry.origin.line > 0).then(|| entry.origin.to_string());
    let named = packages.iter().map(|entry| Package { spec: entry.spec.clone(), origin: place(entry) }).collect();
    steps.add("install", Operation::InstallPackages { packages: named }).at(&packages[0].origin);
}

/// Installs one package now, because what follows needs it.
pub fn install_now(spec: &str, steps: &mut Steps) {
    if steps.provider(&format!("package:{spec}")).is_some() {
        return;
    }
    steps.update_lists();
    let packages = vec![Package { spec: spec.to_owned(), origin: None }];
    steps.add(&format!("install-{spec}"), Operation::InstallPackages { packages }).provides(&format!("package:{spec}"));
}
