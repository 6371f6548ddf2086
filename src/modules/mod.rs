//! From typed configuration and facts to steps. One file per family of cloud-config keys.
//!
//! A module is a pure function: it never touches the host, never retries, never logs. To add a key: a field in
//! `config/typed`, a function here that turns it into steps, a line in [`MODULES`], a table of tests beside the function.

mod accounts;
mod apt;
mod build;
mod ca_certs;
mod console;
mod hostname;
mod locale;
mod network;
mod packages;
mod passwords;
mod power_state;
mod scope;
mod scripts;
mod ssh;
mod steps;
mod timezone;
mod users;
mod write_files;

#[cfg(test)]
mod testing;

pub use accounts::{Account, Accounts};
pub use build::{plan, PlanInput};
pub use scope::{questions, Questions, Scope, Way};
pub use scripts::{ScriptKind, UserScript};
pub use steps::{StepBuilder, Steps};

use crate::config::typed::{CloudConfig, Keys, Phase};
use crate::facts::Facts;
use crate::plan::{Frequency, Stage};
use crate::redact::Redactor;

/// One family of keys.
pub struct Module {
    /// The peer's module name.
    pub name: &'static str,
    /// The stage its steps are due in, if nothing before them has to wait for a later one.
    pub stage: Stage,
    /// How often, unless a step says otherwise.
    pub frequency: Frequency,
    /// The top-level keys it reads; one of them present means there is something to plan. None: it decides itself.
    pub keys: &'static [&'static str],
    /// At first boot it has something to do even where none of its keys is present, as the peer's defaults have it.
    pub implied: bool,
    /// Turns configuration into steps.
    pub plan: fn(&Scope<'_>, &mut Steps),
}

impl Module {
    /// Whether it has to act for another module, which wants a package installed.
    fn is_wanted(&self, steps: &Steps) -> bool {
        self.name == packages::PACKAGES.name && steps.wants_packages()
    }
}

/// Every module in the order it is run, which is the peer's but for three: the hostname is set first (the peer, too, sets it
/// before the modules), the locale comes after apt is set up (its package may have to be fetched), and final message and power
/// state come after the user's phases.
pub const MODULES: &[Module] = &[
    hostname::SET_HOSTNAME,
    network::NETWORK,
    scripts::BOOTCMD,
    write_files::EARLY,
    hostname::UPDATE_ETC_HOSTS,
    ca_certs::CA_CERTS,
    users::GROUPS,
    users::USERS,
    users::MEMBERS,
    ssh::HOST_KEYS,
    ssh::AUTHORIZED_KEYS,
    passwords::SET_PASSWORDS,
    write_files::FETCHED,
    apt::APT_CONFIGURE,
    locale::LOCALE,
    timezone::TIMEZONE,
    packages::PACKAGES,
    write_files::DEFERRED,
    scripts::PER_ONCE,
    scripts::PER_BOOT,
    scripts::PER_INSTANCE,
    scripts::USER_BEFORE,
    scripts::RUNCMD,
    scripts::USER_AFTER,
    console::HOST_KEY_FINGERPRINTS,
];

/// What is done when all else is.
pub const CLOSING: &[Module] = &[console::FINAL_MESSAGE, power_state::POWER_STATE];

/// Plans a whole configuration: the modules, the user's phases, the closing modules.
pub fn plan_all(config: &CloudConfig, facts: &Facts, scripts: &[UserScript], way: Way, steps: &mut Steps) {
    let accounts = Accounts::of_all(config, facts, way);
    let redactor = &Redactor::new(config.secrets.iter().map(|secret| secret.expose().clone()));
    let (keys, moved, accounts) = (&config.keys, &config.moved, &accounts);
    let network = config.network.as_ref();
    let default_order = Scope { keys, moved, network, facts, accounts, scripts, way, redactor, phase: None };
    plan_default(MODULES, &default_order, config, steps);
    let mut matter: Vec<(&str, Vec<String>)> = Vec::new();
    for phase in &config.phases {
        let needs: Vec<String> = phase.head.needs.0.iter().flat_map(|need| ids_of(&need.value, &matter)).collect();
        let from = steps.len();
        let scope = Scope { keys: &phase.keys, phase: Some(phase), network: None, scripts: &[], ..default_order };
        plan_phase(phase, &scope, &needs, config, steps);
        matter.push((&phase.head.name.0, steps.ids_that_matter(from)));
    }
    plan_default(CLOSING, &default_order, config, steps);
}

fn ids_of(phase: &str, matter: &[(&str, Vec<String>)]) -> Vec<String> {
    matter.iter().find(|(name, _)| *name == phase).map(|(_, ids)| ids.clone()).unwrap_or_default()
}

fn plan_default(modules: &[Module], scope: &Scope<'_>, config: &CloudConfig, steps: &mut Steps) {
    for module in modules {
        let asked = module.keys.is_empty() || scope.has_any(module.keys) || module.is_wanted(steps);
        if asked || (module.implied && scope.implies(module.keys)) {
            steps.module(module.name, module.stage, module.frequency, &config.defaults);
            (module.plan)(scope, steps);
        }
    }
}

fn plan_phase(phase: &Phase, scope: &Scope<'_>, needs: &[String], config: &CloudConfig, steps: &mut Steps) {
    let from = steps.len();
    for module in MODULES.iter().chain(CLOSING) {
        if scope.has_any(module.keys) || module.is_wanted(steps) {
            steps.phase(phase, module.name, module.frequency, needs, &config.defaults);
            (module.plan)(scope, steps);
        }
    }
    if steps.len() == from {
        let message = format!("phase `{}` has nothing to do", phase.head.name.0);
        steps.report.note("empty-phase", message).at(&phase.head.origin);
    }
}

/// Whether any of `keys` has a value.
fn given(keys: &Keys, names: &[&str]) -> bool {
    names.iter().any(|name| keys.given.contains(name))
}

#[cfg(test)]
mod tests;
