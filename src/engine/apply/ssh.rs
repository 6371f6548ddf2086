//! Users' keys and the host's own.

use std::time::Duration;

use super::accounts::existing_user;
use super::files::{io_failure, prior_of};
use super::keys::{merged, unusable};
use super::private_key::public_half_of;
use super::{Checked, Context, Effect, Prior};
use crate::error::{Failure, Kind};
use crate::host::accounts::User;
use crate::host::files::Attributes;
use crate::host::process::Spec;

/// RSA keys take their time on small machines.
pub(super) const KEYGEN_LIMIT: Duration = Duration::from_secs(300);

// --- authorized keys ---

struct KeyFile {
    user: User,
    path: String,
    text: String,
    attributes: Option<Attributes>,
}

fn key_file(context: &Context<'_>, name: &str) -> Result<KeyFile, Failure> {
    key_file_of(context, existing_user(context, name)?)
}

fn key_file_of(context: &Context<'_>, user: User) -> Result<KeyFile, Failure> {
    let path = context.host.authorized_keys_path(&user).map_err(io_failure("read", "/etc/ssh/sshd_config"))?;
    let found = context.host.read_own_file(&path, user.uid).map_err(io_failure("read", &path))?;
    let (text, attributes) = match found {
        Some(file) => (String::from_utf8_lossy(&file.bytes).into_owned(), Some(file.attributes)),
        None => (String::new(), None),
    };
    Ok(KeyFile { user, path, text, attributes })
}

fn wanted(user: &User, mode: u32) -> Attributes {
    Attributes { mode, uid: user.uid, gid: user.gid }
}

fn stands(file: &KeyFile, keys: &[String], options: Option<&str>) -> bool {
    file.attributes == Some(wanted(&file.user, 0o600)) && merged(&file.text, keys, options) == file.text
}

/// A key that cannot be used has to be reported, so that there is something to do.
pub(super) fn check_keys(context: &Context<'_>, user: &str, keys: &[String], options: Option<&str>) -> Result<Checked, Failure> {
    let Some(user) = context.host.user(user).map_err(io_failure("read", "/etc/passwd"))? else { return Ok(Checked::Needed) };
    if !unusable(keys).is_empty() {
        return Ok(Checked::Needed);
    }
    // There is nothing to keep in a home that is not there.
    let home = context.host.follow_trusted(&user.home).map_err(io_failure("look at", &user.home))?;
    if keys.is_empty() && !context.host.exists(&home) {
        return Ok(Checked::Satisfied);
    }
    Ok(Checked::satisfied_if(stands(&key_file_of(context, user)?, keys, options)))
}

pub(super) fn prior_keys(context: &Context<'_>, user: &str) -> Result<Prior, Failure> {
    let file = key_file(context, user)?;
    let directory = file.path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let new_directories = context.host.missing_directories(directory);
    Ok(Prior::Files { files: vec![(file.path.clone(), prior_of(context, &file.path)?)], new_directories })
}

pub(super) fn keys(context: &Context<'_>, user: &str, keys: &[String], options: Option<&str>) -> Result<Effect, Failure> {
    let host = context.host;
    let file = key_file(context, user)?;
    let home = &file.user.home;
    let in_home = file.path.starts_with(&format!("{}/", home.trim_end_matches('/')));
    // That of an account of the system's is often not there; the peer makes it, too.
    let real_home = host.follow_trusted(home).map_err(io_failure("look at", home))?;
    host.make_directories(&real_home, Attributes::own(0o755)).map_err(io_failure("make directory", home))?;
    let home_mode = host.status(&real_home).map_err(io_failure("look at", home))?.map_or(0, |status| status.attributes.mode);
    let directory = file.path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let private = if in_home { wanted(&file.user, 0o700) } else { Attributes::own(0o755) };
    host.make_directories(directory, private).map_err(io_failure("make directory", directory))?;
    let is_private = || Ok(host.status(directory)?.is_some_and(|status| status.attributes == private));
    if in_home && directory.ends_with("/.ssh") && !is_private().map_err(io_failure("look at", directory))? {
        host.set_attributes(directory, private).map_err(io_failure("set mode and owner of", directory))?;
    }
    let text = merged(&file.text, keys, options);
    host.write(&file.path, text.as_bytes(), wanted(&file.user, 0o600)).map_err(io_failure("write", &file.path))?;
    let mut warnings: Vec<String> = unusable(keys).iter().map(|line| format!("not an SSH key, left out for {user}: {line}...")).collect();
    let is_strict = || host.sshd_setting("StrictModes").ok().flatten().is_none_or(|value| !value.eq_ignore_ascii_case("no"));
    if in_home && home_mode & 0o022 != 0 && is_strict() {
        warnings.push(format!("{home} can be written by others, so sshd will not use the keys in it (StrictModes)"));
    }
    Ok(Effect { detail: None, warnings })
}

