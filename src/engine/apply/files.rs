//! Files, directories and links.

use super::edit::edited;
use super::{Checked, Context, Effect, Prior, PriorFile};
use crate::error::{system_cause, Failure, Kind};
use crate::host::files::{Attributes, FileKind, Status};
use crate::plan::operation::{Edit, Owner, WriteFile};

/// Mode of directories that have to be made above a file.
const PARENT_MODE: u32 = 0o755;
/// Mode of a new file for which none is given.
const FILE_MODE: u32 = 0o644;

/// The failure of a system call on `path`.
pub(super) fn io_failure(doing: &str, path: &str) -> impl Fn(std::io::Error) -> Failure {
    let what = format!("{doing} {path}");
    move |error| Failure::io(&what, system_cause(&error))
}

/// Owner and group ids for names; a name that does not exist is a failure that says it.
fn owner_ids(context: &Context<'_>, owner: &Owner, path: &str) -> Result<(Option<u32>, Option<u32>), Failure> {
    let missing = |what: &str, name: &str| {
        Failure::new(Kind::NotFound, format!("{path}: the {what} {name} does not exist"))
            .hint(format!("create the {what} first (users, groups), or write the file later (defer: true); then `landfall resume`"))
    };
    let uid = match &owner.user {
        None => None,
        // By its number wherever there are users (base-passwd): the file need not be asked.
        Some(name) if name == "root" => Some(0),
        Some(name) => match context.host.user(name).map_err(io_failure("read", "/etc/passwd"))? {
            Some(user) => Some(user.uid),
            None => Some(name.parse().map_err(|_| missing("user", name))?),
        },
    };
    let gid = match &owner.group {
        None => None,
        Some(name) if name == "root" => Some(0),
        Some(name) => match context.host.group(name).map_err(io_failure("read", "/etc/group"))? {
            Some(group) => Some(group.gid),
            None => Some(name.parse().map_err(|_| missing("group", name))?),
        },
    };
    Ok((uid, gid))
}

/// Where a write to `path` ends, and the file there. Anything that is not a regular file is refused.
fn target(context: &Context<'_>, path: &str) -> Result<(String, Option<Status>), Failure> {
    let (target, found) = context.host.look_trusted(path).map_err(io_failure("look at", path))?;
    match found {
        None => Ok((target, None)),
        Some(status) if status.kind == FileKind::File => Ok((target, Some(status))),
        Some(status) => {
            let what = if status.kind == FileKind::Directory { "a directory" } else { "a device, socket or pipe" };
            Err(Failure::new(Kind::Config, format!("{path} is {what}; a file is wanted there")))
        }
    }
}

/// Mode and owner the file gets: what is asked for, else what it has, else those of a new file.
fn wanted_attributes(context: &Context<'_>, file: &WriteFile, now: Option<&Status>) -> Result<Attributes, Failure> {
    let mut wanted = now.map_or_else(|| Attributes::own(FILE_MODE), |now| now.attributes);
    if let Some(mode) = file.mode {
        wanted.mode = mode;
    }
    if let Some(owner) = &file.owner {
        let (uid, gid) = owner_ids(context, owner, &file.path)?;
        wanted.uid = uid.unwrap_or(wanted.uid);
        wanted.gid = gid.unwrap_or(wanted.gid);
    }
    Ok(wanted)
}

/// Whether it has the mode and owner that it is to have, as far as its filesystem keeps any.
fn fits(context: &Context<'_>, file: &WriteFile, target: &str, now: &Status) -> Result<bool, Failure> {
    let wanted = wanted_attributes(context, file, Some(now))?;
    Ok(wanted == now.attributes || !context.host.keeps_attributes(target))
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}

fn make_parents(context: &Context<'_>, path: &str, owner: Option<Attributes>) -> Result<(), Failure> {
    let own = Attributes::own(PARENT_MODE);
    let attributes = owner.map_or(own, |owner| Attributes { mode: PARENT_MODE, ..owner });
    let directory = parent(path);
    context.host.make_directories(directory, attributes).map(|_| ()).map_err(io_failure("make directory", directory))
}

/// What stands at `path` (no link followed), its bytes kept in the backups.
pub(super) fn prior_of(context: &Context<'_>, path: &str) -> Result<PriorFile, Failure> {
    let status = context.host.status(path).map_err(io_failure("look at", path))?;
    prior_as(context, path, status.as_ref())
}

