//! From bytes to a plan: unpack, read, merge, type, gather facts, plan.

use crate::config::node::{Node, Origin, Value};
use crate::config::problem::{Report, Severity};
use crate::config::typed::CloudConfig;
use crate::datasource::Found;
use crate::error::{Failure, Kind};
use crate::host::Host;
use crate::modules::{self, Steps, UserScript, Way};
use crate::plan::{digest_of, Plan, Problem, Weight, FORMAT};
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
}

/// What came out of the bytes: one document and the scripts beside it.
struct Input {
    document: Node,
    scripts: Vec<UserScript>,
}

/// Prepares a plan for the instance `id`. What is wrong with the user-data is reported in the plan; what is independent of it
/// is planned.
pub fn prepare(host: &Host, id: &str, source: &Source) -> Result<Prepared, Failure> {
    let mut report = Report::new();
    let input = read(host, source, &mut report)?;
    let hosted = matches!(source, Source::Hosted { .. });
    let config = if hosted { CloudConfig::read_section(&input.document, &mut report) } else { CloudConfig::read(&input.document, &mut report) };
    let config = match config {
        Some(config) => config,
        None => {
            let nothing = Node::new(Value::Map(Vec::new()), Origin::new("user-data", 1, 1));
            CloudConfig::read(&nothing, &mut Report::new())
                .ok_or_else(|| Failure::new(Kind::Unknown, "an empty configuration cannot be read"))?
        }
    };
    let facts = gather(host, id, source, &config)?;
    let mut steps = Steps::default();
    modules::plan_all(&config, &facts, &input.scripts, way(host, source), &mut steps);
    let (steps, planned) = steps.finish();
    report.extend(planned);
    let plan = Plan {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: id.to_owned(),
        datasource: source.datasource().to_owned(),
        config_digest: digest_of(&input.document.to_json()),
        steps,
        problems: problems(&report),
        secrets: config.secrets.clone(),
    };
    let config_json = serde_json::to_vec_pretty(&input.document.to_json())
        .map_err(|error| Failure::new(Kind::Unknown, format!("configuration as JSON: {error}")))?;
    Ok(Prepared { user_data: source.user_data().to_vec(), config_json, plan, document: input.document, report })
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

fn read(host: &Host, source: &Source, report: &mut Report) -> Result<Input, Failure> {
    let (document, scripts) = read_user_data(source, report);
    let mut low: Vec<Node> = Vec::new();
    for path in configuration_files(host)? {
        let text = host.read_text(&path).map_err(|error| Failure::io(&path, &error))?.unwrap_or_default();
        match yaml::parse_with_report(&path, &text, report) {
            Ok(node) if node.is_null() => {}
            Ok(node) => low.push(node),
            Err(error) => error.report(&path, report),
        }
    }
    let document = low.into_iter().rev().fold(document, |high, low| overlay(&high, &low));
    Ok(Input { document, scripts })
}

fn configuration_files(host: &Host) -> Result<Vec<String>, Failure> {
    let names = host.list(CONFIG_DIRECTORY).map_err(|error| Failure::io(CONFIG_DIRECTORY, &error))?;
    let mut files: Vec<String> = Vec::new();
    if host.exists(CONFIG_FILE) {
        files.push(CONFIG_FILE.to_owned());
    }
    files.extend(names.iter().filter(|name| name.ends_with(".yaml") && !name.starts_with('.')).map(|name| format!("{CONFIG_DIRECTORY}/{name}")));
    Ok(files)
}

fn gather(host: &Host, id: &str, source: &Source, config: &CloudConfig) -> Result<Facts, Failure> {
    let asked = modules::questions(config);
    let mut facts = host.facts(asked.timezone).map_err(|error| Failure::io("facts of the host", &error))?;
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

fn problems(report: &Report) -> Vec<Problem> {
    let sentence = |problem: &crate::config::problem::Problem| {
        let place = problem.origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
        let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{place}{}{help}", problem.message)
    };
    let weight = |severity: Severity| match severity {
        Severity::Error => Some(Weight::Failed),
        Severity::Warning => Some(Weight::Degraded),
        Severity::Note => None,
    };
    report.problems.iter().map(|problem| Problem { weight: weight(problem.severity), message: sentence(problem) }).collect()
}

/// One plain cloud-config; other forms follow with the unpacking of user-data.
fn read_user_data(source: &Source, report: &mut Report) -> (Node, Vec<UserScript>) {
    let nothing = || Node::new(Value::Map(Vec::new()), Origin::new("user-data", 1, 1));
    let text = String::from_utf8_lossy(source.user_data()).into_owned();
    match yaml::parse_with_report("user-data", &text, report) {
        Ok(node) if node.is_null() => (nothing(), Vec::new()),
        Ok(node) => (node, Vec::new()),
        Err(error) => {
            error.report("user-data", report);
            (nothing(), Vec::new())
        }
    }
}

/// `high` over `low`: mappings recurse, everything else of the higher layer stays whole.
fn overlay(high: &Node, low: &Node) -> Node {
    let (Value::Map(above), Value::Map(below)) = (&high.value, &low.value) else { return high.clone() };
    let mut entries = above.clone();
    for entry in below {
        match entries.iter_mut().find(|known| known.key.as_str() == entry.key.as_str()) {
            Some(known) => known.value = overlay(&known.value, &entry.value),
            None => entries.push(entry.clone()),
        }
    }
    Node::new(Value::Map(entries), high.origin.clone())
}
