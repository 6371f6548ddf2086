//! Reading and writing in a host's file tree from outside. Every path is resolved inside the tree, absolute symbolic links too
//! (`/var/run -> /run`), so a test can never read or write this machine by mistake.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{openat2, OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{mkdirat, Mode};

/// A file tree: that of a host on its disk, or that which the processes of a booted host see.
pub struct Files(PathBuf);

impl Files {
    /// The tree whose root directory is `root`, as seen by this process.
    pub(super) fn at(root: PathBuf) -> Self {
        Self(root)
    }

    /// Bytes of a file; panics if it cannot be read.
    #[track_caller]
    pub fn read_bytes(&self, path: &str) -> Vec<u8> {
        self.try_read(path).unwrap_or_else(|error| panic!("{path} in the host: {error}"))
    }

    /// Text of a file; panics if it cannot be read.
    #[track_caller]
    pub fn read(&self, path: &str) -> String {
        String::from_utf8_lossy(&self.read_bytes(path)).into_owned()
    }

    /// Bytes of a file.
    pub fn try_read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(path, OFlag::O_RDONLY)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Replaces a file's content and mode; missing parent directories are made with 0755.
    #[track_caller]
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>, mode: u32) {
        let written = || -> io::Result<()> {
            self.make_parents(path)?;
            let mut file = self.open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC)?;
            file.write_all(content.as_ref())?;
            file.set_permissions(Permissions::from_mode(mode))
        };
        written().unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    /// True if something is there; a dangling symbolic link counts.
    pub fn exists(&self, path: &str) -> bool {
        self.metadata(path).is_ok()
    }

    /// `lstat` of a path.
    pub fn metadata(&self, path: &str) -> io::Result<Metadata> {
        self.open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)?.metadata()
    }

    /// The target of a symbolic link.
    pub fn link_target(&self, path: &str) -> io::Result<PathBuf> {
        self.in_parent(path, |at| fs::read_link(at))
    }

    /// Makes a symbolic link, with missing parent directories.
    #[track_caller]
    pub fn symlink(&self, target: &str, path: &str) {
        self.make_parents(path)
            .and_then(|()| self.in_parent(path, |at| symlink(target, at)))
            .unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    /// Names in a directory, sorted; empty if there is no such directory.
    pub fn list(&self, path: &str) -> Vec<String> {
        let Ok(directory) = self.open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else {
            return Vec::new();
        };
        let entries = fs::read_dir(format!("/proc/self/fd/{}", directory.as_raw_fd())).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Removes a file, a link or a whole directory, if it is there.
    #[track_caller]
    pub fn remove(&self, path: &str) {
        let Ok(metadata) = self.metadata(path) else {
            return;
        };
        self.in_parent(path, |at| if metadata.is_dir() { fs::remove_dir_all(at) } else { fs::remove_file(at) })
            .unwrap_or_else(|error| panic!("{path} in the host: {error}"));
    }

    fn open(&self, path: &str, flags: OFlag) -> io::Result<File> {
        let root = File::open(&self.0)?;
        let mode = if flags.contains(OFlag::O_CREAT) { Mode::from_bits_truncate(0o600) } else { Mode::empty() };
        let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).mode(mode).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        Ok(openat2(&root, Path::new(path), how)?.into())
    }

    /// Calls `act` with a path of this process for the last component, whose parent was resolved inside the tree.
    fn in_parent<T>(&self, path: &str, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let (parent, name) = split(path);
        let parent = self.open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        act(&Path::new(&format!("/proc/self/fd/{}", parent.as_raw_fd())).join(name))
    }

    fn make_parents(&self, path: &str) -> io::Result<()> {
        let (parent, _) = split(path);
        if parent == "/" || self.open(parent, OFlag::O_PATH | OFlag::O_DIRECTORY).is_ok() {
            return Ok(());
        }
        self.make_parents(parent)?;
        let (above, name) = split(parent);
        let above = self.open(above, OFlag::O_PATH | OFlag::O_DIRECTORY)?;
        mkdirat(&above, Path::new(name), Mode::from_bits_truncate(0o755))?;
        Ok(())
    }
}

fn split(path: &str) -> (&str, &str) {
    assert!(path.starts_with('/'), "{path}: paths in a host are absolute");
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((parent, name)) => (parent, name),
        None => ("/", ""),
    }
}
