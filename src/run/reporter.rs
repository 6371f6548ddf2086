//! Says what goes on: console, log, journald and the status file, all from the journals.

use std::cell::RefCell;
use std::time::Instant;

use tracing::Level;

use super::view;
use crate::engine::journal::{Outcome, Verdict};
use crate::engine::ledger::Ledger;
use crate::engine::summary::{Circumstances, State, Summary, Told};
use crate::engine::{Progress, RunEnd, RunIds};
use crate::error::{Failure, Kind};
use crate::host::{process, Host};
use crate::plan::{Plan, Stage, Step, Weight};
use crate::redact::Redactor;
use crate::telemetry::{self, Place};

/// Tells everybody who listens.
pub struct Reporter<'r> {
    host: &'r Host,
    plan: &'r Plan,
    mode: &'static str,
    ids: &'r RunIds,
    stage: Stage,
    spoke: RefCell<bool>,
    start: Instant,
}

impl<'r> Reporter<'r> {
    /// A reporter for a run of `plan` up to `stage`.
    pub fn new(host: &'r Host, plan: &'r Plan, mode: &'static str, ids: &'r RunIds, stage: Stage) -> Self {
        telemetry::redact(Redactor::new(plan.secrets.iter().map(|secret| secret.expose().clone())));
        Self { host, plan, mode, ids, stage, spoke: RefCell::new(false), start: Instant::now() }
    }

    fn place<'p>(&'p self, step: Option<&'p Step>, error: Option<&'p str>) -> Place<'p> {
        let (phase, step) = (step.map(|step| step.phase.as_str()), step.map(|step| step.id.as_str()));
        Place { run: Some(&self.ids.run), phase, step, attempt: None, error }
    }

    fn summary(&self, ledger: &Ledger, running: bool, rebooting: bool) -> Summary {
        let at = Circumstances {
            mode: self.mode,
            run: &self.ids.run,
            boot: &self.ids.boot,
            running,
            rebooting,
            stage: Some(self.stage),
            expected: Stage::Final,
            now: self.host.now(),
            uptime: self.host.uptime_seconds(),
        };
        Summary::of(self.plan, ledger, &at)
    }

    /// Whether anything was said: nothing is where everything was settled before.
    pub fn spoke(&self) -> bool {
        *self.spoke.borrow()
    }

    /// The state now that the loop has ended; `end` is absent where the journal failed.
    pub fn finish(&self, ledger: &Ledger, end: &Result<RunEnd, Failure>) -> Summary {
        let mut summary = self.summary(ledger, false, matches!(end, Ok(RunEnd::Rebooting)));
        if let Some(failure) = end.as_ref().err().filter(|failure| failure.kind != Kind::Interrupted) {
            // The journals cannot say it: they could not be written.
            summary.state = State::Failed;
            let message = format!("{failure}; {}", failure.next_action());
            summary.told.push(Told { weight: Some(Weight::Failed), message });
        }
        if *self.spoke.borrow() {
            let level = if summary.state == State::Failed { Level::ERROR } else { Level::INFO };
            let mut text = format!(
                "stage {}: {} after {}",
                self.stage.name(),
                summary.state.name(),
                crate::clock::span(self.start.elapsed().as_secs_f64())
            );
            if summary.state == State::Failed || summary.state == State::Degraded {
                text.push_str("; `landfall why` says more");
            }
            telemetry::say(level, self.place(None, None), &text);
        }
        summary
    }

    /// Shows the state again, with a note that came after the end.
    pub fn shows_again(&self, ledger: &Ledger) {
        let _ = view::publish(self.host, self.plan, &self.summary(ledger, false, false));
    }

    /// Writes the status and, when everything is settled, the result.
    pub fn publish_result(&self, summary: &Summary, end: RunEnd) -> Result<(), Failure> {
        if self.stage == Stage::Final && matches!(end, RunEnd::Settled | RunEnd::Halted) {
            view::publish_result(self.host, self.plan, summary)
        } else {
            view::publish(self.host, self.plan, summary)
        }
    }
}

impl Progress for Reporter<'_> {
    fn started(&self, step: &Step, at: usize, of: usize) {
        *self.spoke.borrow_mut() = true;
        // The log is read by the group adm, and a console by whoever stands before it: `landfall plan` and `why` show the text.
        let text = format!("[{at}/{of}] {}", step.operation.describe_openly());
        telemetry::say(Level::INFO, self.place(Some(step), None), &text);
    }

    fn ended(&self, step: &Step, outcome: &Outcome) {
        let attempt = Some(u64::from(outcome.attempts.max(1)));
        for warning in &outcome.effect.warnings {
            telemetry::say(Level::WARN, Place { attempt, ..self.place(Some(step), None) }, &format!("  warning: {warning}"));
        }
        let Some(failure) = &outcome.failure else {
            if outcome.verdict == Verdict::Skipped || outcome.verdict == Verdict::NotRun {
                let level = if outcome.unmet.is_some() { Level::INFO } else { Level::WARN };
                let why = outcome.effect.detail.as_deref().unwrap_or("skipped");
                telemetry::say(level, self.place(Some(step), None), &format!("  not done: {why}"));
            }
            return;
        };
        let level = if outcome.weight == Some(Weight::Degraded) { Level::WARN } else { Level::ERROR };
        let place = Place { attempt, ..self.place(Some(step), Some(failure.kind.code())) };
        telemetry::say(level, place, &format!("  failed: {failure}"));
        for line in &failure.output {
            telemetry::say(level, place, &format!("    | {line}"));
        }
        telemetry::say(level, place, &format!("  what to do: {}", failure.next_action()));
    }

    fn say(&self, text: &str) {
        *self.spoke.borrow_mut() = true;
        // What is said while a step is done is said of the step that children are marked with.
        let marks = process::marks();
        let of = |name: &str| marks.get(name).map(String::as_str);
        let attempt = of("LANDFALL_ATTEMPT").and_then(|text| text.parse().ok());
        let place = Place { phase: of("LANDFALL_PHASE"), step: of("LANDFALL_STEP"), attempt, ..self.place(None, None) };
        telemetry::say(Level::INFO, place, text);
    }

    fn changed(&self, ledger: &Ledger) {
        if ledger.wrote() {
            telemetry::keep_log();
        }
        // The state is shown from the journals again at the next change; a full /run must not stop the run.
        let _ = view::publish(self.host, self.plan, &self.summary(ledger, true, false));
    }
}
