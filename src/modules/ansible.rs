//! `ansible`.
//!
//! Commands are lines of a script: an address or a variable in them may hold a password, which no plan shows.

use super::scripts::ShellLine;
use super::users::thing;
use super::{ops, packages, scripts, Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::ansible::{Ansible, Controller, InstallMethod, WithOptions};
use crate::config::typed::Text;
use crate::plan::{Frequency, Stage};

/// Ansible, as it configures this host or others from here.
pub const ANSIBLE: Module =
    Module { name: "ansible", stage: Stage::Final, frequency: Frequency::Instance, keys: &["ansible"], implied: false, plan };

const PACKAGE: &str = "ansible";

/// Commands of one user, in their order.
struct Commands<'a> {
    ansible: &'a Ansible,
    lines: Vec<ShellLine>,
}

impl Commands<'_> {
    fn add(&mut self, words: Vec<String>, origin: &Origin) {
        let user = self.ansible.run_user.as_ref().map(|user| user.0.as_str());
        let environment = self.ansible.ansible_config.as_ref().map(|file| format!("ANSIBLE_CONFIG={}", file.0));
        let whole = environment.into_iter().flat_map(|variable| ["env".to_owned(), variable]).chain(words.iter().cloned());
        let as_user = user.map(|user| format!(" (as {user})")).unwrap_or_default();
        self.lines.push(ShellLine {
            number: u32::try_from(self.lines.len() + 1).unwrap_or(u32::MAX),
            text: ops::shell_line(user, &whole.collect::<Vec<_>>()),
            shown: words.join(" ") + &as_user,
            origin: origin.clone(),
        });
    }
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(ansible) = &scope.keys.ansible else { return };
    let mut commands = Commands { ansible, lines: Vec::new() };
    let mut needed = install(ansible, &mut commands, scope, steps);
    for action in ansible.galaxy.iter().flat_map(|galaxy| &galaxy.actions) {
        if !action.is_empty() {
            commands.add(action.iter().map(|word: &Text| word.0.clone()).collect(), ansible.place("galaxy"));
        }
    }
    for WithOptions { known: pull, others } in &ansible.pull.0 {
        let mut words = vec!["ansible-pull".to_owned()];
        words.extend(pull.options());
        words.extend(others.iter().cloned());
        words.extend(pull.playbook_names.0.iter().map(|name| name.0.clone()));
        commands.add(words, &pull.origin);
    }
    if let Some(controller) = &ansible.setup_controller {
        add_controller(controller, &mut commands, steps);
    }
    needed.extend(ansible.run_user.as_ref().and_then(|user| steps.provider(&thing(&user.0))).map(str::to_owned));
    let total = u32::try_from(commands.lines.len()).unwrap_or(u32::MAX);
    scripts::plan_lines(&commands.lines, total, &needed, true, scope, steps);
}

/// Has Ansible there, and git where something is fetched with it. The steps that see to it.
fn install(ansible: &Ansible, commands: &mut Commands<'_>, scope: &Scope<'_>, steps: &mut Steps) -> Vec<String> {
    let package = ansible.package_name.as_ref().map_or(PACKAGE, |name| &name.0);
    let fetches =
        !ansible.pull.0.is_empty() || ansible.setup_controller.as_ref().is_some_and(|controller| !controller.repositories.is_empty());
    let by_pip = ansible.install_method == Some(InstallMethod::Pip);
    let mut missing: Vec<String> = Vec::new();
    if !scope.facts.has("ansible") {
        match (by_pip, scope.facts.has("pip3")) {
            (false, _) => missing.push(package.to_owned()),
            (true, false) => missing.push("python3-pip".to_owned()),
            (true, true) => {}
        }
        if by_pip {
            // Where the distribution's own files are not to be touched pip wants to be told twice.
            let mut words = vec!["env", "PIP_BREAK_SYSTEM_PACKAGES=1", "python3", "-m", "pip", "install"];
            words.extend(ansible.run_user.is_some().then_some("--user"));
            words.push(package);
            commands.add(ops::words(&words), &ansible.origin);
        }
    }
    if fetches && !scope.facts.has("git") {
        missing.push("git".to_owned());
    }
    packages::install_together(&missing, &ansible.origin, steps).into_iter().collect()
}

fn add_controller(controller: &Controller, commands: &mut Commands<'_>, steps: &mut Steps) {
    if controller.repositories.is_empty() && controller.run_ansible.is_empty() {
        let message = "ansible.setup_controller has neither `repositories` nor `run_ansible`: there is nothing to do";
        steps.report.error("ansible", message).at(&controller.origin).help("add one of them");
    }
    for repository in &controller.repositories {
        let words = ops::words(&["git", "clone", &repository.source.0, &repository.path.0]);
        commands.add(words, &repository.origin);
    }
    for WithOptions { known: playbook, others } in &controller.run_ansible {
        let mut words: Vec<String> = ops::words(&["env", "-C", &playbook.playbook_dir.0, "ansible-playbook", &playbook.playbook_name.0]);
        words.extend(playbook.options());
        words.extend(others.iter().cloned());
        commands.add(words, &playbook.origin);
    }
}
