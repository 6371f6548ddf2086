//! Facts about packages: what dpkg has, what apt counts as asked for, what debconf has been told.

use std::collections::BTreeSet;

use crate::lab::Files;
use crate::state::Facts;

pub fn add(files: &Files, facts: &mut Facts) {
    let automatic = automatic(files);
    for stanza in stanzas(files, "/var/lib/dpkg/status") {
        let (Some(name), Some(status)) = (field(&stanza, "Package"), field(&stanza, "Status")) else {
            continue;
        };
        let version = field(&stanza, "Version").unwrap_or("-");
        let asked = if automatic.contains(name) { "automatic" } else { "manual" };
        facts.insert(format!("package/{name}"), format!("{version}, {status}, {asked}"));
    }
    for file in ["config.dat", "passwords.dat"] {
        for stanza in stanzas(files, &format!("/var/cache/debconf/{file}")) {
            let Some(name) = field(&stanza, "Name") else {
                continue;
            };
            let value = field(&stanza, "Value").unwrap_or("");
            let flags = field(&stanza, "Flags").unwrap_or("");
            facts.insert(format!("debconf/{name}"), format!("{value:?} {flags}").trim().into());
        }
    }
}

fn automatic(files: &Files) -> BTreeSet<String> {
    let stanzas = stanzas(files, "/var/lib/apt/extended_states");
    let automatic = stanzas.iter().filter(|stanza| field(stanza, "Auto-Installed") == Some("1"));
    automatic.filter_map(|stanza| field(stanza, "Package").map(str::to_owned)).collect()
}

fn stanzas(files: &Files, path: &str) -> Vec<String> {
    let text = files.try_read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).split("\n\n").map(str::to_owned).collect()
}

fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    let line = stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim)
}
