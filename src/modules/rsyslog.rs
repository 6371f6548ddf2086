//! `rsyslog`.

use super::{ops, Module, Scope, Steps};
use crate::config::typed::rsyslog::{ReloadCommand, Rsyslog};
use crate::plan::operation::{Operation, UnitAction};
use crate::plan::{Frequency, Stage};

/// Its files, before it is started.
pub const RSYSLOG: Module =
    Module { name: "rsyslog", stage: Stage::Local, frequency: Frequency::Instance, keys: &["rsyslog"], implied: false, plan };

/// A command of the user's own that has it take them up. It is run when services can be told something.
pub const RELOAD: Module = Module { stage: Stage::Final, plan: plan_own_reload, ..RSYSLOG };

const DIRECTORY: &str = "/etc/rsyslog.d";
const FILE: &str = "20-cloud-config.conf";
const PROGRAM: &str = "rsyslogd";

fn is_installed(rsyslog: &Rsyslog, scope: &Scope<'_>) -> bool {
    scope.facts.has(rsyslog.check_exe.as_ref().map_or(PROGRAM, |word| &word.0))
}

/// The files with their texts, each once, in the order in which they are first named.
fn files(rsyslog: &Rsyslog) -> Vec<(String, String)> {
    let directory = rsyslog.config_dir.as_ref().map_or(DIRECTORY, |directory| &directory.0).trim_end_matches('/');
    let path_of = |name: &str| if name.starts_with('/') { name.to_owned() } else { format!("{directory}/{name}") };
    let default = path_of(rsyslog.config_filename.as_ref().map_or(FILE, |name| &name.0));
    let mut files: Vec<(String, String)> = Vec::new();
    let mut add = |path: String, text: &str| {
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let at = files.iter().position(|(known, _)| *known == path).unwrap_or_else(|| {
            files.push((path, String::new()));
            files.len() - 1
        });
        files[at].1.push_str(&format!("{text}{end}"));
    };
    for config in &rsyslog.configs {
        add(config.file.as_ref().map_or_else(|| default.clone(), |name| path_of(&name.0)), config.content.expose());
    }
    if !rsyslog.remotes.0.is_empty() {
        add(default.clone(), &rsyslog.remotes.0.join("\n"));
    }
    files
}

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(rsyslog) = &scope.keys.rsyslog else { return };
    if ops::is_unread("rsyslog", rsyslog.unread().filter(|(key, _)| key.starts_with("config")), "nothing of it is done", steps) {
        return;
    }
    let files = files(rsyslog);
    for (path, text) in &files {
        steps.add(path, ops::write(path, text.as_str(), 0o644)).at(&rsyslog.origin);
    }
    let installed = is_installed(rsyslog, scope);
    if rsyslog.install_rsyslog && !installed {
        let own: Vec<&str> = rsyslog.packages.iter().flatten().map(|word| word.0.as_str()).collect();
        for package in if rsyslog.packages.is_some() { own } else { vec!["rsyslog"] } {
            steps.want_package(package, &rsyslog.origin);
        }
    } else if !installed && !files.is_empty() {
        let message = "rsyslog is not installed: what `rsyslog` says holds as soon as it is";
        steps.report.warning("rsyslog", message).at(&rsyslog.origin).help("set `install_rsyslog: true`");
    } else if !files.is_empty() && !matches!(rsyslog.service_reload_command, Some(ReloadCommand::Argv(_))) {
        let reload = Operation::Unit { unit: "rsyslog.service".into(), action: UnitAction::TryReload, optional: true };
        steps.add("reload", reload).at(&rsyslog.origin).degrades();
    }
}

fn plan_own_reload(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(rsyslog) = &scope.keys.rsyslog else { return };
    if let (Some(ReloadCommand::Argv(argv)), false) = (&rsyslog.service_reload_command, files(rsyslog).is_empty()) {
        let command = ops::command(&[], argv, "have rsyslog take up its configuration");
        steps.add("reload", Operation::Command(command)).at(&rsyslog.origin).degrades();
    }
}
