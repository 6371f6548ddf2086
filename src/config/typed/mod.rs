//! The typed configuration: one struct a key family, read from the merged document.
//!
//! [`CloudConfig::read`] also deals out the top-level keys: what a phase of the `landfall` section takes over is in that phase
//! and nowhere else.

mod advice;
pub mod ansible;
pub mod apt;
pub mod chef;
pub mod cloud;
pub mod conditions;
pub mod files;
pub mod keyboard;
pub mod keys;
pub mod landfall;
mod legacy;
pub mod module_lists;
pub mod notify;
pub mod ntp;
pub mod others;
pub mod packages;
pub mod passwords;
mod phase_order;
pub mod phone_home;
pub mod pipelining;
pub mod puppet;
pub mod reader;
mod record;
pub mod reporting;
pub mod resources;
pub mod rsyslog;
pub mod salt;
pub mod scalars;
pub mod schema;
pub mod scripts;
pub mod seed;
pub mod services;
pub mod shape;
pub mod snap;
pub mod ssh;
pub mod storage;
pub mod system;
pub mod ubuntu;
pub mod users;
pub mod wireguard;

use std::collections::BTreeSet;

pub use files::FileEntry;
pub use keys::Keys;
pub use landfall::Phase;
pub use scalars::{Located, Text};
pub use scripts::ScriptItems;
pub use users::UserEntry;

use crate::config::network::Network;
use crate::config::node::{Entry, Node, Value};
use crate::config::problem::Report;
use crate::plan::digest_of;
use crate::plan::notify::Listener;
use crate::plan::operation::OnInterrupt;
use crate::plan::{BreakerLimits, OnError, Resources, Retention};
use crate::secret::Secret;
use landfall::{ExitCodes, RawPhase, Retry, Section, Timeouts};
use reader::{nearest, FromNode as _, Reader};

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct CloudConfig {
    /// Keys run in the default order.
    pub keys: Keys,
    /// Top-level keys that phases have taken over.
    pub moved: BTreeSet<String>,
    /// Phases in the order they are run.
    pub phases: Vec<Phase>,
    /// What holds for every step that says nothing else.
    pub defaults: Defaults,
    /// Who is told how the run ended.
    pub notify: Vec<Listener>,
    /// Passwords, keys, tokens and credentials, for the redactor; not the contents of files and scripts.
    pub secrets: Vec<Secret<String>>,
    /// The network that the datasource asks for; no key of the document.
    pub network: Option<Network>,
    /// Digest of the document.
    pub digest: String,
}

/// Whether a password is also the name of a user or of a package, as in `ubuntu:ubuntu`. Text that is shown has those words anyhow; to
/// mask each of them would tell the password, and hide what is done.
fn is_said_in_clear(secret: &str, keys: &Keys) -> bool {
    let chpasswd = keys.chpasswd.as_ref();
    let users = keys.users.iter().flat_map(|users| &users.0).filter_map(|user| user.name.as_ref());
    let given = chpasswd.into_iter().flat_map(|given| &given.users).map(|entry| &entry.name);
    let lines = chpasswd.into_iter().flat_map(|given| &given.list.0).map(|line| &line.user);
    ["root", "debian", "ubuntu"].contains(&secret)
        || users.chain(given).any(|name| name.0 == secret)
        || lines.into_iter().any(|user| user == secret)
        || keys.packages.0.iter().any(|package| package.spec == secret)
}

/// What the `landfall` section says of every step.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// What a failure does.
    pub on_error: Option<OnError>,
    /// What an interruption means.
    pub on_interrupt: Option<OnInterrupt>,
    /// How often a transient failure is tried again.
    pub retry: Option<Retry>,
    /// When a host or service that fails is left alone.
    pub breaker: BreakerLimits,
    /// What the host must have left.
    pub resources: Resources,
    /// Exit codes that mean success.
    pub accept_exit: ExitCodes,
    /// Limits of time.
    pub timeouts: Timeouts,
    /// Remove the stored user-data when the run has ended well.
    pub wipe_user_data: bool,
    /// How long copies of what files held before are kept.
    pub backups: Retention,
}

