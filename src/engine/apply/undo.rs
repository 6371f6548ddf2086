//! Puts back what was recorded before a change.

use super::files::io_failure;
use super::{accounts, system, Context, Effect, Prior, PriorFile};
use crate::error::Failure;

/// Undoes one step. It may be called again after an interruption: each part is put back as it was, whatever it is now.
pub fn undo(prior: &Prior, context: &Context<'_>) -> Result<Effect, Failure> {
    match prior {
        Prior::None | Prior::Packages { .. } => Ok(Effect::default()),
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
        Prior::NewUser { .. } | Prior::NewGroup { .. } | Prior::NewMembers { .. } | Prior::Shadow { .. } => {
            accounts::undo(context, prior).map(|()| Effect::default())
        }
    }
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
