//! Explicit tags (`!!str`, `!!binary`, ...) as PyYAML's `SafeLoader` constructs them.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::DecodePaddingMode;
use base64::Engine as _;
use saphyr_parser::Tag as Written;

use crate::config::node::Value;

use super::{resolve, timestamp};

const YAML_PREFIX: &str = "tag:yaml.org,2002:";

/// A node's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// None, or `!`, which PyYAML resolves as if there were none.
    Implicit,
    Null,
    Bool,
    Int,
    Float,
    Binary,
    Timestamp,
    Omap,
    Pairs,
    Set,
    Str,
    Seq,
    Map,
}

impl Tag {
    /// Finds the tag. An error is the tag's full name, which nothing is known about.
    pub(super) fn of(written: Option<&Written>) -> Result<Tag, String> {
        let Some(written) = written else {
            return Ok(Tag::Implicit);
        };
        let name = format!("{}{}", written.handle, written.suffix);
        let tag = match name.strip_prefix(YAML_PREFIX) {
            _ if name == "!" => Tag::Implicit,
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("binary") => Tag::Binary,
            Some("timestamp") => Tag::Timestamp,
            Some("omap") => Tag::Omap,
            Some("pairs") => Tag::Pairs,
            Some("set") => Tag::Set,
            Some("str") => Tag::Str,
            Some("seq") => Tag::Seq,
            Some("map") => Tag::Map,
            Some(other) => return Err(format!("!!{other}")),
            None => return Err(name),
        };
        Ok(tag)
    }

    /// The value of a scalar that carries this tag. An error says why it has none.
    pub(super) fn scalar(self, text: &str) -> Result<Value, String> {
        let value = match self {
            Tag::Null => Some(Value::Null),
            Tag::Bool => match text.to_lowercase().as_str() {
                "yes" | "true" | "on" => Some(Value::Bool(true)),
                "no" | "false" | "off" => Some(Value::Bool(false)),
                _ => None,
            },
            Tag::Int => resolve::tagged_int(text),
            Tag::Float => resolve::tagged_float(text),
            Tag::Binary => return binary(text).map(Value::Bytes),
            Tag::Timestamp => return timestamp::python_str(text).map(Value::Timestamp),
            Tag::Str | Tag::Implicit => Some(Value::Str(text.to_string())),
            Tag::Omap | Tag::Pairs | Tag::Set | Tag::Seq | Tag::Map => None,
        };
        value.ok_or_else(|| format!("the value does not fit its tag `{}`", self.name()))
    }

    /// The tag as one writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tag::Implicit => "!",
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Binary => "!!binary",
            Tag::Timestamp => "!!timestamp",
            Tag::Omap => "!!omap",
            Tag::Pairs => "!!pairs",
            Tag::Set => "!!set",
            Tag::Str => "!!str",
            Tag::Seq => "!!seq",
            Tag::Map => "!!map",
        }
    }
}

/// Decodes base64 as Python's `base64.decodebytes` does on Debian 13: other characters are skipped, and so is padding before the
/// end; missing padding is an error.
fn binary(text: &str) -> Result<Vec<u8>, String> {
    if !text.is_ascii() {
        return Err("base64 data has only ASCII characters".into());
    }
    let mut data = String::new();
    let mut padding = 0;
    for c in text.chars() {
        match c {
            '=' => padding += 1,
            c if c.is_ascii_alphanumeric() || c == '+' || c == '/' => {
                data.push(c);
                padding = 0;
            }
            _ => {}
        }
    }
    let over = data.len() % 4;
    if over == 1 || (over > 1 && over + padding < 4) {
        return Err("the base64 data is cut off".into());
    }
    let lenient =
        GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, lenient).decode(data).map_err(|error| format!("not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_as_leniently_as_python_does() {
        let rows: &[(&str, Option<&[u8]>)] = &[
            ("aGk=", Some(b"hi")),
            ("aG\n k=", Some(b"hi")),
            ("aGk=junk", None),
            ("aGk=a", Some(b"hi\x1a")),
            ("a-Gk=", Some(b"hi")),
            ("=aGk=", Some(b"hi")),
            ("aGl=", Some(b"hi")),
            ("", Some(b"")),
            ("====", Some(b"")),
            ("aGk", None),
            ("a", None),
            ("aGkh", Some(b"hi!")),
            ("aG==k=", Some(b"hi")),
            ("aG===", Some(b"h")),
            ("é", None),
        ];
        for (text, expected) in rows {
            assert_eq!(binary(text).ok().as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_tag_is_named_as_it_is_written() {
        let written = |handle: &str, suffix: &str| Written { handle: handle.into(), suffix: suffix.into() };
        assert_eq!(Tag::of(Some(&written("!", "foo"))), Err("!foo".into()));
        assert_eq!(Tag::of(Some(&written(YAML_PREFIX, "python/name:os"))), Err("!!python/name:os".into()));
        assert_eq!(Tag::of(Some(&written("", "tag:yaml.org,2002:int"))), Ok(Tag::Int));
        assert_eq!(Tag::of(Some(&written("", "!"))), Ok(Tag::Implicit));
    }
}
