//! Paths that are not compared, each with the reason. `*` stands for any text, also with slashes.

const EXCLUDED: &[(&str, &str)] = &[
    ("/var/lib/cloud*", "the peer's own state; the part of it that is an interface is in running.rs"),
    ("/var/lib/landfall*", "landfall's own state"),
    ("/var/log*", "logs"),
    ("/run*", "not on the disk"),
    ("/var/tmp/systemd-private-*", "services' own directories, which go when these end"),
    ("/tmp*", "not kept over a boot"),
    ("/etc/machine-id", "random"),
    ("/var/lib/systemd/random-seed", "random"),
    ("/var/lib/systemd/credential.secret", "random"),
    ("/var/lib/systemd/timers*", "stamps of when timers last ran"),
    ("/var/lib/systemd/timesync*", "the clock's"),
    ("/var/lib/dpkg*", "told package by package; the rest repeats what the packages hold"),
    ("/var/lib/apt*", "lists are fetched anew; what was asked for is told package by package"),
    ("/var/cache*", "caches; debconf's answers are told one by one"),
    ("/etc/ld.so.cache", "a cache"),
    ("/usr/lib/locale/locale-archive", "locales are told by the running host"),
    ("*/__pycache__*", "a cache"),
    ("/etc/passwd-", "a backup by the account tools"),
    ("/etc/group-", "a backup by the account tools"),
    ("/etc/shadow-", "a backup by the account tools"),
    ("/etc/gshadow-", "a backup by the account tools"),
    ("/etc/subuid-", "a backup by the account tools"),
    ("/etc/subgid-", "a backup by the account tools"),
    ("/etc/.pwd.lock", "a lock"),
    ("/etc/ssl/certs*", "told by authorities.rs"),
];

/// Whether a path of the host is left out.
pub fn is_excluded(path: &str) -> bool {
    EXCLUDED.iter().any(|(pattern, _)| matches(pattern, path))
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text
            .strip_prefix(head)
            .is_some_and(|text| (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))),
    }
}

#[test]
fn a_star_stands_for_any_text() {
    assert!(is_excluded("/var/lib/cloud") && is_excluded("/var/lib/cloud/instances/i/x"));
    assert!(is_excluded("/usr/lib/python3/__pycache__/a.pyc"));
    assert!(!is_excluded("/var/lib/other") && !is_excluded("/etc/passwd"));
}