/// As [`prior_of`], where it is known what stands there.
fn prior_as(context: &Context<'_>, path: &str, status: Option<&Status>) -> Result<PriorFile, Failure> {
    let host = context.host;
    let failed = io_failure("look at", path);
    let Some(status) = status else { return Ok(PriorFile::Absent) };
    match status.kind {
        FileKind::Symlink => Ok(PriorFile::Symlink { target: host.link_target(path).map_err(&failed)?.unwrap_or_default() }),
        FileKind::File => {
            let bytes = host.read(path).map_err(io_failure("read", path))?.unwrap_or_default();
            let sha256 = host.back_up(&context.backups, &bytes).map_err(io_failure("keep a copy of", path))?;
            Ok(PriorFile::File { sha256, attributes: status.attributes })
        }
        FileKind::Directory => Ok(PriorFile::Directory { attributes: status.attributes }),
        FileKind::Other => Err(Failure::new(Kind::Config, format!("{path} is a device, socket or pipe"))),
    }
}

/// What undoing a write to `path` needs.
pub(super) fn prior_write(context: &Context<'_>, path: &str) -> Result<Prior, Failure> {
    let (target, now) = target(context, path)?;
    // Where a file is, its directories are.
    let new_directories = if now.is_some() { Vec::new() } else { context.host.missing_directories(parent(&target)) };
    let was = prior_as(context, &target, now.as_ref())?;
    Ok(Prior::Files { files: vec![(target, was)], new_directories })
}

/// What undoing a removal needs.
pub(super) fn prior_remove(context: &Context<'_>, paths: &[String]) -> Result<Prior, Failure> {
    let files = removable(context, paths)?;
    let files = files.into_iter().map(|path| prior_of(context, &path).map(|was| (path, was))).collect::<Result<_, _>>()?;
    Ok(Prior::Files { files, new_directories: Vec::new() })
}

/// What undoing a new directory needs.
pub(super) fn prior_directory(context: &Context<'_>, path: &str) -> Result<Prior, Failure> {
    let new_directories = context.host.missing_directories(path);
    let files = if new_directories.is_empty() { vec![(path.to_owned(), prior_of(context, path)?)] } else { Vec::new() };
    Ok(Prior::Files { files, new_directories })
}

/// What undoing a link needs.
pub(super) fn prior_link(context: &Context<'_>, path: &str) -> Result<Prior, Failure> {
    let new_directories = context.host.missing_directories(parent(path));
    Ok(Prior::Files { files: vec![(path.to_owned(), prior_of(context, path)?)], new_directories })
}

/// The file is there with these bytes, this mode and owner.
pub(super) fn check_write(context: &Context<'_>, file: &WriteFile) -> Result<Checked, Failure> {
    let (target, Some(now)) = target(context, &file.path)? else { return Ok(Checked::Needed) };
    if !fits(context, file, &target, &now).is_ok_and(|fits| fits) {
        return Ok(Checked::Needed);
    }
    let bytes = &file.content.expose().0;
    let same = now.size == bytes.len() as u64 && context.host.read(&target).map_err(io_failure("read", &target))?.as_ref() == Some(bytes);
    Ok(Checked::satisfied_if(same))
}

/// Writes a whole file.
pub(super) fn write(context: &Context<'_>, file: &WriteFile, bytes: &[u8]) -> Result<Effect, Failure> {
    let (target, now) = target(context, &file.path)?;
    let attributes = wanted_attributes(context, file, now.as_ref())?;
    if now.is_none() {
        make_parents(context, &target, file.own_parents.then_some(attributes))?;
    }
    context.host.write(&target, bytes, attributes).map_err(io_failure("write", &file.path))?;
    Ok(Effect::default())
}

/// Writes a whole file with the bytes of another one.
pub(super) fn write_from(context: &Context<'_>, file: &WriteFile, source: &str) -> Result<Effect, Failure> {
    let (target, now) = target(context, &file.path)?;
    let attributes = wanted_attributes(context, file, now.as_ref())?;
    if now.is_none() {
        make_parents(context, &target, file.own_parents.then_some(attributes))?;
    }
    context.host.write_from(&target, source, attributes).map_err(io_failure("write", &file.path))?;
    Ok(Effect::default())
}

/// The directory that a write to `path` ends in.
pub(super) fn target_directory(context: &Context<'_>, path: &str) -> Result<String, Failure> {
    Ok(parent(&target(context, path)?.0).to_owned())
}

/// The file is there with this mode and owner; where a write to it ends.
pub(super) fn has_attributes(context: &Context<'_>, file: &WriteFile) -> Result<Option<String>, Failure> {
    let (target, Some(now)) = target(context, &file.path)? else { return Ok(None) };
    let right = fits(context, file, &target, &now).is_ok_and(|fits| fits);
    Ok(right.then_some(target))
}

/// Appends to a file; the whole file is written anew, so that a cut leaves it with or without the addition.
pub(super) fn append(context: &Context<'_>, file: &WriteFile, bytes: &[u8]) -> Result<Effect, Failure> {
    let (target, _) = target(context, &file.path)?;
    let mut whole = context.host.read(&target).map_err(io_failure("read", &target))?.unwrap_or_default();
    whole.extend_from_slice(bytes);
    write(context, file, &whole)
}

