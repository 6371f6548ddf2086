//! Old top-level keys, as entries of the mapping that has taken them over: `apt_*` of before 2016, `rsyslog` as a list.

use super::reader::Reader;
use crate::config::node::{Entry, Node, Origin, Value};

/// Old key and its place under `apt`. The peer swaps the proxies for https and ftp here; that is not imitated.
const PLAIN: [(&str, &str); 8] = [
    ("apt_sources", "sources"),
    ("apt_proxy", "proxy"),
    ("apt_http_proxy", "http_proxy"),
    ("apt_https_proxy", "https_proxy"),
    ("apt_ftp_proxy", "ftp_proxy"),
    ("apt_preserve_sources_list", "preserve_sources_list"),
    ("apt_custom_sources_list", "sources_list"),
    ("add_apt_repo_match", "add_apt_repo_match"),
];

/// Old keys that together are one entry of `apt.primary`.
const MIRROR: [(&str, &str); 3] = [("apt_mirror", "uri"), ("apt_mirror_search", "search"), ("apt_mirror_search_dns", "search_dns")];

/// Every old key with the place where it belongs now.
pub fn old_keys() -> impl Iterator<Item = (&'static str, String)> {
    let below = |place: &'static str| move |(old, new): &(&'static str, &'static str)| (*old, format!("{place}.{new}"));
    PLAIN.iter().map(below("apt")).chain(MIRROR.iter().map(below("apt.primary"))).chain(RSYSLOG.iter().map(below("rsyslog")))
}

/// Whether an entry of this key may be one that [`upgrade`] moves or writes anew.
pub fn may_upgrade(key: &str) -> bool {
    key.starts_with("apt_") || key == "add_apt_repo_match" || key.starts_with("rsyslog")
}

/// Where a list of old sources without file names goes.
const OLD_SOURCES_FILE: &str = "cloud_config_sources.list";

/// Moves the old keys where they belong now, each with a note. What the new one itself says holds.
pub fn upgrade(top: &mut Vec<Entry>, reader: &mut Reader<'_>) {
    upgrade_rsyslog(top, reader);
    upgrade_apt(top, reader);
}

/// Old keys beside a list, and what they are under `rsyslog`.
const RSYSLOG: [(&str, &str); 2] = [("rsyslog_dir", "config_dir"), ("rsyslog_filename", "config_filename")];

/// A list is what is now `configs`; only beside one the other old keys mean anything.
fn upgrade_rsyslog(top: &mut Vec<Entry>, reader: &mut Reader<'_>) {
    let Some(at) = top.iter().position(|entry| entry.key.as_str() == Some("rsyslog") && entry.value.as_seq().is_some()) else { return };
    let configs = top[at].value.clone();
    let origin = configs.origin.clone();
    let report = &mut reader.report;
    report.note("deprecated", "`rsyslog` as a list is an old form").at(&origin).help("write `rsyslog: {configs: [...]}`");
    let mut fields = vec![Entry { key: word("configs", &origin), value: configs }];
    for (old, new) in RSYSLOG {
        if let Some(entry) = top.iter().find(|entry| entry.key.as_str() == Some(old)) {
            let message = format!("`{old}` is an old spelling of `{new}` under `rsyslog`");
            report.note("deprecated", message).at(&entry.key.origin);
            fields.push(Entry { key: word(new, &entry.key.origin), value: entry.value.clone() });
        }
    }
    top[at].value = Node::new(Value::Map(fields), origin);
    top.retain(|entry| !RSYSLOG.iter().any(|(old, _)| entry.key.as_str() == Some(*old)));
}

fn upgrade_apt(top: &mut Vec<Entry>, reader: &mut Reader<'_>) {
    let mut moved = Vec::new();
    let mut mirror = Vec::new();
    top.retain(|entry| {
        let Some(old) = entry.key.as_str() else { return true };
        let plain = PLAIN.iter().find(|(known, _)| *known == old);
        let of_mirror = MIRROR.iter().find(|(known, _)| *known == old);
        let (target, new) = match (plain, of_mirror) {
            (Some((_, new)), _) => (&mut moved, *new),
            (_, Some((_, new))) => (&mut mirror, *new),
            _ => return true,
        };
        let place = if of_mirror.is_some() { "apt.primary" } else { "apt" };
        let message = format!("`{old}` is an old spelling of `{new}` under `{place}`");
        reader.report.note("deprecated", message).at(&entry.key.origin);
        if !entry.value.is_null() {
            let value = if new == "sources" { named_sources(&entry.value) } else { entry.value.clone() };
            target.push(Entry { key: word(new, &entry.key.origin), value });
        }
        false
    });
    if let Some(first) = mirror.first() {
        let origin = first.key.origin.clone();
        let arches = Node::new(Value::Seq(vec![word("default", &origin)]), origin.clone());
        mirror.push(Entry { key: word("arches", &origin), value: arches });
        let one = Node::new(Value::Map(mirror), origin.clone());
        moved.push(Entry { key: word("primary", &origin), value: Node::new(Value::Seq(vec![one]), origin.clone()) });
    }
    if !moved.is_empty() {
        add_to_apt(moved, top, reader);
    }
}

fn word(text: &str, origin: &Origin) -> Node {
    Node::new(Value::Str(text.to_owned()), origin.clone())
}

/// A list of sources as a mapping: by file name, or all into one file.
fn named_sources(node: &Node) -> Node {
    let Some(items) = node.as_seq() else { return node.clone() };
    let mut entries: Vec<Entry> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut item = item.clone();
        let file = item.get("filename").and_then(Node::as_str).map(str::to_owned);
        let name = match &file {
            Some(name) => name.clone(),
            None => format!("{OLD_SOURCES_FILE}-{}", at + 1),
        };
        if let (None, Value::Map(fields)) = (&file, &mut item.value) {
            fields.push(Entry { key: word("filename", &item.origin), value: word(OLD_SOURCES_FILE, &item.origin) });
        }
        entries.push(Entry { key: word(&name, &item.origin), value: item });
    }
    Node::new(Value::Map(entries), node.origin.clone())
}

fn add_to_apt(moved: Vec<Entry>, top: &mut Vec<Entry>, reader: &mut Reader<'_>) {
    let Some(apt) = top.iter_mut().find(|entry| entry.key.as_str() == Some("apt") && !entry.value.is_null()) else {
        let origin = moved[0].key.origin.clone();
        top.push(Entry { key: word("apt", &origin), value: Node::new(Value::Map(moved), origin) });
        return;
    };
    let Value::Map(fields) = &mut apt.value.value else { return };
    for entry in moved {
        let name = entry.key.as_str().unwrap_or_default().to_owned();
        match fields.iter().find(|known| known.key.as_str() == Some(&name)) {
            None => fields.push(entry),
            Some(known) if known.value == entry.value => {}
            Some(known) => {
                let message = format!("`apt` has its own `{name}` at {}: the old key is ignored", known.key.origin);
                reader.report.warning("deprecated", message).at(&entry.key.origin).help("remove the old key");
            }
        }
    }
}
