//! From typed configuration, facts and scripts to a plan.

use super::{apt_get, plan_all, Steps, UserHook, UserParts, Way};
use crate::config::problem::{Problem as ConfigProblem, Report, Severity};
use crate::config::typed::others::Updates;
use crate::config::typed::CloudConfig;
use crate::facts::Facts;
use crate::ordered::sort_by_key;
use crate::plan::notify::Listener;
use crate::plan::{digest_of, format_for, NetworkEvent, Plan, Problem, Weight};
use crate::redact::Redactor;
use crate::secret::Secret;

/// Everything a plan is made from.
pub struct PlanInput<'a> {
    /// The configuration.
    pub config: &'a CloudConfig,
    /// The host; instance and datasource too.
    pub facts: &'a Facts,
    /// What else came with the user-data.
    pub user: UserParts<'a>,
    /// How the configuration came to this host.
    pub way: Way,
    /// What reading it found; what planning finds is added.
    pub report: &'a mut Report,
}

/// Makes the plan. Pure: the same input gives the same plan.
pub fn plan(input: PlanInput<'_>) -> Plan {
    let mut steps = Steps::default();
    let phases = plan_all(input.config, input.facts, &input.user, input.way, &mut steps);
    let (steps, found) = steps.finish();
    input.report.extend(found);
    let redactor = Redactor::new(input.config.secrets.iter().map(|secret| secret.expose().clone()));
    let problems = input.report.problems.iter().map(|found| problem(found, &redactor)).collect();
    Plan {
        format: format_for(&phases),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: input.facts.instance_id.clone(),
        datasource: input.facts.datasource.clone(),
        config_digest: config_digest(&input),
        steps,
        phases,
        breaker: input.config.defaults.breaker,
        resources: input.config.defaults.resources,
        apt_get: apt_get::apt_get(&input.config.keys),
        backups: input.config.defaults.backups,
        problems,
        secrets: input.config.secrets.clone(),
        notify: listeners(input.config),
        wipe_user_data: input.config.defaults.wipe_user_data,
        waits_for: Vec::new(),
        network_events: network_events(input.config),
    }
}

/// `updates.network.when`, but for what holds anyhow.
fn network_events(config: &CloudConfig) -> Vec<NetworkEvent> {
    let written = config.all_keys().filter_map(|keys| keys.updates.as_ref()).flat_map(Updates::network_events);
    let mut events: Vec<NetworkEvent> = written.map(|(event, _)| event).collect();
    sort_by_key(&mut events, |event| *event as u8);
    events.dedup();
    events
}

/// Who is told of the run's end, and of each phase's.
fn listeners(config: &CloudConfig) -> Vec<Listener> {
    let of_phases = config.phases.iter().flat_map(|phase| {
        let own = |listener: &Listener| Listener { phase: Some(phase.head.name.0.clone()), ..listener.clone() };
        phase.head.notify.0.iter().map(own)
    });
    config.notify.iter().cloned().chain(of_phases).collect()
}

/// Changes with the document and with every script beside it.
fn config_digest(input: &PlanInput<'_>) -> String {
    let mut parts: Vec<(&str, &Secret<_>)> = input.user.scripts.iter().map(|script| (script.name.as_str(), &script.content)).collect();
    parts.extend(input.user.hooks.iter().map(|hook| match hook {
        UserHook::Boothook { name, content } => (name.as_str(), content),
        UserHook::Handler { content, .. } => ("part-handler", content),
        UserHook::Part(part) => (part.file_name.as_str(), &part.content),
    }));
    digest_of(&(&input.config.digest, parts))
}

/// A problem of the configuration as the run reports it: an error means that something was lost.
fn problem(found: &ConfigProblem, redactor: &Redactor) -> Problem {
    let weight = match found.severity {
        Severity::Error => Some(Weight::Failed),
        Severity::Warning => Some(Weight::Degraded),
        Severity::Note => None,
    };
    let mut masked = found.clone();
    masked.mask(&|text| redactor.quoted(text));
    Problem { weight, message: masked.sentence() }
}
