//! Ten different failures on one host, each told by `landfall why` on one screen: what, where, what was said, what to do.

use std::time::Duration;

use crate::case::idle;
use crate::lab::Booted;
use crate::origin::{Manner, Origin, ADDRESS};

struct Case {
    document: String,
    /// The kind, and what must stand on the screen.
    kind: &'static str,
    words: &'static [&'static str],
}

fn cases() -> Vec<Case> {
    let case = |document: &str, kind, words| Case { document: document.replace("ORIGIN", ADDRESS), kind, words };
    vec![
        case("packages: [hello-lf, no-such-lf]\n", "E_NOT_FOUND", &["no-such-lf", "2:"]),
        case("packages: [broken-lf]\n", "E_EXEC", &["broken-lf could not be configured", "this postinst always fails"]),
        case("runcmd:\n  - echo before\n  - 'echo it is late; (exit 3)'\n", "E_EXEC", &["exit 3", "it is late", "4:"]),
        case("runcmd: [no-such-command]\n", "E_NOT_FOUND", &["no-such-command", "127"]),
        case("landfall: {timeouts: {commands: 1s}}\nruncmd: [sleep 30]\n", "E_TIMEOUT", &["did not end within 1 s"]),
        case("landfall: {timeouts: {silence: 1s}}\nruncmd: ['echo begun; sleep 30']\n", "E_TIMEOUT", &["no output for 1 s", "begun"]),
        case(
            "landfall: {retry: 1}\nwrite_files: [{path: /root/a, source: {uri: 'http://127.0.0.1:9/a'}}]\n",
            "E_NETWORK",
            &["127.0.0.1:9", "refused"],
        ),
        case(
            "landfall: {retry: 1}\nwrite_files: [{path: /root/b, source: {uri: 'http://ORIGIN/nothing'}}]\n",
            "E_NOT_FOUND",
            &["404", "nothing"],
        ),
        case("landfall: {resources: {min_disk: 900T}}\npackages: [conf-lf]\n", "E_DISK", &["900.0 TiB"]),
        case("landfall: {timeouts: {packages: 2s}}\npackages: [big-lf]\n", "E_LOCK", &["perl", "lock"]),
        case("apt: {sources: {own: {source: 'deb http://localhost:3142/ ./'}}}\npackages: [user-lf]\n", "E_CONFIG", &["not signed"]),
        case("landfall: {phases: [{name: web, services: [no-such-unit]}]}\n", "E_NOT_FOUND", &["no-such-unit"]),
        case(
            "write_files: [{path: /etc/systemd/system/sad.service, content: \"[Service]\\nExecStart=/bin/sh -c 'echo very sad; exit 4'\\n\"}]\n\
             landfall: {retry: 1, phases: [{name: web, services: [sad]}]}\n",
            "E_EXEC",
            &["sad", "very sad"],
        ),
    ]
}

fn screen(booted: &Booted, case: &Case) -> Vec<String> {
    booted.files().write("/root/case.yaml", format!("#cloud-config\n{}", case.document), 0o600);
    let held = (case.kind == "E_LOCK").then(|| booted.hold_lock("/var/lib/dpkg/lock-frontend"));
    let applied = booted.exec_with(&["landfall", "apply", "/root/case.yaml"], b"", Duration::from_secs(90));
    drop(held);
    let why = booted.exec(&["landfall", "why"]).stdout;
    let mut wrong = Vec::new();
    let mut check = |so: bool, what: &str| {
        if !so {
            wrong.push(format!("{what}\n{}why: {why}\napply: {}{}", case.document, applied.stdout, applied.stderr));
        }
    };
    check(applied.code() == Some(1), "apply does not end with 1");
    check(why.lines().count() <= 24, "it is longer than a screen");
    check(why.contains(case.kind), case.kind);
    check(why.contains("landfall "), "no command says how to go on");
    for words in case.words {
        check(why.contains(words), words);
    }
    // What is broken is nobody else's.
    booted.sh("dpkg --purge --force-all broken-lf 2>/dev/null; rm -f /etc/apt/sources.list.d/own.list; apt-get -qq update");
    wrong
}

#[test]
fn why_says_on_one_screen_what_failed_and_what_to_do() {
    let Some((lab, booted)) = idle() else { return };
    let _origin = Origin::start(&booted, lab.repo(), Manner::Serves);
    let cases = cases();
    let wrong: Vec<String> = cases.iter().flat_map(|case| screen(&booted, case)).collect();
    println!("closing: why: {} failures, {} not told as they should be", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
    booted.shutdown();
}
