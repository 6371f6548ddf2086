//! Groups, users and passwords, through the host's own account tools.

use std::time::Duration;

use super::files::io_failure;
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::accounts::{Shadow, User};
use crate::host::process::{Ended, Spec};
use crate::plan::operation::{CreateUser, NewPassword, PasswordLock};
use crate::secret::Secret;

/// Longest run of an account tool.
const TOOL_LIMIT: Duration = Duration::from_secs(120);
/// useradd, usermod, groupadd: a file could not be opened or locked; the file could not be changed (their man pages).
const CANNOT_UPDATE: [i32; 2] = [1, 10];
/// Length of a made-up password, and what it is made of: every kind of character, none that looks like another.
const RANDOM_LENGTH: usize = 20;
const RANDOM_KINDS: [&[u8]; 4] = [b"abcdefghijkmnpqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!#%+,-./=?@_~"];

/// Runs an account tool. What a cut left in its way is removed first.
pub(super) fn tool(context: &Context<'_>, argv: &[&str], stdin: Option<String>, doing: &str) -> Result<(), Failure> {
    clear_leftovers(context)?;
    let mut spec = Spec::new(argv.iter().copied()).env("LC_ALL", "C.UTF-8").deadline(context.deadline.left().unwrap_or(TOOL_LIMIT));
    spec.env.extend(context.env.clone());
    spec.stdin = stdin.map(|text| Secret::new(text).into_bytes());
    let ended = context.host.run(&spec)?;
    if ended.success() {
        Ok(())
    } else {
        Err(tool_failure(context, argv[0], &ended, doing))
    }
}

fn clear_leftovers(context: &Context<'_>) -> Result<(), Failure> {
    context.host.clear_account_leftovers().map_err(io_failure("clear what account tools left in", "/etc"))
}

/// A cut left something of an account tool in `/etc`.
pub(super) fn has_leftovers(context: &Context<'_>) -> Result<bool, Failure> {
    Ok(!context.host.account_leftovers().map_err(io_failure("list", "/etc"))?.is_empty())
}

fn group_shadow(context: &Context<'_>, groups: &[String], change: bool) -> Result<bool, Failure> {
    context.host.complete_group_shadow(groups, change).map_err(io_failure("look at", "/etc/gshadow"))
}

fn tool_failure(context: &Context<'_>, program: &str, ended: &Ended, doing: &str) -> Failure {
    let mut failure = ended.failure(&format!("{doing}: {program}"));
    if let Some(said) = ended.tail.last().filter(|_| ended.cut.is_none()) {
        failure.message = format!("{} ({said})", failure.message);
    }
    if ended.cut.is_none() && CANNOT_UPDATE.contains(&ended.code) {
        if let Ok(Some(holder)) = context.host.account_lock_holder() {
            failure.kind = Kind::Lock;
            failure.transient = true;
            failure.message = format!("{}; {holder} is changing accounts", failure.message);
        }
    }
    failure
}

/// Names reach files whose fields end at colons and line breaks, and programs whose options begin with a dash.
fn named(name: &str) -> Result<&str, Failure> {
    if name.is_empty() || name.starts_with('-') || name.contains([':', '\n', ',', '/', '\0']) {
        return Err(Failure::new(Kind::Input, format!("{name:?} cannot be the name of a user or group")));
    }
    Ok(name)
}

fn find_user(context: &Context<'_>, name: &str) -> Result<Option<User>, Failure> {
    context.host.user(name).map_err(io_failure("read", "/etc/passwd"))
}

pub(super) fn existing_user(context: &Context<'_>, name: &str) -> Result<User, Failure> {
    let missing = || {
        Failure::new(Kind::NotFound, format!("the user {name} does not exist"))
            .hint(format!("add {name} to `users`, or install what makes it; then `landfall resume`"))
    };
    find_user(context, name)?.ok_or_else(missing)
}

fn group_exists(context: &Context<'_>, name: &str) -> Result<bool, Failure> {
    Ok(context.host.group(name).map_err(io_failure("read", "/etc/group"))?.is_some())
}

pub(super) fn shadow(context: &Context<'_>, name: &str) -> Result<Option<Shadow>, Failure> {
    context.host.shadow(name).map_err(io_failure("read", "/etc/shadow"))
}

