//! The filters and tests of templates: jinja's, for what configurations are made of. One function for all of each, because every
//! function that the engine is given by itself is many kilobytes of program.

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{functions, Environment, Error, ErrorKind, State};

use super::methods;
use super::print;
use super::variables::{is_missing, keys, List};

const FILTERS: [&str; 38] = [
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];

const TESTS: [&str; 32] = [
    "boolean",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sequence",
    "string",
    "true",
    "undefined",
    "upper",
    "==",
    "!=",
    "<",
    ">",
];

/// Makes them and a few functions known.
pub(super) fn teach(environment: &mut Environment<'_>) {
    for name in FILTERS {
        environment.add_filter(name, move |state: &State<'_, '_>, value: &Value, given: Rest<Value>| {
            let made = filter(name, state, value, &Given::of(&given)?)?;
            print::bounded(made.as_str().map_or(0, str::len))?;
            Ok::<_, Error>(made)
        });
    }
    for name in TESTS {
        environment.add_test(name, move |value: &Value, given: Rest<Value>| test(name, value, given.first()));
    }
    environment.add_function("range", functions::range);
    environment.add_function("namespace", functions::namespace);
}

/// The arguments of a filter.
struct Given<'g> {
    positional: &'g [Value],
    named: Option<Kwargs>,
}

impl<'g> Given<'g> {
    fn of(given: &'g [Value]) -> Result<Self, Error> {
        match given.split_last() {
            Some((last, before)) if last.is_kwargs() => Ok(Self { positional: before, named: Some(Kwargs::try_from(last.clone())?) }),
            _ => Ok(Self { positional: given, named: None }),
        }
    }

    fn get(&self, at: usize, name: &str) -> Option<Value> {
        self.positional.get(at).cloned().or_else(|| self.named.as_ref()?.peek::<Value>(name).ok())
    }

    fn text(&self, at: usize, name: &str) -> Option<String> {
        self.get(at, name).as_ref().map(print::python_str)
    }

