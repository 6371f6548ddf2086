//! What the host has left: room on its filesystems, memory, load; its way out, and whether its clock can be right.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{statvfs, FsFlags, Statvfs};
use serde::Serialize;
use sysinfo::System;

use super::Host;
use crate::clock;

/// A filesystem, as far as it has room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Filesystem {
    /// Where it is mounted, a path of the host.
    pub point: String,
    /// Tells it from others.
    #[serde(skip)]
    pub device: u64,
    /// Bytes that landfall's user can still write.
    pub free_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
    /// Bytes that a file takes at least.
    pub block: u64,
    /// Files that can still be made; `None` where the filesystem does not count them (btrfs, vfat).
    pub free_inodes: Option<u64>,
    /// It cannot be written.
    pub read_only: bool,
}

impl Filesystem {
    fn of(found: &Statvfs, device: u64, point: String) -> Self {
        let block = found.fragment_size().max(1);
        // ext4 keeps a part for root, who runs landfall.
        let is_root = nix::unistd::geteuid().is_root();
        let blocks = if is_root { found.blocks_free() } else { found.blocks_available() };
        let inodes = if is_root { found.files_free() } else { found.files_available() };
        Self {
            point,
            device,
            free_bytes: blocks.saturating_mul(block),
            size_bytes: found.blocks().saturating_mul(block),
            block,
            free_inodes: (found.files() > 0).then_some(inodes),
            read_only: found.flags().contains(FsFlags::ST_RDONLY),
        }
    }
}

/// Memory and load, as the kernel counts them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pressure {
    /// Bytes that can be had without swapping, a control group's limit counted.
    pub memory_bytes: u64,
    /// Processes that ran or waited to, over the last minute.
    pub load: f64,
    /// Processors.
    pub processors: usize,
}

/// A way out of the host's own networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefaultRoute {
    /// `IPv4` or `IPv6`.
    pub family: &'static str,
    /// Network device.
    pub device: String,
}

/// No landfall is older. A package says when it was made; the constant is for other builds.
const WRITTEN: i64 = 1_793_491_200;

impl Host {
    /// The filesystem that holds `path`, or that would: the nearest directory that exists counts.
    pub fn filesystem_of(&self, path: &str) -> std::io::Result<Filesystem> {
        let (place, device) = nearest(self.real_path(path))?;
        let point = mount_point(&place, device);
        let found = statvfs(&place)?;
        let point = point.strip_prefix(self.root()).map_or_else(|_| Path::new("/").to_owned(), |rest| Path::new("/").join(rest));
        Ok(Filesystem::of(&found, device, point.to_string_lossy().into_owned()))
    }

    /// Memory and load; `None` for an image.
    pub fn pressure(&self) -> Option<Pressure> {
        if !self.is_live() {
            return None;
        }
        let mut system = System::new();
        system.refresh_memory();
        let limit = system.cgroup_limits().filter(|limits| limits.total_memory < system.total_memory());
        let memory_bytes = limit.map_or(system.available_memory(), |limits| limits.free_memory.min(system.available_memory()));
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Some(Pressure { memory_bytes, load: System::load_average().one, processors })
    }

    /// The default routes that are up.
    pub fn default_routes(&self) -> Vec<DefaultRoute> {
        let read = |path: &str| self.read_text(path).ok().flatten().unwrap_or_default();
        let mut routes = ipv4_defaults(&read("/proc/net/route"));
        routes.extend(ipv6_defaults(&read("/proc/net/ipv6_route")));
        routes
    }

    /// The servers that resolv.conf(5) names; `None` where there is no such file.
    pub fn name_servers(&self) -> Option<Vec<String>> {
        let text = self.read_text("/etc/resolv.conf").ok().flatten()?;
        let server = |line: &str| line.trim().strip_prefix("nameserver")?.split_whitespace().next().map(str::to_owned);
        Some(text.lines().filter_map(server).collect())
    }

    /// The earliest time that it can be, and what says so: the program was made before now, and so were apt's lists.
    pub fn not_before(&self) -> (i64, String) {
        let made = option_env!("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok()).unwrap_or(WRITTEN).max(WRITTEN);
        let mut latest = (made, "this landfall was made".to_owned());
        for name in self.list("/var/lib/apt/lists").unwrap_or_default() {
            if !name.ends_with("Release") {
                continue;
            }
            let head = self.read_start(&format!("/var/lib/apt/lists/{name}"), 4096).unwrap_or_default();
            if let Some(date) = release_date(&String::from_utf8_lossy(&head)).filter(|date| *date > latest.0) {
                latest = (date, format!("apt's list {name} was made"));
            }
        }
        latest
    }
}

/// The `Date:` of a Release file.
pub fn release_date(text: &str) -> Option<i64> {
    let date = text.lines().find_map(|line| line.strip_prefix("Date:"))?.trim();
    clock::parse_http_date(&date.replace("UTC", "GMT").replace("+0000", "GMT"))
}

fn nearest(path: PathBuf) -> std::io::Result<(PathBuf, u64)> {
    let mut place = path;
    loop {
        match fs_err::metadata(&place) {
            Ok(found) => return Ok((place, found.dev())),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) && place.pop() => {}
            Err(error) => return Err(error),
        }
    }
}