// --- groups ---

pub(super) fn check_group(context: &Context<'_>, name: &str) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(group_exists(context, name)?))
}

/// As [`check_group`], for a group that this step began to make.
pub(super) fn check_own_group(context: &Context<'_>, name: &str) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(group_exists(context, name)? && !group_shadow(context, &[name.to_owned()], false)?))
}

pub(super) fn prior_group(context: &Context<'_>, name: &str) -> Result<Prior, Failure> {
    Ok(if group_exists(context, name)? { Prior::None } else { Prior::NewGroup { name: name.to_owned() } })
}

/// Makes the group, or completes what a cut left of it.
pub(super) fn group(context: &Context<'_>, name: &str, system: bool) -> Result<Effect, Failure> {
    if group_exists(context, name)? {
        clear_leftovers(context)?;
        group_shadow(context, &[name.to_owned()], true)?;
        return Ok(Effect::default());
    }
    let argv: &[&str] = if system { &["groupadd", "--system", named(name)?] } else { &["groupadd", named(name)?] };
    tool(context, argv, None, &format!("creating group {name}"))?;
    Ok(Effect::default())
}

/// Users of the list that are to be added, and those that do not exist.
fn to_add(context: &Context<'_>, group: &str, users: &[String]) -> Result<(Vec<String>, Vec<String>), Failure> {
    let found = context.host.group(group).map_err(io_failure("read", "/etc/group"))?;
    let members = found.map(|group| group.members).unwrap_or_default();
    let mut add = Vec::new();
    let mut missing = Vec::new();
    for user in users {
        if find_user(context, user)?.is_none() {
            missing.push(user.clone());
        } else if !members.contains(user) {
            add.push(user.clone());
        }
    }
    Ok((add, missing))
}

pub(super) fn check_members(context: &Context<'_>, group: &str, users: &[String]) -> Result<Checked, Failure> {
    let (add, missing) = to_add(context, group, users)?;
    Ok(Checked::satisfied_if(add.is_empty() && missing.is_empty()))
}

/// As [`check_members`], after a cut in this step.
pub(super) fn check_members_again(context: &Context<'_>, group: &str, users: &[String]) -> Result<Checked, Failure> {
    if group_shadow(context, &[group.to_owned()], false)? {
        return Ok(Checked::Needed);
    }
    check_members(context, group, users)
}

pub(super) fn prior_members(context: &Context<'_>, group: &str, users: &[String]) -> Result<Prior, Failure> {
    Ok(Prior::NewMembers { group: group.to_owned(), users: to_add(context, group, users)?.0 })
}

pub(super) fn members(context: &Context<'_>, group: &str, users: &[String]) -> Result<Effect, Failure> {
    if !group_exists(context, group)? {
        return Err(Failure::new(Kind::NotFound, format!("the group {group} does not exist")));
    }
    clear_leftovers(context)?;
    group_shadow(context, &[group.to_owned()], true)?;
    let (add, missing) = to_add(context, group, users)?;
    for user in &add {
        tool(context, &["usermod", "-a", "-G", named(group)?, named(user)?], None, &format!("adding {user} to group {group}"))?;
    }
    let warnings = missing.iter().map(|user| format!("{user} is not added to group {group}: there is no such user")).collect();
    Ok(Effect { detail: None, warnings })
}

pub(super) fn verify_members(context: &Context<'_>, group: &str, users: &[String]) -> Result<(), Failure> {
    match to_add(context, group, users)?.0.as_slice() {
        [] => Ok(()),
        left => Err(Failure::new(Kind::Unknown, format!("{} is not in group {group} after it was added", left.join(", ")))),
    }
}

// --- users ---

/// An existing account is left as it is, but for what a cut takes from a new one: its shadow line and its home.
pub(super) fn check_user(context: &Context<'_>, user: &CreateUser) -> Result<Checked, Failure> {
    let Some(found) = find_user(context, &user.name)? else { return Ok(Checked::Needed) };
    let listed = context.host.users().map_err(io_failure("read", "/etc/passwd"))?.iter().any(|other| other.name == user.name);
    let half = listed && (shadow(context, &user.name)?.is_none() || user.create_home && !context.host.exists(&found.home));
    Ok(Checked::satisfied_if(!half))
}

