//! Which instance is this?
//!
//! The id is fetched from a datasource or it is unknown. [`decide`] is the whole policy, as a pure function; the rest
//! of this file is its memory, `host.json`.
//!
//! Hardware facts (DMI uuid, machine-id) never make an instance new; they only tell, where no id was ever recorded, whether
//! this is still the machine landfall was installed on.

use serde::{Deserialize, Serialize};

use crate::error::{Failure, Kind};
use crate::host::files::Attributes;
use crate::host::Host;

/// landfall's state directory (0700).
pub const STATE: &str = "/var/lib/landfall";
/// Where the identity is kept (0600).
pub const HOST_FILE: &str = "/var/lib/landfall/host.json";
/// Newest format of that file this program reads and writes.
const FORMAT: u32 = 1;
/// File names are shorter than this.
const LONGEST_NAME: usize = 200;

/// What is known of this host from an earlier boot or from installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Stored format.
    pub format: u32,
    /// The instance's id; absent where no datasource has ever answered.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// Name of its directory below `instances/`; absent where nothing was ever run.
    #[serde(default)]
    pub directory: Option<String>,
    /// DMI uuid at that time.
    #[serde(default)]
    pub dmi_uuid: Option<String>,
    /// Machine id at that time.
    #[serde(default)]
    pub machine_id: Option<String>,
    /// Written when the package was installed on a running system.
    #[serde(default)]
    pub installed_on_running_system: bool,
    /// The datasource the id came from: `nocloud`, `cloud-init`.
    #[serde(default)]
    pub source: Option<String>,
    /// The first boot of the machine, where this was recorded in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_boot: Option<String>,
}

/// Whether this boot is the first of a machine that was made from an image: nothing has been cut off on it before.
pub fn is_first_boot(host: &Host) -> bool {
    let recorded = Recorded::load(host).ok().flatten();
    recorded.and_then(|recorded| recorded.first_boot).is_some_and(|boot| boot == host.boot_id())
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            format: FORMAT,
            instance_id: None,
            directory: None,
            dmi_uuid: None,
            machine_id: None,
            installed_on_running_system: false,
            source: None,
            first_boot: None,
        }
    }
}

/// The machine as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Here {
    /// DMI uuid.
    pub dmi_uuid: Option<String>,
    /// Machine id.
    pub machine_id: Option<String>,
}

/// What the datasources say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// One answered with this id.
    Id(String),
    /// One is there but could not be read.
    NoAnswer,
    /// None is there.
    NoSource,
}

/// Which instance this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// One never seen here: plan it and run it.
    NewInstance(String),
    /// The recorded one: finish what is unfinished.
    SameInstance(String),
    /// The host landfall was installed on while it ran, whose id is now known: record the id, provision nothing.
    Adopt(String),
    /// A known instance whose datasource gives no answer: nothing is planned, the run is degraded.
    Outage {
        /// The hardware is the recorded one, so what is unfinished may go on; otherwise it may be a clone, and nothing is touched.
        same_machine: bool,
    },
    /// No datasource and no id, but landfall was installed or used by hand here: finish what is unfinished.
    Manual,
    /// A host never seen, whose datasource is there but cannot be read.
    Unanswered,
    /// A host never seen, without datasource.
    NothingToDo,
}

/// Decides which instance this is.
pub fn decide(recorded: Option<&Recorded>, here: &Here, fetched: Fetched) -> Decision {
    let known_id = recorded.and_then(|recorded| recorded.instance_id.as_deref());
    match (recorded, known_id, fetched) {
        (None, _, Fetched::Id(id)) => Decision::NewInstance(id),
        (None, _, Fetched::NoAnswer) => Decision::Unanswered,
        (None, _, Fetched::NoSource) => Decision::NothingToDo,
        (Some(_), Some(known), Fetched::Id(id)) if known == id => Decision::SameInstance(id),
        (Some(_), Some(_), Fetched::Id(id)) => Decision::NewInstance(id),
        (Some(recorded), Some(_), Fetched::NoAnswer | Fetched::NoSource) => {
            Decision::Outage { same_machine: matches_wholly(recorded, here) }
        }
        (Some(recorded), None, Fetched::Id(id)) if matches_partly(recorded, here) => Decision::Adopt(id),
        (Some(_), None, Fetched::Id(id)) => Decision::NewInstance(id),
        (Some(_), None, Fetched::NoAnswer | Fetched::NoSource) => Decision::Manual,
    }
}

