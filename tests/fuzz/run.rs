//! Starts the process that reads, again if it ends too early, and says what came of it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::targets::Target;
use crate::worker::{keep, Tally, HANGS, MEGABYTES, PATIENCE};

/// What came of one target.
pub struct Outcome {
    /// `yaml: 123 runs, 0 panics, 0 hangs, 0 over 64 MB, at most 3 MB`.
    pub line: String,
    /// Where the inputs are that did harm.
    pub found: Vec<PathBuf>,
}

/// Reads inputs of a target for `time`. `worker` gives the command that calls [`crate::worker::work`].
pub fn run(target: &Target, seed: u64, time: Duration, worker: &dyn Fn(u64, Duration, &Path) -> Command) -> Outcome {
    let name = target.name;
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("dir");
    let directory = directory.path();
    let mut all = Tally::default();
    let begin = Instant::now();
    for round in 0..50 {
        let left = time.saturating_sub(begin.elapsed());
        if round > 0 && left < Duration::from_millis(100) {
            break;
        }
        let mut command = worker(seed + round * 1_000_003, left, directory);
        // One heap that gives back what is free: what one input took is not counted with the next.
        command.envs([("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "131072")]);
        let output = command.output().expect("starts");
        if let Ok(tally) = std::fs::read(directory.join("tally")) {
            let tally: Tally = serde_json::from_slice(&tally).unwrap_or_default();
            all = Tally {
                runs: all.runs + tally.runs,
                panics: all.panics + tally.panics,
                hangs: all.hangs,
                large: all.large + tally.large,
                memory: all.memory.max(tally.memory),
            };
            let _ = std::fs::remove_file(directory.join("tally"));
        }
        if output.status.success() {
            break;
        }
        let input = std::fs::read(directory.join("input")).unwrap_or_default();
        if output.status.code() == Some(HANGS) {
            all.hangs += 1;
            keep(directory, name, "hang", &input);
        } else {
            all.panics += 1;
            keep(directory, name, "end", &input);
            eprintln!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
    }
    let line = format!(
        "{name}: {} runs, {} panics, {} hangs (over {} s), {} over {MEGABYTES} MB, at most {:.1} MB",
        all.runs,
        all.panics,
        all.hangs,
        PATIENCE.as_secs(),
        all.large,
        all.memory as f64 / 1e6
    );
    Outcome { line, found: kept(&directory.join("found")) }
}

/// Moves what was found to where it stays.
fn kept(found: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(found) else { return Vec::new() };
    let stays = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    std::fs::create_dir_all(&stays).expect("mkdir");
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry");
        let path = stays.join(entry.file_name());
        std::fs::copy(entry.path(), &path).expect("copy");
        paths.push(path);
    }
    paths.sort();
    paths
}
