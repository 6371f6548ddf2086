//! What a part is, told by its first bytes or by its declared type.

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// `#cloud-config`.
    CloudConfig,
    /// `#!`: run once for the instance.
    Script,
    /// A script of every boot.
    ScriptPerBoot,
    /// A script of the instance.
    ScriptPerInstance,
    /// A script run once on the machine.
    ScriptPerOnce,
    /// A kind cloud-init knows and this release does not do yet, by its usual name.
    NotYet(&'static str),
    /// Nothing that is known.
    Unknown,
    /// Nothing that is known, and reported already.
    Reported,
}

impl PartKind {
    /// Whether CRLF in it means LF.
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Unknown)
    }
}

/// Headers, the longest first, so that the longest prefix wins.
const PREFIXES: [(&str, PartKind); 10] = [
    ("#cloud-config-archive", PartKind::NotYet("#cloud-config-archive")),
    ("#cloud-config-jsonp", PartKind::NotYet("#cloud-config-jsonp")),
    ("## template: jinja", PartKind::NotYet("## template: jinja")),
    ("#cloud-boothook", PartKind::NotYet("#cloud-boothook")),
    ("#include-once", PartKind::NotYet("#include-once")),
    ("#part-handler", PartKind::NotYet("#part-handler")),
    ("#cloud-config", PartKind::CloudConfig),
    ("#include", PartKind::NotYet("#include")),
    ("#!", PartKind::Script),
    ("#upstart-job", PartKind::NotYet("#upstart-job")),
];

const TYPES: [(&str, PartKind); 13] = [
    ("text/cloud-config", PartKind::CloudConfig),
    ("text/x-shellscript", PartKind::Script),
    ("text/x-shellscript-per-boot", PartKind::ScriptPerBoot),
    ("text/x-shellscript-per-instance", PartKind::ScriptPerInstance),
    ("text/x-shellscript-per-once", PartKind::ScriptPerOnce),
    ("text/cloud-config-archive", PartKind::NotYet("text/cloud-config-archive")),
    ("text/cloud-config-jsonp", PartKind::NotYet("text/cloud-config-jsonp")),
    ("text/cloud-boothook", PartKind::NotYet("text/cloud-boothook")),
    ("text/x-include-url", PartKind::NotYet("text/x-include-url")),
    ("text/x-include-once-url", PartKind::NotYet("text/x-include-once-url")),
    ("text/part-handler", PartKind::NotYet("text/part-handler")),
    ("text/jinja2", PartKind::NotYet("text/jinja2")),
    ("text/upstart-job", PartKind::NotYet("text/upstart-job")),
];

fn head(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned();
    text.trim_start().to_ascii_lowercase()
}

/// Whether it is a MIME document: `MIME-Version:` in its first 4096 bytes, as the peer looks for it, before any other header.
pub fn is_mime(bytes: &[u8]) -> bool {
    let head = head(bytes);
    !head.starts_with('#') && head.contains("mime-version:")
}

/// What its first bytes say.
pub fn kind_of(bytes: &[u8]) -> PartKind {
    let head = head(bytes);
    PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)).map_or(PartKind::Unknown, |(_, kind)| *kind)
}

/// What its declared type says.
pub fn kind_of_type(declared: &str) -> PartKind {
    TYPES.iter().find(|(name, _)| *name == declared).map_or(PartKind::Unknown, |(_, kind)| *kind)
}

/// Declared types whose content decides all the same.
pub fn is_sniffed_again(declared: &str) -> bool {
    const GZIP: [&str; 8] = [
        "application/gzip",
        "application/gzip-compressed",
        "application/gzipped",
        "application/x-compress",
        "application/x-compressed",
        "application/x-gunzip",
        "application/x-gzip",
        "application/x-gzip-compressed",
    ];
    matches!(declared, "text/plain" | "text/x-not-multipart" | "text/x-shellscript" | "application/octet-stream") || GZIP.contains(&declared)
}

/// What was probably meant by a first line that is no header.
pub fn nearly(bytes: &[u8]) -> Option<&'static str> {
    const HEADER: &str = "make the first line `#cloud-config`";
    let head = head(bytes);
    let first = head.lines().next().unwrap_or_default().trim_end();
    let squeezed: String = first.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    if squeezed.starts_with("cloudconfig") || squeezed.starts_with("clouldconfig") || squeezed.starts_with("cloudinit") {
        return Some(HEADER);
    }
    let looks_like_yaml = first == "---" || first.split_once(':').is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    if looks_like_yaml || (first.starts_with('#') && head.lines().any(|line| line.contains(": ") || line.ends_with(':'))) {
        return Some(HEADER);
    }
    Some("begin it with `#cloud-config`, or with `#!` for a script")
}
