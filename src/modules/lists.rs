//! Which modules are run, how often and in which order: `cloud_init_modules`, `cloud_config_modules`, `cloud_final_modules`.
//!
//! A list that is given says what is run of its stage; without one all of it is. A module that the lists have elsewhere than usually is run
//! where they have it; among the others the order is ours, which knows what has to be installed first.

use super::{Module, Steps};
use crate::config::node::Origin;
use crate::config::typed::module_lists::{ModuleEntry, ModuleList, LIST_KEYS};
use crate::config::typed::reader::{nearest, quoted};
use crate::config::typed::scalars::Located;
use crate::config::typed::Keys;
use crate::plan::{Frequency, Stage};

/// Every module of the peer on Debian and Ubuntu, by the list that usually has it, those of [`super::MODULES`] included.
const KNOWN: [&[&str]; 3] = [
    &[
        "seed_random",
        "bootcmd",
        "write_files",
        "growpart",
        "resizefs",
        "disk_setup",
        "mounts",
        "set_hostname",
        "update_hostname",
        "update_etc_hosts",
        "ca_certs",
        "rsyslog",
        "users_groups",
        "ssh",
        "resolv_conf",
        "migrator",
    ],
    &[
        "wireguard",
        "snap",
        "ubuntu_autoinstall",
        "ssh_import_id",
        "keyboard",
        "locale",
        "set_passwords",
        "grub_dpkg",
        "apt_pipelining",
        "apt_configure",
        "ubuntu_pro",
        "ntp",
        "timezone",
        "disable_ec2_metadata",
        "runcmd",
        "byobu",
        "emit_upstart",
    ],
    &[
        "package_update_upgrade_install",
        "fan",
        "landscape",
        "lxd",
        "ubuntu_drivers",
        "write_files_deferred",
        "puppet",
        "chef",
        "ansible",
        "mcollective",
        "salt_minion",
        "reset_rmc",
        "refresh_rmc_and_interface",
        "rightscale_userdata",
        "scripts_vendor",
        "scripts_per_once",
        "scripts_per_boot",
        "scripts_per_instance",
        "scripts_user",
        "ssh_authkey_fingerprints",
        "keys_to_console",
        "install_hotplug",
        "phone_home",
        "final_message",
        "power_state_change",
    ],
];

/// Ubuntu's cloud-init has this module right after that one, in the first list.
const ELSEWHERE: (&str, &str) = ("set_passwords", "ssh");
/// Set before all else, as by the peer, wherever the lists have it.
const ALWAYS_FIRST: &str = "set_hostname";

/// Where a module usually stands, if this list has it.
fn usual_place(name: &str, list: usize) -> Option<usize> {
    let place = |name: &str| KNOWN.iter().flat_map(|names| names.iter()).position(|known| *known == name);
    match (name == ELSEWHERE.0 && list == 0).then(|| place(ELSEWHERE.1)).flatten() {
        Some(before) => Some(2 * before + 1),
        None => Some(2 * place(name)?),
    }
}

/// Those of the modules that stand elsewhere than usually: as few as can be, the others being in their usual order.
fn moved<'n>(order: &[(&'n str, usize)]) -> Vec<&'n str> {
    let places: Vec<(&str, usize)> = order.iter().filter_map(|(name, list)| Some((*name, usual_place(name, *list)?))).collect();
    // The longest increasing subsequence: for each place the longest that ends there, and what is before it in that.
    let mut longest: Vec<(usize, Option<usize>)> = Vec::new();
    for (at, (_, place)) in places.iter().enumerate() {
        let before = (0..at).filter(|before| places[*before].1 < *place).max_by_key(|before| longest[*before].0);
        longest.push((before.map_or(1, |before| longest[before].0 + 1), before));
    }
    let last = (0..places.len()).max_by_key(|at| longest[*at].0);
    let kept: Vec<usize> = std::iter::successors(last, |at| longest[*at].1).collect();
    places.iter().enumerate().filter(|(at, _)| !kept.contains(at)).map(|(_, (name, _))| *name).collect()
}

/// Where the peer runs what one of our modules does.
fn peers_name(module: &Module) -> &'static str {
    if module.name == "runcmd" {
        "scripts_user"
    } else {
        module.name
    }
}

