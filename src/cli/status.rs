//! `landfall status`: the state of the current or last run, and waiting for its end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::clock;
use crate::engine::summary::{State, StepResult, StepSummary, Summary};
use crate::error::exit;
use crate::host::Host;
use crate::plan::Weight;

use super::recorded::{self, Recorded};
use super::{out, Answer, Refusal};

/// `landfall status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Wait until the run of this boot has ended
    #[arg(long, short = 'w')]
    wait: bool,
    /// Give up waiting after this long: 90, 90s, 10m, 1h (exit 124)
    #[arg(long, value_name = "D", value_parser = super::duration, requires = "wait")]
    timeout: Option<Duration>,
    /// Every step too
    #[arg(long, short)]
    long: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Tabular)]
    format: Format,
    /// Exit 2 where the run is degraded
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Tabular,
    Json,
    Yaml,
}

/// Shows the state.
pub fn status(args: &StatusArgs, host: &Host) -> Answer {
    let (recorded, in_time) = if args.wait { wait(host, args.timeout, Duration::ZERO, &|| {})? } else { (recorded::load(host)?, true) };
    match args.format {
        Format::Tabular => out::print(&render(&recorded.summary, recorded.off.as_deref(), args.long)),
        Format::Json => drop(out::json(&recorded)?),
        Format::Yaml => drop(out::yaml(&recorded)?),
    }
    Ok(if in_time { exit_code(recorded.summary.state, args.strict) } else { exit::TIMED_OUT })
}

/// The exit code of a state.
pub(super) fn exit_code(state: State, strict: bool) -> u8 {
    match state {
        State::Failed | State::Interrupted => exit::FAILED,
        State::Degraded if strict => exit::DEGRADED,
        _ => exit::OK,
    }
}

/// Waits until nothing runs and no unit of this boot is still to run, calling `tick` meanwhile. Says whether that came in time.
/// A step of the run that waits for it is refused; where its step has not ended after `patience`, if it may be a background job.
pub(super) fn wait(host: &Host, limit: Option<Duration>, patience: Duration, tick: &dyn Fn()) -> Result<(Recorded, bool), Refusal> {
    const POLL: Duration = Duration::from_millis(250);
    let start = Instant::now();
    let mut step = None;
    loop {
        let recorded = recorded::load(host)?;
        let goes_on = *step.get_or_insert_with(|| recorded.summary.current.clone()) != recorded.summary.current;
        if !goes_on && start.elapsed() >= patience {
            refuse_own_run(&recorded, host)?;
        }
        let settled = !matches!(recorded.summary.state, State::Running | State::WaitingForReboot);
        if settled && !recorded::units_to_come(host) {
            // It may have begun and ended between the two looks.
            return Ok((recorded::load(host)?, true));
        }
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            return Ok((recorded, false));
        }
        let left = limit.map_or(POLL, |limit| limit.saturating_sub(start.elapsed()));
        tick();
        std::thread::sleep(POLL.min(left));
    }
}

/// A step that waits for the run it belongs to would wait for ever.
pub(super) fn refuse_own_run(recorded: &Recorded, host: &Host) -> Result<(), Refusal> {
    let run = &recorded.summary.run;
    // The variable does not come through `sudo`, the line of parents does not end at a daemon.
    let named = std::env::var("LANDFALL_RUN").is_ok_and(|own| !own.is_empty() && own == *run);
    let own = named || recorded.lock.as_ref().is_some_and(|owner| host.is_ancestor(owner.pid));
    if own && recorded.summary.state == State::Running {
        let message = format!("this is a step of run {run} itself: waiting for its end would never end");
        return Err(Refusal::new(exit::USAGE, message).help("leave out --wait, or wait from outside the run"));
    }
    Ok(())
}

/// The state as text.
fn render(summary: &Summary, off: Option<&str>, long: bool) -> String {
    let mut text = format!("status: {}\n", summary.state.name());
    // Writing to a String cannot fail.
    if let Some(off) = off {
        let _ = writeln!(text, "off: {off}");
    }
    if !summary.steps.is_empty() {
        let _ = writeln!(text, "steps: {}", counts(summary));
    }
    if let Some(step) = current(summary) {
        let _ = writeln!(text, "now: {}: {}", step.id, step.description);
    }
    for step in summary.failures() {
        let why = step.failure.as_ref().map_or_else(|| "failed".to_owned(), ToString::to_string);
        let _ = writeln!(text, "failed: {}: {why}", step.id);
    }
    for told in &summary.told {
        let word = weight_word(told.weight);
        if long || told.weight.is_some() || summary.steps.is_empty() {
            let _ = writeln!(text, "{word}: {}", told.message);
        }
    }
    if matches!(summary.state, State::Failed | State::Degraded | State::Interrupted) {
        text.push_str("more: landfall why\n");
    }
    if long {
        render_long(&mut text, summary);
    }
    text
}

