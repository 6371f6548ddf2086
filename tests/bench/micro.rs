//! Figures of single operations, against what they cost at least.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use landfall::engine::summary::State;
use landfall::error::Kind;
use landfall::host::files::Attributes;
use landfall::host::runlock::Take;
use landfall::host::Host;
use landfall::run::{self, Request, Source};

use crate::table::{median, Row, Target};

const ROUNDS: usize = 51;

/// The rows.
pub fn rows() -> Vec<Row> {
    let directory = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).unwrap();
    let host = Host::rooted(directory.path());
    let row = |name, unit, ours, target| Row { name, unit, peer: None, ours, target };
    let (written, raw) = atomic_write(&host, directory.path());
    let (step, undone) = engine();
    vec![
        row("taking the run lock", (3, "ms"), 1e3 * run_lock(&host), Target::AtMost(0.1)),
        row("classifying a failure", (3, "µs"), 1e6 * classification(), Target::AtMost(10.0)),
        row("replacing a file atomically and durably, by the cost of its two fsyncs", (2, "x"), written / raw, Target::AtMost(1.2)),
        row("the engine, for a step that finds nothing to do", (1, "µs"), 1e6 * step, Target::AtMost(50.0)),
        row("undoing a run of 100 steps", (0, "ms"), 1e3 * undone, Target::None),
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

/// Seconds that one more step takes which finds nothing to do, and seconds that undoing a run of 100 files takes.
fn engine() -> (f64, f64) {
    const STEPS: usize = 100;
    let directory = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).unwrap();
    let root = directory.path();
    for name in ["etc", "root"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    for (file, text) in
        [("os-release", "ID=debian\nVERSION_ID=13\n"), ("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")]
    {
        fs::write(root.join("etc").join(file), text).unwrap();
    }
    let host = Host::rooted(root);
    let user_data = |files: usize| {
        let mut text = String::from("#cloud-config\nusers: []\ndisable_root: false\nssh_deletekeys: false\nwrite_files:\n");
        for at in 0..files {
            text.push_str(&format!("  - {{path: /srv/{at}, content: '{at}'}}\n"));
        }
        text
    };
    let apply = |files: usize| {
        let source = Source::File { name: "bench.yaml".into(), bytes: user_data(files).into(), first_boot: false };
        let start = Instant::now();
        let report = run::run(&host, &Request::Apply(source)).unwrap();
        let taken = start.elapsed().as_secs_f64();
        let summary = report.summary.unwrap();
        assert_eq!(summary.state, State::Done, "{summary:?}");
        (taken, summary.steps.into_iter().map(|step| step.id).rev().collect::<Vec<_>>())
    };
    let forget = || ["var/lib/landfall", "run/landfall"].map(|path| fs::remove_dir_all(root.join(path)).unwrap());
    let mut undone = Vec::new();
    for _ in 0..5 {
        let (_, steps) = apply(STEPS);
        let start = Instant::now();
        run::run(&host, &Request::Rollback { steps, force: false }).unwrap();
        undone.push(start.elapsed().as_secs_f64());
        assert!(!root.join("srv/0").exists(), "it is undone");
        forget();
    }
    apply(STEPS);
    let more = (0..ROUNDS).map(|_| {
        forget();
        let many = apply(STEPS).0;
        forget();
        (many - apply(1).0) / (STEPS - 1) as f64
    });
    (median(more), median(undone))
}
