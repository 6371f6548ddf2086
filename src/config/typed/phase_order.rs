//! The order of phases: by what they need and ask about, otherwise as written; a playbook right after the phase whose failure it
//! is for.

use super::landfall::RawPhase;
use super::reader::{nearest, Reader};
use super::scalars::Located;

/// The phases in the order of their needs, otherwise as written. What needs an unknown phase, or itself by a detour, is
/// reported and left out with all that needs it.
pub fn order_phases(mut phases: Vec<RawPhase>, reader: &mut Reader<'_>) -> Vec<RawPhase> {
    let names: Vec<String> = phases.iter().map(|phase| phase.head.name.0.clone()).collect();
    let looping = find_playbooks(&mut phases, &names, reader);
    phases.retain(|phase| !looping.contains(&phase.head.name.0));
    let (mut books, mut waiting): (Vec<RawPhase>, Vec<RawPhase>) = phases.into_iter().partition(|phase| phase.after_failure_of.is_some());
    let mut ordered: Vec<RawPhase> = Vec::new();
    loop {
        let ready = |phase: &RawPhase| before(phase).all(|name| ordered.iter().any(|done| done.head.name.0 == name.value));
        let Some(at) = waiting.iter().position(ready) else { break };
        ordered.push(waiting.remove(at));
        while let Some(at) =
            ordered.last().and_then(|last| books.iter().position(|book| book.after_failure_of == Some(last.head.name.0.clone())))
        {
            ordered.push(books.remove(at));
        }
    }
    for phase in &waiting {
        report_unmet(phase, &names, &ordered, reader);
    }
    for book in &books {
        let (name, failing) = (&book.head.name.0, book.after_failure_of.as_deref().unwrap_or_default());
        let message = format!("phase `{name}` is for the failure of `{failing}`, which is left out: it is not run");
        reader.report.error("phase-left-out", message).at(&book.head.origin);
    }
    ordered
}

/// The phases that must come before one: what it needs, and what its conditions ask about.
fn before(phase: &RawPhase) -> impl Iterator<Item = &Located<String>> {
    let asked = phase.head.when.iter().flat_map(|when| when.0.outcome.0.iter().map(|(phase, _)| phase));
    phase.head.needs.0.iter().chain(asked)
}

/// Notes with each playbook whose failure it is for. Gives back the phases that are their own playbook by a detour.
fn find_playbooks(phases: &mut [RawPhase], names: &[String], reader: &mut Reader<'_>) -> Vec<String> {
    let named: Vec<(String, Located<String>)> =
        phases.iter().filter_map(|phase| Some((phase.head.name.0.clone(), phase.head.on_failure.clone()?))).collect();
    let next = |phase: &str| named.iter().find(|(from, _)| from == phase).map(|(_, to)| to.value.clone());
    let mut looping = Vec::new();
    for (phase, book) in &named {
        let chain = std::iter::successors(Some(book.value.clone()), |at| next(at)).take(names.len());
        if chain.into_iter().any(|at| at == *phase) {
            let message = format!("phase `{phase}` is run where it fails itself, by way of `{}`: it is not run", book.value);
            reader.report.error("phase-cycle", message).at(&book.origin).help("let the last playbook have no `on_failure`");
            looping.push(phase.clone());
        }
    }
    for (phase, book) in named.iter().filter(|(phase, _)| !looping.contains(phase)) {
        let Some(target) = phases.iter_mut().find(|other| other.head.name.0 == book.value) else {
            let message = format!("there is no phase `{}` to run where `{phase}` fails", book.value);
            let candidates: Vec<&str> = names.iter().map(String::as_str).filter(|name| name != phase).collect();
            suggest(reader.report.error("unknown-phase", message).at(&book.origin), &book.value, &candidates);
            continue;
        };
        if let Some(other) = &target.after_failure_of {
            let message = format!("phase `{}` is run where `{other}` fails; it cannot be run where `{phase}` fails too", book.value);
            reader.report.error("playbook", message).at(&book.origin).help("give each phase its own playbook");
            continue;
        }
        target.after_failure_of = Some(phase.clone());
        let needed = before(target).next().cloned();
        if let Some(needed) = needed {
            let message =
                format!("phase `{}` is run right where `{phase}` fails: that it waits for `{}` is ignored", book.value, needed.value);
            reader
                .report
                .error("playbook", message)
                .at(&needed.origin)
                .help("leave it out: a playbook needs what failed, and nothing else");
            target.head.needs.0.clear();
            target.head.when.iter_mut().for_each(|when| when.0.outcome.0.clear());
        }
    }
    looping
}

fn suggest(problem: &mut crate::config::problem::Problem, word: &str, known: &[&str]) {
    if let Some(near) = nearest(word, known) {
        problem.help(format!("did you mean `{near}`?"));
    }
}

fn report_unmet(phase: &RawPhase, names: &[String], ordered: &[RawPhase], reader: &mut Reader<'_>) {
    let name = &phase.head.name.0;
    let needs = phase.head.needs.0.len();
    for (at, need) in before(phase).enumerate() {
        if ordered.iter().any(|done| done.head.name.0 == need.value) {
            continue;
        }
        let verb = if at < needs { "needs" } else { "asks about" };
        if names.contains(&need.value) {
            let message = format!("phase `{name}` {verb} `{}`, which waits for it or is left out itself: it is not run", need.value);
            reader.report.error("phase-cycle", message).at(&need.origin).help("let phases need only what comes before them");
        } else {
            let message = format!("phase `{name}` {verb} `{}`, and there is no such phase: it is not run", need.value);
            let candidates: Vec<&str> = names.iter().map(String::as_str).collect();
            suggest(reader.report.error("unknown-phase", message).at(&need.origin), &need.value, &candidates);
        }
    }
}
