//! An instance's directory: user-data, configuration, plan, journal, backups, output.

use serde::{Deserialize, Serialize};

use super::prepare::{Prepared, Source};
use crate::compat;
use crate::config::node::{Node, Origin};
use crate::datasource::Found;
use crate::engine::journal::Journal;
use crate::engine::ledger::Ledger;
use crate::engine::Places;
use crate::error::{Failure, Kind};
use crate::hash::sha256_hex;
use crate::host::append_log::AppendLog;
use crate::host::files::Attributes;
use crate::host::Host;
use crate::identity::STATE;
use crate::plan::operation::Bytes;
use crate::plan::{self, Frequency, Plan, PlanError, Stage};

const PRIVATE_DIRECTORY: Attributes = Attributes { mode: 0o700, uid: 0, gid: 0 };
const PRIVATE_FILE: Attributes = Attributes { mode: 0o600, uid: 0, gid: 0 };

/// Digest of the user-data that the instance came with, where that is not what is stored.
const ORIGINAL: &str = "user-data.sha256";

/// What the datasource gave, while a part of the user-data is still to be fetched.
const SOURCE: &str = "source.json";

/// What was included once, by the digest of its address.
const INCLUDES: &str = "includes";

/// What counts.
const PLAN: &str = "plan.json";

/// Whether what a plan is made of is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inputs {
    /// It is.
    Stored,
    /// It is not, or not this.
    ToBeStored,
}

fn inputs(prepared: &Prepared) -> [(&'static str, &Vec<u8>); 2] {
    [("user-data", &prepared.user_data), ("config.json", &prepared.config_json)]
}

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

    /// The directory for what is included once.
    pub fn includes(&self) -> String {
        self.path(INCLUDES)
    }

    /// What the datasource gave, if a part of it is still to be fetched.
    pub fn source(&self, host: &Host) -> Result<Option<Source>, Failure> {
        let path = self.path(SOURCE);
        let Some(bytes) = host.read(&path).map_err(|error| Failure::io(&path, &error))? else { return Ok(None) };
        let stored: StoredFound = serde_json::from_slice(&bytes).map_err(|error| Failure::new(Kind::Disk, format!("{path}: {error}")))?;
        Ok(Some(Source::Datasource(Box::new(stored.into()))))
    }

    /// Keeps what the datasource gave while a part of it is still to be fetched, and no longer.
    fn keep_source(&self, host: &Host, source: &Source, plan: &Plan) -> Result<(), Failure> {
        let path = self.path(SOURCE);
        let failed = |error: std::io::Error| Failure::io(&path, &error);
        match source {
            Source::Datasource(found) if plan.is_incomplete() => {
                let text = serde_json::to_vec(&StoredFound::from(&**found)).map_err(|error| failed(error.into()))?;
                host.write(&path, &text, PRIVATE_FILE).map_err(failed)
            }
            _ => host.remove(&path).map(drop).map_err(failed),
        }
    }

    /// Stores what was prepared of a source; the plan last, because it is what counts, and what is needed to complete it before.
    pub(super) fn store_of(&self, host: &Host, source: &Source, prepared: &Prepared, inputs: Inputs) -> Result<(), Failure> {
        if prepared.plan.is_incomplete() {
            host.make_directories(&self.places().instance, PRIVATE_DIRECTORY).map_err(|error| Failure::io(STATE, &error))?;
            self.keep_source(host, source, &prepared.plan)?;
        }
        self.store(host, prepared, inputs)?;
        self.keep_source(host, source, &prepared.plan)
    }

    /// The directory and those in it.
    fn directories(&self) -> [String; 3] {
        let instance = self.places().instance;
        [STATE.to_owned(), format!("{instance}/output"), format!("{instance}/backups")]
    }

    /// Makes the directory and those in it; it is for the caller to sync them.
    pub(super) fn make_unsynced(&self, host: &Host) -> Result<(), Failure> {
        let make = |directory: &String| {
            host.make_directories_unsynced(directory, PRIVATE_DIRECTORY).map_err(|error| Failure::io(directory, &error))
        };
        self.directories().iter().try_for_each(make)
    }

    /// Stores what the plan is made of, and leaves it to the caller to sync it. Where there is a plan already it counts, and nothing
    /// is done.
    pub(super) fn store_inputs_unsynced(&self, host: &Host, prepared: &Prepared) -> Result<Inputs, Failure> {
        if host.exists(&self.path(PLAN)) {
            return Ok(Inputs::ToBeStored);
        }
        for (name, bytes) in inputs(prepared) {
            let path = self.path(name);
            host.write_copy(&path, bytes, PRIVATE_FILE.mode).map_err(|error| Failure::io(&path, &error))?;
        }
        Ok(Inputs::Stored)
    }

    /// Stores what was prepared; the plan last, because it is what counts.
    fn store(&self, host: &Host, prepared: &Prepared, stored: Inputs) -> Result<(), Failure> {
        let wiped = self.path(ORIGINAL);
        host.remove(&wiped).map_err(|error| Failure::io(&wiped, &error))?;
        self.write(host, prepared, stored)
    }

    fn write(&self, host: &Host, prepared: &Prepared, stored: Inputs) -> Result<(), Failure> {
        for directory in self.directories() {
            host.make_directories(&directory, PRIVATE_DIRECTORY).map_err(|error| Failure::io(&directory, &error))?;
        }
        for (name, bytes) in inputs(prepared).into_iter().filter(|_| stored == Inputs::ToBeStored) {
            let path = self.path(name);
            host.write(&path, bytes, PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))?;
        }
        self.store_plan(host, &prepared.plan)
    }

    /// As [`Self::store`], for user-data that was given by hand: which user-data the instance came with is not forgotten, and is
    /// kept before anything else is.
    pub fn store_applied(&self, host: &Host, prepared: &Prepared) -> Result<(), Failure> {
        let path = self.path(ORIGINAL);
        let failed = |error: std::io::Error| Failure::io(&path, &error);
        if let Some(original) = self.user_data(host).filter(|_| !host.exists(&path)) {
            host.write(&path, sha256_hex(&original).as_bytes(), PRIVATE_FILE).map_err(failed)?;
        }
        self.write(host, prepared, Inputs::ToBeStored)
    }

    /// Stores a plan in the place of the one that is there; what it is made of stays.
    pub(super) fn store_plan(&self, host: &Host, plan: &Plan) -> Result<(), Failure> {
        let text = plan::to_stored_json(plan).map_err(|error| Failure::new(Kind::Unknown, error.to_string()))?;
        let path = self.path(PLAN);
        host.write(&path, &text, PRIVATE_FILE).map_err(|error| Failure::io(&path, &error))
    }

    /// The stored plan, if there is one.
    pub fn load_plan(&self, host: &Host) -> Result<Option<Plan>, Failure> {
        let path = self.path(PLAN);
        let Some(bytes) = host.read(&path).map_err(|error| Failure::io(&path, &error))? else { return Ok(None) };
        match plan::parse(&bytes) {
            Ok(plan) => Ok(Some(plan)),
            Err(error @ PlanError::Newer { .. }) => Err(Failure::new(Kind::Config, error.to_string())),
            Err(error) => Err(Failure::new(Kind::Disk, format!("{path}: {error}")).hint(
                "the next boot makes it anew from the datasource, if that still has the same user-data; `landfall clean` forgets the run",
            )),
        }
    }

    /// Puts a plan that cannot be read aside, so that another can be made.
    pub fn put_aside_damaged_plan(&self, host: &Host) -> Result<String, Failure> {
        let (path, aside) = (self.path(PLAN), self.path("plan.json.damaged"));
        let bytes = host.read(&path).map_err(|error| Failure::io(&path, &error))?.unwrap_or_default();
        host.write(&aside, &bytes, PRIVATE_FILE).map_err(|error| Failure::io(&aside, &error))?;
        host.remove(&path).map_err(|error| Failure::io(&path, &error))?;
        Ok(aside)
    }

    /// Whether steps have left something here, of which a journal tells first. (A copy of what a file held is made before.)
    pub fn has_traces(&self, host: &Host) -> bool {
        let places = self.places();
        let left = [places.shell_states(Frequency::Instance), format!("{}/output", places.instance)];
        left.iter().any(|directory| host.list(directory).is_ok_and(|names| !names.is_empty()))
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
        for path in [self.path("user-data"), self.path("config.json"), self.path(SOURCE)] {
            host.remove(&path).map_err(|error| Failure::io(&path, &error))?;
        }
        let includes = self.includes();
        for name in host.list(&includes).map_err(|error| Failure::io(&includes, &error))? {
            let path = format!("{includes}/{name}");
            host.remove(&path).map_err(|error| Failure::io(&path, &error))?;
        }
        compat::wipe(host, &self.name).map_err(|error| Failure::io("cloud-init's files", &error))?;
        // The states of shells hold every variable that the scripts had.
        let places = self.places();
        for directory in [places.shell_states(Frequency::Instance), format!("{}/sh", places.boot)] {
            host.remove_tree(&directory).map_err(|error| Failure::io(&directory, &error))?;
        }
        host.sync_filesystems()?;
        let unknown = |error: PlanError| Failure::new(Kind::Unknown, error.to_string());
        let stored = plan::wiped(plan).and_then(|plan| plan::to_stored_json(&plan)).map_err(unknown)?;
        let path = self.path(PLAN);
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

/// What a datasource gave, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredFound {
    source: String,
    places: Vec<String>,
    instance_id: String,
    local_hostname: Option<String>,
    public_keys: Vec<String>,
    user_data: Bytes,
    vendor_data: Option<Bytes>,
    vendor_data2: Option<Bytes>,
    network_config: Option<Bytes>,
    dsmode: Option<String>,
    metadata: serde_json::Value,
}

