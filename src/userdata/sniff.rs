//! What a part is, from its first characters or its declared type.

use super::PartKind;

/// First characters and what they mean. A prefix only: cloud-init takes `#cloud-configuration` for a cloud-config too.
const PREFIXES: [(&str, PartKind); 9] = [
    ("#cloud-config-archive", PartKind::CloudConfigArchive),
    ("#cloud-config-jsonp", PartKind::Jsonp),
    ("#cloud-config", PartKind::CloudConfig),
    ("#cloud-boothook", PartKind::Boothook),
    ("#include-once", PartKind::IncludeOnceUrl),
    ("#include", PartKind::IncludeUrl),
    ("#part-handler", PartKind::PartHandler),
    ("## template: jinja", PartKind::Jinja),
    ("#!", PartKind::ShellScript),
];

/// What a text is by its first characters, blank ones skipped, in any case; the longest prefix counts.
pub(super) fn kind(text: &[u8]) -> Option<PartKind> {
    let text = text.trim_ascii_start();
    let found = PREFIXES
        .iter()
        .filter(|(prefix, _)| text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())))
        .max_by_key(|(prefix, _)| prefix.len());
    found.map(|(_, kind)| kind.clone())
}

/// What a part is by its declared MIME type, in lower case.
pub(super) fn declared(mime_type: &str) -> PartKind {
    let handled = [PartKind::ShellScriptPerBoot, PartKind::ShellScriptPerInstance, PartKind::ShellScriptPerOnce];
    let known = PREFIXES.iter().map(|(_, kind)| kind).chain(&handled).find(|kind| kind.mime_type() == mime_type);
    known.cloned().unwrap_or_else(|| PartKind::Unknown(mime_type.to_string()))
}

/// Whether a part declared so is looked at again: people leave scripts and cloud-configs as text/plain.
pub(super) fn is_sniffed_type(mime_type: &str) -> bool {
    matches!(mime_type, "text/plain" | "text/x-not-multipart" | "text/x-shellscript")
}

/// Whether a part declared so is decompressed.
pub(super) fn is_gzip_type(mime_type: &str) -> bool {
    let gzip = ["gzip", "gzip-compressed", "gzipped", "x-compress", "x-compressed", "x-gunzip", "x-gzip", "x-gzip-compressed"];
    mime_type.strip_prefix("application/").is_some_and(|subtype| gzip.contains(&subtype))
}
