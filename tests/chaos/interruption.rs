//! The state of a run that was interrupted is damaged, or two want to run at once.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::agree::end_of;
use crate::case::{host, idle, mended_by_origin, sample, Tally};
use crate::lab::{BootOptions, Booted, Disk, Host, Lab};
use crate::origin::{Manner, Origin};

/// What happens to a file of the state directory between two boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// Only the first half is left.
    Truncated,
    /// Nothing is left of its content.
    Emptied,
    /// A bit in the middle is another.
    Flipped,
    /// It is gone.
    Removed,
    /// A later landfall has written it.
    Newer,
    /// An earlier landfall has written it, which made no checksums.
    Older,
}

/// A record or a plan of another format.
fn of_format(text: &str, format: &str) -> String {
    let Some((before, rest)) = text.split_once("\"format\":") else { return text.to_owned() };
    format!("{before}\"format\":{format}{}", rest.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// The same lines, each with the checksum that it then has.
fn journal_of_format(text: &str, format: &str) -> String {
    let line = |line: &str| {
        let json = of_format(line.split_once(' ').map_or("", |(_, json)| json), format);
        let digits: String = Sha256::digest(json.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digits} {json}\n")
    };
    text.lines().map(line).collect()
}

const FILES: [&str; 7] = ["plan.json", "journal", "user-data", "config.json", "../../host.json", "../../once", "output/runcmd.log"];

fn damage(host: &Host, path: &str, how: Damage) {
    let files = host.files();
    let mut bytes = files.read_bytes(path);
    match how {
        Damage::Truncated => bytes.truncate(bytes.len() / 2),
        Damage::Emptied => bytes.clear(),
        Damage::Flipped => {
            let middle = bytes.len() / 2;
            if let Some(byte) = bytes.get_mut(middle) {
                *byte ^= 0x10;
            }
        }
        Damage::Removed => return files.remove(path),
        Damage::Newer | Damage::Older => {
            let text = String::from_utf8(bytes).unwrap();
            let changed = match (how, path.ends_with(".json")) {
                (Damage::Newer, true) => of_format(&text, "99"),
                (Damage::Newer, false) => journal_of_format(&text, "99"),
                (_, _) => format!("{{{}", text.split_once("\",").map_or("", |(_, rest)| rest)),
            };
            assert_ne!(changed, text, "{path} has no format");
            bytes = changed.into_bytes();
        }
    }
    files.write(path, bytes, 0o600);
}

/// Runs until the second item of runcmd, and pulls the plug there.
fn cut_in_the_middle(lab: Lab, host: &Host) {
    let text = crate::case::user_data("").replace("'echo two", "'touch /root/here; until [ -e /root/go ]; do sleep 0.1; done', 'echo two");
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", text, 0o600);
    let booted = host.boot(BootOptions::default());
    let _origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    booted.wait_until("the second item runs", || booted.files().exists("/root/here"));
    booted.sh("touch /root/go; sync").expect_ok();
    booted.kill();
}

/// What may come of damaged state: all is done, or it is said that the state cannot be used and how to go on. Never is an item
/// run again that had ended.
fn judge(booted: &Booted) -> Vec<String> {
    let end = end_of(booted);
    let mut wrong = end.disagreements.clone();
    let runs = booted.files().try_read("/root/runs").map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let ones = runs.lines().filter(|line| *line == "one").count();
    match end.state.as_str() {
        "done" | "degraded" if runs.ends_with("two\n") => {}
        "failed" | "degraded" | "interrupted" | "not-started" if end.why.contains("landfall ") => {}
        state => wrong.push(format!("{state} with {runs:?}: {}", end.why)),
    }
    if ones > 1 {
        wrong.push(format!("an item that had ended was run {ones} times; {}: {}", end.state, end.why));
    }
    wrong
}

/// Files by a path below the instance's directory, whose last part may be `*`.
fn files_of(host: &Host, directory: &str, path: &str) -> Vec<String> {
    match path.strip_suffix("/*") {
        Some(below) => {
            let names = host.files().list(&format!("{directory}/{below}"));
            assert!(!names.is_empty(), "there are no {path}");
            names.iter().map(|name| format!("{directory}/{below}/{name}")).collect()
        }
        None => vec![format!("{directory}/{path}")],
    }
}

/// Whoever does what `why` says gets there: `landfall resume`, and where the record is of no use, `landfall clean` and a run anew.
fn brought_to_its_end(booted: &Booted) -> Option<String> {
    let script = "landfall resume >/dev/null 2>&1
        landfall status | grep -qE 'done|degraded' && [ \"$(tail -n1 /root/runs)\" = two ] && exit 0
        landfall clean >/dev/null 2>&1; landfall run; landfall status";
    let said = booted.exec_with(&["sh", "-c", script], b"", Duration::from_secs(240));
    let missing: Vec<String> = crate::case::missing(booted).into_iter().filter(|line| !line.contains("one one")).collect();
    (!said.ok() || !missing.is_empty() && !booted.files().read("/root/runs").ends_with("two\n"))
        .then(|| format!("it is not brought to its end: {said:?} {missing:?}"))
}

#[test]
fn damaged_state_is_got_over_or_told_and_is_never_a_quiet_success() {
    let tally = Tally::default();
    let all: Vec<(&str, Damage)> = FILES
        .iter()
        .flat_map(|file| [Damage::Truncated, Damage::Emptied, Damage::Flipped, Damage::Removed].map(|damage| (*file, damage)))
        .chain([("plan.json", Damage::Newer), ("journal", Damage::Newer), ("../../host.json", Damage::Newer), ("plan.json", Damage::Older)])
        .chain(["backups/*", "shell/*"].into_iter().flat_map(|files| [Damage::Truncated, Damage::Removed].map(|damage| (files, damage))))
        .collect();
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    cut_in_the_middle(lab, &host);
    let instance = host.files().list("/var/lib/landfall/instances").first().expect("an instance").clone();
    for (file, how) in sample(&all, 4) {
        let copy = host.duplicate();
        copy.set_dmi(host.dmi());
        for path in files_of(&copy, &format!("/var/lib/landfall/instances/{instance}"), file) {
            damage(&copy, &path, how);
        }
        let booted = copy.boot(BootOptions::default());
        let _origin = Origin::start(&booted, lab.repo(), Manner::Serves);
        let mut wrong = judge(&booted);
        let why = booted.exec(&["landfall", "why"]).stdout;
        match how {
            Damage::Newer if !why.contains("newer landfall") => wrong.push(format!("that it is of a newer landfall is not told: {why}")),
            Damage::Older if !why.starts_with("done") => wrong.push(format!("what an older landfall left is not gone on with: {why}")),
            _ => {}
        }
        if how != Damage::Newer {
            wrong.extend(brought_to_its_end(&booted));
        }
        if !wrong.is_empty() {
            wrong.push(booted.console());
        }
        tally.note(&format!("{file} {how:?}"), wrong);
        booted.shutdown();
    }
    tally.close("interruption, damaged state");
}

#[test]
fn a_second_landfall_gives_way_to_the_first() {
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    let booted = host.boot(BootOptions::default());
    let _origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(booted.exec_with(&["landfall", "apply", "/var/lib/cloud/seed/nocloud/user-data"], b"", Duration::from_secs(60)).code());
        std::thread::sleep(Duration::from_millis(50));
    }
    let end = end_of(&booted);
    assert_eq!((end.state.as_str(), &end.disagreements), ("done", &Vec::new()));
    let ones = booted.files().read("/root/runs");
    assert!(codes.iter().all(|code| matches!(code, Some(75 | 1 | 0 | 69))), "{codes:?}");
    assert_eq!(ones.lines().filter(|line| *line == "one").count(), 1, "{ones} {codes:?}");
    booted.shutdown();
}

/// A first boot in which landfall gets a signal after so many milliseconds, and the next one: what was wrong.
fn signalled(lab: Lab, host: &Host, signal: &str, at: u64) -> Vec<String> {
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    std::thread::sleep(Duration::from_millis(at));
    booted.sh(&format!("pkill -{signal} -x landfall; true"));
    let end = end_of(&booted);
    let mut wrong = end.disagreements.clone();
    if !matches!(end.state.as_str(), "done" | "interrupted") {
        wrong.push(format!("{}: {}", end.state, end.why));
    }
    drop(origin);
    booted.shutdown();
    wrong.extend(mended_by_origin(lab, host));
    wrong
}

#[test]
fn signals_at_any_instant_end_in_a_run_that_the_next_boot_finishes() {
    let tally = Tally::default();
    // ABRT is what systemd's watchdog sends.
    let all: Vec<(&str, u64)> =
        ["TERM", "KILL", "HUP", "INT", "ABRT"].into_iter().flat_map(|signal| [300, 900, 1800, 3000].map(|at| (signal, at))).collect();
    for (signal, at) in sample(&all, 4) {
        let Some((lab, host)) = host(Disk::Directory, "") else { return };
        tally.note(&format!("SIG{signal} after {at} ms"), signalled(lab, &host, signal, at));
    }
    tally.close("interruption, signals");
}

/// What landfall only asks, to see whether a step has done what it should, is ended too by a stop: that is no answer.
#[test]
fn a_stop_while_a_step_is_looked_at_is_no_failure_of_it() {
    let tally = Tally::default();
    for at in sample(&[1200, 2500, 4000], 1) {
        let Some((lab, host)) = host(Disk::Directory, "") else { return };
        let slow = "#!/bin/sh\ncase \"$*\" in *-y*) sleep 1.5 ;; esac\nexec /usr/bin/ssh-keygen \"$@\"\n";
        host.files().write("/usr/local/bin/ssh-keygen", slow, 0o755);
        tally.note(&format!("a stop after {at} ms"), signalled(lab, &host, "TERM", at));
    }
    tally.close("interruption, while it is looked");
}

/// A child may ignore that it is asked to end.
#[test]
fn a_child_that_ignores_a_stop_is_killed_and_a_second_signal_waits_for_nothing() {
    let Some((_, booted)) = idle() else { return };
    const TEXT: &str = "#cloud-config\nruncmd:\n  - sh -c 'trap \"\" TERM INT; touch /root/here; until [ -e /root/go ]; do sleep 0.1; done; echo x >>/root/ended'\n";
    booted.files().write("/root/user-data", TEXT, 0o600);
    let begin = || {
        booted.sh("rm -f /root/here /root/code; (landfall apply /root/user-data; echo $? >/root/code) >/root/said 2>&1 </dev/null &");
        booted.wait_until("the item runs", || booted.files().exists("/root/here"));
    };
    let signal = |name: &str| booted.sh(&format!("pkill -{name} -x landfall")).expect_ok();
    let ended = |code: &str| {
        booted.wait_until("landfall has ended", || booted.files().try_read("/root/code").is_ok_and(|text| !text.is_empty()));
        assert_eq!(booted.files().read("/root/code").trim(), code, "{}", booted.files().read("/root/said"));
        let left = booted.sh("ps ax | grep '[r]oot/here'");
        assert!(!left.ok(), "something of the item is left: {}", left.stdout);
        assert!(booted.sh("landfall why").stdout.starts_with("interrupted"));
    };
    begin();
    signal("TERM");
    ended("143");
    begin();
    signal("TERM");
    let stops = "cat /var/lib/landfall/instances/*/journal | grep -o SIGTERM | wc -l";
    booted.wait_until("the second stop is recorded", || booted.sh(stops).stdout.trim() == "2");
    signal("INT");
    ended("130");
    booted.files().write("/root/go", "", 0o644);
    booted.exec_with(&["landfall", "resume"], b"", Duration::from_secs(60)).expect_ok();
    assert_eq!(booted.files().read("/root/ended"), "x\n");
    booted.shutdown();
}
