//! `puppet`.

use super::chef::Command;
use super::reader::{quoted_and, sorted_by_key, FromNode, Reader, Shape};
use super::scalars::{Address, Text, Word};
use super::system::AbsolutePath;
use crate::config::node::{Node, Origin};
use crate::secret::Secret;

crate::record! {
    /// `puppet`.
    pub struct Puppet {
        /// Install it (the default).
        optional install: bool,
        /// Its version.
        optional version: Text,
        /// Where it comes from; the distribution's packages, by default.
        optional install_type: PuppetSource,
        /// Collection of the all-in-one packages.
        optional collection: Text,
        /// Script that installs them.
        optional aio_install_url: Address,
        /// Leave no source of theirs behind (the default).
        optional cleanup: bool,
        /// Its configuration file.
        optional conf_file: AbsolutePath,
        /// Directory of its certificates.
        optional ssl_dir: AbsolutePath,
        /// File of what its certificate request is to hold.
        optional csr_attributes_path: AbsolutePath,
        /// The package.
        optional package_name: Word,
        /// Run the agent once.
        default exec: bool,
        /// With these arguments.
        optional exec_args: Command,
        /// Enable and start the service (the default).
        optional start_service: bool,
        /// Settings by section, and the certificate of the authority.
        optional conf: PuppetConf,
        /// What the certificate request is to hold.
        optional csr_attributes: CsrAttributes,
    }
}

/// Where Puppet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PuppetSource {
    /// The distribution's packages.
    Packages,
    /// Puppet's own all-in-one packages.
    Aio,
}

impl FromNode for PuppetSource {
    const SHAPE: Shape = Shape::Words(&["packages", "aio"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Packages, Self::Aio][reader.word(node, Self::SHAPE, "is none")?])
    }
}

/// One setting below a section.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The section; empty for what stands in none.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its value; it may be a password.
    pub value: Secret<String>,
    /// Its place.
    pub origin: Origin,
}

impl Setting {
    /// A key and value that fit on one line of a file with sections.
    pub fn read(section: &str, key: &Node, value: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let name = key.source_text();
        let odd =
            |text: &str| text.is_empty() || text.trim() != text || text.contains(['\n', '=', ':']) || text.starts_with(['#', ';', '[']);
        if odd(&name) || section.contains(['\n', '[', ']']) {
            return reader.invalid(&key.origin, quoted_and(&name, "is no name of a setting: it is left out"), "one word, as in server");
        }
        // A truth value as these programs read it, not as Python writes it.
        let text = match value.as_bool() {
            Some(value) => value.to_string(),
            None if value.is_scalar() && !value.is_null() => value.source_text(),
            None => return reader.within(&name, |reader| reader.mismatch(value, "a string")),
        };
        if text.contains('\n') {
            return reader
                .within(&name, |reader| reader.invalid(&value.origin, "a setting has one line: it is left out", "join the lines"));
        }
        Some(Self { section: section.to_owned(), key: name, value: Secret::new(text), origin: value.origin.clone() })
    }
}

/// `puppet.conf`: sections with settings, and `ca_cert`.
#[derive(Clone, Debug, Default)]
pub struct PuppetConf {
    /// Settings, in order.
    pub settings: Vec<Setting>,
    /// The authority's certificate.
    pub ca_cert: Option<String>,
}

const SECTIONS: [&str; 5] = ["main", "server", "agent", "user", "master"];

impl FromNode for PuppetConf {
    const SHAPE: Shape = Shape::Map(&Shape::Either(&[Shape::Text, Shape::Map(&Shape::Scalar)]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping of sections") };
        let mut conf = Self::default();
        // As the peer has them: in the order of their names.
        for entry in sorted_by_key(entries).into_iter().filter(|entry| !entry.value.is_null()) {
            let section = entry.key.source_text();
            reader.within(&section, |reader| {
                if section == "ca_cert" {
                    conf.ca_cert = String::from_node(&entry.value, reader);
                } else if let Some(settings) = entry.value.as_map() {
                    if !SECTIONS.contains(&section.as_str()) {
                        let message = format!("puppet knows no section `{section}`; it is written all the same");
                        reader.report.note("puppet", message).at(&entry.key.origin).help("use main, server, agent or user");
                    }
                    conf.settings.extend(
                        sorted_by_key(settings).into_iter().filter_map(|one| Setting::read(&section, &one.key, &one.value, reader)),
                    );
                } else {
                    let _: Option<()> = reader.mismatch(&entry.value, "a mapping of settings");
                }
            });
        }
        Some(conf)
    }
}

crate::record! {
    /// `puppet.csr_attributes`.
    pub struct CsrAttributes {
        /// Attributes by their OID; one may be a password.
        optional custom_attributes: Attributes,
        /// Extensions by name or OID.
        optional extension_requests: Attributes,
    }
}

/// A mapping of texts, any of which may be a password.
#[derive(Clone, Debug)]
pub struct Attributes(pub Node);

impl FromNode for Attributes {
    const SHAPE: Shape = Shape::Map(&Shape::Any);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        for entry in entries.iter().filter(|entry| entry.value.is_scalar()) {
            let _ = reader.secret(entry.value.source_text());
        }
        Some(Self(node.clone()))
    }
}
