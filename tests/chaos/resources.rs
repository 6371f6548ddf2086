//! The disk is full, or refuses, or is gone.

use std::time::Duration;

use crate::agree::end_of;
use crate::case::{half_changed, host, mended, mended_by_origin, mended_by_resume, missing, sample, Tally};
use crate::lab::{BootOptions, Booted, Disk};
use crate::origin::{Manner, Origin};

/// A unit that takes the disk away before landfall's first unit starts.
const BEFORE: &str = "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=landfall-local.service\n[Service]\nType=oneshot\nExecStart=/bin/sh /root/fault\n[Install]\nWantedBy=multi-user.target\n";

/// When it goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Before landfall starts.
    AtBoot,
    /// By a `bootcmd`, before files, users and packages.
    InBootcmd,
    /// By the first item of `runcmd`: packages are there by then.
    InRuncmd,
}

struct Fault {
    name: &'static str,
    /// Takes it away.
    script: &'static str,
}

const FULL: &str =
    "fill() { fallocate -l $(($(stat -f -c '%a*%S' /) - $1)) /root/filler || dd if=/dev/zero of=/root/filler bs=64k 2>/dev/null; }\n";
const FAULTS: [Fault; 6] = [
    Fault { name: "no byte is free", script: "fill 0" },
    Fault { name: "64 KiB are free", script: "fill 65536" },
    Fault { name: "512 KiB are free", script: "fill 524288" },
    Fault { name: "2 MiB are free", script: "fill 2097152" },
    Fault {
        name: "no inode is free",
        script: "mkdir -p /root/filler.d; i=0; while : >/root/filler.d/$i; do i=$((i + 1)); done 2>/dev/null",
    },
    Fault { name: "the disk is read-only", script: "mount -o remount,ro /" },
];
/// What names such a fault.
const NAMES: [&str; 3] = ["E_DISK", "No space left on device", "Read-only file system"];

fn run((fault, when): (&Fault, When)) -> Vec<String> {
    let Some((lab, host)) = host(Disk::Ext4Whole, "") else { return Vec::new() };
    let files = host.files();
    files.write("/root/fault", format!("{FULL}[ ! -e /root/over ] || exit 0\n{}\n", fault.script), 0o755);
    let text = crate::case::user_data("");
    match when {
        When::AtBoot => {
            files.write("/etc/systemd/system/fault.service", BEFORE, 0o644);
            host.chroot(&["systemctl", "enable", "-q", "fault.service"]).expect_ok();
        }
        When::InBootcmd => files.write(USER_DATA, text + "bootcmd: ['sh /root/fault']\n", 0o600),
        When::InRuncmd => files.write(USER_DATA, text.replace("runcmd: [", "runcmd: ['sh /root/fault', "), 0o600),
    }
    // A file that is open for writing keeps a disk from becoming read-only.
    files.write("/etc/systemd/journald.conf.d/volatile.conf", "[Journal]\nStorage=volatile\n", 0o644);
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    let end = end_of(&booted);
    let mut wrong = end.disagreements.clone();
    let named = NAMES.iter().any(|name| end.why.contains(name)) || end.kinds.iter().any(|kind| kind == "E_DISK");
    if end.state == "done" {
        // Where what was left was enough it may have got to its end.
        wrong.extend(missing(&booted));
    } else if !named {
        wrong.push(format!("it ended {} with {:?}: {}", end.state, end.kinds, end.why));
    }
    wrong.extend(half_changed(&booted));
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    drop(origin);
    booted.kill();
    let files = host.files();
    files.remove("/root/filler");
    host.chroot(&["rm", "-rf", "/root/filler.d"]);
    files.write("/root/over", "", 0o644);
    let serve: &dyn Fn(&Booted) -> Origin = &|booted| Origin::start(booted, lab.repo(), Manner::Serves);
    // A command of the user's that failed for want of room is tried again by whoever made some.
    wrong.extend(if when == When::InRuncmd { mended_by_resume(&host, serve) } else { mended(&host, serve) });
    wrong
}

const USER_DATA: &str = "/var/lib/cloud/seed/nocloud/user-data";

#[test]
fn a_full_or_refusing_disk_is_named_and_the_next_boot_with_room_finishes() {
    let tally = Tally::default();
    // What an item of runcmd says is written to the disk: it cannot make it read-only.
    let can = |at: usize, when: When| !(when == When::InRuncmd && FAULTS[at].script.contains("ro /"));
    let all: Vec<(usize, When)> = [When::AtBoot, When::InRuncmd, When::InBootcmd]
        .into_iter()
        .flat_map(|when| (0..FAULTS.len()).map(move |at| (at, when)))
        .filter(|(at, when)| can(*at, *when))
        .collect();
    for (at, when) in sample(&all, 3) {
        tally.note(&format!("{}, {when:?}", FAULTS[at].name), run((&FAULTS[at], when)));
    }
    tally.close("resources");
}

/// The disk is gone after so many milliseconds: whatever reads or writes gets an I/O error.
fn gone_after(at: u64) -> Vec<String> {
    let Some((lab, host)) = host(Disk::Ext4Whole, "") else { return Vec::new() };
    host.files().write("/etc/systemd/journald.conf.d/volatile.conf", "[Journal]\nStorage=volatile\n", 0o644);
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    std::thread::sleep(Duration::from_millis(at));
    let state = || -> String {
        let status = booted.files().try_read("/run/landfall/status.json").unwrap_or_default();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap_or_default();
        status["state"].as_str().unwrap_or("none").to_owned()
    };
    let before = state();
    booted.fail_disk();
    // No program can be started any more, so nobody inside can be asked; what is told is in memory.
    let start = std::time::Instant::now();
    while matches!(state().as_str(), "running" | "none") && start.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let after = state();
    let mut wrong = Vec::new();
    if before != "done" && after == "done" {
        wrong.push(format!("{before} before the disk was gone, {after} after it\n{}", booted.console()));
    }
    drop(origin);
    booted.kill();
    wrong.extend(mended_by_origin(lab, &host));
    wrong
}

#[test]
fn a_disk_that_is_gone_in_the_middle_is_no_success_and_the_next_boot_finishes() {
    let tally = Tally::default();
    for at in sample(&[100, 400, 800, 1200, 1600, 2000, 2500, 3000, 4000, 6000], 2) {
        tally.note(&format!("gone after {at} ms"), gone_after(at));
    }
    tally.close("resources, I/O errors");
}