impl CloudConfig {
    /// Reads the merged document; what does not fit is reported and left out. `None` where it is no mapping.
    pub fn read(document: &Node, report: &mut Report) -> Option<Self> {
        Self::deal(document, false, report)
    }

    /// Reads only the `landfall` section: the peer does the top-level keys itself, also those a phase names.
    pub fn read_section(document: &Node, report: &mut Report) -> Option<Self> {
        Self::deal(document, true, report)
    }

    fn deal(document: &Node, hosted: bool, report: &mut Report) -> Option<Self> {
        let mut reader = Reader::new(report);
        let empty = Node::new(Value::Map(Vec::new()), document.origin.clone());
        let document = if document.is_null() { &empty } else { document };
        let Some(entries) = document.as_map() else { return reader.mismatch(document, "a mapping") };
        // A document with nothing in it to be moved is read as it stands: most are, and copying one takes as long as reading it.
        if !hosted && entries.iter().all(is_for_the_default_order) {
            let keys = Keys::from_node(document, &mut reader)?;
            return Some(Self::of(keys, reader.secrets));
        }
        let mut top: Vec<Entry> = entries.to_vec();
        top.retain(|entry| !entry.key.as_str().is_some_and(|key| keys::CONSUMED.contains(&key) || key == "landfall"));
        if !hosted {
            legacy::upgrade(&mut top, &mut reader);
            module_lists::apply_arguments(&mut top, &mut reader);
        }
        let section = document.get("landfall").filter(|node| !node.is_null());
        let section = section.and_then(|node| reader.within("landfall", |reader| Section::from_node(node, reader)));
        let mut notify = section.as_ref().map(|section| section.notify.0.clone()).unwrap_or_default();
        let (raw, defaults) = match section {
            Some(section) => (
                reader.within("landfall.phases", |reader| {
                    phase_order::order_phases(landfall::read_phases(&section.phases.0, reader), reader)
                }),
                Defaults::of(&section),
            ),
            None => (Vec::new(), Defaults::default()),
        };
        let mut moved = BTreeSet::new();
        let mut phases: Vec<Phase> = raw
            .into_iter()
            .filter_map(|phase| {
                let documents = take_over(&phase, &mut top, &mut moved, hosted, &mut reader);
                let keys = reader.within(&format!("phase {}", phase.head.name.0), |reader| Keys::from_node(&documents, reader))?;
                Some(Phase { head: phase.head, after_failure_of: phase.after_failure_of, keys: Box::new(keys) })
            })
            .collect();
        if hosted {
            top.clear();
        }
        let keys = Keys::from_node(&Node::new(Value::Map(top), document.origin.clone()), &mut reader)?;
        // Who the default user is does not depend on who asks for him.
        phases
            .iter_mut()
            .filter(|phase| phase.keys.system_info.is_none())
            .for_each(|phase| phase.keys.system_info.clone_from(&keys.system_info));
        let every = std::iter::once(&keys).chain(phases.iter().map(|phase| &*phase.keys));
        notify.extend(every.flat_map(|keys| keys.reporting.0.iter().cloned()));
        Some(Self { moved, phases, defaults, notify, ..Self::of(keys, reader.secrets) })
    }

    /// Keys of the default order, and nothing else.
    fn of(keys: Keys, secrets: Vec<Secret<String>>) -> Self {
        let (phases, defaults) = (Vec::new(), Defaults::default());
        let notify = keys.reporting.0.clone();
        let secrets = secrets.into_iter().filter(|secret| !is_said_in_clear(secret.expose(), &keys)).collect();
        Self { keys, moved: BTreeSet::new(), phases, defaults, notify, secrets, network: None, digest: String::new() }
    }

