//! `users`, `groups`, `user`.

use super::accounts::{Account, USER_KEYS};
use super::{Module, Scope, Steps};
use crate::config::node::Origin;
use crate::config::problem::Report;
use crate::config::typed::passwords::{may_be_hash, PasswordText};
use crate::config::typed::users::{AccountPath, Redirect};
use crate::config::typed::UserEntry;
use crate::plan::operation::{Command, CreateUser, Edit, NewPassword, Operation, Owner, PasswordLock};
use crate::plan::{Frequency, Stage};
use crate::secret::Secret;

const fn module(keys: &'static [&'static str], implied: bool, plan: fn(&Scope<'_>, &mut Steps)) -> Module {
    Module { name: "users_groups", stage: Stage::Local, frequency: Frequency::Instance, keys, implied, plan }
}

/// `groups`, before the users.
pub const GROUPS: Module = module(&["groups"], false, plan_groups);

/// `users` and `user`.
pub const USERS: Module = module(USER_KEYS, true, plan_users);

/// Users of Ubuntu's shop, for whom snapd is asked.
pub const SNAP_USERS: Module = Module { stage: Stage::Final, ..module(USER_KEYS, false, plan_snap_users) };

/// Members of `groups`, after the users: the peer tries before and leaves out users who are yet to be made.
pub const MEMBERS: Module = module(&["groups"], false, plan_members);

const SUDOERS: &str = "/etc/sudoers";
const SUDOERS_DIR: &str = "/etc/sudoers.d";
const SUDOERS_FILE: &str = "/etc/sudoers.d/90-cloud-init-users";
const DOAS_FILE: &str = "/etc/doas.conf";

/// What later steps that need the user are linked by.
pub fn thing(user: &str) -> String {
    format!("user:{user}")
}

fn plan_groups(scope: &Scope<'_>, steps: &mut Steps) {
    for group in &scope.keys.groups.0 {
        add_group(&group.name, &group.origin, scope, steps);
    }
}

fn add_group(name: &str, origin: &Origin, scope: &Scope<'_>, steps: &mut Steps) {
    let provided = format!("group:{name}");
    if scope.facts.groups.contains(name) || steps.provider(&provided).is_some() {
        return;
    }
    steps.add(&format!("group/{name}"), Operation::Group { name: name.to_owned(), system: false }).at(origin).provides(&provided);
}

fn plan_members(scope: &Scope<'_>, steps: &mut Steps) {
    for group in scope.keys.groups.0.iter().filter(|group| !group.members.is_empty()) {
        let mut users: Vec<String> = Vec::new();
        for member in &group.members {
            if !scope.facts.users.contains_key(member) && scope.accounts.get(member).is_none() {
                let message = format!("group `{}` names `{member}`, and there is no such user", group.name);
                steps.report.warning("unknown-user", message).at(&group.origin).help("add the user to `users`");
            } else if !users.contains(member) {
                users.push(member.clone());
            }
        }
        if users.is_empty() {
            continue;
        }
        let needed: Vec<String> = users.iter().map(|user| thing(user)).collect();
        let operation = Operation::GroupMembers { group: group.name.clone(), users };
        let mut step = steps.add(&format!("group/{}/members", group.name), operation).at(&group.origin);
        step = step.needs_thing(&format!("group:{}", group.name));
        for user in needed {
            step = step.needs_thing(&user);
        }
    }
}

fn plan_users(scope: &Scope<'_>, steps: &mut Steps) {
    let mut sudo = false;
    // Accounts of Ubuntu's shop are made when it can be asked.
    for account in scope.own_accounts().users.iter().filter(|account| account.entry.snapuser.is_none()) {
        if refused(account, steps) {
            continue;
        }
        plan_user(account, scope, steps);
        sudo |= plan_sudo(account, sudo, scope, steps);
        plan_keys(account, scope, steps);
    }
}

fn plan_snap_users(scope: &Scope<'_>, steps: &mut Steps) {
    for account in &scope.own_accounts().users {
        let Some(address) = &account.entry.snapuser else { continue };
        let ready = super::snap::seeded(scope, steps);
        let mut argv = vec!["snap", "create-user", "--sudoer", "--json"];
        argv.extend((account.entry.known == Some(true)).then_some("--known"));
        argv.push(&address.0);
        let command = super::ops::command(&argv, &[], "create the user of a shop account");
        steps.add(&format!("{}/snap", account.name), Operation::Command(command)).at(&account.entry.origin).needs(ready);
    }
}

