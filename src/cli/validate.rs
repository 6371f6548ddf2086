//! `landfall validate`: what is wrong with user-data, where, and how to mend it. Needs no rights and no Debian.
//!
//! A file is read as a run would read it, and planned for an assumed first boot of a plain Debian, so that what the modules
//! refuse is found too. What only the host can tell (a package that does not exist, a zone without data) is not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use clap::Args;
use serde_json::json;

use crate::config::merge::overlay;
use crate::config::node::{Node, Origin};
use crate::config::problem::{Report, Severity};
use crate::config::typed::CloudConfig;
use crate::error::exit;
use crate::facts::{Account, Facts, PROGRAMS};
use crate::host::Host;
use crate::modules::{self, unix_lines, Steps, UserParts, UserScript, Way};
use crate::redact::Redactor;
use crate::run::input::{Giver, Input};
use crate::run::rendering;
use crate::script;
use crate::secret::Secret;
use crate::userdata::{NoIncludes, Reading};
use crate::yaml;

use super::written::{self, Written};
use super::{input, out, Answer, TextOrJson};
use crate::ordered::{map_of, sort_by_key};

/// `landfall validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// User-data: paths, http(s) addresses, or - for stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// How the problems are printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
    /// Take no warnings either: exit 65 where there is one
    #[arg(long)]
    strict: bool,
}

/// How many bytes of user-data a provider takes, as documented by each.
const LIMITS: [(&str, usize); 6] = [
    ("Amazon EC2", 16 << 10),
    ("Hetzner Cloud", 32 << 10),
    ("DigitalOcean", 64 << 10),
    ("Microsoft Azure", (64 << 10) - 1),
    ("OpenStack", 48 << 10),
    ("Google Compute Engine", 256 << 10),
];

/// One file, checked.
pub(super) struct Checked {
    file: String,
    size: usize,
    gzipped: usize,
    pub(super) report: Report,
    sources: BTreeMap<String, String>,
    redactor: Redactor,
    strict: bool,
}

/// Checks files. `quiet`: what is no error is not printed, but for what `--strict` takes for one.
pub fn validate(args: &ValidateArgs, quiet: bool, host: &Host) -> Answer {
    let mut checked = Vec::new();
    for name in &args.files {
        checked.push(Checked { strict: args.strict, ..check(&input::shown(name), &input::read(name)?, host) });
    }
    match args.format {
        TextOrJson::Text => checked.iter().for_each(|one| out::print(&one.render(quiet))),
        TextOrJson::Json => {
            let files: Vec<serde_json::Value> = checked.iter().map(Checked::to_json).collect();
            out::json(&json!({ "valid": checked.iter().all(Checked::is_valid), "files": files }))?;
        }
    }
    Ok(if checked.iter().all(Checked::is_valid) { exit::OK } else { exit::DATA })
}

pub(super) fn check(name: &str, bytes: &[u8], host: &Host) -> Checked {
    let file = if name == "-" { "stdin" } else { name };
    let mut report = Report::new();
    let mut input = own_configuration(file, bytes, &mut report).unwrap_or_else(|| user_data(file, bytes, &mut report));
    let document = std::mem::replace(&mut input.document, crate::run::input::nothing(file));
    let mut sources = map_of(std::mem::take(&mut input.sources));
    let mut secrets = check_own_configuration(&document, &mut report, &mut sources, host);
    warn_of_section(&document, &mut report);
    if let Some(entry) = document.entry("system_info") {
        let message = "`system_info` in user-data is an old form: it is the image's";
        report.note("deprecated", message).at(&entry.key.origin).help("write a user to `users`, mirrors to `apt`");
    }
    check_script_parts(&input.scripts, &mut report, &mut sources, host);
    if let Some(config) = CloudConfig::read(&document, &mut report) {
        report.extend(planned(&config, &input.user_parts(), Way::FirstBoot, host));
        check_scripts(&config, host, &mut report);
        secrets.extend(config.secrets);
    }
    drop_those_of_placeholders(&mut report, &sources);
    if document.entries().is_empty() && input.scripts.is_empty() && input.hooks.is_empty() && report.problems.is_empty() {
        report.note("empty", "nothing is asked for here: a host is set up as without it").at(&Origin::new(file, 1, 1));
    }
    let redactor = Redactor::new(secrets.iter().map(|secret| secret.expose().clone()));
    report.mask(&|text| redactor.quoted(text));
    // In the order of the file, what is written into other files last.
    sort_by_key(&mut report.problems, |problem| {
        problem.origin.as_ref().map(|origin| (*origin.part != *file, origin.part.to_string(), origin.line, origin.column))
    });
    report.problems.dedup();
    let (size, gzipped) = (bytes.len(), gzipped(bytes));
    report_size(size, gzipped, &mut report);
    Checked { file: file.to_owned(), size, gzipped, report, sources, redactor, strict: false }
}

