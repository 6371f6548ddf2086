//! `random_seed`.

use super::files::{Encoding, RawContent};
use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::system::AbsolutePath;
use crate::config::node::Node;

crate::record! {
    /// `random_seed`.
    pub struct RandomSeed {
        /// What the seed is written to; the kernel's pool, by default.
        optional file: AbsolutePath,
        /// The seed.
        optional data: RawContent,
        /// How `data` is encoded.
        optional encoding: SeedEncoding,
        /// Program and arguments that seed too.
        default command: Vec<String>,
        /// The program has to be there.
        default command_required: bool,
    }
}

/// How a seed is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeedEncoding(pub Encoding);

impl FromNode for SeedEncoding {
    const SHAPE: Shape = Shape::Words(&["raw", "base64", "b64", "gzip", "gz"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        match text.to_ascii_lowercase().as_str() {
            "raw" => Some(Self(Encoding::Plain)),
            "base64" | "b64" => Some(Self(Encoding::Base64)),
            "gzip" | "gz" => Some(Self(Encoding::Gzip)),
            _ => reader.unknown_word(&node.origin, quoted_and(&text, "is no encoding"), &text, Self::SHAPE.words()),
        }
    }
}
