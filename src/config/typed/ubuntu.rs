//! What is Ubuntu's own: `ubuntu_pro`, `landscape`, `lxd`, `fan`, `drivers`.

use super::puppet::Setting;
use super::reader::{quoted, sorted_by_key, FromNode, Reader, Shape};
use super::scalars::{Address, OneOrMany, Text};
use super::system::AbsolutePath;
use crate::config::node::{Node, Origin};
use crate::secret::Secret;

crate::record! {
    /// `ubuntu_pro`.
    pub struct UbuntuPro {
        /// The contract's token.
        optional token: Secret<String>,
        /// Services to enable.
        default enable: OneOrMany<String>,
        /// Services that are not finished yet.
        default enable_beta: OneOrMany<String>,
        /// Settings of the client.
        optional config: ProConfig,
        /// What is left out.
        optional features: ProFeatures,
        /// Commands: of before there were tokens.
        optional commands: Node,
    }
}

crate::record! {
    /// `ubuntu_pro.features`.
    pub struct ProFeatures {
        /// Do not attach by the cloud's own word.
        default disable_auto_attach: bool,
    }
}

/// One setting of the client: a proxy, or nothing to take it away.
#[derive(Clone, Debug)]
pub struct ProSetting {
    /// Its name.
    pub name: String,
    /// The address, with its password.
    pub value: Option<Secret<String>>,
    /// Its place.
    pub origin: Origin,
}

/// `ubuntu_pro.config`, in the order of its keys.
#[derive(Clone, Debug, Default)]
pub struct ProConfig(pub Vec<ProSetting>);

const PRO_SETTINGS: [&str; 6] =
    ["http_proxy", "https_proxy", "global_apt_http_proxy", "global_apt_https_proxy", "ua_apt_http_proxy", "ua_apt_https_proxy"];

impl FromNode for ProConfig {
    const SHAPE: Shape = Shape::Map(&Shape::Either(&[Shape::Text, Shape::Null]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let mut settings = Vec::new();
        for entry in sorted_by_key(entries) {
            let name = entry.key.source_text();
            let origin = entry.value.origin.clone();
            let known = PRO_SETTINGS.contains(&name.as_str());
            if !known {
                let message =
                    format!("{}: {name} is no setting that is known: it is handed on as it is", reader.path(), name = quoted(&name));
                reader.report.warning("ubuntu-pro", message).at(&entry.key.origin);
            }
            if entry.value.is_null() {
                settings.push(ProSetting { name, value: None, origin });
                continue;
            }
            let read = reader.within(&name, |reader| {
                let Address(value) = Address::from_node(&entry.value, reader)?;
                if known && !value.starts_with("http://") && !value.starts_with("https://") {
                    return reader.invalid(
                        &origin,
                        "this is no http or https address: it is left out",
                        "as in http://proxy.example.org:3128",
                    );
                }
                Some(Secret::new(value))
            });
            settings.extend(read.map(|value| ProSetting { name, value: Some(value), origin }));
        }
        Some(Self(settings))
    }
}

crate::record! {
    /// `landscape`.
    pub struct Landscape {
        /// The client's settings.
        required client: LandscapeClient,
    }
}

/// `landscape.client`: settings of landscape-config(1).
#[derive(Clone, Debug)]
pub struct LandscapeClient(pub Vec<Setting>);

impl FromNode for LandscapeClient {
    const SHAPE: Shape = Shape::Map(&Shape::Scalar);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        for key in ["account_name", "computer_title"] {
            if node.get(key).is_none_or(Node::is_null) {
                let message = format!("{} has no `{key}`", reader.path());
                reader.report.error("required", message).at(&node.origin).help(format!("add `{key}: ...`"));
                return None;
            }
        }
        if let Some(key) = node.get("registration_key").filter(|key| key.is_scalar()) {
            let _ = reader.secret(key.source_text());
        }
        for name in ["http_proxy", "https_proxy", "url", "ping_url"] {
            reader.credentials(node.get(name).and_then(Node::as_str).unwrap_or_default());
        }
        let given = entries.iter().filter(|entry| !entry.value.is_null());
        Some(Self(given.filter_map(|entry| Setting::read("client", &entry.key, &entry.value, reader)).collect()))
    }
}

crate::record! {
    /// `fan`.
    pub struct Fan {
        /// What the file holds.
        required config: String,
        /// The file.
        optional config_path: AbsolutePath,
    }
}

crate::record! {
    /// `drivers`.
    pub struct Drivers {
        /// Drivers of NVIDIA's.
        optional nvidia: Nvidia,
    }
}

crate::record! {
    /// `drivers.nvidia`.
    pub struct Nvidia {
        /// Whether their licence is accepted.
        required license_accepted as "license-accepted": bool,
        /// Their version; the latest, by default.
        optional version: Text,
    }
}

crate::record! {
    /// `lxd`.
    pub struct Lxd {
        /// How it is set up.
        optional init: LxdInit,
        /// The bridge of its containers.
        optional bridge: LxdBridge,
        /// Everything at once, as `lxd init --preseed` reads it.
        optional preseed: Secret<String>,
    }
}

crate::record! {
    /// `lxd.init`.
    pub struct LxdInit {
        /// Address to listen on.
        optional network_address: Text,
        /// Port.
        optional network_port: u32,
        /// Storage.
        optional storage_backend: LxdStorage,
        /// Device for it.
        optional storage_create_device: AbsolutePath,
        /// Gigabytes of a file for it.
        optional storage_create_loop: u32,
        /// Its name.
        optional storage_pool: Text,
        /// Password for clients.
        optional trust_password: Secret<String>,
    }
}

/// Storage of LXD's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LxdStorage(pub &'static str);

impl FromNode for LxdStorage {
    const SHAPE: Shape = Shape::Words(&["zfs", "dir", "lvm", "btrfs"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        one_of(node, Self::SHAPE, reader).map(Self)
    }
}

fn one_of(node: &Node, shape: Shape, reader: &mut Reader<'_>) -> Option<&'static str> {
    let at = reader.word(node, shape, "is none")?;
    shape.words().get(at).copied()
}

crate::record! {
    /// `lxd.bridge`.
    pub struct LxdBridge {
        /// Whether there is one: `new`, `existing`, `none`.
        required mode: BridgeMode,
        /// Its name.
        optional name: Text,
        /// Largest packet.
        optional mtu: i64,
        /// Its IPv4 address.
        optional ipv4_address: Text,
        /// Bits of the network.
        optional ipv4_netmask: u32,
        /// First address given away.
        optional ipv4_dhcp_first: Text,
        /// Last one.
        optional ipv4_dhcp_last: Text,
        /// How many.
        optional ipv4_dhcp_leases: u32,
        /// Hide the containers behind this host (the default).
        optional ipv4_nat: bool,
        /// Its IPv6 address.
        optional ipv6_address: Text,
        /// Bits of the network.
        optional ipv6_netmask: u32,
        /// Hide the containers behind this host.
        default ipv6_nat: bool,
        /// Domain of the containers.
        optional domain: Text,
    }
}

/// Whether there is a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeMode(pub &'static str);

impl FromNode for BridgeMode {
    const SHAPE: Shape = Shape::Words(&["none", "existing", "new"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        one_of(node, Self::SHAPE, reader).map(Self)
    }
}
