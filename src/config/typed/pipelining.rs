//! `apt_pipelining`.

use super::reader::{quoted, FromNode, Reader, Shape};
use crate::config::node::{Node, Value};

/// How many requests apt has on their way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PipelineDepth {
    /// As the system has it.
    Unchanged,
    /// So many: 0 to 5.
    Of(u8),
}

impl FromNode for PipelineDepth {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["os", "none", "unchanged"]), Shape::Bool, Shape::Integer]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = match &node.value {
            Value::Bool(false) => return Some(Self::Of(0)),
            Value::Str(text) => text.trim().to_ascii_lowercase(),
            _ => node.source_text(),
        };
        match text.as_str() {
            "os" => Some(Self::Unchanged),
            "none" | "unchanged" => {
                reader.report.note("deprecated", format!("`{text}` is an old form")).at(&node.origin).help("write `os`");
                Some(Self::Unchanged)
            }
            "false" => Some(Self::Of(0)),
            _ => match text.parse().ok().filter(|depth| *depth <= 5) {
                Some(depth) => Some(Self::Of(depth)),
                None => {
                    let message = format!("{}: {text} is no depth: apt is left as it is", reader.path(), text = quoted(&text));
                    reader.report.warning("value", message).at(&node.origin).help("write os, false, or a number from 0 to 5");
                    None
                }
            },
        }
    }
}
