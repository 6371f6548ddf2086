//! Facts about certificate authorities. The bundle and the links in /etc/ssl/certs hold what the installed ca-certificates has, so
//! only what was taken away from it and what was added to it is said.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::content::digest;
use crate::lab::Files;
use crate::state::Facts;

const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
const SETTINGS: &str = "/etc/ca-certificates.conf";
const CERTIFICATES: &str = "/etc/ssl/certs";

pub fn add(files: &Files, lower: &Path, facts: &mut Facts) {
    let old = fs::read_to_string(lower.join(&BUNDLE[1..])).unwrap_or_default();
    let new = files.try_read(BUNDLE).unwrap_or_default();
    let new = String::from_utf8_lossy(&new).into_owned();
    let (old, new) = (certificates(&old), certificates(&new));
    let kept = old.intersection(&new).count();
    facts.insert("authorities/of the package".into(), all_of(kept, old.len()));
    let added = new.difference(&old);
    let added: BTreeSet<_> = added.map(|text| if is_whole(text) { digest(text.as_bytes()) } else { "not a certificate".into() }).collect();
    facts.insert("authorities/added".into(), added.into_iter().collect::<Vec<_>>().join("\n"));

    let settings = files.try_read(SETTINGS).unwrap_or_default();
    let settings = String::from_utf8_lossy(&settings).into_owned();
    let entries = settings.lines().filter(|line| line.ends_with(".crt"));
    let (off, on): (Vec<_>, Vec<_>) = entries.partition(|line| line.starts_with('!'));
    facts.insert("authorities/switched off".into(), all_of(off.len(), off.len() + on.len()));

    let had: BTreeSet<String> = fs::read_dir(lower.join(&CERTIFICATES[1..]))
        .map(|entries| entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    let has: BTreeSet<String> = files.list(CERTIFICATES).into_iter().collect();
    facts.insert("authorities/links of the package".into(), all_of(had.intersection(&has).count(), had.len()));
    for name in has.difference(&had) {
        let path = format!("{CERTIFICATES}/{name}");
        let target = files.link_target(&path).unwrap_or_default();
        facts.insert(path, format!("link to {}", target.display()));
    }
}

fn all_of(count: usize, all: usize) -> String {
    match count {
        0 => "none".into(),
        _ if count == all => "all".into(),
        _ => "some".into(),
    }
}

/// A text without a line end in front of the next certificate spoils both.
fn is_whole(block: &str) -> bool {
    block.split_once("-----ENDCERTIFICATE-----").is_some_and(|(_, rest)| rest.is_empty())
}

fn certificates(bundle: &str) -> BTreeSet<String> {
    let blocks = bundle.split("-----BEGIN CERTIFICATE-----").skip(1);
    blocks.map(|block| block.split_whitespace().collect()).collect()
}
