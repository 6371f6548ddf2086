//! From bytes to a plan: unpack, read, merge, type, gather facts, plan.

use super::input::{self, Input};
use crate::config::merge::overlay;
use crate::config::network::{self, Asked};
use crate::config::node::Node;
use crate::config::problem::{Problem, Report, Severity};
use crate::config::typed::CloudConfig;
use crate::datasource::Found;
use crate::error::{Failure, Kind};
use crate::host::Host;
use crate::modules::{self, PlanInput, Way};
use crate::plan::Plan;
use crate::{facts::Facts, script, yaml};

/// Configuration that lies on the host: lower than user-data, the later file name wins.
const CONFIG_FILE: &str = "/etc/landfall/landfall.yaml";
const CONFIG_DIRECTORY: &str = "/etc/landfall/conf.d";

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
    /// The merged document.
    pub document: Node,
    /// What was wrong with the user-data.
    pub report: Report,
    /// Parts of it that could not be read at all, each with the reason.
    pub unread: Vec<String>,
}

/// Prepares a plan for the instance `id`. What is wrong with the user-data is reported in the plan; what is independent of it
/// is planned.
pub fn prepare(host: &Host, id: &str, source: &Source) -> Result<Prepared, Failure> {
    let mut report = Report::new();
    let input = read(host, source, &mut report)?;
    let unread: Vec<String> = report.problems.iter().filter(|problem| problem.severity == Severity::Error).map(Problem::sentence).collect();
    let hosted = matches!(source, Source::Hosted { .. });
    let config =
        if hosted { CloudConfig::read_section(&input.document, &mut report) } else { CloudConfig::read(&input.document, &mut report) };
    let config = config.map(|config| with_network(config, host, source, &mut report));
    let config = config.ok_or_else(|| Failure::new(Kind::Unknown, "a configuration that is a mapping cannot be read"))?;
    let facts = gather(host, id, source, &config)?;
    let plan =
        modules::plan(PlanInput { config: &config, facts: &facts, scripts: &input.scripts, way: way(host, source), report: &mut report });
    let config_json = serde_json::to_vec_pretty(&input.document.to_json())
        .map_err(|error| Failure::new(Kind::Unknown, format!("configuration as JSON: {error}")))?;
    Ok(Prepared { user_data: source.user_data().to_vec(), config_json, plan, document: input.document, report, unread })
}

/// The network-config of the datasource; what cannot be read of it leaves the network as the image has it.
fn with_network(config: CloudConfig, host: &Host, source: &Source, report: &mut Report) -> CloudConfig {
    const PART: &str = "network-config";
    let Source::Datasource(found) = source else { return config };
    let Some(bytes) = found.network_config.as_deref().filter(|bytes| !bytes.trim_ascii().is_empty()) else { return config };
    let text = String::from_utf8_lossy(bytes);
    let Some(document) = parsed(PART, &text, report) else { return config };
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
        Source::File { .. } if host.is_live() => Way::Applied,
        Source::File { .. } => Way::FirstBoot,
    }
}

/// A document that says something; why it cannot be read is reported.
fn parsed(part: &str, text: &str, report: &mut Report) -> Option<Node> {
    match yaml::parse_with_report(part, text, report) {
        Ok(document) => Some(document).filter(|document| !document.is_null()),
        Err(error) => {
            error.report(part, report);
            None
        }
    }
}

/// User-data over vendor-data over the configuration on the host.
fn read(host: &Host, source: &Source, report: &mut Report) -> Result<Input, Failure> {
    let mut input = input::read(source.part_name(), source.user_data(), report);
    let mut layers: Vec<Node> = Vec::new();
    for path in configuration_files(host)? {
        let text = host.read_text(&path).map_err(|error| Failure::io(&path, &error))?.unwrap_or_default();
        layers.extend(parsed(&path, &text, report));
    }
    if let Source::Datasource(found) = source {
        let vendor = input::read("vendor-data", found.vendor_data.as_deref().unwrap_or_default(), report);
        if !vendor.scripts.is_empty() {
            report.warning("part", "scripts in vendor-data are not supported yet; they are not run");
        }
        layers.push(vendor.document);
    }
    let mut document = std::mem::replace(&mut input.document, input::nothing("user-data"));
    if document.as_map().is_none() {
        // Laid over another layer it would vanish without a word.
        drop(CloudConfig::read(&document, report));
        document = input::nothing(source.part_name());
    }
    input.document = layers.into_iter().rev().fold(document, overlay);
    Ok(input)
}

fn configuration_files(host: &Host) -> Result<Vec<String>, Failure> {
    let names = host.list(CONFIG_DIRECTORY).map_err(|error| Failure::io(CONFIG_DIRECTORY, &error))?;
    let mut files: Vec<String> = Vec::new();
    if host.exists(CONFIG_FILE) {
        files.push(CONFIG_FILE.to_owned());
    }
    files.extend(
        names.iter().filter(|name| name.ends_with(".yaml") && !name.starts_with('.')).map(|name| format!("{CONFIG_DIRECTORY}/{name}")),
    );
    Ok(files)
}

fn gather(host: &Host, id: &str, source: &Source, config: &CloudConfig) -> Result<Facts, Failure> {
    let asked = modules::questions(config);
    let mut facts = host.facts(asked.timezone).map_err(|error| Failure::io("facts of the host", &error))?;
    if asked.interfaces {
        facts.interfaces = host.interfaces().map_err(|error| Failure::io("network devices", &error))?;
    }
    facts.instance_id = id.to_owned();
    facts.datasource = source.datasource().to_owned();
    if let Source::Datasource(found) = source {
        facts.metadata_hostname.clone_from(&found.local_hostname);
        facts.metadata_keys.clone_from(&found.public_keys);
    }
    for (name, texts) in asked.scripts {
        facts.joint_items.insert(name, script::joint_ranges(&texts, &mut |text| host.shell_parses(text)));
    }
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
        let source = Source::File { name: "x.yaml".into(), bytes: b"#cloud-config\n- hostname: web1\n".to_vec() };
        let mut report = Report::new();
        let input = read(&Host::rooted(dir.path()), &source, &mut report).expect("read");
        assert_eq!(report.problems[0].message, "the document must be a mapping, not a list");
        assert!(input.document.get("landfall").is_some(), "the other layers hold");
    }
}
