//! From typed configuration, facts and scripts to a plan.

use super::{plan_all, Steps, UserScript, Way};
use crate::config::problem::{Problem as ConfigProblem, Report, Severity};
use crate::config::typed::CloudConfig;
use crate::facts::Facts;
use crate::plan::{digest_of, Plan, Problem, Weight, FORMAT};
use crate::redact::Redactor;
use crate::secret::Secret;

/// Everything a plan is made from.
pub struct PlanInput<'a> {
    /// The configuration.
    pub config: &'a CloudConfig,
    /// The host; instance and datasource too.
    pub facts: &'a Facts,
    /// Scripts that came with the user-data.
    pub scripts: &'a [UserScript],
    /// How the configuration came to this host.
    pub way: Way,
    /// What reading it found; what planning finds is added.
    pub report: &'a mut Report,
}

/// Makes the plan. Pure: the same input gives the same plan.
pub fn plan(input: PlanInput<'_>) -> Plan {
    let mut steps = Steps::default();
    plan_all(input.config, input.facts, input.scripts, input.way, &mut steps);
    let (steps, found) = steps.finish();
    input.report.extend(found);
    let redactor = Redactor::new(input.config.secrets.iter().map(|secret| secret.expose().clone()));
    let problems = input.report.problems.iter().map(|found| problem(found, &redactor)).collect();
    Plan {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: input.facts.instance_id.clone(),
        datasource: input.facts.datasource.clone(),
        config_digest: config_digest(&input),
        steps,
        problems,
        secrets: input.config.secrets.clone(),
        wipe_user_data: input.config.defaults.wipe_user_data,
    }
}

/// Changes with the document and with every script beside it.
fn config_digest(input: &PlanInput<'_>) -> String {
    let scripts: Vec<(&str, &Secret<_>)> = input.scripts.iter().map(|script| (script.name.as_str(), &script.content)).collect();
    digest_of(&(&input.config.digest, scripts))
}

/// A problem of the configuration as the run reports it: an error means that something was lost.
fn problem(found: &ConfigProblem, redactor: &Redactor) -> Problem {
    let weight = match found.severity {
        Severity::Error => Some(Weight::Failed),
        Severity::Warning => Some(Weight::Degraded),
        Severity::Note => None,
    };
    Problem { weight, message: redactor.quoted(&found.sentence()) }
}
