//! `cloud-init analyze`: what landfall's journal says of the steps, in cloud-init's shapes.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{json, Value as Json};

use super::super::{out, recorded, Answer, Refusal};
use super::words::Words;
use crate::clock;
use crate::engine::summary::{StepResult, Summary};
use crate::error::exit;
use crate::host::files::Attributes;
use crate::host::process::Spec;
use crate::host::Host;
use crate::ordered::sort_by;
use crate::plan::Stage;

/// A step that has ended.
struct Event {
    stage: String,
    id: String,
    description: String,
    /// Seconds since 1970.
    begun: f64,
    took: f64,
    failed: bool,
}

/// Shows it.
pub fn analyze(words: &Words, host: &Host) -> Answer {
    const REQUIRED: &str = "the following arguments are required: subcommand (blame, show, dump, boot)";
    let how = words.rest.first().ok_or_else(|| super::usage(REQUIRED))?.as_str();
    if !["blame", "show", "dump", "boot"].contains(&how) {
        return Err(super::usage(format!("argument subcommand: invalid choice: '{how}' (choose from blame, show, dump, boot)")));
    }
    if how != "show" && words.has("format") {
        return Err(super::usage("unrecognized arguments: --format"));
    }
    if how == "boot" {
        return written(words, &boot(&recorded::load(host)?.summary, host), host);
    }
    let boots = match words.value("infile").map(|file| dump(file, host)).transpose()?.flatten() {
        Some(events) => boots_of_dump(events),
        None => boots(&recorded::load(host)?.summary),
    };
    if boots.is_empty() {
        return Err(Refusal::new(exit::FAILED, "no step has ended yet").help("`landfall status` says what is the matter"));
    }
    let text = match how {
        "show" => {
            let format = words.value("format").unwrap_or("%I%D @%Es +%ds");
            records(&boots, &|events| shown(events, format))
        }
        "blame" => records(&boots, &blamed),
        _ => {
            let events: Vec<Json> = boots.iter().flatten().flat_map(dumped).collect();
            let bytes = crate::compat::pretty(&Json::Array(events)).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    written(words, &text, host)
}

/// On standard output, or into the file that was asked for.
fn written(words: &Words, text: &str, host: &Host) -> Answer {
    match words.value("outfile").filter(|file| *file != "-") {
        None => out::print(text),
        Some(file) => {
            let path = std::env::current_dir().unwrap_or_else(|_| "/".into()).join(file).display().to_string();
            let failed = |error: std::io::Error| Refusal::new(exit::FAILED, format!("{file}: {error}"));
            host.write(&path, text.as_bytes(), Attributes::own(0o644)).map_err(failed)?;
        }
    }
    Ok(exit::OK)
}

/// The events of an earlier `dump`; `None` for this host's log, of which the journal knows more.
fn dump(file: &str, host: &Host) -> Result<Option<Vec<Json>>, Refusal> {
    let refused = |why: &str| {
        let refusal = Refusal::new(exit::FAILED, format!("{file}: {why}"));
        Err(refusal.help("leave --infile out: what the steps took stands in the journal; `analyze dump` writes events"))
    };
    let bytes = super::super::input::read(file)?;
    match serde_json::from_slice(&bytes) {
        Ok(events) => Ok(Some(events)),
        Err(_) if ["/var/log/cloud-init.log", "/var/log/landfall.log"].contains(&file) => Ok(None),
        Err(_) if bytes.is_empty() && host.exists(file) => refused("the file is empty"),
        Err(_) => refused("these are no events: logs are not read"),
    }
}

/// Begins and ends belong together by their names; a boot begins with the first stage.
fn boots_of_dump(events: Vec<Json>) -> Vec<Vec<Event>> {
    let mut boots: Vec<Vec<Event>> = Vec::new();
    let mut begun: Vec<(String, f64)> = Vec::new();
    for event in events {
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (name, time) = (text("name"), event["timestamp"].as_f64().unwrap_or_default());
        if event["event_type"] != "finish" {
            begun.push((name, time));
            continue;
        }
        let Some(at) = begun.iter().position(|(known, _)| *known == name) else { continue };
        let (name, begin) = begun.remove(at);
        let Some((stage, id)) = name.split_once('/') else { continue };
        let is_next = boots.last().and_then(|boot| boot.last()).is_none_or(|last| stage == "init-local" && last.stage != stage);
        if is_next {
            boots.push(Vec::new());
        }
        let failed = event["result"] == "FAIL";
        let (stage, id, description) = (stage.to_owned(), id.to_owned(), text("description"));
        let event = Event { stage, id, description, begun: begin, took: time - begin, failed };
        if let Some(boot) = boots.last_mut() {
            boot.push(event);
        }
    }
    boots
}

/// The steps by the boots they ended in, in order.
fn boots(summary: &Summary) -> Vec<Vec<Event>> {
    let mut events: Vec<(&str, Event)> = Vec::new();
    for step in &summary.steps {
        let Some(ended) = &step.ended else { continue };
        let stage = match step.stage {
            Stage::Local => "init-local",
            Stage::Network => "init-network",
            Stage::Final => "modules-final",
        };
        let took = step.elapsed_ms as f64 / 1000.0;
        let failed = matches!(step.result, StepResult::Failed | StepResult::Skipped);
        let (id, description) = (step.id.clone(), step.description.clone());
        events.push((&ended.boot, Event { stage: stage.to_owned(), id, description, begun: ended.time - took, took, failed }));
    }
    sort_by(&mut events, |a, b| a.1.begun.total_cmp(&b.1.begun));
    let mut boots: Vec<(&str, Vec<Event>)> = Vec::new();
    for (boot, event) in events {
        match boots.iter_mut().find(|(known, _)| *known == boot) {
            Some((_, events)) => events.push(event),
            None => boots.push((boot, vec![event])),
        }
    }
    boots.into_iter().map(|(_, events)| events).collect()
}

fn records(boots: &[Vec<Event>], shown: &dyn Fn(&[Event]) -> String) -> String {
    let mut text = String::new();
    for (events, number) in boots.iter().zip(1..) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "-- Boot Record {number:02} --\n{}", shown(events));
    }
    let _ = writeln!(text, "{} boot records analyzed", boots.len());
    text
}