/// Appends after an interruption: once more only where the addition is not in the file already, which what it held before
/// tells.
pub(super) fn append_again(context: &Context<'_>, file: &WriteFile, bytes: &[u8], prior: &Prior) -> Result<Effect, Failure> {
    let (target, now) = target(context, &file.path)?;
    let present = context.host.read(&target).map_err(io_failure("read", &target))?;
    let before = match prior {
        Prior::Files { files, .. } => files.iter().find(|(path, _)| *path == target).map(|(_, was)| was),
        _ => None,
    };
    let before = match before {
        Some(PriorFile::File { sha256, .. }) => context.host.backed_up(&context.backups, sha256).map_err(io_failure("restore", &target))?,
        _ => Vec::new(),
    };
    let done = present.as_ref().is_some_and(|present| match present.strip_prefix(before.as_slice()) {
        Some(added) => added.starts_with(bytes),
        None => contains(present, bytes),
    });
    if !done {
        return append(context, file, bytes);
    }
    let attributes = wanted_attributes(context, file, now.as_ref())?;
    context.host.set_attributes(&target, attributes).map_err(io_failure("set mode and owner of", &file.path))?;
    Ok(Effect::default())
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

/// The addition is in the file, with this mode and owner.
pub(super) fn verify_append(context: &Context<'_>, file: &WriteFile, bytes: Option<&[u8]>) -> Result<(), Failure> {
    let (target, Some(now)) = target(context, &file.path)? else {
        return Err(Failure::new(Kind::Unknown, format!("{} is not there after it was written", file.path)));
    };
    let mut right = fits(context, file, &target, &now)?;
    if let Some(bytes) = bytes.filter(|_| right) {
        right = contains(&context.host.read(&target).map_err(io_failure("read", &target))?.unwrap_or_default(), bytes);
    }
    if right {
        Ok(())
    } else {
        Err(Failure::new(Kind::Unknown, format!("{} is not as it was written", file.path)))
    }
}

/// A file that is edited: where it is, what it is, its text, and its text after the change.
struct Edited {
    target: String,
    status: Option<Status>,
    now: String,
    after: String,
}

fn edit_texts(context: &Context<'_>, path: &str, change: &Edit) -> Result<Edited, Failure> {
    let (target, status) = target(context, path)?;
    let bytes = match status {
        Some(_) => context.host.read(&target).map_err(io_failure("read", path))?.unwrap_or_default(),
        None => Vec::new(),
    };
    let now = String::from_utf8(bytes).map_err(|_| Failure::new(Kind::Config, format!("{path} is not UTF-8 text; it is left as it is")))?;
    let after = edited(&now, change);
    Ok(Edited { target, status, now, after })
}

/// The change is in the file.
pub(super) fn check_edit(context: &Context<'_>, path: &str, change: &Edit, mode: Option<u32>) -> Result<Checked, Failure> {
    let found = edit_texts(context, path, change)?;
    let right_mode = mode.is_none_or(|mode| found.status.is_none_or(|status| status.attributes.mode == mode));
    Ok(Checked::satisfied_if(found.now == found.after && right_mode))
}

/// Changes lines of a file.
pub(super) fn edit(context: &Context<'_>, path: &str, change: &Edit, mode: u32, force: bool) -> Result<Effect, Failure> {
    let Edited { target, status, after, .. } = edit_texts(context, path, change)?;
    let attributes = match status {
        Some(status) if force => Attributes { mode, ..status.attributes },
        Some(status) => status.attributes,
        None => {
            make_parents(context, &target, None)?;
            Attributes::own(mode)
        }
    };
    context.host.write(&target, after.as_bytes(), attributes).map_err(io_failure("write", path))?;
    Ok(Effect::default())
}

/// What a copy of `from` would hold; `None` where there is nothing to copy.
fn copied(context: &Context<'_>, from: &str) -> Result<Option<(Vec<u8>, Attributes)>, Failure> {
    let (source, Some(status)) = target(context, from)? else { return Ok(None) };
    Ok(context.host.read(&source).map_err(io_failure("read", from))?.map(|bytes| (bytes, status.attributes)))
}

/// There is nothing to copy, or the copy is there.
pub(super) fn check_copy(context: &Context<'_>, from: &str, to: &str) -> Result<Checked, Failure> {
    let Some((bytes, attributes)) = copied(context, from)? else { return Ok(Checked::Satisfied) };
    let (path, now) = target(context, to)?;
    let same =
        now.is_some_and(|now| now.attributes == attributes) && context.host.read(&path).map_err(io_failure("read", to))? == Some(bytes);
    Ok(Checked::satisfied_if(same))
}

/// Copies a file with its mode and owner.
pub(super) fn copy(context: &Context<'_>, from: &str, to: &str) -> Result<Effect, Failure> {
    let Some((bytes, attributes)) = copied(context, from)? else { return Ok(Effect::default()) };
    let (path, _) = target(context, to)?;
    make_parents(context, &path, None)?;
    context.host.write(&path, &bytes, attributes).map_err(io_failure("write", to))?;
    Ok(Effect::default())
}

/// Existing files that these patterns stand for.
fn removable(context: &Context<'_>, patterns: &[String]) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for pattern in patterns {
        for path in context.host.matching(pattern).map_err(io_failure("look for", pattern))? {
            let status = context.host.status(&path).map_err(io_failure("look at", &path))?;
            match status.map(|status| status.kind) {
                None => {}
                Some(FileKind::Directory) if path == *pattern => {
                    return Err(Failure::new(Kind::Config, format!("{path} is a directory; it is not removed")));
                }
                Some(FileKind::Directory) => {}
                Some(_) => found.push(path),
            }
        }
    }
    Ok(found)
}

