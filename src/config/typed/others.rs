//! Smaller keys: `updates`, `byobu_by_default`, `grub_dpkg`, `ssh_publish_hostkeys`, `authkey_hash`, and keys of other systems.

use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::scalars::Text;
use crate::config::node::{Node, Origin, Value};
use crate::plan::NetworkEvent;

crate::record! {
    /// `updates`.
    pub struct Updates {
        /// The network.
        optional network: NetworkUpdates,
    }
}

crate::record! {
    /// `updates.network`.
    pub struct NetworkUpdates {
        /// When it is configured anew.
        default when: Vec<UpdateEvent>,
    }
}

/// What has the network configured anew.
#[derive(Clone, Debug)]
pub struct UpdateEvent {
    /// `boot-new-instance`, `boot`, `boot-legacy`, `hotplug`.
    pub name: &'static str,
    /// Its place.
    pub origin: Origin,
}

impl Updates {
    /// What has the network configured anew, each with its place; a new instance does anyhow.
    pub fn network_events(&self) -> impl Iterator<Item = (NetworkEvent, &Origin)> {
        let event = |event: &'_ UpdateEvent| match event.name {
            "boot" | "boot-legacy" => Some(NetworkEvent::Boot),
            "hotplug" => Some(NetworkEvent::Hotplug),
            _ => None,
        };
        let written = self.network.iter().flat_map(|network| &network.when);
        written.filter_map(move |written| Some((event(written)?, &written.origin)))
    }
}

impl FromNode for UpdateEvent {
    const SHAPE: Shape = Shape::Words(&["boot-new-instance", "boot-legacy", "boot", "hotplug"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = String::from_node(node, reader)?;
        match Self::SHAPE.words().iter().find(|known| **known == word) {
            Some(name) => Some(Self { name, origin: node.origin.clone() }),
            None => reader.unknown_word(&node.origin, quoted_and(&word, "is none"), &word, Self::SHAPE.words()),
        }
    }
}

/// `byobu_by_default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Byobu {
    /// Start it at login, or do not.
    pub enable: bool,
    /// For the default user.
    pub user: bool,
    /// For everybody.
    pub system: bool,
}

impl FromNode for Byobu {
    const SHAPE: Shape =
        Shape::Words(&["enable-system", "enable-user", "disable-system", "disable-user", "enable", "disable", "user", "system"]);

    /// The peer enables it for everybody whatever else is said.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = String::from_node(node, reader)?;
        Some(match word.as_str() {
            "enable" | "enable-system" | "system" => Self { enable: true, user: false, system: true },
            "enable-user" | "user" => Self { enable: true, user: true, system: true },
            "disable" => Self { enable: false, user: true, system: true },
            "disable-system" => Self { enable: false, user: false, system: true },
            "disable-user" => Self { enable: false, user: true, system: false },
            _ => return reader.unknown_word(&node.origin, quoted_and(&word, "is none"), &word, Self::SHAPE.words()),
        })
    }
}

crate::record! {
    /// `grub_dpkg`: what the packages of GRUB are told.
    pub struct GrubDpkg {
        /// Whether anything is done.
        default enabled: bool,
        /// Disks that it is installed on.
        optional pc_devices as "grub-pc/install_devices": Text,
        /// It is installed nowhere.
        optional pc_devices_empty as "grub-pc/install_devices_empty": bool,
        /// Partitions that it is installed on.
        optional efi_devices as "grub-efi/install_devices": Text,
    }
}

crate::record! {
    /// `ssh_publish_hostkeys`.
    pub struct PublishHostKeys {
        /// Whether (the default).
        optional enabled: bool,
        /// Types that are not.
        default blacklist: Vec<String>,
    }
}

/// A digest for fingerprints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHash(pub &'static str);

impl FromNode for KeyHash {
    const SHAPE: Shape = Shape::Words(&["sha256", "sha512", "sha384", "sha224", "sha1", "md5", "blake2b"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let word = String::from_node(node, reader)?.to_ascii_lowercase();
        match Self::SHAPE.words().iter().find(|known| **known == word) {
            Some(name) => Some(Self(name)),
            None => reader.unknown_word(&node.origin, quoted_and(&word, "is no digest: sha256 is used"), &word, Self::SHAPE.words()),
        }
    }
}

/// Words in a list, or one with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl FromNode for Words {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::Text), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(text) => Some(Self(text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect())),
            _ => Vec::from_node(node, reader).map(Self),
        }
    }
}

crate::record! {
    /// `resolv_conf`.
    pub struct ResolvConf {
        /// Who is asked for names.
        default nameservers: Vec<Text>,
        /// Domains that are searched.
        default searchdomains: Vec<Text>,
        /// The host's own.
        optional domain: Text,
        /// Networks that come first.
        default sortlist: Vec<Text>,
        /// Options.
        optional options: Node,
    }
}

/// What another system is told. Its passwords are secrets here too.
#[derive(Clone, Debug)]
pub struct OfOtherSystem;

impl FromNode for OfOtherSystem {
    const SHAPE: Shape = Shape::Ignored;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        for entry in node.entries() {
            let name = entry.key.source_text().replace('-', "_");
            if ["password", "activation_key"].contains(&name.as_str()) && entry.value.is_scalar() {
                let _ = reader.secret(entry.value.source_text());
            }
        }
        Some(Self)
    }
}
