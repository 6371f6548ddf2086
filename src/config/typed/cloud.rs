//! Settings of the peer itself: `system_info`, `vendor_data`, `vendor_data2`, and what is read for nothing else.

use super::reader::{FromNode, Reader, Shape};
use super::scalars::{Address, OneOrMany, Text};
use super::users::StockUser;
use crate::config::node::{Node, Value};

crate::record! {
    /// `system_info`: what distribution this is. Its default user and how apt-get is called mean something here: the rest
    /// is found out.
    pub struct SystemInfo {
        /// The default user, as the distribution or the maker of the image has him.
        optional default_user: StockUser,
        /// Found in os-release.
        optional distro: Unused,
        /// Of the peer's own files.
        optional paths: Unused,
        /// The distribution's mirrors, where `apt` names none.
        default package_mirrors: Vec<PackageMirror>,
        /// Known by the distribution.
        optional ssh_svcname: Unused,
        /// Who configures the network: found out.
        optional network: Unused,
        /// Known by the distribution.
        optional ntp_client: Unused,
        /// The program that is called for apt-get, with arguments of its own.
        default apt_get_command: Words,
        /// What upgrades: `dist-upgrade`, or another of apt-get's commands.
        optional apt_get_upgrade_subcommand: String,
        /// What apt-get is run by.
        optional apt_get_wrapper: AptGetWrapper,
    }
}

crate::record! {
    /// One entry of `system_info.package_mirrors`.
    pub struct PackageMirror {
        /// Architectures it is for, or `default`.
        default arches: OneOrMany<String>,
        /// Where no other answers.
        optional failsafe: FailsafeMirrors,
        /// Those that are tried before.
        optional search: SearchedMirrors,
    }
}

crate::record! {
    /// `failsafe` of an entry.
    pub struct FailsafeMirrors {
        /// The archive.
        optional primary: Address,
        /// Its security updates.
        optional security: Address,
    }
}

crate::record! {
    /// `search` of an entry: addresses in which `%(region)s` and its like stand for what a datasource says.
    pub struct SearchedMirrors {
        /// The archive.
        default primary: Vec<String>,
        /// Its security updates.
        default security: Vec<String>,
    }
}

crate::record! {
    /// `system_info.apt_get_wrapper`.
    pub struct AptGetWrapper {
        /// A program, or one with its arguments.
        default command: Words,
        /// Whether it is used: by default where the host has it.
        optional enabled: IfThere,
    }
}

/// Yes, no, or `auto`: where the host has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfThere {
    /// Always.
    Yes,
    /// Never.
    No,
    /// Where the host has it.
    Auto,
}

impl FromNode for IfThere {
    const SHAPE: Shape = Shape::Either(&[Shape::Bool, Shape::Words(&["auto"])]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_str().is_some_and(|text| text.eq_ignore_ascii_case("auto")) {
            return Some(Self::Auto);
        }
        bool::from_node(node, reader).map(|yes| if yes { Self::Yes } else { Self::No })
    }
}

/// What is said and says nothing here.
#[derive(Clone, Copy, Debug)]
pub struct Unused;

impl FromNode for Unused {
    const SHAPE: Shape = Shape::Ignored;

    fn from_node(_: &Node, _: &mut Reader<'_>) -> Option<Self> {
        Some(Self)
    }
}

/// `vendor_data`, `vendor_data2`: whether what the vendor gives is used, and how.
#[derive(Clone, Debug, Default)]
pub struct VendorData {
    /// It is used; by default it is.
    pub enabled: Option<bool>,
    /// Put before each of its scripts: a program with arguments.
    pub prefix: Vec<String>,
    /// MIME types of parts that are left out.
    pub disabled_handlers: Vec<String>,
}

crate::record! {
    /// The mapping.
    pub struct VendorRecord {
        /// Whether it is used at all.
        optional enabled: bool,
        /// A program, or one with its arguments.
        default prefix: Words,
        /// Types that are left out.
        default disabled_handlers: Words,
    }
}

impl FromNode for VendorData {
    const SHAPE: Shape = VendorRecord::SHAPE;

    /// As the peer: what is no mapping switches it off.
    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if node.as_map().is_none() {
            let message = format!("{} is {}, not a mapping: the vendor's data is not used", reader.path(), node.kind());
            reader.report.warning("type", message).at(&node.origin).help("write `{enabled: true}` or `{enabled: false}`");
            return Some(Self { enabled: Some(false), ..Self::default() });
        }
        let record = VendorRecord::from_node(node, reader)?;
        Some(Self { enabled: record.enabled, prefix: record.prefix.0, disabled_handlers: record.disabled_handlers.0 })
    }
}

impl VendorData {
    /// What a document says of the vendor's data under this key; what is wrong with it is told where the keys are read.
    pub fn of(document: &Node, key: &str) -> Self {
        let mut quiet = crate::config::problem::Report::new();
        let node = document.get(key).filter(|node| !node.is_null());
        node.and_then(|node| Self::from_node(node, &mut Reader::new(&mut quiet))).unwrap_or_default()
    }
}

/// One word, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct Words(pub Vec<String>);

impl FromNode for Words {
    const SHAPE: Shape = Shape::Either(&[Shape::List(&Shape::TextOrNumber), Shape::Text]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Seq(_) => Vec::<Text>::from_node(node, reader).map(|words| Self(words.into_iter().map(|word| word.0).collect())),
            _ => String::from_node(node, reader).map(|word| Self(vec![word])),
        }
    }
}

/// Keys of the system's configuration that are about the peer's own process: its logs, its cache, its search for a datasource.
pub const OF_THE_PEER_ITSELF: [&str; 13] = [
    "_log",
    "conf_d",
    "datasource",
    "datasource_list",
    "def_log_file",
    "disable_network_activation",
    "log_cfgs",
    "logcfg",
    "manual_cache_clean",
    "network",
    "output",
    "syslog_fix_perms",
    "warnings",
];
