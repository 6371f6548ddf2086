//! Files: the one writer, rooted.
//!
//! A written file appears whole or not at all, at any power cut: a temporary file in the same directory, mode and owner
//! set, fsync, rename, fsync of the directory. Paths are the host's own; under an image root symbolic links resolve inside it.
//! Changes follow only links that can be trusted: see `walk`.

use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{fchown, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use nix::errno::Errno;
use nix::fcntl::{readlinkat, renameat, OFlag};
use nix::sys::stat::{mkdirat, FileStat, Mode, SFlag};
use nix::sys::statfs::{statfs, FsType, MSDOS_SUPER_MAGIC};
use nix::unistd::{symlinkat, unlinkat, UnlinkatFlags};

use super::walk::{at_path, kind_of, Links, Place};
use super::{fault, Host};
use crate::hash::sha256_hex;

/// Temporary files begin so. The name is fixed for each target, so that the write that follows a cut takes away what the
/// cut left.
pub const TEMPORARY_PREFIX: &str = ".landfall-tmp-";
/// What is read without asking for the size first.
const SMALL: usize = 4096;

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

impl Host {
    /// Opens a file for reading, `None` where there is none. Links are followed, those of an image inside it.
    pub(super) fn open_to_read(&self, path: &str) -> io::Result<Option<std::fs::File>> {
        if self.is_live() {
            return Ok(absent_is_none(fs::File::open(path))?.map(|file| file.into_parts().0));
        }
        let Some(place) = absent_is_none(self.walk(path, Links::Any))? else { return Ok(None) };
        absent_is_none(place.open(OFlag::O_RDONLY, 0))
    }

    /// The directory `path` as a path of this process, which for an image is reached without following its links out of it.
    pub(super) fn inside(&self, path: &str) -> io::Result<PathBuf> {
        if self.is_live() {
            return Ok(PathBuf::from(path));
        }
        Ok(self.real_path(&self.walk(path, Links::Any)?.path))
    }

    /// The file's bytes; `None` where it does not exist. Follows a final link.
    pub fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open_to_read(path)? else { return Ok(None) };
        read_whole(file).map(Some).map_err(at_path(path))
    }

    /// At most `count` bytes of a file from `offset` on; none where it does not exist.
    pub fn read_range(&self, path: &str, offset: u32, count: u32) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(mut file) = self.open_to_read(path)? {
            file.seek(io::SeekFrom::Start(offset.into())).map_err(at_path(path))?;
            file.take(count.into()).read_to_end(&mut bytes).map_err(at_path(path))?;
        }
        Ok(bytes)
    }

    /// The first bytes of a file.
    pub fn read_start(&self, path: &str, count: u32) -> io::Result<Vec<u8>> {
        self.read_range(path, 0, count)
    }

    /// The file as text; bytes that are not UTF-8 are replaced.
    pub fn read_text(&self, path: &str) -> io::Result<Option<String>> {
        Ok(self.read(path)?.map(text_of))
    }

    /// What stands at `path`, without following a final link.
    pub fn status(&self, path: &str) -> io::Result<Option<Status>> {
        if self.is_live() {
            let Some(found) = absent_is_none(fs::symlink_metadata(path))? else { return Ok(None) };
            return Ok(Some(status_of(found.mode(), found.uid(), found.gid(), found.len())));
        }
        let found = absent_is_none(self.look(path, Links::AnyButLast))?;
        Ok(found.and_then(|(_, found)| found).map(|stat| status_of_stat(&stat)))
    }

    /// Whether anything stands at `path` (a dangling link does not).
    pub fn exists(&self, path: &str) -> bool {
        if self.is_live() {
            return Path::new(path).exists();
        }
        self.look(path, Links::Any).is_ok_and(|(_, found)| found.is_some())
    }

    /// Names in a directory, in byte order; empty where it does not exist.
    pub fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let Some(directory) = absent_is_none(self.inside(path))? else { return Ok(Vec::new()) };
        let Some(entries) = absent_is_none(fs::read_dir(directory))? else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// The path without links, where its directory exists; what stands there need not.
    pub fn follow(&self, path: &str) -> io::Result<String> {
        Ok(absent_is_none(self.walk(path, Links::Any))?.map_or_else(|| path.to_owned(), |place| place.path))
    }

    /// As [`Self::follow_trusted`], with what stands there.
    pub fn look_trusted(&self, path: &str) -> io::Result<(String, Option<Status>)> {
        let Some((place, found)) = absent_is_none(self.look(path, Links::Trusted))? else { return Ok((path.to_owned(), None)) };
        Ok((place.path, found.map(|stat| status_of_stat(&stat))))
    }

    /// As [`Self::follow`], but a link not owned by root is an error: its owner could point root's write anywhere.
    pub fn follow_trusted(&self, path: &str) -> io::Result<String> {
        Ok(absent_is_none(self.walk(path, Links::Trusted))?.map_or_else(|| path.to_owned(), |place| place.path))
    }

    /// Writes a whole file atomically and durably; a trusted link that stands there is followed. Its directory must exist.
    pub fn write(&self, path: &str, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
        replace(&self.walk(path, Links::Trusted)?, bytes, attributes)
    }

    /// As [`Self::write`], but a link that stands there is itself replaced by the file.
    pub fn replace(&self, path: &str, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
        replace(&self.walk(path, Links::TrustedButLast)?, bytes, attributes)
    }

    /// As [`Self::write`], with the bytes of another file, which is read as it is written.
    pub fn write_from(&self, path: &str, source: &str, attributes: Attributes) -> io::Result<()> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, format!("{source} does not exist"));
        let mut source = self.open_to_read(source)?.ok_or_else(missing)?;
        replace_by(&self.walk(path, Links::Trusted)?, attributes, |file| io::copy(&mut source, file).map(|_| ()))
    }

    /// Removes what a cut has left of a write to `path`.
    pub fn sweep_temporary(&self, path: &str) -> io::Result<()> {
        let Some(place) = absent_is_none(self.walk(path, Links::Trusted))? else { return Ok(()) };
        let temporary = place.sibling(&temporary_name(&place.path))?;
        match unlinkat(&temporary.directory, temporary.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(at_path(path)(errno)),
        }
    }

    /// Whether the filesystem on which `path` stands keeps mode and owner of each file: those of Windows take them and keep none.
    pub fn keeps_attributes(&self, path: &str) -> bool {
        // vfat, exfat, ntfs of either driver, and what is mounted by CIFS (statfs(2) and the kernel's own).
        const WITHOUT: [FsType; 6] =
            [MSDOS_SUPER_MAGIC, FsType(0x2011_bab0), FsType(0x5346_544e), FsType(0x7366_746e), FsType(0xff53_4d42), FsType(0xfe53_4d42)];
        statfs(&self.real_path(path)).map_or(true, |found| !WITHOUT.contains(&found.filesystem_type()))
    }

    /// Sets mode and owner of what exists, durably.
    pub fn set_attributes(&self, path: &str, attributes: Attributes) -> io::Result<()> {
        let place = self.walk(path, Links::Trusted)?;
        let file = place.open(OFlag::O_RDONLY, 0)?;
        set_attributes(&file, attributes).and_then(|()| file.sync_all()).map_err(at_path(path))
    }

    /// Removes a file or link; nothing there is fine. Says whether something was.
    pub fn remove(&self, path: &str) -> io::Result<bool> {
        self.unlink(path, UnlinkatFlags::NoRemoveDir)
    }

    /// Removes an empty directory; nothing there is fine. Says whether something was.
    pub fn remove_directory(&self, path: &str) -> io::Result<bool> {
        self.unlink(path, UnlinkatFlags::RemoveDir)
    }

    fn unlink(&self, path: &str, flag: UnlinkatFlags) -> io::Result<bool> {
        let Some(place) = absent_is_none(self.walk(path, Links::TrustedButLast))? else { return Ok(false) };
        let removed = unlinkat(&place.directory, place.name.as_os_str(), flag).map_err(at_path(path));
        let removed = absent_is_none(removed)?.is_some();
        if removed {
            place.sync_directory()?;
        }
        Ok(removed)
    }

    /// Makes `path` a link to `target`, replacing what stands there atomically.
    pub fn symlink(&self, path: &str, target: &str) -> io::Result<()> {
        let place = self.walk(path, Links::TrustedButLast)?;
        let temporary = place.sibling(&temporary_name(&place.path))?;
        let _ = unlinkat(&temporary.directory, temporary.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        symlinkat(target, &temporary.directory, temporary.name.as_os_str()).map_err(at_path(path))?;
        rename(&temporary, &place)
    }

    /// What a link points to.
    pub fn link_target(&self, path: &str) -> io::Result<Option<String>> {
        if self.is_live() {
            let target = match fs::read_link(path) {
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => None,
                target => absent_is_none(target)?,
            };
            return Ok(target.map(|target| target.to_string_lossy().into_owned()));
        }
        let Some(place) = absent_is_none(self.walk(path, Links::AnyButLast))? else { return Ok(None) };
        Ok(readlinkat(&place.directory, place.name.as_os_str()).ok().map(|target| target.to_string_lossy().into_owned()))
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
        let matches = names.into_iter().filter(|found| matches_glob(name, found) && (name.starts_with('.') || !found.starts_with('.')));
        Ok(matches.map(|found| format!("{directory}/{found}")).collect())
    }

    /// Makes a directory with its parents, durably; returns those that were made, outermost first.
    pub fn make_directories(&self, path: &str, attributes: Attributes) -> io::Result<Vec<String>> {
        self.make_missing_directories(path, attributes, true)
    }

    /// As [`Self::make_directories`], but not durable before the caller syncs what it is on.
    pub fn make_directories_unsynced(&self, path: &str, attributes: Attributes) -> io::Result<()> {
        self.make_missing_directories(path, attributes, false).map(drop)
    }

    /// As [`Self::make_directories`], durable or not.
    pub(super) fn make_missing_directories(&self, path: &str, attributes: Attributes, durable: bool) -> io::Result<Vec<String>> {
        let missing = self.missing_directories(path);
        let mut unsynced = Vec::new();
        for directory in &missing {
            let place = self.walk(directory, Links::Trusted)?;
            match mkdirat(&place.directory, place.name.as_os_str(), Mode::S_IRWXU) {
                Ok(()) => {}
                Err(Errno::EEXIST) if place.stat()?.is_some_and(|stat| kind_of(&stat) == SFlag::S_IFDIR) => continue,
                Err(errno) => return Err(at_path(directory)(errno)),
            }
            let made = place.open(OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)?;
            set_attributes(&made, attributes).map_err(at_path(directory))?;
            unsynced.push((place, made));
        }
        if durable {
            for (place, made) in unsynced.iter().rev() {
                made.sync_all().map_err(at_path(&place.path))?;
            }
            if let Some((outermost, _)) = unsynced.first() {
                outermost.sync_directory()?;
            }
        }
        Ok(missing)
    }

    /// The real path of a host path, for programs and reads that need one. No link of an image is resolved.
    pub fn real_path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }
}

