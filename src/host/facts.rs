//! The snapshot of the host that plans are made from. Files are read, no program is started.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use nix::net::if_::InterfaceFlags;

use super::process::Spec;
use super::Host;
use crate::facts::{Account, Facts, Interface, System, FILES, PROGRAMS};
use crate::ordered::map_of;

/// Where the hostname set last is kept, by the peer as by landfall.
const PREVIOUS_HOSTNAME: &str = "/var/lib/cloud/data/previous-hostname";
const PART_HANDLERS: &str = "/var/lib/cloud/handlers";
const DEVICES: &str = "/sys/class/net";
const MEMORY: &str = "/sys/devices/system/memory";
const ZONES: &str = "/usr/share/zoneinfo";

impl Host {
    /// For each regular expression the names of the texts that it matches; `None` for what is no expression.
    pub fn repositories(&self, asked: Vec<(&str, Vec<(String, &str)>)>) -> BTreeMap<String, Option<BTreeSet<String>>> {
        let mut found = BTreeMap::new();
        for (pattern, texts) in asked {
            let names: &mut Option<BTreeSet<String>> = found.entry(pattern.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
            for (name, text) in texts {
                match (self.regex_matches(pattern, text), names.as_mut()) {
                    (Some(true), Some(names)) => drop(names.insert(name)),
                    (Some(_), _) => {}
                    (None, _) => *names = None,
                }
            }
        }
        found
    }

    /// Takes the snapshot. What comes from the datasource (instance, metadata) and from the scripts (`joint_items`) is for the
    /// caller to fill in. `timezones` are the configured ones, of which the facts say whether they exist.
    pub fn facts(&self, timezones: &[&str]) -> io::Result<Facts> {
        let System { distro, codename, version_id, hostname } = self.system()?;
        let previous = self.read_text(PREVIOUS_HOSTNAME)?;
        Ok(Facts {
            distro,
            codename,
            version_id,
            arch: self.architecture().into(),
            domain: self.domain(&hostname)?,
            hostname,
            etc_hostname: self.etc_hostname()?,
            previous_hostname: previous.and_then(|text| first_entry(&text)),
            users: self.accounts()?,
            groups: self.groups()?.into_iter().map(|group| group.name).collect(),
            sshd_includes_dropins: self.sshd_includes_dropins()?,
            sudoers_includes_dropins: self.sudoers_includes_dropins()?,
            root_on_device: self.is_live()
                && self.mounted_at("/").is_some_and(|mount| self.block_of_mount(&mount).is_some() || self.pool_of_mount(&mount).is_some()),
            has_sources_list: self.exists("/etc/apt/sources.list"),
            files: FILES.iter().filter(|path| self.exists(path)).map(|path| (*path).to_owned()).collect(),
            programs: self.programs_among(PROGRAMS.iter().copied()),
            timezone: self.timezone()?,
            zones: map_of(timezones.iter().filter_map(|zone| Some(((*zone).to_owned(), self.zone(zone)?)))),
            lang: self.lang()?,
            locales: self.locales()?,
            part_handlers: self.part_handlers()?,
            ..Facts::default()
        })
    }

    /// Part handlers that the maker of an image left for every instance, by path.
    pub fn part_handlers(&self) -> io::Result<Vec<String>> {
        let names = self.list(PART_HANDLERS)?;
        Ok(names.iter().filter(|name| name.ends_with(".py")).map(|name| format!("{PART_HANDLERS}/{name}")).collect())
    }

    /// The network devices that exist and stand on no other. An image has none.
    pub fn interfaces(&self) -> io::Result<Vec<Interface>> {
        let mut found: Vec<Interface> = Vec::new();
        if !self.is_live() {
            return Ok(found);
        }
        for address in nix::ifaddrs::getifaddrs()? {
            let Some(mac) = address.address.and_then(|address| address.as_link_addr().and_then(|link| link.addr())) else { continue };
            let name = address.interface_name;
            let stands_on_others = ["bonding", "bridge"].iter().any(|kind| self.exists(&format!("{DEVICES}/{name}/{kind}")))
                || self.exists(&format!("/proc/net/vlan/{name}"));
            if name == "lo" || stands_on_others {
                continue;
            }
            let driver = self.link_target(&format!("{DEVICES}/{name}/device/driver")).ok().flatten();
            let driver = driver.and_then(|target| target.rsplit('/').next().map(str::to_owned));
            // A port of a bond has the bond's address, and keeps its own here.
            let own = self.read_text(&format!("{DEVICES}/{name}/bonding_slave/perm_hwaddr")).ok().flatten();
            let mac = own.map_or_else(|| mac.map(|byte| format!("{byte:02x}")).join(":"), |own| own.trim().to_ascii_lowercase());
            found.push(Interface { name, mac, driver, is_up: address.flags.contains(InterfaceFlags::IFF_UP) });
        }
        Ok(found)
    }

    /// Bytes of memory that the machine has, or as many of them as it may use. `None` for an image.
    pub fn memory(&self) -> io::Result<Option<u64>> {
        if !self.is_live() {
            return Ok(None);
        }
        let kernel = Some(self.kernel_memory()?).filter(|bytes| *bytes > 0);
        Ok(kernel.map(|kernel| built_in(kernel, self.memory_blocks())))
    }

    /// The memory that is plugged in, by its blocks, where the kernel counts them.
    fn memory_blocks(&self) -> Option<u64> {
        let size = self.read_text(&format!("{MEMORY}/block_size_bytes")).ok()??;
        let size = u64::from_str_radix(size.trim(), 16).ok()?;
        let names = self.list(MEMORY).ok()?;
        let online = |name: &&String| {
            let is_block = name.strip_prefix("memory").is_some_and(|number| number.parse::<u32>().is_ok());
            is_block && self.read_text(&format!("{MEMORY}/{name}/online")).ok().flatten().is_some_and(|text| text.trim() == "1")
        };
        size.checked_mul(names.iter().filter(online).count() as u64)
    }

    /// What the host runs in, as systemd-detect-virt(1) says; `None` for an image, and where there is nobody to ask.
    pub fn virtualization(&self) -> Option<String> {
        if !self.is_live() {
            return None;
        }
        // It ends with 1 where it says `none`.
        let ended = self.run(&Spec::new(["systemd-detect-virt"]).deadline(Duration::from_secs(10))).ok()?;
        Some(ended.stdout.trim().to_owned()).filter(|word| !word.is_empty())
    }

    /// Which system this is.
    pub fn system(&self) -> io::Result<System> {
        let release = self.os_release()?;
        let of = |name: &str| release.get(name).cloned().unwrap_or_default();
        let hostname = if self.is_live() { running_hostname() } else { self.etc_hostname()?.unwrap_or_default() };
        Ok(System { distro: of("ID"), codename: of("VERSION_CODENAME"), version_id: of("VERSION_ID"), hostname })
    }

    fn etc_hostname(&self) -> io::Result<Option<String>> {
        Ok(self.read_text("/etc/hostname")?.and_then(|text| first_entry(&text)))
    }

    /// Whether a program is on the usual path, or, where its own path is given, there.
    pub fn finds_program(&self, name: &str) -> bool {
        if name.starts_with('/') {
            return self.exists(name);
        }
        self.finds_in(&self.search_path().split(':').collect::<Vec<_>>(), name)
    }

    /// Those of many programs that are found, each directory looked into once: on most hosts some are links to others or empty.
    pub fn programs_among<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<String> {
        let mut places = BTreeSet::new();
        let mut directories: Vec<&str> = self.search_path().split(':').collect();
        directories.retain(|directory| {
            let is_empty = || directory.starts_with("/usr/local/") && self.list(directory).is_ok_and(|names| names.is_empty());
            self.follow(directory).map_or(true, |place| places.insert(place)) && !is_empty()
        });
        let found = |name: &&str| if name.starts_with('/') { self.exists(name) } else { self.finds_in(&directories, name) };
        names.into_iter().filter(found).map(str::to_owned).collect()
    }

    fn finds_in(&self, directories: &[&str], name: &str) -> bool {
        directories.iter().any(|directory| self.exists(&format!("{directory}/{name}")))
    }

    /// os-release(5).
    fn os_release(&self) -> io::Result<BTreeMap<String, String>> {
        let text = match self.read_text("/etc/os-release")? {
            Some(text) => text,
            None => self.read_text("/usr/lib/os-release")?.unwrap_or_default(),
        };
        Ok(assignments(&text))
    }

    /// dpkg's name of the architecture, told by what dpkg itself is built for: it may differ from the kernel's.
    fn architecture(&self) -> &'static str {
        let header = self.read_start("/usr/bin/dpkg", 20).unwrap_or_default();
        let little = header.get(5) == Some(&1);
        let machine = match header.get(18..20) {
            Some(&[one, two]) if little => u16::from_le_bytes([one, two]),
            Some(&[one, two]) => u16::from_be_bytes([one, two]),
            _ => 0,
        };
        match machine {
            62 => "amd64",
            183 => "arm64",
            40 => "armhf",
            3 => "i386",
            243 => "riscv64",
            21 if little => "ppc64el",
            22 => "s390x",
            _ => match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            },
        }
    }

    /// The domain of the canonical name in the line of `/etc/hosts` that names the host.
    fn domain(&self, hostname: &str) -> io::Result<Option<String>> {
        if let Some((_, domain)) = hostname.split_once('.') {
            return Ok(Some(domain.to_owned()));
        }
        let text = self.read_text("/etc/hosts")?.unwrap_or_default();
        let canonical = |line: &str| {
            let names: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().skip(1).collect();
            let (_, domain) = names.first()?.split_once('.')?;
            names.contains(&hostname).then(|| domain.to_owned())
        };
        Ok(text.lines().find_map(canonical))
    }

    fn accounts(&self) -> io::Result<BTreeMap<String, Account>> {
        // Not readable without root: `plan` by an ordinary user then takes it that nobody has a password.
        let shadow = self.read_text("/etc/shadow").ok().flatten().unwrap_or_default();
        let with_password: BTreeSet<&str> = shadow
            .lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(_, rest)| !matches!(rest.split(':').next().unwrap_or("").trim_start_matches('!'), "" | "*"))
            .map(|(name, _)| name)
            .collect();
        let account = |user: super::accounts::User| {
            let has_password = with_password.contains(user.name.as_str());
            (user.name, Account { uid: user.uid, gid: user.gid, home: user.home, shell: user.shell, has_password })
        };
        Ok(map_of(self.users()?.into_iter().map(account)))
    }

    fn sshd_includes_dropins(&self) -> io::Result<bool> {
        let text = self.read_text("/etc/ssh/sshd_config")?.unwrap_or_default();
        let includes = |line: &str| {
            let mut words = line.split_whitespace();
            words.next().is_some_and(|keyword| keyword.eq_ignore_ascii_case("include"))
                && words.any(|path| path == "/etc/ssh/sshd_config.d/*.conf")
        };
        Ok(text.lines().any(includes))
    }

    fn sudoers_includes_dropins(&self) -> io::Result<bool> {
        let text = self.read_text("/etc/sudoers").ok().flatten().unwrap_or_default();
        let includes = |line: &str| {
            let mut words = line.split_whitespace();
            matches!(words.next(), Some("#includedir" | "@includedir"))
                && words.next().is_some_and(|path| path.trim_end_matches('/') == "/etc/sudoers.d")
        };
        Ok(text.lines().any(includes))
    }

    fn timezone(&self) -> io::Result<Option<String>> {
        let linked = self.link_target("/etc/localtime")?;
        let zone = linked.and_then(|target| target.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned()));
        Ok(match zone {
            Some(zone) => Some(zone),
            None => self.read_text("/etc/timezone")?.and_then(|text| first_entry(&text)),
        })
    }

    /// What a time zone is called here. Former names are in tzdata-legacy since Debian 13 and Ubuntu 24.04, the list of them is not.
    fn zone(&self, zone: &str) -> Option<Option<String>> {
        if !self.exists(ZONES) {
            return None;
        }
        let file = |path: &str| self.status(path).ok().flatten().is_some_and(|status| status.kind == super::files::FileKind::File);
        let is_here = |zone: &str| self.follow(&format!("{ZONES}/{zone}")).is_ok_and(|path| file(&path));
        if is_here(zone) {
            return Some(Some(zone.to_owned()));
        }
        let list = self.read_text(&format!("{ZONES}/tzdata.zi")).ok().flatten().unwrap_or_default();
        let links = list.lines().filter_map(|line| line.strip_prefix("L ")?.split_once(' '));
        let now = links.filter(|(_, former)| *former == zone).map(|(now, _)| now).find(|now| is_here(now));
        Some(now.map(str::to_owned))
    }

    fn lang(&self) -> io::Result<Option<String>> {
        for path in ["/etc/default/locale", "/etc/locale.conf"] {
            if let Some(lang) = assignments(&self.read_text(path)?.unwrap_or_default()).remove("LANG") {
                return Ok(Some(lang));
            }
        }
        Ok(None)
    }

    fn locales(&self) -> io::Result<BTreeSet<String>> {
        let plain = |name: &str| name.to_ascii_lowercase().replace('-', "");
        let mut locales: BTreeSet<String> = ["c".to_owned(), "posix".to_owned()].into();
        for name in self.list("/usr/lib/locale")? {
            if name == "locale-archive" {
                locales.extend(self.archived_locales().unwrap_or_default().iter().map(|name| plain(name)));
            } else if self.exists(&format!("/usr/lib/locale/{name}/LC_CTYPE")) {
                locales.insert(plain(&name));
            }
        }
        Ok(locales)
    }

    /// Names in glibc's locale archive: a header of 32-bit numbers, a hash table of (hash, name, record) and the names.
    fn archived_locales(&self) -> Option<Vec<String>> {
        const MAGIC: u32 = 0xde02_0109;
        const MOST: u32 = 1 << 20;
        const PATH: &str = "/usr/lib/locale/locale-archive";
        let header = numbers(&self.read_range(PATH, 0, 32).ok()?);
        let &[magic, _, table, _, size, strings, used, _] = header.as_slice() else { return None };
        if magic != MAGIC || size > MOST / 12 || used > MOST {
            return None;
        }
        let entries = numbers(&self.read_range(PATH, table, size * 12).ok()?);
        let names = self.read_range(PATH, strings, used).ok()?;
        let name = |entry: &[u32]| {
            let at = usize::try_from(entry[1].checked_sub(strings)?).ok()?;
            let bytes = names.get(at..)?.split(|byte| *byte == 0).next()?;
            (entry[2] != 0).then(|| String::from_utf8_lossy(bytes).into_owned())
        };
        Some(entries.chunks_exact(3).filter_map(name).collect())
    }
}

