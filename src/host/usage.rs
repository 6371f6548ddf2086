//! What a piece of work takes: processor time, memory, bytes given to the disks; how little the host had left meanwhile. Of this process, of the children it has waited
//! for, and of a shell that is still open.
//!
//! Processor time and bytes are exact: a child's are added to its parent's when it is waited for (getrusage(2), proc(5)). What a
//! background job takes that outlives the work is not in it, and bytes that were thrown away before they reached the disk are. The memory of a child is the kernel's own peak where it grew, and
//! otherwise what looking a few times a second at the processes below the child has seen: short ones can be missed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use super::files::read_kernel;
use super::Host;

/// What was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu_ms: u64,
    /// Largest resident memory of any of its processes, where it could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_rss_kib: Option<u64>,
    /// Bytes given to the disks; absent where the kernel does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_bytes: Option<u64>,
    /// How little the whole host had left meanwhile, where the work took long enough to be looked at.
    #[serde(flatten)]
    pub host: Tightest,
}

/// The worst that was seen of the host while something was done: that of this work and of everything beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tightest {
    /// Bytes that were still free on the filesystem of `/var` or of `/usr`, whichever had fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_disk_bytes: Option<u64>,
    /// Memory that could still be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_memory_kib: Option<u64>,
    /// Hundredths of the load of a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_load_percent: Option<u64>,
}

impl Tightest {
    /// The worse of each.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            least_disk_bytes: least(self.least_disk_bytes, other.least_disk_bytes),
            least_memory_kib: least(self.least_memory_kib, other.least_memory_kib),
            peak_load_percent: self.peak_load_percent.max(other.peak_load_percent),
        }
    }

    fn now(root: &Path) -> Self {
        let free = |directory: &str| {
            let found = statvfs(&root.join(directory)).ok()?;
            Some(found.blocks_free().saturating_mul(found.fragment_size()))
        };
        let system = |name: &str| read_kernel(&format!("/proc/{name}")).unwrap_or_default();
        let load = system("loadavg").split_whitespace().next().and_then(|text| text.parse::<f64>().ok());
        Self {
            least_disk_bytes: ["var", "usr"].into_iter().filter_map(free).min(),
            least_memory_kib: kib_of_status(&system("meminfo"), "MemAvailable:"),
            peak_load_percent: load.map(|load| (load * 100.0) as u64),
        }
    }
}

/// A measurement that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    begin: Taken,
}

/// What had been taken at one instant.
#[derive(Clone, Copy, Debug)]
struct Taken {
    cpu: Duration,
    written: Option<u64>,
    own_peak: u64,
    children_peak: u64,
}

/// The largest process that samplers have seen since the last measurement began.
static SEEN: AtomicU64 = AtomicU64::new(0);
/// The worst that samplers have seen of the host since then.
static TIGHTEST: Mutex<Option<Tightest>> = Mutex::new(None);

fn tightest() -> std::sync::MutexGuard<'static, Option<Tightest>> {
    TIGHTEST.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Meter {
    /// Begins; `shell` is a child that is not waited for while the work goes on.
    pub fn start(shell: Option<u32>) -> Self {
        SEEN.store(0, Ordering::Relaxed);
        *tightest() = None;
        Self { begin: Taken::now(shell) }
    }

    /// What was taken since. A shell that has ended in between was waited for.
    pub fn end(self, shell: Option<u32>) -> Usage {
        let (begin, now) = (self.begin, Taken::now(shell));
        let grown = |now: u64, before: u64| Some(now).filter(|now| *now > before);
        let seen = Some(SEEN.load(Ordering::Relaxed)).filter(|seen| *seen > 0);
        let of_children = grown(now.children_peak, begin.children_peak).max(seen);
        Usage {
            cpu_ms: u64::try_from(now.cpu.saturating_sub(begin.cpu).as_millis()).unwrap_or(u64::MAX),
            peak_rss_kib: of_children.or_else(|| grown(now.own_peak, begin.own_peak)),
            written_bytes: now.written.zip(begin.written).map(|(now, before)| now.saturating_sub(before)),
            host: tightest().unwrap_or_default(),
        }
    }
}

impl Taken {
    fn now(shell: Option<u32>) -> Self {
        let of_shell = shell.map_or(Duration::ZERO, cpu_of_process);
        let shell_wrote = shell.map_or(Some(0), |pid| read(&pid.to_string(), "io").as_deref().and_then(written_bytes));
        let (own, children) = (used(UsageWho::RUSAGE_SELF), used(UsageWho::RUSAGE_CHILDREN));
        Self {
            cpu: own.cpu + children.cpu + of_shell,
            written: shell_wrote.filter(|_| bytes_are_counted()).map(|shell| own.written + children.written + shell),
            own_peak: own.peak,
            children_peak: children.peak,
        }
    }
}

