//! `landfall: resources:`: what the host must have left.

use super::conditions::parse_size;
use super::reader::{FromNode, Reader, Shape};
use crate::config::node::{Node, Value};
use crate::plan::{ResourceCheck, Resources};

crate::record! {
    /// `resources`.
    pub struct ResourcesRecord {
        /// Free on the filesystems that are written.
        optional min_disk: Amount,
        /// Memory that can be had.
        optional min_memory: Amount,
        /// What is done where there is less.
        optional check: ResourceCheck,
    }
}

/// `500M`, `2G`, or bytes as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(pub u64);

impl FromNode for Amount {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::Integer]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let bytes = match &node.value {
            Value::Int(number) => u64::try_from(*number).ok(),
            Value::Str(text) if text.starts_with(|c: char| c.is_ascii_digit()) => parse_size(text.trim()),
            _ => None,
        };
        match bytes {
            Some(bytes) => Some(Self(bytes)),
            None => reader.invalid(&node.origin, "this is no amount of bytes", "as in 500M, 2G"),
        }
    }
}

/// Its words.
const CHECKS: [&str; 3] = ["stop", "warn", "off"];

impl FromNode for ResourceCheck {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&CHECKS), Shape::Bool]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        // YAML 1.1 reads a bare `off` as false.
        if matches!(node.value, Value::Bool(false)) {
            return Some(Self::Off);
        }
        Some([Self::Stop, Self::Warn, Self::Off][reader.word(node, Shape::Words(&CHECKS), "is none")?])
    }
}

impl ResourcesRecord {
    /// What the plan holds of it.
    pub fn limits(&self) -> Resources {
        Resources {
            min_disk: self.min_disk.map(|amount| amount.0),
            min_memory: self.min_memory.map(|amount| amount.0),
            check: self.check.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::problem::Report;
    use crate::config::typed::CloudConfig;

    fn read(text: &str) -> (Resources, Vec<String>) {
        let mut report = Report::new();
        let document = crate::yaml::parse("x", &format!("landfall: {{resources: {text}}}")).expect("YAML");
        let config = CloudConfig::read(&document, &mut report).expect("a mapping");
        (config.defaults.resources, report.problems.iter().map(|problem| problem.sentence()).collect())
    }

    #[test]
    fn amounts_and_the_word_are_read() {
        for (text, min_disk, min_memory, check) in [
            ("{min_disk: 500M, min_memory: 128M, check: warn}", Some(500 << 20), Some(128 << 20), ResourceCheck::Warn),
            ("{min_disk: 2GiB, check: off}", Some(2 << 30), None, ResourceCheck::Off),
            ("{min_memory: 1048576}", None, Some(1 << 20), ResourceCheck::Stop),
            ("{}", None, None, ResourceCheck::Stop),
        ] {
            assert_eq!(read(text), (Resources { min_disk, min_memory, check }, Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_none_of_them_is_said_with_its_place() {
        for (text, expected) in [
            ("{min_disk: much}", "x:1:34: landfall.resources.min_disk: this is no amount of bytes"),
            ("{min_memory: -1}", "x:1:36: landfall.resources.min_memory: this is no amount of bytes"),
            ("{check: sotp}", "x:1:31: "),
            ("{min_dsk: 1G}", "x:1:24: "),
        ] {
            let (resources, problems) = read(text);
            assert_eq!(resources, Resources::default());
            assert!(problems.len() == 1 && problems[0].starts_with(expected), "{text}: {problems:?}");
        }
    }
}