/// As [`check_user`], for an account that this step began to make: everything must be there.
pub(super) fn check_own_user(context: &Context<'_>, user: &CreateUser, home_existed: bool) -> Result<Checked, Failure> {
    if check_user(context, user)? == Checked::Needed {
        return Ok(Checked::Needed);
    }
    let found = existing_user(context, &user.name)?;
    let home =
        user.create_home && !home_existed && context.host.complete_home(&found, false).map_err(io_failure("look at", &found.home))?;
    let groups = missing_groups(context, user)?;
    let ids = missing_sub_ids(context, user)?;
    let password = wanted_hash(context, user)?;
    let (own_group, shadowed) = (primary_group(context, &found)?, group_shadow(context, &groups_of(context, user, &found)?, false)?);
    Ok(Checked::satisfied_if(!home && own_group.is_some() && !shadowed && groups.is_empty() && ids.is_empty() && password.is_none()))
}

fn primary_group(context: &Context<'_>, user: &User) -> Result<Option<String>, Failure> {
    let groups = context.host.groups().map_err(io_failure("read", "/etc/group"))?;
    Ok(groups.into_iter().find(|group| group.gid == user.gid).map(|group| group.name))
}

/// Groups that making the account changes.
fn groups_of(context: &Context<'_>, user: &CreateUser, found: &User) -> Result<Vec<String>, Failure> {
    let mut groups = user.groups.clone();
    groups.extend(primary_group(context, found)?.filter(|name| *name == user.name));
    Ok(groups)
}

pub(super) fn prior_user(context: &Context<'_>, user: &CreateUser) -> Result<Prior, Failure> {
    if find_user(context, &user.name)?.is_some() {
        return Ok(Prior::None);
    }
    let home = match &user.home {
        Some(home) => home.clone(),
        None => context.host.home_of_new_user(&user.name).map_err(io_failure("read", "/etc/default/useradd"))?,
    };
    Ok(Prior::NewUser { name: user.name.clone(), home_existed: context.host.exists(&home), home: Some(home) })
}

/// Makes the account, or completes what a cut left of it. `own`: this step began it, and whether its home was there before.
pub(super) fn user(context: &Context<'_>, user: &CreateUser, own: Option<bool>) -> Result<Effect, Failure> {
    let mut effect = Effect::default();
    if find_user(context, &user.name)?.is_none() {
        let arguments = useradd(context, user)?;
        let argv: Vec<&str> = arguments.iter().map(String::as_str).collect();
        tool(context, &argv, None, &format!("creating user {}", user.name))?;
    } else {
        complete_user(context, user, own)?;
        effect.detail = Some("completed what was left of an interrupted start".into());
    }
    if let Some(hash) = wanted_hash(context, user)? {
        chpasswd(context, &user.name, hash.expose(), true)?;
    }
    Ok(effect)
}

fn useradd(context: &Context<'_>, user: &CreateUser) -> Result<Vec<String>, Failure> {
    let mut argv: Vec<String> = vec!["useradd".into()];
    let mut option = |name: &str, value: &Option<String>| {
        if let Some(value) = value {
            argv.extend([name.to_owned(), value.clone()]);
        }
    };
    option("--comment", &user.gecos);
    option("--home-dir", &user.home);
    option("--gid", &user.primary_group);
    option("--uid", &user.uid.map(|uid| uid.to_string()));
    option("--groups", &(!user.groups.is_empty()).then(|| user.groups.join(",")));
    option("--shell", &user.shell);
    option("--expiredate", &user.expire_date);
    option("--inactive", &user.inactive);
    option("--selinux-user", &user.selinux_user);
    // useradd refuses a name that a group has already; the group is then meant to be the user's own.
    if user.primary_group.is_none() && !user.no_user_group && group_exists(context, &user.name)? {
        option("--gid", &Some(user.name.clone()));
    }
    let flags = [(user.system, "--system"), (user.no_user_group, "--no-user-group"), (user.no_log_init, "--no-log-init")];
    argv.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| (*flag).to_owned()));
    argv.push(if user.create_home { "-m" } else { "-M" }.into());
    argv.push(named(&user.name)?.to_owned());
    Ok(argv)
}

