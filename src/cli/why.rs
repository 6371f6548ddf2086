//! `landfall why`: why the run failed or waits, and what to do, in one screen.

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;

use crate::clock;
use crate::config::node::Origin;
use crate::config::problem::Report;
use crate::engine::summary::{ErrorReport, PhaseSummary, State, StepResult, StepSummary, Summary, Told};
use crate::error::exit;
use crate::host::process::last_lines;
use crate::host::Host;
use crate::plan::{PhaseOutcome, Weight};

use super::recorded::{self, Recorded};
use super::status::{current, result_word, weight_word};
use super::{out, Answer, TextOrJson};

/// One screen holds this many failed steps; the rest is counted.
const MOST_STEPS: usize = 3;

/// `landfall why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// What there is to say, for people and programs both.
#[derive(Debug, Serialize)]
struct Why {
    state: State,
    /// One sentence.
    because: String,
    /// Steps it is about, the first first.
    steps: Vec<Concern>,
    /// Steps beyond those.
    more_steps: usize,
    /// Phases that were run because another failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    playbooks: Vec<PhaseSummary>,
    /// Problems of the user-data and notices of the run that count.
    told: Vec<Told>,
    /// What to do.
    next: String,
}

/// A step and what it left behind.
#[derive(Debug, Serialize)]
struct Concern {
    id: String,
    description: String,
    result: StepResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    /// All that is known of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// The user's line, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<String>,
    /// Last lines of its output.
    output: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Says why.
pub fn why(args: &WhyArgs, host: &Host) -> Answer {
    let recorded = recorded::load(host)?;
    let why = explain(&recorded, host);
    match args.format {
        TextOrJson::Text => out::print(&render(&why)),
        TextOrJson::Json => drop(out::json(&why)?),
    }
    Ok(exit::OK)
}

fn explain(recorded: &Recorded, host: &Host) -> Why {
    let summary = &recorded.summary;
    let steps: Vec<&StepSummary> = match summary.state {
        State::Running | State::WaitingForReboot => current(summary).into_iter().collect(),
        State::Interrupted => summary.steps.iter().filter(|step| step.result == StepResult::Interrupted).collect(),
        State::Failed => summary.failures().collect(),
        State::Degraded => summary.steps.iter().filter(|step| step.result == StepResult::Failed || !step.warnings.is_empty()).collect(),
        State::RolledBack => summary.steps.iter().filter(|step| !step.warnings.is_empty()).collect(),
        State::Done | State::Disabled | State::NotStarted => Vec::new(),
    };
    // What makes the run failed, before what only degrades it.
    let (mut steps, lesser): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.weight != Some(Weight::Degraded));
    steps.extend(lesser);
    let concerns: Vec<Concern> = steps.iter().take(MOST_STEPS).map(|step| concern(step, recorded, host)).collect();
    let told = summary.told.iter().filter(|told| told.weight.is_some() || summary.steps.is_empty()).cloned().collect();
    Why {
        state: summary.state,
        because: because(recorded),
        next: next(recorded, &concerns),
        more_steps: steps.len().saturating_sub(MOST_STEPS),
        steps: concerns,
        playbooks: playbooks(summary),
        told,
    }
}

/// The phases that were run because another failed, which may have been mended since.
fn playbooks(summary: &Summary) -> Vec<PhaseSummary> {
    let failing = |book: &PhaseSummary| summary.phases.iter().find(|phase| Some(&phase.name) == book.after_failure_of.as_ref());
    let is_for_a_failure = |book: &&PhaseSummary| failing(book).is_some_and(|failing| failing.outcome != Some(PhaseOutcome::Done));
    summary.phases.iter().filter(is_for_a_failure).filter(|book| book.was_run()).cloned().collect()
}

fn because(recorded: &Recorded) -> String {
    let summary = &recorded.summary;
    let holder = recorded.lock.as_ref().map(|owner| format!(" ({}, pid {})", owner.command, owner.pid)).unwrap_or_default();
    match summary.state {
        State::Failed => {
            let failed = summary.failures().count();
            let left_over = |step: &&StepSummary| matches!(step.result, StepResult::NotRun | StepResult::Skipped) && step.unmet.is_none();
            let not_run = summary.steps.iter().filter(left_over).count();
            match (failed, not_run) {
                (0, _) if has_no_run(recorded) => "nothing could be run".into(),
                (0, _) if could_not_go_on(summary) => "the run could not go on; nothing that was done is lost".into(),
                (0, _) => "the user-data has errors".into(),
                (1, 0) => "one step failed".into(),
                (failed, 0) => format!("{failed} steps failed"),
                (failed, not_run) => format!("{failed} failed, {not_run} not run because of that"),
            }
        }
        State::Degraded => match summary.steps.iter().filter(|step| step.result == StepResult::Failed).count() {
            0 => "everything was run, with warnings".into(),
            1 => "one step failed, and the run went on".into(),
            failed => format!("{failed} steps failed, and the run went on"),
        },
        State::Running => format!("the run goes on{holder}"),
        State::WaitingForReboot => "a reboot was asked for; the run goes on after it".into(),
        State::Interrupted => "the run was cut off; nothing that was done is lost".into(),
        State::Disabled => format!("landfall is switched off: {}", recorded.off.as_deref().unwrap_or("it was when this boot began")),
        State::RolledBack => {
            let undone = summary.steps.iter().filter(|step| step.result == StepResult::Undone).count();
            format!("{undone} of {} steps were undone, as `landfall rollback` was asked for", summary.steps.len())
        }
        State::Done => "everything was done; nothing is wrong".into(),
        State::NotStarted => "nothing was run".into(),
    }
}