fn facts<'a>(recorded: &'a Recorded, here: &'a Here) -> impl Iterator<Item = bool> + 'a {
    let pairs = [(&recorded.dmi_uuid, &here.dmi_uuid), (&recorded.machine_id, &here.machine_id)];
    pairs.into_iter().filter_map(|(then, now)| Some(then.as_ref()? == now.as_ref()?))
}

/// One fact is enough: a host that runs must not be provisioned anew because its board or its machine-id was replaced.
fn matches_partly(recorded: &Recorded, here: &Here) -> bool {
    facts(recorded, here).any(|equal| equal)
}

/// Every fact known then and now is equal, and there is one.
fn matches_wholly(recorded: &Recorded, here: &Here) -> bool {
    matches_partly(recorded, here) && facts(recorded, here).all(|equal| equal)
}

/// The name of an instance's directory: its id, made safe. `/` becomes `_`, as under cloud-init; an id that cannot be a file
/// name gets one by its digest.
pub fn directory_of(id: &str) -> String {
    let name: String = id.chars().map(|c| if c == '/' { '_' } else { c }).collect();
    let usable = !name.is_empty() && name.len() <= LONGEST_NAME && !name.starts_with('.') && !name.chars().any(char::is_control);
    if usable {
        name
    } else {
        format!("id-{}", &crate::plan::digest_of(&id)[..32])
    }
}

impl Here {
    /// Reads the machine's facts.
    pub fn read(host: &Host) -> Self {
        Self { dmi_uuid: host.dmi_uuid(), machine_id: host.machine_id() }
    }

    /// As [`Self::read`], for what is recorded before any boot: an image that is being built has no facts. The machine it is
    /// built on is another one, and a machine-id left in it would be that of every copy.
    pub fn of_running_system(host: &Host) -> Self {
        if host.is_live() && !host.in_chroot() {
            Self::read(host)
        } else {
            Self::default()
        }
    }
}

impl Recorded {
    /// What is recorded; `None` on a host never seen.
    ///
    /// # Errors
    /// A file that cannot be read is an error, not a new host: taking it for one could provision a running host anew.
    pub fn load(host: &Host) -> Result<Option<Self>, Failure> {
        let Some(bytes) = host.read(HOST_FILE).map_err(|error| Failure::io(HOST_FILE, &error))? else { return Ok(None) };
        let recorded: Self = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(Kind::Config, format!("{HOST_FILE} cannot be read: {error}"))
                .hint(format!("if this host may be provisioned anew, remove {HOST_FILE}; then reboot"))
        })?;
        if recorded.format > FORMAT {
            let message = format!("{HOST_FILE} was written by a newer landfall (format {}, this one reads {FORMAT})", recorded.format);
            return Err(Failure::new(Kind::Config, message).hint("install the newer landfall again"));
        }
        Ok(Some(recorded))
    }

    /// Stores it, atomically and durably, if it differs from what is stored. Says whether it wrote.
    pub fn store(&self, host: &Host) -> Result<bool, Failure> {
        let failed = |error: std::io::Error| Failure::io(HOST_FILE, &error);
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        text.push(b'\n');
        if host.read(HOST_FILE).map_err(failed)?.as_deref() == Some(text.as_slice()) {
            return Ok(false);
        }
        host.make_directories(STATE, Attributes::own(0o700)).map_err(failed)?;
        host.write(HOST_FILE, &text, Attributes::own(0o600)).map_err(failed)?;
        Ok(true)
    }

    /// The same, for a host that was in use before landfall was there.
    pub fn of_host_in_use(here: &Here) -> Self {
        Self { installed_on_running_system: true, ..Self::of(here) }
    }

    /// The machine as it is now, without an instance.
    pub fn of(here: &Here) -> Self {
        Self { dmi_uuid: here.dmi_uuid.clone(), machine_id: here.machine_id.clone(), ..Self::default() }
    }
}