fn shown(events: &[Event], format: &str) -> String {
    let mut text = "@ is when a step began, counted from the first one; + is how long it took.\n\n".to_owned();
    let first = events.first().map_or(0.0, |event| event.begun);
    let mut total = 0.0;
    for stage in events.chunk_by(|a, b| a.stage == b.stage) {
        let name = &stage[0].stage;
        let _ = writeln!(text, "Starting stage: {name}");
        for event in stage {
            let _ = writeln!(text, "{}", filled(format, event, first));
        }
        let end = stage.iter().map(|event| event.begun + event.took).fold(0.0, f64::max);
        total += end - stage[0].begun;
        let _ = writeln!(text, "Finished stage: ({name}) {:08.5} seconds\n", end - stage[0].begun);
    }
    let _ = writeln!(text, "Total Time: {total:.5} seconds");
    text
}

/// A line as its format asks for it.
fn filled(format: &str, event: &Event, first: f64) -> String {
    let mut text = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let seconds = |seconds: f64| format!("{seconds:08.5}");
        let value = match after.chars().next() {
            Some('I') => "|`->".to_owned(),
            Some('D') => event.description.clone(),
            Some('n') => format!("{}/{}", event.stage, event.id),
            Some('E') => seconds(event.begun - first),
            Some('d') => seconds(event.took),
            Some('t') => seconds(event.begun + event.took),
            Some('e') => "finish".to_owned(),
            Some('o') => "landfall".to_owned(),
            Some('r') => result(event).to_owned(),
            _ => {
                text.push('%');
                rest = after;
                continue;
            }
        };
        text.push_str(&value);
        rest = &after[1..];
    }
    text + rest
}

