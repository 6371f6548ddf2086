//! The methods of Python's strings, mappings and lists that templates call.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::collections::{self, entries_of, items_of, list, mapping, pairs_of, tuple};
use super::filters::Given;
use super::format;
use super::print::{bounded, python_str};
use super::texts::{centred, padded};
use super::variables::{is_missing, keys};

/// Calls a method that the engine does not know.
pub(super) fn call(_: &State<'_, '_>, value: &Value, method: &str, arguments: &[Value]) -> Result<Value, Error> {
    let given = Given::of(arguments)?;
    let known = match (value.kind(), method) {
        (ValueKind::String, "format") => {
            let text = format::braces(value.as_str().unwrap_or_default(), given.positional, given.named.as_ref())?;
            Some(text.into())
        }
        (ValueKind::String, "split" | "rsplit") if given.named.is_some() => {
            let filled = [given.get(0, "sep").unwrap_or_default(), given.get(1, "maxsplit").unwrap_or_default()];
            of_string(value.as_str().unwrap_or_default(), method, &filled)?
        }
        _ => match collections::change(value, method, &given)? {
            None => of_any(value, method, arguments)?,
            changed => changed,
        },
    };
    known.ok_or_else(|| Error::new(ErrorKind::UnknownMethod, format!("`{method}` of {}", value.kind())))
}

fn of_any(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match value.kind() {
        ValueKind::String => of_string(value.as_str().unwrap_or_default(), method, arguments)?,
        _ if keys(value).is_some() => of_mapping(value, method, arguments)?,
        ValueKind::Seq => of_list(value, method, arguments)?,
        _ => None,
    })
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
        ("zfill" | "ljust" | "rjust" | "center", ..) => bounded(arguments.first().and_then(Value::as_usize).unwrap_or(0))?,
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
        "title" => capitals(text, |c| !c.is_alphabetic()).into(),
        "startswith" | "endswith" => {
            let part = part(text, arguments);
            let is = |wanted: &str| {
                part.is_some_and(|(_, part)| if method == "endswith" { part.ends_with(wanted) } else { part.starts_with(wanted) })
            };
            is_any(arguments.first()?, &is).into()
        }
        "removeprefix" => text.strip_prefix(argument(0)?).unwrap_or(text).into(),
        "removesuffix" => text.strip_suffix(argument(0)?).unwrap_or(text).into(),
        "partition" => {
            let (before, after) = text.split_once(argument(0)?).unwrap_or((text, ""));
            tuple([before, if before.len() < text.len() { argument(0)? } else { "" }, after].map(Value::from))
        }
        "rpartition" => {
            let (before, after) = text.rsplit_once(argument(0)?).unwrap_or(("", text));
            tuple([before, if after.len() < text.len() { argument(0)? } else { "" }, after].map(Value::from))
        }
        "ljust" | "rjust" | "center" => {
            let (width, fill) = (arguments.first()?.as_usize()?, argument(1).and_then(|fill| fill.chars().next()).unwrap_or(' '));
            match method {
                "ljust" => padded(text, width, fill, '<').into(),
                "rjust" => padded(text, width, fill, '>').into(),
                _ => centred(text, width, fill).into(),
            }
        }
        "casefold" => text.to_lowercase().replace('ß', "ss").into(),
        "swapcase" => {
            let swapped = |c: char| if c.is_uppercase() { c.to_lowercase().to_string() } else { c.to_uppercase().to_string() };
            text.chars().map(swapped).collect::<String>().into()
        }
        "replace" => replaced(text, argument(0)?, argument(1)?, arguments.get(2)).into(),
        "split" => return split(text, argument(0), arguments.get(1)),
        "rsplit" => return split_from_the_end(text, argument(0), arguments.get(1)),
        "splitlines" => texts(text.lines()),
        "find" | "rfind" | "index" | "rindex" => {
            let wanted = argument(0)?;
            let found = part(text, arguments).and_then(|(from, part)| {
                let at = if method.starts_with('r') { part.rfind(wanted) } else { part.find(wanted) };
                at.map(|at| from + at)
            });
            match found {
                Some(at) => text[..at].chars().count().into(),
                None => method.ends_with("find").then_some(-1)?.into(),
            }
        }
        "count" => part(text, arguments).zip(argument(0)).map_or(0, |((_, part), wanted)| part.matches(wanted).count()).into(),
        "isdigit" | "isnumeric" | "isdecimal" => all(char::is_numeric),
        "isidentifier" => Value::from(!text.starts_with(|c: char| c.is_numeric()) && all(|c| c.is_alphanumeric() || c == '_').is_true()),
        "istitle" => Value::from(text.chars().any(char::is_alphabetic) && capitals(text, |c| !c.is_alphabetic()) == text),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(char::is_whitespace),
        "isupper" => Value::from(text != text.to_lowercase() && text == text.to_uppercase()),
        "islower" => Value::from(text != text.to_uppercase() && text == text.to_lowercase()),
        "zfill" => {
            let sign = text.get(..1).filter(|sign| ["-", "+"].contains(sign)).unwrap_or_default();
            let width = arguments.first()?.as_usize()?.saturating_sub(sign.len());
            (sign.to_owned() + &padded(&text[sign.len()..], width, '0', '>')).into()
        }
        _ => return None,
    })
}

