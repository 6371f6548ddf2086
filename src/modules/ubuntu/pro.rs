//! `ubuntu_pro`.

use super::{is_done_here, ops, packages, Module, Scope, Steps};
use crate::config::typed::ubuntu::{ProSetting, UbuntuPro};
use crate::plan::operation::{Command, Operation};
use crate::secret::Secret;

/// A contract with Canonical.
pub const UBUNTU_PRO: Module = super::module("ubuntu_pro", &["ubuntu_pro"], plan);

/// `pro config set NAME=VALUE`, the value from standard input: it may hold a password, which no list of processes shows for longer
/// than the tool itself needs.
const SET: &str = "value=$(cat); exec pro config set \"$1=$value\"";

/// Attaches by the cloud's own word (`$1`: whether it is asked), otherwise with the token in the file that is read from standard
/// input, and then enables the services that are left of the arguments. `$2`: what full_auto_attach is told. 2 from `pro attach`:
/// it is attached already.
const ATTACH: &str = "ask=$1 services=$2 token=$3; shift 3\n\
    if [ \"$ask\" = true ] && pro api u.pro.attach.auto.should_auto_attach.v1 </dev/null | grep -q '\"should_auto_attach\": *true'; then\n\
    exec pro api u.pro.attach.auto.full_auto_attach.v1 --data \"$services\" </dev/null\n\
    fi\n\
    case $token in\n\
    none) exit 0;;\n\
    missing) echo 'this machine has no contract of its own: ubuntu_pro.token is missing' >&2; exit 1;;\n\
    esac\n\
    if [ $# -gt 0 ]; then pro attach --no-auto-enable --attach-config /dev/stdin; else pro attach --attach-config /dev/stdin; fi\n\
    case $? in 0 | 2) ;; *) exit 1;; esac\n\
    [ $# -gt 0 ] || exit 0\n\
    said=$(pro enable --assume-yes --format json \"$@\" </dev/null); code=$?; printf '%s\\n' \"$said\"\n\
    [ $code -le 1 ] || exit $code\n\
    case $said in *'\"result\": \"success\"'*) exit 0;; esac\n\
    ! printf '%s' \"$said\" | grep -o '\"message_code\": *\"[^\"]*\"' | grep -qv service-already-enabled";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let Some(pro) = scope.keys.ubuntu_pro.as_ref().filter(|_| is_done_here("ubuntu_pro", "ubuntu_pro", scope, steps)) else { return };
    if pro.commands.is_some() {
        let message = "ubuntu_pro.commands is of before there were tokens: nothing is done";
        steps.report.error("ubuntu-pro", message).at(pro.place("commands")).help("write `token: ...` and `enable: [...]`");
        return;
    }
    if ops::is_unread("ubuntu_pro", pro.unread(), "nothing is attached", steps) {
        return;
    }
    let missing = !scope.facts.has("pro");
    let installed = missing.then(|| packages::install_together(&["ubuntu-advantage-tools".to_owned()], &pro.origin, steps)).flatten();
    let from = steps.len();
    for setting in pro.config.iter().flat_map(|config| &config.0) {
        steps.add(&format!("config/{}", setting.name), Operation::Command(set(setting))).at(&setting.origin);
    }
    plan_attach(pro, steps);
    if let Some(installed) = installed {
        steps.all_need(from, &installed);
    }
}

fn set(setting: &ProSetting) -> Command {
    match &setting.value {
        None => ops::command(&["pro", "config", "unset", &setting.name], &[], "take a setting of Ubuntu Pro away"),
        Some(value) => {
            let command = ops::command(&["/bin/sh", "-c", SET, "sh", &setting.name], &[], "set a setting of Ubuntu Pro");
            Command { stdin: Some(value.clone()), ..command }
        }
    }
}

fn plan_attach(pro: &UbuntuPro, steps: &mut Steps) {
    let ask = !pro.features.as_ref().is_some_and(|features| features.disable_auto_attach);
    let only_features = pro.given.iter().all(|key| *key == "features");
    let token = match &pro.token {
        Some(_) => "given",
        None if only_features => "none",
        None => "missing",
    };
    if token == "none" && !ask {
        return;
    }
    if token == "missing" && !ask {
        let message = "ubuntu_pro has no `token`, and may not attach without one: nothing is attached";
        steps.report.error("ubuntu-pro", message).at(&pro.origin).help("add `token: ...`");
        return;
    }
    let mut services = serde_json::Map::new();
    for (name, list) in [("enable", &pro.enable), ("enable_beta", &pro.enable_beta)] {
        if !list.0.is_empty() {
            services.insert(name.to_owned(), list.0.clone().into());
        }
    }
    let services = serde_json::Value::Object(services).to_string();
    let argv = ["/bin/sh", "-c", ATTACH, "sh", if ask { "true" } else { "false" }, &services, token];
    let command = ops::command(&argv, &pro.enable.0, "attach to Ubuntu Pro");
    let config = pro.token.as_ref().map(|token| Secret::new(format!("token: {}\n", serde_json::Value::from(token.expose().as_str()))));
    steps.add("", Operation::Command(Command { stdin: config, ..command })).at(&pro.origin);
}
