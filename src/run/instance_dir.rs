//! An instance's directory: user-data, configuration, plan, journal, backups, output.

use super::prepare::{Prepared, Source};
use crate::compat;
use crate::engine::journal::Journal;
use crate::engine::ledger::Ledger;
use crate::engine::Places;
use crate::error::{Failure, Kind};
use crate::host::append_log::AppendLog;
use crate::host::backups::sha256_hex;
use crate::host::files::Attributes;
use crate::host::Host;
use crate::identity::STATE;
use crate::plan::{self, Plan, PlanError, Stage};

const PRIVATE_DIRECTORY: Attributes = Attributes { mode: 0o700, uid: 0, gid: 0 };
const PRIVATE_FILE: Attributes = Attributes { mode: 0o600, uid: 0, gid: 0 };

/// Digest of the user-data that the instance came with, where that is not what is stored.
const ORIGINAL: &str = "user-data.sha256";

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
        let wiped = self.path(ORIGINAL);
        host.remove(&wiped).map_err(|error| Failure::io(&wiped, &error))?;
        let files = [("user-data", &prepared.user_data), ("config.json", &prepared.config_json), ("plan.json", &plan)];
        for (name, bytes) in files {
            let path = self.path(name);
            host.write(&path, bytes, PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))?;
        }
        Ok(())
    }

    /// As [`Self::store`], for user-data that was given by hand: which user-data the instance came with is not forgotten.
    pub fn store_applied(&self, host: &Host, prepared: &Prepared) -> Result<(), Failure> {
        let path = self.path(ORIGINAL);
        let failed = |error: std::io::Error| Failure::io(&path, &error);
        let original = match host.read(&path).map_err(failed)? {
            Some(digest) => Some(digest),
            None => self.user_data(host).map(|bytes| sha256_hex(&bytes).into_bytes()),
        };
        self.store(host, prepared)?;
        match original {
            Some(digest) => host.write(&path, &digest, PRIVATE_FILE).map_err(failed),
            None => Ok(()),
        }
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

    /// Whether the user-data that the instance came with is that of `source`.
    pub fn holds(&self, host: &Host, source: &Source) -> bool {
        let read = |name: &str| host.read(&self.path(name)).ok().flatten();
        match read(ORIGINAL) {
            Some(digest) => digest == sha256_hex(source.user_data()).as_bytes(),
            None => read("user-data").is_some_and(|stored| stored == source.user_data()),
        }
    }

    /// Removes what is stored of the user-data and is not needed at later boots; its digest stays. The plan last: it tells that all
    /// is wiped.
    pub fn wipe(&self, host: &Host, plan: &Plan) -> Result<(), Failure> {
        let path = self.path(ORIGINAL);
        if let Some(user_data) = self.user_data(host).filter(|_| !host.exists(&path)) {
            host.write(&path, sha256_hex(&user_data).as_bytes(), PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))?;
        }
        for path in [self.path("user-data"), self.path("config.json")] {
            host.remove(&path).map_err(|error| Failure::io(&path, &error))?;
        }
        compat::wipe(host, &self.name).map_err(|error| Failure::io("cloud-init's files", &error))?;
        let unknown = |error: PlanError| Failure::new(Kind::Unknown, error.to_string());
        let stored = plan::wiped(plan).and_then(|plan| plan::to_stored_json(&plan)).map_err(unknown)?;
        let path = self.path("plan.json");
        host.write(&path, &stored, PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))
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