/// Says who does not take so much, and whether compressing it is enough.
fn report_size(size: usize, gzipped: usize, report: &mut Report) {
    let over = |size: usize| -> Vec<String> {
        LIMITS.iter().filter(|(_, limit)| size > *limit).map(|(name, limit)| format!("{name} ({limit})")).collect()
    };
    let (plain, packed) = (over(size), over(gzipped));
    if plain.is_empty() {
        return;
    }
    let problem = report.warning("size", format!("{size} bytes are more than these providers take: {}", plain.join(", ")));
    if packed.is_empty() {
        problem.help(format!("gzip it: {gzipped} bytes fit everywhere"));
    } else {
        problem.help(format!("put a part of it behind `#include URL`: gzipped it has {gzipped} bytes, too much for {}", packed.join(", ")));
    }
}

/// User-data. What it includes is not fetched, and its templates are rendered for an instance that is made up.
fn user_data(file: &str, bytes: &[u8], report: &mut Report) -> Input {
    let render = |template: &str| {
        let v1 = json!({
            "availability_zone": null, "cloud_id": "nocloud", "cloud_name": "unknown", "distro": "debian", "distro_release": "trixie",
            "distro_version": "13", "instance_id": "validate", "kernel_release": "6.12.0", "local_hostname": "localhost",
            "machine": "x86_64", "platform": "nocloud", "public_ssh_keys": [], "python_version": null, "region": null,
            "subplatform": "seed-dir", "system_platform": "Linux", "variant": "debian",
        });
        rendering::render(template, &json!({ "v1": v1, "ds": {"meta_data": {"instance-id": "validate"}} }))
    };
    let mut no_includes = NoIncludes;
    let mut reading = Reading::of_no_instance(&mut no_includes, &render);
    crate::run::input::read(file, bytes, Giver::User, &mut reading, report)
}

/// Drops what is said about lines in which a variable stands that only an instance has: its value may be a good one.
fn drop_those_of_placeholders(report: &mut Report, sources: &BTreeMap<String, String>) {
    let has_one = |text: &str| text.contains(crate::template::MISSING);
    let with_one = sources.iter().filter(|(_, text)| has_one(text));
    let lines = map_of(with_one.map(|(part, text)| (part.as_str(), text.lines().map(has_one).collect::<Vec<bool>>())));
    let is_of_one = |origin: &Origin| {
        let line = (origin.line as usize).checked_sub(1)?;
        lines.get(&*origin.part)?.get(line).copied()
    };
    report.problems.retain(|problem| problem.origin.as_ref().and_then(is_of_one) != Some(true));
}

/// A file as it lies in `/etc/landfall`: a `landfall` section without a header, be it that all of it is commented out. Anything else
/// is user-data.
fn own_configuration(file: &str, bytes: &[u8], report: &mut Report) -> Option<Input> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.starts_with("#cloud-config"))?;
    let is_empty = text.starts_with("# ") && text.lines().map(str::trim_start).all(|line| line.is_empty() || line.starts_with('#'));
    let mut found = Report::new();
    let document = if is_empty {
        found.note("empty", "all of it is commented out").at(&Origin::new(file, 1, 1));
        crate::run::input::nothing(file)
    } else {
        yaml::parse_with_report(file, text, &mut found).ok().filter(|node| node.get("landfall").is_some())?
    };
    report.extend(found);
    Some(Input { document, scripts: Vec::new(), hooks: Vec::new(), sources: vec![(file.to_owned(), text.to_owned())], message: None })
}

