//! `ssh_import_id`, for the default user and for each user.

use super::lists::Lists;
use super::users::thing;
use super::{ops, packages, Module, Scope, Steps};
use crate::config::node::{Node, Origin, Value};
use crate::config::typed::reader::{FromNode as _, Reader};
use crate::config::typed::ssh::ImportIds;
use crate::plan::operation::Operation;
use crate::plan::{Frequency, Stage};

/// Keys that a service knows of a person, where ssh-import-id(1) is there.
pub const SSH_IMPORT_ID: Module = Module {
    name: "ssh_import_id",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["ssh_import_id", "users", "user"],
    implied: false,
    plan: |scope, steps| {
        if scope.facts.has(PROGRAM) {
            plan(scope, steps);
        }
    },
};

/// Where it has to be installed first, from the sources that the user wants.
pub const SSH_IMPORT_ID_AFTER_APT: Module = Module {
    plan: |scope, steps| {
        if !scope.facts.has(PROGRAM) {
            plan(scope, steps);
        }
    },
    ..SSH_IMPORT_ID
};

const PROGRAM: &str = "ssh-import-id";

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let wanted = wanted(scope, steps);
    let Some((_, _, first)) = wanted.first() else { return };
    let missing = !scope.facts.has(PROGRAM);
    let installed = missing.then(|| packages::install_together(&[PROGRAM.to_owned()], first, steps)).flatten();
    for (user, ids, origin) in wanted {
        let command = ops::command(&["runuser", "-u", &user, "--", PROGRAM], &ids, &format!("import SSH keys for {user}"));
        // A service that does not answer is asked once more, as by the peer.
        let step = steps.add(&user, Operation::Command(command)).at(&origin).needs_thing(&thing(&user)).attempts_unless_said(2);
        if let Some(installed) = &installed {
            let _ = step.needs(installed);
        }
    }
}

/// Who gets which keys, and where that is said. The peer takes for the default user only what stands at the top, and for nobody
/// what is said elsewhere where the lists of modules give this one arguments: a user and whose keys it gets.
fn wanted(scope: &Scope<'_>, steps: &mut Steps) -> Vec<(String, Vec<String>, Origin)> {
    let listed = Lists::of(scope.keys).entry(SSH_IMPORT_ID.name);
    if let Some((user, ids)) = listed.and_then(|listed| listed.arguments.split_first()) {
        let given = Node::new(Value::Seq(ids.to_vec()), user.origin.clone());
        let ids = ImportIds::from_node(&given, &mut Reader::new(&mut steps.report)).unwrap_or_default().0;
        let is_said =
            scope.keys.ssh_import_id.is_some() || scope.own_accounts().users.iter().any(|account| account.entry.ssh_import_id.is_some());
        let wanted = (user.python_str(), ids, user.origin.clone());
        return if is_said && !wanted.1.is_empty() { vec![wanted] } else { Vec::new() };
    }
    let mut wanted: Vec<(String, Vec<String>, Origin)> = Vec::new();
    if let Some(ids) = scope.keys.ssh_import_id.as_ref().filter(|ids| !ids.0.is_empty()) {
        let place = scope.keys.place("ssh_import_id");
        match &scope.accounts.default {
            Some(user) => wanted.push((user.clone(), ids.0.clone(), place.clone())),
            None => {
                let message = "`ssh_import_id` is for the default user, and there is none";
                steps.report.warning("ssh-import-id", message).at(place).help("add `default` to `users`, or give it to a user");
            }
        }
    }
    for account in &scope.own_accounts().users {
        let Some(ids) = account.entry.ssh_import_id.as_ref().filter(|ids| !ids.0.is_empty()) else { continue };
        match wanted.iter_mut().find(|(user, _, _)| *user == account.name) {
            Some((_, known, _)) => known.extend(ids.0.iter().filter(|id| !known.contains(id)).cloned().collect::<Vec<_>>()),
            None => wanted.push((account.name.clone(), ids.0.clone(), account.entry.place("ssh_import_id").clone())),
        }
    }
    wanted
}
