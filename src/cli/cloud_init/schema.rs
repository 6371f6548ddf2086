//! `cloud-init schema`: what `landfall validate` finds, with cloud-init's exit code: 1 for errors, and for keys that nobody knows.

use std::fmt::Write as _;

use super::super::{input, out, validate, Answer, Refusal};
use super::words::Words;
use crate::config::network;
use crate::config::problem::{Problem, Report, Severity};
use crate::error::exit;
use crate::host::Host;
use crate::yaml;

const NETWORK: &str = "network-config";

/// What the instance was given: what it is called, where it stands.
const GIVEN: [(&str, &str); 4] = [
    ("user-data", "user-data.txt"),
    ("vendor-data", "vendor-data.txt"),
    ("vendor2-data", "vendor-data2.txt"),
    (NETWORK, "network-config.json"),
];

/// Checks a file, or what the instance was given.
pub fn schema(words: &Words, host: &Host) -> Answer {
    let kind = match words.choice("schema-type", &["cloud-config", NETWORK]).map_err(super::usage)? {
        NETWORK => NETWORK,
        _ => "user-data",
    };
    let annotate = words.has("annotate");
    match (words.value("config-file"), words.has("system")) {
        (Some(file), false) => {
            let bytes = input::read(file)?;
            let valid = check(kind, file, &bytes, annotate, host);
            Ok(if valid { exit::OK } else { ended(&[kind]) })
        }
        (None, true) => of_the_instance(annotate, host),
        (None, false) => Err(Refusal::new(exit::FAILED, "nothing is asked for").help("name a file by --config-file, or use --system")),
        (Some(_), true) => Err(Refusal::new(exit::FAILED, "both are asked for").help("use --config-file or --system")),
    }
}

fn of_the_instance(annotate: bool, host: &Host) -> Answer {
    super::super::refusal::require_root("schema --system")?;
    let mut invalid = Vec::new();
    for (kind, file) in GIVEN {
        let path = format!("/var/lib/cloud/instance/{file}");
        let bytes = host.read(&path).map_err(|error| Refusal::new(exit::FAILED, format!("{path}: {error}")))?;
        let is_empty = bytes.as_ref().is_none_or(|bytes| bytes.trim_ascii().is_empty());
        if is_empty && kind != "user-data" {
            continue;
        }
        let Some(bytes) = bytes else {
            let refusal = Refusal::new(exit::FAILED, format!("{path} does not exist: no datasource has given this host anything"));
            return Err(refusal.help("`cloud-init schema --config-file FILE` checks a file"));
        };
        if !is_empty && !check(kind, kind, &bytes, annotate, host) {
            invalid.push(kind);
        } else if is_empty {
            out::print(&format!("Valid schema {kind}\n"));
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

/// Checks one, and says what it found.
fn check(kind: &str, name: &str, bytes: &[u8], annotate: bool, host: &Host) -> bool {
    let report = if kind == NETWORK { network_config(name, bytes) } else { validate::check(name, bytes, host).report };
    let (errors, others): (Vec<&Problem>, Vec<&Problem>) = report.problems.iter().partition(|problem| is_error(problem));
    if annotate && !report.problems.is_empty() {
        out::print(&annotated(&String::from_utf8_lossy(bytes), &errors, &others));
    } else {
        if !errors.is_empty() {
            out::print(&format!("Invalid {kind} {name}\n"));
            out::complain(&format!("Error: Cloud config schema errors: {}\n\n", sentences(&errors)));
        }
        if !others.is_empty() {
            out::print(&format!("Cloud config schema warnings: {}\n", sentences(&others)));
        }
    }
    if errors.is_empty() {
        out::print(&format!("Valid schema {name}\n"));
    }
    errors.is_empty()
}

fn is_error(problem: &Problem) -> bool {
    problem.severity == Severity::Error || problem.code == "unknown-key"
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

/// The text with a mark at every line there is something to say of, and below it what.
fn annotated(text: &str, errors: &[&Problem], others: &[&Problem]) -> String {
    let marked: Vec<(String, &Problem)> = [("E", errors), ("W", others)]
        .into_iter()
        .flat_map(|(letter, problems)| problems.iter().zip(1..).map(move |(problem, number)| (format!("{letter}{number}"), *problem)))
        .collect();
    let mut shown = String::new();
    for (line, number) in text.lines().zip(1..) {
        let here = |problem: &Problem| problem.origin.as_ref().is_some_and(|origin| origin.line == number);
        let marks: Vec<&str> = marked.iter().filter(|(_, problem)| here(problem)).map(|(mark, _)| mark.as_str()).collect();
        // Writing to a String cannot fail.
        let _ = match marks.is_empty() {
            true => writeln!(shown, "{line}"),
            false => writeln!(shown, "{line}\t\t# {}", marks.join(",")),
        };
    }
    for (mark, problem) in &marked {
        let _ = write!(shown, "\n# {mark}: {}", problem.sentence());
    }
    shown + "\n\n"
}
