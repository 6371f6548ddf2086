//! The methods of Python's strings, mappings and lists that templates call.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::print::{bounded, python_str};
use super::variables::{is_missing, keys, List};

/// Calls a method that the engine does not know.
pub(super) fn call(_: &State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let known = match value.kind() {
        ValueKind::String => of_string(value.as_str().unwrap_or_default(), method, arguments)?,
        _ if keys(value).is_some() => of_mapping(value, method, arguments)?,
        ValueKind::Seq => of_list(value, method, arguments)?,
        _ => None,
    };
    known.ok_or_else(|| Error::new(ErrorKind::UnknownMethod, format!("`{method}` of {}", value.kind())))
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::from_object(List(items.into_iter().collect()))
}

fn texts<'t>(items: impl Iterator<Item = &'t str>) -> Value {
    list(items.map(Value::from))
}

/// `None` where there is no such method.
pub(super) fn of_string(text: &str, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let argument = |at: usize| arguments.get(at).filter(|value| !value.is_none()).and_then(Value::as_str);
    bounded(text.len())?;
    match (method, argument(0), argument(1)) {
        ("replace", Some(from), Some(to)) => {
            let times = text.matches(from).count().min(count_of(arguments.get(2)));
            bounded((text.len() + times * to.len()).saturating_sub(times * from.len()))?;
        }
        ("zfill", ..) => bounded(arguments.first().and_then(Value::as_usize).unwrap_or(0))?,
        ("join", ..) => {
            let Some(mut items) = arguments.first().and_then(|items| items.try_iter().ok()) else { return Ok(None) };
            return joined(&mut items, text).map(|text| Some(text.into()));
        }
        _ => {}
    }
    Ok(plain(text, method, arguments))
}

/// Values as text, with another text between them.
pub(super) fn joined(items: &mut dyn Iterator<Item = Value>, between: &str) -> Result<String, Error> {
    let mut out = String::new();
    for (at, item) in items.enumerate() {
        out.push_str(if at > 0 { between } else { "" });
        out.push_str(&python_str(&item));
        bounded(out.len() + at)?;
    }
    Ok(out)
}

fn plain(text: &str, method: &str, arguments: &[Value]) -> Option<Value> {
    let argument = |at: usize| arguments.get(at).filter(|value| !value.is_none()).and_then(Value::as_str);
    let stripped = |c: char| argument(0).map_or_else(|| c.is_whitespace(), |set| set.contains(c));
    let all = |is: fn(char) -> bool| Value::from(!text.is_empty() && text.chars().all(is));
    Some(match method {
        "upper" => text.to_uppercase().into(),
        "lower" => text.to_lowercase().into(),
        "strip" => text.trim_matches(stripped).into(),
        "lstrip" => text.trim_start_matches(stripped).into(),
        "rstrip" => text.trim_end_matches(stripped).into(),
        "capitalize" => {
            let mut chars = text.chars();
            chars.next().map(|first| first.to_uppercase().collect::<String>() + &chars.as_str().to_lowercase()).unwrap_or_default().into()
        }
        "title" => titled(text).into(),
        "startswith" => argument(0).is_some_and(|start| text.starts_with(start)).into(),
        "endswith" => argument(0).is_some_and(|end| text.ends_with(end)).into(),
        "replace" => replaced(text, argument(0)?, argument(1)?, arguments.get(2)).into(),
        "split" => return split(text, argument(0), arguments.get(1)),
        "rsplit" => return split_from_the_end(text, argument(0)?, arguments.get(1)),
        "splitlines" => texts(text.lines()),
        "find" => argument(0).and_then(|part| text.find(part)).map_or(-1, |at| text[..at].chars().count() as i64).into(),
        "count" => argument(0).map_or(0, |part| text.matches(part).count()).into(),
        "isdigit" | "isnumeric" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(char::is_whitespace),
        "isupper" => Value::from(text != text.to_lowercase() && text == text.to_uppercase()),
        "islower" => Value::from(text != text.to_uppercase() && text == text.to_lowercase()),
        "zfill" => ("0".repeat(arguments.first()?.as_usize()?.saturating_sub(text.chars().count())) + text).into(),
        _ => return None,
    })
}

/// Every word with a capital letter, as jinja's filter of this name has it.
pub(super) fn titled(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = c.is_whitespace() || "-([{<".contains(c);
    }
    out
}

fn count_of(limit: Option<&Value>) -> usize {
    limit.and_then(Value::as_i64).and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

fn replaced(text: &str, from: &str, to: &str, limit: Option<&Value>) -> String {
    text.replacen(from, to, count_of(limit))
}

fn split(text: &str, separator: Option<&str>, limit: Option<&Value>) -> Option<Value> {
    let pieces = count_of(limit).saturating_add(1);
    Some(match separator {
        Some("") => return None,
        Some(separator) => texts(text.splitn(pieces, separator)),
        None if pieces == usize::MAX => texts(text.split_whitespace()),
        None => {
            let mut rest = text.trim_start();
            let mut found = Vec::new();
            while found.len() + 1 < pieces {
                let Some((piece, after)) = rest.split_once(char::is_whitespace) else { break };
                found.push(piece);
                rest = after.trim_start();
            }
            if !rest.is_empty() {
                found.push(rest);
            }
            texts(found.into_iter())
        }
    })
}

fn split_from_the_end(text: &str, separator: &str, limit: Option<&Value>) -> Option<Value> {
    if separator.is_empty() {
        return None;
    }
    let mut pieces: Vec<&str> = text.rsplitn(count_of(limit).saturating_add(1), separator).collect();
    pieces.reverse();
    Some(texts(pieces.into_iter()))
}

fn of_mapping(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let held = |key: &Value| value.get_item(key).ok().filter(|held| !is_missing(held));
    Ok(Some(match (method, arguments) {
        ("get", [key]) => held(key).unwrap_or_else(|| Value::from(())),
        ("get", [key, other]) => held(key).unwrap_or_else(|| other.clone()),
        ("keys", []) => list(value.try_iter()?),
        ("values", []) => list(value.try_iter()?.filter_map(|key| held(&key))),
        ("items", []) => list(value.try_iter()?.map(|key| list([key.clone(), held(&key).unwrap_or_default()]))),
        _ => return Ok(None),
    }))
}

fn of_list(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match (method, arguments) {
        ("count", [wanted]) => Some(value.try_iter()?.filter(|item| item == wanted).count().into()),
        ("index", [wanted]) => value.try_iter()?.position(|item| item == *wanted).map(Value::from),
        _ => None,
    })
}
