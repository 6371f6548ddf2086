//! User-data: from the bytes a datasource gave to named parts.
//!
//! A blob is one text, whose first characters say what it is, or a MIME message of several; either may be compressed by
//! gzip. Includes are fetched by whoever reads ([`Includes`]) and unpacked in their place, archives are taken apart, templates
//! are rendered. The rules are cloud-init's (its documentation, "User-data formats"); where it silently does nothing, this
//! reports. More lenient than it: a UTF-8 byte order mark, blank lines before MIME headers, and a compressed part that is
//! declared as text are accepted.
//!
//! As under it, nothing inside an archive is unpacked again, and a template may only become a cloud-config, a script or a
//! boothook. What a part handler does is not known here: parts of other types that follow one are its own.

mod advice;
mod archive;
mod include;
mod message;
mod mime;
mod sniff;
mod templates;

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::config::node::Origin;
use crate::config::problem::Report;
use crate::template::Render;

pub use include::{Got, Include, Includes, NoIncludes};
pub use message::message;

/// The most bytes that user-data may have, as received and after decompression.
pub const MAX_BYTES: usize = 64 << 20;

/// How many times longer gzip data may become, beyond what is always decompressed: a small host reads a small file in little memory.
const MOST_RATIO: usize = 64;

/// What may come out of any gzip data, in bytes.
const ALWAYS_DECOMPRESSED: usize = 4 << 20;

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
        self.is_script() || matches!(self, Self::CloudConfig | Self::Jsonp | Self::Boothook | Self::PartHandler)
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
    /// The header `Launch-Index`, or what an archive says.
    pub launch_index: Option<i64>,
    /// All of its headers, or what an archive says beside the content: for part handlers.
    pub headers: Vec<(String, String)>,
}

/// User-data, taken apart.
#[derive(Debug, Default)]
pub struct Unpacked {
    /// Its parts.
    pub parts: Vec<Part>,
    /// Texts that are no part any more, by name: archives, includes, templates. For messages that quote them.
    pub others: Vec<(String, String)>,
}

/// What taking user-data apart may ask for.
pub struct Reading<'r> {
    /// Gives what is included.
    pub includes: &'r mut dyn Includes,
    /// Renders a template.
    pub render: Render<'r>,
    /// It knows the variables of an instance. Otherwise they are made up, and what is not defined says nothing.
    pub knows_instance: bool,
    /// Which of several instances that were started together this is: parts for others are left out.
    pub launch_index: Option<i64>,
    /// Part handlers that lie on the host may take parts of types that are not known here.
    pub has_handlers: bool,
    /// What was taken apart is kept as one message, too.
    pub keeps_message: bool,
}

impl<'r> Reading<'r> {
    /// As a file is read of which nobody says which instance it is for.
    pub fn of_no_instance(includes: &'r mut dyn Includes, render: Render<'r>) -> Self {
        Self { includes, render, knows_instance: false, launch_index: None, has_handlers: false, keeps_message: false }
    }
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
    /// Far more comes out than text that somebody wrote is compressed to.
    #[error("gzip data that becomes more than {MOST_RATIO} times as long, and longer than {} MiB", ALWAYS_DECOMPRESSED >> 20)]
    Bomb,
    /// The gzip data is damaged.
    #[error("gzip data that cannot be decompressed: {0}")]
    Gzip(String),
}

/// Tells the parts of user-data called `name` ("user-data", "vendor-data"). Empty user-data has none. What is damaged is
/// reported and left out; what is unknown is reported too, and is among the parts.
pub fn unpack(name: &str, bytes: &[u8], reading: &mut Reading<'_>, report: &mut Report) -> Unpacked {
    unpack_within(MAX_BYTES, name, bytes, reading, report)
}

fn unpack_within(limit: usize, name: &str, bytes: &[u8], reading: &mut Reading<'_>, report: &mut Report) -> Unpacked {
    let out = Unpacked::default();
    let mut unpacking =
        Unpacking { blob: name.to_owned(), left: limit, seen: 0, including: Vec::new(), included: 0, refused: 0, out, reading, report };
    if let Err(error) = unpacking.blob(bytes) {
        unpacking.report.error("user-data", format!("{name}: {error}")).at(&Origin::new(name, 1, 1));
    }
    unpacking.leave_out_others();
    unpacking.out
}

