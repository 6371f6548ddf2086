//! `chef`.

use super::reader::{FromNode, Reader, Shape};
use super::scalars::{Address, OneOrMany, Text};
use super::system::AbsolutePath;
use crate::config::node::{Node, Origin, Value};
use crate::secret::Secret;

crate::record! {
    /// `chef`.
    pub struct Chef {
        /// The server.
        required server_url: Address,
        /// Name of the key that makes this host known to it.
        required validation_name: Text,
        /// Directories to make.
        optional directories: OneOrMany<AbsolutePath>,
        /// The client's configuration file.
        optional config_path: AbsolutePath,
        /// The key that makes this host known, or `system` for one that is there.
        optional validation_cert: Secret<String>,
        /// Its file.
        optional validation_key: AbsolutePath,
        /// Remove it once the client has run.
        default delete_validation_post_exec: bool,
        /// File of the first run list; none where it is empty.
        optional firstboot_path: Nullable,
        /// Run the client.
        optional exec: bool,
        /// With these arguments.
        optional exec_arguments: Command,
        /// Where the client comes from; the distribution's packages, by default.
        optional install_type: ChefSource,
        /// Install it also where it is there.
        default force_install: bool,
        /// Version of the gem.
        optional version: Text,
        /// Version of Ruby for the gem.
        optional ruby_version: Text,
        /// Script that installs Chef's own package.
        optional omnibus_url: Address,
        /// How often it is fetched anew.
        optional omnibus_url_retries: u32,
        /// Version of Chef's own package.
        optional omnibus_version: Text,
        /// What the client has to do first.
        optional run_list: Node,
        /// Attributes for it.
        optional initial_attributes: Node,
        /// Whether its licence is accepted.
        optional chef_license: License,
        /// The client's own key.
        optional client_key: Nullable,
        /// File that opens encrypted data.
        optional encrypted_data_bag_secret: Nullable,
        /// Environment.
        optional environment: Text,
        /// Backups.
        optional file_backup_path: Nullable,
        /// Cache.
        optional file_cache_path: Nullable,
        /// Attributes of every run.
        optional json_attribs: Nullable,
        /// How much is logged.
        optional log_level: Nullable,
        /// Where.
        optional log_location: Nullable,
        /// Name of this host; the instance's id, by default.
        optional node_name: Text,
        /// File of the process id.
        optional pid_file: Nullable,
        /// Log times.
        optional show_time: bool,
        /// Whether the server's certificate is checked.
        optional ssl_verify_mode: Nullable,
    }
}

/// A text; nothing behind the key means that the setting is left out, and not the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nullable(pub Option<String>);

impl FromNode for Nullable {
    const SHAPE: Shape = Shape::TextOrNumber;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Text::from_node(node, reader).map(|text| Self(Some(text.0)))
    }

    fn from_null(_origin: &Origin) -> Option<Self> {
        Some(Self(None))
    }
}

/// Arguments: a list, or one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Each by itself.
    Words(Vec<String>),
    /// As one text.
    Text(String),
}

impl FromNode for Command {
    const SHAPE: Shape = Shape::Either(&[Shape::Text, Shape::List(&Shape::Scalar)]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Str(text) => Some(Self::Text(text.clone())),
            Value::Seq(words) if words.iter().all(Node::is_scalar) => Some(Self::Words(words.iter().map(Node::source_text).collect())),
            _ => reader.mismatch(node, "a list of arguments"),
        }
    }
}

/// Where the client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChefSource {
    /// The distribution's packages.
    Packages,
    /// Ruby's.
    Gems,
    /// Chef's own script.
    Omnibus,
}

impl FromNode for ChefSource {
    const SHAPE: Shape = Shape::Words(&["packages", "gems", "omnibus"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Packages, Self::Gems, Self::Omnibus][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// Whether the licence is accepted, in Chef's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct License(pub String);

impl FromNode for License {
    const SHAPE: Shape = Shape::Words(&["accept", "accept-silent", "accept-no-persist"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.word(node, Self::SHAPE, "is none").map(|at| Self(Self::SHAPE.words()[at].to_owned()))
    }
}
