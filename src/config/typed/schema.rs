//! The typed configuration as a JSON Schema (draft-07), for editors.
//!
//! It is made of the declarations that read the configuration and takes what these take without a warning. What they find out
//! by looking at a value (whether a name can be a user's, whether a path is absolute) it does not know: that `validate` says.

use serde_json::{json, Map, Value};

use super::landfall::Section;
use super::legacy;
use super::shape::{Record, Shape};
use super::{keys, Keys};

/// The schema of a cloud-config document.
pub fn document() -> Value {
    let mut made = Maker { definitions: Map::new() };
    let mut root = made.mapping(&[Keys::RECORD]);
    let section = made.value(&Section::RECORD.shape());
    let Value::Object(properties) = &mut root["properties"] else { return root };
    properties.insert("landfall".to_owned(), described(section, Section::RECORD.about, false));
    for key in keys::CONSUMED {
        properties.insert(key.to_owned(), described(json!({}), "How this document is merged with others, or where it is used.", false));
    }
    for (old, new) in legacy::old_keys() {
        properties.insert(old.to_owned(), deprecated(json!({}), old, &new));
    }
    root["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    root["title"] = "cloud-config as landfall reads it".into();
    root["type"] = json!(["object", "null"]);
    root["definitions"] = Value::Object(made.definitions);
    root
}

struct Maker {
    definitions: Map<String, Value>,
}

impl Maker {
    fn value(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Any | Shape::Ignored => json!({}),
            Shape::Null => json!({"type": "null"}),
            Shape::Text => json!({"type": "string"}),
            Shape::TextOrNumber => json!({"type": ["string", "number"]}),
            Shape::Scalar => json!({"type": ["string", "number", "boolean"]}),
            Shape::Bool => json!({"type": ["boolean", "string", "integer"], "pattern": TRUTH, "minimum": 0, "maximum": 1}),
            Shape::Integer => json!({"type": ["integer", "string"], "pattern": r"^\s*[+-]?[0-9]+\s*$"}),
            Shape::Number => json!({"type": ["number", "string"]}),
            Shape::Words(words) => json!({"enum": words}),
            Shape::List(item) => json!({"type": "array", "items": self.value(item)}),
            Shape::Map(item) => json!({"type": "object", "additionalProperties": self.value(item)}),
            Shape::Either(shapes) => {
                let any: Vec<Value> = shapes.iter().map(|shape| self.value(shape)).collect();
                json!({"anyOf": any})
            }
            Shape::Record(record) => {
                if !self.definitions.contains_key(record.name) {
                    // Before its fields, in which it may occur again.
                    self.definitions.insert(record.name.to_owned(), Value::Null);
                    let made = self.mapping(&[record]);
                    self.definitions.insert(record.name.to_owned(), described(made, record.about, false));
                }
                json!({"$ref": format!("#/definitions/{}", record.name)})
            }
            Shape::Both(first, second) => self.mapping(&[first, second]),
        }
    }

    /// A mapping with the keys of all of `records`.
    fn mapping(&mut self, records: &[&Record]) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for record in records {
            for field in record.fields() {
                let value = self.value(&field.shape);
                properties.insert(field.key.to_owned(), described(value.clone(), field.about, !field.required));
                for old in &field.old {
                    properties.insert((*old).to_owned(), nullable(deprecated(value.clone(), old, field.key)));
                }
                if field.required {
                    let ways: Vec<Value> =
                        std::iter::once(field.key).chain(field.old.iter().copied()).map(|key| json!({"required": [key]})).collect();
                    required.push(json!({"anyOf": ways}));
                }
            }
            for key in record.later {
                properties.entry(*key).or_insert_with(|| described(json!({}), "Not supported yet: it is ignored.", false));
            }
        }
        let mut made = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if !required.is_empty() {
            made["allOf"] = required.into();
        }
        made
    }
}

/// What [`bool`] is read from, beside 0 and 1. Most editors read YAML 1.2, in which `yes` is text.
const TRUTH: &str = r"^\s*([Tt][Rr][Uu][Ee]|[Yy][Ee][Ss]|[Oo][Nn]|1|[Ff][Aa][Ll][Ss][Ee]|[Nn][Oo]|[Oo][Ff][Ff]|0)\s*$";

fn described(value: Value, about: &str, optional: bool) -> Value {
    let mut value = if optional { nullable(value) } else { beside(value) };
    value["description"] = about.trim().into();
    value
}

