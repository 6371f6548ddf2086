//! From the bytes a datasource gave to named parts: gunzip, MIME, sniffing. Nothing is run and nothing is interpreted here.
//!
//! What the peer takes silently for something else, or drops, is reported: a byte order mark, a header that is nearly right,
//! a kind of part that this release does not do yet.

mod mime;
mod sniff;
#[cfg(test)]
mod tests;

use std::io::Read as _;

use crate::config::node::Origin;
use crate::config::problem::Report;

pub use sniff::PartKind;

/// The most a part, or the whole, may hold once it is unpacked.
pub const UNPACKED_LIMIT: u64 = 64 << 20;
/// How deep multipart documents may be nested.
const MAX_DEPTH: usize = 16;
/// How many parts there may be.
const MAX_PARTS: usize = 10_000;

/// One part of the user-data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its file name, or `part-001`; a single part is called `user-data`.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// Its bytes, unpacked and without byte order mark.
    pub content: Vec<u8>,
    /// `Merge-Type` or `X-Merge-Type` of its headers.
    pub merge_type: Option<String>,
    /// `Launch-Index` of its headers.
    pub launch_index: Option<i64>,
}

impl Part {
    /// Its content as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Why user-data, or a part of it, cannot be unpacked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserDataError {
    /// The gzip data is damaged.
    #[error("the gzip data cannot be unpacked: {0}")]
    Gzip(String),
    /// More than [`UNPACKED_LIMIT`].
    #[error("it unpacks to more than {} MiB", UNPACKED_LIMIT >> 20)]
    TooLarge,
    /// Not a MIME document although it says so.
    #[error("it begins like a MIME document but cannot be read as one")]
    Mime,
    /// Multipart in multipart in multipart ...
    #[error("its multipart documents are nested too deeply")]
    TooDeep,
}

/// Takes user-data apart. `name` is what the whole is called in messages. Parts that cannot be unpacked are reported and left
/// out.
pub fn unpack(name: &str, bytes: &[u8], report: &mut Report) -> Vec<Part> {
    let mut unpacker = Unpacker { whole: name.to_owned(), parts: Vec::new(), report, counted: 0 };
    unpacker.whole(bytes);
    unpacker.parts
}

struct Unpacker<'r> {
    whole: String,
    parts: Vec<Part>,
    report: &'r mut Report,
    counted: usize,
}

/// What MIME says of a part.
#[derive(Clone, Debug, Default)]
struct Headers {
    content_type: Option<String>,
    filename: Option<String>,
    merge_type: Option<String>,
    launch_index: Option<i64>,
}

impl Unpacker<'_> {
    fn whole(&mut self, bytes: &[u8]) {
        let name = self.whole.clone();
        let bytes = match gunzip_if_needed(bytes) {
            Ok(bytes) => bytes,
            Err(error) => return self.failed(&name, &error),
        };
        let bytes = self.without_mark(&name, bytes);
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        if sniff::is_mime(&bytes) {
            if let Err(error) = self.multipart(&bytes, 0) {
                self.failed(&name, &error);
            }
            return;
        }
        let kind = self.sniffed(&name, &bytes);
        self.push(Part { name, kind, content: bytes, merge_type: None, launch_index: None });
    }

    fn failed(&mut self, name: &str, error: &UserDataError) {
        self.report.error("user-data", format!("{name}: {error}")).at(&Origin::new(name, 1, 1));
    }

    fn without_mark(&mut self, name: &str, bytes: Vec<u8>) -> Vec<u8> {
        match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) => {
                let message = "a byte order mark stands before the header; cloud-init would not recognise it, landfall passes it over";
                self.report.note("bom", message).at(&Origin::new(name, 1, 1)).help("save the file as UTF-8 without BOM");
                rest.to_vec()
            }
            None => bytes,
        }
    }

    fn sniffed(&mut self, name: &str, bytes: &[u8]) -> PartKind {
        let kind = sniff::kind_of(bytes);
        if kind == PartKind::Unknown {
            if let Some(help) = sniff::nearly(bytes) {
                let problem = self.report.error("header", format!("{name}: the first line says nothing of what this is; it is not used"));
                problem.at(&Origin::new(name, 1, 1)).help(help);
                return PartKind::Reported;
            }
        }
        kind
    }

    fn multipart(&mut self, bytes: &[u8], depth: usize) -> Result<(), UserDataError> {
        if depth >= MAX_DEPTH {
            return Err(UserDataError::TooDeep);
        }
        for (headers, content) in mime::parts(bytes).ok_or(UserDataError::Mime)? {
            if self.counted >= MAX_PARTS {
                return Err(UserDataError::TooDeep);
            }
            self.counted += 1;
            let name = self.part_name(headers.filename.as_deref());
            let content = match gunzip_if_needed(&content) {
                Ok(content) => content,
                Err(error) => {
                    self.failed(&name, &error);
                    continue;
                }
            };
            let content = self.without_mark(&name, content);
            if sniff::is_mime(&content) && headers.content_type.as_deref().is_none_or_multipart() {
                self.counted -= 1;
                self.multipart(&content, depth + 1)?;
                continue;
            }
            let kind = match headers.content_type.as_deref() {
                Some(declared) if !sniff::is_sniffed_again(declared) => sniff::kind_of_type(declared),
                _ => self.sniffed(&name, &content),
            };
            self.push(Part { name, kind, content, merge_type: headers.merge_type, launch_index: headers.launch_index });
        }
        Ok(())
    }

    /// As the peer names files: `/` becomes `_`, other odd characters go; without a name, `part-001`.
    fn part_name(&self, filename: Option<&str>) -> String {
        let cleaned: String = filename
            .unwrap_or_default()
            .chars()
            .map(|c| if c == '/' { '_' } else { c })
            .filter(|c| c.is_ascii_alphanumeric() || "_-.() ".contains(*c))
            .collect();
        let cleaned = cleaned.trim();
        if cleaned.is_empty() || cleaned.starts_with('.') {
            format!("part-{:03}", self.counted)
        } else {
            cleaned.to_owned()
        }
    }

    fn push(&mut self, mut part: Part) {
        if part.content.windows(2).take(4096).any(|pair| pair == b"\r\n") && part.kind.is_text() {
            part.content = String::from_utf8_lossy(&part.content).replace("\r\n", "\n").into_bytes();
        }
        self.parts.push(part);
    }
}

trait NoneOrMultipart {
    fn is_none_or_multipart(&self) -> bool;
}

impl NoneOrMultipart for Option<&str> {
    fn is_none_or_multipart(&self) -> bool {
        match self {
            None => true,
            Some(declared) => declared.starts_with("multipart/") || sniff::is_sniffed_again(declared),
        }
    }
}

/// Unpacks one layer of gzip.
fn gunzip_if_needed(bytes: &[u8]) -> Result<Vec<u8>, UserDataError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.to_vec());
    }
    let mut out = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(bytes).take(UNPACKED_LIMIT + 1);
    reader.read_to_end(&mut out).map_err(|error| UserDataError::Gzip(error.to_string()))?;
    if out.len() as u64 > UNPACKED_LIMIT {
        return Err(UserDataError::TooLarge);
    }
    Ok(out)
}
