//! `salt_minion` and `mcollective`.

use super::puppet::Setting;
use super::reader::{sorted_by_key, FromNode, Reader, Shape};
use super::scalars::Word;
use super::system::AbsolutePath;
use crate::config::node::Node;
use crate::secret::Secret;

crate::record! {
    /// `salt_minion`.
    pub struct SaltMinion {
        /// The package.
        optional pkg_name: Word,
        /// The service.
        optional service_name: Word,
        /// Directory of its configuration.
        optional config_dir: AbsolutePath,
        /// What `minion` in it holds.
        optional conf: Mapping,
        /// What `grains` in it holds.
        optional grains: Mapping,
        /// The minion's public key.
        optional public_key: String,
        /// Its private key.
        optional private_key: Secret<String>,
        /// Where both are.
        optional pki_dir: AbsolutePath,
    }
}

/// A mapping that is handed on as it is.
#[derive(Clone, Debug)]
pub struct Mapping(pub Node);

impl FromNode for Mapping {
    const SHAPE: Shape = Shape::Map(&Shape::Any);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.as_map() {
            Some(_) => Some(Self(node.clone())),
            None => reader.mismatch(node, "a mapping"),
        }
    }
}

crate::record! {
    /// `mcollective`.
    pub struct Mcollective {
        /// What its configuration says.
        optional conf: McollectiveConf,
    }
}

/// `mcollective.conf`: two certificates, and settings.
#[derive(Clone, Debug, Default)]
pub struct McollectiveConf {
    /// The server's certificate.
    pub public_cert: Option<String>,
    /// Its key.
    pub private_cert: Option<Secret<String>>,
    /// Settings, in order; those of a mapping stand in a section of its name.
    pub settings: Vec<Setting>,
}

impl FromNode for McollectiveConf {
    const SHAPE: Shape = Shape::Map(&Shape::Any);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let mut conf = Self::default();
        // As the peer has them: in the order of their names.
        for entry in sorted_by_key(entries) {
            let name = entry.key.source_text();
            match (name.as_str(), entry.value.as_map()) {
                ("public-cert", _) => conf.public_cert = reader.within(&name, |reader| String::from_node(&entry.value, reader)),
                ("private-cert", _) => conf.private_cert = reader.within(&name, |reader| Secret::from_node(&entry.value, reader)),
                (_, Some(section)) => reader.within(&name, |reader| {
                    conf.settings
                        .extend(sorted_by_key(section).into_iter().filter_map(|one| Setting::read(&name, &one.key, &one.value, reader)));
                }),
                (_, None) => conf.settings.extend(Setting::read("", &entry.key, &entry.value, reader)),
            }
        }
        Some(conf)
    }
}