/// The error is one of landfall's own state or of the datasource: no plan has come of it.
fn has_no_run(recorded: &Recorded) -> bool {
    recorded.directory.is_none() && recorded.summary.steps.is_empty()
}

/// No step has failed, and not all were run: its own record could not be written.
fn could_not_go_on(summary: &Summary) -> bool {
    let is_open = |step: &StepSummary| matches!(step.result, StepResult::Pending | StepResult::Interrupted);
    summary.failures().next().is_none()
        && summary.steps.iter().any(is_open)
        && summary.told.iter().any(|told| told.weight == Some(Weight::Failed))
}

fn next(recorded: &Recorded, concerns: &[Concern]) -> String {
    let of_first = || concerns.iter().find_map(|concern| concern.next.clone());
    match recorded.summary.state {
        State::Failed if has_no_run(recorded) => "what the error says; then reboot, or `landfall resume`".into(),
        State::Failed if could_not_go_on(&recorded.summary) => {
            "what the error says; then `landfall resume`, or reboot: the next boot goes on by itself".into()
        }
        State::Failed => {
            of_first().unwrap_or_else(|| "correct the user-data (`landfall validate FILE`), then `landfall apply FILE`".into())
        }
        State::Degraded => of_first().unwrap_or_else(|| "look at the warnings above: what they name is not as the user-data has it".into()),
        State::Running => "wait: `landfall status --wait`; its words: `landfall logs`".into(),
        State::WaitingForReboot => "wait for the reboot, or reboot now".into(),
        State::Interrupted => "the next boot goes on by itself; `landfall resume` goes on now".into(),
        State::Disabled => "remove the switch, then reboot".into(),
        State::RolledBack => "nothing; `landfall resume` does it all again".into(),
        State::Done => "nothing".into(),
        State::NotStarted => "`landfall apply FILE`, or give this host a datasource and reboot".into(),
    }
}

fn concern(step: &StepSummary, recorded: &Recorded, host: &Host) -> Concern {
    let mut output = step.failure.as_ref().map(|failure| failure.output.clone()).unwrap_or_default();
    if output.is_empty() {
        output = recorded.output(step, host).map(|text| last_lines(&text)).unwrap_or_default();
    }
    let warnings = (!step.warnings.is_empty()).then(|| step.warnings.join("; "));
    Concern {
        id: step.id.clone(),
        description: step.description.clone(),
        result: step.result,
        kind: step.failure.as_ref().map(|failure| failure.kind.code()),
        error: recorded.summary.errors.iter().find(|error| error.step == step.id).cloned(),
        message: step.failure.as_ref().map(|failure| failure.message.clone()).or(warnings).or_else(|| step.detail.clone()),
        origin: step.origin.clone(),
        excerpt: step.origin.as_deref().and_then(|origin| excerpt(origin, recorded, host)),
        output,
        next: step.failure.as_ref().map(|failure| failure.next_action().replace("STEP", &step.id)),
    }
}

/// The line of the user-data a step comes from, if it can be read.
fn excerpt(origin: &str, recorded: &Recorded, host: &Host) -> Option<String> {
    let origin = parse_origin(origin)?;
    let text = recorded.source_text(&origin.part, host)?;
    let mut report = Report::new();
    report.note("here", "").at(&origin);
    let redactor = recorded.redactor(host);
    let rendered = report.render(&|part| (*part == *origin.part).then_some(text.as_str()), &|line| redactor.apply(line));
    let line = rendered.lines().find(|line| line.starts_with(&format!("{} | ", origin.line)))?;
    Some(line.to_owned())
}

fn parse_origin(text: &str) -> Option<Origin> {
    let (rest, column) = text.rsplit_once(':')?;
    let (part, line) = rest.rsplit_once(':')?;
    Some(Origin::new(part, line.parse().ok()?, column.parse().ok()?))
}

