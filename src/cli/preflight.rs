//! `landfall preflight`: whether this host has what a plan needs. Changes nothing.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::config::problem::Severity;
use crate::engine::needs::Needs;
use crate::engine::preflight::{self, Check, Findings, Grade, Network, Question};
use crate::error::exit;
use crate::host::Host;
use crate::identity::Recorded;
use crate::plan::{Plan, Stage};
use crate::redact::Redactor;
use crate::run::{prepare, Fetching, InstanceDir};

use super::refusal::require_root;
use super::{input, out, recorded, Answer, Refusal, TextOrJson};

/// `landfall preflight`.
#[derive(Debug, Args)]
pub struct PreflightArgs {
    /// User-data: a path, an http(s) address, or - for stdin; the recorded run where it is left out
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Measure how fast a source of packages is: fetches up to 8 MiB
    #[arg(long)]
    bandwidth: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// What was found, for programs.
#[derive(Serialize)]
struct Report<'r> {
    verdict: Grade,
    #[serde(flatten)]
    findings: &'r Findings,
    needs: &'r Needs,
}

/// Looks, and says what it found; the exit code is 1 if something will go wrong.
pub fn preflight(args: &PreflightArgs, host: &Host) -> Answer {
    let (plan, needs) = match &args.file {
        Some(name) => given(name, host)?,
        None => of_record(host)?,
    };
    let sizes = preflight::package_sizes(host, &needs);
    let is_root = nix::unistd::geteuid().is_root();
    let question = Question { host, needs: &needs, resources: plan.resources, sizes: sizes.as_ref(), is_root };
    let mut findings = preflight::local(&question);
    findings.extend(preflight::network(&question, Network { bandwidth: args.bandwidth }));
    let redactor = Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone()));
    match args.format {
        TextOrJson::Text => out::print(&redactor.apply(&render(&findings))),
        TextOrJson::Json => {
            let report = Report { verdict: findings.worst(), findings: &findings, needs: &needs };
            out::print(&redactor.apply_to_json(&out::json_text(&report)?));
        }
    }
    Ok(if findings.worst() == Grade::Fail { exit::FAILED } else { exit::OK })
}

/// The plan of a file, as it would be made now.
fn given(name: &str, host: &Host) -> Result<(Plan, Needs), Refusal> {
    let source = input::source(name, false)?;
    let recorded = Recorded::load(host).ok().flatten().unwrap_or_default();
    let id = recorded.instance_id.as_deref().unwrap_or(InstanceDir::MANUAL);
    let prepared = prepare(host, id, &source, &super::settings::Settings::default().as_given(), &Fetching::NOW)?;
    let problems = &prepared.report.problems;
    if let Some(first) = problems.iter().find(|problem| problem.severity == Severity::Error) {
        let redactor = Redactor::new(prepared.plan.secrets.iter().map(|secret| secret.expose().clone()));
        let refusal = Refusal::new(exit::DATA, redactor.quoted(&first.sentence()));
        return Err(refusal.help(format!("`landfall validate {}` shows every problem with its line", input::shown(name))));
    }
    let needs = Needs::of(&prepared.plan, &|_| true);
    Ok((prepared.plan, needs))
}

/// What is still to be done of the recorded plan.
fn of_record(host: &Host) -> Result<(Plan, Needs), Refusal> {
    require_root("preflight")?;
    let nothing = || {
        let refusal = Refusal::new(exit::NO_DATASOURCE, "landfall has no recorded plan on this host");
        refusal.help("name a file: `landfall preflight FILE`")
    };
    let directory = recorded::load(host)?.directory.ok_or_else(nothing)?;
    let plan = directory.load_plan(host)?.ok_or_else(nothing)?;
    let ledger = directory.ledger(host, Stage::Final, true)?;
    let needs = Needs::of(&plan, &|step| !ledger.is_settled(step) || ledger.has_failed(step));
    Ok((plan, needs))
}

fn render(findings: &Findings) -> String {
    let mut text = String::new();
    for check in &findings.checks {
        line(&mut text, check);
    }
    for unchecked in &findings.unchecked {
        let _ = writeln!(text, "  --  not checked: {unchecked}");
    }
    let counts: Vec<String> = [Grade::Fail, Grade::Warn, Grade::Pass]
        .into_iter()
        .filter(|grade| findings.count(*grade) > 0)
        .map(|grade| format!("{} {}", findings.count(grade), grade.name()))
        .collect();
    let _ = writeln!(text, "{}", if counts.is_empty() { "nothing to check".to_owned() } else { counts.join(", ") });
    text
}

fn line(text: &mut String, check: &Check) {
    let _ = writeln!(text, "{}  {}", check.grade.name(), check.sentence());
    if let Some(hint) = &check.hint {
        let _ = writeln!(text, "      {hint}");
    }
}
