//! How the plain types are read: text, truth values, numbers, lists, and values that keep their place.

use super::reader::{quoted_and, FromNode, Reader, Shape};
use crate::config::node::{Node, Origin, Value};
use crate::config::problem::{Problem, Report};
use crate::secret::Secret;

impl FromNode for String {
    const SHAPE: Shape = Shape::Text;

    /// Text. A plain number, truth value or date is taken as it is written, with a warning.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(text) => Some(text.clone()),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Timestamp(_) => {
                let text = node.source_text();
                let message = format!("{} is {} here; taken as the text `{text}`", reader.path(), node.kind());
                reader.report.warning("quote", message).at(&node.origin).help("write it in quotes");
                Some(text)
            }
            _ => reader.mismatch(node, "a string"),
        }
    }
}

/// Text where a plain number or date is as good as a string: `expiredate: 2032-09-01`, `inactive: 30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(pub String);

impl FromNode for Text {
    const SHAPE: Shape = Shape::TextOrNumber;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(text) => Some(Self(text.clone())),
            Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Timestamp(_) => Some(Self(node.source_text())),
            _ => reader.mismatch(node, "a string"),
        }
    }
}

/// An address, whose credentials are remembered as secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(pub String);

impl FromNode for Address {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let address = String::from_node(node, reader)?;
        reader.credentials(&address);
        Some(Self(address))
    }
}

impl FromNode for Secret<String> {
    const SHAPE: Shape = Shape::Text;

    /// As a string, but no message quotes it.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(text) => Some(reader.secret(text.clone())),
            Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Bool(_) | Value::Timestamp(_) => {
                let message = format!("{} is {} here; taken as it is written", reader.path(), node.kind());
                reader.report.warning("quote", message).at(&node.origin).help("write it in quotes");
                Some(reader.secret(node.source_text()))
            }
            _ => reader.mismatch(node, "a string"),
        }
    }
}

/// Words for yes.
pub const YES: [&str; 4] = ["true", "yes", "on", "1"];

/// Words for no.
const NO: [&str; 4] = ["false", "no", "off", "0"];

/// Whether a word in small letters is one of these.
pub fn is_yes_or_no(word: &str) -> bool {
    YES.contains(&word) || NO.contains(&word)
}

impl FromNode for bool {
    const SHAPE: Shape = Shape::Bool;

    /// A truth value, or a word or number that means one. A word for no is true to the peer wherever it leaves the question to Python.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let told = match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Int(0) => false,
            Value::Int(1) => true,
            Value::Str(text) => match text.trim().to_ascii_lowercase().as_str() {
                yes if YES.contains(&yes) => true,
                no if NO.contains(&no) => false,
                _ => return reader.mismatch(node, "true or false"),
            },
            _ => return reader.mismatch(node, "true or false"),
        };
        let message = format!("{} is {} here; taken as {told}", reader.path(), node.kind());
        reader.report.note("bool", message).at(&node.origin).help(format!("write `{told}`"));
        Some(told)
    }
}

impl FromNode for i64 {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = match &node.value {
            Value::Int(number) => i64::try_from(*number).ok(),
            Value::Str(text) => text.trim().parse().ok(),
            _ => None,
        };
        number.or_else(|| reader.mismatch(node, "a whole number"))
    }
}

impl FromNode for u32 {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = i64::from_node(node, reader)?;
        Self::try_from(number).ok().or_else(|| reader.invalid(&node.origin, "out of range", "use a number from 0 to 4294967295"))
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    /// A list; entries that cannot be read are reported and left out.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = node.as_seq() else { return reader.mismatch(node, "a list") };
        let from = reader.report.problems.len();
        let read = |(at, item)| reader.within(&format!("[{at}]"), |reader| T::from_node(item, reader));
        let all = items.iter().enumerate().filter_map(read).collect();
        ask_of_dashes(items, &mut reader.report.problems[from..]);
        Some(all)
    }
}

/// An entry that lacks what its neighbour has, which has nothing that it has too: perhaps both are one.
fn ask_of_dashes(items: &[Node], problems: &mut [Problem]) {
    for problem in problems.iter_mut().filter(|problem| problem.code == "required") {
        let Some(at) = items.iter().position(|item| problem.origin.as_ref() == Some(&item.origin)) else { continue };
        let key = problem.message.split('`').nth(1).unwrap_or_default();
        let keys = |item: &Node| item.entries().iter().map(|entry| entry.key.source_text()).collect::<Vec<_>>();
        let own = keys(&items[at]);
        let completes = |other: &Node| other.get(key).is_some() && !keys(other).iter().any(|theirs| own.contains(theirs));
        let line = match (items.get(at + 1).filter(|next| completes(next)), at.checked_sub(1).filter(|before| completes(&items[*before]))) {
            (Some(next), _) => next.origin.line,
            (None, Some(_)) => items[at].origin.line,
            _ => continue,
        };
        problem.help = Some(format!("add `{key}: ...`; or is the `-` in line {line} one too many?"));
    }
}

/// A list, or one value that stands for a list of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for OneOrMany<T> {
    const SHAPE: Shape = Shape::Either(&[T::SHAPE, Shape::List(&T::SHAPE)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_seq() {
            Some(_) => Vec::from_node(node, reader).map(Self),
            None => T::from_node(node, reader).map(|one| Self(vec![one])),
        }
    }
}

/// A value that keeps its place.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub origin: Origin,
}

/// A record of which nothing has to be said: the key alone counts too.
#[derive(Clone, Debug)]
pub struct OrEmpty<T>(pub T);

impl<T: FromNode> FromNode for OrEmpty<T> {
    const SHAPE: Shape = T::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::from_node(node, reader).map(Self)
    }

    fn from_null(origin: &Origin) -> Option<Self> {
        // A mapping without entries holds nothing that could be reported.
        let empty = Node::new(Value::Map(Vec::new()), origin.clone());
        T::from_node(&empty, &mut Reader::new(&mut Report::new())).map(Self)
    }
}

/// A word without blanks, as it stands in a line of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub String);

impl FromNode for Word {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return reader.invalid(&node.origin, quoted_and(&text, "is left out: one word is wanted"), "give each its own entry");
        }
        Some(Self(text))
    }
}

impl<T: FromNode> FromNode for Located<T> {
    const SHAPE: Shape = T::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::from_node(node, reader).map(|value| Self { value, origin: node.origin.clone() })
    }
}

impl FromNode for Node {
    /// The node as it is, for what is read later.
    fn from_node(node: &Node, _reader: &mut Reader<'_>) -> Option<Self> {
        Some(node.clone())
    }
}
