//! The filters and tests of templates: jinja's, for what configurations are made of. One function for all of each, because every
//! function that the engine is given by itself is many kilobytes of program.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{functions, Environment, Error, ErrorKind, State};

use super::collections::{list, mapping};
use super::objects::{Cycler, Group, Joiner};
use super::variables::{is_missing, keys, missing, FUNCTIONS};
use super::{collections, format, methods, print, python, texts};
use crate::ordered::{sort_by, sort_by_key};

/// Each with the names of its arguments, in their order; `*` for any.
const FILTERS: [(&str, &str); 52] = [
    ("abs", ""),
    ("attr", "name"),
    ("batch", "linecount fill_with"),
    ("capitalize", ""),
    ("center", "width"),
    ("count", ""),
    ("d", "default_value boolean"),
    ("default", "default_value boolean"),
    ("dictsort", "case_sensitive by reverse"),
    ("e", ""),
    ("escape", ""),
    ("filesizeformat", "binary"),
    ("first", ""),
    ("float", "default"),
    ("forceescape", ""),
    ("format", "*"),
    ("groupby", "attribute default case_sensitive"),
    ("indent", "width first blank"),
    ("int", "default base"),
    ("items", ""),
    ("join", "d attribute"),
    ("last", ""),
    ("length", ""),
    ("list", ""),
    ("lower", ""),
    ("map", "*"),
    ("max", "case_sensitive attribute"),
    ("min", "case_sensitive attribute"),
    ("random", ""),
    ("reject", "*"),
    ("rejectattr", "*"),
    ("replace", "old new count"),
    ("reverse", ""),
    ("round", "precision method"),
    ("safe", ""),
    ("select", "*"),
    ("selectattr", "*"),
    ("slice", "slices fill_with"),
    ("sort", "reverse case_sensitive attribute"),
    ("string", ""),
    ("striptags", ""),
    ("sum", "attribute start"),
    ("title", ""),
    ("tojson", "indent"),
    ("trim", "chars"),
    ("truncate", "length killwords end leeway"),
    ("unique", "case_sensitive attribute"),
    ("upper", ""),
    ("urlencode", ""),
    ("wordcount", ""),
    ("wordwrap", "width break_long_words wrapstring break_on_hyphens"),
    ("xmlattr", "autospace"),
];

const TESTS: [&str; 37] = [
    "boolean",
    "callable",
    "defined",
    "divisibleby",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
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
    "sameas",
    "sequence",
    "string",
    "test",
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
    for (name, arguments) in FILTERS {
        environment.add_filter(name, move |state: &State<'_, '_>, value: &Value, given: Rest<Value>| {
            let given = Given::of(&given)?;
            given.check(name, arguments)?;
            let made = filter(name, state, value, &given)?;
            print::bounded(made.as_str().map_or(0, str::len))?;
            Ok::<_, Error>(made)
        });
    }
    for name in TESTS {
        environment.add_test(name, move |value: &Value, given: Rest<Value>| test(name, value, given.first()));
    }
    for name in python::FUNCTIONS {
        environment.add_function(name, move |value: &Value, attribute: Option<&str>| collections::written(name, value, attribute));
    }
    for name in FUNCTIONS {
        environment.add_function(name, move |given: Rest<Value>| function(name, &given));
    }
}

fn function(name: &str, all: &[Value]) -> Result<Value, Error> {
    let given = Given::of(all)?;
    Ok(match name {
        "range" => {
            let bound = |at: usize| given.positional.get(at).and_then(|value| value.as_i64()).and_then(|bound| isize::try_from(bound).ok());
            let from = bound(0).ok_or_else(|| wrong("range needs a whole number".to_owned()))?;
            functions::range(from, bound(1), bound(2))?
        }
        "dict" => dict(&given)?,
        "cycler" => Value::from_object(Cycler { items: given.positional.to_vec(), at: 0.into() }),
        "joiner" => Value::from_object(Joiner { between: given.text(0, "sep").unwrap_or_else(|| ", ".to_owned()), calls: 0.into() }),
        _ => functions::namespace(all.first().cloned())?,
    })
}

/// Python's `dict`: of another one or of pairs, and of names.
fn dict(given: &Given<'_>) -> Result<Value, Error> {
    let mut entries = given.positional.first().map(collections::entries_of).transpose()?.unwrap_or_default();
    entries.extend(given.named_entries());
    Ok(mapping(entries))
}