    fn is_set(&self, at: usize, name: &str) -> bool {
        self.get(at, name).is_some_and(|value| value.is_true())
    }
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::from_object(List(items.into_iter().collect()))
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn filter(name: &str, state: &State<'_, '_>, value: &Value, given: &Given<'_>) -> Result<Value, Error> {
    print::bounded(value.as_str().map_or(0, str::len))?;
    let text = || print::python_str(value);
    let items = || {
        let items: Vec<Value> = value.try_iter()?.take(print::LONGEST_VALUE + 1).collect();
        print::bounded(items.len())?;
        Ok::<_, Error>(items)
    };
    Ok(match name {
        "default" | "d" => {
            let is_replaced = is_missing(value) || (given.is_set(1, "boolean") && !value.is_true());
            match is_replaced {
                true => given.get(0, "default_value").unwrap_or_else(|| Value::from("")),
                false => value.clone(),
            }
        }
        "safe" => value.clone(),
        "string" => text().into(),
        "tojson" => print::json(value)?.into(),
        "e" | "escape" => escaped(&text()).into(),
        "lower" | "upper" | "capitalize" => methods::of_string(&text(), name, &[])?.unwrap_or_default(),
        "title" => methods::titled(&text()).into(),
        "format" => formatted(&text(), given)?.into(),
        "trim" => methods::of_string(&text(), "strip", given.positional)?.unwrap_or_default(),
        "replace" => {
            let arguments = [Value::from(given.text(0, "old").unwrap_or_default()), Value::from(given.text(1, "new").unwrap_or_default())];
            methods::of_string(&text(), name, &arguments)?.unwrap_or_default()
        }
        "indent" => indented(&text(), given)?.into(),
        "int" => int(&text(), given.get(0, "default")).into(),
        "float" => {
            text().trim().parse().unwrap_or(given.get(0, "default").and_then(|value| f64::try_from(value).ok()).unwrap_or(0.0)).into()
        }
        "abs" | "round" => number(name, value, given)?,
        "length" | "count" => {
            if is_missing(value) { 0 } else { value.len().ok_or_else(|| wrong(format!("{} has no length", value.kind())))? }.into()
        }
        "join" => {
            let between = given.text(0, "d").unwrap_or_default();
            let parts = attributes(items()?, given.get(1, "attribute"));
            methods::joined(&mut parts.into_iter(), &between)?.into()
        }
        "first" => items()?.into_iter().next().unwrap_or_default(),
        "last" => items()?.into_iter().next_back().unwrap_or_default(),
        "list" => list(items()?),
        "reverse" if value.kind() == ValueKind::String => text().chars().rev().collect::<String>().into(),
        "reverse" => list(items()?.into_iter().rev()),
        "items" | "dictsort" => pairs(value, name == "dictsort")?,
        "sort" => sorted(items()?, given),
        "min" => sorted(items()?, &Given { positional: &[], named: None }).get_item(&Value::from(0))?,
        "max" => items()?.into_iter().reduce(|most, item| if item > most { item } else { most }).unwrap_or_default(),
        "unique" => {
            let mut seen: Vec<Value> = Vec::new();
            items()?.into_iter().for_each(|item| {
                if !seen.contains(&item) {
                    seen.push(item)
                }
            });
            list(seen)
        }
        "sum" => sum(&attributes(items()?, given.get(0, "attribute")))?,
        "map" => return mapped(items()?, state, given),
        "select" | "reject" | "selectattr" | "rejectattr" => chosen(name, items()?, state, given)?,
        _ => return Err(Error::new(ErrorKind::UnknownFilter, name.to_owned())),
    })
}

/// `%s`, `%d`, `%x` and `%f` with width and precision, as Python fills them in.
fn formatted(text: &str, given: &Given<'_>) -> Result<String, Error> {
    let mut values = given.positional.iter();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        print::bounded(out.len())?;
        let end =
            after.find(|c: char| c.is_ascii_alphabetic() || c == '%').ok_or_else(|| wrong("`%` at the end of a format".to_owned()))?;
        let (spec, kind) = (&after[..end], &after[end..=end]);
        rest = &after[end + 1..];
        if kind == "%" {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or_else(|| wrong("a format asks for more values than it is given".to_owned()))?;
        let (width, precision) = spec
            .split_once('.')
            .map_or((spec, None), |(width, precision)| (width, precision.parse().ok().map(|precision: usize| precision.min(1_000))));
        let digits = width.trim_start_matches(['-', '0', '+', ' ']);
        let flags = &width[..width.len() - digits.len()];
        let width: usize = digits.parse().unwrap_or(0).min(1_000);
        let whole = || value.as_i64().ok_or_else(|| wrong(format!("{} is no whole number", value.kind())));
        let written = match kind {
            "s" => print::python_str(value),
            "d" | "i" => whole()?.to_string(),
            "x" => format!("{:x}", whole()?),
            "f" => format!("{:.*}", precision.unwrap_or(6), f64::try_from(value.clone())?),
            other => return Err(wrong(format!("`%{other}` is not known"))),
        };
        out.push_str(&match (flags.contains('-'), flags.contains('0') && kind != "s") {
            (true, _) => format!("{written:<width$}"),
            (false, true) => match written.strip_prefix('-') {
                Some(digits) => format!("-{digits:0>width$}", width = width.saturating_sub(1)),
                None => format!("{written:0>width$}"),
            },
            (false, false) => format!("{written:>width$}"),
        });
    }
    Ok(out + rest)
}

fn indented(text: &str, given: &Given<'_>) -> Result<String, Error> {
    let width = given.get(0, "width").and_then(|width| width.as_usize()).unwrap_or(4);
    let blanks = " ".repeat(width.min(1_000));
    print::bounded(text.len() + text.matches('\n').count() * blanks.len())?;
    let mut lines = Vec::new();
    for (at, line) in text.split('\n').enumerate() {
        let is_left = (at == 0 && !given.is_set(1, "first")) || (at > 0 && line.is_empty() && !given.is_set(2, "blank"));
        lines.push(if is_left { line.to_owned() } else { format!("{blanks}{line}") });
    }
    Ok(lines.join("\n"))
}

/// What cannot be read as a number is the other one.
fn int(text: &str, other: Option<Value>) -> i64 {
    let text = text.trim();
    let number = text.parse().ok().or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64));
    number.unwrap_or_else(|| other.and_then(|other| other.as_i64()).unwrap_or(0))
}

fn number(name: &str, value: &Value, given: &Given<'_>) -> Result<Value, Error> {
    let number = f64::try_from(value.clone()).map_err(|_| wrong(format!("{} is no number", value.kind())))?;
    if name == "abs" {
        return Ok(value
            .as_i64()
            .filter(|_| value.is_integer())
            .map_or_else(|| number.abs().into(), |number| number.saturating_abs().into()));
    }
    let precision = given.get(0, "precision").and_then(|precision| precision.as_i64()).unwrap_or(0).clamp(0, 15);
    let factor = 10_f64.powi(i32::try_from(precision).unwrap_or(0));
    Ok(((number * factor).round() / factor).into())
}

/// The attributes of items, where one is asked for, or the items.
fn attributes(items: Vec<Value>, attribute: Option<Value>) -> Vec<Value> {
    match attribute {
        Some(attribute) => items.iter().map(|item| item.get_item(&attribute).unwrap_or_default()).collect(),
        None => items,
    }
}

fn sum(items: &[Value]) -> Result<Value, Error> {
    let not_a_number = |item: &Value| wrong(format!("{} is no number", item.kind()));
    if let Some(whole) = items.iter().map(|item| item.as_i64().filter(|_| item.is_integer())).collect::<Option<Vec<_>>>() {
        return Ok(whole.into_iter().fold(0_i64, i64::saturating_add).into());
    }
    let numbers = items.iter().map(|item| f64::try_from(item.clone()).map_err(|_| not_a_number(item)));
    Ok(numbers.sum::<Result<f64, Error>>()?.into())
}

