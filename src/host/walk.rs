//! From a path of the host to a directory held open and a name in it.
//!
//! Whoever may write in a directory can put a symbolic link where a path of ours passes. So for changes every link on the way,
//! also a final one, must belong to root (or to whom landfall runs as), and what is done then is done relative to the
//! directory that was found. Under an image root no link leads out of it.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{openat, openat2, readlinkat, AtFlags, OFlag, OpenHow, ResolveFlag, AT_FDCWD};
use nix::sys::stat::{fstatat, FileStat, Mode, SFlag};

use super::Host;

/// As the kernel's own limit.
const LINKS: u32 = 40;
const SEARCH: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// An error that says on which path; its source is the system's.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
struct AtPath {
    path: String,
    source: io::Error,
}

/// Adds the path to a system's error.
pub(super) fn at_path<E: Into<io::Error>>(path: &str) -> impl Fn(E) -> io::Error + '_ {
    move |error| {
        let source = error.into();
        io::Error::new(source.kind(), AtPath { path: path.to_owned(), source })
    }
}

/// How links on the way are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Links {
    /// Followed, the final one too, whoever owns them: for reading.
    Any,
    /// As `Any`, but the final one is not followed.
    AnyButLast,
    /// Followed, the final one too, if they can be trusted.
    Trusted,
    /// As `Trusted`, but the final one is not followed.
    TrustedButLast,
}

impl Links {
    const fn follows_last(self) -> bool {
        matches!(self, Self::Any | Self::Trusted)
    }

    const fn must_be_trusted(self) -> bool {
        matches!(self, Self::Trusted | Self::TrustedButLast)
    }
}

/// A place where something stands or may stand.
#[derive(Debug)]
pub(super) struct Place {
    /// Its directory.
    pub directory: OwnedFd,
    /// Its name there; `.` for the root.
    pub name: OsString,
    /// Its path in the host, without links.
    pub path: String,
}

impl Place {
    /// What stands there, no link followed; `None` for nothing.
    pub fn stat(&self) -> io::Result<Option<FileStat>> {
        match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(at_path(&self.path)(errno)),
        }
    }

    /// Opens what stands there, no link followed.
    pub fn open(&self, flags: OFlag, mode: u32) -> io::Result<std::fs::File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = openat(&self.directory, self.name.as_os_str(), flags, Mode::from_bits_truncate(mode));
        opened.map(Into::into).map_err(at_path(&self.path))
    }

    /// The same directory, another name.
    pub fn sibling(&self, name: &str) -> io::Result<Self> {
        let path = Path::new(&self.path).with_file_name(name).to_string_lossy().into_owned();
        Ok(Self { directory: self.directory.try_clone()?, name: name.into(), path })
    }

    /// Makes the directory's entries durable.
    pub fn sync_directory(&self) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory: std::fs::File = openat(&self.directory, ".", flags, Mode::empty()).map_err(at_path(&self.path))?.into();
        directory.sync_all().map_err(at_path(&self.path))
    }
}

/// The kind bits of a mode.
pub(super) fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

fn trusted(stat: &FileStat) -> bool {
    stat.st_uid == 0 || stat.st_uid == nix::unistd::geteuid().as_raw()
}

fn parts(path: &Path) -> impl DoubleEndedIterator<Item = OsString> + '_ {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

/// The way from the root to where the walk stands.
struct Way {
    root: OwnedFd,
    steps: Vec<(OwnedFd, OsString)>,
}

impl Way {
    fn here(&self) -> &OwnedFd {
        self.steps.last().map_or(&self.root, |(directory, _)| directory)
    }

    fn path(&self, name: &OsStr) -> String {
        let mut path = PathBuf::from("/");
        path.extend(self.steps.iter().map(|(_, name)| name));
        if name != "." {
            path.push(name);
        }
        path.to_string_lossy().into_owned()
    }

    fn end(self, name: OsString) -> io::Result<Place> {
        Ok(Place { path: self.path(&name), directory: self.here().as_fd().try_clone_to_owned()?, name })
    }
}

