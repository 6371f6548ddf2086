//! Files: the one writer, rooted.
//!
//! A written file appears whole or not at all, at any power cut: a temporary file in the same directory, mode and owner
//! set, fsync, rename, fsync of the directory. Paths are the host's own; under an image root symbolic links resolve inside it.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{chown, fchown, lchown, MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::fcntl::{openat2, OFlag, OpenHow, ResolveFlag};

use super::{fault, Host};

/// Temporary files begin so. The name is fixed for each target, so that the write that follows a cut takes away what the
/// cut left.
pub const TEMPORARY_PREFIX: &str = ".landfall-tmp-";

/// Mode and owner for a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

impl Attributes {
    /// For a file of landfall's own: the user it runs as.
    pub fn own(mode: u32) -> Self {
        Self { mode, uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() }
    }
}

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Mode, owner, group.
    pub attributes: Attributes,
    /// Bytes.
    pub size: u64,
    /// What it is.
    pub kind: FileKind,
}

/// What kind of file stands at a path, without following a final link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// A path made safe to use: the directory is held open where the host is an image.
struct Resolved {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl Host {
    fn resolve(&self, path: &str) -> io::Result<Resolved> {
        let path = Path::new(path);
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a plain absolute path", path.display())));
        }
        if self.is_live() {
            return Ok(Resolved { path: path.to_owned(), _directory: None });
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Resolved { path: self.root().to_owned(), _directory: None });
        };
        let root = fs::File::open(self.root())?;
        let inside = parent.strip_prefix("/").unwrap_or(parent);
        let inside = if inside.as_os_str().is_empty() { Path::new(".") } else { inside };
        let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let directory = openat2(root.file(), inside, how)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(Resolved { path, _directory: Some(directory) })
    }

    /// The directory `path` as a path of this process, which for an image is reached without following its links out of it.
    pub(super) fn inside(&self, path: &str) -> io::Result<PathBuf> {
        if self.is_live() {
            return Ok(PathBuf::from(path));
        }
        let target = self.follow(path)?;
        let resolved = self.resolve(&target)?;
        fs_err::canonicalize(&resolved.path)
    }

    /// The file's bytes; `None` where it does not exist. Follows a final link.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.follow(path)?;
        let found = absent_is_none(self.resolve(&path))?;
        let Some(resolved) = found else { return Ok(None) };
        let Some(mut file) = absent_is_none(fs::File::open(&resolved.path))? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// At most `count` bytes of a file from `offset` on.
    pub fn read_range(&self, path: &str, offset: u32, count: u32) -> io::Result<Vec<u8>> {
        let path = self.follow(path)?;
        let resolved = self.resolve(&path)?;
        let mut file = fs::File::open(&resolved.path)?;
        file.seek(io::SeekFrom::Start(offset.into()))?;
        let mut bytes = Vec::new();
        file.take(count.into()).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The first bytes of a file.
    pub fn read_start(&self, path: &str, count: u32) -> io::Result<Vec<u8>> {
        self.read_range(path, 0, count)
    }

    /// The file as text; bytes that are not UTF-8 are replaced.
    pub fn read_text(&self, path: &str) -> io::Result<Option<String>> {
        Ok(self.read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// What stands at `path`, without following a final link.
    pub fn status(&self, path: &str) -> io::Result<Option<Status>> {
        let Some(resolved) = absent_is_none(self.resolve(path))? else { return Ok(None) };
        let Some(metadata) = absent_is_none(fs::symlink_metadata(&resolved.path))? else { return Ok(None) };
        let kind = if metadata.is_file() {
            FileKind::File
        } else if metadata.is_dir() {
            FileKind::Directory
        } else if metadata.file_type().is_symlink() {
            FileKind::Symlink
        } else {
            FileKind::Other
        };
        let attributes = Attributes { mode: metadata.mode() & 0o7777, uid: metadata.uid(), gid: metadata.gid() };
        Ok(Some(Status { attributes, size: metadata.len(), kind }))
    }

    /// Whether anything stands at `path` (a dangling link does not).
    pub fn exists(&self, path: &str) -> bool {
        self.follow(path).and_then(|path| self.status(&path)).is_ok_and(|status| status.is_some())
    }

    /// Names in a directory, in byte order; empty where it does not exist.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(resolved) = absent_is_none(self.resolve(path))? else { return Ok(Vec::new()) };
        let Some(entries) = absent_is_none(fs::read_dir(&resolved.path))? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// Where a final symbolic link leads (at most 16 links), so that writing changes the target and keeps the link.
    /// A link that somebody other than root owns is not followed when it leaves its directory's owner: see `follow_trusted`.
    pub fn follow(&self, path: &str) -> io::Result<String> {
        let mut current = path.to_owned();
        for _ in 0..16 {
            let Some(resolved) = absent_is_none(self.resolve(&current))? else { return Ok(current) };
            let Ok(target) = fs::read_link(&resolved.path) else { return Ok(current) };
            let base = Path::new(&current).parent().unwrap_or_else(|| Path::new("/"));
            current = normalise(&base.join(target));
        }
        Err(io::Error::other(format!("{path}: too many levels of symbolic links")))
    }

    /// As [`Self::follow`], but a link not owned by root is an error: its owner could point root's write anywhere.
    pub fn follow_trusted(&self, path: &str) -> io::Result<String> {
        match self.status(path)? {
            Some(status) if status.kind == FileKind::Symlink && status.attributes.uid != 0 => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("{path} is a symbolic link that does not belong to root; it is not followed"),
            )),
            _ => self.follow(path),
        }
    }

    /// Writes a whole file atomically and durably. Parent directories must exist.
    pub fn write(&self, path: &str, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
        self.replace(&self.follow_trusted(path)?, bytes, attributes)
    }

    /// As [`Self::write`], but a link that stands there is itself replaced by the file.
    pub fn replace(&self, path: &str, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
        let resolved = self.resolve(path)?;
        let directory = resolved.path.parent().unwrap_or_else(|| Path::new("/"));
        let temporary = directory.join(temporary_name(path));
        let written = write_temporary(&temporary, bytes, attributes).and_then(|()| {
            fault::point("file.before-rename");
            fs::rename(&temporary, &resolved.path)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        fault::point("file.after-rename");
        sync_directory(directory)
    }

    /// Sets mode and owner of what exists, durably.
    pub fn set_attributes(&self, path: &str, attributes: Attributes) -> io::Result<()> {
        let path = self.follow_trusted(path)?;
        let resolved = self.resolve(&path)?;
        chown(&resolved.path, Some(attributes.uid), Some(attributes.gid))?;
        fs::set_permissions(&resolved.path, std::fs::Permissions::from_mode(attributes.mode))?;
        fs::File::open(&resolved.path)?.sync_all()
    }

    /// Removes a file or link; nothing there is fine. Says whether something was.
    pub fn remove(&self, path: &str) -> io::Result<bool> {
        let Some(resolved) = absent_is_none(self.resolve(path))? else { return Ok(false) };
        let removed = absent_is_none(fs::remove_file(&resolved.path))?.is_some();
        if removed {
            sync_directory(resolved.path.parent().unwrap_or_else(|| Path::new("/")))?;
        }
        Ok(removed)
    }

    /// Makes `path` a link to `target`, replacing what stands there atomically.
    pub fn symlink(&self, path: &str, target: &str) -> io::Result<()> {
        let resolved = self.resolve(path)?;
        let directory = resolved.path.parent().unwrap_or_else(|| Path::new("/"));
        let temporary = directory.join(temporary_name(path));
        let _ = fs::remove_file(&temporary);
        fs::os::unix::fs::symlink(target, &temporary)?;
        if let Err(error) = fs::rename(&temporary, &resolved.path) {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        sync_directory(directory)
    }

    /// What a link points to.
    pub fn link_target(&self, path: &str) -> io::Result<Option<String>> {
        let Some(resolved) = absent_is_none(self.resolve(path))? else { return Ok(None) };
        Ok(fs::read_link(&resolved.path).ok().map(|target| target.to_string_lossy().into_owned()))
    }

    /// Those of `path` and its parents that do not exist, outermost first.
    pub fn missing_directories(&self, path: &str) -> Vec<String> {
        let mut missing = Vec::new();
        let mut current = PathBuf::from(path);
        while !self.exists(&current.to_string_lossy()) {
            missing.push(current.to_string_lossy().into_owned());
            if !current.pop() {
                break;
            }
        }
        missing.reverse();
        missing
    }

    /// Paths that `pattern` stands for: itself if something is there, or, with `*` in its last component, every match.
    pub fn matching(&self, pattern: &str) -> io::Result<Vec<String>> {
        let (directory, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
        if !name.contains('*') {
            return Ok(self.status(pattern)?.map(|_| pattern.to_owned()).into_iter().collect());
        }
        let names = self.list(if directory.is_empty() { "/" } else { directory })?;
        let matches = names.into_iter().filter(|found| matches_glob(name, found) && !found.starts_with('.'));
        Ok(matches.map(|found| format!("{directory}/{found}")).collect())
    }

    /// Makes a directory with its parents; returns those that were made, outermost first.
    pub fn make_directories(&self, path: &str, attributes: Attributes) -> io::Result<Vec<String>> {
        let missing = self.missing_directories(path);
        for directory in &missing {
            let resolved = self.resolve(directory)?;
            match fs::create_dir(&resolved.path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !resolved.path.is_dir() => return Err(error),
                Err(_) => continue,
                Ok(()) => {}
            }
            lchown(&resolved.path, Some(attributes.uid), Some(attributes.gid))?;
            fs::set_permissions(&resolved.path, std::fs::Permissions::from_mode(attributes.mode))?;
            sync_directory(&resolved.path)?;
            sync_directory(resolved.path.parent().unwrap_or_else(|| Path::new("/")))?;
        }
        Ok(missing)
    }

    /// Removes an empty directory; says whether it did.
    pub fn remove_directory(&self, path: &str) -> io::Result<bool> {
        let Some(resolved) = absent_is_none(self.resolve(path))? else { return Ok(false) };
        match fs::remove_dir(&resolved.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The real path of a host path, for programs and reads that need one. No link of an image is resolved.
    pub fn real_path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }
}

/// `*` stands for any characters.
fn matches_glob(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or("");
    for piece in pieces {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}

/// `a/b/../c/.` without dots.
fn normalise(path: &Path) -> String {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out.to_string_lossy().into_owned()
}

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn temporary_name(target: &str) -> String {
    format!("{TEMPORARY_PREFIX}{}", &super::backups::sha256_hex(target.as_bytes())[..16])
}

fn write_temporary(path: &Path, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    fchown(file.file(), Some(attributes.uid), Some(attributes.gid))?;
    file.set_permissions(std::fs::Permissions::from_mode(attributes.mode))?;
    fault::point("file.before-fsync");
    file.sync_all()
}

/// Writes a small file only we read (0600), in place: for the runtime directory, where nothing has to survive.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

/// The first `most` bytes of a file a person named, wherever that is.
pub fn read_input(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes the entries of a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me(mode: u32) -> Attributes {
        Attributes::own(mode)
    }

    #[test]
    fn patterns_stand_for_what_is_there() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        for name in ["ssh_host_rsa_key", "ssh_host_rsa_key.pub", "sshd_config", ".ssh_host_key"] {
            host.write(&format!("/{name}"), b"", me(0o600)).expect("write");
        }
        assert_eq!(host.matching("/ssh_host_*key*").expect("list"), ["/ssh_host_rsa_key", "/ssh_host_rsa_key.pub"]);
        assert_eq!(host.matching("/ssh_host_*key").expect("list"), ["/ssh_host_rsa_key"]);
        assert_eq!(host.matching("/sshd_config").expect("list"), ["/sshd_config"]);
        assert!(host.matching("/none/*").expect("list").is_empty());
    }

    #[test]
    fn links_of_an_image_stay_inside_it() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        host.make_directories("/etc/real", me(0o755)).expect("mkdir");
        std::os::unix::fs::symlink("/etc/real", dir.path().join("link")).expect("link");
        std::os::unix::fs::symlink("../../../etc/real/file", dir.path().join("etc/one")).expect("link");
        host.write("/link/file", b"1", me(0o640)).expect("write");
        assert_eq!(host.read("/etc/real/file").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(host.read("/etc/one").expect("read").as_deref(), Some(&b"1"[..]));
        assert_eq!(host.status("/etc/real/file").expect("status").expect("there").attributes.mode, 0o640);
        assert!(host.read("/etc/real/../x").is_err());
        assert_eq!(host.list("/etc/real").expect("list"), ["file"]);
    }

    #[test]
    fn writing_through_a_link_keeps_the_link() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        host.write("/target", b"old", me(0o600)).expect("write");
        std::os::unix::fs::symlink("target", dir.path().join("name")).expect("link");
        let written = host.write("/name", b"new", me(0o600));
        if nix::unistd::getuid().is_root() {
            written.expect("write");
            assert_eq!(host.read("/target").expect("read").as_deref(), Some(&b"new"[..]));
            assert!(host.link_target("/name").expect("link").is_some());
        } else {
            assert!(written.is_err(), "a link that root does not own is not followed");
        }
    }
}
