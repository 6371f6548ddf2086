//! `password`, `chpasswd`, `ssh_pwauth`.

use super::users::thing;
use super::{Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::typed::passwords::{Chpasswd, PasswordLogin};
use crate::plan::operation::{Edit, NewPassword, Operation, UnitAction};
use crate::plan::{Frequency, Stage};

/// Passwords and whether sshd takes them.
pub const SET_PASSWORDS: Module = Module {
    name: "set_passwords",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["password", "chpasswd", "ssh_pwauth"],
    implied: false,
    plan,
};

fn plan(scope: &Scope<'_>, steps: &mut Steps) {
    let chpasswd = scope.keys.chpasswd.as_ref();
    let unread = chpasswd.filter(|chpasswd| chpasswd.is_unread("expire", chpasswd.expire.is_none()));
    if let Some(chpasswd) = unread {
        let message = "`chpasswd.expire` cannot be read: no password expires";
        steps.report.error("unread", message).at(chpasswd.place("expire"));
    }
    let expire = chpasswd.and_then(|chpasswd| chpasswd.expire).unwrap_or(unread.is_none());
    let mut passwords = chpasswd.map(|chpasswd| listed(chpasswd, steps)).unwrap_or_default();
    let named = chpasswd.is_some_and(|chpasswd| chpasswd.given.contains(&"users") || chpasswd.given.contains(&"list"));
    if let (Some(password), true) = (&scope.keys.password, named) {
        let message = "`password` does nothing beside the users of `chpasswd`";
        steps.report.warning("password", message).at(&password.origin).help("name the default user in `chpasswd.users` too");
    }
    if let (Some(password), false) = (&scope.keys.password, named) {
        match &scope.accounts.default {
            Some(user) => passwords.push((user.clone(), password.password.clone(), password.origin.clone())),
            None => {
                let message = "`password` is for the default user, and there is none";
                steps.report.warning("password", message).at(&password.origin).help("add `default` to `users`, or use `chpasswd`");
            }
        }
    }
    for (user, password, origin) in passwords {
        let known = scope.facts.users.contains_key(&user) || scope.accounts.get(&user).is_some();
        let operation = Operation::Password { user: user.clone(), password, expire };
        let step = steps.add(&user, operation).at(&origin).needs_thing(&thing(&user));
        if !known {
            step.notice(format!("there is no user {user}, unless a package makes it before"));
        }
    }
    plan_password_login(scope, steps);
}

fn listed(chpasswd: &Chpasswd, steps: &mut Steps) -> Vec<(String, NewPassword, Origin)> {
    let mut passwords = Vec::new();
    // An unknown type has been reported where it was read.
    for entry in chpasswd.users.iter().filter(|entry| !entry.is_of_unknown_kind()) {
        match entry.new_password() {
            Some(password) => {
                if let (NewPassword::Hash(_), Some(text)) = (&password, &entry.password) {
                    super::users::warn_of_clear_text(text, "type: text", &mut steps.report);
                }
                passwords.push((entry.name.0.clone(), password, entry.origin.clone()));
            }
            None => {
                let message = format!("`chpasswd.users` names `{}` without a password", entry.name.0);
                steps.report.error("password", message).at(&entry.origin).help("add `password`, or `type: RANDOM`");
            }
        }
    }
    passwords.extend(chpasswd.list.0.iter().map(|line| (line.user.clone(), line.password.clone(), line.origin.clone())));
    passwords
}

fn plan_password_login(scope: &Scope<'_>, steps: &mut Steps) {
    let value = match scope.keys.ssh_pwauth {
        Some(PasswordLogin::Yes) => "yes",
        Some(PasswordLogin::No) => "no",
        Some(PasswordLogin::Unchanged) | None => return,
    };
    let (path, mode) = super::ssh::sshd_file(scope);
    let change = Edit::SetKeyword { keyword: "PasswordAuthentication".into(), separator: " ".into(), value: value.into() };
    let edit = steps.add("ssh-password-login", Operation::EditFile { path: path.into(), change, mode, force_mode: false }).id();
    let restart = Operation::Unit { unit: "ssh.service".into(), action: UnitAction::TryRestart, optional: true };
    steps.add("ssh-restart", restart).needs(edit).degrades();
}
