//! What the peer does on Ubuntu: `ubuntu_pro`, `landscape`, `lxd`, `fan`, `drivers`, `autoinstall`.

mod lxd;
mod pro;

use super::gate::is_done_here;
use super::{gate, ops, packages, snap, Module, Scope, Steps};
use crate::plan::operation::{Command, Operation, UnitAction};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

pub use lxd::LXD;
pub use pro::UBUNTU_PRO;

const fn module(name: &'static str, keys: &'static [&'static str], plan: fn(&Scope<'_>, &mut Steps)) -> Module {
    Module { name, stage: Stage::Final, frequency: Frequency::Instance, keys, implied: false, plan }
}

/// Landscape's client.
pub const LANDSCAPE: Module = module("landscape", &["landscape"], plan_landscape);
/// Fan networking.
pub const FAN: Module = module("fan", &["fan"], plan_fan);
/// Drivers of others.
pub const UBUNTU_DRIVERS: Module = module("ubuntu_drivers", &["drivers"], plan_drivers);
/// What Ubuntu's installer reads itself.
pub const UBUNTU_AUTOINSTALL: Module = module("ubuntu_autoinstall", &["autoinstall"], plan_autoinstall);

/// Registers this host, unless it is registered (5 says that it is not). Settings come in a file: a key in an argument is seen by
/// everybody.
const REGISTER: &str = "landscape-config --silent --is-registered </dev/null; case $? in\n\
    0) echo 'this host is registered already'; exit 0;;\n\
    5) ;;\n\
    *) exit 1;;\n\
    esac\n\
    settings=$(mktemp) || exit; trap 'rm -f \"$settings\"' EXIT\n\
    cat >\"$settings\" && landscape-config --silent --import=\"$settings\"";

fn plan_landscape(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(landscape) = scope.keys.landscape.as_ref().filter(|_| is_done_here("landscape", "landscape", scope, steps)) else { return };
    let missing = !scope.facts.has("landscape-config");
    let installed = missing.then(|| packages::install_together(&["landscape-client".to_owned()], &landscape.origin, steps)).flatten();
    let mut settings = "[client]\n".to_owned();
    for setting in &landscape.client.0 {
        settings.push_str(&format!("{} = {}\n", setting.key, setting.value.expose()));
    }
    let command = ops::command(&["/bin/sh", "-c", REGISTER], &[], "register with Landscape");
    let command = Command { stdin: Some(Secret::new(settings)), ..command };
    let step = steps.add("", Operation::Command(command)).at(&landscape.origin);
    if let Some(installed) = installed {
        let _ = step.needs(installed);
    }
}

fn plan_fan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(fan) = scope.keys.fan.as_ref().filter(|_| is_done_here("fan", "fan", scope, steps)) else { return };
    let path = fan.config_path.as_ref().map_or("/etc/network/fan", |path| &path.0);
    let end = if fan.config.ends_with('\n') { "" } else { "\n" };
    let missing = !scope.facts.has("fanctl");
    let installed = missing.then(|| packages::install_together(&["ubuntu-fan".to_owned()], &fan.origin, steps)).flatten();
    let from = steps.len();
    steps.add("stop", ops::unit("ubuntu-fan", UnitAction::Stop)).at(&fan.origin).degrades();
    steps.add("", ops::write(path, format!("{}{end}", fan.config), 0o644)).at(&fan.origin);
    steps.add("start", ops::unit("ubuntu-fan", UnitAction::Start)).at(&fan.origin).degrades();
    steps.add("enable", ops::unit("ubuntu-fan", UnitAction::Enable)).at(&fan.origin);
    if let Some(installed) = installed {
        steps.all_need(from, &installed);
    }
}

/// Says yes to the licence where the drivers' packages ask debconf for it.
const LICENSE: &str = "template=$(mktemp) || exit; trap 'rm -f \"$template\"' EXIT\n\
    printf '%s\\n' 'Template: linux/nvidia/latelink' 'Type: boolean' 'Default: true' \
    'Description: Link the modules of NVIDIA when they are installed?' >\"$template\"\n\
    said=$(echo \"X_LOADTEMPLATEFILE $template\" | debconf-communicate landfall); echo \"$said\"\n\
    case $said in 0*) ;; *) exit 1;; esac";

fn plan_drivers(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(drivers) = scope.keys.drivers.as_ref().filter(|_| is_done_here("ubuntu_drivers", "drivers", scope, steps)) else { return };
    let Some(nvidia) = drivers.nvidia.as_ref().filter(|nvidia| nvidia.license_accepted) else { return };
    let missing = !scope.facts.has("ubuntu-drivers");
    let installed = missing.then(|| packages::install_together(&["ubuntu-drivers-common".to_owned()], &nvidia.origin, steps)).flatten();
    let accept = ops::command(&["/bin/sh", "-c", LICENSE], &[], "accept the licence of NVIDIA's drivers");
    let mut accepted = steps.add("license", Operation::Command(accept)).at(nvidia.place("license-accepted"));
    if let Some(installed) = installed {
        accepted = accepted.needs(installed);
    }
    let accepted = accepted.id();
    let driver = nvidia.version.as_ref().map_or_else(|| "nvidia".to_owned(), |version| format!("nvidia:{}", version.0));
    let install = ops::command(&["ubuntu-drivers", "install", "--gpgpu", &driver], &[], "install NVIDIA's drivers");
    steps.add("", Operation::Command(install)).at(&nvidia.origin).needs(accepted);
}

/// Snaps that install Ubuntu.
const INSTALLERS: [&str; 3] = ["/snap/subiquity", "/snap/ubuntu-desktop-installer", "/snap/ubuntu-desktop-bootstrap"];

fn plan_autoinstall(scope: &Scope<'_>, steps: &mut Steps) {
    // The peer does nothing for it either, and where its module is left to others says nothing.
    if scope.keys.autoinstall.is_some() && !INSTALLERS.iter().any(|path| scope.facts.files.contains(*path)) {
        let message = "`autoinstall` is for Ubuntu's installer, which is not here: it is ignored";
        steps.report.warning(gate::OTHER_SYSTEM, message).at(scope.keys.place("autoinstall")).help("take it out");
    }
}