/// At installation: remembers the machine, so that an id that appears later is adopted and this host is never provisioned for
/// having got a datasource. Does nothing while an image is built, and never overwrites. Says whether it recorded.
pub fn record_installation(host: &Host) -> Result<bool, Failure> {
    if !host.runs_systemd() || host.in_chroot() || host.exists(HOST_FILE) {
        return Ok(false);
    }
    Recorded::of_host_in_use(&Here::read(host)).store(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<String> {
        (text != "-").then(|| text.to_owned())
    }

    fn recorded(id: &str, dmi: &str, machine: &str) -> Recorded {
        Recorded { instance_id: text(id), dmi_uuid: text(dmi), machine_id: text(machine), ..Recorded::default() }
    }

    fn here(dmi: &str, machine: &str) -> Here {
        Here { dmi_uuid: text(dmi), machine_id: text(machine) }
    }

    #[test]
    fn every_history_of_a_host_leads_to_its_instance() {
        use Decision::{Adopt, Manual, NewInstance, NothingToDo, Outage, SameInstance, Unanswered};
        use Fetched::{NoAnswer, NoSource};
        let id = |id: &str| Fetched::Id(id.into());
        let rows: [(&str, Option<Recorded>, Here, Fetched, Decision); 24] = [
            ("first boot", None, here("A", "m"), id("i-1"), NewInstance("i-1".into())),
            ("first boot without machine-id or DMI", None, here("-", "-"), id("i-1"), NewInstance("i-1".into())),
            ("first boot, datasource broken", None, here("A", "m"), NoAnswer, Unanswered),
            ("image without landfall's state and without datasource", None, here("A", "m"), NoSource, NothingToDo),
            ("second boot", Some(recorded("i-1", "A", "m")), here("A", "m"), id("i-1"), SameInstance("i-1".into())),
            ("provider gives a new id", Some(recorded("i-1", "A", "m")), here("A", "m"), id("i-2"), NewInstance("i-2".into())),
            ("clone with its own id", Some(recorded("i-1", "A", "m")), here("B", "m"), id("i-2"), NewInstance("i-2".into())),
            (
                "image captured from a provisioned host",
                Some(recorded("i-1", "A", "m")),
                here("B", "n"),
                id("i-2"),
                NewInstance("i-2".into()),
            ),
            ("DMI changed alone", Some(recorded("i-1", "A", "m")), here("B", "m"), id("i-1"), SameInstance("i-1".into())),
            ("machine-id changed alone", Some(recorded("i-1", "A", "m")), here("A", "n"), id("i-1"), SameInstance("i-1".into())),
            (
                "moved to other hardware, reinstalled machine-id",
                Some(recorded("i-1", "A", "m")),
                here("B", "n"),
                id("i-1"),
                SameInstance("i-1".into()),
            ),
            ("outage", Some(recorded("i-1", "A", "m")), here("A", "m"), NoAnswer, Outage { same_machine: true }),
            (
                "volume detached after the first boot",
                Some(recorded("i-1", "A", "m")),
                here("A", "m"),
                NoSource,
                Outage { same_machine: true },
            ),
            (
                "outage after the DMI changed alone",
                Some(recorded("i-1", "A", "m")),
                here("B", "m"),
                NoAnswer,
                Outage { same_machine: false },
            ),
            ("clone whose datasource is away", Some(recorded("i-1", "A", "m")), here("B", "n"), NoAnswer, Outage { same_machine: false }),
            (
                "outage on a machine without facts",
                Some(recorded("i-1", "-", "-")),
                here("-", "-"),
                NoAnswer,
                Outage { same_machine: false },
            ),
            ("outage, DMI not readable any more", Some(recorded("i-1", "A", "m")), here("-", "m"), NoAnswer, Outage { same_machine: true }),
            ("apt install on a running host, no datasource", Some(recorded("-", "A", "m")), here("A", "m"), NoSource, Manual),
            ("apt install on a running host, datasource broken", Some(recorded("-", "A", "m")), here("A", "m"), NoAnswer, Manual),
            (
                "apt install on a running host, then an id appears",
                Some(recorded("-", "A", "m")),
                here("A", "m"),
                id("i-1"),
                Adopt("i-1".into()),
            ),
            ("the same with a new board", Some(recorded("-", "A", "m")), here("B", "m"), id("i-1"), Adopt("i-1".into())),
            ("the same with a new machine-id", Some(recorded("-", "A", "m")), here("A", "n"), id("i-1"), Adopt("i-1".into())),
            (
                "image captured from a host landfall was installed on",
                Some(recorded("-", "A", "m")),
                here("B", "n"),
                id("i-1"),
                NewInstance("i-1".into()),
            ),
            ("installed where no fact was known", Some(recorded("-", "-", "-")), here("-", "-"), id("i-1"), NewInstance("i-1".into())),
        ];
        for (history, recorded, here, fetched, expected) in rows {
            assert_eq!(decide(recorded.as_ref(), &here, fetched), expected, "{history}");
        }
    }

    #[test]
    fn an_adopted_host_is_the_same_instance_from_then_on() {
        let before = Recorded { directory: Some("manual".into()), ..recorded("-", "A", "m") };
        let Decision::Adopt(id) = decide(Some(&before), &here("A", "m"), Fetched::Id("i-1".into())) else { panic!("not adopted") };
        let after = Recorded { instance_id: Some(id), ..before };
        assert_eq!(decide(Some(&after), &here("B", "n"), Fetched::Id("i-1".into())), Decision::SameInstance("i-1".into()));
    }

    #[test]
    fn a_copy_of_an_image_that_was_applied_to_is_a_new_instance() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc")).expect("mkdir");
        std::fs::write(dir.path().join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").expect("write");
        let image = Host::rooted(dir.path());
        let recorded = Recorded::of(&Here::of_running_system(&image));
        let booted = Here::read(&image);
        assert!(booted.machine_id.is_some());
        assert_eq!(decide(Some(&recorded), &booted, Fetched::Id("i-1".into())), Decision::NewInstance("i-1".into()));
    }

    #[test]
    fn a_directory_name_cannot_leave_its_directory() {
        assert_eq!(directory_of("i-0abc"), "i-0abc");
        assert_eq!(directory_of("a/b"), "a_b");
        for id in ["", ".", "..", ".hidden", "a\0b", "a\nb", &"x".repeat(300)] {
            let name = directory_of(id);
            assert!(name.starts_with("id-") && name.len() == 35, "{id:?}: {name}");
        }
        assert_ne!(directory_of("."), directory_of(".."));
    }

    #[test]
    fn a_damaged_record_is_an_error_and_not_a_new_host() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        assert_eq!(Recorded::load(&host), Ok(None));
        std::fs::create_dir_all(dir.path().join("var/lib/landfall")).expect("mkdir");
        for bad in ["", "{", r#"{"format": 2}"#] {
            std::fs::write(dir.path().join("var/lib/landfall/host.json"), bad).expect("write");
            assert_eq!(Recorded::load(&host).expect_err("refused").kind, Kind::Config);
        }
    }

    #[test]
    fn storing_the_same_twice_writes_once() {
        let dir = tempfile::tempdir().expect("dir");
        let host = Host::rooted(dir.path());
        let recorded = recorded("i-1", "A", "m");
        assert_eq!((recorded.store(&host), recorded.store(&host)), (Ok(true), Ok(false)));
        assert_eq!(Recorded::load(&host), Ok(Some(recorded)));
        let status = host.status(HOST_FILE).expect("status").expect("there");
        assert_eq!(status.attributes.mode, 0o600);
        assert_eq!(record_installation(&host), Ok(false), "an image is not a running system");
    }
}
