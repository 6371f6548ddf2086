//! Conditions of phases: what the facts decide is decided here, the rest is left to the engine.

use crate::config::typed::conditions::{When, CONTAINERS};
use crate::config::typed::Phase;
use crate::facts::Facts;
use crate::plan::phase::OutcomeCondition;
use crate::plan::PhaseRules;

/// What holds for a phase as a whole; `earlier` are those before it.
pub fn rules(phase: &Phase, facts: &Facts, earlier: &[PhaseRules]) -> PhaseRules {
    let when = phase.head.when.as_ref().map(|when| &when.0);
    let left_out = |name: &str| earlier.iter().any(|other| other.name == name && other.not_here.is_some());
    let outcome =
        |(phase, is): &(crate::config::typed::Located<String>, Vec<_>)| OutcomeCondition { phase: phase.value.clone(), is: is.clone() };
    let needed = phase.head.needs.0.iter().find(|need| left_out(&need.value));
    let needed = needed.map(|need| format!("it needs phase `{}`, which is not run here", need.value));
    let failing = phase.after_failure_of.clone();
    let idle =
        failing.as_ref().filter(|name| left_out(name)).map(|name| format!("phase `{name}`, whose failure it is for, is not run here"));
    PhaseRules {
        name: phase.head.name.0.clone(),
        not_here: when.and_then(|when| unmet(when, facts)).or(needed).or(idle),
        outcome: when.map(|when| when.outcome.0.iter().map(outcome).collect()).unwrap_or_default(),
        creates: phase.head.creates.as_ref().map(|path| path.0.clone()),
        after_failure_of: failing,
        parallel: phase.head.parallel,
    }
}

/// The first condition that this host does not meet, in words.
fn unmet(when: &When, facts: &Facts) -> Option<String> {
    let words = |wanted: &mut dyn Iterator<Item = &String>| wanted.map(String::as_str).collect::<Vec<_>>().join(" or ");
    let is_one = |wanted: &str, found: &[&str]| found.iter().any(|found| wanted.eq_ignore_ascii_case(found));
    let release = [facts.codename.as_str(), facts.version_id.as_str()];
    let virtualization = facts.virtualization.as_deref();
    let kinds: Vec<&str> = virtualization.into_iter().chain(virtualization.and_then(family)).collect();
    let memory = when.memory.as_ref().filter(|memory| !facts.memory.is_some_and(|bytes| memory.holds(bytes)));
    let conditions = [
        ("distro", when.distro.0.iter().map(|word| &word.0).collect::<Vec<_>>(), vec![facts.distro.as_str()]),
        ("release", when.release.0.iter().map(|word| &word.0).collect(), release.to_vec()),
        ("arch", when.arch.0.iter().map(|word| &word.0).collect(), vec![facts.arch.as_str()]),
        ("virtualization", when.virtualization.0.iter().map(|word| &word.0).collect(), kinds),
    ];
    for (name, wanted, found) in conditions {
        if wanted.is_empty() || wanted.iter().any(|wanted| is_one(wanted, &found)) {
            continue;
        }
        let wanted = words(&mut wanted.into_iter());
        return Some(match found.first().filter(|found| !found.is_empty()) {
            Some(found) => format!("{name} is {found}, not {wanted}"),
            None => format!("{name} is not known here, and it asks for {wanted}"),
        });
    }
    memory.map(|memory| match facts.memory {
        Some(bytes) => format!("memory is {} MiB, not {}", bytes >> 20, memory.text),
        None => format!("memory is not known here, and it asks for {}", memory.text),
    })
}

/// The family of a kind of virtualization.
fn family(kind: &str) -> Option<&'static str> {
    match kind {
        "none" => None,
        kind if CONTAINERS.contains(&kind) => Some("container"),
        _ => Some("vm"),
    }
}
