//! dpkg's database, read as files (deb-control(5), dpkg(1)).
//!
//! Read directly, not through dpkg-query(1): a power cut can leave the database such that dpkg refuses to read it (a status file or a
//! list that is empty), and putting that right is what landfall is for. It writes one file of it, the status file, as dpkg's own last copy.

use std::collections::BTreeSet;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use super::files::{text_of, FileKind};
use super::unsynced::has_lost_bytes;
use super::Host;

/// Where programs keep their state (hier(7)).
const STATE: &str = "/var/lib";
const LOG: &str = "/var/log/dpkg.log";
/// How much of dpkg's log is looked at for packages that were changed lately.
const LOG_TAIL: u64 = 64 << 10;
/// How much of a file is looked at for bytes that never reached the disk.
const LOOKED_AT: u32 = 1 << 20;
/// MD5 of nothing.
const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// dpkg's admin directory: what its `--admindir` is by default.
pub fn admin_directory() -> &'static str {
    static DIRECTORY: OnceLock<String> = OnceLock::new();
    DIRECTORY.get_or_init(|| format!("{STATE}/dpkg"))
}

/// The path of a file of the database.
pub fn admin_file(name: &str) -> String {
    format!("{}/{name}", admin_directory())
}

/// The path of the status file.
pub fn status_file() -> String {
    admin_file("status")
}

/// A package that dpkg knows.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DpkgPackage {
    /// Name.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Version, where it is there at all.
    pub version: String,
    /// `installed`, `half-installed`, `unpacked`, `half-configured`, `triggers-awaited`, `triggers-pending`, `config-files`,
    /// `not-installed`.
    pub state: String,
    /// dpkg says that it has to be unpacked again.
    pub reinstall: bool,
    /// Several architectures of it may be installed; its files in the database then carry the architecture.
    pub multi_arch_same: bool,
    /// KiB that it takes, by its maker's estimate; 0 where nothing is said.
    pub installed_size: u64,
    /// Names it provides.
    pub provides: Vec<String>,
    /// Configuration files, each with the MD5 sum of what the package brought.
    pub conffiles: Vec<(String, String)>,
}

impl DpkgPackage {
    /// Unpacked and configured, triggers aside.
    pub fn is_installed(&self) -> bool {
        matches!(self.state.as_str(), "installed" | "triggers-awaited" | "triggers-pending")
    }

    /// dpkg was stopped while it worked on it.
    pub fn is_unfinished(&self) -> bool {
        self.reinstall || !matches!(self.state.as_str(), "installed" | "config-files" | "not-installed")
    }

    /// As apt takes it: with its architecture, which a package for all has not.
    pub fn spec(&self) -> String {
        if self.arch == "all" || self.arch.is_empty() {
            self.name.clone()
        } else {
            format!("{}:{}", self.name, self.arch)
        }
    }

    fn info(&self, kind: &str) -> String {
        let arch = if self.multi_arch_same { format!(":{}", self.arch) } else { String::new() };
        admin_file(&format!("info/{}{arch}.{kind}", self.name))
    }
}

/// Packages of a status file.
pub type Packages = Arc<Vec<DpkgPackage>>;

/// What was read last of the status file, and by which it is known again.
pub(super) type Known = Arc<Mutex<Option<(Stamp, Packages)>>>;

/// By which a file is known that has not changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), size: metadata.size(), changed }
    }

    /// The file was last changed so long ago that a change from now on has another time: the clock of files ticks some hundred times a
    /// second.
    fn is_settled(&self) -> bool {
        const TICK: Duration = Duration::from_millis(50);
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else { return false };
        (SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)).elapsed().is_ok_and(|age| age > TICK)
    }
}

/// The packages of a status file; `None` if it is damaged.
pub fn parse_status(text: &str) -> Option<Vec<DpkgPackage>> {
    if text.is_empty() || memchr::memchr(0, text.as_bytes()).is_some() || !text.ends_with('\n') {
        return None;
    }
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    // Hundreds of kilobytes, several times in a run: the lines are found by memchr, and most of them are of fields that nobody reads.
    for line in memchr::memchr_iter(b'\n', text.as_bytes()).scan(0, |from, to| Some(&text[std::mem::replace(from, to + 1)..to])) {
        if line.bytes().all(|byte| byte.is_ascii_whitespace()) {
            packages.extend(std::mem::take(&mut stanza).end()?);
        } else {
            stanza.read(line);
        }
    }
    packages.extend(stanza.end()?);
    Some(packages)
}

