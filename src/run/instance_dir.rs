//! An instance's directory: user-data, configuration, plan, journal, backups, output.

use super::prepare::{Prepared, Source};
use crate::engine::journal::Journal;
use crate::engine::ledger::Ledger;
use crate::engine::Places;
use crate::error::{Failure, Kind};
use crate::host::append_log::AppendLog;
use crate::host::files::Attributes;
use crate::host::Host;
use crate::identity::STATE;
use crate::plan::{self, Plan, PlanError, Stage};

const PRIVATE_DIRECTORY: Attributes = Attributes { mode: 0o700, uid: 0, gid: 0 };
const PRIVATE_FILE: Attributes = Attributes { mode: 0o600, uid: 0, gid: 0 };

/// The directory of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceDir {
    name: String,
}

impl InstanceDir {
    /// Its name where user-data is applied by hand on a host without an instance id.
    pub const MANUAL: &'static str = "manual";

    /// The directory `instances/NAME`.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// Its name below `instances/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn path(&self, file: &str) -> String {
        format!("{STATE}/instances/{}/{file}", self.name)
    }

    /// Where the engine's files stand.
    pub fn places(&self) -> Places {
        Places { instance: format!("{STATE}/instances/{}", self.name), boot: format!("{}/private", super::RUNTIME) }
    }

    /// Stores what was prepared; the plan last, because it is what counts.
    pub fn store(&self, host: &Host, prepared: &Prepared) -> Result<(), Failure> {
        let places = self.places();
        host.make_directories(STATE, PRIVATE_DIRECTORY).map_err(|error| Failure::io(STATE, &error))?;
        for directory in [format!("{}/output", places.instance), format!("{}/backups", places.instance)] {
            host.make_directories(&directory, PRIVATE_DIRECTORY).map_err(|error| Failure::io(&directory, &error))?;
        }
        let plan = plan::to_stored_json(&prepared.plan).map_err(|error| Failure::new(Kind::Unknown, error.to_string()))?;
        let files = [("user-data", &prepared.user_data), ("config.json", &prepared.config_json), ("plan.json", &plan)];
        for (name, bytes) in files {
            let path = self.path(name);
            host.write(&path, bytes, PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))?;
        }
        Ok(())
    }

    /// The stored plan, if there is one.
    pub fn load_plan(&self, host: &Host) -> Result<Option<Plan>, Failure> {
        let path = self.path("plan.json");
        let Some(bytes) = host.read(&path).map_err(|error| Failure::io(&path, &error))? else { return Ok(None) };
        match plan::parse(&bytes) {
            Ok(plan) => Ok(Some(plan)),
            Err(error @ PlanError::Newer { .. }) => Err(Failure::new(Kind::Config, error.to_string())),
            Err(error) => Err(Failure::new(Kind::Config, format!("{path}: {error}")).hint("`landfall clean` forgets the run")),
        }
    }

    /// Whether the stored user-data is that of `source`.
    pub fn holds(&self, host: &Host, source: &Source) -> bool {
        host.read(&self.path("user-data")).ok().flatten().as_deref() == Some(source.user_data())
    }

    /// The stored user-data, for messages that quote it.
    pub fn user_data(&self, host: &Host) -> Option<Vec<u8>> {
        host.read(&self.path("user-data")).ok().flatten()
    }

    /// The journals. With `view`, nothing is mended and nothing can be appended.
    pub fn ledger(&self, host: &Host, stage: Stage, view: bool) -> Result<Ledger, Failure> {
        let runtime = format!("{}/boot-journal", super::RUNTIME);
        let open = |path: &str, durable: bool| {
            let log = AppendLog::new(host.real_path(path), durable);
            if view {
                Journal::view(log)
            } else {
                Journal::open(log)
            }
        };
        Ok(Ledger::new(open(&self.path("journal"), true)?, open(&format!("{STATE}/once"), true)?, open(&runtime, false)?, stage))
    }
}