/// When a module is due: where another list has it than usually, with that list.
fn stage(module: &Module, order: &[(&str, usize)]) -> Stage {
    let name = peers_name(module);
    let is_elsewhere = |list: usize| !KNOWN[list].contains(&name) && name != ALWAYS_FIRST && (name, list) != (ELSEWHERE.0, 0);
    match order.iter().find(|(listed, list)| *listed == name && is_elsewhere(*list)) {
        Some((_, 0)) => Stage::Network,
        Some(_) => Stage::Final,
        None => module.stage,
    }
}

/// What the lists say of one module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// It is run, as often as said; `None` for as often as usual.
    Run(Option<Frequency>),
    /// The list with this index leaves it out.
    LeftOut(usize),
}

/// The lists that are given.
pub struct Lists<'k> {
    given: [Option<&'k ModuleList>; 3],
}

impl<'k> Lists<'k> {
    /// Those of a configuration.
    pub fn of(keys: &'k Keys) -> Self {
        Self { given: [keys.cloud_init_modules.as_ref(), keys.cloud_config_modules.as_ref(), keys.cloud_final_modules.as_ref()] }
    }

    fn entries(&self) -> impl Iterator<Item = &'k ModuleEntry> + '_ {
        self.given.iter().flatten().flat_map(|list| &list.modules)
    }

    /// The entry of a module, by the peer's name.
    pub fn entry(&self, name: &str) -> Option<&'k ModuleEntry> {
        self.entries().find(|entry| entry.name == name)
    }

    /// What they say of a module, by the peer's name.
    fn peers(&self, name: &str) -> Listed {
        if let Some(entry) = self.entry(name) {
            return Listed::Run(entry.frequency);
        }
        match KNOWN.iter().position(|names| names.contains(&name)) {
            Some(at) if self.given[at].is_some() => Listed::LeftOut(at),
            _ => Listed::Run(None),
        }
    }

    /// What they say of one of our modules. `runcmd` writes a script that `scripts_user` runs, so it takes both, and is run as
    /// often as that; the name of the host takes either of two.
    pub fn of_module(&self, module: &Module) -> Listed {
        match module.name {
            "runcmd" => match self.peers("runcmd") {
                Listed::Run(_) => self.peers("scripts_user"),
                left_out => left_out,
            },
            "set_hostname" => match (self.peers("set_hostname"), self.peers("update_hostname")) {
                (Listed::LeftOut(_), Listed::Run(_)) => Listed::Run(None),
                (listed, _) => listed,
            },
            name => self.peers(name),
        }
    }

    /// Every module the peer would run, in its order, with the list that has it.
    fn order(&self) -> Vec<(&str, usize)> {
        let named = |name: &str| self.entries().any(|entry| entry.name == name);
        let mut order: Vec<(&str, usize)> = Vec::new();
        for (at, (given, usual)) in self.given.iter().zip(KNOWN).enumerate() {
            let names: Vec<&str> = match given {
                Some(list) => list.modules.iter().map(|entry| entry.name.as_str()).collect(),
                None => usual.iter().copied().filter(|name| !named(name)).collect(),
            };
            for name in names {
                if !order.iter().any(|(known, _)| *known == name) {
                    order.push((name, at));
                }
            }
        }
        order
    }

    /// The modules in the order that the lists want, each with the stage it is due in.
    pub fn in_order<'m>(&self, modules: &'m [Module]) -> Vec<(&'m Module, Stage)> {
        if self.given.iter().all(Option::is_none) {
            return modules.iter().map(|module| (module, module.stage)).collect();
        }
        let order = self.order();
        let mut waiting: Vec<(&Module, Stage)> = modules.iter().map(|module| (module, stage(module, &order))).collect();
        let moved = moved(&order);
        if moved.is_empty() {
            return waiting;
        }
        let place = |module: &Module| order.iter().position(|(name, _)| *name == peers_name(module) && *name != ALWAYS_FIRST);
        let is_moved = |module: &Module| moved.contains(&peers_name(module));
        let goes_before = |one: &Module, other: &Module| {
            (is_moved(one) || is_moved(other)) && place(one).zip(place(other)).is_some_and(|(at, after)| at < after)
        };
        let mut sorted = Vec::new();
        while !waiting.is_empty() {
            let may_go = |(module, _): &&(&Module, Stage)| !waiting.iter().any(|(other, _)| goes_before(other, module));
            let at = waiting.iter().position(|one| may_go(&one)).unwrap_or(0);
            sorted.push(waiting.remove(at));
        }
        sorted
    }

    /// Says that a module with something to do is left out.
    pub fn report_left_out(&self, module: &Module, list: usize, keys: &Keys, steps: &mut Steps) {
        let Some(key) = module.keys.iter().find(|key| keys.given.contains(key)) else { return };
        let place = self.given[list].and_then(|list| list.origin.as_ref()).map(|origin| format!(" at {origin}")).unwrap_or_default();
        let message = format!("`{key}` is not done: `{}`{place} leaves out the module for it", LIST_KEYS[list]);
        steps.report.warning("module-left-out", message).at(keys.place(key)).help("add the module to the list, or leave the list out");
    }

    /// Says which names are no modules at all.
    pub fn report_unknown(&self, steps: &mut Steps) {
        for entry in self.entries().filter(|entry| !is_known(&entry.name)) {
            report_no_module(format!("there is no module `{}`", entry.name), &entry.name, &entry.origin, steps);
        }
    }
}

