//! How Python prints a value: that is what the peer puts into scripts and files.

use super::node::{Node, Value};

impl Node {
    /// What Python's `str()` gives: `True`, `None`, `1.1`, `420`, a string as it is. Lists and mappings give their
    /// `repr`, as `str()` does.
    pub fn python_str(&self) -> String {
        match &self.value {
            Value::Str(text) | Value::Timestamp(text) => text.clone(),
            _ => self.python_repr(),
        }
    }

    fn python_repr(&self) -> String {
        match &self.value {
            Value::Null => "None".into(),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::Int(value) => value.to_string(),
            Value::BigInt(digits) => digits.clone(),
            Value::Float(value) => python_float(*value),
            Value::Str(text) => python_quoted(text),
            Value::Timestamp(text) => text.clone(),
            Value::Bytes(bytes) => python_bytes(bytes),
            Value::Set(items) if items.is_empty() => "set()".into(),
            Value::Set(items) => format!("{{{}}}", joined(items)),
            Value::Seq(items) => format!("[{}]", joined(items)),
            Value::Map(entries) => {
                let inner: Vec<_> = entries.iter().map(|e| format!("{}: {}", e.key.python_repr(), e.value.python_repr())).collect();
                format!("{{{}}}", inner.join(", "))
            }
        }
    }
}

fn joined(items: &[Node]) -> String {
    items.iter().map(Node::python_repr).collect::<Vec<_>>().join(", ")
}

/// Python's `repr` of a float: the shortest digits that read back, positional from 1e-4 up to below 1e16.
pub(crate) fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-inf" } else { "inf" }.into();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let positional = format!("{value}");
        return if positional.contains('.') { positional } else { positional + ".0" };
    }
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
}

pub(crate) fn python_quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if (c as u32) < 0x20 || (0x7f..0xa1).contains(&(c as u32)) => {
                out.push_str(&format!("\\x{:02x}", c as u32));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

fn python_bytes(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut out = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\\' => out.push_str("\\\\"),
            byte if byte as char == quote => out.extend(['\\', quote]),
            0x20..=0x7e => out.push(byte as char),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::super::node::{Entry, Origin};
    use super::*;

    fn node(value: Value) -> Node {
        Node::new(value, Origin::new("user-data", 1, 1))
    }

    fn text(value: &str) -> Node {
        node(Value::Str(value.into()))
    }

    #[test]
    fn scalars_print_as_python_str_prints_them() {
        let rows: Vec<(Value, &str)> = vec![
            (Value::Null, "None"),
            (Value::Bool(true), "True"),
            (Value::Bool(false), "False"),
            (Value::Int(420), "420"),
            (Value::Float(1.1), "1.1"),
            (Value::Float(1000.0), "1000.0"),
            (Value::Float(1e16), "1e+16"),
            (Value::Float(1.5e-7), "1.5e-07"),
            (Value::Float(0.0001), "0.0001"),
            (Value::Float(123_456_789_012_345.0), "123456789012345.0"),
            (Value::Float(-0.0), "-0.0"),
            (Value::Float(f64::NEG_INFINITY), "-inf"),
            (Value::Float(f64::NAN), "nan"),
            (Value::Str("a'b".into()), "a'b"),
            (Value::Bytes(b"hi\x00'".to_vec()), "b\"hi\\x00'\""),
            (Value::Seq(vec![text("a'b"), node(Value::Null)]), "[\"a'b\", None]"),
            (Value::Map(vec![Entry { key: text("echo a"), value: text("b") }]), "{'echo a': 'b'}"),
        ];
        for (value, expected) in rows {
            assert_eq!(node(value).python_str(), expected);
        }
    }
}
