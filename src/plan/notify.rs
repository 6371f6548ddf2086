//! Who is told how a run, or a phase of it, ended: part of a plan, so that a run that is resumed tells the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One that is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Of which ends.
    pub on: Vec<Occasion>,
    /// The phase whose end is meant; the run's, where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// How.
    #[serde(flatten)]
    pub target: Target,
}

/// How a run or a phase has ended, as far as a listener is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// Done, with or without warnings.
    Success,
    /// Anything else.
    Failure,
    /// Either.
    Always,
}

/// Credentials of a request that is signed by OAuth 1.0, method PLAINTEXT, as the peer signs (RFC 5849).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuth {
    /// The consumer.
    pub consumer_key: Secret<String>,
    /// Its secret, often empty.
    pub consumer_secret: Secret<String>,
    /// The token.
    pub token_key: Secret<String>,
    /// Its secret.
    pub token_secret: Secret<String>,
}

/// What is posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The state of the run.
    #[default]
    State,
    /// The event with which the peer ends its last stage.
    Peers,
}

/// How a listener is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "to")]
pub enum Target {
    /// The message is posted.
    Url {
        /// `http:` or `https:` URL; its path may be a token.
        url: Secret<String>,
        /// Request headers.
        headers: BTreeMap<String, Secret<String>>,
        /// Who it comes from, where the request is signed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        oauth: Option<OAuth>,
        /// In whose words.
        #[serde(default)]
        message: Message,
    },
    /// A program reads the message.
    Command {
        /// Program and arguments; never a secret.
        argv: Vec<String>,
    },
}

impl Listener {
    /// Whether it wants to hear of what ended so.
    pub fn hears(&self, success: bool) -> bool {
        let wanted = if success { Occasion::Success } else { Occasion::Failure };
        self.on.iter().any(|on| *on == wanted || *on == Occasion::Always)
    }

    /// What it is called in messages: of an address only scheme and host.
    pub fn name(&self) -> String {
        match &self.target {
            Target::Url { url, .. } => {
                let (scheme, rest) = url.expose().split_once("://").unwrap_or(("http", url.expose()));
                let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
                format!("{scheme}://{}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
            }
            Target::Command { argv } => argv.first().cloned().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shows_no_token() {
        let listener = |url: &str| Listener {
            on: vec![Occasion::Failure],
            phase: None,
            target: Target::Url { url: Secret::new(url.to_owned()), headers: BTreeMap::new(), oauth: None, message: Message::State },
        };
        for (url, name) in [
            ("https://bob:pw@hooks.example.org:8443/services/T0/secret?x=y", "https://hooks.example.org:8443"),
            ("http://x?token=1", "http://x"),
        ] {
            assert_eq!(listener(url).name(), name);
        }
        assert!(!listener("http://x").hears(true) && listener("http://x").hears(false));
    }
}
