//! The variables of a template: instance data, its aliases, and what stands for a variable that is not defined.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde_json::{Map, Value as Json};

use super::collections::{list, mapping, Mapping};
use super::MISSING;
use crate::ordered::{map_of, sort_by_key};

/// Instance data, made ready for templates.
#[derive(Clone)]
pub struct Variables {
    data: Map<String, Json>,
}

impl Variables {
    /// The variables that instance data gives.
    pub fn of(instance_data: &Json) -> Self {
        let data = match converted(instance_data, true) {
            Json::Object(data) => data,
            _ => Map::new(),
        };
        Self { data }
    }

    /// The values of one template, which may change them for itself.
    pub(super) fn root(&self) -> Value {
        Value::from_object(Scope(map_of(self.data.iter().map(|(key, json)| (key.clone(), value(json))))))
    }
}

/// The name with which a key that has `-` or `.` can be reached by a dot; `None` where the key itself can.
pub fn alias(key: &str) -> Option<String> {
    // What jinja takes for an operator; the longest first.
    const OPERATORS: [&str; 25] =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ","];
    let mut out = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(first) = rest.chars().next() {
        match OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            Some(operator) => {
                out.push('_');
                rest = &rest[operator.len()..];
            }
            None if first == ';' => {
                out.push('_');
                rest = &rest[1..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    (out != key).then_some(out)
}

/// Instance data with the keys of `v1` at the top as well, and with aliases where they are asked for.
pub fn converted(data: &Json, aliases: bool) -> Json {
    let Json::Object(entries) = data else { return data.clone() };
    let mut out = Map::new();
    let mut sorted: Vec<_> = entries.iter().collect();
    sort_by_key(&mut sorted, |(key, _)| key.as_str());
    for (key, value) in sorted {
        let value = converted(value, aliases);
        let is_versioned = key.strip_prefix('v').is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        if let (true, Json::Object(lifted)) = (is_versioned, &value) {
            out.extend(lifted.clone());
        }
        if let Some(alias) = alias(key).filter(|_| aliases) {
            out.insert(alias, value.clone());
        }
        out.insert(key.clone(), value);
    }
    Json::Object(out)
}

/// What the engine has a name for although it is no variable.
pub(super) const FUNCTIONS: [&str; 5] = ["range", "namespace", "dict", "cycler", "joiner"];

fn is_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || super::python::FUNCTIONS.contains(&name)
}

/// The variables. What is looked for among them and is not there is a [`Missing`], which knows its name.
#[derive(Debug)]
struct Scope(BTreeMap<String, Value>);

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => list(items.iter().map(value)),
        Json::Object(data) => mapping(data.iter().map(|(key, json)| (Value::from(key.as_str()), value(json)))),
    }
}

impl Object for Scope {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        match self.0.get(name) {
            None if is_function(name) => None,
            known => Some(known.cloned().unwrap_or_else(|| missing(name))),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

/// A variable that is not defined: false, empty, and written with its name.
#[derive(Debug)]
struct Missing(String);

impl Object for Missing {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(Value::from(no_such_in(&self.0, &key.to_string())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn call(self: &Arc<Self>, _: &minijinja::State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Err(Error::new(ErrorKind::UndefinedError, format!("`{}` is not defined", self.0)))
    }

    fn call_method(self: &Arc<Self>, _: &minijinja::State<'_, '_>, method: &str, _: &[Value]) -> Result<Value, Error> {
        Err(no_such_in(&self.0, method))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MISSING}{}", self.0)
    }
}

/// What a value has under a name that is written behind a dot.
pub(super) fn attribute_of(value: &Value, name: &str) -> Result<Value, Error> {
    if let Some(Missing(of)) = value.downcast_object_ref::<Missing>() {
        return Err(no_such_in(of, name));
    }
    Ok(Some(value.get_attr(name)?).filter(|found| !found.is_undefined()).unwrap_or_else(|| missing(name)))
}

fn no_such_in(missing: &str, name: &str) -> Error {
    Error::new(ErrorKind::UndefinedError, format!("`{missing}` is not defined, so there is no `{name}` in it"))
}

/// Whether a value is a mapping, and its keys.
pub(super) fn keys(value: &Value) -> Option<Vec<Value>> {
    let is_mapping = value.kind() == ValueKind::Map || value.downcast_object_ref::<Mapping>().is_some();
    is_mapping.then(|| value.try_iter().into_iter().flatten().collect())
}

/// What stands for what is not defined.
pub(super) fn missing(name: &str) -> Value {
    Value::from_object(Missing(name.to_owned()))
}

/// Whether a value stands for what is not defined.
pub(super) fn is_missing(value: &Value) -> bool {
    value.is_undefined() || value.downcast_object_ref::<Missing>().is_some()
}