/// The arguments of a filter, a function or a method.
pub(super) struct Given<'g> {
    pub positional: &'g [Value],
    pub named: Option<Kwargs>,
}

impl<'g> Given<'g> {
    pub fn of(given: &'g [Value]) -> Result<Self, Error> {
        match given.split_last() {
            Some((last, before)) if last.is_kwargs() => Ok(Self { positional: before, named: Some(Kwargs::try_from(last.clone())?) }),
            _ => Ok(Self { positional: given, named: None }),
        }
    }

    /// Refuses arguments that are not among those a filter has.
    fn check(&self, filter: &str, arguments: &str) -> Result<(), Error> {
        let known = || arguments.split_whitespace();
        if arguments == "*" {
            return Ok(());
        }
        if self.positional.len() > known().count() {
            return Err(wrong(format!("`{filter}` takes {} arguments at most", known().count())));
        }
        let named = self.named.as_ref().map(|named| named.args().find(|name| known().all(|known| known != *name)));
        match named.flatten() {
            Some(name) => Err(wrong(format!("`{filter}` has no argument `{name}`"))),
            None => Ok(()),
        }
    }

    /// The arguments that have a name.
    pub fn named_entries(&self) -> Vec<(Value, Value)> {
        let named = self.named.iter().flat_map(|named| named.args().map(|name| (Value::from(name), named.peek(name).unwrap_or_default())));
        named.collect()
    }

    pub fn get(&self, at: usize, name: &str) -> Option<Value> {
        self.positional.get(at).cloned().or_else(|| self.named.as_ref()?.peek::<Value>(name).ok())
    }

    pub fn text(&self, at: usize, name: &str) -> Option<String> {
        self.get(at, name).as_ref().map(print::python_str)
    }

    pub fn is_set(&self, at: usize, name: &str) -> bool {
        self.get(at, name).is_some_and(|value| value.is_true())
    }
}