fn render(why: &Why) -> String {
    let mut text = format!("{}: {}\n", why.state.name(), why.because);
    // Writing to a String cannot fail.
    for step in &why.steps {
        let _ = writeln!(text, "\n{} {}: {}", result_word(step.result), step.id, step.description);
        if let Some(message) = &step.message {
            let _ = writeln!(text, "  {}{message}", step.kind.map(|kind| format!("{kind}: ")).unwrap_or_default());
        }
        if let Some(error) = &step.error {
            let _ = writeln!(text, "  {}", error.facts());
        }
        if let Some(origin) = &step.origin {
            let _ = writeln!(text, "  from {origin}");
        }
        if let Some(excerpt) = &step.excerpt {
            let _ = writeln!(text, "    {excerpt}");
        }
        if !step.output.is_empty() {
            text.push_str("  it said:\n");
        }
        for line in &step.output {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(next) = step.next.as_ref().filter(|next| **next != why.next) {
            let _ = writeln!(text, "  do: {next}");
        }
    }
    if why.more_steps > 0 {
        let _ = writeln!(text, "\nand {} more: `landfall status --long`", why.more_steps);
    }
    for book in &why.playbooks {
        let ended = book.outcome.map_or("not at its end", PhaseOutcome::name);
        let failing = book.after_failure_of.as_deref().unwrap_or_default();
        let _ = writeln!(text, "\nphase {} was run because {failing} failed: {ended}", book.name);
    }
    if !why.told.is_empty() {
        text.push('\n');
    }
    for told in &why.told {
        let _ = writeln!(text, "{}: {}", weight_word(told.weight), told.message);
    }
    let _ = writeln!(text, "\nwhat to do: {}", why.next);
    text
}

/// How long a holder has had the lock, in words.
pub(super) fn held_since(since: f64, now: f64) -> String {
    clock::span((now - since).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::super::recorded::example;
    use super::*;

    fn recorded(summary: Summary) -> Recorded {
        Recorded { summary, off: None, lock: None, directory: None }
    }

    #[test]
    fn a_failure_shows_step_kind_place_output_and_what_to_do() {
        let text = render(&explain(&recorded(example(State::Failed)), &Host::rooted("/nonexistent")));
        for expected in [
            "failed: 1 failed, 1 not run because of that\n",
            "failed runcmd/1: runcmd item 1 of 2: make install\n",
            "  E_EXEC: runcmd item 1 failed with exit 3\n  critical, execution; exit 3; 1 attempt; 0.3 s\n  from user-data:4:5\n  it said:\n    make: *** No rule to make target\n",
            "warning: unknown key `hostnam`\n",
            "what to do: see the command's output above; mend it, then `landfall rerun runcmd/1`\n",
        ] {
            assert!(text.contains(expected), "{expected}\n---\n{text}");
        }
    }

    #[test]
    fn a_playbook_that_was_run_is_named_and_one_that_was_not_is_not() {
        let mut summary = example(State::Failed);
        let phase = |name: &str, outcome, after: Option<&str>| PhaseSummary {
            name: name.into(),
            outcome: Some(outcome),
            why: None,
            after_failure_of: after.map(str::to_owned),
        };
        summary.phases = vec![
            phase("main", PhaseOutcome::Failed, None),
            phase("mend", PhaseOutcome::Done, Some("main")),
            phase("other", PhaseOutcome::Skipped, Some("mend")),
        ];
        let text = render(&explain(&recorded(summary), &Host::rooted("/nonexistent")));
        assert!(text.contains("\nphase mend was run because main failed: done\n") && !text.contains("other"), "{text}");
    }

    #[test]
    fn every_state_has_a_reason_and_a_next_step_on_one_screen() {
        for state in [
            State::NotStarted,
            State::Running,
            State::Done,
            State::Degraded,
            State::Failed,
            State::Interrupted,
            State::WaitingForReboot,
            State::Disabled,
        ] {
            let mut summary = example(state);
            for _ in 0..50 {
                summary.steps.push(summary.steps[1].clone());
            }
            let text = render(&explain(&recorded(summary), &Host::rooted("/nonexistent")));
            assert!(text.starts_with(state.name()) && text.contains("what to do: "), "{text}");
            assert!(text.lines().count() < 60, "{state:?}: {} lines", text.lines().count());
        }
    }

    #[test]
    fn an_origin_is_read_back() {
        assert_eq!(parse_origin("/etc/landfall/conf.d/a:b.yaml:12:3"), Some(Origin::new("/etc/landfall/conf.d/a:b.yaml", 12, 3)));
        assert_eq!(parse_origin("user-data"), None);
    }
}
