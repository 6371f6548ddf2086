//! Where user-data comes from: bytes and facts, no policy. What to do with them is decided by [`crate::identity`] and the plan.
//!
//! Evidence on the machine itself is looked at first, and each source that was not usable says why.

mod hosted;
mod nocloud;
mod volume;

use std::time::Duration;

use crate::config::node::Node;
use crate::host::Host;
use crate::identity::Fetched;
use crate::ordered::sort_by_key;

pub use hosted::{hosted, stands_in, Hosted};

/// What a datasource gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Its short name, lower case: `nocloud`.
    pub source: &'static str,
    /// Where it was: directories, devices, `cmdline`, in the order they were read.
    pub places: Vec<String>,
    /// The instance's id.
    pub instance_id: String,
    /// `local-hostname` of the metadata.
    pub local_hostname: Option<String>,
    /// SSH keys of the metadata.
    pub public_keys: Vec<String>,
    /// User-data as received; empty where there is none.
    pub user_data: Vec<u8>,
    /// Vendor-data as received.
    pub vendor_data: Option<Vec<u8>>,
    /// The vendor's second data, which holds over the first, as received.
    pub vendor_data2: Option<Vec<u8>>,
    /// Network configuration as received.
    pub network_config: Option<Vec<u8>>,
    /// `dsmode` of the metadata: `local`, `net`, `disabled`, `pass`.
    pub dsmode: Option<String>,
    /// The whole metadata, a mapping.
    pub metadata: Node,
}

/// Why a place gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Short name of the source: `nocloud`.
    pub source: &'static str,
    /// Directory, device, `cmdline`.
    pub place: String,
    /// What is the matter, in a few words.
    pub why: String,
    /// It is there but cannot be used, as opposed to: it is not there.
    pub broken: bool,
}

/// What looking for datasources brought.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Probed {
    /// The one that answered.
    pub found: Option<Found>,
    /// Every place that gave nothing, in the order looked at.
    pub reasons: Vec<Reason>,
}

impl Probed {
    /// What this says about the instance.
    pub fn fetched(&self) -> Fetched {
        match &self.found {
            Some(found) => Fetched::Id(found.instance_id.clone()),
            None if self.reasons.iter().any(|reason| reason.broken) => Fetched::NoAnswer,
            None => Fetched::NoSource,
        }
    }

    /// The reasons as one sentence, what is broken first.
    pub fn explain(&self) -> String {
        let mut reasons: Vec<&Reason> = self.reasons.iter().collect();
        sort_by_key(&mut reasons, |reason| !reason.broken);
        let told: Vec<String> = reasons.iter().map(|reason| format!("{} {}", reason.place, reason.why)).collect();
        if told.is_empty() {
            "no datasource was looked for".into()
        } else {
            told.join("; ")
        }
    }

    fn add(&mut self, source: &'static str, place: impl Into<String>, why: impl Into<String>, broken: bool) {
        self.reasons.push(Reason { source, place: place.into(), why: why.into(), broken });
    }
}

/// Looks for user-data on this machine. `wait` bounds the wait for a volume whose device has not appeared yet; it is spent
/// only where nothing answers, so whoever knows the instance already passes zero.
pub fn find(host: &Host, wait: Duration) -> Probed {
    nocloud::find(host, wait)
}