/// The pasted way puts landfall's section into a file of its own, by `write_files` or in a script: that file is checked too.
/// Returns the secrets in it.
fn check_own_configuration(
    document: &Node,
    report: &mut Report,
    sources: &mut BTreeMap<String, String>,
    host: &Host,
) -> Vec<Secret<String>> {
    let found = written::find(document, &|part| sources.get(part).map(String::as_str));
    let mut secrets = Vec::new();
    for Written { part, text } in found {
        let section = match yaml::parse_with_report(&part, &text, report) {
            // As in hosted mode: cloud-init does the rest of the file.
            Ok(node) => CloudConfig::read_section(&overlay(document.clone(), node), report),
            Err(error) => {
                error.report(&part, report);
                None
            }
        };
        sources.entry(part.to_string()).or_insert(text);
        if let Some(section) = section {
            report.extend(planned(&section, &UserParts::default(), Way::Hosted, host));
            check_scripts(&section, host, report);
            secrets.extend(section.secrets);
        }
    }
    secrets
}

/// Asks this machine's shell, where it has one, which items no shell could read. Nothing is run.
fn check_scripts(config: &CloudConfig, host: &Host, report: &mut Report) {
    let scripts = config.all_keys().flat_map(|keys| [("bootcmd", &keys.bootcmd), ("runcmd", &keys.runcmd)]);
    for (name, script) in scripts.filter(|(_, script)| !script.items.is_empty()) {
        let texts: Vec<&str> = script.items.iter().map(|item| item.text.expose().as_str()).collect();
        // One question where all is well; and none where there is no shell.
        if host.shell_parses(&texts.join("\n")) || !host.shell_parses(":") {
            continue;
        }
        let unreadable = |text: &str| !text.trim().is_empty() && !host.shell_parses(text);
        for (first, last) in script::joint_ranges(&texts, &mut |text| host.shell_parses(text)) {
            if first == last && unreadable(texts[first]) {
                let item = &script.items[first];
                let message = format!("item {} of {name} is no whole command: the shell cannot read it", item.number);
                report
                    .warning("shell", message)
                    .at(&item.origin)
                    .help("close what it opens: quotes, `if ... fi`, `{ ... }`; what is of bash needs `bash -c '...'`");
            }
        }
    }
}

/// Asks the shell that a script is for, where this machine has it, whether it can read all of it. Nothing is run.
fn check_script_parts(scripts: &[UserScript], report: &mut Report, sources: &mut BTreeMap<String, String>, host: &Host) {
    for script in scripts {
        let bytes = unix_lines(&script.content.expose().0);
        let Some((shell, text)) = std::str::from_utf8(&bytes).ok().and_then(|text| Some((shell_of(text)?, text))) else { continue };
        let Some((line, why)) = host.shell_objects(shell, text) else { continue };
        sources.entry(script.part.clone()).or_insert_with(|| text.to_owned());
        report
            .warning("shell", format!("{}: {shell} cannot read this script to its end: {why}", script.part))
            .at(&Origin::new(script.part.as_str(), line, 1))
            .help("what stands before that is run, and then the script fails");
    }
}

/// The shell that a script's first line names.
fn shell_of(text: &str) -> Option<&'static str> {
    let mut words = text.lines().next()?.strip_prefix("#!")?.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let is_env = |word: &&str| *word == "env" || word.starts_with('-') || word.contains('=');
    match words.find(|word| !is_env(word))? {
        "sh" | "dash" => Some("sh"),
        "bash" => Some("bash"),
        _ => None,
    }
}