impl From<&Found> for StoredFound {
    fn from(found: &Found) -> Self {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.clone().map(Bytes);
        Self {
            source: found.source.to_owned(),
            places: found.places.clone(),
            instance_id: found.instance_id.clone(),
            local_hostname: found.local_hostname.clone(),
            public_keys: found.public_keys.clone(),
            user_data: Bytes(found.user_data.clone()),
            vendor_data: bytes(&found.vendor_data),
            vendor_data2: bytes(&found.vendor_data2),
            network_config: bytes(&found.network_config),
            dsmode: found.dsmode.clone(),
            metadata: found.metadata.to_json(),
        }
    }
}

impl From<StoredFound> for Found {
    fn from(stored: StoredFound) -> Self {
        let bytes = |bytes: Option<Bytes>| bytes.map(|bytes| bytes.0);
        Self {
            // One word for as long as the process lives.
            source: Box::leak(stored.source.into_boxed_str()),
            places: stored.places,
            instance_id: stored.instance_id,
            local_hostname: stored.local_hostname,
            public_keys: stored.public_keys,
            user_data: stored.user_data.0,
            vendor_data: bytes(stored.vendor_data),
            vendor_data2: bytes(stored.vendor_data2),
            network_config: bytes(stored.network_config),
            dsmode: stored.dsmode,
            metadata: Node::from_json(&stored.metadata, &Origin::new("meta-data", 1, 1)),
        }
    }
}