/// The outermost directory above `place` that is on the same device.
fn mount_point(place: &Path, device: u64) -> PathBuf {
    let real = fs_err::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    let same = |path: &&Path| fs_err::metadata(*path).is_ok_and(|found| found.dev() == device);
    real.ancestors().take_while(same).last().unwrap_or(&real).to_owned()
}

/// Lines of `/proc/net/route`: device, destination, gateway, flags in hex; bit 0 says up.
fn ipv4_defaults(text: &str) -> Vec<DefaultRoute> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let up = u32::from_str_radix(words.get(3)?, 16).ok()? & 1 == 1;
        let is_default = *words.get(1)? == "00000000" && words.get(7).is_none_or(|mask| *mask == "00000000");
        (up && is_default).then(|| DefaultRoute { family: "IPv4", device: words[0].to_owned() })
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// Lines of `/proc/net/ipv6_route`: destination, its length, source, its length, next hop, metric, two counters, flags, device.
/// Bit 9 of the flags says that what goes there is refused, which is how the kernel shows that there is no default.
fn ipv6_defaults(text: &str) -> Vec<DefaultRoute> {
    let route = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = u32::from_str_radix(words.get(8)?, 16).ok()?;
        let is_default = words[0].bytes().all(|digit| digit == b'0') && words[1] == "00";
        let goes_out = flags & 1 == 1 && flags & 0x200 == 0 && *words.get(9)? != "lo";
        (is_default && goes_out).then(|| DefaultRoute { family: "IPv6", device: words[9].to_owned() })
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_does_not_exist_yet_is_on_the_filesystem_of_its_nearest_directory() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::default();
        let base = dir.path().to_string_lossy();
        let there = host.filesystem_of(&base).expect("there");
        let to_come = host.filesystem_of(&format!("{base}/a/b/c")).expect("to come");
        assert_eq!((&there.point, there.device), (&to_come.point, to_come.device));
        assert!(there.size_bytes >= there.free_bytes && there.block > 0 && base.starts_with(&there.point), "{there:?}");
        assert!(!there.read_only);
        let below = Host::rooted(dir.path()).filesystem_of("/etc/x").expect("below");
        assert_eq!((below.device, below.point.as_str()), (there.device, "/"));
    }

    #[test]
    fn a_live_host_has_memory_and_a_load() {
        let pressure = Host::default().pressure().expect("live");
        assert!(pressure.memory_bytes > 1 << 20 && pressure.processors > 0 && pressure.load >= 0.0, "{pressure:?}");
        assert_eq!(Host::rooted("/nowhere").pressure(), None);
    }

    #[test]
    fn default_routes_are_told_from_others_and_from_refusals() {
        let four = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            eth1\t00000000\t0102A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(ipv4_defaults(four), [DefaultRoute { family: "IPv4", device: "eth0".into() }]);
        let zero = "0".repeat(32);
        let six = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 lo\n\
             fe800000000000000000000000000000 40 {zero} 00 {zero} 00000100 00000001 00000000 00000001 eth0\n"
        );
        assert_eq!(ipv6_defaults(&six), [DefaultRoute { family: "IPv6", device: "eth0".into() }]);
        assert_eq!((ipv4_defaults(""), ipv6_defaults("")), (vec![], vec![]));
    }

    #[test]
    fn it_cannot_be_earlier_than_the_newest_list_was_made() {
        let dir = tempfile::tempdir().expect("dir");
        let lists = dir.path().join("var/lib/apt/lists");
        std::fs::create_dir_all(&lists).expect("directories");
        let host = Host::rooted(dir.path());
        assert!(host.not_before().1.contains("landfall"));
        std::fs::write(lists.join("x_InRelease"), "-----BEGIN PGP SIGNED MESSAGE-----\nDate: Tue, 01 Aug 2096 12:30:45 UTC\n")
            .expect("write");
        std::fs::write(lists.join("y_Release"), "Date: Sat, 01 Aug 2020 12:30:45 UTC\n").expect("write");
        let (time, why) = host.not_before();
        assert_eq!((clock::rfc3339(time as f64).as_str(), why.as_str()), ("2096-08-01T12:30:45Z", "apt's list x_InRelease was made"));
    }
}
