//! Turns nodes into typed values and reports what does not fit, with its place.
//!
//! [`record!`](crate::record) declares a struct and how it is read in one place: the known keys come from there and nowhere else.
//! What cannot be read is reported and left out; its neighbours are kept.

use crate::config::node::{Node, Origin, Value};
use crate::config::problem::Report;
use crate::secret::Secret;

/// What reading needs beside the node.
pub struct Reader<'r> {
    /// Where problems go.
    pub report: &'r mut Report,
    path: Vec<String>,
}

impl<'r> Reader<'r> {
    /// A reader at the top of the document.
    pub fn new(report: &'r mut Report) -> Self {
        Self { report, path: Vec::new() }
    }

    /// Runs `read` one level down.
    pub fn within<R>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> R) -> R {
        self.path.push(name.to_owned());
        let result = read(self);
        self.path.pop();
        result
    }

    /// `users[2].groups`: where the reader stands.
    pub fn path(&self) -> String {
        let mut out = String::new();
        for name in &self.path {
            if !out.is_empty() && !name.starts_with('[') {
                out.push('.');
            }
            out.push_str(name);
        }
        if out.is_empty() {
            out.push_str("the document");
        }
        out
    }

    /// Reports a value of the wrong type.
    pub fn mismatch<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let message = format!("{} must be {expected}, not {}", self.path(), node.kind());
        let problem = self.report.error("type", message).at(&node.origin);
        if matches!(node.value, Value::Map(_)) && expected.starts_with("a string") {
            problem.help("put the whole value in quotes: `: ` inside it makes it a mapping");
        }
        None
    }

    /// Reports a value that has the right type and is still wrong.
    pub fn invalid<T>(&mut self, origin: &Origin, message: impl std::fmt::Display, help: &str) -> Option<T> {
        let message = format!("{}: {message}", self.path());
        self.report.error("value", message).at(origin).help(help);
        None
    }
}

/// A value that can be read from a node.
pub trait FromNode: Sized {
    /// Reads it, or reports why not.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;
}

/// The fields of one mapping while a record is being read.
pub struct Fields<'n> {
    node: &'n Node,
    known: Vec<&'static str>,
    used: Vec<bool>,
}

impl<'n> Fields<'n> {
    /// Opens a mapping; anything else is reported.
    pub fn open(node: &'n Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_map() {
            Some(entries) => Some(Self { node, known: Vec::new(), used: vec![false; entries.len()] }),
            None => reader.mismatch(node, "a mapping"),
        }
    }

    /// The value of `key`, or of an old spelling (reported). Hyphens count as underscores.
    pub fn take(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<&'n Node> {
        self.known.push(key);
        let mut found: Option<&'n Node> = None;
        for (at, entry) in self.node.entries().iter().enumerate() {
            let Some(spelled) = entry.key.as_str() else { continue };
            let deprecated = spelled != key && (spelled.replace('-', "_") == key || old.contains(&spelled));
            if spelled != key && !deprecated {
                continue;
            }
            self.used[at] = true;
            if deprecated {
                let message = format!("`{spelled}` is an old spelling of `{key}`");
                reader.report.note("deprecated", message).at(&entry.key.origin);
            }
            if found.is_none() || !deprecated {
                found = Some(&entry.value);
            }
        }
        found.filter(|node| !node.is_null())
    }

    /// Reads an optional field.
    pub fn optional<T: FromNode>(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<T> {
        let node = self.take(key, old, reader)?;
        reader.within(key, |reader| T::from_node(node, reader))
    }

    /// Reads a field that must be there.
    pub fn required<T: FromNode>(&mut self, key: &'static str, old: &[&'static str], reader: &mut Reader<'_>) -> Option<T> {
        match self.take(key, old, reader) {
            Some(node) => reader.within(key, |reader| T::from_node(node, reader)),
            None => {
                let message = format!("{} has no `{key}`", reader.path());
                reader.report.error("required", message).at(&self.node.origin).help(format!("add `{key}: ...`"));
                None
            }
        }
    }

    /// Reports every key that no field took.
    pub fn finish(self, reader: &mut Reader<'_>) {
        for (entry, used) in self.node.entries().iter().zip(&self.used) {
            if *used {
                continue;
            }
            let spelled = entry.key.source_text();
            let message = if reader.path.is_empty() {
                format!("unknown key `{spelled}`: it is ignored")
            } else {
                format!("unknown key `{spelled}` in {}: it is ignored", reader.path())
            };
            let near = nearest(&spelled, &self.known);
            let problem = reader.report.warning("unknown-key", message).at(&entry.key.origin);
            if let Some(near) = near {
                problem.help(format!("did you mean `{near}`?"));
            }
        }
    }
}