/// The fields that are read.
const FIELDS: [&str; 8] = ["package", "status", "architecture", "version", "multi-arch", "installed-size", "provides", "conffiles"];

/// What was read of a package so far.
#[derive(Default)]
struct Stanza {
    package: DpkgPackage,
    began: bool,
    /// Its field `Status` has been read, and was one.
    known: bool,
    in_conffiles: bool,
}

impl Stanza {
    fn read(&mut self, line: &str) {
        self.began = true;
        let package = &mut self.package;
        if line.as_bytes().first() == Some(&b' ') {
            // Most of these lines belong to a field that nobody reads.
            if self.in_conffiles {
                let mut words = line.split_ascii_whitespace();
                package.conffiles.extend(words.next().zip(words.next()).map(|(path, sum)| (path.to_owned(), sum.to_owned())));
            }
            return;
        }
        self.in_conffiles = false;
        let Some((name, value)) = memchr::memchr(b':', line.as_bytes()).map(|end| (&line[..end], &line[end + 1..])) else { return };
        let is = |field: &&&str| field.len() == name.len() && field.as_bytes()[0] | 0x20 == name.as_bytes()[0] | 0x20;
        let Some(field) = FIELDS.iter().find(|field| is(field) && name.eq_ignore_ascii_case(field)) else { return };
        let value = value.trim_ascii();
        match *field {
            "package" => value.clone_into(&mut package.name),
            "architecture" => value.clone_into(&mut package.arch),
            "version" => value.clone_into(&mut package.version),
            "installed-size" => package.installed_size = value.parse().unwrap_or(0),
            "multi-arch" => package.multi_arch_same = value == "same",
            "provides" => {
                for part in value.split(',') {
                    let end = part.bytes().position(|byte| byte == b'(' || byte == b':').unwrap_or(part.len());
                    let name = part[..end].trim_ascii();
                    if !name.is_empty() {
                        package.provides.push(name.to_owned());
                    }
                }
            }
            "status" => {
                let mut words = value.split_ascii_whitespace().skip(1);
                if let (Some(flag), Some(state)) = (words.next(), words.next()) {
                    package.reinstall = flag == "reinstreq";
                    state.clone_into(&mut package.state);
                    self.known = true;
                }
            }
            _ => self.in_conffiles = true,
        }
    }

    /// The package; nothing between two empty lines. `None` if it is none.
    fn end(self) -> Option<Option<DpkgPackage>> {
        match self {
            Self { began: false, .. } => Some(None),
            Self { known: true, package, .. } if !package.name.is_empty() => Some(Some(package)),
            _ => None,
        }
    }
}

/// What a power cut did to the database.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Damage {
    /// The status file cannot be read.
    pub status: bool,
    /// dpkg was stopped in the middle: entries of `updates` are not merged, or packages are not configured.
    pub unfinished: Vec<String>,
    /// Packages that have to be unpacked again.
    pub reinstall: Vec<String>,
    /// Files of the database that dpkg would choke on.
    pub unreadable: Vec<String>,
}

impl Damage {
    /// Nothing is wrong.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Names of the packages that apt's extended states mark as automatically installed.
pub fn automatic_in(text: &str) -> BTreeSet<String> {
    let field = |stanza: &str, name: &str| stanza.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()));
    let automatic = text.split("\n\n").filter(|stanza| field(stanza, "Auto-Installed:").as_deref() == Some("1"));
    automatic.filter_map(|stanza| field(stanza, "Package:")).collect()
}

