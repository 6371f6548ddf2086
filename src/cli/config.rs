//! `landfall config`: every setting, its value, and where it was said. What a plan made now would get; a stored plan keeps what
//! held when it was made.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::config::problem::Severity;
use crate::config::settings::{self, Setting};
use crate::error::{exit, Failure, Kind};
use crate::host::Host;
use crate::identity::Recorded;
use crate::redact::Redactor;
use crate::run::{self, InstanceDir, Source};

use super::settings::Settings;
use super::{input, out, Answer, Refusal, TextOrJson};

/// `landfall config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// User-data: a path, an http(s) address, or - for stdin; what this host was given where it is left out
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// The configuration of the system under this directory instead
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
    #[command(flatten)]
    settings: Settings,
}

/// Shows the settings.
pub fn config(args: &ConfigArgs, host: &Host) -> Answer {
    let rooted = args.root.as_deref().map(input::root).transpose()?;
    let host = rooted.as_ref().unwrap_or(host);
    let source = match &args.file {
        Some(name) => input::source(name, false)?,
        None => recorded(host).map_err(needs_root)?,
    };
    let (document, config, mut report) = run::settings(host, &source, &args.settings.as_given()).map_err(needs_root)?;
    let redactor = Redactor::new(config.secrets.iter().map(|secret| secret.expose().clone()));
    let mut shown = settings::listed(&document, &report);
    shown.iter_mut().for_each(|setting| setting.value = redactor.apply(&setting.value));
    report.mask(&|text| redactor.quoted(text));
    let wrong = report.problems.iter().filter(|problem| problem.severity != Severity::Note);
    match args.format {
        TextOrJson::Text => {
            out::print(&table(&shown));
            for problem in wrong {
                out::complain(&redactor.apply(&format!("{}: {}\n", problem.severity.name(), problem.sentence())));
            }
        }
        TextOrJson::Json => {
            out::json(&json!({ "valid": !report.has_errors(), "settings": shown, "problems": report.to_json() }))?;
        }
    }
    Ok(if report.has_errors() { exit::DATA } else { exit::OK })
}

/// What this host was given: its user-data as stored, by the name that messages use.
fn recorded(host: &Host) -> Result<Source, Failure> {
    let recorded = Recorded::load(host)?;
    let directory = recorded.as_ref().and_then(|recorded| recorded.directory.as_deref()).map(InstanceDir::new);
    let bytes = directory.and_then(|directory| directory.user_data(host)).unwrap_or_default();
    Ok(match recorded.and_then(|recorded| recorded.source).as_deref() {
        Some("cloud-init") => Source::Hosted { merged_config: bytes },
        _ => Source::File { name: "user-data".into(), bytes, first_boot: false },
    })
}

fn needs_root(failure: Failure) -> Refusal {
    if failure.kind == Kind::Permission && !nix::unistd::geteuid().is_root() {
        return Refusal::new(exit::NEEDS_ROOT, format!("`landfall config` needs root here: {}", failure.message))
            .help("sudo landfall config");
    }
    failure.into()
}

fn table(settings: &[Setting]) -> String {
    let width = |of: fn(&Setting) -> &str| settings.iter().map(|setting| of(setting).chars().count()).max().unwrap_or(0);
    let (names, values) = (width(|setting| &setting.name), width(|setting| &setting.value).min(48));
    let line = |one: &Setting| format!("{:names$}  {:values$}  {}\n", one.name, one.value, one.source);
    settings.iter().map(line).collect()
}
