//! `landfall plan`: what a run of this user-data, or this host's next boot, would do. Changes nothing.

use std::path::PathBuf;

use clap::Args;

use crate::config::problem::Severity;
use crate::config::settings::Overrides;
use crate::engine::needs::Needs;
use crate::error::exit;
use crate::host::Host;
use crate::identity::Recorded;
use crate::plan::{render_text, Plan};
use crate::redact::Redactor;
use crate::run::{plan_of_boot, prepare, recorded_plan, Fetching, InstanceDir};

use super::refusal::require_root;
use super::settings::Settings;
use super::{input, out, Answer, Refusal, TextOrJson};

/// `landfall plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// User-data: a path, an http(s) address, or - for stdin; without it, what this host's datasource gives a boot
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Plan for the system under this directory instead
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Plan FILE as the first boot of a new host like this one does it, not as `landfall apply` does it here
    #[arg(long, requires = "file")]
    first_boot: bool,
    /// How the plan is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
    #[command(flatten)]
    settings: Settings,
}

/// Plans.
pub fn plan(args: &PlanArgs, host: &Host) -> Answer {
    let rooted = args.root.as_deref().map(input::root).transpose()?;
    let host = rooted.as_ref().unwrap_or(host);
    let given = args.settings.read()?;
    let (plan, wrong) = match &args.file {
        Some(file) => of_file(file, args.first_boot, host, &given)?,
        None => of_boot(host, rooted.is_some(), &given)?,
    };
    let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
    match args.format {
        TextOrJson::Text => {
            let needs = Needs::of(&plan, &|_| true);
            let mask = |text: &str| redactor.apply(text);
            out::print(&format!("{}{}", render_text(&plan, &mask), mask(&needs.render())));
            if args.file.is_some() && !args.first_boot && host.is_live() {
                out::complain("note: this is what `landfall apply` does on this host; `--first-boot` plans a new host's first boot\n");
            }
        }
        TextOrJson::Json => out::print(&redactor.apply_to_json(&out::json_text(&plan)?)),
    }
    Ok(if wrong { exit::DATA } else { exit::OK })
}

/// The plan of a file, and whether it has errors.
fn of_file(file: &str, first_boot: bool, host: &Host, given: &Overrides) -> Result<(Plan, bool), Refusal> {
    let source = input::source(file, first_boot)?;
    // Without rights what is on record cannot be read: what it does at every boot is not shown then.
    let recorded = Recorded::load(host).ok().flatten().unwrap_or_default();
    let mut prepared = prepare(host, recorded.instance_id.as_deref().unwrap_or(InstanceDir::MANUAL), &source, given, &Fetching::NOW)?;
    // To a new host what is on record is another instance's.
    let before = if first_boot { None } else { recorded_plan(host, &recorded)? };
    if let Some(before) = before {
        prepared.plan.keep_boot_steps(&before);
    }
    let wrong = prepared.report.problems.iter().any(|problem| problem.severity == Severity::Error);
    Ok((prepared.plan, wrong))
}

/// The plan of the next boot.
fn of_boot(host: &Host, is_rooted: bool, given: &Overrides) -> Result<(Plan, bool), Refusal> {
    if !is_rooted {
        require_root("plan without a file")?;
    }
    plan_of_boot(host, given)?.map_err(|why| {
        let refusal = Refusal::new(exit::NO_DATASOURCE, format!("a boot of this host has nothing to plan: {why}"));
        refusal.help("name a file: `landfall plan FILE`")
    })
}
