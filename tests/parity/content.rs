//! What a file's content is said to be: its text where a reader can judge it, and nothing that is random or bound to a version of
//! a package. Every rule here that makes two contents alike says why that is no difference.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use sha2::{Digest, Sha256};

use crate::case::Case;
use crate::lab::Files;

/// Longer texts are given as a digest, or as the lines that differ from the root's own.
const LONGEST: usize = 2000;

/// What of a case must be known to tell given from random, and this run's from every run's.
#[derive(Debug, Clone)]
pub struct Known {
    /// The user-data's text.
    pub input: String,
    pub passwords: Vec<String>,
    /// The day on which the image's accounts were made, in days since 1970, as /etc/shadow counts: images are kept for a while.
    pub made: u64,
    /// Today, in such days.
    pub today: u64,
    lab_key: String,
    lab_key_bytes: Vec<u8>,
}

impl Known {
    /// `shadow` is the image's.
    pub fn of(case: &Case, lab_key: &str, shadow: &str) -> Self {
        let body: String = lab_key
            .lines()
            .skip_while(|line| !line.is_empty())
            .take_while(|line| !line.starts_with('=') && !line.starts_with("-----END"))
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            input: String::from_utf8_lossy(&case.text(lab_key)).into_owned(),
            passwords: case.settings.passwords.clone(),
            made: shadow.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).max().unwrap(),
            today: now.as_secs() / 86400,
            lab_key: lab_key.trim().into(),
            lab_key_bytes: STANDARD.decode(body).unwrap(),
        }
    }
}

/// The fact about a file's content; `None` where other facts say it.
pub fn describe(path: &str, content: &[u8], old: Option<&[u8]>, known: &Known) -> Option<String> {
    // Told entry by entry by accounts.rs and authorities.rs.
    let told = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid", "ca-certificates.conf"];
    if path.strip_prefix("/etc/").is_some_and(|name| told.contains(&name)) {
        return None;
    }
    if content == known.lab_key_bytes {
        return Some("the lab's key, dearmored".into());
    }
    if content.get(4086..4096) == Some(b"SWAPSPACE2") {
        // Its UUID is random.
        return Some(format!("{} bytes of swap", content.len()));
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return Some(digest(content));
    };
    if path.starts_with("/etc/ssh/ssh_host_") {
        return Some(host_key(text, known));
    }
    let text = text.replace(&known.lab_key, "the lab's key");
    let text = normalised(path, &text);
    if text.len() <= LONGEST {
        return Some(text);
    }
    match old.and_then(|old| std::str::from_utf8(old).ok()) {
        Some(old) => Some(changed_lines(&normalised(path, old), &text)),
        None => Some(digest(text.as_bytes())),
    }
}

/// The file of /etc/skel that this one is a copy of: bash's, so its content changes with bash's version.
pub fn skeleton_of(files: &Files, path: &str, content: &[u8]) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let skeleton = format!("/etc/skel/{name}");
    (files.try_read(&skeleton).ok()? == content).then_some(skeleton)
}

/// Private and public host keys are random unless the user-data gives them. The comment of a public one counts.
fn host_key(text: &str, known: &Known) -> String {
    let bare = |text: &str| text.split_whitespace().collect::<String>();
    let fields: Vec<_> = text.split_whitespace().collect();
    if bare(&known.input).contains(&bare(text)) {
        return "as given".into();
    }
    match fields.as_slice() {
        [kind, _, comment @ ..] if kind.starts_with("ssh-") || kind.starts_with("ecdsa-") => {
            format!("{kind} of its own, {}", comment.join(" "))
        }
        _ if text.contains("PRIVATE KEY") => "a private key of its own".into(),
        _ => digest(text.as_bytes()),
    }
}

/// Files of settings, or directories of them: of comments and blank lines each program has its own, and who reads the file takes neither.
const SETTINGS: [&str; 10] = [
    "/etc/apt/apt.conf.d/90cloud-init-pipelining",
    "/etc/chef/client.rb",
    "/etc/chrony/",
    "/etc/default/keyboard",
    "/etc/hosts",
    "/etc/my-locale",
    "/etc/puppet/puppet.conf",
    "/etc/puppet/puppet.conf.old",
    "/etc/rsyslog.d/",
    "/etc/systemd/timesyncd.conf.d/",
];

/// Documents that say the same in any layout and order of their keys.
const DOCUMENTS: [&str; 4] = ["/etc/chef/firstboot.json", "/etc/puppet/csr_attributes.yaml", "/etc/salt/grains", "/etc/salt/minion"];

/// Whose words may stand any number of blanks apart: the peer writes lines anew that nobody asked it about.
const WORDS: [&str; 2] = ["/etc/hosts", "/etc/ssh/sshd_config"];

fn normalised(path: &str, text: &str) -> String {
    let mut text = text.to_owned();
    if WORDS.contains(&path) {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        text = lines.collect::<Vec<_>>().join("\n");
    }
    if SETTINGS.iter().any(|known| path == *known || known.ends_with('/') && path.starts_with(known)) {
        let lines = text.lines().map(str::trim_end);
        return lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '/'])).collect::<Vec<_>>().join("\n");
    }
    if path == "/etc/apt/sources.list.d/debian.sources" {
        // Comments are the peer's template's and landfall's own, and apt reads neither; a blank line parts two stanzas.
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let stanzas = lines.split(|line| line.is_empty()).filter(|stanza| !stanza.is_empty());
        return stanzas.map(|stanza| stanza.join("\n")).collect::<Vec<_>>().join("\n\n");
    }
    if DOCUMENTS.contains(&path) {
        // JSON is YAML; what serde_json makes of it has its keys in order.
        if let Ok(document) = serde_yaml::from_str::<serde_json::Value>(&text) {
            return document.to_string();
        }
    }
    if path.ends_with("/.ssh/authorized_keys") {
        // sshd reads them in any order, and the peer writes them in any. A line that another begins stands for both: it is the same key
        // with the same options, of which sshd takes the first, and the peer writes it again for a longer comment.
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup_by(|line, kept| line.strip_prefix(*kept).is_some_and(|rest| rest.starts_with(' ')));
        return lines.join("\n");
    }
    if path.starts_with("/etc/sudoers.d/") {
        // The comment at the top names the program, and the peer's its version and the time.
        let lines = text.lines().map(|line| {
            let is_head = line.starts_with("# Created by ") || line.starts_with("# Written by ");
            if is_head {
                "# (who wrote this)"
            } else {
                line
            }
        });
        return lines.collect::<Vec<_>>().join("\n");
    }
    text
}

/// `-` and `+` lines, without regard to where they stand.
fn changed_lines(old: &str, new: &str) -> String {
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for line in new.lines() {
        *counts.entry(line).or_default() += 1;
    }
    for line in old.lines() {
        *counts.entry(line).or_default() -= 1;
    }
    let mut changes = Vec::new();
    for (line, count) in counts {
        let sign = if count < 0 { '-' } else { '+' };
        changes.extend((0..count.abs()).map(|_| format!("{sign} {line}")));
    }
    if changes.is_empty() {
        return "the same lines in another order".into();
    }
    changes.join("\n")
}

pub fn digest(content: &[u8]) -> String {
    let digest = hex(&Sha256::digest(content));
    format!("{} bytes, sha256 {}", content.len(), &digest[..32])
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
