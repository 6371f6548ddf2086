//! What makes a host the same or another machine.

use std::fs;

/// What `/sys/class/dmi/id` says, the same at every boot of a host as on a real machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmi {
    /// `sys_vendor`
    pub sys_vendor: String,
    /// `product_name`
    pub product_name: String,
    /// `product_serial`
    pub product_serial: String,
    /// `product_uuid`
    pub product_uuid: String,
    /// `chassis_asset_tag`
    pub chassis_asset_tag: String,
}

impl Dmi {
    /// A virtual machine of no known cloud, with a random uuid.
    pub fn random() -> Self {
        Self {
            sys_vendor: "QEMU".into(),
            product_name: "Standard PC (Q35 + ICH9, 2009)".into(),
            product_serial: String::new(),
            product_uuid: random_uuid(),
            chassis_asset_tag: String::new(),
        }
    }
}

/// A random uuid in lower case.
pub(super) fn random_uuid() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap().trim().to_owned()
}