pub(super) fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn filter(name: &str, state: &State<'_, '_>, value: &Value, given: &Given<'_>) -> Result<Value, Error> {
    print::bounded(value.as_str().map_or(0, str::len))?;
    let text = || print::python_str(value);
    let items = || collections::items_of(value);
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
        "tojson" => {
            let indent = given.get(0, "indent").filter(|indent| !indent.is_none());
            print::json(value, indent.map(|indent| indent.as_usize().unwrap_or(0)))?.into()
        }
        "e" | "escape" | "forceescape" => texts::escaped(&text()).into(),
        "lower" | "upper" | "capitalize" => methods::of_string(&text(), name, &[])?.unwrap_or_default(),
        "title" => methods::titled(&text()).into(),
        "format" => format::percent(&text(), given.positional, given.named.as_ref())?.into(),
        "truncate" => texts::truncated(&text(), given).into(),
        "wordwrap" => texts::wrapped(&text(), given)?.into(),
        "wordcount" => texts::words(&text()).into(),
        "filesizeformat" => texts::file_size(value, given.is_set(0, "binary"))?.into(),
        "urlencode" => texts::for_url(value, &value.try_iter().map(|_| items()).unwrap_or_else(|_| Ok(Vec::new()))?)?.into(),
        "center" => {
            let width = given.get(0, "width").and_then(|width| width.as_usize()).unwrap_or(80);
            print::bounded(width)?;
            texts::centred(&text(), width, ' ').into()
        }
        "trim" => methods::of_string(&text(), "strip", given.positional)?.unwrap_or_default(),
        "replace" => {
            let needed = |at, name| given.text(at, name).ok_or_else(|| wrong("replace needs what to replace and what with".to_owned()));
            let count = given.get(2, "count").unwrap_or_else(|| Value::from(()));
            let arguments = [needed(0, "old")?.into(), needed(1, "new")?.into(), count];
            methods::of_string(&text(), name, &arguments)?.unwrap_or_default()
        }
        "indent" => texts::indented(&text(), given)?.into(),
        "int" => int(value, given).into(),
        "float" => {
            text().trim().parse().unwrap_or(given.get(0, "default").and_then(|value| f64::try_from(value).ok()).unwrap_or(0.0)).into()
        }
        "abs" | "round" => number(name, value, given)?,
        "length" | "count" => {
            if is_missing(value) { 0 } else { value.len().ok_or_else(|| wrong(format!("{} has no length", value.kind())))? }.into()
        }
        "join" => {
            let between = given.text(0, "d").unwrap_or_default();
            let parts = attributes(items()?, given.get(1, "attribute"), None);
            methods::joined(&mut parts.into_iter(), &between)?.into()
        }
        "first" => items()?.into_iter().next().unwrap_or_default(),
        "last" => items()?.into_iter().next_back().unwrap_or_default(),
        "list" => list(items()?),
        "reverse" if value.kind() == ValueKind::String => text().chars().rev().collect::<String>().into(),
        "reverse" => list(items()?.into_iter().rev()),
        "items" => list(pairs(value)?),
        "dictsort" => dict_sorted(value, given)?,
        "sort" => list(sorted(items()?, given.get(2, "attribute").as_ref(), given.is_set(1, "case_sensitive"), given.is_set(0, "reverse"))),
        "min" | "max" => {
            let (attribute, is_sensitive) = (given.get(1, "attribute"), given.is_set(0, "case_sensitive"));
            // The first one of those that are equal.
            sorted(items()?, attribute.as_ref(), is_sensitive, name == "max").into_iter().next().unwrap_or_default()
        }
        "unique" => {
            let mut seen: Vec<Value> = Vec::new();
            let (attribute, is_sensitive) = (given.get(1, "attribute"), given.is_set(0, "case_sensitive"));
            let mut kept = items()?;
            kept.retain(|item| {
                let key = key_of(item, attribute.as_ref(), is_sensitive);
                let is_new = !seen.contains(&key);
                seen.extend(is_new.then_some(key));
                is_new
            });
            list(kept)
        }
        "sum" => sum(attributes(items()?, given.get(0, "attribute").filter(|name| !name.is_none()), None), given.get(1, "start"))?,
        "striptags" => texts::without_tags(&text()).into(),
        "xmlattr" => texts::attributes(&collections::entries_of(value)?, given.get(0, "autospace").is_none_or(|set| set.is_true())).into(),
        "batch" => batches(&items()?, given),
        "slice" => slices(&items()?, given)?,
        "groupby" => grouped(items()?, given)?,
        "random" => any_of(&items()?, state),
        // An entry of a mapping is none of its attributes.
        "attr" => missing(&given.text(0, "name").unwrap_or_default()),
        "map" => return mapped(items()?, state, given),
        "select" | "reject" | "selectattr" | "rejectattr" => chosen(name, items()?, state, given)?,
        _ => return Err(Error::new(ErrorKind::UnknownFilter, name.to_owned())),
    })
}

/// What cannot be read as a number is the other one.
fn int(value: &Value, given: &Given<'_>) -> i64 {
    if value.kind() == ValueKind::Bool {
        return value.is_true().into();
    }
    let base = given
        .get(1, "base")
        .and_then(|base| base.as_usize())
        .and_then(|base| u32::try_from(base).ok())
        .filter(|_| value.as_str().is_some());
    let text = print::python_str(value);
    let text = text.trim().replace('_', "");
    let (sign, digits) = text.strip_prefix('-').map_or((1, text.strip_prefix('+').unwrap_or(&text)), |digits| (-1, digits));
    let base = base.filter(|base| (2..=36).contains(base)).unwrap_or(10);
    let prefix = [(2, "0b"), (8, "0o"), (16, "0x")].into_iter().find(|(of, _)| *of == base).map_or("", |(_, prefix)| prefix);
    let is_prefixed = !prefix.is_empty() && digits.get(..2).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let number = i64::from_str_radix(if is_prefixed { &digits[2..] } else { digits }, base).ok().map(|number| sign * number);
    let number = number.or_else(|| text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| number as i64));
    number.unwrap_or_else(|| given.get(0, "default").and_then(|other| other.as_i64()).unwrap_or(0))
}