/// What the peer refuses to make, aborting every later user; here only this one is left out.
fn refused(account: &Account, steps: &mut Steps) -> bool {
    let entry = &account.entry;
    let no_home = !has_home(entry);
    let imports = entry.ssh_import_id.as_ref().is_some_and(|ids| !ids.0.is_empty());
    let keys = imports || entry.ssh_authorized_keys.as_ref().is_some_and(|keys| !keys.0.is_empty());
    let redirect = entry.ssh_redirect_user == Some(Redirect(true));
    let why = if no_home && (keys || redirect) {
        "SSH keys need a home, and `system` or `no_create_home` says there is none"
    } else if redirect && keys {
        "`ssh_redirect_user` excludes keys of the user's own (`ssh_authorized_keys`, `ssh_import_id`)"
    } else {
        return false;
    };
    let message = format!("user `{}` is not made: {why}", account.name);
    steps.report.error("user", message).at(&entry.origin).help("remove one of the keys");
    true
}

fn has_home(entry: &UserEntry) -> bool {
    entry.no_create_home != Some(true) && entry.system != Some(true)
}

fn plan_user(account: &Account, scope: &Scope<'_>, steps: &mut Steps) {
    let name = &account.name;
    let entry = &account.entry;
    let exists = scope.facts.users.contains_key(name);
    if exists {
        note_ignored(account, steps);
    } else {
        plan_groups_of(account, scope, steps);
        let user = create_user(account, scope);
        let mut step = steps.add(name, Operation::User(user)).at(&entry.origin).provides(&thing(name));
        for group in entry.groups.iter().flat_map(|groups| &groups.0) {
            step = step.needs_thing(&format!("group:{group}"));
        }
    }
    plan_passwords(account, exists, scope, steps);
    plan_doas(account, steps);
}

/// For a user who exists, the keys that only `useradd` could use do nothing.
fn note_ignored(account: &Account, steps: &mut Steps) {
    const FOR_NEW_USERS: [&str; 9] =
        ["passwd", "uid", "groups", "primary_group", "homedir", "shell", "expiredate", "inactive", "selinux_user"];
    let said: Vec<&str> = FOR_NEW_USERS.into_iter().filter(|key| account.entry.given.contains(key)).collect();
    if !said.is_empty() && account.entry.origin.line > 0 {
        let message = format!("user `{}` exists already: {} not used", account.name, listed(&said));
        steps.report.note("existing-user", message).at(&account.entry.origin);
    }
}

fn listed(keys: &[&str]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!("{} {}", quoted.join(", "), if keys.len() == 1 { "is" } else { "are" })
}

fn plan_groups_of(account: &Account, scope: &Scope<'_>, steps: &mut Steps) {
    let entry = &account.entry;
    if entry.create_groups == Some(false) {
        return;
    }
    let primary = entry.primary_group.as_ref().map(|group| &group.0);
    for group in entry.groups.iter().flat_map(|groups| &groups.0).chain(primary.filter(|group| group.parse::<u32>().is_err())) {
        add_group(group, &entry.origin, scope, steps);
    }
}

fn create_user(account: &Account, scope: &Scope<'_>) -> CreateUser {
    let entry = &account.entry;
    let text = |value: &Option<crate::config::typed::Text>| value.as_ref().map(|text| text.0.clone()).filter(|text| !text.is_empty());
    let path = |value: &Option<AccountPath>| value.as_ref().map(|path| path.0.clone()).filter(|path| !path.is_empty());
    // useradd refuses to make a group that is there: where `groups` makes it, the user is meant to be in it.
    let own_group = scope.keys.groups.0.iter().any(|group| group.name == account.name);
    let implied_group = own_group && entry.no_user_group != Some(true);
    CreateUser {
        name: account.name.clone(),
        gecos: text(&entry.gecos),
        home: path(&entry.homedir),
        primary_group: text(&entry.primary_group).or_else(|| implied_group.then(|| account.name.clone())),
        uid: entry.uid.map(|id| id.0),
        groups: entry.groups.clone().unwrap_or_default().0,
        password_hash: filled(entry.passwd.as_ref()),
        shell: path(&entry.shell),
        expire_date: entry.expiredate.as_ref().map(|date| date.0.clone()).filter(|date| !date.is_empty()),
        inactive: text(&entry.inactive),
        selinux_user: entry.selinux_user.clone(),
        system: entry.system.unwrap_or_default(),
        create_home: has_home(entry),
        no_user_group: entry.no_user_group.unwrap_or_default(),
        no_log_init: entry.no_log_init.unwrap_or_default(),
    }
}