/// By value, texts without regard to case, as jinja sorts.
fn sorted(items: Vec<Value>, given: &Given<'_>) -> Value {
    let attribute = given.get(2, "attribute");
    let key = |item: &Value| {
        let value = attribute.as_ref().map_or_else(|| item.clone(), |attribute| item.get_item(attribute).unwrap_or_default());
        match value.as_str() {
            Some(text) if !given.is_set(1, "case_sensitive") => Value::from(text.to_lowercase()),
            _ => value,
        }
    };
    let mut keyed: Vec<(Value, Value)> = items.into_iter().map(|item| (key(&item), item)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    if given.is_set(0, "reverse") {
        keyed.reverse();
    }
    list(keyed.into_iter().map(|(_, item)| item))
}

/// The entries of a mapping as pairs.
fn pairs(value: &Value, is_sorted: bool) -> Result<Value, Error> {
    if is_missing(value) {
        return Ok(list([]));
    }
    let mut keys = keys(value).ok_or_else(|| wrong(format!("{} is no mapping", value.kind())))?;
    if is_sorted {
        keys.sort_by_key(|key| print::python_str(key).to_lowercase());
    }
    let pairs = keys.into_iter().map(|key| Ok(list([key.clone(), value.get_item(&key)?])));
    Ok(list(pairs.collect::<Result<Vec<_>, Error>>()?))
}

fn mapped(items: Vec<Value>, state: &State<'_, '_>, given: &Given<'_>) -> Result<Value, Error> {
    if let Some(attribute) = given.named.as_ref().and_then(|_| given.get(usize::MAX, "attribute")) {
        return Ok(list(attributes(items, Some(attribute))));
    }
    let (name, rest) = given.positional.split_first().ok_or_else(|| wrong("map needs the name of a filter".to_owned()))?;
    let name = print::python_str(name);
    let apply = |item: Value| state.apply_filter(&name, &[std::slice::from_ref(&item), rest].concat());
    Ok(list(items.into_iter().map(apply).collect::<Result<Vec<_>, Error>>()?))
}

fn chosen(name: &str, items: Vec<Value>, state: &State<'_, '_>, given: &Given<'_>) -> Result<Value, Error> {
    let mut given = given.positional;
    let mut attribute = None;
    if name.ends_with("attr") {
        let (first, rest) = given.split_first().ok_or_else(|| wrong(format!("{name} needs an attribute")))?;
        (attribute, given) = (Some(first), rest);
    }
    let mut kept = Vec::new();
    for item in items {
        let asked = attribute.map_or_else(|| item.clone(), |attribute| item.get_item(attribute).unwrap_or_default());
        let is_so = match given.split_first() {
            Some((wanted, rest)) => state.perform_test(&print::python_str(wanted), &[std::slice::from_ref(&asked), rest].concat())?,
            None => asked.is_true(),
        };
        if is_so == name.starts_with("select") {
            kept.push(item);
        }
    }
    Ok(list(kept))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&#34;")
}

fn test(name: &str, value: &Value, other: Option<&Value>) -> Result<bool, Error> {
    let needed = || other.ok_or_else(|| wrong(format!("the test `{name}` needs something to compare with")));
    let whole = || value.as_i64().filter(|_| value.is_integer()).ok_or_else(|| wrong(format!("{} is no whole number", value.kind())));
    let text = || value.as_str().unwrap_or_default();
    Ok(match name {
        "defined" => !is_missing(value),
        "undefined" => is_missing(value),
        "none" => value.is_none(),
        "boolean" => value.kind() == ValueKind::Bool,
        "true" => value.kind() == ValueKind::Bool && value.is_true(),
        "false" => value.kind() == ValueKind::Bool && !value.is_true(),
        "string" => value.kind() == ValueKind::String,
        "number" => value.kind() == ValueKind::Number,
        "integer" => value.is_integer(),
        "float" => value.kind() == ValueKind::Number && !value.is_integer(),
        "mapping" => keys(value).is_some(),
        "sequence" => matches!(value.kind(), ValueKind::Seq | ValueKind::String),
        "iterable" => value.try_iter().is_ok(),
        "odd" => whole()? % 2 != 0,
        "even" => whole()? % 2 == 0,
        "divisibleby" => {
            let by = needed()?.as_i64().filter(|by| *by != 0).ok_or_else(|| wrong("nothing is divisible by that".to_owned()))?;
            whole()? % by == 0
        }
        "lower" => text().chars().any(char::is_alphabetic) && text() == text().to_lowercase(),
        "upper" => text().chars().any(char::is_alphabetic) && text() == text().to_uppercase(),
        "in" => match needed()?.as_str() {
            Some(whole) => whole.contains(&print::python_str(value)),
            None => needed()?.try_iter()?.any(|item| item == *value),
        },
        "eq" | "equalto" | "==" => value == needed()?,
        "ne" | "!=" => value != needed()?,
        "lt" | "lessthan" | "<" => value < needed()?,
        "gt" | "greaterthan" | ">" => value > needed()?,
        "le" => value <= needed()?,
        "ge" => value >= needed()?,
        _ => return Err(Error::new(ErrorKind::UnknownTest, name.to_owned())),
    })
}
