//! `cloud-init schema`: what `landfall validate` finds, in cloud-init's shape and with its exit code: 1 where its schema has another shape,
//! and for keys that nobody knows. What is wrong with the content alone (a key that is none, text that is not base64) is told and is no
//! error here, as there.

use std::fmt::Write as _;

use super::super::{input, out, query, validate, Answer, Refusal};
use super::shapes;
use super::words::Words;
use crate::config::network;
use crate::config::problem::{Problem, Report, Severity};
use crate::error::exit;
use crate::host::Host;
use crate::ordered::sort_by_key;
use crate::run::rendering;
use crate::{template, yaml};

const NETWORK: &str = "network-config";

/// What the instance was given: what it is called, where it stands.
const GIVEN: [(&str, &str); 4] = [
    ("user-data", "user-data.txt"),
    ("vendor-data", "vendor-data.txt"),
    ("vendor2-data", "vendor-data2.txt"),
    (NETWORK, "network-config.json"),
];

/// Problems that are errors of the shape, whatever `landfall validate` makes of them.
const OF_SHAPE: [&str; 5] = ["unknown-key", "quote", "bool", "required", "type"];
/// How such a problem begins that is none of the schema's.
const OPEN: [&str; 4] = ["vendor_data.prefix", "vendor_data.enabled", "ssh_pwauth is a string", "grub_dpkg.grub-pc/install_devices_empty"];
/// Errors that are not.
const OF_CONTENT: [&str; 7] = ["value", "encoding", "apt-key", "apt-source", "device", "user", "ssh-key"];

/// How it is asked.
struct Asked<'w> {
    annotate: bool,
    /// Instance data for templates, where there is any.
    data: Option<serde_json::Value>,
    /// Stands before every line, where there are several kinds.
    indent: &'w str,
    host: &'w Host,
}

/// Checks a file, or what the instance was given.
pub fn schema(words: &Words, host: &Host) -> Answer {
    let kind = match words.choice("schema-type", &["cloud-config", NETWORK]).map_err(super::usage)? {
        NETWORK => NETWORK,
        _ => "user-data",
    };
    let data = query::instance_data(words.value("instance-data"), host);
    // What was named has to be there; what a boot would have made need not.
    let data = if words.has("instance-data") { Some(data?) } else { data.ok() };
    let asked = Asked { annotate: words.has("annotate"), data, indent: "", host };
    match (words.value("config-file"), words.has("system")) {
        (Some(file), false) => {
            let bytes = input::read(file)?;
            let valid = asked.check(kind, file, file, &bytes)?;
            Ok(if valid { exit::OK } else { ended(&[kind]) })
        }
        (None, true) => of_the_instance(asked),
        (None, false) => Err(Refusal::new(exit::FAILED, "nothing is asked for").help("name a file by --config-file, or use --system")),
        (Some(_), true) => Err(Refusal::new(exit::FAILED, "both are asked for").help("use --config-file or --system")),
    }
}

fn of_the_instance(asked: Asked<'_>) -> Answer {
    super::super::refusal::require_root("schema --system")?;
    let mut given = Vec::new();
    for (kind, file) in GIVEN {
        let path = format!("/var/lib/cloud/instance/{file}");
        let bytes = asked.host.read(&path).map_err(|error| Refusal::new(exit::FAILED, format!("{path}: {error}")))?;
        let is_empty = bytes.as_ref().is_none_or(|bytes| bytes.trim_ascii().is_empty());
        match bytes {
            Some(bytes) if !is_empty || kind == "user-data" => given.push((kind, path, bytes)),
            None if kind == "user-data" => {
                let refusal = Refusal::new(exit::FAILED, format!("{path} does not exist: no datasource has given this host anything"));
                return Err(refusal.help("`cloud-init schema --config-file FILE` checks a file"));
            }
            _ => {}
        }
    }
    let several = given.len() > 1;
    if several {
        let kinds: Vec<&str> = given.iter().map(|(kind, ..)| *kind).collect();
        out::print(&format!("Found cloud-config data types: {}\n", kinds.join(", ")));
    }
    let asked = Asked { indent: if several { "  " } else { "" }, ..asked };
    let mut invalid = Vec::new();
    for ((kind, path, bytes), number) in given.iter().zip(1..) {
        if several {
            out::print(&format!("\n{number}. {kind} at {path}:\n"));
        }
        if bytes.trim_ascii().is_empty() {
            out::print(&format!("{}Valid schema {kind}\n", asked.indent));
        } else if !asked.check(kind, path, kind, bytes)? {
            invalid.push(*kind);
        }
    }
    Ok(ended(&invalid))
}

fn ended(invalid: &[&str]) -> u8 {
    if invalid.is_empty() {
        return exit::OK;
    }
    out::complain(&format!("Error: Invalid schema: {}\n\n", invalid.join(", ")));
    exit::FAILED
}