/// What stands where a hash belongs, and is none: the account would have a password that nobody can give.
pub fn warn_of_clear_text(password: &PasswordText, instead: &str, report: &mut Report) {
    if !may_be_hash(password.text.expose()) {
        let message = "what stands for the hash of a password looks like the password itself, in clear";
        report.warning("password", message).at(&password.origin).help(format!("use `{instead}`, or a hash as `mkpasswd` makes it"));
    }
}

/// An empty password is none.
fn filled(password: Option<&PasswordText>) -> Option<Secret<String>> {
    password.map(|password| password.text.clone()).filter(|text| !text.expose().is_empty())
}

fn plan_passwords(account: &Account, exists: bool, scope: &Scope<'_>, steps: &mut Steps) {
    let (name, entry) = (&account.name, &account.entry);
    let plain = filled(entry.plain_text_passwd.as_ref()).map(NewPassword::Plain);
    let hashed = filled(entry.hashed_passwd.as_ref()).map(NewPassword::Hash);
    for password in [plain, hashed].into_iter().flatten() {
        let operation = Operation::Password { user: name.clone(), password, expire: false };
        steps.add(&format!("{name}/password"), operation).at(&entry.origin).needs_thing(&thing(name));
    }
    for password in [&entry.passwd, &entry.hashed_passwd].into_iter().flatten() {
        warn_of_clear_text(password, "plain_text_passwd", &mut steps.report);
    }
    let given = |key: &str| entry.given.contains(&key);
    let mut last_first =
        ["hashed_passwd", "plain_text_passwd", "passwd"].into_iter().filter(|key| given(key) && !(exists && *key == "passwd"));
    if let (Some(holds), Some(idle)) = (last_first.next(), last_first.next()) {
        let message = format!("`{idle}` of user `{name}` does nothing: `{holds}` is set after it");
        steps.report.warning("user", message).at(entry.place(idle)).help("keep one of them");
    }
    let named = given("plain_text_passwd") || given("hashed_passwd") || (given("passwd") && !exists);
    if entry.lock_passwd.unwrap_or(true) {
        let operation = Operation::PasswordLock { user: name.clone(), lock: PasswordLock::Lock };
        let mut step = steps.add(&format!("{name}/lock"), operation).at(&entry.origin).needs_thing(&thing(name));
        if named && entry.lock_passwd.is_none() {
            step = step.notice("`lock_passwd` is true unless set: the password cannot be used until `lock_passwd: false`");
        }
        let _ = step;
        return;
    }
    let has_password = exists && scope.facts.users.get(name).is_some_and(|account| account.has_password);
    let none_at_all = named
        && [&entry.plain_text_passwd, &entry.hashed_passwd, &entry.passwd]
            .into_iter()
            .flatten()
            .all(|password| password.text.expose().is_empty());
    if none_at_all {
        let command = Command {
            argv: vec!["passwd".into(), "-d".into(), name.clone()],
            accept: vec![0],
            idempotent: true,
            purpose: format!("take away the password of {name}"),
            ..Command::default()
        };
        steps.add(&format!("{name}/unlock"), Operation::Command(command)).at(&entry.origin).needs_thing(&thing(name));
    } else if named || has_password {
        let operation = Operation::PasswordLock { user: name.clone(), lock: PasswordLock::Unlock };
        steps.add(&format!("{name}/unlock"), operation).at(&entry.origin).needs_thing(&thing(name));
    } else if !is_given_a_password(name, scope) {
        let message = format!("`lock_passwd: false` does nothing for user `{name}`, who has no password");
        steps.report.warning("user", message).at(&entry.origin).help("add `hashed_passwd`, or remove `lock_passwd`");
    }
}

/// Whether `chpasswd`, or `password` for the default user, gives him one.
fn is_given_a_password(name: &str, scope: &Scope<'_>) -> bool {
    let of_default = scope.keys.password.is_some() && scope.accounts.default.as_deref() == Some(name);
    let is_listed = scope.keys.chpasswd.as_ref().is_some_and(|chpasswd| {
        chpasswd.users.iter().any(|entry| entry.name.0 == name) || chpasswd.list.0.iter().any(|line| line.user == name)
    });
    of_default || is_listed
}