/// More processes than this are not looked at.
const MOST: usize = 64;

/// Looks at the memory of a child and of what is below it, now and then.
pub struct Sampler {
    child: u32,
    /// What of the child itself counts: a shell that has run other items has a peak that is not this one's.
    of_child: &'static str,
    last: Instant,
    /// Where the host's own directories are.
    root: PathBuf,
    /// When the host as a whole was looked at.
    last_of_host: Option<Instant>,
}

const PEAK: &str = "VmHWM:";
const NOW: &str = "VmRSS:";

impl Sampler {
    const EVERY: Duration = Duration::from_millis(200);
    const EVERY_OF_HOST: Duration = Duration::from_secs(1);

    /// For a child that was just started: what ends at once is not looked at.
    pub fn new(child: u32, host: &Host) -> Self {
        Self { child, of_child: PEAK, last: Instant::now(), root: host.root().to_owned(), last_of_host: None }
    }

    /// For a shell that goes on with other work.
    pub fn of_shell(shell: u32, host: &Host) -> Self {
        Self { of_child: NOW, ..Self::new(shell, host) }
    }

    /// Looks, if it is time.
    pub fn look(&mut self) {
        if self.last.elapsed() < Self::EVERY {
            return;
        }
        self.last = Instant::now();
        SEEN.fetch_max(largest_of(self.child, self.of_child), Ordering::Relaxed);
        if self.last_of_host.is_none_or(|last| last.elapsed() >= Self::EVERY_OF_HOST) {
            self.last_of_host = Some(self.last);
            let mut worst = tightest();
            *worst = Some(worst.unwrap_or_default().with(Tightest::now(&self.root)));
        }
    }
}

/// The largest of a process, by the line `of_it` of its status, and of the peaks of what is below it, in KiB.
fn largest_of(process: u32, of_it: &str) -> u64 {
    let mut waiting = vec![process.to_string()];
    let mut at = 0;
    let mut largest = 0;
    while let Some(pid) = waiting.get(at).cloned() {
        let line = if at == 0 { of_it } else { PEAK };
        at += 1;
        largest = largest.max(read(&pid, "status").and_then(|status| kib_of_status(&status, line)).unwrap_or(0));
        let children = read(&pid, &format!("task/{pid}/children")).unwrap_or_default();
        let room = MOST.saturating_sub(waiting.len());
        waiting.extend(children.split_whitespace().take(room).map(str::to_owned));
    }
    largest
}

fn read(process: &str, name: &str) -> Option<String> {
    read_kernel(&format!("/proc/{process}/{name}")).ok()
}

/// What getrusage(2) tells.
#[derive(Clone, Copy, Default)]
struct Used {
    cpu: Duration,
    /// KiB, as Linux counts `ru_maxrss`.
    peak: u64,
    /// Bytes, of which Linux counts blocks of 512.
    written: u64,
}

fn used(who: UsageWho) -> Used {
    let Ok(usage) = getrusage(who) else { return Used::default() };
    let duration = |time: TimeVal| {
        let micros = time.tv_sec().saturating_mul(1_000_000).saturating_add(time.tv_usec());
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    };
    Used {
        cpu: duration(usage.user_time()) + duration(usage.system_time()),
        peak: u64::try_from(usage.max_rss()).unwrap_or(0),
        written: u64::try_from(usage.block_writes()).unwrap_or(0).saturating_mul(512),
    }
}

/// Whether this kernel counts the bytes of a process (`CONFIG_TASK_IO_ACCOUNTING`): it has the file of them only then.
fn bytes_are_counted() -> bool {
    static COUNTED: OnceLock<bool> = OnceLock::new();
    *COUNTED.get_or_init(|| Path::new("/proc/self/io").exists())
}

/// Of a process and of the children it has waited for.
fn cpu_of_process(pid: u32) -> Duration {
    read(&pid.to_string(), "stat").as_deref().and_then(cpu_of_stat).unwrap_or_default()
}

/// Fields 14 to 17 of `/proc/PID/stat`: ticks of a hundredth of a second, on every architecture Debian has.
fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum::<Option<u64>>()?;
    Some(Duration::from_millis(ticks * 10))
}

/// `write_bytes` of `/proc/PID/io`; what was thrown away before it was written back is taken off.
fn written_bytes(io: &str) -> Option<u64> {
    let value = |name: &str| io.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(value("write_bytes:")?.saturating_sub(value("cancelled_write_bytes:").unwrap_or(0)))
}

