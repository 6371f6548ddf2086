//! `landfall watch`: what the run does, while it does it. Only reads: who stops watching leaves the run alone.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::clock;
use crate::engine::summary::{State, StepResult, StepSummary, Summary};
use crate::host::Host;

use super::recorded;
use super::status::{exit_code, refuse_own_run, result_word};
use super::{out, Answer, TextOrJson};

/// `landfall watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// How it is printed; JSON is one object a line
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

const POLL: Duration = Duration::from_millis(250);

/// What a step's last result was shown by: a step that is run again ends again.
type Shown = (StepResult, Option<f64>);

/// Follows the run.
struct Watch {
    format: TextOrJson,
    /// A terminal has a last line that shows what goes on.
    live: bool,
    shown: HashMap<String, Shown>,
    /// What runs, and since when.
    current: Option<(String, Instant)>,
    state: Option<State>,
}

/// Watches until the run has ended.
pub fn watch(args: &WatchArgs, host: &Host) -> Answer {
    let live = args.format == TextOrJson::Text && std::io::stdout().is_terminal();
    let mut watch = Watch { format: args.format, live, shown: HashMap::new(), current: None, state: None };
    loop {
        let recorded = recorded::load(host)?;
        refuse_own_run(&recorded, host)?;
        let summary = &recorded.summary;
        let mut read = out::print_or_gone(&watch.news(summary));
        if !matches!(summary.state, State::Running | State::WaitingForReboot) && !recorded::units_to_come(host) {
            // It may have begun and ended between the two looks.
            let last = recorded::load(host)?.summary;
            if !matches!(last.state, State::Running | State::WaitingForReboot) {
                let code = exit_code(last.state, false);
                out::print(&(watch.news(&last) + &watch.end(&last, code)));
                return Ok(code);
            }
        }
        read &= out::print_or_gone(&watch.now(summary));
        if !read {
            return Ok(exit_code(summary.state, false));
        }
        std::thread::sleep(POLL);
    }
}

impl Watch {
    /// What has happened since it was asked before.
    fn news(&mut self, summary: &Summary) -> String {
        let mut text = String::new();
        if self.state != Some(summary.state) {
            self.state = Some(summary.state);
            if self.format == TextOrJson::Json {
                text.push_str(&line(&json!({ "event": "state", "state": summary.state, "run": summary.run })));
            }
        }
        let of = summary.steps.len();
        for (at, step) in summary.steps.iter().enumerate() {
            let now = (step.result, step.ended.as_ref().map(|ended| ended.time));
            if matches!(step.result, StepResult::Pending | StepResult::Interrupted) {
                continue;
            }
            if self.shown.insert(step.id.clone(), now) != Some(now) {
                text.push_str(&self.told(step, at + 1, of));
            }
        }
        let running = summary.steps.iter().find(|step| step.result == StepResult::Running).map(|step| step.id.clone());
        if self.current.as_ref().map(|(id, _)| id) != running.as_ref() {
            self.current = running.map(|id| (id, Instant::now()));
        }
        if !text.is_empty() && self.live {
            text.insert_str(0, CLEAR);
        }
        text
    }

    fn told(&self, step: &StepSummary, at: usize, of: usize) -> String {
        let running = step.result == StepResult::Running;
        if self.format == TextOrJson::Json {
            let event = if running { "started" } else { "ended" };
            let mut object = json!({ "event": event, "at": at, "of": of, "step": step.id, "description": step.description });
            if !running {
                object["result"] = json!(step.result);
                object["elapsed_ms"] = json!(step.elapsed_ms);
                object["attempts"] = json!(step.attempts);
                if let Some(failure) = &step.failure {
                    object["error"] = json!(failure.kind.code());
                    object["message"] = json!(failure.message);
                }
            }
            return line(&object);
        }
        if running {
            // On a terminal the last line shows it.
            return if self.live { String::new() } else { format!("[{at}/{of}] ...  {}: {}\n", step.id, step.description) };
        }
        let word = if step.unchanged { "was so" } else { result_word(step.result) };
        let took = clock::span(step.elapsed_ms as f64 / 1000.0);
        let mut text = format!("[{at}/{of}] {word} ({took})  {}: {}\n", step.id, step.description);
        if let Some(failure) = &step.failure {
            text.push_str(&format!("    {failure}\n"));
        }
        text
    }