fn number(name: &str, value: &Value, given: &Given<'_>) -> Result<Value, Error> {
    let number = f64::try_from(value.clone()).map_err(|_| wrong(format!("{} is no number", value.kind())))?;
    if name == "abs" {
        return Ok(value
            .as_i64()
            .filter(|_| value.is_integer())
            .map_or_else(|| number.abs().into(), |number| number.saturating_abs().into()));
    }
    let precision = given.get(0, "precision").and_then(|precision| precision.as_i64()).unwrap_or(0).clamp(-15, 15);
    let places = i32::try_from(precision).unwrap_or(0);
    let factor = 10_f64.powi(places);
    let method = given.text(1, "method").unwrap_or_else(|| "common".to_owned());
    let rounded = match method.as_str() {
        "ceil" => (number * factor).ceil() / factor,
        "floor" => (number * factor).floor() / factor,
        "common" if places < 0 => (number * factor).round_ties_even() * 10_f64.powi(-places),
        // Python rounds what the number really is, not what it is multiplied by: 42.55 is less than it looks.
        "common" => format!("{number:.*}", usize::try_from(places).unwrap_or(0)).parse().unwrap_or(number),
        other => return Err(wrong(format!("round knows `common`, `ceil` and `floor`, not `{other}`"))),
    };
    // Of a whole number it is one.
    Ok(if value.is_integer() && method == "common" { Value::from(rounded as i64) } else { rounded.into() })
}

/// The attributes of items, where one is asked for, or the items.
fn attributes(items: Vec<Value>, attribute: Option<Value>, other: Option<Value>) -> Vec<Value> {
    let Some(path) = attribute else { return items };
    let found = |item: &Value| match (attribute_of(item, &path), &other) {
        (value, Some(other)) if is_missing(&value) => other.clone(),
        (value, _) => value,
    };
    items.iter().map(found).collect()
}

/// What an item has at `a.b.0`.
fn attribute_of(item: &Value, path: &Value) -> Value {
    let Some(path) = path.as_str() else { return item.get_item(path).unwrap_or_default() };
    let mut value = item.clone();
    for key in path.split('.') {
        if is_missing(&value) {
            break;
        }
        let key = key.parse::<usize>().map_or_else(|_| Value::from(key), Value::from);
        value = value.get_item(&key).unwrap_or_default();
    }
    value
}

/// Lists of so many items each; the last one is filled up where something is given for it.
fn batches(items: &[Value], given: &Given<'_>) -> Value {
    let size = given.get(0, "linecount").and_then(|size| size.as_usize()).unwrap_or(1).max(1);
    let fill = given.get(1, "fill_with").filter(|fill| !fill.is_none() && items.len() + size < print::LONGEST_VALUE);
    list(items.chunks(size).map(|chunk| {
        let missing = fill.iter().flat_map(|fill| std::iter::repeat_n(fill.clone(), size - chunk.len()));
        list(chunk.iter().cloned().chain(missing))
    }))
}

/// So many lists of as many items.
fn slices(items: &[Value], given: &Given<'_>) -> Result<Value, Error> {
    let count = given.get(0, "slices").and_then(|count| count.as_usize()).unwrap_or(1).max(1);
    print::bounded(count.saturating_mul(100))?;
    let (each, longer) = (items.len() / count, items.len() % count);
    let mut rest = items;
    Ok(list((0..count).map(|at| {
        let (slice, after) = rest.split_at(each + usize::from(at < longer));
        rest = after;
        list(slice.iter().cloned().chain(given.get(1, "fill_with").filter(|fill| longer > 0 && at >= longer && !fill.is_none())))
    })))
}

/// Groups of items with the same attribute, in its order.
fn grouped(items: Vec<Value>, given: &Given<'_>) -> Result<Value, Error> {
    let path = given.get(0, "attribute").ok_or_else(|| wrong("groupby needs an attribute".to_owned()))?;
    let is_sensitive = given.is_set(2, "case_sensitive");
    let key = |value: &Value| value.as_str().filter(|_| !is_sensitive).map_or_else(|| value.clone(), |text| text.to_lowercase().into());
    let named = attributes(items.clone(), Some(path), given.get(1, "default"));
    let mut entries: Vec<(Value, Value)> = named.into_iter().zip(items).collect();
    sort_by_key(&mut entries, |(name, _)| key(name));
    let groups = entries.chunk_by(|(a, _), (b, _)| key(a) == key(b));
    Ok(list(groups.map(|group| Value::from_object(Group(group[0].0.clone(), list(group.iter().map(|(_, item)| item.clone())))))))
}

/// Any of the items, and the same one whenever this instance renders this.
fn any_of(items: &[Value], state: &State<'_, '_>) -> Value {
    let mut hasher = DefaultHasher::new();
    state.lookup("instance_id").map(|id| print::python_str(&id)).hash(&mut hasher);
    items.iter().for_each(|item| print::python_str(item).hash(&mut hasher));
    let at = hasher.finish() % (items.len() as u64).max(1);
    items.get(at as usize).cloned().unwrap_or_default()
}