fn complete_user(context: &Context<'_>, user: &CreateUser, own: Option<bool>) -> Result<(), Failure> {
    let (host, name) = (context.host, user.name.as_str());
    clear_leftovers(context)?;
    let found = existing_user(context, name)?;
    if shadow(context, name)?.is_none() {
        let line = host.empty_shadow_line(name);
        host.set_shadow_line(name, &line).map_err(io_failure("write", "/etc/shadow"))?;
        expire_account(context, user)?;
    }
    if own.is_some() {
        if primary_group(context, &found)?.is_none() {
            tool(context, &["groupadd", "-g", &found.gid.to_string(), named(name)?], None, &format!("creating group {name}"))?;
        }
        for group in missing_groups(context, user)? {
            tool(context, &["usermod", "-a", "-G", named(&group)?, named(name)?], None, &format!("adding {name} to group {group}"))?;
        }
        group_shadow(context, &groups_of(context, user, &found)?, true)?;
        for (option, (first, last)) in missing_sub_ids(context, user)? {
            let range = format!("{first}-{last}");
            tool(context, &["usermod", option, &range, named(name)?], None, &format!("giving {name} subordinate ids"))?;
        }
    }
    if user.create_home && (own == Some(false) || !host.exists(&found.home)) {
        host.complete_home(&found, true).map_err(io_failure("make", &found.home))?;
    }
    Ok(())
}

/// What useradd would have put into the shadow line beside the password.
fn expire_account(context: &Context<'_>, user: &CreateUser) -> Result<(), Failure> {
    for (option, value) in [("--expiredate", &user.expire_date), ("--inactive", &user.inactive)] {
        if let Some(value) = value {
            tool(context, &["usermod", option, value, named(&user.name)?], None, &format!("setting when {} expires", user.name))?;
        }
    }
    Ok(())
}

/// Groups the account is not in yet. A group that does not exist is useradd's to complain of.
fn missing_groups(context: &Context<'_>, user: &CreateUser) -> Result<Vec<String>, Failure> {
    let groups = context.host.groups().map_err(io_failure("read", "/etc/group"))?;
    let is_in = |name: &&String| groups.iter().any(|group| group.name == **name && group.members.contains(&user.name));
    Ok(user.groups.iter().filter(|name| !is_in(name)).cloned().collect())
}