fn status_of_stat(stat: &FileStat) -> Status {
    status_of(stat.st_mode, stat.st_uid, stat.st_gid, u64::try_from(stat.st_size).unwrap_or(0))
}

fn status_of(mode: u32, uid: u32, gid: u32, size: u64) -> Status {
    let kind = match SFlag::from_bits_truncate(mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => FileKind::File,
        SFlag::S_IFDIR => FileKind::Directory,
        SFlag::S_IFLNK => FileKind::Symlink,
        _ => FileKind::Other,
    };
    Status { attributes: Attributes { mode: mode & 0o7777, uid, gid }, size, kind }
}

/// The owner first: a change of owner takes the setuid bit away.
fn set_attributes(file: &std::fs::File, attributes: Attributes) -> io::Result<()> {
    fchown(file, Some(attributes.uid), Some(attributes.gid))?;
    file.set_permissions(std::fs::Permissions::from_mode(attributes.mode))
}

fn replace(place: &Place, bytes: &[u8], attributes: Attributes) -> io::Result<()> {
    replace_by(place, attributes, |file| file.write_all(bytes))
}

/// The one writer: a temporary file beside the place, complete and synced, takes its name.
fn replace_by(place: &Place, attributes: Attributes, fill: impl FnOnce(&mut std::fs::File) -> io::Result<()>) -> io::Result<()> {
    let temporary = place.sibling(&temporary_name(&place.path))?;
    let discard = || unlinkat(&temporary.directory, temporary.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
    let _ = discard();
    let written = write_new(&temporary, attributes, fill).map_err(at_path(&place.path)).and_then(|()| {
        fault::point("file.before-rename");
        rename(&temporary, place)
    });
    if written.is_err() {
        let _ = discard();
    }
    written
}

fn write_new(temporary: &Place, attributes: Attributes, fill: impl FnOnce(&mut std::fs::File) -> io::Result<()>) -> io::Result<()> {
    let mut file = temporary.open(OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL, 0o600)?;
    fill(&mut file)?;
    set_attributes(&file, attributes)?;
    fault::point("file.before-fsync");
    file.sync_all()
}

fn rename(from: &Place, to: &Place) -> io::Result<()> {
    renameat(&from.directory, from.name.as_os_str(), &to.directory, to.name.as_os_str()).map_err(at_path(&to.path))?;
    fault::point("file.after-rename");
    to.sync_directory()
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

fn absent_is_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

fn temporary_name(target: &str) -> String {
    format!("{TEMPORARY_PREFIX}{}", &sha256_hex(target.as_bytes())[..16])
}

/// What is left of a file. Most files of a boot are small: asking for the size costs more than it saves, and the kernel's own have none.
fn read_whole(mut file: impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SMALL);
    (&mut file).take(SMALL as u64).read_to_end(&mut bytes)?;
    if bytes.len() == SMALL {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Bytes as text; those that are not UTF-8 are replaced.
pub fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What the kernel tells in a file of its own.
pub(super) fn read_kernel(path: &str) -> io::Result<String> {
    fs::File::open(path).and_then(|file| read_whole(file.into_parts().0)).map(text_of)
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
        assert_eq!(host.matching("/.ssh_host_*").expect("list"), ["/.ssh_host_key"]);
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
        host.write("/name", b"new", me(0o600)).expect("write");
        assert_eq!(host.read("/target").expect("read").as_deref(), Some(&b"new"[..]));
        assert!(host.link_target("/name").expect("link").is_some());
        host.replace("/name", b"own", me(0o600)).expect("replace");
        assert!(host.link_target("/name").expect("link").is_none());
        assert_eq!(host.list("/").expect("list"), ["name", "target"], "nothing temporary stays");
    }
}
