//! Facts about files: type, mode, owner by name, and content, of everything that differs from the root below.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::accounts::Names;
use crate::content::{describe, skeleton_of, Known};
use crate::exclusions::is_excluded;
use crate::lab::{Entry, Files, Host};
use crate::state::{Facts, GONE};

pub fn add(host: &Host, lower: &Path, names: &Names, known: &Known, facts: &mut Facts) {
    let files = host.files();
    for (path, entry) in host.changes().0 {
        if is_excluded(&path) {
            continue;
        }
        if entry == Entry::Removed {
            facts.insert(path, GONE.into());
            continue;
        }
        let Ok(metadata) = files.metadata(&path) else {
            continue;
        };
        let below = below(lower, &path);
        if metadata.is_dir() && below.as_ref().is_some_and(|(_, below)| below.is_dir()) {
            add_hidden(&files, lower, &path, facts);
        }
        add_one(&files, &path, &metadata, below, names, known, facts);
    }
}

/// The same path in the root below; a path there never leads outside by a link.
fn below(lower: &Path, path: &str) -> Option<(PathBuf, Metadata)> {
    let mut at = lower.to_owned();
    let mut parts = path.trim_start_matches('/').split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let metadata = fs::symlink_metadata(&at).ok()?;
        if parts.peek().is_none() {
            return Some((at, metadata));
        }
        if metadata.is_symlink() {
            return None;
        }
    }
    None
}

/// A directory that was replaced hides what the root has in it.
fn add_hidden(files: &Files, lower: &Path, path: &str, facts: &mut Facts) {
    let there = files.list(path);
    let Ok(entries) = fs::read_dir(lower.join(path.trim_start_matches('/'))) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{path}/{name}");
        if !there.contains(&name) && !is_excluded(&path) {
            facts.insert(path, GONE.into());
        }
    }
}

fn add_one(
    files: &Files,
    path: &str,
    metadata: &Metadata,
    below: Option<(PathBuf, Metadata)>,
    names: &Names,
    known: &Known,
    facts: &mut Facts,
) {
    let head = head(files, path, metadata, names);
    let same_head = below.as_ref().is_some_and(|(_, below)| {
        let same_kind = below.file_type() == metadata.file_type();
        same_kind
            && (metadata.is_symlink() || below.mode() == metadata.mode())
            && (below.uid(), below.gid()) == (metadata.uid(), metadata.gid())
    });
    if metadata.is_file() {
        let content = files.read_bytes(path);
        let old = below.filter(|(_, below)| below.is_file()).and_then(|(below, _)| fs::read(below).ok());
        if old.as_ref() != Some(&content) {
            if let Some(skeleton) = skeleton_of(files, path, &content) {
                facts.insert(path.into(), format!("{head}, as {skeleton}"));
                return;
            }
            let said = describe(path, &content, old.as_deref(), known);
            if let Some(said) = said {
                facts.insert(format!("{path}:content"), said);
            }
            facts.insert(path.into(), head);
        } else if !same_head {
            facts.insert(path.into(), head);
        }
    } else if metadata.is_symlink() {
        let old = below.and_then(|(below, _)| fs::read_link(below).ok());
        if old != files.link_target(path).ok() {
            facts.insert(path.into(), head);
        }
    } else if !same_head {
        facts.insert(path.into(), head);
    }
}

fn head(files: &Files, path: &str, metadata: &Metadata, names: &Names) -> String {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        let target = files.link_target(path).unwrap_or_default();
        return format!("link to {}", target.display());
    }
    let what = if kind.is_dir() {
        "directory"
    } else if kind.is_file() {
        "file"
    } else {
        "special"
    };
    let (user, group) = (names.user(metadata.uid()), names.group(metadata.gid()));
    format!("{what} {:04o} {user}:{group}", metadata.mode() & 0o7777)
}