/// A file of subordinate ids, and the range to be added: first id and count.
type SubIds = (&'static str, (u64, u64));

fn missing_sub_ids(context: &Context<'_>, user: &CreateUser) -> Result<Vec<SubIds>, Failure> {
    let mut missing = Vec::new();
    for (option, file) in [("--add-subuids", "/etc/subuid"), ("--add-subgids", "/etc/subgid")] {
        let range = context.host.missing_sub_ids(file, &user.name).map_err(io_failure("read", file))?;
        missing.extend(range.filter(|_| !user.system).map(|range| (option, range)));
    }
    Ok(missing)
}

/// The hash that is still to be set.
fn wanted_hash<'u>(context: &Context<'_>, user: &'u CreateUser) -> Result<Option<&'u Secret<String>>, Failure> {
    let Some(hash) = &user.password_hash else { return Ok(None) };
    let set = shadow(context, &user.name)?.is_some_and(|shadow| shadow.password == *hash.expose());
    Ok((!set).then_some(hash))
}

// --- passwords ---

fn chpasswd(context: &Context<'_>, user: &str, password: &str, is_hash: bool) -> Result<(), Failure> {
    if password.contains(['\n', '\0']) || is_hash && password.contains(':') {
        return Err(Failure::new(Kind::Input, format!("the password of {user} has a character that a password cannot have")));
    }
    let argv: &[&str] = if is_hash { &["chpasswd", "-e"] } else { &["chpasswd"] };
    tool(context, argv, Some(format!("{}:{password}\n", named(user)?)), &format!("setting the password of {user}"))
}

pub(super) fn check_password(context: &Context<'_>, user: &str, password: &NewPassword, expire: bool) -> Result<Checked, Failure> {
    let NewPassword::Hash(hash) = password else { return Ok(Checked::Needed) };
    let set = shadow(context, user)?.is_some_and(|shadow| shadow.password == *hash.expose() && (!expire || shadow.changed == Some(0)));
    Ok(Checked::satisfied_if(set))
}

pub(super) fn prior_shadow(context: &Context<'_>, user: &str) -> Result<Prior, Failure> {
    let line = shadow(context, user)?.map(|shadow| shadow.line);
    Ok(line.map_or(Prior::None, |line| Prior::Shadow { user: user.to_owned(), line: Secret::new(line) }))
}

pub(super) fn password(context: &Context<'_>, user: &str, password: &NewPassword, expire: bool) -> Result<Effect, Failure> {
    existing_user(context, user)?;
    let mut effect = Effect::default();
    match password {
        NewPassword::Plain(plain) => chpasswd(context, user, plain.expose(), false)?,
        NewPassword::Hash(hash) => chpasswd(context, user, hash.expose(), true)?,
        NewPassword::Random => {
            let made_up = random_password(context)?;
            chpasswd(context, user, made_up.expose(), false)?;
            if !context.host.console_only(&format!("landfall: the password of {user} is {}\n", made_up.expose())) {
                effect.warnings.push(format!("there is no console to show the new password of {user} on: set another one"));
            }
        }
    }
    if expire {
        tool(context, &["passwd", "--expire", named(user)?], None, &format!("expiring the password of {user}"))?;
    }
    Ok(effect)
}

/// One character of every kind, the others of any, in no order.
fn random_password(context: &Context<'_>) -> Result<Secret<String>, Failure> {
    let random = |below: usize| context.host.random_below(below).map_err(io_failure("read", "/dev/urandom"));
    let all = RANDOM_KINDS.concat();
    let mut made: Vec<u8> = Vec::with_capacity(RANDOM_LENGTH);
    for at in 0..RANDOM_LENGTH {
        let kind = RANDOM_KINDS.get(at).copied().unwrap_or(&all);
        made.push(kind[random(kind.len())?]);
    }
    for at in (1..made.len()).rev() {
        made.swap(at, random(at + 1)?);
    }
    Ok(Secret::new(made.into_iter().map(char::from).collect()))
}

pub(super) fn verify_password(context: &Context<'_>, user: &str, password: &NewPassword, expire: bool) -> Result<(), Failure> {
    let Some(now) = shadow(context, user)? else { return Ok(()) };
    let right = match password {
        NewPassword::Hash(hash) => now.password == *hash.expose(),
        NewPassword::Plain(_) | NewPassword::Random => now.has_hash(),
    };
    if right && (!expire || now.changed == Some(0)) {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("the password of {user} is not as it was set")))
    }
}

pub(super) fn check_lock(context: &Context<'_>, user: &str, lock: PasswordLock) -> Result<Checked, Failure> {
    let Some(now) = shadow(context, user)? else { return Ok(Checked::Needed) };
    Ok(Checked::satisfied_if(match lock {
        PasswordLock::Lock => now.password.starts_with('!'),
        PasswordLock::Unlock => !now.is_locked(),
    }))
}

pub(super) fn lock(context: &Context<'_>, user: &str, lock: PasswordLock) -> Result<Effect, Failure> {
    existing_user(context, user)?;
    match lock {
        PasswordLock::Lock => tool(context, &["passwd", "-l", named(user)?], None, &format!("locking the password of {user}"))?,
        PasswordLock::Unlock => {
            if !shadow(context, user)?.is_some_and(|shadow| shadow.has_hash()) {
                let warning = format!("{user} has no password, so password login stays locked (lock_passwd: false has nothing to unlock)");
                return Ok(Effect { detail: None, warnings: vec![warning] });
            }
            tool(context, &["passwd", "-u", named(user)?], None, &format!("unlocking the password of {user}"))?;
        }
    }
    Ok(Effect::default())
}

pub(super) fn verify_lock(context: &Context<'_>, user: &str, lock: PasswordLock) -> Result<(), Failure> {
    let now = shadow(context, user)?;
    let right = match lock {
        PasswordLock::Lock => now.is_none_or(|now| now.is_locked()),
        PasswordLock::Unlock => now.is_none_or(|now| !now.is_locked() || !now.has_hash()),
    };
    if right {
        Ok(())
    } else {
        Err(Failure::new(
            Kind::Unknown,
            format!("password login of {user} is not {}", if lock == PasswordLock::Lock { "locked" } else { "unlocked" }),
        ))
    }
}

