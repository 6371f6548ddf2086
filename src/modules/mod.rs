//! From typed configuration and facts to steps. One file per family of cloud-config keys.
//!
//! A module is a pure function: it never touches the host, never retries, never logs. To add a key: a field in
//! `config/typed`, a function here that turns it into steps, a line in [`MODULES`], a table of tests beside the function.

mod accounts;
mod ansible;
mod apt;
mod apt_get;
mod apt_pipelining;
mod build;
mod byobu;
mod ca_certs;
mod chef;
mod conditions;
mod console;
mod disable_ec2_metadata;
mod disks;
mod gate;
mod growth;
mod grub_dpkg;
mod hooks;
mod hostname;
mod install_hotplug;
mod keyboard;
mod lists;
mod locale;
mod mounts;
mod network;
mod ntp;
mod ops;
mod packages;
mod passwords;
mod phone_home;
mod power_state;
mod puppet;
mod reset_rmc;
mod rsyslog;
mod salt;
mod scope;
mod scripts;
mod seed_random;
mod services;
mod snap;
mod ssh;
mod ssh_import_id;
mod steps;
mod timezone;
mod ubuntu;
mod users;
mod wireguard;
mod write_files;

#[cfg(test)]
pub(crate) mod testing;

pub use accounts::{Account, Accounts};
pub use build::{plan, PlanInput};
pub use gate::{CLOUD_DEVICE, OF_THIS_HOST, OTHER_SYSTEM};
pub use hooks::UserHook;
pub use scope::{questions, Questions, Scope, Way};
pub(crate) use scripts::unix_lines;
pub use scripts::{ScriptKind, UserScript};
pub use steps::{StepBuilder, Steps};

use std::cell::OnceCell;

use crate::config::typed::{CloudConfig, Keys, Phase};
use crate::facts::Facts;
use crate::plan::{Frequency, PhaseRules, Stage};
use crate::redact::Redactor;
use lists::{Listed, Lists};

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
    /// Whether it has to act without a key of its own: for another module, which wants a package installed, or for what a phase
    /// says beside its keys.
    fn is_wanted(&self, scope: &Scope<'_>, steps: &Steps) -> bool {
        let for_phase = || self.name == services::SERVICES.name && scope.phase.is_some_and(|phase| !phase.head.services.is_empty());
        // With nothing behind it the key counts too.
        let for_time = || self.name == ntp::NTP.name && scope.keys.ntp.is_some();
        (self.name == packages::PACKAGES.name && steps.wants_packages()) || for_phase() || for_time()
    }
}

/// Every module in the order it is run, which is the peer's but for three: the hostname is set first (the peer, too, sets it
/// before the modules), what has to be installed before it can be done (the locale, tunnels, snaps, imported keys) comes after apt is
/// set up, and final message and power state come after the user's phases.
pub const MODULES: &[Module] = &[
    gate::OTHER_SYSTEMS,
    hostname::SET_HOSTNAME,
    network::NETWORK,
    hooks::BOOTHOOKS,
    seed_random::SEED_RANDOM,
    scripts::BOOTCMD,
    write_files::EARLY,
    growth::GROWPART,
    growth::RESIZEFS,
    disks::DISK_SETUP,
    mounts::MOUNTS,
    hostname::UPDATE_ETC_HOSTS,
    ca_certs::CA_CERTS,
    rsyslog::RSYSLOG,
    users::GROUPS,
    users::USERS,
    users::MEMBERS,
    ssh::HOST_KEYS,
    ssh::AUTHORIZED_KEYS,
    passwords::SET_PASSWORDS,
    write_files::FETCHED,
    rsyslog::RELOAD,
    growth::RESIZEFS_LATER,
    mounts::MOUNTS_OF_NETWORK,
    wireguard::WIREGUARD,
    snap::SNAP,
    users::SNAP_USERS,
    ubuntu::UBUNTU_AUTOINSTALL,
    ssh_import_id::SSH_IMPORT_ID,
    keyboard::KEYBOARD,
    grub_dpkg::GRUB_DPKG,
    apt_pipelining::APT_PIPELINING,
    apt::APT_CONFIGURE,
    wireguard::WIREGUARD_AFTER_APT,
    snap::SNAP_AFTER_APT,
    ssh_import_id::SSH_IMPORT_ID_AFTER_APT,
    locale::LOCALE,
    ubuntu::UBUNTU_PRO,
    ntp::NTP,
    timezone::TIMEZONE,
    disable_ec2_metadata::DISABLE_EC2_METADATA,
    byobu::BYOBU,
    packages::PACKAGES,
    ubuntu::FAN,
    ubuntu::LANDSCAPE,
    ubuntu::LXD,
    ubuntu::UBUNTU_DRIVERS,
    write_files::DEFERRED,
    puppet::PUPPET,
    chef::CHEF,
    ansible::ANSIBLE,
    salt::MCOLLECTIVE,
    salt::SALT_MINION,
    reset_rmc::RESET_RMC,
    scripts::VENDOR,
    scripts::PER_ONCE,
    scripts::PER_BOOT,
    scripts::PER_INSTANCE,
    scripts::USER_BEFORE,
    scripts::RUNCMD,
    scripts::USER_AFTER,
    services::SERVICES,
    console::AUTHORIZED_KEY_FINGERPRINTS,
    console::HOST_KEY_FINGERPRINTS,
    console::PUBLISH_HOST_KEYS,
    install_hotplug::INSTALL_HOTPLUG,
];