/// Native 32-bit numbers.
fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_ne_bytes([four[0], four[1], four[2], four[3]])).collect()
}

/// The name the kernel has.
pub(super) fn running_hostname() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first line that is neither blank nor a comment.
fn first_entry(text: &str) -> Option<String> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned)
}

/// `NAME=value` lines, quotes taken off.
pub(super) fn assignments(text: &str) -> BTreeMap<String, String> {
    let entry = |line: &str| {
        let (name, value) = line.trim().split_once('=')?;
        let value = value.trim();
        let bare = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        (!name.starts_with('#')).then(|| (name.to_owned(), bare('"').or_else(|| bare('\'')).unwrap_or(value).to_owned()))
    };
    map_of(text.lines().filter_map(entry))
}

/// What a machine was built with. The kernel keeps some for itself: of 2 GiB it counts 1.9. Where it counts much less, it is a
/// container, which sees its own limit there and the blocks of the machine around it.
fn built_in(kernel: u64, blocks: Option<u64>) -> u64 {
    blocks.filter(|blocks| kernel <= *blocks && kernel >= blocks / 100 * 85).unwrap_or(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_was_built_in_or_what_a_container_may_use() {
        const G: u64 = 1 << 30;
        assert_eq!(built_in(2 * G - G / 10, Some(2 * G)), 2 * G);
        assert_eq!(built_in(G, Some(8 * G)), G);
        assert_eq!(built_in(G, None), G);
        assert!(Host::default().memory().expect("read").is_some_and(|bytes| bytes > G / 16));
        assert_eq!(Host::rooted("/nonexistent").memory().expect("read"), None);
    }

    fn root(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Host) {
        let dir = tempfile::tempdir().expect("dir");
        for (path, bytes) in files {
            let real = dir.path().join(path);
            std::fs::create_dir_all(real.parent().expect("parent")).expect("directories");
            std::fs::write(real, bytes).expect("write");
        }
        let host = Host::rooted(dir.path());
        (dir, host)
    }

    #[test]
    fn facts_are_read_from_the_files_of_the_root() {
        let mut dpkg = vec![0x7f, b'E', b'L', b'F', 2, 1];
        dpkg.resize(18, 0);
        dpkg.extend([183, 0]);
        let (dir, host) = root(&[
            ("etc/os-release", b"ID=debian\nVERSION_CODENAME=trixie\nVERSION_ID=\"13\"\n"),
            ("etc/hostname", b"# mine\nweb1\n"),
            ("etc/hosts", b"127.0.0.1 localhost\n127.0.1.1 web1.example.org web1\n"),
            ("etc/passwd", b"root:x:0:0::/root:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/bash\n"),
            ("etc/shadow", b"root:*:1::::::\nbob:!$y$x:1::::::\n"),
            ("etc/group", b"sudo:x:27:\n"),
            ("etc/ssh/sshd_config", b"Include /etc/ssh/sshd_config.d/*.conf\n"),
            ("etc/sudoers", b"@includedir /etc/sudoers.d\n"),
            ("usr/bin/dpkg", &dpkg),
            ("usr/bin/gpg", b""),
            ("snap/bin/lxd", b""),
            ("opt/puppetlabs/bin/puppet", b""),
            ("usr/share/zoneinfo/Europe/Berlin", b"TZif"),
            ("usr/share/zoneinfo/tzdata.zi", b"# version 2025b\nL Europe/Berlin Arctic/Longyearbyen\nL America/New_York US/Eastern\n"),
            ("etc/apt/apt.conf.d/94cloud-init-config", b""),
            ("etc/default/locale", b"LANG=\"C.UTF-8\"\n"),
            ("usr/lib/locale/C.utf8/LC_CTYPE", b""),
            ("var/lib/cloud/data/previous-hostname", b"old\n"),
        ]);
        std::os::unix::fs::symlink("/usr/share/zoneinfo/Europe/Berlin", dir.path().join("etc/localtime")).expect("link");
        let facts = host.facts(&["Europe/Berlin", "Europe", "Arctic/Longyearbyen", "US/Eastern"]).expect("facts");
        assert_eq!((facts.distro.as_str(), facts.codename.as_str(), facts.version_id.as_str()), ("debian", "trixie", "13"));
        assert_eq!((facts.arch.as_str(), facts.hostname.as_str(), facts.domain.as_deref()), ("arm64", "web1", Some("example.org")));
        assert_eq!((facts.etc_hostname.as_deref(), facts.previous_hostname.as_deref()), (Some("web1"), Some("old")));
        assert!(facts.users["bob"].has_password && !facts.users["root"].has_password);
        assert!(facts.groups.contains("sudo") && facts.sshd_includes_dropins && facts.sudoers_includes_dropins);
        assert_eq!(facts.files, ["/etc/apt/apt.conf.d/94cloud-init-config".to_owned()].into());
        assert!(facts.has("lxd") && facts.has("/opt/puppetlabs/bin/puppet") && !facts.has("puppet"));
        assert!(facts.has("gpg") && !facts.has("sudo") && !facts.has_sources_list);
        assert_eq!((facts.timezone.as_deref(), facts.lang.as_deref()), (Some("Europe/Berlin"), Some("C.UTF-8")));
        assert_eq!(facts.locales, ["c", "c.utf8", "posix"].map(str::to_owned).into());
        let zones = [
            ("Europe/Berlin", Some("Europe/Berlin")),
            ("Europe", None),
            ("Arctic/Longyearbyen", Some("Europe/Berlin")),
            ("US/Eastern", None),
        ]
        .map(|(zone, known)| (zone.to_owned(), known.map(str::to_owned)));
        assert_eq!(facts.zones, zones.into());
        assert!(Host::rooted(dir.path().join("etc")).facts(&["UTC"]).expect("facts").zones.is_empty());
    }

    #[test]
    fn patterns_are_asked_of_whole_texts() {
        let texts = || vec![("a".to_owned(), "mine x"), ("b".to_owned(), "deb\nmine x"), ("c".to_owned(), "ppa:x")];
        let asked = vec![("^mine ", texts()), (r"^[\w-]+:\w|^deb$", texts()), ("(", texts()), ("(", Vec::new())];
        let found = Host::default().repositories(asked);
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let expected = [("^mine ".to_owned(), names(&["a"])), (r"^[\w-]+:\w|^deb$".to_owned(), names(&["c"])), ("(".to_owned(), None)];
        assert_eq!(found, expected.into());
    }

    #[test]
    fn the_locale_archive_is_listed_without_its_deleted_entries() {
        let strings = b"de_DE.utf8\0gone\0";
        let (table, names) = (32_u32, 32 + 24_u32);
        let mut archive: Vec<u8> = Vec::new();
        let length = u32::try_from(strings.len()).expect("short");
        for number in [0xde02_0109, 1, table, 1, 2, names, length, length, 7, names, 99, 8, names + 11, 0] {
            archive.extend(number.to_ne_bytes());
        }
        archive.extend(strings);
        let (_dir, host) = root(&[("usr/lib/locale/locale-archive", &archive)]);
        assert_eq!(host.archived_locales().expect("names"), ["de_DE.utf8"]);
        let (_dir, host) = root(&[("usr/lib/locale/locale-archive", b"short")]);
        assert_eq!(host.archived_locales(), None);
        assert!(host.facts(&[]).is_ok());
    }
}