// --- undo ---

fn members_now(context: &Context<'_>, group: &str) -> Result<Vec<String>, Failure> {
    let group = context.host.group(group).map_err(io_failure("read", "/etc/group"))?;
    Ok(group.map(|group| group.members).unwrap_or_default())
}

/// Removes an account. Its home goes with it only if it was made for it and nobody has put anything there since.
fn remove_user(context: &Context<'_>, name: &str, made_home: Option<&str>) -> Result<Effect, Failure> {
    let mut effect = Effect::default();
    if find_user(context, name)?.is_some() {
        tool(context, &["userdel", named(name)?], None, &format!("removing user {name}"))?;
    }
    remains_of_user(context, name, true)?;
    let Some(home) = made_home.filter(|home| context.host.exists(home)) else { return Ok(effect) };
    if untouched(context, home)? {
        context.host.remove_tree(home).map_err(io_failure("remove", home))?;
    } else {
        effect.warnings.push(format!("{home} holds what was put there since and stays"));
    }
    Ok(effect)
}

fn remains_of_user(context: &Context<'_>, name: &str, change: bool) -> Result<bool, Failure> {
    context.host.remains_of_user(name, change).map_err(io_failure("look for what is left of an account in", "/etc"))
}

fn remains_of_group(context: &Context<'_>, name: &str, change: bool) -> Result<bool, Failure> {
    context.host.remains_of_group(name, change).map_err(io_failure("look for what is left of a group in", "/etc"))
}

fn untouched(context: &Context<'_>, home: &str) -> Result<bool, Failure> {
    context.host.home_is_untouched(home).map_err(io_failure("look at", home))
}

pub(super) fn undo(context: &Context<'_>, prior: &Prior) -> Result<Effect, Failure> {
    if let Prior::NewUser { name, home_existed, home } = prior {
        return remove_user(context, name, home.as_deref().filter(|_| !home_existed));
    }
    undo_change(context, prior).map(|()| Effect::default())
}

fn undo_change(context: &Context<'_>, prior: &Prior) -> Result<(), Failure> {
    match prior {
        Prior::NewGroup { name } => {
            if group_exists(context, name)? {
                tool(context, &["groupdel", named(name)?], None, &format!("removing group {name}"))?;
            }
            remains_of_group(context, name, true).map(drop)
        }
        Prior::NewMembers { group, users } => {
            let now = members_now(context, group)?;
            users.iter().filter(|user| now.contains(user)).try_for_each(|user| {
                tool(context, &["gpasswd", "-d", named(user)?, named(group)?], None, &format!("taking {user} out of group {group}"))
            })?;
            group_shadow(context, std::slice::from_ref(group), true).map(drop)
        }
        Prior::Shadow { user, line } if find_user(context, user)?.is_some() => {
            context.host.set_shadow_line(user, line.expose()).map_err(io_failure("write", "/etc/shadow"))
        }
        _ => Ok(()),
    }
}

/// Whether what [`undo`] puts back is so.
pub(super) fn is_gone(context: &Context<'_>, prior: &Prior) -> Result<bool, Failure> {
    Ok(match prior {
        Prior::NewUser { name, home_existed, home } => {
            let made = home.as_ref().filter(|home| !home_existed && context.host.exists(home));
            find_user(context, name)?.is_none()
                && !remains_of_user(context, name, false)?
                && !made.map_or(Ok(false), |home| untouched(context, home))?
        }
        Prior::NewGroup { name } => !group_exists(context, name)? && !remains_of_group(context, name, false)?,
        Prior::NewMembers { group, users } => {
            let now = members_now(context, group)?;
            !users.iter().any(|user| now.contains(user)) && !group_shadow(context, std::slice::from_ref(group), false)?
        }
        Prior::Shadow { user, line } => {
            let text = context.host.read_text("/etc/shadow").map_err(io_failure("read", "/etc/shadow"))?.unwrap_or_default();
            find_user(context, user)?.is_none() || text.lines().any(|now| now == line.expose().trim_end())
        }
        _ => true,
    })
}
