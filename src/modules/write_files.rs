//! `write_files`: files before users and packages, or, with `defer`, after them. What comes from the network is fetched once people
//! can log in.

use super::{Module, Scope, Steps};
use crate::config::problem::Severity;
use crate::config::typed::files::{FileOwner, FileSource};
use crate::config::typed::FileEntry;
use crate::plan::operation::{content, Operation, Owner, WriteFile};
use crate::plan::{Frequency, Stage};

/// Largest content after unpacking.
const CONTENT_LIMIT: u64 = 64 << 20;

/// Entries that hold their content, without `defer`.
pub const EARLY: Module = Module {
    name: "write_files",
    stage: Stage::Local,
    frequency: Frequency::Instance,
    keys: &["write_files"],
    implied: false,
    plan: |scope, steps| plan(scope, steps, When::Early),
};

/// Entries whose content is fetched: an address that does not answer must not hold up users and their keys.
pub const FETCHED: Module = Module { stage: Stage::Final, plan: |scope, steps| plan(scope, steps, When::Fetched), ..EARLY };

/// Entries with `defer`, and those that have to wait for their owner.
pub const DEFERRED: Module = Module {
    name: "write_files_deferred",
    stage: Stage::Final,
    frequency: Frequency::Instance,
    keys: &["write_files"],
    implied: false,
    plan: |scope, steps| plan(scope, steps, When::Deferred),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Early,
    Fetched,
    Deferred,
}

/// Whether there is an entry for [`DEFERRED`].
pub fn has_deferred(scope: &Scope<'_>) -> bool {
    scope.keys.write_files.iter().any(|entry| when(entry, scope).0 == When::Deferred)
}

/// When an entry is written, and why it has to wait.
fn when(entry: &FileEntry, scope: &Scope<'_>) -> (When, Option<String>) {
    let reason = if entry.defer { None } else { has_to_wait(entry, scope) };
    let when = if entry.defer || reason.is_some() {
        When::Deferred
    } else if is_fetched(entry) {
        When::Fetched
    } else {
        When::Early
    };
    (when, reason)
}

fn plan(scope: &Scope<'_>, steps: &mut Steps, now: When) {
    for entry in &scope.keys.write_files {
        let (when, reason) = when(entry, scope);
        if when == now {
            report_replaced(entry, &scope.keys.write_files, steps);
            add(entry, reason, scope, steps);
        }
    }
}

/// Says that a later entry of the same file, which does not append, leaves nothing of an earlier one.
fn report_replaced(entry: &FileEntry, all: &[FileEntry], steps: &mut Steps) {
    let same = |other: &&FileEntry| from_root(&other.path) == from_root(&entry.path) && other.defer == entry.defer;
    let mut earlier = all.iter().take_while(|other| other.origin != entry.origin);
    if let (false, Some(first)) = (entry.append.unwrap_or_default(), earlier.find(same)) {
        let message = format!("{} is written twice: nothing is left of what {} writes", absolute(&entry.path), first.origin);
        steps.report.warning("written-twice", message).at(&entry.origin).help("join the entries, or add `append: true` to this one");
    }
}

fn is_fetched(entry: &FileEntry) -> bool {
    entry.source.as_ref().is_some_and(|source| source.uri.0.contains("://") && !source.uri.0.starts_with("file:"))
}

