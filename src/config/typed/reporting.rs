//! `reporting`: the peer's handlers of events. Of its webhooks the end of the run is reported; what is logged is logged anyway.

use super::cloud::Unused;
use super::notify::Hook;
use super::reader::{quoted_and, FromNode, Reader, Shape};
use super::system::Seconds;
use crate::config::node::Node;
use crate::plan::notify::{Listener, Message, OAuth, Occasion, Target};
use crate::secret::Secret;

/// The handlers that can be told.
#[derive(Clone, Debug, Default)]
pub struct Reporting(pub Vec<Listener>);

crate::record! {
    /// One handler.
    pub struct Handler {
        /// `webhook`, `log`, `print`, `hyperv`.
        required kind as "type": String,
        /// Where events are posted.
        optional endpoint: Hook,
        /// Level of a log.
        optional level: String,
        /// Seconds for one request; landfall has its own limit.
        optional timeout: Seconds,
        /// Tries; landfall tries for a minute.
        optional retries: u32,
        /// Key of a signed request.
        optional consumer_key: Secret<String>,
        /// Secret of a signed request.
        optional consumer_secret: Secret<String>,
        /// Token of a signed request.
        optional token_key: Secret<String>,
        /// Secret of that token.
        optional token_secret: Secret<String>,
        /// File of the host of a Hyper-V machine, which is not told.
        optional kvp_file_path: Unused,
        /// What the host of a Hyper-V machine is told.
        optional event_types: Unused,
    }
}

impl FromNode for Reporting {
    const SHAPE: Shape = Shape::Map(&Shape::Either(&[Handler::SHAPE, Shape::Null]));

    fn from_node(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let Some(entries) = node.as_map() else { return reader.mismatch(node, "a mapping") };
        let handlers = entries.iter().filter(|entry| !entry.value.is_null());
        let read = |reader: &mut Reader<'_>, name: String, node: &Node| {
            reader.within(&name, |reader| Handler::from_node(node, reader).and_then(|handler| handler.listener(reader)))
        };
        Some(Self(handlers.filter_map(|entry| read(reader, entry.key.source_text(), &entry.value)).collect()))
    }
}

impl Handler {
    fn listener(self, reader: &mut Reader<'_>) -> Option<Listener> {
        let path = reader.path();
        match self.kind.as_str() {
            "webhook" => {}
            "log" | "print" => return None,
            "hyperv" => {
                let message = format!("{path}: the host of a Hyper-V machine is not told of events: it is ignored");
                reader.report.warning("unsupported", message).at(self.place("type"));
                return None;
            }
            other => {
                let known = ["webhook", "log", "print", "hyperv"];
                return reader.unknown_word(self.place("type"), quoted_and(other, "is no handler"), other, &known);
            }
        }
        let Some(Hook(url)) = &self.endpoint else {
            if self.given.contains(&"endpoint") {
                return None;
            }
            return reader.invalid(&self.origin, "a webhook has an `endpoint`", "as in {type: webhook, endpoint: https://example.org/}");
        };
        let oauth = self.oauth(reader)?;
        let message = format!("{path}: of all events only the end of the run is reported");
        reader.report.note("reporting", message).at(&self.origin);
        let target = Target::Url { url: url.clone(), headers: std::collections::BTreeMap::new(), oauth, message: Message::Peers };
        Some(Listener { on: vec![Occasion::Always], phase: None, target })
    }

    /// The credentials: none, or key, token and its secret. `None` where some of them are missing, which is reported.
    #[expect(clippy::option_option, reason = "a handler that cannot sign is left out, one that need not is not")]
    fn oauth(&self, reader: &mut Reader<'_>) -> Option<Option<OAuth>> {
        let given = ["consumer_key", "consumer_secret", "token_key", "token_secret"].into_iter().find(|key| self.given.contains(key));
        let Some(given) = given else { return Some(None) };
        match (&self.consumer_key, &self.token_key, &self.token_secret) {
            (Some(consumer_key), Some(token_key), Some(token_secret)) => Some(Some(OAuth {
                consumer_key: consumer_key.clone(),
                consumer_secret: self.consumer_secret.clone().unwrap_or_default(),
                token_key: token_key.clone(),
                token_secret: token_secret.clone(),
            })),
            _ => {
                let help = "a signed request needs `consumer_key`, `token_key` and `token_secret`";
                reader.invalid(self.place(given), "some of the credentials are missing", help)
            }
        }
    }
}
