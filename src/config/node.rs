//! The data model of a configuration document: values as PyYAML's `SafeLoader` would build them, each with the place in
//! the user's input it came from.
//!
//! Equality ignores places and spelling: two nodes are equal when their values are. How a scalar prints is Python's
//! `str()`, because that is what cloud-init puts into scripts and files; see [`Node::python_str`].

use std::fmt;
use std::sync::Arc;

use super::python::python_float;
use crate::ordered::object_of;

/// Where a value stands in the user's input. `part` is the part's name ("user-data", "part-002",
/// "/etc/landfall/conf.d/50-user.yaml"); line and column count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the part.
    pub part: Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Origin {
    /// A place in a part.
    pub fn new(part: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Origin { part: part.into(), line, column }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.part, self.line, self.column)
    }
}

/// A value and the place it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it starts.
    pub origin: Origin,
    /// The user's spelling of a plain scalar that is not a string (`0644`, `yes`, `1_000`), where it differs from
    /// [`Node::python_str`]. Read it through [`Node::source_text`].
    pub raw: Option<Box<str>>,
    /// A string written as a literal block (`|`): each of its lines is a line of the input.
    pub is_literal: bool,
}

/// A value of YAML 1.1 as PyYAML's `SafeLoader` knows it.
#[derive(Clone, Debug)]
pub enum Value {
    /// `~`, `null`, nothing at all.
    Null,
    /// `yes`, `no`, `on`, `off`, `true`, `false`.
    Bool(bool),
    /// An integer in any of YAML 1.1's notations, base 60 included.
    Int(i128),
    /// An integer that does not fit [`Value::Int`], in decimal.
    BigInt(String),
    /// A float; infinities and NaN included.
    Float(f64),
    /// A string.
    Str(String),
    /// `!!binary`, decoded.
    Bytes(Vec<u8>),
    /// A date or a datetime, as Python's `str()` prints it.
    Timestamp(String),
    /// `!!set`, in the order written, without duplicates.
    Set(Vec<Node>),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order written, with unique keys.
    Map(Vec<Entry>),
}

/// One entry of a mapping. Keys may be any scalar.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key, with its own place.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// What makes two keys of a mapping the same one, as in a Python dict: `1`, `1.0` and `true` are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DictKey(KeyKind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum KeyKind {
    Null,
    Int(i128),
    BigInt(String),
    Float(u64),
    Str(String),
    Bytes(Vec<u8>),
    Timestamp(String),
}

impl Node {
    /// A node without a recorded spelling.
    pub fn new(value: Value, origin: Origin) -> Self {
        Node { value, origin, raw: None, is_literal: false }
    }

