//! User-data as it was taken apart, as one MIME message: cloud-init keeps that beside what it received.

use std::fmt::Write as _;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;

use super::{Part, UNDECLARED};
use crate::hash::sha256_hex;

/// The parts in their order, each decoded, with its headers. Bytes that are no text are in base64. No parts are one that is empty, as by cloud-init.
pub fn message(parts: &[Part]) -> Vec<u8> {
    let contents: Vec<u8> = parts.iter().flat_map(|part| part.content.iter().copied()).collect();
    let boundary = format!("==============={}==", &sha256_hex(&contents)[..20]);
    let number = parts.len().max(1);
    let mut text = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\nNumber-Attachments: {number}\n");
    let mut add = |headers: String, content: &str| {
        let _ = write!(text, "\n--{boundary}\n{headers}\n{content}");
    };
    for part in parts {
        match std::str::from_utf8(&part.content) {
            Ok(content) => add(headers(part, false), content),
            Err(_) => add(headers(part, true), &STANDARD.encode(&part.content)),
        }
    }
    if parts.is_empty() {
        add(format!("MIME-Version: 1.0\nContent-Type: {UNDECLARED}\nContent-Disposition: attachment; filename=\"part-001\"\n"), "");
    }
    let _ = writeln!(text, "\n--{boundary}--");
    text.into_bytes()
}

fn headers(part: &Part, is_encoded: bool) -> String {
    let has = |wanted: &str| part.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let own = ["content-type", "content-transfer-encoding", "content-length"];
    let declared = part
        .headers
        .iter()
        .find(|(name, text)| name.eq_ignore_ascii_case("content-type") && text.to_ascii_lowercase().starts_with(part.kind.mime_type()));
    let mut out = String::new();
    if part.headers.is_empty() {
        out.push_str("MIME-Version: 1.0\n");
    }
    let _ = writeln!(out, "Content-Type: {}", declared.map_or(part.kind.mime_type(), |(_, text)| text));
    for (name, text) in part.headers.iter().filter(|(name, _)| !own.contains(&&*name.to_ascii_lowercase())) {
        let _ = writeln!(out, "{name}: {text}");
    }
    if !has("content-disposition") {
        let _ = writeln!(out, "Content-Disposition: attachment; filename=\"{}\"", part.file_name);
    }
    if is_encoded {
        out.push_str("Content-Transfer-Encoding: base64\n");
    }
    out
}