/// What is done when all else is.
pub const CLOSING: &[Module] = &[phone_home::PHONE_HOME, console::FINAL_MESSAGE, power_state::POWER_STATE];

/// What of user-data is no configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserParts<'a> {
    /// Scripts.
    pub scripts: &'a [UserScript],
    /// Boothooks, part handlers and what these may take.
    pub hooks: &'a [UserHook],
}

/// Plans a whole configuration: the modules, the user's phases, the closing modules.
pub fn plan_all(config: &CloudConfig, facts: &Facts, user: &UserParts<'_>, way: Way, steps: &mut Steps) -> Vec<PhaseRules> {
    let accounts = Accounts::of_all(config, facts, way);
    let redactor = &Redactor::new(config.secrets.iter().map(|secret| secret.expose().clone()));
    let (keys, moved, accounts) = (&config.keys, &config.moved, &accounts);
    let (network, unverified) = (config.network.as_ref(), keys.unverified_modules.as_slice());
    let UserParts { scripts, hooks } = *user;
    let own_accounts = &OnceCell::new();
    let default_order =
        Scope { keys, moved, network, facts, accounts, own_accounts, scripts, hooks, way, unverified, redactor, phase: None };
    Lists::of(keys).report_unknown(steps);
    lists::report_unknown_unverified(unverified, steps);
    apt_get::report(keys, steps);
    plan_default(MODULES, &default_order, config, steps);
    let mut matter: Vec<(&str, Vec<String>)> = Vec::new();
    let mut rules: Vec<PhaseRules> = Vec::new();
    for phase in &config.phases {
        let mut own = conditions::rules(phase, facts, &rules);
        if own.not_here.is_none() {
            let needs: Vec<String> = phase.head.needs.0.iter().flat_map(|need| ids_of(&need.value, &matter)).collect();
            let from = steps.len();
            let own_accounts = &OnceCell::new();
            let scope =
                Scope { keys: &phase.keys, own_accounts, phase: Some(phase), network: None, scripts: &[], hooks: &[], ..default_order };
            plan_phase(phase, &scope, &needs, config, steps);
            own.parallel &= !reported_as_restarting(phase, steps, from);
            matter.push((&phase.head.name.0, steps.ids_that_matter(from)));
        }
        rules.push(own);
    }
    plan_default(CLOSING, &default_order, config, steps);
    rules
}

fn ids_of(phase: &str, matter: &[(&str, Vec<String>)]) -> Vec<String> {
    matter.iter().find(|(name, _)| *name == phase).map(|(_, ids)| ids.clone()).unwrap_or_default()
}

fn plan_default(modules: &[Module], scope: &Scope<'_>, config: &CloudConfig, steps: &mut Steps) {
    let lists = Lists::of(scope.keys);
    for (module, stage) in lists.in_order(modules) {
        let asked = module.keys.is_empty() || scope.has_any(module.keys) || module.is_wanted(scope, steps);
        let is_implied = module.implied && scope.implies(module.keys);
        if !(asked || is_implied) {
            continue;
        }
        match lists.of_module(module) {
            Listed::Run(frequency) => {
                steps.module(module.name, stage, frequency.unwrap_or(module.frequency), &config.defaults);
                (module.plan)(scope, steps);
            }
            Listed::LeftOut(_) if module.name == write_files::DEFERRED.name && !write_files::has_deferred(scope) => {}
            Listed::LeftOut(list) => lists.report_left_out(module, list, scope.keys, steps),
        }
    }
}

fn plan_phase(phase: &Phase, scope: &Scope<'_>, needs: &[String], config: &CloudConfig, steps: &mut Steps) {
    let from = steps.len();
    for module in MODULES.iter().chain(CLOSING) {
        if scope.has_any(module.keys) || module.is_wanted(scope, steps) {
            steps.phase(phase, module.name, module.frequency, needs, &config.defaults);
            (module.plan)(scope, steps);
        }
    }
    if steps.len() == from {
        let message = format!("phase `{}` has nothing to do", phase.head.name.0);
        steps.report.note("empty-phase", message).at(&phase.head.origin);
    }
}

/// What restarts the machine would cut off what runs beside it.
fn reported_as_restarting(phase: &Phase, steps: &mut Steps, from: usize) -> bool {
    let restarts = phase.head.parallel && steps.restart_machine(from);
    if restarts {
        let message = format!("phase `{}` may restart the machine: it is not run side by side with others", phase.head.name.0);
        steps.report.warning("parallel", message).at(phase.head.place("parallel")).help("leave `parallel` out");
    }
    restarts
}

/// Whether any of `keys` has a value.
fn given(keys: &Keys, names: &[&str]) -> bool {
    names.iter().any(|name| keys.given.contains(name))
}

#[cfg(test)]
mod tests;