/// Nothing is left to remove.
pub(super) fn check_remove(context: &Context<'_>, patterns: &[String]) -> Result<Checked, Failure> {
    Ok(Checked::satisfied_if(removable(context, patterns)?.is_empty()))
}

/// Removes files.
pub(super) fn remove(context: &Context<'_>, patterns: &[String]) -> Result<Effect, Failure> {
    let files = removable(context, patterns)?;
    for path in &files {
        context.host.remove(path).map_err(io_failure("remove", path))?;
    }
    let detail = (!files.is_empty()).then(|| format!("removed {}", files.join(" ")));
    Ok(Effect { detail, ..Effect::default() })
}

/// Attributes a directory gets.
fn directory_attributes(context: &Context<'_>, path: &str, mode: u32, owner: Option<&Owner>) -> Result<Attributes, Failure> {
    let now = context.host.status(path).map_err(io_failure("look at", path))?.map(|status| status.attributes);
    let mut wanted = now.unwrap_or_else(|| Attributes::own(mode));
    wanted.mode = mode;
    if let Some(owner) = owner {
        let (uid, gid) = owner_ids(context, owner, path)?;
        wanted.uid = uid.unwrap_or(wanted.uid);
        wanted.gid = gid.unwrap_or(wanted.gid);
    }
    Ok(wanted)
}

/// The directory is there with this mode and owner, or, where it may be kept, with any.
pub(super) fn check_directory(context: &Context<'_>, path: &str, mode: u32, owner: Option<&Owner>, keep: bool) -> Result<Checked, Failure> {
    let path = context.host.follow_trusted(path).map_err(io_failure("look at", path))?;
    let Some(status) = context.host.status(&path).map_err(io_failure("look at", &path))? else { return Ok(Checked::Needed) };
    let right = status.kind == FileKind::Directory
        && (keep || directory_attributes(context, &path, mode, owner).is_ok_and(|wanted| wanted == status.attributes));
    Ok(Checked::satisfied_if(right))
}

/// Makes a directory.
pub(super) fn directory(context: &Context<'_>, path: &str, mode: u32, owner: Option<&Owner>) -> Result<Effect, Failure> {
    let path = &context.host.follow_trusted(path).map_err(io_failure("look at", path))?;
    let kind = context.host.status(path).map_err(io_failure("look at", path))?.map(|status| status.kind);
    if kind.is_some_and(|kind| kind != FileKind::Directory) {
        return Err(Failure::new(Kind::Config, format!("{path} is a file; a directory is wanted there")));
    }
    let attributes = directory_attributes(context, path, mode, owner)?;
    make_parents(context, path, None)?;
    context.host.make_directories(path, attributes).map_err(io_failure("make directory", path))?;
    context.host.set_attributes(path, attributes).map_err(io_failure("set mode and owner of", path))?;
    Ok(Effect::default())
}

/// The link points there.
pub(super) fn check_link(context: &Context<'_>, path: &str, target: &str) -> Result<Checked, Failure> {
    let now = context.host.link_target(path).map_err(io_failure("look at", path))?;
    Ok(Checked::satisfied_if(now.as_deref() == Some(target)))
}

/// Makes a link.
pub(super) fn link(context: &Context<'_>, path: &str, target: &str) -> Result<Effect, Failure> {
    let kind = context.host.status(path).map_err(io_failure("look at", path))?.map(|status| status.kind);
    if matches!(kind, Some(FileKind::Directory | FileKind::Other)) {
        return Err(Failure::new(Kind::Config, format!("{path} is not a file or link; it is not replaced by a link")));
    }
    make_parents(context, path, None)?;
    context.host.symlink(path, target).map_err(io_failure("link", path))?;
    Ok(Effect::default())
}