/// The work of telling parts.
struct Unpacking<'a, 'r> {
    /// The name of the whole, or of what is included just now.
    blob: String,
    /// How many bytes may still be decompressed or included.
    left: usize,
    /// How many parts were met, damaged ones included.
    seen: usize,
    /// Addresses that are being included, outermost first.
    including: Vec<String>,
    /// How many addresses were included.
    included: usize,
    /// How many addresses were too many.
    refused: usize,
    out: Unpacked,
    reading: &'a mut Reading<'r>,
    report: &'a mut Report,
}

/// What the headers of a MIME part say.
#[derive(Default)]
struct Headers {
    /// Lower case; text/plain if not given.
    mime_type: String,
    file_name: Option<String>,
    merge_type: Option<String>,
    launch_index: Option<i64>,
    all: Vec<(String, String)>,
}

impl Unpacking<'_, '_> {
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
        let name = self.blob.clone();
        let text = self.without_bom(text, &name);
        if mime::is_message(text) {
            mime::each_part(text, self);
        } else if !text.trim_ascii().is_empty() {
            self.single(text);
        }
        Ok(())
    }

    /// A blob that is one text.
    fn single(&mut self, text: &[u8]) {
        let name = self.unique_name(Some(&self.blob));
        let kind = sniff::kind(text).unwrap_or_else(|| PartKind::Unknown(UNDECLARED.into()));
        self.unfold(name, kind, text, Headers::default());
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
        self.unfold(name, kind, content, headers);
    }

    /// A part that may stand for others.
    fn unfold(&mut self, name: String, kind: PartKind, content: &[u8], headers: Headers) {
        match kind {
            PartKind::IncludeUrl | PartKind::IncludeOnceUrl => self.include(&name, content),
            PartKind::CloudConfigArchive => self.archive(&name, content),
            kind => self.add(name, kind, content, headers),
        }
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
            headers: headers.all,
        };
        let part = if part.kind == PartKind::Jinja { self.rendered(part) } else { Some(part) };
        self.out.parts.extend(part);
    }

    /// Reports what is wrong with the parts, and drops those that are meant for other instances.
    fn leave_out_others(&mut self) {
        let (wanted, report) = (self.reading.launch_index, &mut *self.report);
        self.out.parts.retain(|part| {
            let own = part.own_launch_index();
            let is_meant = wanted.is_none() || own.is_none() || own == wanted;
            if !is_meant {
                let message = format!("the part `{}` is for the instance with launch index {}", part.name, own.unwrap_or_default());
                report.note("launch-index", message).at(&Origin::new(part.name.as_str(), 1, 1));
            }
            is_meant
        });
        let mut handled = self.reading.has_handlers;
        for part in &self.out.parts {
            advice::report(part, handled, report);
            handled |= part.kind == PartKind::PartHandler;
        }
    }

    fn unique_name(&self, file_name: Option<&str>) -> String {
        let wanted = match file_name {
            Some(name) => name.to_string(),
            None => format!("part-{:03}", self.seen + 1),
        };
        let taken = |name: &str| self.out.parts.iter().any(|part| part.name == name);
        if !taken(&wanted) {
            return wanted;
        }
        let numbered = (2..).map(|number| format!("{wanted} ({number})")).find(|name| !taken(name));
        numbered.unwrap_or(wanted)
    }

    fn gunzip(&mut self, bytes: &[u8]) -> Result<Vec<u8>, UserDataError> {
        let mut out = Vec::new();
        let most = self.left.min((bytes.len() * MOST_RATIO).max(ALWAYS_DECOMPRESSED));
        MultiGzDecoder::new(bytes).take(most as u64 + 1).read_to_end(&mut out).map_err(|error| UserDataError::Gzip(error.to_string()))?;
        if out.len() > most {
            return Err(if most == self.left { UserDataError::TooLong { decompressed: true } } else { UserDataError::Bomb });
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
    /// Which instance it is for: what its header says, or, for a cloud-config, its key `launch-index`.
    fn own_launch_index(&self) -> Option<i64> {
        self.launch_index.or_else(|| {
            let text =
                std::str::from_utf8(&self.content).ok().filter(|text| self.kind == PartKind::CloudConfig && text.contains("launch-index"));
            let document = crate::yaml::parse(&self.name, text?).ok()?;
            document.get("launch-index")?.python_str().trim().parse().ok()
        })
    }

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