fn deprecated(value: Value, old: &str, new: &str) -> Value {
    let mut value = beside(value);
    let message = format!("`{old}` is an old spelling of `{new}`");
    value["description"] = message.as_str().into();
    // For editors; neither is a word of draft-07.
    value["deprecationMessage"] = message.into();
    value["doNotSuggest"] = true.into();
    value
}

/// What stands beside a `$ref` counts for nothing in draft-07.
fn beside(value: Value) -> Value {
    if value.get("$ref").is_some() {
        json!({"allOf": [value]})
    } else {
        value
    }
}

/// Nothing behind a key is the same as no key.
fn nullable(mut value: Value) -> Value {
    let nothing = json!({"type": "null"});
    if let Some(types) = value.get_mut("type") {
        match types {
            Value::Array(types) => types.push("null".into()),
            one => *one = json!([one.take(), "null"]),
        }
    } else if let Some(Value::Array(words)) = value.get_mut("enum") {
        words.push(Value::Null);
    } else if let Some(Value::Array(ways)) = value.get_mut("anyOf") {
        ways.push(nothing);
    } else if let Some(Value::Array(same)) = value.get_mut("allOf") {
        let mut ways = std::mem::take(same);
        ways.push(nothing);
        value["anyOf"] = ways.into();
        value.as_object_mut().and_then(|value| value.remove("allOf"));
    } else if value.get("$ref").is_some() {
        return json!({"anyOf": [value, nothing]});
    }
    value
}

