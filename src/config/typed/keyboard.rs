//! `keyboard`.

use super::reader::{quoted_and, FromNode, Reader, Shape};
use crate::config::node::Node;

crate::record! {
    /// `keyboard`, as keyboard(5) has it.
    pub struct Keyboard {
        /// Layout: `us`.
        required layout: KeyboardWord,
        /// Model.
        optional model: KeyboardWord,
        /// Variant of the layout.
        optional variant: KeyboardWord,
        /// Options.
        optional options: KeyboardWord,
    }
}

/// A value of keyboard(5): a shell reads it in double quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyboardWord(pub String);

impl FromNode for KeyboardWord {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        if text.contains(|c: char| "\"\\$`".contains(c) || c.is_control()) {
            return reader.invalid(&node.origin, quoted_and(&text, "has a character that no keyboard setting has"), "as in layout: us");
        }
        Some(Self(text))
    }
}
