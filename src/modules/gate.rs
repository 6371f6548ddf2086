//! What is not done on every system: what the peer does on Ubuntu only, and what it does on others only.

use super::{Module, Scope, Steps};
use crate::plan::{Frequency, Stage};

/// Whether what `key` asks for is done on this host. Where it is not, that is told: elsewhere the peer says nothing of it, unless
/// `unverified_modules` names the module.
pub fn is_done_here(module: &str, key: &str, scope: &Scope<'_>, steps: &mut Steps) -> bool {
    if scope.facts.distro == "ubuntu" || scope.unverified.iter().any(|name| name.value.replace('-', "_") == module) {
        return true;
    }
    let message = format!("`{key}` is done on Ubuntu only: here it is ignored");
    let help = format!("take it out, or have it done with `unverified_modules: [{module}]`");
    steps.report.warning(OTHER_SYSTEM, message).at(scope.keys.place(key)).help(help);
    false
}

/// The code of a problem that is one on another system only.
pub const OTHER_SYSTEM: &str = "other-system";

/// The code of problems with a device that only a cloud names.
pub const CLOUD_DEVICE: &str = "cloud-device";

/// The name of what is only so on this host: nothing is known of it where a file is checked for no host in particular.
pub const OF_THIS_HOST: &str = "of-this-host";

/// What the peer runs on neither Debian nor Ubuntu, and keys of systems that are neither.
pub const OTHER_SYSTEMS: Module = Module {
    name: "resolv_conf",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["apk_repos", "manage_resolv_conf", "resolv_conf", "rh_subscription", "spacewalk", "yum_repo_dir", "yum_repos", "zypper"],
    implied: false,
    plan,
};

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let keys = scope.keys;
    for key in OTHER_SYSTEMS.keys.iter().filter(|key| keys.given.contains(key)) {
        if key.ends_with("resolv_conf") {
            if *key == "resolv_conf" || keys.manage_resolv_conf {
                let message = format!("`{key}` is not done on Debian and Ubuntu: it is ignored");
                let help = "name servers are part of the network-config, or of systemd-resolved's own configuration";
                steps.report.warning(OTHER_SYSTEM, message).at(keys.place(key)).help(help);
            }
            continue;
        }
        let system = match *key {
            "apk_repos" => "Alpine",
            "zypper" => "SUSE",
            _ => "Red Hat and its kin",
        };
        let message = format!("`{key}` is for {system}: here it is ignored");
        steps.report.note(OTHER_SYSTEM, message).at(keys.place(key));
    }
}
