//! `landfall plan`: what a run of this user-data would do on this host, now. Changes nothing.

use std::path::PathBuf;

use clap::Args;

use crate::config::problem::Severity;
use crate::error::exit;
use crate::host::Host;
use crate::identity::Recorded;
use crate::plan::render_text;
use crate::redact::Redactor;
use crate::run::{prepare, recorded_plan, InstanceDir, Source};

use super::{input, out, Answer, TextOrJson};

/// `landfall plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// User-data: a path, or - for stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// Plan for the system under this directory instead
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// Plans.
pub fn plan(args: &PlanArgs, host: &Host) -> Answer {
    let rooted = args.root.as_deref().map(input::root).transpose()?;
    let host = rooted.as_ref().unwrap_or(host);
    let source = Source::File { name: args.file.clone(), bytes: input::read(&args.file)? };
    // Without rights what is on record cannot be read: what it does at every boot is not shown then.
    let recorded = Recorded::load(host).ok().flatten().unwrap_or_default();
    let mut prepared = prepare(host, recorded.instance_id.as_deref().unwrap_or(InstanceDir::MANUAL), &source)?;
    if let Some(before) = recorded_plan(host, &recorded)? {
        prepared.plan.keep_boot_steps(&before);
    }
    let redactor = Redactor::new(prepared.plan.secrets.iter().map(|secret| secret.expose().clone()));
    match args.format {
        TextOrJson::Text => out::print(&redactor.apply(&render_text(&prepared.plan))),
        TextOrJson::Json => out::print(&redactor.apply_to_json(&out::json_text(&prepared.plan)?)),
    }
    let wrong = prepared.report.problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok(if wrong { exit::DATA } else { exit::OK })
}
