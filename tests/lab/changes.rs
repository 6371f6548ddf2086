//! File trees as data, so that a test compares the end states of two hosts.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// One path. Times are left out: they differ between any two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Owner and group.
        owner: (u32, u32),
        /// Its length in bytes.
        size: u64,
        /// SHA-256 of the content, in hexadecimal.
        digest: String,
    },
    /// A directory.
    Directory {
        /// Permission bits.
        mode: u32,
        /// Owner and group.
        owner: (u32, u32),
    },
    /// A symbolic link.
    Link(PathBuf),
    /// A file of the root that the host has removed.
    Removed,
    /// A device, socket or pipe.
    Other,
}

/// Entries by absolute path in the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes(pub BTreeMap<String, Entry>);

impl Changes {
    pub(super) fn of_layer(top: &Path) -> Self {
        let mut entries = BTreeMap::new();
        walk(top, "", &mut entries);
        Self(entries)
    }

    /// Without the paths that `ignored` names; a name that ends in `/` stands for all below it.
    #[must_use]
    pub fn without(mut self, ignored: &[&str]) -> Self {
        self.0.retain(|path, _| !ignored.iter().any(|name| path == name || (name.ends_with('/') && path.starts_with(name))));
        self
    }

    /// One line for each path that is not the same in both: for a test's message; empty if they are equal.
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        paths
            .into_iter()
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .map(|path| format!("{path}: {:?} | {:?}", self.0.get(path), other.0.get(path)))
            .collect()
    }
}

fn walk(directory: &Path, name: &str, entries: &mut BTreeMap<String, Entry>) {
    for child in fs::read_dir(directory).unwrap() {
        let child = child.unwrap();
        let path = format!("{name}/{}", child.file_name().to_string_lossy());
        // A running host may remove it meanwhile.
        let Ok(metadata) = fs::symlink_metadata(child.path()) else {
            continue;
        };
        let (mode, owner, kind) = (metadata.mode() & 0o7777, (metadata.uid(), metadata.gid()), metadata.file_type());
        let entry = if kind.is_dir() {
            walk(&child.path(), &path, entries);
            Entry::Directory { mode, owner }
        } else if kind.is_symlink() {
            Entry::Link(fs::read_link(child.path()).unwrap_or_default())
        } else if kind.is_file() {
            let content = fs::read(child.path()).unwrap_or_default();
            let digest = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();
            Entry::File { mode, owner, size: content.len() as u64, digest }
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            // How overlayfs records a removal.
            Entry::Removed
        } else {
            Entry::Other
        };
        entries.insert(path, entry);
    }
}
