//! User-data: from the bytes a datasource gave to named parts. Nothing is interpreted here.
//!
//! A blob is one text, whose first characters say what it is, or a MIME message of several; either may be compressed by
//! gzip. The rules are cloud-init's (its documentation, "User-data formats"); where it silently does nothing, this reports.
//! More lenient than it: a UTF-8 byte order mark, blank lines before MIME headers, and a compressed part that is declared as
//! text are accepted.
//!
//! Recognised but not handled yet, and reported so: includes, boothooks, part-handlers, archives, JSON patches, templates.

mod advice;
mod mime;
mod sniff;

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::config::node::Origin;
use crate::config::problem::Report;

/// The most bytes that user-data may have, as received and after decompression.
pub const MAX_BYTES: usize = 64 << 20;

/// The type of a text that nothing declares, as cloud-init calls it.
const UNDECLARED: &str = "text/x-not-multipart";

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// `#cloud-config`, text/cloud-config.
    CloudConfig,
    /// `#!`, text/x-shellscript: run once for the instance in the final stage.
    ShellScript,
    /// text/x-shellscript-per-boot.
    ShellScriptPerBoot,
    /// text/x-shellscript-per-instance.
    ShellScriptPerInstance,
    /// text/x-shellscript-per-once.
    ShellScriptPerOnce,
    /// `#cloud-boothook`.
    Boothook,
    /// `#include`.
    IncludeUrl,
    /// `#include-once`.
    IncludeOnceUrl,
    /// `#part-handler`.
    PartHandler,
    /// `## template: jinja`.
    Jinja,
    /// `#cloud-config-archive`.
    CloudConfigArchive,
    /// `#cloud-config-jsonp`.
    Jsonp,
    /// Something else; the declared type, or text/x-not-multipart for an undeclared text.
    Unknown(String),
}

impl PartKind {
    /// The MIME type.
    pub fn mime_type(&self) -> &str {
        match self {
            PartKind::CloudConfig => "text/cloud-config",
            PartKind::ShellScript => "text/x-shellscript",
            PartKind::ShellScriptPerBoot => "text/x-shellscript-per-boot",
            PartKind::ShellScriptPerInstance => "text/x-shellscript-per-instance",
            PartKind::ShellScriptPerOnce => "text/x-shellscript-per-once",
            PartKind::Boothook => "text/cloud-boothook",
            PartKind::IncludeUrl => "text/x-include-url",
            PartKind::IncludeOnceUrl => "text/x-include-once-url",
            PartKind::PartHandler => "text/part-handler",
            PartKind::Jinja => "text/jinja2",
            PartKind::CloudConfigArchive => "text/cloud-config-archive",
            PartKind::Jsonp => "text/cloud-config-jsonp",
            PartKind::Unknown(declared) => declared,
        }
    }

    /// Whether landfall acts on such parts.
    pub fn is_handled(&self) -> bool {
        self.is_script() || *self == PartKind::CloudConfig
    }

    /// Whether this is a script that is stored and run.
    pub fn is_script(&self) -> bool {
        use PartKind::{ShellScript, ShellScriptPerBoot, ShellScriptPerInstance, ShellScriptPerOnce};
        matches!(self, ShellScript | ShellScriptPerBoot | ShellScriptPerInstance | ShellScriptPerOnce)
    }
}

/// One part of user-data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name that origins and messages use: the blob's own for a single text ("user-data"), else the file name of the
    /// MIME headers, or "part-001" by position. Unique within the blob.
    pub name: String,
    /// The name cloud-init stores a script under: the file name without unusual characters, or "part-001".
    pub file_name: String,
    /// What it is.
    pub kind: PartKind,
    /// The content, decoded and decompressed, without byte order mark.
    pub content: Vec<u8>,
    /// The header `Merge-Type` or `X-Merge-Type`.
    pub merge_type: Option<String>,
    /// The header `Launch-Index`.
    pub launch_index: Option<u64>,
}

/// Why nothing can be made of user-data as a whole, or of a compressed part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// More than [`MAX_BYTES`] as received or decompressed.
    #[error("longer than {} MiB{}", MAX_BYTES >> 20, if *.decompressed { " when decompressed" } else { "" })]
    TooLong {
        /// Whether this showed only while decompressing.
        decompressed: bool,
    },
    /// The gzip data is damaged.
    #[error("gzip data that cannot be decompressed: {0}")]
    Gzip(String),
}

/// Tells the parts of user-data called `name` ("user-data", "vendor-data"). Empty user-data has none. What is damaged is
/// reported and left out; what is unknown or not handled yet is reported too, and is among the parts.
pub fn unpack(name: &str, bytes: &[u8], report: &mut Report) -> Vec<Part> {
    unpack_within(MAX_BYTES, name, bytes, report)
}

fn unpack_within(limit: usize, name: &str, bytes: &[u8], report: &mut Report) -> Vec<Part> {
    let mut unpacking = Unpacking { blob: name, left: limit, seen: 0, parts: Vec::new(), report };
    if let Err(error) = unpacking.blob(bytes) {
        unpacking.report.error("user-data", format!("{name}: {error}")).at(&Origin::new(name, 1, 1));
    }
    unpacking.parts
}