    /// The value of the string key `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The entry of the string key `key`, if this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.as_str() == Some(key))
    }

    /// The entries, if this is a mapping; nothing otherwise.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; `None` for anything else.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Seq(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping; `None` for anything else.
    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The text of a string; `None` for anything else, scalars that were not quoted included.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Where a line of a string stands, counted from 0; where the string begins, if its lines are not lines of the input.
    pub fn line(&self, line: usize) -> Origin {
        let mut origin = self.origin.clone();
        if let Some(text) = self.as_str().filter(|_| self.is_literal) {
            // A block begins at its first line that is not empty.
            let empty = text.lines().take_while(|line| line.is_empty()).count();
            origin.line += u32::try_from(line.saturating_sub(empty)).unwrap_or_default();
        }
        origin
    }

    /// The value of a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Whether this is neither a list, a set nor a mapping.
    pub fn is_scalar(&self) -> bool {
        !matches!(self.value, Value::Seq(_) | Value::Map(_) | Value::Set(_))
    }

    /// What this is the same as when it is a key; `None` for lists, sets and mappings, which cannot be keys.
    pub fn dict_key(&self) -> Option<DictKey> {
        let kind = match &self.value {
            Value::Null => KeyKind::Null,
            Value::Bool(value) => KeyKind::Int(i128::from(*value)),
            Value::Int(value) => KeyKind::Int(*value),
            Value::BigInt(digits) => KeyKind::BigInt(digits.clone()),
            // Below 2^127 a float without fraction is an integer that i128 holds.
            Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e37 => KeyKind::Int(*value as i128),
            Value::Float(value) => KeyKind::Float(value.to_bits()),
            Value::Str(text) => KeyKind::Str(text.clone()),
            Value::Bytes(bytes) => KeyKind::Bytes(bytes.clone()),
            Value::Timestamp(text) => KeyKind::Timestamp(text.clone()),
            Value::Seq(_) | Value::Map(_) | Value::Set(_) => return None,
        };
        Some(DictKey(kind))
    }

    /// What this is, for messages: "a string", "a list", "a mapping".
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing (null)",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::BigInt(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Str(_) => "a string",
            Value::Bytes(_) => "binary data",
            Value::Timestamp(ref text) if text.len() == "2024-01-02".len() => "a date",
            Value::Timestamp(_) => "a date and time",
            Value::Set(_) => "a set",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The scalar as the user wrote it (`0644`, `yes`), for messages; [`Node::python_str`] for the rest.
    pub fn source_text(&self) -> String {
        match &self.raw {
            Some(raw) => raw.to_string(),
            None => self.python_str(),
        }
    }

    /// The document as JSON. Keys that are not strings are spelled as JSON spells their value, binary data is base64, sets
    /// are lists, floats that JSON lacks (infinities, NaN) and integers beyond 64 bits are strings.
    pub fn to_json(&self) -> serde_json::Value {
        use base64::Engine as _;
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => {
                let small = i64::try_from(*value).map(Json::from).or_else(|_| u64::try_from(*value).map(Json::from));
                small.unwrap_or_else(|_| Json::String(value.to_string()))
            }
            Value::Float(value) => serde_json::Number::from_f64(*value).map_or_else(|| Json::String(python_float(*value)), Json::Number),
            Value::BigInt(text) | Value::Str(text) | Value::Timestamp(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => Json::String(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::Seq(items) | Value::Set(items) => Json::Array(items.iter().map(Node::to_json).collect()),
            Value::Map(entries) => object_of(entries.iter().map(|e| (e.key.json_key(), e.value.to_json()))),
        }
    }

    fn json_key(&self) -> String {
        match &self.value {
            Value::Str(text) => text.clone(),
            _ => match self.to_json() {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            },
        }
    }

    /// A document from JSON; every node gets `origin`, since JSON has no places.
    pub fn from_json(json: &serde_json::Value, origin: &Origin) -> Node {
        use serde_json::Value as Json;
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Str(text.clone()),
            Json::Array(items) => Value::Seq(items.iter().map(|item| Node::from_json(item, origin)).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| Entry {
                        key: Node::new(Value::Str(key.clone()), origin.clone()),
                        value: Node::from_json(value, origin),
                    })
                    .collect(),
            ),
        };
        Node::new(value, origin.clone())
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.key == other.key && self.value == other.value
    }
}

/// Structural equality: NaN equals NaN, a mapping's order counts, and types are kept apart (`1` is not `1.0`).
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::BigInt(a), Value::BigInt(b)) | (Value::Str(a), Value::Str(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Seq(a), Value::Seq(b)) | (Value::Set(a), Value::Set(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(value: Value) -> Node {
        Node::new(value, Origin::new("user-data", 1, 1))
    }

    fn text(value: &str) -> Node {
        node(Value::Str(value.into()))
    }

    #[test]
    fn equality_ignores_place_and_spelling_but_not_type() {
        let mut elsewhere = Node::new(Value::Int(420), Origin::new("part-002", 7, 3));
        elsewhere.raw = Some("0644".into());
        assert_eq!(node(Value::Int(420)), elsewhere);
        assert_eq!(elsewhere.source_text(), "0644");
        assert_ne!(node(Value::Int(1)), node(Value::Float(1.0)));
        assert_ne!(node(Value::Bool(true)), text("true"));
    }

    #[test]
    fn json_has_a_place_for_every_value() {
        let map = node(Value::Map(vec![
            Entry { key: node(Value::Bool(true)), value: node(Value::Int(1)) },
            Entry { key: text("b"), value: node(Value::Bytes(b"hi".to_vec())) },
            Entry { key: node(Value::Null), value: node(Value::Float(f64::INFINITY)) },
            Entry { key: text("n"), value: node(Value::Int(1 << 100)) },
        ]));
        let expected = serde_json::json!({"true": 1, "b": "aGk=", "null": "inf", "n": (1i128 << 100).to_string()});
        assert_eq!(map.to_json(), expected);
    }

    #[test]
    fn json_reads_back() {
        let json = serde_json::json!({"a": [1, null, true, "x", 1.5], "big": u64::MAX});
        assert_eq!(Node::from_json(&json, &Origin::new("config.json", 1, 1)).to_json(), json);
    }
}