/// The known word nearest to `word`, if it is near enough to be meant.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (edit_distance(&word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 3)
        .map(|(_, candidate)| candidate)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Declares a struct together with how it is read from a mapping.
///
/// ```ignore
/// record! {
///     /// One entry of `write_files`.
///     pub struct FileEntry {
///         /// Where it goes.
///         required path: String,
///         /// Permission bits.
///         optional permissions ["mode"]: FileMode,   // "mode" is an old spelling
///         /// Headers.
///         default tags: Vec<String>,                 // missing: Default::default()
///     }
/// }
/// ```
/// Every record also has `origin`, the place of its mapping.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $need:ident $field:ident $([$($old:literal),+])? : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $name {
            /// Where its mapping begins.
            pub origin: $crate::config::node::Origin,
            $($(#[$fmeta])* pub $field: $crate::record!(@type $need $ty)),*
        }

        impl $name {
            /// The keys it knows, as the user writes them.
            pub const KEYS: &'static [&'static str] = &[$(stringify!($field)),*];
        }

        impl $crate::config::typed::reader::FromNode for $name {
            fn from_node(node: &$crate::config::node::Node, reader: &mut $crate::config::typed::reader::Reader<'_>) -> Option<Self> {
                let mut fields = $crate::config::typed::reader::Fields::open(node, reader)?;
                $(let $field = $crate::record!(@read $need fields reader $field [$($($old),+)?] $ty);)*
                fields.finish(reader);
                Some(Self { origin: node.origin.clone(), $($field: $crate::record!(@keep $need $field)),* })
            }
        }
    };
    (@type required $ty:ty) => { $ty };
    (@type optional $ty:ty) => { Option<$ty> };
    (@type default $ty:ty) => { $ty };
    (@read required $fields:ident $reader:ident $field:ident [$($old:literal),*] $ty:ty) => {
        $fields.required::<$ty>(stringify!($field), &[$($old),*], $reader)
    };
    (@read $need:ident $fields:ident $reader:ident $field:ident [$($old:literal),*] $ty:ty) => {
        $fields.optional::<$ty>(stringify!($field), &[$($old),*], $reader)
    };
    (@keep required $field:ident) => { $field? };
    (@keep optional $field:ident) => { $field };
    (@keep default $field:ident) => { $field.unwrap_or_default() };
}

impl FromNode for String {
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

impl<T: FromNode> FromNode for Secret<T> {
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::from_node(node, reader).map(Self::new)
    }
}

impl FromNode for bool {
    /// A truth value, or a string that the peer takes for one.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let told = match &node.value {
            Value::Bool(value) => return Some(*value),
            Value::Int(0) => false,
            Value::Int(1) => true,
            Value::Str(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => true,
                "false" | "no" | "off" | "0" => false,
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
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let number = i64::from_node(node, reader)?;
        Self::try_from(number).ok().or_else(|| reader.invalid(&node.origin, "out of range", "use a number from 0 to 4294967295"))
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    /// A list; entries that cannot be read are reported and left out.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = node.as_seq() else { return reader.mismatch(node, "a list") };
        Some(
            items
                .iter()
                .enumerate()
                .filter_map(|(at, item)| reader.within(&format!("[{at}]"), |reader| T::from_node(item, reader)))
                .collect(),
        )
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

impl<T: FromNode> FromNode for Located<T> {
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
