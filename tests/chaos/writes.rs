//! The disk is full at every write that a run makes: of a file, the journal, a copy of what was there before. In this process, on
//! a small tmpfs that only one thread sees.

use std::fs;
use std::path::Path;

use landfall::engine::summary::State;
use landfall::host::Host;
use landfall::plan::Stage;
use landfall::run::{self, Request};
use nix::mount::{mount, umount2, MntFlags, MsFlags};
use nix::sched::{unshare, CloneFlags};

use crate::case::{sample, Tally};

const FILES: usize = 6;
const PAGE: usize = 4096;

fn content(at: usize) -> String {
    format!("{at}\n").repeat(1500)
}

fn user_data() -> String {
    let mut text = String::from(
        "#cloud-config\nlandfall: {resources: {check: 'off'}}\nusers: []\ndisable_root: false\nssh_deletekeys: false\nhostname: full\nwrite_files:\n",
    );
    for at in 0..FILES {
        text.push_str(&format!("  - {{path: /etc/file-{at}, content: {:?}}}\n", content(at)));
    }
    text + "  - {path: /etc/appended, content: more, append: true}\n"
}

/// What is there before: files that will be replaced, each of them to be kept first.
fn old(at: usize) -> Option<String> {
    (at % 2 == 0).then(|| format!("old {at}\n").repeat(700))
}

fn furnish(root: &Path) {
    let seed = root.join("var/lib/cloud/seed/nocloud");
    fs::create_dir_all(&seed).unwrap();
    for directory in ["etc", "root"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for (file, text) in [
        ("os-release", "ID=debian\nVERSION_ID=13\n"),
        ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
        ("group", "root:x:0:\n"),
        ("machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("hostname", "image\n"),
        ("appended", "first "),
    ] {
        fs::write(root.join("etc").join(file), text).unwrap();
    }
    for (at, text) in (0..FILES).filter_map(|at| Some((at, old(at)?))) {
        fs::write(root.join(format!("etc/file-{at}")), text).unwrap();
    }
    fs::write(seed.join("meta-data"), "instance-id: i-full\n").unwrap();
    fs::write(seed.join("user-data"), user_data()).unwrap();
}

/// A boot of the furnished root; `None` where its state could not even be written.
fn boot(host: &Host) -> Option<State> {
    let mut state = None;
    for stage in [Stage::Local, Stage::Network, Stage::Final] {
        state = run::run(host, &Request::Boot(Some(stage))).ok().and_then(|report| report.summary).map(|summary| summary.state);
    }
    state
}

fn sized(root: &Path, pages: usize, flags: MsFlags) {
    mount(Some("tmpfs"), root, Some("tmpfs"), flags, Some(format!("size={},mode=755", pages * PAGE).as_str())).unwrap();
}

/// `room`: pages that are free when the run begins.
fn case(root: &Path, room: usize) -> Vec<String> {
    let mut wrong = Vec::new();
    sized(root, 4096, MsFlags::empty());
    furnish(root);
    let used = nix::sys::statvfs::statvfs(root).map(|stat| stat.blocks() - stat.blocks_free()).unwrap();
    sized(root, usize::try_from(used).unwrap() + room, MsFlags::MS_REMOUNT);
    let host = Host::rooted(root);
    let first = boot(&host);
    for at in 0..FILES {
        let found = fs::read_to_string(root.join(format!("etc/file-{at}"))).ok();
        if found != old(at) && found != Some(content(at)) {
            wrong.push(format!("file {at} is torn: {} bytes", found.map_or(0, |text| text.len())));
        }
    }
    let whole = |at: usize| fs::read_to_string(root.join(format!("etc/file-{at}"))).is_ok_and(|text| text == content(at));
    if first == Some(State::Done) && !(0..FILES).all(whole) {
        wrong.push("it says done, and is not".to_owned());
    }
    sized(root, 4096, MsFlags::MS_REMOUNT);
    let _ = fs::remove_dir_all(root.join("run"));
    let mut last = boot(&host);
    let mut why = String::new();
    if last == Some(State::Failed) {
        // What the disk has kept from being done is a failure that was told; it is tried again when it is asked for.
        let resumed = run::run(&host, &Request::Resume);
        why = format!("{resumed:?}");
        last = resumed.ok().and_then(|report| report.summary).map(|summary| summary.state);
    }
    if last != Some(State::Done) || !(0..FILES).all(whole) {
        wrong.push(format!("first {first:?}; with room it ended {last:?}: {why}"));
    }
    let appended = fs::read_to_string(root.join("etc/appended")).unwrap();
    if appended != "first more" {
        wrong.push(format!("appended: {appended:?}"));
    }
    if fs::read_to_string(root.join("etc/hostname")).unwrap() != "full\n" {
        wrong.push("the hostname is not written".to_owned());
    }
    // A test beside this one that forks just now has a copy of what is open here until it executes its program: the root is busy.
    umount2(root, MntFlags::MNT_DETACH).unwrap();
    wrong
}

#[test]
fn a_disk_that_is_full_at_any_write_tears_nothing_and_the_run_is_finished_with_room() {
    if !nix::unistd::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "needs root");
        println!("skipped: needs root");
        return;
    }
    let tally = Tally::default();
    let directory = tempfile::tempdir().unwrap();
    let rooms: Vec<usize> = (0..100).collect();
    std::thread::scope(|scope| {
        let (tally, directory) = (&tally, &directory);
        scope.spawn(move || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
            for room in sample(&rooms, 40) {
                tally.note(&format!("{room} pages are free"), case(directory.path(), room));
            }
        });
    });
    tally.close("resources, full at every write");
}
