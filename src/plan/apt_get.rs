//! How apt-get is called where the user wants it called otherwise.

use serde::{Deserialize, Serialize};

/// `system_info`'s `apt_get_command`, `apt_get_wrapper` and `apt_get_upgrade_subcommand`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct AptGet {
    /// The program and its own arguments; what landfall needs comes after them. Empty: `apt-get`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What it is run by; empty for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrapper: Vec<String>,
    /// The wrapper is only used where the host has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapper_if_there: bool,
    /// Upgrades; `dist-upgrade` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<String>,
}

impl AptGet {
    /// Nobody wants anything else.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
