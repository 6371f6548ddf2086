//! `notify` of the `landfall` section and of its phases: who is told how it ended.

use super::files::Headers;
use super::phone_home::WebAddress;
use super::reader::{FromNode, Reader, Shape};
use super::scalars::OneOrMany;
use crate::config::node::{Entry, Node, Value};
use crate::plan::notify::{Listener, Message, Occasion, Target};
use crate::redact;
use crate::secret::Secret;

crate::record! {
    /// One entry of `notify`.
    pub struct NotifyEntry {
        /// Where the message is posted.
        optional url: Hook,
        /// Headers of that request.
        optional headers: Headers,
        /// A program that reads the message.
        optional command: Vec<String>,
        /// On which ends; on each, by default.
        default on: OneOrMany<Occasion>,
    }
}

/// An address that may be a secret as a whole: chat services put the token into its path.
#[derive(Clone, Debug)]
pub struct Hook(pub Secret<String>);

impl FromNode for Hook {
    const SHAPE: Shape = Shape::Text;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let WebAddress(address) = WebAddress::from_node(node, reader)?;
        let _ = reader.secret(redact::url(&address));
        let authority = address.split_once("://").map_or("", |(_, rest)| rest);
        if let Some((_, path)) = authority.split_once('/').filter(|(_, path)| path.len() > 8) {
            let _ = reader.secret(path.to_owned());
        }
        Some(Self(reader.secret(address)))
    }
}

impl FromNode for Occasion {
    const SHAPE: Shape = Shape::Words(&["success", "failure", "always"]);

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        Some([Self::Success, Self::Failure, Self::Always][reader.word(node, Self::SHAPE, "is none")?])
    }
}

impl FromNode for Listener {
    const SHAPE: Shape = NotifyEntry::SHAPE;

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entry = NotifyEntry::from_node(&with_words_as_keys(node), reader)?;
        let help = "as in {url: https://example.org/hook} or {command: [logger, --tag, landfall]}";
        let target = match (&entry.url, &entry.command) {
            (Some(Hook(url)), None) => {
                Target::Url { url: url.clone(), headers: entry.headers.clone().unwrap_or_default().0, oauth: None, message: Message::State }
            }
            (None, Some(argv)) if argv.is_empty() => return reader.invalid(entry.place("command"), "an empty command", help),
            (None, Some(argv)) => {
                if entry.headers.is_some() {
                    let message = format!("{}: a command has no headers: they are ignored", reader.path());
                    reader.report.warning("unused", message).at(entry.place("headers"));
                }
                Target::Command { argv: argv.clone() }
            }
            // What was given and could not be read is reported already.
            (None, None) if entry.given.iter().any(|given| matches!(*given, "url" | "command")) => return None,
            _ => return reader.invalid(&entry.origin, "an entry has either `url` or `command`", help),
        };
        let on = if entry.on.0.is_empty() { vec![Occasion::Always] } else { entry.on.0 };
        Some(Self { on, phase: None, target })
    }
}

/// In YAML 1.1 the key `on` is a truth value.
fn with_words_as_keys(node: &Node) -> Node {
    let Some(entries) = node.as_map() else { return node.clone() };
    let word = |entry: &Entry| {
        let mut entry = entry.clone();
        if entry.key.source_text() == "on" {
            entry.key = Node::new(Value::Str("on".to_owned()), entry.key.origin);
        }
        entry
    };
    Node::new(Value::Map(entries.iter().map(word).collect()), node.origin.clone())
}
