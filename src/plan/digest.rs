//! Digests: what makes a step the same step.

use std::sync::OnceLock;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::secret::reveal;

/// SHA-256 in hex of a value's JSON, secrets included (a changed password is a changed step).
pub fn digest_of(value: &impl Serialize) -> String {
    let json = reveal(|| serde_json::to_vec(value)).unwrap_or_default();
    hex(&Sha256::digest(&json))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]).collect()
}

/// The digest of a step that was asked for once; the engine asks after every change of the run's state. A copy of the step, which
/// may be given another operation, begins without it.
#[derive(Debug, Default)]
pub struct Remembered(OnceLock<String>);

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

impl super::Step {
    /// Digest of what the step does: its id, operation and frequency. Limits and notices do not make it another step.
    pub fn digest(&self) -> &str {
        match &self.wiped {
            Some(digest) => digest,
            None => self.remembered.0.get_or_init(|| digest_of(&(&self.id, &self.operation, self.frequency))),
        }
    }
}
