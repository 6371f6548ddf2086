//! `wireguard`.

use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::system::AbsolutePath;
use crate::config::node::Node;
use crate::config::typed::scripts::ScriptItems;
use crate::secret::Secret;

crate::record! {
    /// `wireguard`.
    pub struct Wireguard {
        /// Interfaces.
        required interfaces: Vec<WireguardInterface>,
        /// Commands that succeed once the tunnels work.
        default readinessprobe: ScriptItems,
    }
}

crate::record! {
    /// One interface.
    pub struct WireguardInterface {
        /// Its name.
        required name: InterfaceName,
        /// The file that wg-quick(8) reads.
        required config_path: AbsolutePath,
        /// What it holds.
        required content: WireguardText,
    }
}

/// A name that the kernel takes for an interface and systemd for an instance of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(pub String);

impl FromNode for InterfaceName {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = String::from_node(node, reader)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_=+.-".contains(c);
        if !(1..=15).contains(&name.len()) || !name.chars().all(plain) || name.starts_with(['-', '.']) {
            return reader.invalid(&node.origin, quoted_and(&name, "is no name of an interface"), "up to 15 letters and digits, as in wg0");
        }
        Some(Self(name))
    }
}

/// The text of wg-quick(8); the keys in it are remembered as secrets.
#[derive(Clone, Debug)]
pub struct WireguardText(pub Secret<String>);

impl FromNode for WireguardText {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = String::from_node(node, reader)?;
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            if ["privatekey", "presharedkey"].contains(&name.trim().to_ascii_lowercase().as_str()) {
                let _ = reader.secret(value.trim().to_owned());
            }
        }
        Some(Self(Secret::new(text)))
    }
}
