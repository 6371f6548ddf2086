//! Files that repeat what is known elsewhere: written whole, only where they differ, and made durable by whoever syncs next.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::files::{Attributes, FileKind, TEMPORARY_PREFIX};
use super::Host;

impl Host {
    /// Writes a file unless it holds these bytes already. It appears whole, but after a power cut it may be lost or empty:
    /// for what the next boot would write again. Says whether it wrote.
    pub fn write_copy(&self, path: &str, bytes: &[u8], mode: u32) -> io::Result<bool> {
        let stands = self.status(path)?.is_some_and(|status| status.kind == FileKind::File && status.attributes.mode == mode);
        if stands && self.read(path)?.as_deref() == Some(bytes) {
            return Ok(false);
        }
        self.write_runtime(path, bytes, mode)?;
        Ok(true)
    }

    /// Writes those of the files of a directory that it lacks, all with these bytes: for marks, which are there or not, and of which
    /// nobody reads what they hold.
    pub fn write_missing_marks<'n>(&self, directory: &str, names: impl Iterator<Item = &'n str>, bytes: &[u8]) -> io::Result<()> {
        self.copy_directory(directory)?;
        let there = self.list(directory)?;
        let place = self.inside(directory)?;
        for name in names.filter(|name| !there.iter().any(|one| one == name)) {
            let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(place.join(name))?;
            file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
            file.write_all(bytes)?;
        }
        Ok(())
    }

    /// Writes a file below `/run`, whatever it held. It appears whole; a boot empties the place.
    pub fn write_runtime(&self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        let (parent, name) = place_of(path)?;
        let open = || {
            let directory = self.inside(parent)?;
            let temporary = directory.join(format!("{TEMPORARY_PREFIX}{name}"));
            let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            Ok((directory, temporary, file))
        };
        let (directory, temporary, mut file) = self.with_directory(parent, open)?;
        file.write_all(bytes)?;
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        fs::rename(&temporary, directory.join(name))
    }

    /// Makes a link unless it is one to `target` already. What is no link is left alone and is an error. Says whether it
    /// changed something.
    pub fn link_copy(&self, path: &str, target: &str) -> io::Result<bool> {
        let (parent, name) = place_of(path)?;
        let now = self.link_target(path)?;
        if now.as_deref() == Some(target) {
            return Ok(false);
        }
        if now.is_none() {
            match self.with_directory(parent, || fs::os::unix::fs::symlink(target, self.inside(parent)?.join(name))) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{path} is there and is no link")));
                }
                made => return made.map(|()| true),
            }
        }
        let directory = self.inside(parent)?;
        let temporary = directory.join(format!("{TEMPORARY_PREFIX}{name}"));
        let _ = fs::remove_file(&temporary);
        fs::os::unix::fs::symlink(target, &temporary)?;
        fs::rename(&temporary, directory.join(name))?;
        Ok(true)
    }

    /// Makes a directory for copies, with its parents, unless it is there.
    pub fn copy_directory(&self, path: &str) -> io::Result<()> {
        self.make_missing_directories(path, Attributes::own(0o755), false).map(drop)
    }

    /// Makes something in a directory, which mostly is there; where it is not, it is made first.
    fn with_directory<T>(&self, directory: &str, make: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match make() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.copy_directory(directory)?;
                make()
            }
            made => made,
        }
    }
}

/// The directory and the name of a copy.
fn place_of(path: &str) -> io::Result<(&str, &str)> {
    match (Path::new(path).parent().and_then(Path::to_str), path.rsplit('/').next()) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is no place for a file"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_written_where_it_differs_and_only_there() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let written = |bytes: &[u8], mode| host.write_copy("/a/b", bytes, mode).expect("write");
        assert!(written(b"1", 0o600) && !written(b"1", 0o600) && written(b"2", 0o600) && written(b"2", 0o644));
        assert_eq!(host.read("/a/b").expect("read").as_deref(), Some(&b"2"[..]));
        assert_eq!(host.list("/a").expect("list"), ["b"]);
        let linked = |target| host.link_copy("/a/link", target).expect("link");
        assert!(linked("b") && !linked("b") && linked("c"));
        assert!(host.link_copy("/a/b", "c").is_err(), "a file is not replaced by a link");
        host.write_copy("/a/link", b"now a file", 0o644).expect("write");
        assert_eq!(host.link_target("/a/link").expect("target"), None);
    }
}