/// The work of telling parts.
struct Unpacking<'a> {
    /// The name of the whole.
    blob: &'a str,
    /// How many bytes may still be decompressed.
    left: usize,
    /// How many parts were met, damaged ones included.
    seen: usize,
    parts: Vec<Part>,
    report: &'a mut Report,
}

/// What the headers of a MIME part say.
#[derive(Default)]
struct Headers {
    /// Lower case; text/plain if not given.
    mime_type: String,
    file_name: Option<String>,
    merge_type: Option<String>,
    launch_index: Option<u64>,
}

impl Unpacking<'_> {
    fn blob(&mut self, bytes: &[u8]) -> Result<(), UserDataError> {
        if bytes.len() > self.left {
            return Err(UserDataError::TooLong { decompressed: false });
        }
        let decompressed;
        let mut text = bytes;
        if is_gzip(text) {
            decompressed = self.gunzip(text)?;
            text = &decompressed;
        }
        let text = self.without_bom(text, self.blob);
        if mime::is_message(text) {
            mime::each_part(text, self);
        } else if !text.trim_ascii().is_empty() {
            self.single(text);
        }
        Ok(())
    }

    /// A blob that is one text.
    fn single(&mut self, text: &[u8]) {
        let name = self.blob.to_string();
        let kind = sniff::kind(text).unwrap_or_else(|| PartKind::Unknown(UNDECLARED.into()));
        self.add(name, kind, text, Headers::default());
    }

    /// A part of a MIME message; `None` if its transfer encoding cannot be undone.
    fn part(&mut self, decoded: Option<Vec<u8>>, headers: Headers) {
        let name = self.unique_name(headers.file_name.as_deref());
        let declared = headers.mime_type.as_str();
        let Some(mut content) = decoded else {
            self.damaged(name, "its Content-Transfer-Encoding cannot be undone");
            return;
        };
        let compressed = sniff::is_gzip_type(declared) || (is_gzip(&content) && sniff::is_sniffed_type(declared));
        if compressed {
            match self.gunzip(&content) {
                Ok(bytes) => content = bytes,
                Err(error) => return self.damaged(name, &error.to_string()),
            }
        }
        let content = self.without_bom(&content, &name);
        let sniffed = if compressed || sniff::is_sniffed_type(declared) { sniff::kind(content) } else { None };
        let kind = sniffed.unwrap_or_else(|| sniff::declared(declared));
        self.add(name, kind, content, headers);
    }

    fn damaged(&mut self, name: String, why: &str) {
        self.seen += 1;
        let message = format!("the part `{name}` is left out: {why}");
        self.report.error("part-damaged", message).at(&Origin::new(name, 1, 1));
    }

    fn add(&mut self, name: String, kind: PartKind, content: &[u8], headers: Headers) {
        self.seen += 1;
        let cleaned = headers.file_name.as_deref().map(clean_file_name).filter(|name| !name.is_empty());
        let part = Part {
            name,
            file_name: cleaned.unwrap_or_else(|| format!("part-{:03}", self.seen)),
            kind,
            content: content.to_vec(),
            merge_type: headers.merge_type,
            launch_index: headers.launch_index,
        };
        advice::report(&part, self.report);
        self.parts.push(part);
    }

    fn unique_name(&self, file_name: Option<&str>) -> String {
        let wanted = match file_name {
            Some(name) => name.to_string(),
            None => format!("part-{:03}", self.seen + 1),
        };
        let taken = |name: &str| self.parts.iter().any(|part| part.name == name);
        if !taken(&wanted) {
            return wanted;
        }
        let numbered = (2..).map(|number| format!("{wanted} ({number})")).find(|name| !taken(name));
        numbered.unwrap_or(wanted)
    }

    fn gunzip(&mut self, bytes: &[u8]) -> Result<Vec<u8>, UserDataError> {
        let mut out = Vec::new();
        let limit = self.left as u64 + 1;
        MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut out).map_err(|error| UserDataError::Gzip(error.to_string()))?;
        if out.len() > self.left {
            return Err(UserDataError::TooLong { decompressed: true });
        }
        self.left -= out.len();
        Ok(out)
    }

    fn without_bom<'b>(&mut self, content: &'b [u8], name: &str) -> &'b [u8] {
        let Some(rest) = content.strip_prefix("\u{feff}".as_bytes()) else { return content };
        self.report
            .note("byte-order-mark", "the text starts with a byte order mark, which cloud-init does not understand")
            .at(&Origin::new(name, 1, 1))
            .help("save it as UTF-8 without BOM, so that cloud-init reads it too");
        rest
    }
}

impl Part {
    /// The content as text; `None`, with an error in the report, if it is not UTF-8.
    pub fn text(&self, report: &mut Report) -> Option<&str> {
        match std::str::from_utf8(&self.content) {
            Ok(text) => Some(text),
            Err(error) => {
                let good = String::from_utf8_lossy(&self.content[..error.valid_up_to()]).into_owned();
                let line = good.matches('\n').count() + 1;
                let column = good.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
                let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                report
                    .error("not-utf-8", "the text is not UTF-8")
                    .at(&Origin::new(self.name.as_str(), place(line), place(column)))
                    .help("save it as UTF-8; binary file content goes into `write_files` as base64");
                None
            }
        }
    }
}

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// A file name as cloud-init stores it: slashes become underscores, unusual characters go.
fn clean_file_name(name: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || "_-.()".contains(*c);
    name.replace('/', "_").chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests;