pub(super) fn verify_keys(context: &Context<'_>, user: &str, keys: &[String], options: Option<&str>) -> Result<(), Failure> {
    if stands(&key_file(context, user)?, keys, options) {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("the SSH keys of {user} are not as they were written")))
    }
}

// --- host keys ---

fn key_paths(kind: &str) -> (String, String) {
    let private = format!("/etc/ssh/ssh_host_{kind}_key");
    let public = format!("{private}.pub");
    (private, public)
}

/// The public half of a private key, if it is whole.
fn public_half(context: &Context<'_>, private: &str) -> Result<Option<String>, Failure> {
    let Some(status) = context.host.status(private).map_err(io_failure("look at", private))?.filter(|status| status.size > 0) else {
        return Ok(None);
    };
    // One that others may read is none for sshd, nor for ssh-keygen.
    if status.attributes.mode & 0o077 == 0 {
        if let Some(half) = public_half_of(&text_of(context, private)?) {
            return Ok(Some(half));
        }
    }
    let ended = context.host.run(&Spec::new(["ssh-keygen", "-y", "-P", "", "-f", private]).deadline(KEYGEN_LIMIT))?;
    Ok(ended.success().then(|| ended.stdout.trim().to_owned()))
}

fn same_key(one: &str, other: &str) -> bool {
    one.split_whitespace().take(2).eq(other.split_whitespace().take(2))
}

fn text_of(context: &Context<'_>, path: &str) -> Result<String, Failure> {
    Ok(context.host.read_text(path).map_err(io_failure("read", path))?.unwrap_or_default())
}

/// Both halves are there, whole, and belong together.
pub(super) fn check_host_key(context: &Context<'_>, kind: &str) -> Result<Checked, Failure> {
    let (private, public) = key_paths(kind);
    let held = text_of(context, &public)?;
    let half = public_half(context, &private)?;
    Ok(Checked::satisfied_if(half.is_some_and(|half| same_key(&half, &held))))
}

pub(super) fn prior_host_key(context: &Context<'_>, kind: &str) -> Result<Prior, Failure> {
    let (private, public) = key_paths(kind);
    let files = [private, public].map(|path| prior_of(context, &path).map(|was| (path, was)));
    Ok(Prior::Files { files: files.into_iter().collect::<Result<_, _>>()?, new_directories: Vec::new() })
}

/// Makes a host key. A private half that is whole keeps its place and gets its public half; anything less is made anew.
pub(super) fn host_key(context: &Context<'_>, kind: &str) -> Result<Effect, Failure> {
    let host = context.host;
    let (private, public) = key_paths(kind);
    if let Some(half) = public_half(context, &private)? {
        host.write(&public, format!("{half}\n").as_bytes(), Attributes::own(0o644)).map_err(io_failure("write", &public))?;
        return Ok(Effect { detail: Some("the public half was missing and is there again".into()), ..Effect::default() });
    }
    for path in [&private, &public] {
        host.remove(path).map_err(io_failure("remove", path))?;
    }
    let argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", &private];
    let ended = host.run(&Spec::new(argv).deadline(context.deadline.left().unwrap_or(KEYGEN_LIMIT)))?;
    if !ended.success() {
        return Err(ended.failure(&format!("making the {kind} host key: ssh-keygen")));
    }
    Ok(Effect::default())
}

pub(super) fn verify_host_key(context: &Context<'_>, kind: &str) -> Result<(), Failure> {
    match check_host_key(context, kind)? {
        Checked::Satisfied => Ok(()),
        Checked::Needed => Err(Failure::new(Kind::Unknown, format!("the {kind} host key is not whole after it was made"))),
    }
}
