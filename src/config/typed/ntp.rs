//! `ntp`: who tells this host the time.

use super::reader::{FromNode, Reader, Shape};
use super::scalars::Word;
use super::system::AbsolutePath;
use crate::config::node::Node;

crate::record! {
    /// `ntp`.
    pub struct Ntp {
        /// Servers.
        optional servers: Hosts,
        /// Pools of servers.
        optional pools: Hosts,
        /// Hosts of the same rank.
        default peers: Vec<Word>,
        /// Networks that may ask this host.
        default allow: Vec<Word>,
        /// The program: `auto`, `chrony`, `systemd-timesyncd`, `ntp`, or another one that `config` describes.
        optional ntp_client: String,
        /// Whether anything is done (the default).
        optional enabled: bool,
        /// What holds instead of what is known of the program.
        optional config: NtpConfig,
    }
}

crate::record! {
    /// `ntp.config`.
    pub struct NtpConfig {
        /// The configuration file.
        optional confpath: AbsolutePath,
        /// The program whose presence says that it is installed.
        optional check_exe: Word,
        /// Packages that bring it.
        optional packages: Vec<Word>,
        /// The unit.
        optional service_name: Word,
        /// What the configuration file is made of.
        optional template: String,
    }
}

/// Names of hosts. A list of which nothing can be read is not the same as an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(pub Vec<Word>);

impl FromNode for Hosts {
    const SHAPE: Shape = <Vec<Word>>::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let hosts = Vec::from_node(node, reader)?;
        (!hosts.is_empty() || node.as_seq().is_some_and(<[Node]>::is_empty)).then_some(Self(hosts))
    }
}