impl Host {
    /// The place and what stands there, where no link is on the way and below no image root: found by one call to the kernel, as is
    /// that its directory does not exist. Whatever else there is, a walk finds out.
    fn straight_to(&self, path: &str, links: Links) -> io::Result<Option<(Place, Option<FileStat>)>> {
        let Some((directory, name)) = path.rsplit_once('/').filter(|(_, name)| !["", ".", ".."].contains(name)) else { return Ok(None) };
        let directory = if directory.is_empty() { "/" } else { directory };
        if self.root() != Path::new("/") || !directory.starts_with('/') {
            return Ok(None);
        }
        let how = OpenHow::new().flags(SEARCH).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
        let directory = match openat2(AT_FDCWD, directory, how) {
            Ok(directory) => directory,
            Err(errno @ Errno::ENOENT) => return Err(at_path(path)(errno)),
            Err(_) => return Ok(None),
        };
        let found = match fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) if kind_of(&stat) == SFlag::S_IFLNK && links.follows_last() => return Ok(None),
            Ok(stat) => Some(stat),
            Err(Errno::ENOENT) => None,
            Err(_) => return Ok(None),
        };
        let plain: PathBuf = std::iter::once("/".into()).chain(parts(Path::new(path))).collect();
        Ok(Some((Place { directory, name: name.into(), path: plain.to_string_lossy().into_owned() }, found)))
    }

    /// As [`Self::walk`], with what stands there, no link followed.
    pub(super) fn look(&self, path: &str, links: Links) -> io::Result<(Place, Option<FileStat>)> {
        check_plain(path)?;
        if let Some(found) = self.straight_to(path, links)? {
            return Ok(found);
        }
        let place = self.walk_links(path, links)?;
        let found = place.stat()?;
        Ok((place, found))
    }

    /// Walks to `path`. What stands there need not exist, its directory must.
    pub(super) fn walk(&self, path: &str, links: Links) -> io::Result<Place> {
        check_plain(path)?;
        match self.straight_to(path, links)? {
            Some((place, _)) => Ok(place),
            None => self.walk_links(path, links),
        }
    }

    fn walk_links(&self, path: &str, links: Links) -> io::Result<Place> {
        let root = nix::fcntl::open(self.root(), SEARCH.difference(OFlag::O_NOFOLLOW), Mode::empty());
        let root = root.map_err(at_path(&self.root().to_string_lossy()))?;
        let mut way = Way { root, steps: Vec::new() };
        let mut left: VecDeque<OsString> = parts(Path::new(path)).collect();
        let mut followed = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                way.steps.pop();
                continue;
            }
            let stat = match fstatat(way.here(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::ENOENT) if left.is_empty() => return way.end(name),
                Err(errno) => return Err(at_path(&way.path(&name))(errno)),
            };
            let kind = kind_of(&stat);
            if kind == SFlag::S_IFLNK && (!left.is_empty() || links.follows_last()) {
                followed += 1;
                if followed > LINKS {
                    return Err(at_path(path)(Errno::ELOOP));
                }
                let target = trusted_target(&way, &name, &stat, links)?;
                if target.is_absolute() {
                    way.steps.clear();
                }
                for part in parts(&target).rev() {
                    left.push_front(part);
                }
            } else if left.is_empty() {
                return way.end(name);
            } else {
                let next = openat(way.here(), name.as_os_str(), SEARCH, Mode::empty()).map_err(at_path(&way.path(&name)))?;
                way.steps.push((next, name));
            }
        }
        // A link led to a directory by way of `..`, or the path is the root.
        match way.steps.pop() {
            Some((_, name)) => way.end(name),
            None => way.end(".".into()),
        }
    }
}

fn check_plain(path: &str) -> io::Result<()> {
    if path.starts_with('/') && !Path::new(path).components().any(|part| part == Component::ParentDir) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is not a plain absolute path")))
    }
}