impl Asked<'_> {
    /// Checks one, and says what it found. `shown` is what a valid one is called.
    fn check(&self, kind: &str, name: &str, shown: &str, bytes: &[u8]) -> Result<bool, Refusal> {
        let rendered = self.rendered(name, bytes)?;
        let bytes = rendered.as_ref().map_or(bytes, |text| text.as_bytes());
        let report = if kind == NETWORK { network_config(name, bytes) } else { cloud_config(name, bytes, self.host) };
        let (errors, others): (Vec<&Problem>, Vec<&Problem>) = report.problems.iter().partition(|problem| is_error(problem));
        let (deprecated, others): (Vec<&Problem>, Vec<&Problem>) = others.into_iter().partition(|problem| problem.code == "deprecated");
        let indent = self.indent;
        if self.annotate && !report.problems.is_empty() {
            out::print(&annotated(
                &String::from_utf8_lossy(bytes),
                &[("Errors", &errors), ("Deprecations", &deprecated), ("Warnings", &others)],
            ));
        } else {
            if !deprecated.is_empty() {
                out::print(&format!("Cloud config schema deprecations: {}\n", sentences(&deprecated)));
            }
            if !errors.is_empty() {
                out::print(&format!("{indent}Invalid {kind} {name}\n"));
                out::complain(&format!("{indent}Error: Cloud config schema errors: {}\n\n", sentences(&errors)));
            }
            if !others.is_empty() {
                out::complain(&format!("{indent}Warning: {}\n", sentences(&others)));
            }
        }
        if errors.is_empty() {
            out::print(&format!("{indent}Valid schema {shown}\n"));
        }
        Ok(errors.is_empty())
    }

    /// A template with the instance's data filled in, where there are any; what it lacks is told.
    fn rendered(&self, name: &str, bytes: &[u8]) -> Result<Option<String>, Refusal> {
        let (Some(data), Ok(text)) = (&self.data, std::str::from_utf8(bytes)) else { return Ok(None) };
        if !template::is_template(text) {
            return Ok(None);
        }
        let failed = |error| Refusal::new(exit::FAILED, format!("{name} cannot be filled in: {error}"));
        let rendered = rendering::render(text, data).map_err(failed)?;
        super::tell_missing(&rendered);
        Ok(Some(rendered.text))
    }
}

/// What `landfall validate` finds, and where the schema has another shape than what it takes.
fn cloud_config(name: &str, bytes: &[u8], host: &Host) -> Report {
    let mut report = validate::check(name, bytes, host).report;
    let text = String::from_utf8_lossy(bytes);
    let is_one = text.strip_prefix("#cloud-config").is_some_and(|rest| rest.starts_with(['\n', '\r', ' ']) || rest.is_empty());
    let document = is_one.then(|| yaml::parse(name, &text).ok()).flatten();
    if let Some(document) = document {
        let mut found = Report::new();
        if document.as_map().is_none() && !report.has_errors() {
            found.error("type", format!("{name} is no mapping of keys")).at(&document.origin);
        }
        shapes::check(&document, &mut found);
        // Not twice.
        let told: Vec<_> = report.problems.iter().filter(|problem| is_error(problem)).map(|problem| problem.origin.clone()).collect();
        found.problems.retain(|problem| !told.contains(&problem.origin));
        report.extend(found);
        sort_by_key(&mut report.problems, |problem| problem.origin.as_ref().map(|origin| (origin.line, origin.column)));
    }
    report
}

fn is_error(problem: &Problem) -> bool {
    // `system_info` is open there.
    let is_open = || problem.message.contains(" in system_info") || OPEN.iter().any(|text| problem.message.starts_with(text));
    match problem.severity {
        Severity::Error => !OF_CONTENT.contains(&problem.code),
        _ => OF_SHAPE.contains(&problem.code) && !is_open(),
    }
}

fn sentences(problems: &[&Problem]) -> String {
    problems.iter().map(|problem| problem.sentence()).collect::<Vec<_>>().join(", ")
}

fn network_config(name: &str, bytes: &[u8]) -> Report {
    let mut report = Report::new();
    match yaml::parse(name, &String::from_utf8_lossy(bytes)) {
        Ok(document) => drop(network::read(&document, false, &mut report)),
        Err(error) => error.report(name, &mut report),
    }
    report
}

/// The text with a mark at every line there is something to say of, and below it what: `E1` for the first error.
fn annotated(text: &str, kinds: &[(&str, &[&Problem])]) -> String {
    let mut marks: Vec<(String, &Problem)> = Vec::new();
    let mut below = String::new();
    for (title, problems) in kinds.iter().filter(|(_, problems)| !problems.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(below, "# {title}: -------------");
        for (problem, number) in problems.iter().zip(1..) {
            let mark = format!("{}{number}", &title[..1]);
            let _ = writeln!(below, "# {mark}: {}", problem.sentence());
            marks.push((mark, problem));
        }
        below.push_str("\n\n");
    }
    let mut shown = String::new();
    for (line, number) in text.lines().zip(1..) {
        let here = |problem: &Problem| problem.origin.as_ref().is_some_and(|origin| origin.line == number);
        let marks: Vec<&str> = marks.iter().filter(|(_, problem)| here(problem)).map(|(mark, _)| mark.as_str()).collect();
        let _ = match marks.is_empty() {
            true => writeln!(shown, "{line}"),
            false => writeln!(shown, "{line}\t\t# {}", marks.join(",")),
        };
    }
    format!("{shown}\n{below}")
}
