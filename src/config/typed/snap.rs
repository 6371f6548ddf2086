//! `snap`.

use super::reader::{sorted_by_key, FromNode, Reader, Shape};
use super::scripts::{quote_words, ScriptItems, ScriptLine};
use crate::config::node::{Node, Value};
use crate::secret::Secret;

crate::record! {
    /// `snap`.
    pub struct Snap {
        /// Assertions to import before.
        default assertions: Assertions,
        /// Commands.
        default commands: SnapCommands,
    }
}

/// A list of texts, or the values of a mapping.
#[derive(Clone, Debug, Default)]
pub struct Assertions(pub Vec<String>);

impl FromNode for Assertions {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Map(&Shape::Text)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let values = listed(node, false).or_else(|| reader.mismatch(node, "a list of assertions"))?;
        Some(Self(values.into_iter().filter_map(|value| String::from_node(value, reader)).collect()))
    }
}

/// The values of a list or mapping; `sorted`: those of a mapping in the order of its keys.
fn listed(node: &Node, sorted: bool) -> Option<Vec<&Node>> {
    match &node.value {
        Value::Seq(items) => Some(items.iter().collect()),
        Value::Map(entries) => {
            let entries = if sorted { sorted_by_key(entries) } else { entries.iter().collect() };
            Some(entries.into_iter().map(|entry| &entry.value).collect())
        }
        _ => None,
    }
}

/// Commands: text for a shell, or words, before which `snap` is put unless the first one is null or `snap` itself.
#[derive(Clone, Debug, Default)]
pub struct SnapCommands(pub ScriptItems);

impl FromNode for SnapCommands {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&COMMAND), Shape::Map(&COMMAND)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let items = listed(node, true).or_else(|| reader.mismatch(node, "a list of commands"))?;
        let mut script = ScriptItems { items: Vec::new(), total: u32::try_from(items.len()).unwrap_or(u32::MAX) };
        for (number, item) in (1..).zip(items) {
            let text = reader.within(&format!("[{}]", number - 1), |reader| command(item, reader));
            script.items.extend(text.map(|text| ScriptLine { number, text: Secret::new(text), origin: item.origin.clone() }));
        }
        Some(Self(script))
    }
}

/// Text, or words of which the first may be null.
const COMMAND: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Either(&[Shape::Scalar, Shape::Null]))]);

fn command(item: &Node, reader: &mut Reader<'_>) -> Option<String> {
    match &item.value {
        Value::Str(text) => {
            if !text.starts_with("snap ") {
                let message = format!("{} does not begin with `snap`: it is run as it stands", reader.path());
                reader.report.note("snap", message).at(&item.origin);
            }
            Some(text.clone())
        }
        Value::Seq(words) => match words.split_first() {
            Some((first, rest)) if first.is_null() && !rest.is_empty() => quote_words(rest, reader),
            Some((first, _)) if first.as_str() == Some("snap") => quote_words(words, reader),
            Some((first, _)) if !first.is_null() => quote_words(words, reader).map(|words| format!("'snap' {words}")),
            _ => reader.mismatch(item, "a command"),
        },
        _ => reader.mismatch(item, "a command: a string or a list of words"),
    }
}
