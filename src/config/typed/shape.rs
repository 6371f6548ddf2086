//! What a typed value looks like when it is written: the same declarations that read it, as data.
//!
//! `landfall schema` is made of this, and the table of keys in `cloud-config/README.md`.

/// What may be written where a type is read without a warning.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything; who reads it later says what is wrong with it.
    Any,
    /// Anything; it means nothing here.
    Ignored,
    /// Nothing behind the key.
    Null,
    /// Text.
    Text,
    /// Text or a number.
    TextOrNumber,
    /// Text, a number or a truth value.
    Scalar,
    /// A truth value, also as one of the words for it.
    Bool,
    /// A whole number, also in quotes.
    Integer,
    /// A number, also in quotes.
    Number,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A list of such values.
    List(&'static Shape),
    /// A mapping of names to such values.
    Map(&'static Shape),
    /// One of several.
    Either(&'static [Shape]),
    /// A mapping with known keys.
    Record(&'static Record),
    /// A mapping with the keys of both.
    Both(&'static Record, &'static Record),
}

impl Shape {
    /// The words, where it is made of words.
    pub const fn words(&self) -> &'static [&'static str] {
        match self {
            Self::Words(words) => words,
            _ => &[],
        }
    }
}

/// A mapping with known keys.
#[derive(Debug)]
pub struct Record {
    /// The name of its type.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Its keys, each a line: the current spelling, old ones, what it is for, with U+001F between them. One text, because every
    /// string by itself is a pointer that has to be relocated at each start.
    pub text: &'static str,
    /// Of each key, whether it has to be there, and its value.
    pub shapes: &'static [(bool, Shape)],
    /// Keys that are known and not used yet.
    pub later: &'static [&'static str],
    /// Of each key, whether its type takes a value.
    #[cfg(test)]
    pub reads: &'static [fn(&crate::config::node::Node, &mut super::reader::Reader<'_>) -> bool],
}

/// One key.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its current spelling.
    pub key: &'static str,
    /// Old spellings.
    pub old: Vec<&'static str>,
    /// What it is for.
    pub about: &'static str,
    /// It has to be there.
    pub required: bool,
    /// Its value.
    pub shape: Shape,
}

impl Record {
    /// Its keys.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.text.lines().zip(self.shapes).map(|(line, (required, shape))| {
            let mut words = line.split('\x1f');
            let key = words.next().unwrap_or_default();
            let about = words.next_back().unwrap_or_default().trim();
            Field { key, old: words.collect(), about, required: *required, shape: *shape }
        })
    }
}