/// What the modules find in a configuration.
fn planned(config: &CloudConfig, user: &UserParts<'_>, way: Way, host: &Host) -> Report {
    let mut steps = Steps::default();
    let mut facts = assumed_facts();
    let patterns = modules::questions(config).repositories;
    if !patterns.is_empty() && host.regex_matches("", "").is_some() {
        facts.repositories = host.repositories(patterns);
    }
    modules::plan_all(config, &facts, user, way, &mut steps);
    let mut report = steps.finish().1;
    report.problems.retain(|problem| problem.code != modules::OF_THIS_HOST);
    // Nobody says which system the file is for, nor in which cloud; that something is not done on Debian weighs all the same.
    for problem in &mut report.problems {
        match (problem.code, problem.severity) {
            (modules::OTHER_SYSTEM | modules::CLOUD_DEVICE, Severity::Error) => problem.severity = Severity::Warning,
            (modules::OTHER_SYSTEM, _) => problem.severity = Severity::Note,
            _ => {}
        }
    }
    report
}

/// cloud-init 25.1 reports a top-level `landfall` key as a schema error and ends degraded.
fn warn_of_section(document: &Node, report: &mut Report) {
    let only = document.entries().len() == 1;
    if let Some(entry) = document.entry("landfall").filter(|_| !only) {
        report
            .warning("top-level-landfall", "where cloud-init handles this file, it does not know this key and ends degraded")
            .at(&entry.key.origin)
            .help("write the section to /etc/landfall/conf.d/50-user.yaml by `write_files` instead; without cloud-init, leave it");
    }
}

/// The accounts of Debian's base-passwd.
const BASE_USERS: &str = "root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody";
const BASE_GROUPS: &str = "root daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom floppy tape sudo \
                           audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games users nogroup";

/// A plain Debian at its first boot.
fn assumed_facts() -> Facts {
    let account = |name: &str| {
        let (home, shell) = if name == "root" { ("/root", "/bin/bash") } else { ("/nonexistent", "/usr/sbin/nologin") };
        (name.to_owned(), Account { home: home.into(), shell: shell.into(), ..Account::default() })
    };
    Facts {
        distro: "debian".into(),
        codename: "trixie".into(),
        version_id: "13".into(),
        arch: "amd64".into(),
        hostname: "localhost".into(),
        users: map_of(BASE_USERS.split(' ').map(account)),
        groups: BASE_GROUPS.split(' ').map(str::to_owned).collect(),
        sshd_includes_dropins: true,
        sudoers_includes_dropins: true,
        programs: PROGRAMS.iter().map(|name| (*name).to_owned()).collect(),
        instance_id: "validate".into(),
        datasource: "file".into(),
        ..Facts::default()
    }
}

fn gzipped(bytes: &[u8]) -> usize {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().map_or(bytes.len(), |out| out.len())
}

impl Checked {
    fn is_valid(&self) -> bool {
        !(self.report.has_errors() || (self.strict && self.report.count(Severity::Warning) > 0))
    }

    fn render(&self, quiet: bool) -> String {
        let sources = |part: &str| self.sources.get(part).map(String::as_str);
        let mask = |line: &str| self.redactor.apply(line);
        if quiet {
            let least = if self.strict { Severity::Warning } else { Severity::Error };
            let problems = self.report.problems.iter().filter(|problem| problem.severity >= least).cloned().collect();
            return Report { problems }.render(&sources, &mask);
        }
        let mut text = self.report.render(&sources, &mask);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}: {}; {} bytes ({} gzipped)", self.file, self.verdict(), self.size, self.gzipped);
        text
    }

    fn verdict(&self) -> String {
        let count = |severity, one: &str| match self.report.count(severity) {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {one}s")),
        };
        let counts: Vec<String> = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
            .iter()
            .filter_map(|(severity, word)| count(*severity, word))
            .collect();
        match (self.is_valid(), counts.is_empty()) {
            (true, true) => "valid".into(),
            (true, false) => format!("valid, {}", counts.join(", ")),
            _ => counts.join(", "),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        let limits: Vec<serde_json::Value> = LIMITS
            .iter()
            .map(|(name, limit)| json!({"provider": name, "limit": limit, "fits": self.size <= *limit, "fits_gzipped": self.gzipped <= *limit}))
            .collect();
        json!({
            "file": self.file,
            "valid": self.is_valid(),
            "problems": self.report.to_json(),
            "size": {"bytes": self.size, "gzipped": self.gzipped, "limits": limits},
        })
    }
}
