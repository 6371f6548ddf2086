//! From typed configuration and facts to steps. One file per family of cloud-config keys.
//!
//! A module is a pure function: it never touches the host, never retries, never logs. To add a key: a field in
//! `config/typed`, a function here that turns it into steps, a line in [`MODULES`], a table of tests beside the function.

mod steps;
mod write_files;

pub use steps::{StepBuilder, Steps};

use crate::config::typed::CloudConfig;
use crate::facts::Facts;
use crate::plan::{Frequency, Stage};

/// One family of keys.
pub struct Module {
    /// The peer's module name.
    pub name: &'static str,
    /// The stage its steps are due in, if nothing before them has to wait for a later one.
    pub stage: Stage,
    /// How often, unless a step says otherwise.
    pub frequency: Frequency,
    /// The top-level keys it reads.
    pub keys: &'static [&'static str],
    /// Turns configuration into steps.
    pub plan: fn(&CloudConfig, &Facts, &mut Steps),
}

/// Every module in the order it is run, which is the peer's.
pub const MODULES: &[Module] = &[write_files::EARLY, write_files::DEFERRED];

/// Plans a whole configuration in the order of [`MODULES`].
pub fn plan_all(config: &CloudConfig, facts: &Facts, steps: &mut Steps) {
    for module in MODULES {
        steps.module(module.name, module.stage, module.frequency);
        (module.plan)(config, facts, steps);
    }
}
