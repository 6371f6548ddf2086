//! Figures of single operations, against what they cost at least.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use landfall::error::Kind;
use landfall::host::files::Attributes;
use landfall::host::runlock::Take;
use landfall::host::Host;

use crate::table::{median, Row, Target};

const ROUNDS: usize = 51;

/// The rows.
pub fn rows() -> Vec<Row> {
    let directory = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).unwrap();
    let host = Host::rooted(directory.path());
    let row = |name, unit, ours, target| Row { name, unit, peer: None, ours, target };
    let (written, raw) = atomic_write(&host, directory.path());
    vec![
        row("taking the run lock", (3, "ms"), 1e3 * run_lock(&host), Target::AtMost(0.1)),
        row("classifying a failure", (3, "µs"), 1e6 * classification(), Target::AtMost(10.0)),
        row("replacing a file atomically and durably, by the cost of its two fsyncs", (2, "x"), written / raw, Target::AtMost(1.2)),
    ]
}

fn timed(mut act: impl FnMut()) -> f64 {
    median((0..ROUNDS).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed().as_secs_f64()
    }))
}

fn run_lock(host: &Host) -> f64 {
    timed(|| match host.try_take_run_lock("bench").unwrap() {
        Take::Taken(lock) => drop(lock),
        Take::Held(_) | Take::Stopped => panic!("the lock of a new directory is not free"),
    })
}

fn classification() -> f64 {
    const MANY: u32 = 1000;
    let error = std::io::Error::from_raw_os_error(28);
    let all = timed(|| {
        for _ in 0..MANY {
            black_box(Kind::of_io(black_box(&error)));
        }
    });
    all / f64::from(MANY)
}

/// landfall's writer, and the least that gives the same promise: write, fsync, rename, fsync the directory. Taken in turns.
fn atomic_write(host: &Host, directory: &Path) -> (f64, f64) {
    let content = [b'x'; 4096];
    let attributes = Attributes { mode: 0o600, uid: 0, gid: 0 };
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        host.write("/written", &content, attributes).unwrap();
        ours.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let mut file = File::create(directory.join("raw.new")).unwrap();
        file.write_all(&content).unwrap();
        file.sync_all().unwrap();
        fs::rename(directory.join("raw.new"), directory.join("raw")).unwrap();
        File::open(directory).unwrap().sync_all().unwrap();
        raw.push(start.elapsed().as_secs_f64());
    }
    (median(ours), median(raw))
}
