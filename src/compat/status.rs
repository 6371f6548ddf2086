//! `status.json` and `result.json`. Times are seconds since boot, as cloud-init's are.

use std::io;

use serde_json::{json, Map, Value as Json};

use super::instance_data::pretty;
use super::{Subject, RUN};
use crate::engine::summary::{StepResult, Summary};
use crate::host::Host;
use crate::plan::{Stage, Weight};

/// Every stage of cloud-init's, in its order.
const STAGES: [&str; 4] = ["init-local", "init", "modules-config", "modules-final"];

const ALL: [Stage; 3] = [Stage::Local, Stage::Network, Stage::Final];

/// cloud-init's stages that one of ours covers.
const fn names(stage: Stage) -> &'static [&'static str] {
    match stage {
        Stage::Local => &["init-local"],
        Stage::Network => &["init"],
        Stage::Final => &["modules-config", "modules-final"],
    }
}

/// A stage runs.
pub fn begin(host: &Host, subject: &Subject, stage: Stage) -> io::Result<()> {
    let mut status = read(host);
    let now = uptime(host);
    for name in names(stage) {
        let entry = &mut status["v1"][*name];
        if entry["start"].is_null() || !entry["finished"].is_null() {
            entry["start"] = now.clone();
            entry["finished"] = Json::Null;
        }
    }
    // A stage with nothing to do starts no process.
    for name in STAGES.iter().take_while(|name| !names(stage).contains(name)) {
        let entry = &mut status["v1"][*name];
        for time in ["start", "finished"] {
            if entry[time].is_null() {
                entry[time] = now.clone();
            }
        }
    }
    status["v1"]["stage"] = names(stage)[0].into();
    status["v1"]["datasource"] = subject.display().into();
    write(host, &status)
}

/// A stage has ended.
pub fn end(host: &Host, subject: &Subject, stage: Stage, summary: &Summary) -> io::Result<()> {
    let mut status = read(host);
    let now = uptime(host);
    for name in names(stage) {
        let entry = &mut status["v1"][*name];
        if entry["start"].is_null() {
            entry["start"] = now.clone();
        }
        entry["finished"] = now.clone();
    }
    tell(&mut status, summary);
    status["v1"]["stage"] = Json::Null;
    status["v1"]["datasource"] = subject.display().into();
    write(host, &status)
}

/// Puts what the run says under every stage: a later stage knows more of an earlier one, and mends what failed there.
fn tell(status: &mut Json, summary: &Summary) {
    for stage in ALL {
        for name in names(stage) {
            // Errors are told once, under the last of the names.
            let told = |weight| if Some(name) == names(stage).last() { told(summary, stage, weight) } else { Vec::new() };
            let (errors, warnings) = (told(Weight::Failed), told(Weight::Degraded));
            let entry = &mut status["v1"][*name];
            entry["errors"] = errors.into();
            entry["recoverable_errors"] = if warnings.is_empty() { json!({}) } else { json!({ "WARNING": warnings }) };
        }
    }
}

/// This boot's stages with what the run says now; empty where none has begun.
pub fn stages(host: &Host, summary: &Summary) -> Map<String, Json> {
    if !host.exists(&format!("{RUN}/status.json")) {
        return Map::new();
    }
    let mut status = read(host);
    tell(&mut status, summary);
    match status["v1"].take() {
        Json::Object(stages) => stages,
        _ => Map::new(),
    }
}

/// What counts as `weight` in the whole run, in the order in which cloud-init sorts its stages.
pub fn told_in_all(summary: &Summary, weight: Weight) -> Vec<String> {
    [Stage::Network, Stage::Local, Stage::Final].iter().flat_map(|stage| told(summary, *stage, weight)).collect()
}

/// The boot has finished.
pub fn result(host: &Host, subject: &Subject, summary: &Summary) -> io::Result<()> {
    let errors: Vec<String> = ALL.iter().flat_map(|stage| told(summary, *stage, Weight::Failed)).collect();
    write_result(host, &json!({"v1": {"datasource": subject.display(), "errors": errors}}))
}

/// Every stage of this boot has ended at once.
pub fn nothing_to_do(host: &Host, subject: &Subject) -> io::Result<()> {
    let mut status = read(host);
    let now = uptime(host);
    for name in STAGES {
        status["v1"][name] = json!({"errors": [], "finished": now, "recoverable_errors": {}, "start": now});
    }
    status["v1"]["datasource"] = subject.display().into();
    write(host, &status)?;
    write_result(host, &json!({"v1": {"datasource": subject.display(), "errors": []}}))
}

/// No stage of this boot can do anything.
pub fn not_begun(host: &Host, why: &str) -> io::Result<()> {
    write_result(host, &json!({"v1": {"datasource": null, "errors": [why]}}))
}

fn write_result(host: &Host, result: &Json) -> io::Result<()> {
    host.write_runtime(&format!("{RUN}/result.json"), &pretty(result)?, 0o644)
}

/// What counts as `weight` in a stage. What is told of the user-data as a whole belongs to the stage that reads it.
fn told(summary: &Summary, stage: Stage, weight: Weight) -> Vec<String> {
    let mut told = Vec::new();
    for step in summary.steps.iter().filter(|step| step.stage == stage) {
        let failed = matches!(step.result, StepResult::Failed | StepResult::Skipped);
        if failed && step.weight.unwrap_or_default() == weight {
            let why = step.failure.as_ref().map(ToString::to_string).or_else(|| step.detail.clone());
            told.push(format!("{}: {}", step.id, why.unwrap_or_else(|| "failed".into())));
        }
        if weight == Weight::Degraded {
            told.extend(step.warnings.iter().map(|warning| format!("{}: {warning}", step.id)));
        }
    }
    if stage == Stage::Network {
        told.extend(summary.told.iter().filter(|told| told.weight == Some(weight)).map(|told| told.message.clone()));
    }
    told
}

fn uptime(host: &Host) -> Json {
    ((host.uptime_seconds() * 100.0).round() / 100.0).into()
}

/// The status of this boot so far: `/run` is emptied by a boot.
fn read(host: &Host) -> Json {
    let stored = host.read(&format!("{RUN}/status.json")).ok().flatten();
    let mut status = stored.and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok()).filter(|status| status["v1"].is_object());
    let status = status.get_or_insert_with(|| json!({"v1": {}}));
    let empty = json!({"errors": [], "finished": null, "recoverable_errors": {}, "start": null});
    if let Some(v1) = status["v1"].as_object_mut() {
        fill(v1, "datasource", &Json::Null);
        fill(v1, "stage", &Json::Null);
        for name in STAGES {
            fill(v1, name, &empty);
        }
    }
    status.clone()
}

fn fill(map: &mut Map<String, Json>, key: &str, value: &Json) {
    map.entry(key).or_insert_with(|| value.clone());
}

fn write(host: &Host, status: &Json) -> io::Result<()> {
    host.write_runtime(&format!("{RUN}/status.json"), &pretty(status)?, 0o644)
}
