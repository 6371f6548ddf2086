//! The origin of packages is away, slow, wrong or lying.

use std::thread;

use crate::agree::end_of;
use crate::case::{faults, host, mended_by_origin, missing, sample, user_data, Tally};
use crate::lab::{BootOptions, Disk};
use crate::origin::{Manner, Origin, ADDRESS};

struct Fault {
    name: &'static str,
    manner: Manner,
    /// More of the `landfall` section.
    section: &'static str,
    /// As what it may be told; empty: the run gets over it.
    kinds: &'static [&'static str],
}

const fn fault(name: &'static str, manner: Manner, kinds: &'static [&'static str]) -> Fault {
    Fault { name, manner, section: "", kinds }
}

const NETWORK: &[&str] = &["E_NETWORK"];
const FAULTS: [Fault; 13] = [
    fault("nothing is wrong", Manner::Serves, &[]),
    fault("the origin is away", Manner::IsAway, NETWORK),
    fault("404 for everything", Manner::Answers("404 Not Found", ""), &["E_NETWORK", "E_NOT_FOUND"]),
    fault("500 for everything", Manner::Answers("500 Internal Server Error", ""), NETWORK),
    fault("503 with Retry-After", Manner::Answers("503 Service Unavailable", "Retry-After: 2\r\n"), NETWORK),
    fault("500 twice, then well", Manner::AnswersTwice("500 Internal Server Error", ""), &[]),
    fault("503 twice, then well", Manner::AnswersTwice("503 Service Unavailable", "Retry-After: 1\r\n"), &[]),
    fault(
        "401 for everything",
        Manner::Answers("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n"),
        &["E_NETWORK", "E_PERMISSION"],
    ),
    fault("archives are corrupted", Manner::Corrupts, &["E_PKG_CORRUPT", "E_NETWORK"]),
    fault("archives break off", Manner::BreaksOff, &["E_NETWORK", "E_PKG_CORRUPT"]),
    fault("a redirect loop", Manner::Redirects, NETWORK),
    Fault {
        name: "one byte a second",
        manner: Manner::Trickles,
        section: ", timeouts: {packages: 8s}, ",
        kinds: &["E_TIMEOUT", "E_NETWORK"],
    },
    Fault { name: "silence", manner: Manner::IsSilent, section: ", timeouts: {packages: 8s}", kinds: &["E_TIMEOUT", "E_NETWORK"] },
];

fn run(fault: &Fault) -> Vec<String> {
    let Some((lab, host)) = host(Disk::Directory, fault.section.trim_end_matches(", ")) else { return Vec::new() };
    let booted = host.boot(BootOptions::default());
    let origin = Origin::start(&booted, lab.repo(), fault.manner);
    let end = end_of(&booted);
    let mut wrong = faults(&end, &booted, fault.kinds);
    if !fault.kinds.is_empty() {
        // What does not need the network is done all the same.
        let done = booted.sh("hostname; id -un ada; cat /root/runs").stdout;
        if done != "chaos\nada\none\ntwo\n" {
            wrong.push(format!("what is independent of it was not done: {done:?}"));
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

#[test]
fn a_bad_origin_is_named_and_what_it_kept_from_being_done_is_done_by_the_next_boot() {
    let tally = Tally::default();
    let numbers: Vec<usize> = (0..FAULTS.len()).collect();
    let chosen = sample(&numbers, 5);
    thread::scope(|scope| {
        for half in chosen.chunks(chosen.len().div_ceil(2)) {
            let tally = &tally;
            scope.spawn(move || half.iter().for_each(|at| tally.note(FAULTS[*at].name, run(&FAULTS[*at]))));
        }
    });
    tally.close("network failure");
}

#[test]
fn a_mirror_that_is_away_or_has_an_unknown_name_is_passed_over_for_one_by_its_address() {
    let Some((lab, host)) = host(Disk::Directory, "") else { return };
    let text = user_data("").replace(
        "package_update: true\n",
        &format!(
            "apt:\n\x20 preserve_sources_list: false\n\x20 primary: [{{arches: [default], search: ['http://localhost:9/', 'http://mirror.invalid/', 'http://{ADDRESS}/']}}]\n\
             \x20 sources_list: 'deb [signed-by=/srv/mirror/key.asc] $MIRROR trixie main'\npackage_update: true\n"
        ),
    );
    host.files().write("/var/lib/cloud/seed/nocloud/user-data", text, 0o600);
    let booted = host.boot(BootOptions::default());
    let _origin = Origin::start(&booted, lab.mirror(), Manner::Serves);
    let end = end_of(&booted);
    assert_eq!((end.state.as_str(), &end.disagreements), ("done", &Vec::new()), "{}", booted.console());
    assert_eq!(missing(&booted), Vec::<String>::new());
    assert_eq!(
        booted.files().read("/etc/apt/mirrors/primary.list"),
        format!("http://localhost:9/\tpriority:1\nhttp://mirror.invalid/\tpriority:2\nhttp://{ADDRESS}/\tpriority:3\n")
    );
    booted.shutdown();
}