impl Record {
    const fn shape(&'static self) -> Shape {
        Shape::Record(self)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::node::Node;
    use crate::config::problem::{Report, Severity};
    use crate::config::typed::reader::Reader;

    /// Every record that is reached from the top, by name.
    fn records() -> BTreeMap<&'static str, &'static Record> {
        fn walk(shape: &Shape, found: &mut BTreeMap<&'static str, &'static Record>) {
            match shape {
                Shape::List(inner) | Shape::Map(inner) => walk(inner, found),
                Shape::Either(shapes) => shapes.iter().for_each(|shape| walk(shape, found)),
                Shape::Both(first, second) => [first, second].iter().for_each(|record| enter(record, found)),
                Shape::Record(record) => enter(record, found),
                _ => {}
            }
        }
        fn enter(record: &'static Record, found: &mut BTreeMap<&'static str, &'static Record>) {
            if let Some(known) = found.insert(record.name, record) {
                assert!(std::ptr::eq(known, record), "two records are called {}", record.name);
                return;
            }
            record.fields().for_each(|field| walk(&field.shape, found));
        }
        let mut found = BTreeMap::new();
        enter(Keys::RECORD, &mut found);
        enter(Section::RECORD, &mut found);
        assert!(found.len() > 50, "{:?}", found.keys());
        found
    }

    type ReadsIt = fn(&Node, &mut Reader<'_>) -> bool;

    /// What the field's type says to a value written so: whether it takes it, and the worst it has to say.
    fn read(read: &ReadsIt, text: &str) -> (bool, Option<Severity>) {
        let node = crate::yaml::parse("x", text).expect("YAML");
        let mut report = Report::new();
        let taken = read(&node, &mut Reader::new(&mut report));
        (taken, report.problems.iter().map(|problem| problem.severity).max())
    }

    /// Whether the shape, of which only the outermost is looked at, lets the value through.
    fn lets_through(shape: &Shape, node: &Node) -> bool {
        use crate::config::node::Value as Yaml;
        let whole = matches!(node.value, Yaml::Int(_));
        let number = whole || matches!(node.value, Yaml::Float(_));
        // JSON has no dates: there they are text.
        let date = if let Yaml::Timestamp(date) = &node.value { Some(date.as_str()) } else { None };
        let text = node.as_str().or(date);
        match shape {
            Shape::Any | Shape::Ignored => true,
            Shape::Null => node.is_null(),
            Shape::Text => text.is_some(),
            Shape::TextOrNumber => text.is_some() || number,
            Shape::Scalar => node.is_scalar(),
            Shape::Bool => node.as_bool().is_some() || whole || text.is_some_and(|text| ["yes", "0"].contains(&text)),
            Shape::Integer => whole || text.is_some_and(|text| text.parse::<i64>().is_ok()),
            Shape::Number => text.is_some() || number,
            Shape::Words(words) => text.is_some_and(|text| words.contains(&text)),
            Shape::List(_) => node.as_seq().is_some(),
            Shape::Map(_) | Shape::Record(_) | Shape::Both(..) => node.as_map().is_some(),
            Shape::Either(shapes) => shapes.iter().any(|shape| lets_through(shape, node)),
        }
    }

    #[test]
    fn what_is_read_without_a_warning_the_shape_lets_through() {
        let (mut taken, mut wrong) = (0, Vec::new());
        for (name, record) in records() {
            for (field, reads) in record.fields().zip(record.reads) {
                for sample in ["true", "1", "2.5", "x", "'yes'", "'0'", "/a", "[]", "[a]", "{}", "{a: b}", "2024-01-02"] {
                    let node = crate::yaml::parse("x", sample).expect("YAML");
                    if let (true, None | Some(Severity::Note)) = read(reads, sample) {
                        taken += 1;
                        if !lets_through(&field.shape, &node) {
                            wrong.push(format!("{name}.{}: {sample} is read, {:?}", field.key, field.shape));
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(taken > 500, "{taken}");
    }

    /// In every key of every record.
    #[test]
    fn no_message_quotes_what_may_be_a_secret_in_the_wrong_place() {
        let key = "\"-----BEGIN RSA PRIVATE KEY-----\\ngeheim\\n-----END RSA PRIVATE KEY-----\\n\"";
        let long = format!("{}geheim", "x".repeat(90));
        let mut wrong = Vec::new();
        for (name, record) in records() {
            for (field, reads) in record.fields().zip(record.reads) {
                for text in [key.to_owned(), format!("[{key}]"), format!("{{{key}: {key}}}"), "\"a\\ngeheim\"".to_owned(), long.clone()] {
                    let node = crate::yaml::parse("x", &text).expect("YAML");
                    let mut report = Report::new();
                    let _ = reads(&node, &mut Reader::new(&mut report));
                    let said = format!("{:?}", report.problems);
                    if said.contains("geheim") {
                        wrong.push(format!("{name}.{}: {said}", field.key));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_word_of_a_shape_is_read_without_an_error() {
        fn words(shape: &Shape, list: bool, found: &mut Vec<String>) {
            match shape {
                Shape::Words(words) => {
                    found.extend(words.iter().map(|word| if list { format!("['{word}']") } else { format!("'{word}'") }))
                }
                Shape::List(inner) => words(inner, true, found),
                Shape::Either(shapes) => shapes.iter().for_each(|shape| words(shape, list, found)),
                _ => {}
            }
        }
        let mut checked = 0;
        for (name, record) in records() {
            for (field, reads) in record.fields().zip(record.reads) {
                let mut all = Vec::new();
                words(&field.shape, false, &mut all);
                for word in all {
                    let (taken, worst) = read(reads, &word);
                    assert!(taken && worst.is_none_or(|worst| worst == Severity::Note), "{name}.{}: {word}: {worst:?}", field.key);
                    checked += 1;
                }
                assert!(
                    read(reads, "[[[x]]]").1.is_some() || !matches!(field.shape, Shape::Words(_)),
                    "{name}.{} takes anything",
                    field.key
                );
            }
        }
        assert!(checked > 100, "{checked}");
    }

    #[test]
    fn only_what_is_handed_on_unread_may_be_anything() {
        let free: Vec<String> = records()
            .iter()
            .flat_map(|(name, record)| record.fields().map(move |field| (name, field)))
            .filter(|(_, field)| matches!(field.shape, Shape::Any))
            .map(|(name, field)| format!("{name}.{}", field.key))
            .collect();
        let known = [
            "Chef.initial_attributes",
            "Chef.run_list",
            "Keys.autoinstall",
            "ResolvConf.options",
            "RsyslogFile.content",
            "UbuntuPro.commands",
        ];
        let mut free: Vec<&str> = free.iter().map(String::as_str).collect();
        free.sort_unstable();
        assert_eq!(free, known, "give the type of a new key its `SHAPE`");
    }

    #[test]
    fn every_key_and_every_old_spelling_is_named() {
        let schema = document();
        let top = schema["properties"].as_object().expect("properties");
        for key in Keys::KEYS.iter().chain(Keys::LATER).chain(&keys::CONSUMED).chain(&["landfall", "apt_proxy", "rsyslog_dir", "ca-certs"])
        {
            assert!(top.contains_key(*key), "{key}");
        }
        for (name, record) in records() {
            if name == Keys::RECORD.name || name == "PhaseHead" {
                continue;
            }
            let properties = &schema["definitions"][name]["properties"];
            for key in record.fields().map(|field| field.key).chain(record.later.iter().copied()) {
                assert!(properties[key]["description"].as_str().is_some_and(|text| !text.is_empty()), "{name}.{key}");
            }
        }
        let phase = &schema["definitions"]["Section"]["properties"]["phases"]["items"]["properties"];
        assert!(phase["on_failure"].is_object() && phase["runcmd"].is_object());
    }
}