/// Why an entry cannot be written before users and packages: with the peer it fails, or makes a home that `useradd` then leaves
/// without its skeleton.
fn has_to_wait(entry: &FileEntry, scope: &Scope<'_>) -> Option<String> {
    if let Some(user) = scope.accounts.owner_of_home(&absolute(&entry.path), scope.facts) {
        return Some(format!("written after the users: it lies in the home of {}", user.name));
    }
    let owner = owner(entry);
    let missing = |name: &&String, known: bool| !known && name.as_str() != "root";
    let user = owner.user.as_ref().filter(|name| missing(name, scope.facts.users.contains_key(*name)));
    let group = owner.group.as_ref().filter(|name| missing(name, scope.facts.groups.contains(*name)));
    let name = user.or(group)?;
    Some(format!("written after users and packages: {name} does not exist before"))
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// The path without the slash that may be left out.
fn from_root(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

fn add(entry: &FileEntry, reason: Option<String>, scope: &Scope<'_>, steps: &mut Steps) {
    let path = absolute(&entry.path);
    if path.ends_with('/') {
        let message = format!("`{}` names no file: nothing is written", entry.path);
        steps.report.error("path", message).at(entry.place("path")).help("write the whole path of the file: `/etc/example.conf`");
        return;
    }
    if entry.path.starts_with('~') {
        let message = format!("`~` is nobody's home here: the file is {path}");
        steps.report.warning("path", message).at(entry.place("path")).help("write the home out: `/root/...`, `/home/NAME/...`");
    } else if entry.path.starts_with(['$', '"', '\'', '‘', '’', '“', '”', '«', '»']) || entry.path.get(1..3) == Some(":\\") {
        let message = format!("no shell or other system reads this path: the file is {path}");
        steps.report.warning("path", message).at(entry.place("path")).help("write the whole path, from `/`: `/etc/example.conf`");
    }
    let parts = [
        ("content", entry.content.is_none()),
        ("encoding", entry.encoding.is_none()),
        ("source", entry.source.is_none()),
        ("append", entry.append.is_none()),
    ];
    if let Some((key, _)) = parts.into_iter().find(|(key, missing)| entry.is_unread(key, *missing)) {
        let message = format!("`{key}` of {path} cannot be read: the file is not written");
        steps.report.error("unread", message).at(entry.place(key));
        return;
    }
    let append = entry.append.unwrap_or_default();
    let unsupported = entry.source.as_ref().and_then(|source| unsupported_scheme(&source.uri.0));
    let can_be_fetched = entry.source.is_some() && unsupported.is_none();
    let Some(mut bytes) = decoded(entry, &path, can_be_fetched, steps) else { return };
    if reason.is_some() && !append && entry.source.is_none() && !entry.defer {
        add_keys(&mut bytes, &path, scope);
    }
    report_odd_script(&path, &bytes, entry, steps);
    let owner = owner(entry);
    let owner_name = owner.user.clone();
    let file = WriteFile {
        path: path.clone(),
        content: content(bytes),
        mode: Some(entry.permissions.map_or(0o644, |mode| mode.0)),
        owner: Some(owner),
        own_parents: true,
    };
    if let Some(scheme) = unsupported {
        let (severity, instead) = match &entry.content {
            Some(_) => (Severity::Warning, "the content given beside it is written"),
            None => (Severity::Error, "the file is not written"),
        };
        let message = format!("{path} cannot be fetched by {scheme}: {instead}");
        let problem = steps.report.add(severity, "unsupported", message);
        problem.at(entry.place("source")).help("use an http:, https: or file: address");
        if entry.content.is_none() {
            return;
        }
    }
    if let Some(key) = entry.source.as_ref().and_then(unreadable_checksum) {
        let message = format!("`{key}` of {path} cannot be read: the file is not written");
        let source = entry.source.as_ref().map_or(&entry.origin, |source| source.place(key));
        steps.report.error("checksum", message).at(source).help("give the checksum, or take the key away");
        return;
    }
    let operation = match entry.source.as_ref().filter(|_| unsupported.is_none()) {
        Some(source) => Operation::Download {
            url: if source.uri.0.starts_with('/') { format!("file://{}", source.uri.0) } else { source.uri.0.clone() },
            headers: source.headers.0.clone(),
            file,
            append,
            checksum: source.checksum(),
        },
        None if append => Operation::AppendFile(file),
        None => Operation::WriteFile(file),
    };
    let mut step = steps.add(&path, operation).at(&entry.origin);
    let home_of = scope.accounts.owner_of_home(&path, scope.facts).map(|account| account.name.as_str());
    for user in owner_name.as_deref().into_iter().chain(home_of) {
        step = step.needs_thing(&super::users::thing(user));
    }
    if let Some(reason) = reason {
        let _ = step.notice(reason);
    }
}

/// The keys that are given elsewhere for the user to whom `path` belongs: the peer puts them into the file that it has written before, and
/// here it is written after them.
fn add_keys(bytes: &mut Vec<u8>, path: &str, scope: &Scope<'_>) {
    let Some(account) = scope.accounts.owner_of_home(path, scope.facts).filter(|_| path.ends_with("/.ssh/authorized_keys")) else { return };
    let own = account.entry.ssh_authorized_keys.clone().unwrap_or_default().0;
    let common = if scope.accounts.default.as_ref() == Some(&account.name) { super::ssh::common_keys(scope) } else { Vec::new() };
    let text = String::from_utf8_lossy(bytes).into_owned();
    for key in own.iter().chain(&common).filter(|key| !text.contains(key.trim())) {
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(key.trim().as_bytes());
        bytes.push(b'\n');
    }
}

/// The content that the entry holds: nothing where it cannot be decoded and the file can be fetched, as with the peer, which looks at
/// it only when that has failed. `None` where there is nothing to be written.
fn decoded(entry: &FileEntry, path: &str, can_be_fetched: bool, steps: &mut Steps) -> Option<Vec<u8>> {
    let Some(content) = &entry.content else { return Some(Vec::new()) };
    // The encoding is that of `content`: what is fetched is written as it comes.
    let encoding = entry.encoding.unwrap_or_default();
    let raw = content.0.expose();
    match encoding.decode(raw, CONTENT_LIMIT) {
        Ok(bytes) => {
            if encoding.drops_some(raw) {
                let message = format!("the content of {path} has characters that base64 does not have: they are dropped");
                steps.report.warning("encoding", message).at(entry.place("content")).help("give the whole content as base64");
            }
            Some(bytes)
        }
        Err(why) if can_be_fetched => {
            let message = format!("the content of {path} is {why}: there is no fallback if it cannot be fetched");
            let problem = steps.report.warning("encoding", message);
            problem.at(entry.place("content")).help("correct `encoding` or `content`, or leave `content` out");
            Some(Vec::new())
        }
        Err(why) => {
            let message = format!("the content of {path} is {why}: the file is not written");
            steps.report.error("encoding", message).at(entry.place("content")).help("correct `encoding` or `content`");
            None
        }
    }
}

/// A script that no kernel can start, or that does nothing.
fn report_odd_script(path: &str, bytes: &[u8], entry: &FileEntry, steps: &mut Steps) {
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with("#!")) else { return };
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let is_argument = |word: &str| !word.starts_with('-');
    if first.ends_with('\r') {
        let message = format!("the first line of {path} ends as on Windows: the kernel looks for an interpreter with that end in its name");
        steps.report.warning("script", message).at(entry.place("content")).help("save it with the line ends of Unix");
    } else if rest.trim().is_empty() && !first.contains("/env ") && first[2..].split_whitespace().skip(1).any(is_argument) {
        let message = format!("{path} has all of its script behind `#!`, on one line: none of it is run");
        steps.report.warning("script", message).at(entry.place("content")).help("write `|` in place of `>` behind `content:`");
    }
}

/// A checksum that was given and cannot be compared with.
fn unreadable_checksum(source: &FileSource) -> Option<&'static str> {
    let unread = [("sha256", source.sha256.is_none()), ("sha512", source.sha512.is_none())];
    unread.into_iter().find(|(key, missing)| source.is_unread(key, *missing)).map(|(key, _)| key)
}

/// The scheme of an address nothing here can fetch; a path is none.
fn unsupported_scheme(uri: &str) -> Option<&str> {
    let (scheme, _) = uri.split_once(':')?;
    let known = ["http", "https", "file"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    (!known && !uri.starts_with('/')).then_some(scheme)
}

/// `user[:group]`; `-1`, `none` and nothing leave that half as it is.
fn owner(entry: &FileEntry) -> Owner {
    let Some(FileOwner(text)) = &entry.owner else { return Owner::root() };
    let (user, group) = text.split_once(':').map_or((text.as_str(), None), |(user, group)| (user, Some(group)));
    let named =
        |name: &str| Some(name.trim().to_owned()).filter(|name| !name.is_empty() && name != "-1" && !name.eq_ignore_ascii_case("none"));
    Owner { user: named(user), group: group.and_then(named) }
}
