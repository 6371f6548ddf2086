//! From bytes to a plan: unpack, read, merge, type, gather facts, plan.

use super::includes::{Fetcher, Missing, Patience};
use super::input::{self, Giver, Input};
use super::layers::{self, System};
use super::rendering;
use crate::compat::{self, Subject};
use crate::config::network::{self, Asked};
use crate::config::node::Node;
use crate::config::problem::{Problem, Report, Severity};
use crate::config::settings::Overrides;
use crate::config::typed::cloud::VendorData;
use crate::config::typed::CloudConfig;
use crate::datasource::Found;
use crate::error::{Failure, Kind};
use crate::host::{signals, Host};
use crate::identity::Recorded;
use crate::modules::{self, PlanInput, Way};
use crate::plan::{Limits, Plan};
use crate::secret::Secret;
use crate::template::Render;
use crate::userdata::{self, Includes, NoIncludes, Reading};
use crate::{facts::Facts, script};

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
        /// It is read as a new host's first boot would.
        first_boot: bool,
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

    /// What it is called in messages.
    fn part_name(&self) -> &str {
        match self {
            Self::File { name, .. } if name != "-" => name,
            Self::File { .. } => "stdin",
            Self::Hosted { .. } => "cloud-config.txt",
            Self::Datasource(_) => "user-data",
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
    /// What cloud-init keeps of the user-data and vendor-data of a datasource beside what it received: names and contents.
    pub copies: Vec<(&'static str, Vec<u8>)>,
    /// The configuration of the system below it, as instance data shows it.
    pub system: serde_json::Value,
    /// What was wrong with the user-data.
    pub report: Report,
    /// Parts of it that could not be read at all, each with the reason.
    pub unread: Vec<String>,
    /// What could not be included.
    pub missing: Vec<Missing>,
}

/// How what is included is got.
#[derive(Clone, Debug)]
pub struct Fetching {
    /// For how long.
    pub patience: Patience,
    /// The directory for what is fetched once, if it is kept.
    pub kept: Option<String>,
}

impl Fetching {
    /// Now, as somebody waits for it, and nothing is kept.
    pub const NOW: Self = Self { patience: Patience::Within(std::time::Duration::from_secs(30)), kept: None };
}

/// Prepares a plan for the instance `id`. What is wrong with the user-data is reported in the plan; what is independent of it
/// is planned. `given` lies over everything that is written.
pub fn prepare(host: &Host, id: &str, source: &Source, given: &Overrides, fetching: &Fetching) -> Result<Prepared, Failure> {
    let mut report = Report::new();
    let limits = if fetching.patience == Patience::Later { Limits::default() } else { limits(host, given) };
    let mut fetcher = Fetcher::new(host, fetching.patience, &limits, fetching.kept.clone());
    let subject = subject(host, id, source);
    let ReadInput { mut input, system, mut copies } = read(host, &subject, source, &mut fetcher, &mut report)?;
    let unread: Vec<String> = report.problems.iter().filter(|problem| problem.severity == Severity::Error).map(Problem::sentence).collect();
    input.document = given.over(std::mem::replace(&mut input.document, input::nothing("user-data")), &mut report);
    if matches!(source, Source::Datasource(_)) && takes_user_data(&system, source) {
        copies.push(("cloud-config.txt", cloud_config_text(&input.document)?));
    }
    let hosted = matches!(source, Source::Hosted { .. });
    let config =
        if hosted { CloudConfig::read_section(&input.document, &mut report) } else { CloudConfig::read(&input.document, &mut report) };
    let config = config.map(|config| config.with_digest_of(&input.document));
    let config = config.map(|config| with_network(config, host, source, system.network.as_ref(), &mut report));
    let config = config.ok_or_else(|| Failure::new(Kind::Unknown, "a configuration that is a mapping cannot be read"))?;
    let facts = gather(host, id, source, &config)?;
    let user = input.user_parts();
    let mut plan = modules::plan(PlanInput { config: &config, facts: &facts, user, way: way(host, source), report: &mut report });
    // Of a stop an answer that was not waited for looks like one that is not there, and a text that nobody parsed like a broken one.
    if signals::stop_requested().is_some() {
        return Err(Failure::new(Kind::Interrupted, "stopped while the plan was made; nothing was changed"));
    }
    plan.wait_for(fetcher.missing.iter().filter(|missing| missing.may_come()).map(|missing| missing.url.clone()).collect());
    let config_json = serde_json::to_vec_pretty(&input.document.to_json())
        .map_err(|error| Failure::new(Kind::Unknown, format!("configuration as JSON: {error}")))?;
    Ok(Prepared {
        user_data: source.user_data().to_vec(),
        config_json,
        plan,
        copies,
        system: system.peers.to_json(),
        report,
        unread,
        missing: fetcher.missing,
    })
}

fn cloud_config_text(document: &Node) -> Result<Vec<u8>, Failure> {
    compat::cloud_config_text(document).map_err(|error| Failure::io("cloud-init's files", &error))
}

/// How often something is tried, as far as the host's own settings say.
fn limits(host: &Host, given: &Overrides) -> Limits {
    let mut quiet = Report::new();
    let Ok(System { document, .. }) = layers::read(host, None, &mut NoIncludes, &mut quiet) else { return Limits::default() };
    let document = given.over(document, &mut quiet);
    let retry = CloudConfig::read_section(&document, &mut quiet).and_then(|config| config.defaults.retry).unwrap_or_default();
    Limits { attempts: retry.attempts, backoff: retry.backoff, ..Limits::default() }
}

/// What the templates of a source are told of the instance. By hand they are told of the one on record.
fn subject(host: &Host, id: &str, source: &Source) -> Subject {
    match source {
        Source::Datasource(found) => Subject::of(found),
        Source::Hosted { .. } | Source::File { .. } => {
            let directory = Recorded::load(host).ok().flatten().and_then(|recorded| recorded.directory);
            let stored = directory.and_then(|name| compat::stored_subject(host, &super::InstanceDir::new(&name).places().instance));
            stored.unwrap_or_else(|| Subject::without_datasource(id))
        }
    }
}

/// What the network of a datasource is called in messages.
pub(super) const NETWORK_CONFIG: &str = "network-config";

/// The network that the system's configuration asks for, or else the datasource; what cannot be read of it leaves the network as
/// the image has it.
fn with_network(config: CloudConfig, host: &Host, source: &Source, system: Option<&Node>, report: &mut Report) -> CloudConfig {
    let Source::Datasource(found) = source else { return config };
    if let Some(document) = system {
        return match network::read(document, host.finds_program("netplan"), report) {
            Some(Asked::Network(network)) => config.with_network(*network, document),
            Some(Asked::Disabled) | None => config,
        };
    }
    let Some(bytes) = found.network_config.as_deref().filter(|bytes| !bytes.trim_ascii().is_empty()) else { return config };
    let text = String::from_utf8_lossy(bytes);
    let Some(document) = layers::parsed(NETWORK_CONFIG, &text, report) else { return config };
    match network::read(&document, host.finds_program("netplan"), report) {
        Some(Asked::Network(network)) => config.with_network(*network, &document),
        Some(Asked::Disabled) | None => config,
    }
}

/// An image that is built, and a first boot, get what the peer's defaults have them get; a host that runs gets what is written.
fn way(host: &Host, source: &Source) -> Way {
    match source {
        Source::Datasource(_) => Way::FirstBoot,
        Source::Hosted { .. } => Way::Hosted,
        Source::File { first_boot, .. } if host.is_live() && !first_boot => Way::Applied,
        Source::File { .. } => Way::FirstBoot,
    }
}

/// What holds for a source: its document, with everything that lies over and below it, and what is wrong with its `landfall`
/// section.
pub fn settings(host: &Host, source: &Source, given: &Overrides) -> Result<(Node, CloudConfig, Report), Failure> {
    let mut report = Report::new();
    let subject = subject(host, super::InstanceDir::MANUAL, source);
    let document = read(host, &subject, source, &mut NoIncludes, &mut report)?.input.document;
    report.problems.retain(|problem| problem.severity != Severity::Note);
    let document = given.over(document, &mut report);
    let config = CloudConfig::read_section(&document, &mut report);
    let config = config.ok_or_else(|| Failure::new(Kind::Unknown, "a configuration that is a mapping cannot be read"))?;
    Ok((document, config, report))
}

/// Whether the image takes user-data from its datasource.
fn takes_user_data(system: &System, source: &Source) -> bool {
    let said = system.document.get("allow_userdata").and_then(Node::as_bool);
    said != Some(false) || !matches!(source, Source::Datasource(_))
}

/// What was read.
struct ReadInput {
    /// All of it.
    input: Input,
    /// The configuration of the system.
    system: System,
    /// What is kept of it beside what was received: names and contents.
    copies: Vec<(&'static str, Vec<u8>)>,
}

/// User-data over the vendor's second and first data over the configuration on the host; over all, what the environment names.
fn read(host: &Host, subject: &Subject, source: &Source, includes: &mut dyn Includes, report: &mut Report) -> Result<ReadInput, Failure> {
    let render = |template: &str, system: &serde_json::Value| {
        rendering::render(template, &compat::instance_data(host, subject, system).unwrap_or_default())
    };
    let first = |template: &str| render(template, &serde_json::json!({}));
    let peers: Option<Render<'_>> = if way(host, source) == Way::FirstBoot { Some(&first) } else { None };
    let system = layers::read(host, peers, includes, report)?;
    let told = |template: &str| render(template, &system.peers.to_json());
    let has_handlers = host.part_handlers().is_ok_and(|handlers| !handlers.is_empty());
    let (launch_index, keeps_message) = (subject.launch_index(), matches!(source, Source::Datasource(_)));
    let mut reading = Reading { includes, render: &told, knows_instance: true, launch_index, has_handlers, keeps_message };
    let is_allowed = takes_user_data(&system, source);
    let bytes = if is_allowed { source.user_data() } else { &[] };
    if !is_allowed && !source.user_data().is_empty() {
        let place = system.document.entry("allow_userdata").map(|entry| entry.key.origin.clone());
        let problem = report.warning("user-data-not-allowed", "user-data is not used: `allow_userdata: false`");
        problem.origin = place;
    }
    let mut input = input::read(source.part_name(), bytes, Giver::User, &mut reading, report);
    let mut document = std::mem::replace(&mut input.document, input::nothing("user-data"));
    if document.as_map().is_none() {
        // Laid over another layer it would vanish without a word.
        drop(CloudConfig::read(&document, report));
        document = input::nothing(source.part_name());
    }
    if let Some(high) = peers.and_then(|_| layers::of_environment(host, report)) {
        document = layers::over(high, document, report);
    }
    let without_vendor = layers::over(document.clone(), system.document.clone(), &mut Report::new());
    let (mut vendors, mut copies) = (Vec::new(), Vec::new());
    if let Source::Datasource(found) = source {
        reading.launch_index = None;
        copies.push(("user-data.txt.i", input.message.take().unwrap_or_default()));
        let given = [
            ("vendor-data2", "vendor_data2", &found.vendor_data2, ["vendor-data2.txt.i", "vendor2-cloud-config.txt"]),
            ("vendor-data", "vendor_data", &found.vendor_data, ["vendor-data.txt.i", "vendor-cloud-config.txt"]),
        ];
        for (name, key, bytes, [message, config]) in given {
            let gate = VendorData::of(&without_vendor, key);
            let Some(bytes) = bytes.as_deref().filter(|bytes| !bytes.is_empty() && gate.enabled != Some(false)) else {
                copies.push((message, userdata::message(&[])));
                continue;
            };
            let mut vendor = input::read(name, bytes, Giver::Vendor { without: &gate.disabled_handlers }, &mut reading, report);
            copies.push((message, vendor.message.take().unwrap_or_default()));
            copies.push((config, cloud_config_text(&vendor.document)?));
            vendors.push(input.add_parts(vendor));
        }
    }
    let below = vendors.into_iter().filter(|vendor| vendor.as_map().is_some()).chain([system.document.clone()]);
    input.document = below.fold(document, |high, low| layers::over(high, low, report));
    Ok(ReadInput { input, system, copies })
}

fn gather(host: &Host, id: &str, source: &Source, config: &CloudConfig) -> Result<Facts, Failure> {
    let asked = modules::questions(config);
    let mut facts = host.facts(&asked.timezones).map_err(|error| Failure::io("facts of the host", &error))?;
    if !asked.programs.is_empty() {
        facts.programs.extend(host.programs_among(asked.programs.iter().copied()));
    }
    if asked.interfaces {
        facts.interfaces = host.interfaces().map_err(|error| Failure::io("network devices", &error))?;
    }
    if asked.memory {
        facts.memory = host.memory().map_err(|error| Failure::io("size of the memory", &error))?;
    }
    if asked.virtualization {
        facts.virtualization = host.virtualization();
    }
    facts.instance_id = id.to_owned();
    facts.datasource = source.datasource().to_owned();
    if let Source::Datasource(found) = source {
        facts.metadata_hostname.clone_from(&found.local_hostname);
        facts.metadata_keys.clone_from(&found.public_keys);
        facts.metadata_seed = found.metadata.get("random_seed").and_then(Node::as_str).map(|seed| Secret::new(seed.to_owned()));
    }
    for (name, texts) in asked.scripts {
        facts.joint_items.insert(name, script::joint_ranges(&texts, &mut |text| host.shell_parses(text)));
    }
    facts.repositories = host.repositories(asked.repositories);
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_data_that_is_no_mapping_is_reported_also_where_other_layers_lie_below_it() {
        let dir = tempfile::tempdir().expect("dir");
        std::fs::create_dir_all(dir.path().join("etc/landfall")).expect("directory");
        std::fs::write(dir.path().join("etc/landfall/landfall.yaml"), "landfall: {retry: 2}\n").expect("file");
        let source = Source::File { name: "x.yaml".into(), bytes: b"#cloud-config\n- hostname: web1\n".to_vec(), first_boot: false };
        let mut report = Report::new();
        let host = Host::rooted(dir.path());
        let ReadInput { input, .. } = read(&host, &Subject::without_datasource("i"), &source, &mut NoIncludes, &mut report).expect("read");
        assert_eq!(report.problems[0].message, "the document must be a mapping, not a list");
        assert!(input.document.get("landfall").is_some(), "the other layers hold");
    }
}