/// A line of `/proc/PID/status` that is in KiB.
pub(super) fn kib_of_status(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_child_that_was_waited_for_are_those_of_its_parent() {
        let dir = tempfile::tempdir().expect("dir");
        let meter = Meter::start(None);
        let writes = format!("head -c 300000 /dev/zero > {}/file; sync {0}/file", dir.path().display());
        assert!(std::process::Command::new("/bin/sh").args(["-c", &writes]).status().expect("runs").success());
        let usage = meter.end(None);
        // A file in memory costs the disks nothing.
        let is_on_disk = nix::sys::statfs::statfs(dir.path()).expect("statfs").filesystem_type() != nix::sys::statfs::TMPFS_MAGIC;
        let most = Some(u64::from(is_on_disk) * 300_000);
        assert!(!bytes_are_counted() || usage.written_bytes >= most, "{usage:?}");
    }

    #[test]
    fn what_a_child_takes_is_measured() {
        let meter = Meter::start(None);
        let busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("/bin/sh").args(["-c", busy]).status().expect("runs").success());
        let usage = meter.end(None);
        assert!(usage.cpu_ms > 5, "{usage:?}");
    }

    #[test]
    fn the_largest_process_below_a_child_is_seen() {
        let holds = "x=$(head -c 8000000 /dev/zero | tr '\\0' x); echo; read -r _";
        let nested = format!("sh -c '{}'; :", holds.replace('\'', "'\\''"));
        let piped = std::process::Stdio::piped;
        let mut child = std::process::Command::new("/bin/sh").args(["-c", &nested]).stdin(piped()).stdout(piped()).spawn().expect("starts");
        let mut ready = [0];
        std::io::Read::read_exact(child.stdout.as_mut().expect("stdout"), &mut ready).expect("ready");
        let peak = largest_of(child.id(), NOW);
        drop(child.stdin.take());
        child.wait().expect("ends");
        assert!(peak > 7_000, "the shell below holds 8 MB: {peak} KiB");
        assert_eq!(largest_of(u32::MAX, PEAK), 0, "one that is gone has none");
    }

    #[test]
    fn what_the_host_has_left_is_looked_at_while_a_child_runs() {
        let mut child = std::process::Command::new("/bin/sleep").arg("5").spawn().expect("starts");
        let mut sampler = Sampler::new(child.id(), &Host::default());
        std::thread::sleep(Sampler::EVERY + Duration::from_millis(20));
        sampler.look();
        let seen = tightest().unwrap_or_else(|| Tightest::now(Path::new("/")));
        child.kill().and_then(|()| child.wait()).expect("ends");
        assert!(seen.least_disk_bytes.is_some() && seen.least_memory_kib > Some(0) && seen.peak_load_percent.is_some(), "{seen:?}");
        let worse = Tightest { least_disk_bytes: Some(1), least_memory_kib: None, peak_load_percent: Some(u64::MAX) };
        let both = seen.with(worse);
        assert_eq!((both.least_disk_bytes, both.least_memory_kib), (Some(1), seen.least_memory_kib));
        assert_eq!(both.peak_load_percent, Some(u64::MAX));
        assert_eq!(serde_json::to_string(&Usage::default()).expect("json"), r#"{"cpu_ms":0}"#, "nothing is said of what was not seen");
        assert_eq!(serde_json::from_str::<Usage>(r#"{"cpu_ms":0}"#).expect("an older record"), Usage::default());
    }

    #[test]
    fn what_an_open_shell_takes_is_measured_and_counted_once_when_it_has_ended() {
        use std::io::Write as _;
        let mut shell = std::process::Command::new("/bin/sh").stdin(std::process::Stdio::piped()).spawn().expect("starts");
        let pid = Some(shell.id());
        let meter = Meter::start(pid);
        let mut control = shell.stdin.take().expect("stdin");
        control.write_all(b"i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done\n").expect("written");
        let mut usage = meter.end(pid);
        for _ in 0..600 {
            if usage.cpu_ms > 20 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
            usage = meter.end(pid);
        }
        assert!(usage.cpu_ms > 20, "{usage:?}");
        drop(control);
        assert!(shell.wait().expect("ends").success());
        assert!(meter.end(None).cpu_ms >= usage.cpu_ms, "waited for, it is in the children's");
    }

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(cpu_of_stat(stat), Some(Duration::from_secs(1)));
        assert_eq!(written_bytes("rchar: 1\nwrite_bytes: 8192\ncancelled_write_bytes: 4096\n"), Some(4096));
        assert_eq!(written_bytes("rchar: 1\n"), None);
        assert_eq!(kib_of_status("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS:\t    12 kB\n", PEAK), Some(1234));
        assert_eq!(kib_of_status("Name:\tkthreadd\n", PEAK), None);
    }
}
