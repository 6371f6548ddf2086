//! Puts back what was recorded before a change.

use super::files::io_failure;
use super::packages::Before;
use super::{accounts, mounts, packages, system, units, Context, Effect, Left, Prior, PriorFile};
use crate::error::{Failure, Kind};
use crate::host::files::FileKind;

/// Undoes one step. It may be called again after an interruption: each part is put back as it was, whatever it is now. `left` is
/// what the step left; `None` where it did not end.
pub fn undo(prior: &Prior, left: Option<&Left>, context: &Context<'_>) -> Result<Effect, Failure> {
    match prior {
        Prior::None | Prior::Disk { .. } => Ok(Effect::default()),
        Prior::SwapFile { path } => mounts::undo_swap(context, path),
        Prior::Packages { status, databases, beside } => packages::undo(context, &Before { status, databases, beside }, left),
        Prior::Files { files, new_directories } => {
            for (path, was) in files.iter().rev() {
                put_back(context, path, was)?;
            }
            let mut effect = Effect::default();
            for path in new_directories.iter().rev() {
                if context.host.remove_directory(path).is_err() {
                    effect.warnings.push(format!("{path} is not empty and stays"));
                }
            }
            Ok(effect)
        }
        Prior::Hostname { running } => system::hostname(context, running),
        Prior::Unit { unit, enabled, active, down } => {
            units::undo(context, &units::Before { unit, enabled: *enabled, active: *active, down: *down }).map(|()| Effect::default())
        }
        Prior::NewUser { .. } | Prior::NewGroup { .. } | Prior::NewMembers { .. } | Prior::Shadow { .. } => accounts::undo(context, prior),
    }
}

/// Whether everything is as it was recorded: as `verify`, for [`undo`].
pub fn verify_undone(prior: &Prior, left: Option<&Left>, context: &Context<'_>) -> Result<(), Failure> {
    let (so, what) = match prior {
        Prior::None | Prior::Disk { .. } => return Ok(()),
        Prior::SwapFile { path } => (!context.host.exists(path), path.clone()),
        Prior::Packages { status, .. } => return packages::verify_undone(context, status, left),
        Prior::Files { files, .. } => {
            for (path, was) in files {
                as_before(stands(context, path, was)?, path)?;
            }
            return Ok(());
        }
        Prior::Hostname { running } => {
            (!context.host.is_live() || context.host.running_hostname().as_ref() == Some(running), "the hostname".to_owned())
        }
        Prior::Unit { unit, enabled, active, down } => {
            let before = units::Before { unit, enabled: *enabled, active: *active, down: *down };
            (units::is_undone(context, &before)?, unit.clone())
        }
        Prior::NewUser { name, .. } => (accounts::is_gone(context, prior)?, format!("user {name}")),
        Prior::NewGroup { name } => (accounts::is_gone(context, prior)?, format!("group {name}")),
        Prior::NewMembers { group, .. } => (accounts::is_gone(context, prior)?, format!("group {group}")),
        Prior::Shadow { user, .. } => (accounts::is_gone(context, prior)?, format!("the shadow entry of {user}")),
    };
    as_before(so, &what)
}

fn as_before(so: bool, what: &str) -> Result<(), Failure> {
    if so {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("it was undone, but {what} is not as it was before")))
    }
}

/// Whether a path is as it was.
fn stands(context: &Context<'_>, path: &str, was: &PriorFile) -> Result<bool, Failure> {
    let host = context.host;
    let failed = io_failure("look at", path);
    let now = host.status(path).map_err(&failed)?;
    Ok(match (was, now) {
        (PriorFile::Absent, now) => now.is_none(),
        (PriorFile::File { sha256, attributes }, Some(now)) => {
            now.kind == FileKind::File && now.attributes == *attributes && host.sha256_of(path).map_err(failed)? == *sha256
        }
        (PriorFile::Symlink { target }, Some(now)) => {
            now.kind == FileKind::Symlink && host.link_target(path).map_err(failed)?.as_ref() == Some(target)
        }
        (PriorFile::Directory { attributes }, Some(now)) => now.kind == FileKind::Directory && now.attributes == *attributes,
        (_, None) => false,
    })
}

/// Puts one path back.
pub(super) fn put_back(context: &Context<'_>, path: &str, was: &PriorFile) -> Result<(), Failure> {
    let host = context.host;
    let failed = io_failure("put back", path);
    match was {
        PriorFile::Absent => host.remove(path).map(|_| ()).map_err(failed),
        PriorFile::File { sha256, attributes } => {
            let bytes = host.backed_up(&context.backups, sha256).map_err(&failed)?;
            host.replace(path, &bytes, *attributes).map_err(failed)
        }
        PriorFile::Symlink { target } => host.symlink(path, target).map_err(failed),
        PriorFile::Directory { attributes } => host.set_attributes(path, *attributes).map_err(failed),
    }
}