fn sum(items: Vec<Value>, start: Option<Value>) -> Result<Value, Error> {
    let not_a_number = |item: &Value| wrong(format!("{} is no number", item.kind()));
    if start.as_ref().is_some_and(|start| start.kind() == ValueKind::Seq) {
        let mut all = Vec::new();
        for items in start.iter().chain(&items) {
            all.extend(collections::items_of(items)?);
            print::bounded(all.len())?;
        }
        return Ok(list(all));
    }
    let items: Vec<Value> = start.into_iter().chain(items).collect();
    if let Some(whole) = items.iter().map(|item| item.as_i64().filter(|_| item.is_integer())).collect::<Option<Vec<_>>>() {
        return Ok(whole.into_iter().fold(0_i64, i64::saturating_add).into());
    }
    let numbers = items.iter().map(|item| f64::try_from(item.clone()).map_err(|_| not_a_number(item)));
    Ok(numbers.sum::<Result<f64, Error>>()?.into())
}

/// What an item is compared by: its attribute, or the item; of a text the small letters.
fn key_of(item: &Value, attribute: Option<&Value>, is_sensitive: bool) -> Value {
    let value = attribute.map_or_else(|| item.clone(), |attribute| attribute_of(item, attribute));
    match value.as_str() {
        Some(text) if !is_sensitive => Value::from(text.to_lowercase()),
        _ => value,
    }
}

/// By value, as jinja sorts, or by attributes with commas between them. What is equal stays in its order, also where it is reversed.
pub(super) fn sorted(items: Vec<Value>, attribute: Option<&Value>, is_sensitive: bool, is_reversed: bool) -> Vec<Value> {
    let split = |names: &Value| match names.as_str() {
        Some(names) => names.split(',').map(Value::from).collect(),
        None => vec![names.clone()],
    };
    let attributes: Option<Vec<Value>> = attribute.filter(|attribute| !attribute.is_none()).map(split);
    let keys = |item: &Value| match &attributes {
        Some(attributes) => attributes.iter().map(|attribute| key_of(item, Some(attribute), is_sensitive)).collect(),
        None => vec![key_of(item, None, is_sensitive)],
    };
    let mut keyed: Vec<(Vec<Value>, Value)> = items.into_iter().map(|item| (keys(&item), item)).collect();
    sort_by(&mut keyed, |(a, _), (b, _)| if is_reversed { b.cmp(a) } else { a.cmp(b) });
    keyed.into_iter().map(|(_, item)| item).collect()
}

/// The entries of a mapping as pairs.
fn pairs(value: &Value) -> Result<Vec<Value>, Error> {
    if is_missing(value) {
        return Ok(Vec::new());
    }
    if keys(value).is_none() {
        return Err(wrong(format!("{} is no mapping", value.kind())));
    }
    collections::pairs_of(value)
}

/// The pairs of a mapping, by key or by value.
fn dict_sorted(value: &Value, given: &Given<'_>) -> Result<Value, Error> {
    let at = match given.text(1, "by").as_deref() {
        None | Some("key") => 0,
        Some("value") => 1,
        Some(other) => return Err(wrong(format!("dictsort knows `key` and `value`, not `{other}`"))),
    };
    Ok(list(sorted(pairs(value)?, Some(&Value::from(at)), given.is_set(0, "case_sensitive"), given.is_set(2, "reverse"))))
}

fn mapped(items: Vec<Value>, state: &State<'_, '_>, given: &Given<'_>) -> Result<Value, Error> {
    if let Some(attribute) = given.named.as_ref().and_then(|_| given.get(usize::MAX, "attribute")) {
        return Ok(list(attributes(items, Some(attribute), given.get(usize::MAX, "default"))));
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
        let asked = attribute.map_or_else(|| item.clone(), |attribute| attribute_of(&item, attribute));
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
        "sequence" => matches!(value.kind(), ValueKind::Seq | ValueKind::String) || keys(value).is_some(),
        "sameas" => value.kind() == needed()?.kind() && value == needed()?,
        "callable" => value.kind() == ValueKind::Plain,
        "escaped" => false,
        "filter" => FILTERS.iter().any(|(known, _)| *known == text()),
        "test" => TESTS.contains(&text()),
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
