//! How values print: as Python's `str()`, because that is what the peer's templates write.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, Output};
use serde::Serialize as _;
use serde_json::{Map, Value as Json};

use super::collections::is_tuple;
use super::variables::{is_missing, keys};
use crate::config::python::{python_float, python_quoted};

/// The longest text that a filter or method makes, in bytes; and the most values that one looks at. What a configuration is made
/// of has no longer ones, and a chain of filters that each double it comes to its end.
pub(super) const LONGEST_VALUE: usize = 4 << 20;

/// How deep lists and mappings may stand in each other.
const DEEPEST: usize = 200;

/// Refuses what is too long.
pub(super) fn bounded(bytes: usize) -> Result<(), Error> {
    if bytes > LONGEST_VALUE {
        return Err(Error::new(ErrorKind::InvalidOperation, "a value becomes longer than 4 MiB"));
    }
    Ok(())
}

/// Writes a value. Nothing is written of an `if` that has no `else`; whatever else is not defined does not come here.
pub(super) fn print(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::String => out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from),
        _ => {
            let text = python_str(value);
            bounded(text.len())?;
            out.write_str(&text).map_err(Error::from)
        }
    }
}

/// Python's `str()` of a value. Of one that is too long the beginning, which is too long too ([`bounded`]).
pub(super) fn python_str(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => repr(value),
    }
}

/// Python's `repr()` of a value, cut off as [`python_str`] cuts it.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    python_repr(value, 0, &mut out);
    out
}

fn python_repr(value: &Value, depth: usize, out: &mut String) {
    if is_missing(value) {
        out.push_str(&value.to_string());
        return;
    }
    if depth > DEEPEST {
        // As too long as it would be too deep.
        out.push_str(&" ".repeat(LONGEST_VALUE + 1));
        return;
    }
    if let Some(keys) = keys(value) {
        out.push('{');
        for (at, key) in keys.into_iter().enumerate() {
            if out.len() > LONGEST_VALUE {
                return;
            }
            out.push_str(if at > 0 { ", " } else { "" });
            python_repr(&key, depth + 1, out);
            out.push_str(": ");
            python_repr(&value.get_item(&key).unwrap_or_default(), depth + 1, out);
        }
        out.push('}');
        return;
    }
    match value.kind() {
        ValueKind::String => out.push_str(&python_quoted(value.as_str().unwrap_or_default())),
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&f64::try_from(value.clone()).map_or_else(|_| value.to_string(), python_float));
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let (open, close) = if is_tuple(value) { ('(', ')') } else { ('[', ']') };
            out.push(open);
            for (at, item) in value.try_iter().into_iter().flatten().enumerate() {
                if out.len() > LONGEST_VALUE {
                    return;
                }
                out.push_str(if at > 0 { ", " } else { "" });
                python_repr(&item, depth + 1, out);
            }
            out.push_str(if open == '(' && value.len() == Some(1) { "," } else { "" });
            out.push(close);
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// As jinja's `tojson`: in ASCII, and what HTML would take for its own is escaped. `indent`: the blanks of each level, on lines of
/// their own.
pub(super) fn json(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let value = to_json(value, 0, &mut 0)?;
    let mut text = Vec::new();
    let blanks = " ".repeat(indent.unwrap_or(0).min(100));
    let written = match indent {
        Some(_) => {
            let formatter = serde_json::ser::PrettyFormatter::with_indent(blanks.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))
        }
        None => value.serialize(&mut serde_json::Serializer::new(&mut text)),
    };
    written.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    let text = String::from_utf8(text).unwrap_or_default();
    bounded(text.len())?;
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\'' | '\u{7f}'.. => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
            // Python puts a blank behind what separates.
            ',' | ':' if !quoted && indent.is_none() => out.extend([c, ' ']),
            _ => out.push(c),
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    Ok(out)
}

fn to_json(value: &Value, depth: usize, size: &mut usize) -> Result<Json, Error> {
    // A value of its own is some dozens of bytes, whatever is in it.
    *size += 8 + value.as_str().map_or(0, str::len);
    bounded(if depth > DEEPEST { usize::MAX } else { *size })?;
    if is_missing(value) {
        return Err(Error::new(ErrorKind::UndefinedError, format!("{value} is not defined, so it is no JSON")));
    }
    let items = || value.try_iter();
    if let Some(keys) = keys(value) {
        let mut object = Map::new();
        for key in keys {
            object.insert(python_str(&key), to_json(&value.get_item(&key)?, depth + 1, size)?);
        }
        return Ok(Json::Object(object));
    }
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => value.as_i64().map_or_else(|| value.to_string().into(), Json::from),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number),
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        ValueKind::Seq | ValueKind::Iterable => {
            Json::Array(items()?.map(|item| to_json(&item, depth + 1, size)).collect::<Result<_, _>>()?)
        }
        kind => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is no JSON"))),
    })
}
