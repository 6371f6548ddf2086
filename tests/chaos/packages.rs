//! dpkg dies, its locks are held, another apt is at work, its files are damaged.

use std::thread;
use std::time::Duration;

use crate::agree::end_of;
use crate::case::{faults, host, mended_by_origin, missing, otherwise_ended, sample, Tally};
use crate::lab::{BootOptions, Booted, Disk, Files, Host};
use crate::origin::{Manner, Origin};

const LOCKS: [&str; 4] = ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];

#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// Once a process is there that looks like this, this is killed.
    Kill { when: &'static str, what: &'static str },
    /// A live process holds a lock and gives it back.
    HoldBriefly(&'static str),
    /// It never does.
    HoldForEver(&'static str),
    /// Somebody else installs packages meanwhile.
    AnotherApt,
}

const TROUBLES: [Trouble; 14] = [
    Trouble::Kill { when: "[d]pkg .*--unpack", what: "-x dpkg" },
    Trouble::Kill { when: "[d]pkg .*--configure", what: "-x dpkg" },
    Trouble::Kill { when: "[s]low-lf.postinst configure", what: "-x dpkg" },
    Trouble::Kill { when: "[s]low-lf.postinst configure", what: "-f slow-lf.postinst" },
    Trouble::Kill { when: "[a]pt-get .*install", what: "-x apt-get" },
    Trouble::HoldBriefly(LOCKS[0]),
    Trouble::HoldBriefly(LOCKS[1]),
    Trouble::HoldBriefly(LOCKS[2]),
    Trouble::HoldBriefly(LOCKS[3]),
    Trouble::HoldForEver(LOCKS[0]),
    Trouble::HoldForEver(LOCKS[1]),
    Trouble::HoldForEver(LOCKS[2]),
    Trouble::HoldForEver(LOCKS[3]),
    Trouble::AnotherApt,
];

fn run(trouble: Trouble) -> Vec<String> {
    let section = if matches!(trouble, Trouble::HoldForEver(_)) { ", timeouts: {packages: 6s}" } else { "" };
    let Some((lab, host)) = host(Disk::Directory, section) else { return Vec::new() };
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    let mut wrong = Vec::new();
    match trouble {
        Trouble::Kill { when, what } => {
            booted.sh(&format!("until pgrep -f '{when}' >/dev/null; do sleep 0.01; done; pkill -KILL {what}"));
            wrong.extend(either(&booted));
        }
        Trouble::HoldBriefly(lock) => {
            let held = booted.hold_lock(lock);
            booted.wait_until("the holder is named", || booted.console().contains("waiting for perl"));
            drop(held);
            let end = end_of(&booted);
            wrong.extend(faults(&end, &booted, &[]));
        }
        Trouble::HoldForEver(lock) => {
            let held = booted.hold_lock(lock);
            let end = end_of(&booted);
            wrong.extend(faults(&end, &booted, &["E_LOCK"]));
            if !(end.why.contains("perl") && end.why.contains(lock)) {
                wrong.push(format!("who holds which lock is not named: {}", end.why));
            }
            drop(held);
        }
        Trouble::AnotherApt => {
            booted.wait_until("packages are installed", || booted.console().contains("install hello-lf"));
            booted.sh(
                "for i in 1 2 3; do apt-get -q -o DPkg::Lock::Timeout=60 -o Acquire::Retries=3 install -y svc-lf; apt-get -q update; done",
            );
            let end = end_of(&booted);
            wrong.extend(faults(&end, &booted, &[]));
        }
    }
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    drop(origin);
    booted.shutdown();
    wrong.extend(mended_by_origin(lab, &host));
    wrong
}

/// The run got over it, or it says what is broken.
fn either(booted: &Booted) -> Vec<String> {
    let end = end_of(booted);
    let mut wrong = end.disagreements.clone();
    if end.state == "done" {
        wrong.extend(missing(booted));
    } else {
        wrong.extend(otherwise_ended(&end, &["E_PKG_CORRUPT", "E_EXEC", "E_INTERRUPTED"]));
    }
    wrong
}

#[test]
fn what_happens_to_dpkg_is_got_over_or_named_and_the_next_boot_finishes() {
    let tally = Tally::default();
    let chosen = sample(&TROUBLES, 4);
    thread::scope(|scope| {
        for half in chosen.chunks(chosen.len().div_ceil(2)) {
            let tally = &tally;
            scope.spawn(move || half.iter().for_each(|trouble| tally.note(&format!("{trouble:?}"), run(*trouble))));
        }
    });
    tally.close("packages");
}

/// What is damaged between two boots.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Lists,
    EmptyLists,
    Archives,
    Status,
    FileLists,
    Available,
}

const DAMAGES: [Damage; 6] = [Damage::Lists, Damage::EmptyLists, Damage::Archives, Damage::Status, Damage::FileLists, Damage::Available];

fn each(files: &Files, directory: &str, ending: &str, change: impl Fn(&mut Vec<u8>)) {
    for name in files.list(directory).iter().filter(|name| name.ends_with(ending)) {
        let path = format!("{directory}/{name}");
        let mut bytes = files.read_bytes(&path);
        change(&mut bytes);
        files.write(&path, bytes, 0o644);
    }
}

fn damage(host: &Host, how: Damage) {
    let files = host.files();
    let half = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    match how {
        Damage::Lists => each(&files, "/var/lib/apt/lists", "_Packages", half),
        Damage::EmptyLists => each(&files, "/var/lib/apt/lists", "_Packages", Vec::clear),
        Damage::Archives => each(&files, "/var/cache/apt/archives", ".deb", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x55;
        }),
        Damage::Status => files.write("/var/lib/dpkg/status", "", 0o644),
        Damage::FileLists => ["hello-lf", "slow-lf", "svc-lf"].iter().for_each(|name| {
            let path = format!("/var/lib/dpkg/info/{name}.list");
            if files.exists(&path) {
                files.write(&path, "", 0o644);
            }
        }),
        Damage::Available => files.write("/var/lib/dpkg/available", "Package: \n\n\0", 0o644),
    }
}

#[test]
fn damaged_files_of_apt_and_dpkg_are_mended_by_the_next_boot() {
    let tally = Tally::default();
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    booted.wait_until("a package is configured", || booted.sh("pgrep -f '[s]low-lf.postinst configure'").ok());
    thread::sleep(Duration::from_millis(100));
    booted.kill();
    drop(origin);
    for how in sample(&DAMAGES, 2) {
        let copy = host.duplicate();
        copy.set_dmi(host.dmi());
        damage(&copy, how);
        tally.note(&format!("{how:?}"), mended_by_origin(lab, &copy));
    }
    tally.close("packages, damaged files");
}