    /// Adds the digest of the document that it was read from, for a plan that is to know whether the configuration changes.
    #[must_use]
    pub fn with_digest_of(mut self, document: &Node) -> Self {
        self.digest = if document.is_null() { digest_of(&serde_json::json!({})) } else { digest_of(&document.to_json()) };
        self
    }

    /// Adds the network of the datasource, read from `document`.
    #[must_use]
    pub fn with_network(mut self, network: Network, document: &Node) -> Self {
        self.digest = digest_of(&(&self.digest, document.to_json()));
        self.secrets.extend(network.secrets.iter().cloned());
        self.network = Some(network);
        self
    }

    /// The keys of the default order, then those of every phase.
    pub fn all_keys(&self) -> impl Iterator<Item = &Keys> {
        std::iter::once(&self.keys).chain(self.phases.iter().map(|phase| &*phase.keys))
    }
}

impl Defaults {
    fn of(section: &Section) -> Self {
        Self {
            on_error: section.on_error,
            on_interrupt: section.on_interrupt,
            retry: section.retry,
            breaker: section.breaker.as_ref().map(landfall::Breaker::limits).unwrap_or_default(),
            resources: section.resources.as_ref().map(resources::ResourcesRecord::limits).unwrap_or_default(),
            accept_exit: section.accept_exit.clone(),
            timeouts: section.timeouts,
            wipe_user_data: section.wipe_user_data,
            backups: section.backups.as_ref().map(landfall::Backups::retention).unwrap_or_default(),
        }
    }
}

/// Whether a top-level entry is a key of the default order as it stands: nothing takes it over, replaces it or writes it anew.
fn is_for_the_default_order(entry: &Entry) -> bool {
    let special = |key: &str| {
        key == "landfall" || keys::CONSUMED.contains(&key) || module_lists::LIST_KEYS.contains(&key) || legacy::may_upgrade(key)
    };
    entry.key.as_str().is_some_and(|key| !special(key))
}

/// The cloud-config of a phase: its own keys, and those it takes from the top level.
fn take_over(phase: &RawPhase, top: &mut Vec<Entry>, moved: &mut BTreeSet<String>, hosted: bool, reader: &mut Reader<'_>) -> Node {
    let mut entries = phase.inline.entries().to_vec();
    let canonical = |text: &str| text.replace('-', "_");
    for wanted in &phase.head.run.0 {
        let key = canonical(&wanted.value);
        let at = top.iter().position(|entry| canonical(&entry.key.source_text()) == key);
        let own = entries.iter().any(|entry| canonical(&entry.key.source_text()) == key);
        match at {
            Some(_) if hosted => {
                let message = format!("cloud-init does `{}` itself; phase `{}` does not repeat it", wanted.value, phase.head.name.0);
                reader.report.note("hosted", message).at(&wanted.origin).help("write the key inside the phase");
            }
            Some(_) if own => {
                let message = format!("phase `{}` has its own `{key}`: the top-level one is run in the default order", phase.head.name.0);
                reader.report.error("run", message).at(&wanted.origin).help("put both into one place");
            }
            Some(at) => {
                entries.push(top.remove(at));
                moved.insert(key);
            }
            None => report_missing(wanted, &key, moved, reader),
        }
    }
    Node::new(Value::Map(entries), phase.inline.origin.clone())
}

fn report_missing(wanted: &Located<String>, key: &str, moved: &BTreeSet<String>, reader: &mut Reader<'_>) {
    let (message, help) = if moved.contains(key) {
        (format!("`{key}` is run by an earlier phase"), None)
    } else if Keys::KEYS.contains(&key) || Keys::LATER.contains(&key) {
        (format!("there is no top-level key `{key}` to run"), None)
    } else {
        let near = nearest(key, Keys::KEYS).map(|near| format!("did you mean `{near}`?"));
        (format!("`{key}` is no cloud-config key"), near)
    };
    let problem = reader.report.error("run", message).at(&wanted.origin);
    if let Some(help) = help {
        problem.help(help);
    }
}

#[cfg(test)]
mod tests;