/// Says which of the modules that are to be done on any system are none.
pub fn report_unknown_unverified(names: &[Located<String>], steps: &mut Steps) {
    for Located { value, origin } in names {
        let name = value.replace('-', "_");
        if !is_known(&name) && !OF_OTHER_SYSTEMS.contains(&name.as_str()) {
            report_no_module(format!("unverified_modules: there is no module {}", quoted(value)), &name, origin, steps);
        }
    }
}

/// Modules of the peer for systems that are neither Debian nor Ubuntu.
const OF_OTHER_SYSTEMS: [&str; 5] = ["apk_configure", "rh_subscription", "spacewalk", "yum_add_repo", "zypper_add_repo"];

fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|names| names.contains(&name))
}

fn report_no_module(message: String, name: &str, place: &Origin, steps: &mut Steps) {
    let problem = steps.report.warning("unknown-module", message).at(place);
    if let Some(near) = nearest(name, &KNOWN.concat()) {
        problem.help(format!("did you mean `{near}`?"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{applied, assert_problems, problems, steps};
    use super::*;
    use crate::modules::{CLOSING, MODULES};

    #[test]
    fn every_module_of_ours_with_a_peer_is_known_by_its_name() {
        let own = ["network", "services", "boothooks"];
        for module in MODULES.iter().chain(CLOSING).filter(|module| !own.contains(&module.name)) {
            assert!(KNOWN.iter().any(|names| names.contains(&module.name)), "{}", module.name);
        }
    }

    #[test]
    fn what_a_list_leaves_out_is_not_done_and_said() {
        let lists = "cloud_final_modules: [scripts-user]\ncloud_config_modules: [runcmd, cc_timezone.py]\n";
        let plan = applied(&format!("{lists}timezone: Europe/Berlin\nruncmd: [a]\npackages: [b]\nlocale: C.UTF-8\n"));
        let mut phases: Vec<String> = plan.steps.iter().map(|step| step.phase.clone()).collect();
        phases.dedup();
        assert_eq!(phases, ["timezone", "runcmd"], "{:?}", steps(&plan));
        assert_problems(
            &plan,
            &[
                "degraded: `locale` is not done: `cloud_config_modules` at user-data:2:23 leaves out the module for it (add the module to the list, or leave the list out)",
                "degraded: `packages` is not done: `cloud_final_modules` at user-data:1:22 leaves out the module for it (add the module to the list, or leave the list out)",
            ],
        );
    }

    #[test]
    fn the_order_of_the_lists_holds_where_it_is_another() {
        let keys = "users: [{name: bob}]\nwrite_files: [{path: /a, content: x}]\nruncmd: [a]\npackages: [b]\nlocale: de_DE.UTF-8\n\
                    apt: {conf: x;}\ntimezone: Europe/Berlin\nhostname: h\n";
        let phases = |lists: &str| {
            let plan = applied(&format!("{lists}\n{keys}"));
            let mut phases: Vec<String> = plan.steps.iter().map(|step| step.phase.clone()).collect();
            phases.dedup();
            (phases.join(" "), plan)
        };
        let usual = "set_hostname write_files users_groups apt_configure locale timezone package_update_upgrade_install runcmd";
        let stock: String = KNOWN.iter().zip(LIST_KEYS).map(|(names, key)| format!("{key}: [{}]\n", names.join(", "))).collect();
        let moved = stock.replace(", set_passwords", "").replace(" ssh,", " ssh, set_passwords,");
        for lists in ["", &stock, &moved] {
            assert_eq!(phases(lists).0, usual, "{lists}");
        }
        for (lists, expected) in [
            (
                "cloud_init_modules: [users_groups, write_files, set_hostname]",
                "set_hostname users_groups write_files apt_configure locale timezone package_update_upgrade_install runcmd",
            ),
            (
                "cloud_final_modules: [scripts_user, package_update_upgrade_install]",
                "set_hostname write_files users_groups apt_configure locale timezone runcmd package_update_upgrade_install",
            ),
            (
                "cloud_config_modules: [runcmd, timezone, package_update_upgrade_install, apt_configure, locale]",
                "set_hostname write_files users_groups timezone package_update_upgrade_install apt_configure locale runcmd",
            ),
            (
                "cloud_final_modules: [package_update_upgrade_install, users_groups, scripts_user]",
                "set_hostname write_files apt_configure locale timezone package_update_upgrade_install users_groups runcmd",
            ),
        ] {
            let (found, plan) = phases(lists);
            assert_eq!(found, expected, "{lists}: {:?}", steps(&plan));
        }
        let (_, plan) = phases("cloud_init_modules: [users_groups, package_update_upgrade_install, write_files]");
        let stage = |phase: &str| plan.steps.iter().filter(|step| step.phase == phase).map(|step| step.stage).max();
        assert_eq!(stage("package_update_upgrade_install"), Some(Stage::Network));
        assert_eq!(stage("users_groups"), Some(Stage::Local));
        let (_, plan) = phases("cloud_config_modules: [users_groups, apt_configure, locale, timezone]");
        assert_eq!(plan.steps.iter().filter(|step| step.phase == "users_groups").map(|step| step.stage).min(), Some(Stage::Final));
    }

    #[test]
    fn frequencies_of_the_lists_hold() {
        for (lists, expected) in [
            ("cloud_final_modules: [[scripts-user, always]]", Frequency::Boot),
            ("cloud_final_modules: [{name: scripts_user, frequency: once}]", Frequency::Once),
            ("cloud_config_modules: [[runcmd, always]]", Frequency::Instance),
            ("cloud_final_modules: [[scripts_user, sometimes]]", Frequency::Instance),
        ] {
            let plan = applied(&format!("{lists}\nruncmd: [a]\n"));
            assert_eq!(plan.steps[0].frequency, expected, "{lists}");
            assert_eq!(problems(&plan).len(), usize::from(lists.contains("sometimes")), "{lists}: {:?}", plan.problems);
        }
    }

    #[test]
    fn files_that_do_not_wait_lose_nothing_by_the_module_of_those_that_do() {
        for (entry, lost) in [("{path: /a}", 0), ("{path: /a, defer: true}", 1)] {
            let plan = applied(&format!("cloud_final_modules: [runcmd]\nwrite_files: [{entry}]\n"));
            assert_eq!(problems(&plan).len(), lost, "{entry}: {:?}", plan.problems);
            assert_eq!(plan.steps.len(), 1 - lost);
        }
    }

    #[test]
    fn unknown_modules_and_arguments_are_told_and_known_ones_used() {
        let plan =
            applied("cloud_config_modules: [[timezone, once-per-instance, Europe/Berlin], time-zone, [runcmd, always, x], [resizefs, always, false], byobu, 5]\n");
        let linked = steps(&plan).iter().any(|step| step.starts_with("timezone: link /etc/localtime to /usr/share/zoneinfo/Europe/Berlin"));
        assert!(linked, "{:?}", steps(&plan));
        assert_problems(
            &plan,
            &[
                "degraded: the module `runcmd` takes no arguments here: they are ignored",
                "failed: cloud_config_modules must be the name of a module, or a list or mapping that begins with it, not an integer",
                "degraded: there is no module `time_zone` (did you mean `timezone`?)",
            ],
        );
    }
}
