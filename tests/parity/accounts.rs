//! Facts about accounts: each entry of passwd, group, shadow, gshadow, subuid, subgid by its meaning.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use crate::content::Known;
use crate::lab::{run, Files};
use crate::state::Facts;

/// The first id of ordinary users. Below it ids depend on what else is installed, so they are not compared.
const FIRST: u32 = 1000;

/// Names of owners.
pub struct Names {
    users: BTreeMap<u32, String>,
    groups: BTreeMap<u32, String>,
}

impl Names {
    pub fn of(files: &Files) -> Self {
        Self { users: ids(&lines(files, "/etc/passwd")), groups: ids(&lines(files, "/etc/group")) }
    }

    pub fn user(&self, id: u32) -> String {
        self.users.get(&id).cloned().unwrap_or(id.to_string())
    }

    pub fn group(&self, id: u32) -> String {
        self.groups.get(&id).cloned().unwrap_or(id.to_string())
    }
}

/// Fields of each line; an absent file has none.
fn lines(files: &Files, path: &str) -> Vec<Vec<String>> {
    let text = files.try_read(path).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
}

fn ids(lines: &[Vec<String>]) -> BTreeMap<u32, String> {
    let pairs = lines.iter().filter_map(|fields| {
        let id = fields.get(2)?.parse().ok()?;
        Some((id, fields[0].clone()))
    });
    pairs.collect()
}

pub fn add(files: &Files, known: &Known, facts: &mut Facts) {
    let names = Names::of(files);
    let id = |text: &str| match text.parse::<u32>() {
        Ok(number) if (1..FIRST).contains(&number) => "of the system".to_owned(),
        _ => text.to_owned(),
    };
    for fields in lines(files, "/etc/passwd") {
        let [name, password, uid, gid, gecos, home, shell] = fields.as_slice() else {
            facts.insert(format!("passwd/{}", fields.join(":")), "malformed".into());
            continue;
        };
        let group = gid.parse().map_or(gid.clone(), |gid| names.group(gid));
        let said = format!("password {password}, uid {}, group {group}, gecos {gecos:?}, home {home}, shell {shell}", id(uid));
        facts.insert(format!("passwd/{name}"), said);
    }
    for fields in lines(files, "/etc/group") {
        let gid = fields.get(2).map_or("?".into(), |gid| id(gid));
        let said = format!("gid {gid}, members {}", sorted(fields.get(3)));
        facts.insert(format!("group/{}", fields[0]), said);
    }
    for fields in lines(files, "/etc/gshadow") {
        let password = fields.get(1).map_or("?", String::as_str);
        let said = format!("password {password}, administrators {}, members {}", sorted(fields.get(2)), sorted(fields.get(3)));
        facts.insert(format!("gshadow/{}", fields[0]), said);
    }
    for name in ["subuid", "subgid"] {
        for fields in lines(files, &format!("/etc/{name}")) {
            facts.insert(format!("{name}/{}", fields[0]), fields[1..].join(" + "));
        }
    }
    for fields in lines(files, "/etc/shadow") {
        facts.insert(format!("shadow/{}", fields[0]), shadow(&fields, known));
    }
}

fn sorted(list: Option<&String>) -> String {
    let mut names: Vec<_> = list.map_or("", |list| list).split(',').collect();
    names.sort_unstable();
    let names = names.join(" ");
    if names.is_empty() {
        "none".into()
    } else {
        names
    }
}

fn shadow(fields: &[String], known: &Known) -> String {
    let field = |at: usize| fields.get(at).map_or("", String::as_str);
    let days = |at: usize| match field(at) {
        "" => "-".to_owned(),
        // As in a fresh image, where the day it was made is today. The clock may pass midnight between the run and this.
        text if text.parse().is_ok_and(|day: u64| (known.made - 1..=known.today + 1).contains(&day)) => "today".into(),
        text => text.to_owned(),
    };
    let ageing = ["changed", "least", "most", "warning", "inactive", "expires"];
    let ageing: Vec<_> = ageing.iter().enumerate().map(|(at, name)| format!("{name} {}", days(at + 2))).collect();
    format!("{}; {}", password(field(1), known), ageing.join(", "))
}

fn password(field: &str, known: &Known) -> String {
    let hash = field.trim_start_matches('!');
    if hash.is_empty() || hash == "*" {
        return match field {
            "" => "empty password".into(),
            _ => format!("no password ({field})"),
        };
    }
    let lock = match field.len() - hash.len() {
        0 => "open",
        1 => "locked",
        _ => "locked twice",
    };
    if known.input.contains(hash) {
        return format!("{lock}, {hash} as given");
    }
    let method = match hash.strip_prefix('$').and_then(|rest| rest.split('$').next()) {
        Some(method) => format!("${method}$"),
        None => "no method".into(),
    };
    let verified = known.passwords.iter().find(|plain| verifies(plain, hash));
    match verified {
        Some(plain) => format!("{lock}, {method} of {plain:?}"),
        None => format!("{lock}, {method} of something else"),
    }
}

/// By this machine's crypt(3).
fn verifies(plain: &str, hash: &str) -> bool {
    let mut crypt = Command::new("perl");
    crypt.args([
        "-e",
        r#"local $/; my ($plain, $hash) = split /\0/, <STDIN>; my $made = crypt($plain, $hash); exit !(defined $made && $made eq $hash)"#,
    ]);
    let input = format!("{plain}\0{hash}");
    run(&mut crypt, input.as_bytes(), Duration::from_secs(20)).ok()
}
