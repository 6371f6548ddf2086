//! From bytes to a plan: unpack, read, merge, type, gather facts, plan.

use crate::datasource::Found;
use crate::error::Failure;
use crate::host::Host;
use crate::plan::Plan;

/// Where the user-data of a run comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A datasource of this host.
    Datasource(Box<Found>),
    /// cloud-init runs here; only the `landfall` section counts.
    Hosted {
        /// The configuration as cloud-init merged it.
        merged_config: Vec<u8>,
    },
    /// A file, given by hand.
    File {
        /// Its name.
        name: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

impl Source {
    /// Short name of the datasource.
    pub const fn datasource(&self) -> &'static str {
        match self {
            Self::Datasource(found) => found.source,
            Self::Hosted { .. } => "cloud-init",
            Self::File { .. } => "file",
        }
    }

    /// The bytes.
    pub fn user_data(&self) -> &[u8] {
        match self {
            Self::Datasource(found) => &found.user_data,
            Self::Hosted { merged_config } => merged_config,
            Self::File { bytes, .. } => bytes,
        }
    }
}

/// What was prepared.
pub struct Prepared {
    /// User-data as received.
    pub user_data: Vec<u8>,
    /// The merged document as JSON.
    pub config_json: Vec<u8>,
    /// The plan.
    pub plan: Plan,
}

/// Prepares a plan for the instance `id`.
pub fn prepare(_host: &Host, _id: &str, _source: &Source) -> Result<Prepared, Failure> {
    Err(Failure::new(crate::error::Kind::Unknown, "not yet"))
}

/// Alias for `landfall plan`.
pub fn plan_of(host: &Host, id: &str, source: &Source) -> Result<Prepared, Failure> {
    prepare(host, id, source)
}