fn trusted_target(way: &Way, name: &OsStr, stat: &FileStat, links: Links) -> io::Result<PathBuf> {
    if links.must_be_trusted() && !trusted(stat) {
        let what = format!("{} is a symbolic link that belongs to user {}; it is not followed", way.path(name), stat.st_uid);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    Ok(readlinkat(way.here(), name).map_err(at_path(&way.path(name)))?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{lchown, symlink};

    #[test]
    fn the_short_way_ends_where_the_walk_does() {
        // The same root by another name.
        let (short, long) = (Host::default(), Host::rooted("/proc/self/root"));
        let (there, gone) = (
            ["/etc/passwd", "/etc//./passwd", "/etc/os-release", "/bin/sh", "/tmp/", "/etc", "/bin"],
            ["/no-such", "/etc/no-such-file", "/no/such/file", "/etc/passwd/x"],
        );
        assert!(short.straight_to("/etc/passwd", Links::Any).expect("looked").is_some());
        assert!(long.straight_to("/etc/passwd", Links::Any).expect("looked").is_none());
        for path in there.into_iter().chain(gone) {
            for links in [Links::Any, Links::AnyButLast, Links::Trusted, Links::TrustedButLast] {
                let end = |host: &Host| host.walk(path, links).map(|place| (place.path, place.name)).map_err(|error| error.kind());
                assert_eq!(end(&short), end(&long), "{path} {links:?}");
            }
        }
    }

    #[test]
    fn links_stay_inside_the_root_and_the_place_has_their_end() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("data/home/bob")).expect("directories");
        symlink("/data/home", dir.path().join("home")).expect("link");
        symlink("../../../../../../home/bob/file", dir.path().join("data/up")).expect("link");
        symlink("loop", dir.path().join("loop")).expect("link");
        let host = Host::rooted(dir.path());
        let path = |path: &str, links| host.walk(path, links).map(|place| place.path);
        assert_eq!(path("/home/bob/file", Links::Trusted).expect("walk"), "/data/home/bob/file");
        assert_eq!(path("/data/up", Links::Trusted).expect("walk"), "/data/home/bob/file");
        assert_eq!(path("/data/up", Links::TrustedButLast).expect("walk"), "/data/up");
        assert_eq!(path("/", Links::Trusted).expect("walk"), "/");
        assert_eq!(path("//data//home/bob/", Links::Trusted).expect("walk"), "/data/home/bob");
        assert_eq!(path("/data/home/bob/.", Links::Trusted).expect("walk"), "/data/home/bob");
        assert_eq!(path("/none/file", Links::Trusted).expect_err("missing").kind(), io::ErrorKind::NotFound);
        assert!(path("/loop", Links::Trusted).is_err() && path("/a/../b", Links::Any).is_err() && path("a", Links::Any).is_err());
    }

    #[test]
    fn an_error_says_the_path_and_keeps_its_cause() {
        use crate::error::{system_cause, Kind};
        let error = at_path("/etc/x")(Errno::ENOSPC);
        assert_eq!((Kind::of_io(&error), error.to_string()), (Kind::Disk, "/etc/x: No space left on device (os error 28)".into()));
        assert_eq!(system_cause(&error).raw_os_error(), Some(28));
    }

    #[test]
    fn a_planted_link_is_read_but_never_written_through() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc")).expect("directories");
        symlink("/etc", dir.path().join("planted")).expect("link");
        lchown(dir.path().join("planted"), Some(1000), Some(1000)).expect("owner");
        let host = Host::rooted(dir.path());
        assert_eq!(host.walk("/planted/file", Links::Any).expect("walk").path, "/etc/file");
        let refused = host.walk("/planted/file", Links::Trusted).expect_err("refused");
        assert_eq!(refused.to_string(), "/planted is a symbolic link that belongs to user 1000; it is not followed");
        assert_eq!(host.walk("/planted", Links::TrustedButLast).expect("the link itself").path, "/planted");
    }
}
