//! The process that reads the inputs. What it reads may end it: the other one, which started it, sees that.
//!
//! A panic is caught and kept. A thread ends the process when one input takes longer than [`PATIENCE`]. Memory is what the
//! kernel counts as the most that was resident while one input was read, beyond what the process had before the first.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::mutate;
use crate::random::Random;
use crate::targets::{Target, TARGETS};

/// How long one input may take.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How many MB reading one may take; what a template takes is in a process of its own, which the kernel holds to less.
pub const MEGABYTES: u64 = 64;

/// The address space of the process: what asks for more is ended by the kernel, and not the machine by it.
const ADDRESS_SPACE: u64 = 1 << 30;

/// What was counted so far; written where the process may end at any moment.
#[derive(Clone, Copy, Default, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Inputs.
    pub runs: u64,
    /// Panics, and ends of the process.
    pub panics: u64,
    /// Inputs that took too long.
    pub hangs: u64,
    /// Inputs that took too much memory.
    pub large: u64,
    /// Most memory, in bytes.
    pub memory: u64,
}

/// Reads inputs for some time, keeping the one it reads in `directory/input` and what it counts in `directory/tally`.
pub fn work(name: &str, seed: u64, time: Duration, directory: &Path) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_AS, ADDRESS_SPACE, ADDRESS_SPACE).expect("a limit");
    std::panic::set_hook(Box::new(|_| {}));
    let corpus = mutate::corpus(target);
    let mut random = Random(seed);
    let mut worker = Worker { target, directory: directory.to_owned(), tally: Tally::default(), base: 0 };
    worker.watch();
    // What the first use of everything takes is nobody's fault.
    (target.read)(&corpus[0], directory);
    worker.base = most_memory();
    for input in mutate::found(target) {
        worker.read(&input);
    }
    let end = Instant::now() + time;
    while Instant::now() < end {
        worker.read(&mutate::mutated(target, &corpus, &mut random));
    }
    worker.write_tally();
}

struct Worker {
    target: &'static Target,
    directory: PathBuf,
    tally: Tally,
    base: u64,
}

/// When the input that is read now was begun: milliseconds since the first, 0 for none.
static BEGUN: AtomicU64 = AtomicU64::new(0);

impl Worker {
    fn watch(&self) {
        let start = Instant::now();
        std::thread::spawn(move || loop {
            std::thread::sleep(Duration::from_millis(100));
            let begun = BEGUN.load(Ordering::Relaxed);
            let now = start.elapsed().as_millis() as u64 + 1;
            if begun == u64::MAX {
                BEGUN.store(now, Ordering::Relaxed);
            } else if begun > 0 && now.saturating_sub(begun) > PATIENCE.as_millis() as u64 {
                std::process::exit(HANGS);
            }
        });
    }

    fn read(&mut self, input: &[u8]) {
        std::fs::write(self.directory.join("input"), input).expect("write");
        let forgot = std::fs::write("/proc/self/clear_refs", "5");
        BEGUN.store(u64::MAX, Ordering::Relaxed);
        let read = catch_unwind(AssertUnwindSafe(|| (self.target.read)(input, &self.directory)));
        BEGUN.store(0, Ordering::Relaxed);
        self.tally.runs += 1;
        if read.is_err() {
            self.tally.panics += 1;
            keep(&self.directory, self.target.name, "panic", input);
        }
        if forgot.is_ok() {
            let memory = most_memory().saturating_sub(self.base);
            self.tally.memory = self.tally.memory.max(memory);
            if memory > MEGABYTES * 1_000_000 {
                self.tally.large += 1;
                keep(&self.directory, self.target.name, "memory", input);
            }
        }
        if self.tally.runs % 64 == 0 {
            self.write_tally();
        }
    }

    fn write_tally(&self) {
        std::fs::write(self.directory.join("tally"), serde_json::to_vec(&self.tally).expect("JSON")).expect("write");
    }
}

/// The exit status of a process that hangs.
pub const HANGS: i32 = 3;

/// Keeps an input, by its digest: the same twice is one finding.
pub fn keep(directory: &Path, target: &str, kind: &str, input: &[u8]) {
    use sha2::Digest as _;
    let digest: String = sha2::Sha256::digest(input).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let found = directory.join("found");
    std::fs::create_dir_all(&found).expect("mkdir");
    // A few of a kind tell as much as thousands.
    let prefix = format!("{target}-{kind}-");
    let known =
        |entry: std::io::Result<std::fs::DirEntry>| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    if std::fs::read_dir(&found).expect("read").filter_map(|entry| known(entry).then_some(())).count() < 5 {
        std::fs::write(found.join(format!("{prefix}{digest}")), input).expect("write");
    }
}

/// The most memory that was resident since it was last forgotten.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}
