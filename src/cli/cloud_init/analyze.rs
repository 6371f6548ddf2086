//! `cloud-init analyze`: what landfall's journal says of the steps, in cloud-init's shapes.

use std::fmt::Write as _;

use serde_json::{json, Value as Json};

use super::super::{out, recorded, Answer, Refusal};
use super::words::Words;
use crate::clock;
use crate::engine::summary::{StepResult, StepSummary, Summary};
use crate::error::exit;
use crate::host::Host;
use crate::plan::Stage;

/// A step that has ended.
struct Event<'s> {
    stage: &'static str,
    step: &'s StepSummary,
    /// Seconds since 1970.
    begun: f64,
    took: f64,
}

/// Shows it.
pub fn analyze(words: &Words, host: &Host) -> Answer {
    const REQUIRED: &str = "the following arguments are required: subcommand (blame, show, dump, boot)";
    let how = words.rest.first().ok_or_else(|| super::usage(REQUIRED))?.as_str();
    if !["blame", "show", "dump", "boot"].contains(&how) {
        return Err(super::usage(format!("argument subcommand: invalid choice: '{how}' (choose from blame, show, dump, boot)")));
    }
    let summary = recorded::load(host)?.summary;
    let boots = boots(&summary);
    if boots.is_empty() {
        return Err(Refusal::new(exit::FAILED, "no step has ended yet").help("`landfall status` says what is the matter"));
    }
    match how {
        "show" => out::print(&records(&boots, shown)),
        "blame" => out::print(&records(&boots, blamed)),
        "boot" => out::print(&boot(&summary, host)),
        _ => {
            let events: Vec<Json> = boots.iter().flatten().flat_map(dumped).collect();
            let bytes = crate::compat::pretty(&Json::Array(events)).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
            out::print(&String::from_utf8_lossy(&bytes));
        }
    }
    Ok(exit::OK)
}

/// The steps by the boots they ended in, in order.
fn boots(summary: &Summary) -> Vec<Vec<Event<'_>>> {
    let mut events: Vec<(&str, Event<'_>)> = Vec::new();
    for step in &summary.steps {
        let Some(ended) = &step.ended else { continue };
        let stage = match step.stage {
            Stage::Local => "init-local",
            Stage::Network => "init-network",
            Stage::Final => "modules-final",
        };
        let took = step.elapsed_ms as f64 / 1000.0;
        events.push((&ended.boot, Event { stage, step, begun: ended.time - took, took }));
    }
    events.sort_by(|a, b| a.1.begun.total_cmp(&b.1.begun));
    let mut boots: Vec<(&str, Vec<Event<'_>>)> = Vec::new();
    for (boot, event) in events {
        match boots.iter_mut().find(|(known, _)| *known == boot) {
            Some((_, events)) => events.push(event),
            None => boots.push((boot, vec![event])),
        }
    }
    boots.into_iter().map(|(_, events)| events).collect()
}

fn records(boots: &[Vec<Event<'_>>], shown: fn(&[Event<'_>]) -> String) -> String {
    let mut text = String::new();
    for (events, number) in boots.iter().zip(1..) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "-- Boot Record {number:02} --\n{}", shown(events));
    }
    let _ = writeln!(text, "{} boot records analyzed", boots.len());
    text
}

fn shown(events: &[Event<'_>]) -> String {
    let mut text = "@ is when a step began, counted from the first one; + is how long it took.\n\n".to_owned();
    let first = events.first().map_or(0.0, |event| event.begun);
    let mut total = 0.0;
    for stage in events.chunk_by(|a, b| a.stage == b.stage) {
        let name = stage[0].stage;
        let _ = writeln!(text, "Starting stage: {name}");
        for event in stage {
            let _ = writeln!(text, "|`->{} @{:08.5}s +{:08.5}s", event.step.description, event.begun - first, event.took);
        }
        let end = stage.iter().map(|event| event.begun + event.took).fold(0.0, f64::max);
        total += end - stage[0].begun;
        let _ = writeln!(text, "Finished stage: ({name}) {:08.5} seconds\n", end - stage[0].begun);
    }
    let _ = writeln!(text, "Total Time: {total:.5} seconds");
    text
}

fn blamed(events: &[Event<'_>]) -> String {
    let mut sorted: Vec<&Event<'_>> = events.iter().collect();
    sorted.sort_by(|a, b| b.took.total_cmp(&a.took));
    sorted.iter().map(|event| format!("     {:08.5}s ({}/{})\n", event.took, event.stage, event.step.id)).collect()
}

fn dumped(event: &Event<'_>) -> [Json; 2] {
    let of = |kind: &str, time: f64| {
        json!({
            "description": event.step.description,
            "event_type": kind,
            "name": format!("{}/{}", event.stage, event.step.id),
            "origin": "landfall",
            "timestamp": (time * 1000.0).round() / 1000.0,
        })
    };
    let mut end = of("finish", event.begun + event.took);
    let failed = matches!(event.step.result, StepResult::Failed | StepResult::Skipped);
    end["result"] = if failed { "FAIL" } else { "SUCCESS" }.into();
    [of("start", event.begun), end]
}

fn boot(summary: &Summary, host: &Host) -> String {
    let kernel = host.now() - host.uptime_seconds();
    let mut text = format!("-- Most Recent Boot Record --\n    Kernel started at: {}\n", clock::rfc3339(kernel));
    for (what, time) in [("landfall start", summary.started), ("landfall end", summary.finished)] {
        if let Some(time) = time {
            let _ = writeln!(text, "    {what}: {}", clock::rfc3339(time));
        }
    }
    let _ = writeln!(text, "    landfall took (seconds): {:.5}", summary.elapsed);
    text
}

#[cfg(test)]
mod tests {
    use super::super::super::recorded::example;
    use super::*;
    use crate::engine::ledger::Ended;
    use crate::engine::summary::State;

    fn measured() -> Summary {
        let mut summary = example(State::Failed);
        let ended = |time: f64, boot: &str| Some(Ended { time, uptime: 1.0, boot: boot.into() });
        summary.steps[0].ended = ended(100.3, "b1");
        summary.steps[0].stage = Stage::Local;
        summary.steps[1].ended = ended(102.5, "b1");
        summary.steps[1].elapsed_ms = 500;
        summary.steps[2].ended = ended(200.0, "b2");
        summary
    }

    #[test]
    fn steps_are_shown_by_boot_and_stage() {
        let summary = measured();
        let text = records(&boots(&summary), shown);
        for line in [
            "-- Boot Record 01 --\n",
            "Starting stage: init-local\n|`->create user alice @00.00000s +00.30000s\nFinished stage: (init-local) 00.30000 seconds\n",
            "|`->runcmd item 1 of 2: make install @02.00000s +00.50000s\n",
            "Total Time: 0.80000 seconds\n\n-- Boot Record 02 --\n",
            "\n2 boot records analyzed\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn blame_has_the_longest_first() {
        let summary = measured();
        let text = blamed(&boots(&summary)[0]);
        assert_eq!(text, "     00.50000s (modules-final/runcmd/1)\n     00.30000s (init-local/users_groups/alice)\n");
    }

    #[test]
    fn dump_has_a_begin_and_an_end_of_every_step() {
        let summary = measured();
        let events: Vec<Json> = boots(&summary).iter().flatten().flat_map(dumped).collect();
        assert_eq!(events.len(), 6);
        assert_eq!((&events[3]["result"], &events[3]["timestamp"]), (&json!("FAIL"), &json!(102.5)));
        assert_eq!(events[2]["timestamp"], json!(102.0));
    }
}
