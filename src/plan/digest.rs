//! Digests: what makes a step the same step.

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
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl super::Step {
    /// Digest of what the step does: its id, operation and frequency. Limits and notices do not make it another step.
    pub fn digest(&self) -> String {
        if let Some(digest) = &self.wiped {
            return digest.clone();
        }
        digest_of(&(&self.id, &self.operation, self.frequency))
    }
}
