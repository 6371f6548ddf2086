//! `write_files`.

use std::collections::BTreeMap;

use base64::prelude::{Engine as _, BASE64_STANDARD};

use super::reader::{quoted, quoted_and, FromNode, Reader, Shape};
use super::scalars::Address;
use crate::config::node::{Node, Value};
use crate::plan::operation::Checksum;
use crate::secret::Secret;

crate::record! {
    /// One entry of `write_files`.
    pub struct FileEntry {
        /// Where it goes.
        required path: String,
        /// What it holds.
        optional content: RawContent,
        /// How `content` is encoded.
        optional encoding: Encoding,
        /// Where the content is fetched from.
        optional source: FileSource,
        /// `user[:group]` by name.
        optional owner: FileOwner,
        /// Permission bits.
        optional permissions: FileMode,
        /// Append instead of replace.
        optional append: bool,
        /// After users and packages.
        default defer: bool,
    }
}

crate::record! {
    /// `source` of a `write_files` entry.
    pub struct FileSource {
        /// `http:`, `https:`, `file:` URL or path.
        required uri: Address,
        /// Request headers.
        default headers: Headers,
        /// What the file hashes to, by SHA-256; the peer knows no such key.
        optional sha256: Hex<64>,
        /// The same by SHA-512.
        optional sha512: Hex<128>,
    }
}

impl FileSource {
    /// What the fetched bytes have to hash to.
    pub fn checksum(&self) -> Option<Checksum> {
        let long = self.sha512.as_ref().map(|hex| Checksum::Sha512(hex.0.clone()));
        long.or_else(|| self.sha256.as_ref().map(|hex| Checksum::Sha256(hex.0.clone())))
    }
}

/// So many hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex<const DIGITS: usize>(pub String);

impl<const DIGITS: usize> FromNode for Hex<DIGITS> {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?.trim().to_ascii_lowercase();
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Some(Self(text));
        }
        reader.invalid(
            &node.origin,
            format!("this is no checksum of {DIGITS} hexadecimal digits"),
            "as `sha256sum` and `sha512sum` print them",
        )
    }
}

/// Request headers; the values may be tokens.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub BTreeMap<String, Secret<String>>);

impl FromNode for Headers {
    const SHAPE: Shape = Shape::Map(&Shape::Scalar);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let mut headers = BTreeMap::new();
        for entry in entries {
            let value = entry.value.source_text();
            // "Bearer TOKEN": the token is the secret, wherever it shows up without its scheme.
            if let Some((_scheme, token)) = value.trim().rsplit_once(' ') {
                let _ = reader.secret(token.to_owned());
            }
            headers.insert(entry.key.source_text(), reader.secret(value));
        }
        Some(Self(headers))
    }
}

/// `user[:group]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOwner(pub String);

impl FromNode for FileOwner {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        if text.matches(':').count() > 1 {
            return reader.invalid(&node.origin, quoted_and(&text, "is no owner: root:root is taken"), "write USER:GROUP");
        }
        Some(Self(text))
    }
}

/// Bytes as the user wrote them.
#[derive(Clone, Debug)]
pub struct RawContent(pub Secret<Vec<u8>>);

impl FromNode for RawContent {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Bytes(bytes) => Some(Self(Secret::new(bytes.clone()))),
            Value::Str(text) => Some(Self(Secret::new(text.clone().into_bytes()))),
            Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Bool(_) | Value::Timestamp(_) => {
                let message = format!("{} is {} here; taken as it is written", reader.path(), node.kind());
                reader.report.warning("quote", message).at(&node.origin).help("write it in quotes");
                Some(Self(Secret::new(node.source_text().into_bytes())))
            }
            _ => {
                let message = format!("{} must be a string, not {}", reader.path(), node.kind());
                let help = "write `|` behind the key, and the text indented on the lines below";
                reader.report.error("type", message).at(&node.origin).help(help);
                None
            }
        }
    }
}

/// How content is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As it stands.
    #[default]
    Plain,
    /// base64.
    Base64,
    /// gzip.
    Gzip,
    /// gzip inside base64.
    GzipBase64,
}

impl FromNode for Encoding {
    const SHAPE: Shape = Shape::Words(&["text/plain", "b64", "base64", "gz", "gzip", "gz+b64", "gzip+b64", "gz+base64", "gzip+base64"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "text/plain" => Self::Plain,
            "b64" | "base64" => Self::Base64,
            "gz" | "gzip" => Self::Gzip,
            "gz+b64" | "gzip+b64" | "gz+base64" | "gzip+base64" => Self::GzipBase64,
            _ => {
                let message = format!("unknown encoding {text}: the content is taken as it stands", text = quoted(&text));
                reader.report.warning("value", message).at(&node.origin).help("use b64, gz or gz+b64");
                Self::Plain
            }
        })
    }
}

impl Encoding {
    /// Whether some of `bytes` mean nothing in base64, and are dropped, as by the peer.
    pub fn drops_some(self, bytes: &[u8]) -> bool {
        matches!(self, Self::Base64 | Self::GzipBase64) && bytes.iter().any(|byte| !is_base64(*byte) && !byte.is_ascii_whitespace())
    }

    /// Decodes `bytes`; at most `limit` bytes come out.
    pub fn decode(self, bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
        let unbase = |bytes: &[u8]| {
            let compact: Vec<u8> = bytes.iter().copied().filter(|byte| is_base64(*byte)).collect();
            if compact.is_empty() && !bytes.trim_ascii().is_empty() {
                return Err("not base64".to_owned());
            }
            BASE64_STANDARD.decode(compact).map_err(|error| format!("not base64: {error}"))
        };
        match self {
            Self::Plain => Ok(bytes.to_vec()),
            Self::Base64 => unbase(bytes),
            Self::Gzip => gunzip(bytes, limit),
            Self::GzipBase64 => gunzip(&unbase(bytes)?, limit),
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

fn gunzip(bytes: &[u8], limit: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(&mut out).map_err(|error| format!("not gzip: {error}"))?;
    if out.len() as u64 > limit {
        return Err(format!("more than {limit} bytes when unpacked"));
    }
    Ok(out)
}

/// Permission bits as `write_files` takes them: a string is octal, a number is what YAML read (so `0644` is octal, `644` is not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl FromNode for FileMode {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Number]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let bits = match &node.value {
            Value::Int(number) => {
                let written = node.source_text();
                if !written.starts_with('0') && written.chars().all(|c| ('0'..='7').contains(&c)) && written.len() >= 3 {
                    let message = format!("{} `{written}` is a decimal number: mode {number:04o}", reader.path());
                    reader.report.warning("mode", message).at(&node.origin).help(format!("write '0{written}' in quotes"));
                }
                u32::try_from(*number).ok()
            }
            Value::Float(number) => Some(*number as u32),
            Value::Str(text) => {
                let digits = text.trim();
                let digits = digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")).unwrap_or(digits);
                u32::from_str_radix(digits, 8).ok()
            }
            _ => return reader.mismatch(node, "permission bits, as in '0644'"),
        };
        match bits.filter(|bits| *bits <= 0o7777) {
            Some(bits) => Some(Self(bits)),
            None => {
                let message = format!("{} are not permission bits: 0644 is used", reader.path());
                reader.report.warning("mode", message).at(&node.origin).help("write them as '0644'");
                None
            }
        }
    }
}