fn render_long(text: &mut String, summary: &Summary) {
    for (name, value) in
        [("instance", &summary.instance), ("datasource", &summary.datasource), ("mode", &summary.mode), ("run", &summary.run)]
    {
        if !value.is_empty() {
            let _ = writeln!(text, "{name}: {value}");
        }
    }
    if let Some(stage) = summary.stage {
        let _ = writeln!(text, "stage: {}", stage.name());
    }
    if let Some(started) = summary.started {
        let _ = writeln!(text, "started: {}", clock::rfc3339(started));
        if let Some(finished) = summary.finished {
            let boots = if summary.boots > 1 { format!(", in {} boots", summary.boots) } else { String::new() };
            let _ = writeln!(text, "ended: {} (after {}{boots})", clock::rfc3339(finished), clock::span(summary.elapsed));
        }
    }
    for phase in &summary.phases {
        let ended = phase.outcome.map_or("to come", crate::plan::PhaseOutcome::name);
        let why = phase.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let _ = writeln!(text, "phase {}: {ended}{why}", phase.name);
    }
    for breaker in &summary.breakers {
        let until = breaker.until.map(|until| format!(" until {}", clock::rfc3339(until))).unwrap_or_default();
        let _ = writeln!(text, "breaker {}: {}{until}, {} failures in a row", breaker.target, breaker.position.name(), breaker.failures);
    }
    let width = summary.steps.iter().map(|step| step.id.len()).max().unwrap_or(0).min(40);
    for (at, step) in summary.steps.iter().enumerate() {
        let took = if step.elapsed_ms > 0 { clock::span(step.elapsed_ms as f64 / 1000.0) } else { String::new() };
        let result = if step.unchanged { "unchanged" } else { result_word(step.result) };
        let _ = writeln!(text, "  {:>3}. {result:<11} {took:>9}  {:<width$}  {}", at + 1, step.id, step.description);
        let why = step.detail.iter().chain(&step.warnings);
        for line in why {
            let _ = writeln!(text, "       {:<11} {:>9}  {line}", "", "");
        }
    }
}

/// `12 of 14 done, 1 failed, 1 not run`.
fn counts(summary: &Summary) -> String {
    let count = |result| summary.steps.iter().filter(|step| step.result == result).count();
    let mut text = format!("{} of {} done", count(StepResult::Done), summary.steps.len());
    for result in [
        StepResult::Failed,
        StepResult::Skipped,
        StepResult::NotRun,
        StepResult::Undone,
        StepResult::Interrupted,
        StepResult::Running,
        StepResult::Pending,
    ] {
        let number = count(result);
        if number > 0 {
            let _ = write!(text, ", {number} {}", result_word(result));
        }
    }
    text
}

/// The step that runs.
pub(super) fn current(summary: &Summary) -> Option<&StepSummary> {
    summary.steps.iter().find(|step| Some(&step.id) == summary.current.as_ref())
}

/// A result in words.
pub(super) fn result_word(result: StepResult) -> &'static str {
    match result {
        StepResult::Pending => "to come",
        StepResult::Running => "running",
        StepResult::Done => "done",
        StepResult::Failed => "failed",
        StepResult::Skipped => "skipped",
        StepResult::NotRun => "not run",
        StepResult::Interrupted => "cut off",
        StepResult::Undone => "undone",
    }
}

/// How a told sentence is introduced.
pub(super) fn weight_word(weight: Option<Weight>) -> &'static str {
    match weight {
        Some(Weight::Failed) => "error",
        Some(Weight::Degraded) => "warning",
        None => "note",
    }
}

#[cfg(test)]
mod tests {
    use super::super::recorded::example;
    use super::*;

    #[test]
    fn a_failed_run_says_what_failed_and_where_to_look() {
        let text = render(&example(State::Failed), None, false);
        let expected = "status: failed\nsteps: 1 of 3 done, 1 failed, 1 not run\n\
            failed: runcmd/1: E_EXEC: runcmd item 1 failed with exit 3\n\
            warning: unknown key `hostnam`\nmore: landfall why\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_shows_every_step_with_its_time() {
        let text = render(&example(State::Failed), None, true);
        assert!(text.contains("    1. done            0.3 s  users_groups/alice  create user alice\n"), "{text}");
        assert!(text.contains("ended: 2026-08-01T12:33:50Z (after 3 min 5 s, in 2 boots)\n"), "{text}");
    }

    #[test]
    fn long_shows_phases_with_their_reasons_and_what_is_left_alone() {
        use crate::engine::breaker::{BreakerSummary, Position};
        use crate::engine::summary::PhaseSummary;
        let mut summary = example(State::Failed);
        let why = Some("release is trixie, not sid".to_owned());
        let skipped = PhaseSummary { name: "a".into(), outcome: Some(crate::plan::PhaseOutcome::Skipped), why, after_failure_of: None };
        summary.phases = vec![skipped.clone(), PhaseSummary { name: "b".into(), outcome: None, why: None, ..skipped }];
        let breaker = |position, until| BreakerSummary { target: "x.org".into(), position, failures: 5, until };
        summary.breakers = vec![breaker(Position::Open, Some(1_785_587_445.0)), breaker(Position::HalfOpen, None)];
        let text = render(&summary, None, true);
        for line in [
            "phase a: skipped: release is trixie, not sid\nphase b: to come\n",
            "breaker x.org: open until 2026-08-01T12:30:45Z, 5 failures in a row\n",
            "breaker x.org: half-open, 5 failures in a row\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn exit_codes_follow_the_state() {
        for (state, plain, strict) in [
            (State::Done, 0, 0),
            (State::Degraded, 0, 2),
            (State::Failed, 1, 1),
            (State::Interrupted, 1, 1),
            (State::Running, 0, 0),
            (State::Disabled, 0, 0),
            (State::NotStarted, 0, 0),
        ] {
            assert_eq!((exit_code(state, false), exit_code(state, true)), (plain, strict), "{state:?}");
        }
    }

    #[test]
    fn a_switched_off_host_says_by_what() {
        let mut summary = example(State::Disabled);
        summary.steps.clear();
        summary.told.clear();
        assert_eq!(
            render(&summary, Some("/etc/landfall/disabled exists"), false),
            "status: disabled\noff: /etc/landfall/disabled exists\n"
        );
    }
}
