//! `phone_home`: where this host reports itself when it is done, and with what.

use super::reader::{nearest, quoted, quoted_and, FromNode, Reader, Shape};
use super::scalars::Address;
use crate::config::node::Node;

crate::record! {
    /// `phone_home`.
    pub struct PhoneHome {
        /// Where to; `$INSTANCE_ID` in it is filled in.
        required url: WebAddress,
        /// What is sent; everything, by default.
        default post: PostList,
        /// Tries in all.
        optional tries: Tries,
    }
}

/// An `http:` or `https:` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebAddress(pub String);

impl FromNode for WebAddress {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Address(address) = Address::from_node(node, reader)?;
        let host = ["http://", "https://"].iter().find_map(|scheme| address.strip_prefix(scheme));
        match host.and_then(|rest| rest.split(['/', '?', '#']).next()) {
            Some(host) if !host.is_empty() && !address.contains(char::is_whitespace) => Some(Self(address)),
            _ if address.contains("{{") || address.contains("{%") => {
                let (what, help) = crate::template::NOT_RENDERED;
                reader.invalid(&node.origin, what, help)
            }
            _ => {
                let message = format!("{} is no http or https address", quoted(&crate::redact::url(&address)));
                reader.invalid(&node.origin, message, "as in https://example.org/hosts/$INSTANCE_ID")
            }
        }
    }
}

/// What can be sent, in the peer's order.
pub const FIELDS: [&str; 6] = ["pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519", "instance_id", "hostname", "fqdn"];

/// What is sent for any other, as by the peer.
pub const NOT_THERE: &str = "N/A";

/// `post`: `all`, or a list of [`FIELDS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostList(pub Vec<String>);

impl Default for PostList {
    fn default() -> Self {
        Self(FIELDS.map(str::to_owned).to_vec())
    }
}

impl FromNode for PostList {
    const SHAPE: Shape = Shape::Either(&[Shape::Words(&["all"]), Shape::List(&Shape::Words(&FIELDS))]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(items) = node.as_seq() else {
            return match String::from_node(node, reader)?.as_str() {
                "all" => Some(Self::default()),
                other => reader.unknown_word(&node.origin, quoted_and(other, "is neither `all` nor a list"), other, &["all"]),
            };
        };
        let field = |item: &Node, reader: &mut Reader<'_>| {
            let name = String::from_node(item, reader)?;
            if !FIELDS.contains(&name.as_str()) {
                let message = format!("{}: there is no {name} to send: `{NOT_THERE}` is sent for it", reader.path(), name = quoted(&name));
                let help = nearest(&name, &FIELDS)
                    .map_or_else(|| format!("known are {}", FIELDS.join(", ")), |near| format!("did you mean `{near}`?"));
                reader.report.warning("value", message).at(&item.origin).help(help);
            }
            Some(name)
        };
        Some(Self(items.iter().filter_map(|item| field(item, reader)).collect()))
    }
}

/// `tries`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries(pub u32);

impl FromNode for Tries {
    const SHAPE: Shape = Shape::Integer;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let tries = u32::from_node(node, reader)?;
        if (1..=1000).contains(&tries) {
            return Some(Self(tries));
        }
        reader.invalid(&node.origin, "tries are counted from 1 to 1000", "10 is the default")
    }
}