    /// The last line of a terminal.
    fn now(&self, summary: &Summary) -> String {
        let (true, Some((id, since))) = (self.live, &self.current) else { return String::new() };
        let Some((at, step)) = summary.steps.iter().enumerate().find(|(_, step)| step.id == *id) else { return String::new() };
        let took = clock::span(since.elapsed().as_secs_f64());
        let text = format!("[{}/{}] ... {took}  {id}: {}", at + 1, summary.steps.len(), step.description);
        let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(COLUMNS).collect();
        format!("{CLEAR}{plain}")
    }

    fn end(&self, summary: &Summary, code: u8) -> String {
        let clear = if self.live { CLEAR } else { "" };
        match self.format {
            TextOrJson::Json => line(&json!({ "event": "end", "state": summary.state, "exit": code })),
            TextOrJson::Text if code == 0 => format!("{clear}status: {}\n", summary.state.name()),
            TextOrJson::Text => format!("{clear}status: {}; `landfall why` says more\n", summary.state.name()),
        }
    }
}

/// Back to the begin of the line, which is emptied.
const CLEAR: &str = "\r\u{1b}[K";
/// As much as any terminal has in a line.
const COLUMNS: usize = 79;

fn line(object: &serde_json::Value) -> String {
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::super::recorded::example;
    use super::*;

    fn watching(format: TextOrJson, live: bool) -> Watch {
        Watch { format, live, shown: HashMap::new(), current: None, state: None }
    }

    #[test]
    fn every_step_is_told_once_and_again_when_it_is_run_again() {
        let mut summary = example(State::Running);
        summary.steps[1].result = StepResult::Running;
        summary.steps[2].result = StepResult::Pending;
        let mut watch = watching(TextOrJson::Text, false);
        let expected = "[1/3] done (0.3 s)  users_groups/alice: create user alice\n\
            [2/3] ...  runcmd/1: runcmd item 1 of 2: make install\n";
        assert_eq!(watch.news(&summary), expected);
        assert_eq!(watch.news(&summary), "");
        summary.steps[1].result = StepResult::Failed;
        let told = watch.news(&summary);
        assert_eq!(
            told,
            "[2/3] failed (0.3 s)  runcmd/1: runcmd item 1 of 2: make install\n    E_EXEC: runcmd item 1 failed with exit 3\n"
        );
        summary.steps[1].result = StepResult::Running;
        watch.news(&summary);
        summary.steps[1].result = StepResult::Failed;
        assert_eq!(watch.news(&summary), told);
    }

    #[test]
    fn a_file_gets_no_escape_codes_and_a_terminal_a_last_line() {
        let mut summary = example(State::Running);
        summary.steps[1].result = StepResult::Running;
        let mut plain = watching(TextOrJson::Text, false);
        let text = plain.news(&summary) + &plain.now(&summary) + &plain.end(&summary, 0);
        assert!(!text.contains(['\r', '\u{1b}']), "{text:?}");
        let mut live = watching(TextOrJson::Text, true);
        live.news(&summary);
        let last = live.now(&summary);
        assert!(last.starts_with("\r\u{1b}[K[2/3] ... ") && !last.ends_with('\n'), "{last:?}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let mut watch = watching(TextOrJson::Json, false);
        let summary = example(State::Failed);
        let text = watch.news(&summary) + &watch.end(&summary, 1);
        let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let words: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
        assert_eq!(words, ["state", "ended", "ended", "ended", "end"]);
        assert_eq!((events[2]["result"].as_str(), events[2]["error"].as_str()), (Some("failed"), Some("E_EXEC")));
        assert_eq!(events[4]["exit"], 1);
    }
}
