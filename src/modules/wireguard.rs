//! `wireguard`.

use super::{ops, packages, scripts, Module, Scope, Steps};
use crate::config::typed::wireguard::WireguardInterface;
use crate::plan::operation::UnitAction;
use crate::plan::{Frequency, Stage};

/// Tunnels, where wg(8) is there: apt's own sources may be behind one.
pub const WIREGUARD: Module = Module {
    name: "wireguard",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["wireguard"],
    implied: false,
    plan: |scope, steps| {
        if scope.facts.has(PROGRAM) {
            plan(scope, steps);
        }
    },
};

/// Where it has to be installed first, from the sources that the user wants.
pub const WIREGUARD_AFTER_APT: Module = Module {
    plan: |scope, steps| {
        if !scope.facts.has(PROGRAM) {
            plan(scope, steps);
        }
    },
    ..WIREGUARD
};

const PROGRAM: &str = "wg";
const PACKAGE: &str = "wireguard-tools";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(wireguard) = &scope.keys.wireguard else { return };
    let missing = !scope.facts.has(PROGRAM) && !wireguard.interfaces.is_empty();
    let installed = missing.then(|| packages::install_together(&[PACKAGE.to_owned()], &wireguard.origin, steps)).flatten();
    let mut needed: Vec<String> = Vec::new();
    for interface in &wireguard.interfaces {
        needed.push(plan_interface(interface, installed.as_deref(), steps));
    }
    scripts::plan_commands(&wireguard.readinessprobe, &needed, scope, steps);
}

/// One interface; the step that brings it up.
fn plan_interface(interface: &WireguardInterface, installed: Option<&str>, steps: &mut Steps) -> String {
    let (name, path) = (&interface.name.0, &interface.config_path.0);
    if *path != format!("/etc/wireguard/{name}.conf") {
        let message = format!("wg-quick@{name} reads /etc/wireguard/{name}.conf, not {path}");
        let problem = steps.report.warning("wireguard", message);
        problem.at(interface.place("config_path")).help(format!("write `config_path: /etc/wireguard/{name}.conf`"));
    }
    let text = interface.content.0.expose().as_str();
    let written = steps.add(&format!("{name}/config"), ops::write(path, text, 0o600)).at(&interface.origin).id();
    let unit = format!("wg-quick@{name}.service");
    let mut enabled = steps.add(&format!("{name}/enable"), ops::unit(&unit, UnitAction::Enable)).at(&interface.origin).needs(written);
    if let Some(installed) = installed {
        enabled = enabled.needs(installed);
    }
    let enabled = enabled.id();
    steps.add(name, ops::unit(&unit, UnitAction::Restart)).at(&interface.origin).needs(enabled).id()
}
