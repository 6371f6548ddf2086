//! Writing YAML that YAML 1.1 readers take back as it was meant.
//!
//! `serde_yaml` writes for YAML 1.2: it leaves `yes`, `22:22`, `1_000`, `2024-01-02`, `<<` without quotes. Such strings go
//! through it between two characters that occur nowhere else, which then become quotes. The line separators that YAML 1.1
//! takes as line breaks are written as escapes: a control character in front has `serde_yaml` write the string with escapes.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::config::node::{Node, Value};

use super::resolve::{self, Plain};

/// Writes a document. Binary data that is text becomes a string, other binary data its base64; a set becomes a mapping to
/// nulls; an integer beyond 128 bits becomes a string. Everything else reads back as the same value.
///
/// # Errors
/// As `serde_yaml`'s.
pub fn to_string(node: &Node) -> Result<String, serde_yaml::Error> {
    let mut used = String::new();
    collect_private(node, &mut used);
    let mut free = ('\u{e000}'..='\u{f8ff}').filter(|c| !used.contains(*c));
    let mut mark = || free.next().unwrap_or('\u{e000}');
    let marks = Marks { open: mark(), close: mark(), escape: mark() };
    let text = serde_yaml::to_string(&Emitted { node, marks })?;
    Ok(text.replace(&format!("\\x01{}", marks.escape), "").replace([marks.open, marks.close], "'"))
}

/// Gathers the characters of the private use area that a document has itself.
fn collect_private(node: &Node, used: &mut String) {
    match &node.value {
        Value::Str(text) => used.extend(text.chars().filter(|c| ('\u{e000}'..='\u{f8ff}').contains(c))),
        Value::Seq(items) | Value::Set(items) => items.iter().for_each(|item| collect_private(item, used)),
        Value::Map(entries) => entries.iter().for_each(|entry| {
            collect_private(&entry.key, used);
            collect_private(&entry.value, used);
        }),
        _ => {}
    }
}

/// Characters that the document does not have.
#[derive(Clone, Copy)]
struct Marks {
    open: char,
    close: char,
    /// After U+0001: the string is to be written with escapes.
    escape: char,
}

struct Emitted<'a> {
    node: &'a Node,
    marks: Marks,
}

impl Emitted<'_> {
    fn with<'b>(&self, node: &'b Node) -> Emitted<'b> {
        Emitted { node, marks: self.marks }
    }

    fn text<S: Serializer>(&self, text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        if text.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
            return serializer.collect_str(&format_args!("\u{1}{}{text}", self.marks.escape));
        }
        let is_string = matches!(resolve::plain(text), Ok(Plain::Value(Value::Str(_))));
        if is_string {
            return serializer.serialize_str(text);
        }
        serializer.collect_str(&format_args!("{}{text}{}", self.marks.open, self.marks.close))
    }
}

impl Serialize for Emitted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.node.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i128(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Str(text) | Value::BigInt(text) => self.text(text, serializer),
            // Without quotes it reads back as a timestamp.
            Value::Timestamp(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => self.text(text, serializer),
                Err(_) => self.text(self.node.to_json().as_str().unwrap_or_default(), serializer),
            },
            Value::Seq(items) => serializer.collect_seq(items.iter().map(|item| self.with(item))),
            Value::Set(items) => serializer.collect_map(items.iter().map(|item| (self.with(item), ()))),
            Value::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for entry in entries {
                    map.serialize_entry(&self.with(&entry.key), &self.with(&entry.value))?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::parse;

    #[test]
    fn documents_read_back_as_they_were() {
        let document = parse(
            "p",
            "a: [yes, 'yes', 0644, '0644', 22:22, '22:22', 2024-01-02, '2024-01-02', '2024-13-45', 1.5, '1.5', ~, '~', '']\n\
             '=': '<<'\n1_0: {no: 'no', 'y': '1_000', \"q\": \"it's: # \\e\\N\\n \\ue000'\"}\n\
             t: 2024-01-02 03:04:05Z\nbig: 99999999999999999999999\ninf: [.inf, -.inf, .nan]\nl: |\n  a\n   b\n\n",
        )
        .expect("YAML");
        let text = to_string(&document).expect("text");
        let back = parse("p", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(back, document, "{text}");
        assert!(text.contains("- 'yes'\n- 420\n- '0644'\n- 1342\n- '22:22'\n- 2024-01-02\n- '2024-01-02'"), "{text}");
    }

    #[test]
    fn what_yaml_cannot_say_is_written_as_text() {
        let document = parse("p", "[!!binary aGk=, !!binary /w==, !!set {a}]").expect("YAML");
        assert_eq!(to_string(&document).expect("text"), "- hi\n- /w==\n- a: null\n");
    }
}