/// The part of a text between the characters that the second and the third argument say, with where it begins; `None` where none can.
fn part<'t>(text: &'t str, arguments: &[Value]) -> Option<(usize, &'t str)> {
    let length = text.chars().count();
    let bound = |at: usize, other: usize| match arguments.get(at).and_then(Value::as_i64) {
        Some(bound) if bound < 0 => length.saturating_sub(usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX)),
        Some(bound) => usize::try_from(bound).unwrap_or(usize::MAX),
        None => other,
    };
    let (from, to) = (bound(1, 0), bound(2, length).min(length));
    let byte = |at: usize| text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
    (from <= to).then(|| (byte(from), &text[byte(from)..byte(to)]))
}

fn is_any(wanted: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match wanted.as_str() {
        Some(wanted) => is(wanted),
        None => wanted.try_iter().into_iter().flatten().any(|wanted| wanted.as_str().is_some_and(is)),
    }
}

/// Every word with a capital letter, as jinja's filter of this name has it.
pub(super) fn titled(text: &str) -> String {
    capitals(text, |c| c.is_whitespace() || "-([{<".contains(c))
}

fn capitals(text: &str, is_between: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut begins = true;
    for c in text.chars() {
        if begins {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        begins = is_between(c);
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

fn split_from_the_end(text: &str, separator: Option<&str>, limit: Option<&Value>) -> Option<Value> {
    let pieces = count_of(limit).saturating_add(1);
    let mut found: Vec<&str> = match separator {
        Some("") => return None,
        Some(separator) => text.rsplitn(pieces, separator).collect(),
        None if pieces == usize::MAX => return split(text, None, None),
        None => {
            let mut rest = text.trim_end();
            let mut found = Vec::new();
            while found.len() + 1 < pieces {
                let Some((before, piece)) = rest.rsplit_once(char::is_whitespace) else { break };
                found.push(piece);
                rest = before.trim_end();
            }
            found.extend(Some(rest).filter(|rest| !rest.is_empty()));
            found
        }
    };
    found.reverse();
    Some(texts(found.into_iter()))
}

fn of_mapping(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let held = |key: &Value| value.get_item(key).ok().filter(|held| !is_missing(held));
    Ok(Some(match (method, arguments) {
        ("get", [key]) => held(key).unwrap_or_else(|| Value::from(())),
        ("get", [key, other]) => held(key).unwrap_or_else(|| other.clone()),
        ("copy", []) => mapping(entries_of(value)?),
        ("keys", []) => list(value.try_iter()?),
        ("values", []) => list(value.try_iter()?.filter_map(|key| held(&key))),
        ("items", []) => list(pairs_of(value)?),
        _ => return Ok(None),
    }))
}

fn of_list(value: &Value, method: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    Ok(match (method, arguments) {
        ("count", [wanted]) => Some(value.try_iter()?.filter(|item| item == wanted).count().into()),
        ("copy", []) => Some(list(items_of(value)?)),
        ("index", [wanted]) => value.try_iter()?.position(|item| item == *wanted).map(Value::from),
        _ => None,
    })
}
