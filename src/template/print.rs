//! How values print: as Python's `str()`, because that is what the peer's templates write.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, Output};
use serde_json::{Map, Value as Json};

use super::variables::{is_missing, keys};
use crate::config::python::{python_float, python_quoted};

/// Writes a value. Nothing is written of an `if` that has no `else`; whatever else is not defined does not come here.
pub(super) fn print(out: &mut Output<'_>, value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::String => out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from),
        _ => out.write_str(&python_str(value)).map_err(Error::from),
    }
}

/// Python's `str()` of a value.
pub(super) fn python_str(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => python_repr(value),
    }
}

fn python_repr(value: &Value) -> String {
    if is_missing(value) {
        return value.to_string();
    }
    let items = || value.try_iter().into_iter().flatten();
    if let Some(keys) = keys(value) {
        let entry = |key: Value| format!("{}: {}", python_repr(&key), python_repr(&value.get_item(&key).unwrap_or_default()));
        return format!("{{{}}}", keys.into_iter().map(entry).collect::<Vec<_>>().join(", "));
    }
    match value.kind() {
        ValueKind::String => python_quoted(value.as_str().unwrap_or_default()),
        ValueKind::None => "None".to_owned(),
        ValueKind::Bool => if value.is_true() { "True" } else { "False" }.to_owned(),
        ValueKind::Number if !value.is_integer() => f64::try_from(value.clone()).map_or_else(|_| value.to_string(), python_float),
        ValueKind::Seq | ValueKind::Iterable => format!("[{}]", items().map(|item| python_repr(&item)).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

/// As jinja's `tojson`: what HTML would take for its own is escaped.
pub(super) fn json(value: &Value) -> Result<String, Error> {
    let text = to_json(value)?.to_string();
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut escaped = false;
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\'' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            // Python puts a blank behind what separates.
            ',' | ':' if !quoted => out.extend([c, ' ']),
            _ => out.push(c),
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
    }
    Ok(out)
}

fn to_json(value: &Value) -> Result<Json, Error> {
    if is_missing(value) {
        return Err(Error::new(ErrorKind::UndefinedError, format!("{value} is not defined, so it is no JSON")));
    }
    let items = || value.try_iter();
    if let Some(keys) = keys(value) {
        let entry = |key: Value| Ok((python_str(&key), to_json(&value.get_item(&key)?)?));
        return Ok(Json::Object(keys.into_iter().map(entry).collect::<Result<Map<_, _>, Error>>()?));
    }
    Ok(match value.kind() {
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number if value.is_integer() => value.as_i64().map_or_else(|| value.to_string().into(), Json::from),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(serde_json::Number::from_f64).map_or(Json::Null, Json::Number),
        ValueKind::String => value.as_str().unwrap_or_default().into(),
        ValueKind::Seq | ValueKind::Iterable => Json::Array(items()?.map(|item| to_json(&item)).collect::<Result<_, _>>()?),
        kind => return Err(Error::new(ErrorKind::InvalidOperation, format!("{kind} is no JSON"))),
    })
}
