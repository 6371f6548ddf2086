//! landfall, and what it starts, may have no more memory, or no more processes.

use crate::agree::end_of;
use crate::case::{half_changed, host, mended_by_origin, missing, sample, Tally};
use crate::lab::{BootOptions, Disk, Limit};
use crate::origin::{Manner, Origin};

#[derive(Clone, Copy, Debug)]
enum Want {
    Processes(u32),
    /// MiB
    Memory(u32),
}

const WANTS: [(&str, Want); 8] = [
    ("local", Want::Processes(1)),
    ("local", Want::Processes(2)),
    ("final", Want::Processes(1)),
    ("final", Want::Processes(2)),
    ("final", Want::Processes(4)),
    ("final", Want::Memory(8)),
    ("final", Want::Memory(24)),
    ("final", Want::Memory(48)),
];

/// Starts a stage from a shell that waits until it is told to.
fn drop_in(stage: &str) -> (String, String) {
    let unit = if stage == "final" { "landfall.service".to_owned() } else { format!("landfall-{stage}.service") };
    let command = format!("echo $$$$ >/root/pid; mv /root/pid /root/here; read go </root/go; exec /usr/bin/landfall run --stage {stage}");
    (format!("/etc/systemd/system/{unit}.d/wait.conf"), format!("[Service]\nExecStart=\nExecStart=/bin/sh -c '{command}'\n"))
}

fn run(stage: &str, want: Want) -> Vec<String> {
    let Some((lab, host)) = host(Disk::Directory, "") else { return Vec::new() };
    let (path, text) = drop_in(stage);
    host.files().write(&path, text, 0o644);
    host.chroot(&["mkfifo", "/root/go"]).expect_ok();
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    booted.wait_until("the stage waits", || booted.files().exists("/root/here"));
    let limit = match want {
        Want::Processes(count) => Limit::processes(&host, count),
        Want::Memory(mebibytes) => Limit::memory(&host, mebibytes << 20),
    };
    limit.take(booted.machine_pid(booted.files().read("/root/here").trim()));
    // A restart is not to wait, and is not limited.
    host.files().remove(&path);
    booted.sh("systemctl daemon-reload; echo >/root/go");
    let end = end_of(&booted);
    let mut wrong = end.disagreements.clone();
    match end.state.as_str() {
        "done" => wrong.extend(missing(&booted)),
        "failed"
            if ["temporarily unavailable", "annot allocate memory", "killed", "signal 9", "fork"]
                .iter()
                .any(|words| end.why.contains(words)) => {}
        state => wrong.push(format!("{state} with {:?}: {}", end.kinds, end.why)),
    }
    if !end.why.contains("dpkg") {
        wrong.extend(half_changed(&booted));
    }
    if !wrong.is_empty() {
        wrong.push(booted.console());
    }
    drop(origin);
    booted.shutdown();
    drop(limit);
    // A shell that could not start another process any more has not said how its item ended: that item is run again.
    let after = mended_by_origin(lab, &host);
    let again = matches!(want, Want::Processes(_)) && after.first().is_some_and(|line| line.contains("one one two"));
    wrong.extend(after.into_iter().filter(|_| !again));
    wrong
}

#[test]
fn want_of_processes_or_memory_is_named_and_the_next_boot_with_enough_finishes() {
    let tally = Tally::default();
    let numbers: Vec<usize> = (0..WANTS.len()).collect();
    for at in sample(&numbers, 2) {
        let (stage, want) = WANTS[at];
        tally.note(&format!("{want:?} in the {stage} stage"), run(stage, want));
    }
    tally.close("resources, processes and memory");
}