impl Host {
    /// Every package dpkg knows; `None` if its status file is damaged. A host without dpkg has none.
    pub fn packages(&self) -> io::Result<Option<Packages>> {
        if !self.exists(admin_directory()) {
            return Ok(Some(Packages::default()));
        }
        let Some(mut file) = self.open_to_read(&status_file())? else { return Ok(None) };
        let stamp = Stamp::of(&file.metadata()?);
        let mut known = self.known_packages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, packages)) = known.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(Some(packages.clone()));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let packages = parse_status(&text_of(bytes)).map(Packages::new);
        *known = packages.clone().filter(|_| stamp.is_settled()).map(|packages| (stamp, packages));
        Ok(packages)
    }

    /// Looks for what a cut left, by reading files only. With `files_too` at more than what dpkg says itself: at every
    /// package's list, and at the files of those that were changed lately.
    pub fn dpkg_damage(&self, files_too: bool) -> io::Result<Damage> {
        let mut damage = Damage::default();
        let Some(packages) = self.packages()? else {
            damage.status = true;
            return Ok(damage);
        };
        let updates = self.list(&admin_file("updates"))?;
        if updates.iter().any(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            damage.unfinished.push("dpkg".into());
        }
        let format = admin_file("info/format");
        if !packages.is_empty() && self.read(&format)?.is_some_and(|bytes| bytes.is_empty()) {
            damage.unreadable.push(format);
        }
        let lately = if files_too { self.lately_changed()? } else { BTreeSet::new() };
        for package in packages.iter() {
            if package.reinstall || package.state == "half-installed" {
                damage.reinstall.push(package.spec());
            } else if package.is_unfinished() {
                damage.unfinished.push(package.spec());
            }
            if !files_too || !package.is_installed() {
                continue;
            }
            let list = package.info("list");
            match self.last_byte(&list)? {
                Some(b'\n') if !lately.contains(&package.name) || !self.has_empty_files(package)? => continue,
                // dpkg refuses to work at all over a list whose last line is cut.
                Some(byte) if byte != b'\n' => damage.unreadable.push(list),
                _ => {}
            }
            damage.reinstall.push(package.spec());
        }
        damage.reinstall.dedup();
        Ok(damage)
    }

    /// The last byte of a file; `None` for an empty or missing one.
    fn last_byte(&self, path: &str) -> io::Result<Option<u8>> {
        let Some(status) = self.status(path)? else { return Ok(None) };
        let Some(last) = status.size.checked_sub(1).and_then(|last| u32::try_from(last).ok()) else { return Ok(None) };
        Ok(self.read_range(path, last, 1)?.first().copied())
    }

    /// Names of packages that dpkg's log mentions lately.
    fn lately_changed(&self) -> io::Result<BTreeSet<String>> {
        let size = self.status(LOG)?.map_or(0, |status| status.size);
        let from = u32::try_from(size.saturating_sub(LOG_TAIL)).unwrap_or(u32::MAX);
        let bytes = self.read_range(LOG, from, u32::try_from(LOG_TAIL).unwrap_or(u32::MAX))?;
        let text = String::from_utf8_lossy(&bytes);
        let name = |line: &str| {
            let mut words = line.split_whitespace().skip(2);
            let package = match words.next()? {
                "status" => words.nth(1)?,
                "install" | "upgrade" | "configure" | "unpack" => words.next()?,
                _ => return None,
            };
            Some(package.split(':').next().unwrap_or(package).to_owned())
        };
        Ok(text.lines().filter_map(name).collect())
    }

    /// Whether there is a file whose bytes, or a whole page of them, never reached the disk.
    fn lost_its_bytes(&self, path: &str) -> io::Result<bool> {
        let is_file = self.status(path)?.is_some_and(|status| status.kind == FileKind::File);
        if !is_file {
            return Ok(false);
        }
        Ok(has_lost_bytes(&self.read_start(path, LOOKED_AT)?))
    }

    /// Files of a package are empty although they were not when it was built, or its scripts have lost their bytes.
    fn has_empty_files(&self, package: &DpkgPackage) -> io::Result<bool> {
        for script in ["preinst", "postinst", "prerm", "postrm"] {
            if self.lost_its_bytes(&package.info(script))? {
                return Ok(true);
            }
        }
        let sums = self.read_text(&package.info("md5sums"))?.unwrap_or_default();
        for line in sums.lines() {
            let Some((sum, path)) = line.split_once("  ") else { continue };
            let status = self.status(&format!("/{}", path.trim_start_matches('/')))?;
            if sum != EMPTY_MD5 && status.is_some_and(|status| status.kind == FileKind::File && status.size == 0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Configuration files of a package that have lost their bytes although it brought them with something in them: dpkg does not
    /// sync them (those of a package that is being installed have not been emptied by a person yet).
    pub fn emptied_conffiles(&self, package: &DpkgPackage) -> io::Result<Vec<String>> {
        let mut empty = Vec::new();
        for (path, _) in package.conffiles.iter().filter(|(_, sum)| sum != EMPTY_MD5) {
            if self.lost_its_bytes(path)? {
                empty.push(path.clone());
            }
        }
        Ok(empty)
    }

    /// Files that were unpacked to become configuration files of a package, and have lost their bytes. One that is meant to be empty
    /// may be among them.
    pub fn emptied_new_conffiles(&self, package: &DpkgPackage) -> io::Result<Vec<String>> {
        let mut empty = Vec::new();
        for path in package.conffiles.iter().map(|(path, _)| format!("{path}.dpkg-new")) {
            if self.lost_its_bytes(&path)? {
                empty.push(path);
            }
        }
        Ok(empty)
    }

    /// Names of the packages that apt installed because others need them.
    pub fn automatic_packages(&self) -> io::Result<BTreeSet<String>> {
        Ok(automatic_in(&self.read_text("/var/lib/apt/extended_states")?.unwrap_or_default()))
    }

    /// Puts an older status file in place of a damaged one: dpkg's own copy, or that of the daily backup.
    pub fn restore_dpkg_status(&self) -> io::Result<Option<String>> {
        for copy in [admin_file("status-old"), "/var/backups/dpkg.status.0".to_owned()] {
            let Some(bytes) = self.read(&copy)? else { continue };
            if parse_status(&String::from_utf8_lossy(&bytes)).is_some() {
                self.write(&status_file(), &bytes, super::files::Attributes::own(0o644))?;
                return Ok(Some(copy));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::unsynced::PAGE;
    use super::*;

    const STATUS_TEXT: &str = "\
Package: base\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1\nDescription: x\n Package: not a field\n\n\
Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nConffiles:\n /etc/tool 0123456789abcdef0123456789abcdef\n /etc/old 00 obsolete\nProvides: virtual (= 2), other\n\n\
Package: gone\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 3\n";

    fn root() -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        for (path, text) in [
            ("var/lib/dpkg/status", STATUS_TEXT),
            ("var/lib/dpkg/status-old", STATUS_TEXT),
            ("var/lib/dpkg/info/format", "1\n"),
            ("var/lib/dpkg/info/base:amd64.list", "/.\n"),
            ("var/lib/dpkg/info/tool.list", "/.\n/usr\n/usr/tool\n"),
            ("var/lib/dpkg/info/tool.md5sums", "0123456789abcdef0123456789abcdef  usr/tool\nd41d8cd98f00b204e9800998ecf8427e  usr/empty\n"),
            ("usr/tool", "tool"),
            ("usr/empty", ""),
            ("var/log/dpkg.log", "2026-01-01 10:00:00 status installed tool:all 2\n"),
        ] {
            put(&dir, path, text);
        }
        std::fs::create_dir_all(dir.path().join("var/lib/dpkg/updates")).expect("updates");
        (dir, host)
    }

    fn put(dir: &tempfile::TempDir, path: &str, text: &str) {
        let real = dir.path().join(path);
        std::fs::create_dir_all(real.parent().expect("parent")).expect("directories");
        std::fs::write(real, text).expect("write");
    }

    #[test]
    fn packages_are_read_with_what_they_provide() {
        let packages = parse_status(STATUS_TEXT).expect("sound");
        assert_eq!((packages[0].spec().as_str(), packages[1].spec().as_str()), ("base:amd64", "tool"));
        assert_eq!(packages[1].provides, ["virtual", "other"]);
        assert_eq!(packages[1].conffiles[0], ("/etc/tool".to_owned(), "0123456789abcdef0123456789abcdef".to_owned()));
        assert_eq!(packages[1].conffiles.len(), 2);
        assert!(packages[0].is_installed() && !packages[2].is_installed() && !packages[2].is_unfinished());
        for damaged in ["", "Package: x\n", "Package: x\nStatus: install ok installed", "Package: x\nStatus: install\n", "\0\0\n"] {
            assert_eq!(parse_status(damaged), None, "{damaged:?}");
        }
    }

    #[test]
    fn what_was_read_is_read_again_once_the_file_has_changed() {
        let (dir, host) = root();
        let states = || host.packages().expect("read").expect("sound").iter().map(|package| package.state.clone()).collect::<Vec<_>>();
        // Changed in place to the same length, at once and after it has been kept.
        for (from, to) in [("installed", "installed"), ("installed", "installeX"), ("installeX", "installeY"), ("installeY", "installed")] {
            assert_eq!(states()[0], from);
            assert_eq!(states()[1], from);
            put(&dir, "var/lib/dpkg/status", &STATUS_TEXT.replace("installed", to));
            assert_eq!(states()[0], to);
            std::thread::sleep(Duration::from_millis(60));
        }
        let kept = host.packages().expect("read").expect("sound");
        assert!(Arc::ptr_eq(&kept, &host.packages().expect("read").expect("sound")));
    }

    #[test]
    fn a_sound_database_has_no_damage_and_every_kind_of_it_is_found() {
        let (dir, host) = root();
        assert!(host.dpkg_damage(true).expect("look").is_none());
        assert!(Host::rooted(dir.path().join("usr")).dpkg_damage(true).expect("no dpkg").is_none());

        put(&dir, "usr/tool", "");
        assert_eq!(host.dpkg_damage(true).expect("look").reinstall, ["tool"]);
        assert!(host.dpkg_damage(false).expect("look").is_none(), "dpkg itself says nothing of it");
        put(&dir, "usr/tool", "tool");
        put(&dir, "var/lib/dpkg/info/tool.postinst", "");
        assert_eq!(host.dpkg_damage(true).expect("look").reinstall, ["tool"]);
        put(&dir, "var/lib/dpkg/info/tool.postinst", "\0\0\0\0");
        assert_eq!(host.dpkg_damage(true).expect("look").reinstall, ["tool"]);
        std::fs::remove_file(dir.path().join("var/lib/dpkg/info/tool.postinst")).expect("remove");
        put(&dir, "var/lib/dpkg/info/tool.list", "/.\n/us");
        let damage = host.dpkg_damage(true).expect("look");
        assert_eq!((damage.reinstall, damage.unreadable), (vec!["tool".to_owned()], vec!["/var/lib/dpkg/info/tool.list".to_owned()]));
        put(&dir, "var/lib/dpkg/info/tool.list", "");
        assert_eq!(host.dpkg_damage(true).expect("look").reinstall, ["tool"]);
        put(&dir, "var/lib/dpkg/info/tool.list", "/.\n");
        put(&dir, "var/lib/dpkg/updates/0001", "x");
        assert_eq!(host.dpkg_damage(true).expect("look").unfinished, ["dpkg"]);
        put(&dir, "var/lib/dpkg/info/format", "");
        assert_eq!(host.dpkg_damage(true).expect("look").unreadable, ["/var/lib/dpkg/info/format"]);
    }

    #[test]
    fn an_emptied_configuration_file_and_automatic_packages_are_known() {
        let (dir, host) = root();
        let packages = host.packages().expect("read").expect("sound");
        put(&dir, "etc/tool", "");
        assert_eq!(host.emptied_conffiles(&packages[1]).expect("look"), ["/etc/tool"]);
        put(&dir, "etc/tool", "x");
        assert_eq!(host.emptied_conffiles(&packages[1]).expect("look"), Vec::<String>::new());
        put(&dir, "etc/tool", &"\0".repeat(29));
        put(&dir, "etc/tool.dpkg-new", &format!("{}{}", "x".repeat(PAGE), "\0".repeat(29)));
        assert_eq!(host.emptied_conffiles(&packages[1]).expect("look"), ["/etc/tool"]);
        assert_eq!(host.emptied_new_conffiles(&packages[1]).expect("look"), ["/etc/tool.dpkg-new"]);
        put(&dir, "etc/tool.dpkg-new", "binary \0\0 text");
        assert_eq!(host.emptied_new_conffiles(&packages[1]).expect("look"), Vec::<String>::new());
        put(&dir, "var/lib/apt/extended_states", "Package: a\nArchitecture: amd64\nAuto-Installed: 1\n\nPackage: b\nAuto-Installed: 0\n\n");
        assert_eq!(host.automatic_packages().expect("read"), ["a".to_owned()].into());
    }

    #[test]
    fn unfinished_packages_and_a_lost_status_are_found() {
        let (dir, host) = root();
        let text = STATUS_TEXT
            .replacen("install ok installed", "install reinstreq half-installed", 1)
            .replace("install ok installed", "install ok half-configured");
        put(&dir, "var/lib/dpkg/status", &text);
        let damage = host.dpkg_damage(true).expect("look");
        assert_eq!((damage.reinstall, damage.unfinished), (vec!["base:amd64".to_owned()], vec!["tool".to_owned()]));
        put(&dir, "var/lib/dpkg/status", "");
        assert!(host.dpkg_damage(true).expect("look").status);
        assert_eq!(host.restore_dpkg_status().expect("restore").as_deref(), Some("/var/lib/dpkg/status-old"));
        assert!(host.dpkg_damage(true).expect("look").is_none());
    }
}