const fn result(event: &Event) -> &'static str {
    if event.failed {
        "FAIL"
    } else {
        "SUCCESS"
    }
}

fn blamed(events: &[Event]) -> String {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sort_by(&mut sorted, |a, b| b.took.total_cmp(&a.took));
    sorted.iter().map(|event| format!("     {:08.5}s ({}/{})\n", event.took, event.stage, event.id)).collect()
}

fn dumped(event: &Event) -> [Json; 2] {
    let of = |kind: &str, time: f64| {
        json!({
            "description": event.description,
            "event_type": kind,
            "name": format!("{}/{}", event.stage, event.id),
            "origin": "landfall",
            "timestamp": (time * 1000.0).round() / 1000.0,
        })
    };
    let mut end = of("finish", event.begun + event.took);
    end["result"] = result(event).into();
    [of("start", event.begun), end]
}

/// When the kernel began and ended and landfall's first unit was started, as far as systemd knows it.
fn boot(summary: &Summary, host: &Host) -> String {
    let kernel = host.now() - host.uptime_seconds();
    let asked = |property: &str, unit: &[&str]| -> Option<f64> {
        let argv = ["systemctl", "show", "--value", "--property", property];
        let ended = host.run(&Spec::new(argv.iter().chain(unit).copied()).deadline(Duration::from_secs(10))).ok()?;
        ended.stdout.trim().parse().ok().filter(|time| *time > 0.0).map(|time: f64| time / 1e6)
    };
    let container = host.run(&Spec::new(["systemd-detect-virt", "--container", "--quiet"]).deadline(Duration::from_secs(10)));
    // Its clock is that of the machine it runs on.
    let is_container = container.is_ok_and(|ended| ended.code == 0);
    let ended = if is_container { None } else { asked("UserspaceTimestampMonotonic", &[]) };
    let activated = asked("InactiveExitTimestampMonotonic", &["landfall-local.service"]);
    let (what, first) = if is_container { ("Container Boot", "Container started at") } else { ("Boot", "Kernel Started at") };
    let mut rows = vec![(first, Some(moment(kernel)))];
    if !is_container {
        rows.push(("Kernel ended boot at", ended.map(|time| moment(kernel + time))));
        rows.push(("Kernel time to boot (seconds)", ended.map(|time| time.to_string())));
    }
    rows.push(("Cloud-init activated by systemd at", activated.map(|time| moment(kernel + time))));
    let between = activated.zip(ended).map(|(activated, ended)| (activated - ended).to_string());
    rows.push(("Time between Kernel end boot and Cloud-init activation (seconds)", between));
    rows.push(("Cloud-init start", summary.started.map(moment)));
    rows.push(("landfall end", summary.finished.map(moment)));
    rows.push(("landfall took (seconds)", Some(format!("{:.5}", summary.elapsed))));
    let rows = rows.into_iter().filter_map(|(name, value)| Some(format!("    {name}: {}\n", value?)));
    format!("-- Most Recent {what} Record --\n{}", rows.collect::<String>())
}

/// As Python prints a moment.
fn moment(time: f64) -> String {
    let micros = (time.fract() * 1e6).floor();
    clock::rfc3339(time.floor()).replace('T', " ").replace('Z', &format!(".{micros:06}+00:00"))
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
        let text = records(&boots(&summary), &|events| shown(events, "%I%D @%Es +%ds"));
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
    fn a_line_is_as_its_format_asks_and_a_dump_is_read_back() {
        let summary = measured();
        let events: Vec<Json> = boots(&summary).iter().flatten().flat_map(dumped).collect();
        let again = boots_of_dump(events);
        assert_eq!(again.len(), 1, "in no dump stands which boot it was");
        let text = shown(&again[0], "%n|%r|%d%%|%x");
        assert!(text.contains("\nmodules-final/runcmd/1|FAIL|00.50000%%|%x\n"), "{text}");
        assert_eq!(moment(1785587445.25), "2026-08-01 12:30:45.250000+00:00");
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
