//! Digests: what makes a step the same step.

use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Operation, Step};
use crate::hash::sha256_hex;
use crate::secret::reveal;

/// SHA-256 in hex of a value's JSON, secrets included (a changed password is a changed step).
pub fn digest_of(value: &impl Serialize) -> String {
    let json = reveal(|| serde_json::to_vec(value)).unwrap_or_default();
    sha256_hex(&json)
}

/// The digest of a step: worked out when it is first asked for, and stored with the plan. What it is made of may change from one
/// landfall to the next; a stored plan keeps those that the journal knows. A copy of the step, which may be given another
/// operation, begins without it.
#[derive(Debug, Default)]
pub struct Remembered(OnceLock<String>);

impl Remembered {
    /// Nobody has asked for it.
    pub fn is_unknown(&self) -> bool {
        self.0.get().is_none()
    }
}

impl Serialize for Remembered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Remembered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

impl From<String> for Remembered {
    fn from(digest: String) -> Self {
        Self(OnceLock::from(digest))
    }
}

impl Clone for Remembered {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Remembered {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Remembered {}

impl Step {
    /// Digest of what the step does: its id, operation and frequency. Limits and notices do not make it another step, nor does what
    /// is only told of a script's text.
    pub fn digest(&self) -> &str {
        match &self.wiped {
            Some(digest) => digest,
            None => self.remembered.0.get_or_init(|| self.work_out_digest()),
        }
    }

    fn work_out_digest(&self) -> String {
        match &self.operation {
            Operation::ScriptItem(item) => {
                let place = (item.first, item.last, item.total);
                digest_of(&(&self.id, "script_item", &item.script_digest, place, &item.text, &item.env, self.frequency))
            }
            operation => digest_of(&(&self.id, operation, self.frequency)),
        }
    }

    /// As it was before plans were stored with their digests.
    pub(super) fn digest_of_old(&self) -> String {
        digest_of(&(&self.id, &self.operation, self.frequency))
    }
}