/// Whether rules were planned. The directory and its inclusion come with the first.
fn plan_sudo(account: &Account, again: bool, scope: &Scope<'_>, steps: &mut Steps) -> bool {
    let Some(rules) = account.entry.sudo.as_ref().filter(|rules| !rules.0.is_empty()) else { return false };
    let (name, origin) = (&account.name, &account.entry.origin);
    if !again {
        let operation = Operation::Directory { path: SUDOERS_DIR.into(), mode: 0o750, owner: Some(Owner::root()), keep: false };
        steps.add("sudo/directory", operation);
        // Without sudo there is no file to add to; the package brings one that includes the directory.
        if scope.facts.has("sudo") && !scope.facts.sudoers_includes_dropins {
            let change =
                Edit::EnsureLine { line: format!("@includedir {SUDOERS_DIR}"), unless: vec![format!("#includedir {SUDOERS_DIR}")] };
            steps.add("sudo/include", Operation::EditFile { path: SUDOERS.into(), change, mode: 0o440, force_mode: false });
        }
    }
    let mut block = format!("\n# User rules for {name}\n");
    for rule in &rules.0 {
        block.push_str(&format!("{name} {rule}\n"));
    }
    let change = Edit::EnsureBlock { block: Secret::new(block), header: "# Written by landfall from user-data.\n".into() };
    let operation = Operation::EditFile { path: SUDOERS_FILE.into(), change, mode: 0o440, force_mode: false };
    let step = steps.add(&format!("{name}/sudo"), operation).at(origin).needs_thing(&thing(name));
    if !scope.facts.has("sudo") {
        step.notice("sudo is not installed: the rules hold as soon as it is");
    }
    true
}

/// One bad rule means none of the user's are written, as with the peer: doas would refuse the whole file.
fn plan_doas(account: &Account, steps: &mut Steps) {
    let Some(rules) = account.entry.doas.as_ref().filter(|rules| !rules.is_empty()) else { return };
    let name = &account.name;
    if let Some(bad) = rules.iter().find(|rule| !names_user(&rule.value, name)) {
        let message = format!("a doas rule of user `{name}` does not name the user: none of them is written");
        steps.report.error("doas", message).at(&bad.origin).help(format!("as in `permit nopass {name}`"));
        return;
    }
    let mut block = format!("\n# User rules for {name}\n");
    for rule in rules {
        block.push_str(&format!("{}\n", rule.value.trim()));
    }
    let change = Edit::EnsureBlock { block: Secret::new(block), header: "# Written by landfall from user-data.\n".into() };
    let operation = Operation::EditFile { path: DOAS_FILE.into(), change, mode: 0o440, force_mode: false };
    steps.add(&format!("{name}/doas"), operation).at(&account.entry.origin).needs_thing(&thing(name));
}

/// doas.conf(5): `permit|deny [options] identity [as target] [cmd command [args ...]]`.
fn names_user(rule: &str, user: &str) -> bool {
    if rule.contains('\n') {
        return false;
    }
    let mut words = rule.split_whitespace();
    if !matches!(words.next(), Some("permit" | "deny")) {
        return false;
    }
    let mut in_braces = false;
    for word in words {
        match word {
            "nolog" | "nopass" | "persist" | "keepenv" | "setenv" if !in_braces => {}
            "{" => in_braces = true,
            _ if in_braces || word.starts_with('{') => in_braces = !word.ends_with('}'),
            identity => return identity == user,
        }
    }
    false
}

fn plan_keys(account: &Account, scope: &Scope<'_>, steps: &mut Steps) {
    let (name, entry): (&String, &UserEntry) = (&account.name, &account.entry);
    let keys = entry.ssh_authorized_keys.clone().unwrap_or_default().0;
    // Also without keys, as the peer: the file with its modes is then in place for whoever adds some. For the default user
    // the top-level keys do that.
    let is_default = scope.accounts.default.as_ref() == Some(name);
    if !keys.is_empty() || (has_home(entry) && !is_default) {
        let operation = Operation::AuthorizedKeys { user: name.clone(), keys, options: None };
        steps.add(&format!("{name}/ssh-keys"), operation).at(&entry.origin).needs_thing(&thing(name));
    }
    if entry.ssh_redirect_user != Some(Redirect(true)) {
        return;
    }
    let Some(default) = &scope.accounts.default else {
        let message = format!("user `{name}` has `ssh_redirect_user`, and there is no default user to lead to");
        steps.report.warning("user", message).at(&entry.origin).help("add `default` to `users`");
        return;
    };
    if scope.facts.metadata_keys.is_empty() {
        let message = format!("user `{name}` has `ssh_redirect_user`, and this instance has no keys of its own");
        steps.report.warning(super::OF_THIS_HOST, message).at(&entry.origin);
        return;
    }
    let options = super::ssh::redirect_options(super::ssh::REDIRECT, default, name);
    let keys = scope.facts.metadata_keys.clone();
    let operation = Operation::AuthorizedKeys { user: name.clone(), keys, options: Some(options) };
    steps.add(&format!("{name}/ssh-redirect"), operation).at(&entry.origin).needs_thing(&thing(name));
}
