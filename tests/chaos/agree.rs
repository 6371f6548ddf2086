//! Whether everything that says how a run ended says the same, and whether the host is so.

use std::time::Duration;

use crate::lab::Booted;

/// What a disagreement begins with.
pub const DISAGREE: &str = "disagree: ";

/// How a run ended, as all of its witnesses say.
#[derive(Debug)]
pub struct End {
    /// The state: `done`, `failed`, ...
    pub state: String,
    /// Kinds of the failures, in the order of the steps.
    pub kinds: Vec<String>,
    /// What `landfall why` prints.
    pub why: String,
    /// What the witnesses disagree about; empty if all is well.
    pub disagreements: Vec<String>,
}

/// Waits for the end and asks everybody.
pub fn end_of(booted: &Booted) -> End {
    let waited =
        booted.exec_with(&["landfall", "status", "--wait", "--timeout", "150s", "--format", "json"], b"", Duration::from_secs(180));
    let status: serde_json::Value = serde_json::from_str(&waited.stdout).unwrap_or_else(|error| panic!("{error}: {waited:?}"));
    let state = status["state"].as_str().unwrap_or("none").to_owned();
    let errors = status["errors"].as_array().cloned().unwrap_or_default();
    let kinds = errors.iter().map(|error| error["code"].as_str().unwrap_or("none").to_owned()).collect();
    let why = booted.exec(&["landfall", "why"]).stdout;
    let mut disagreements = Vec::new();
    let mut check = |so: bool, what: String| {
        if !so {
            disagreements.push(format!("{DISAGREE}{what}"));
        }
    };
    let has_failed = matches!(state.as_str(), "failed" | "interrupted");
    check(waited.code() == Some(i32::from(has_failed)), format!("status says {state} and ends with {:?}", waited.code()));
    let unit = booted.sh("systemctl show --value --property ActiveState landfall.service").stdout.trim().to_owned();
    // What a signal has interrupted has not ended well, and need not have failed.
    check(state == "interrupted" || (unit == "failed") == (state == "failed"), format!("status says {state}, the unit {unit}"));
    if state != "interrupted" {
        let result = booted.files().try_read("/run/landfall/result.json").unwrap_or_default();
        let result: serde_json::Value = serde_json::from_slice(&result).unwrap_or_default();
        check(result["state"] == state.as_str(), format!("status says {state}, the result {}", result["state"]));
        let peers = booted.files().try_read("/run/cloud-init/result.json").unwrap_or_default();
        let peers: serde_json::Value = serde_json::from_slice(&peers).unwrap_or_default();
        let silent = peers["v1"]["errors"].as_array().is_none_or(Vec::is_empty);
        check(silent != (state == "failed"), format!("status says {state}, cloud-init's result has errors: {}", !silent));
    }
    check(why.starts_with(&format!("{state}:")) || why.contains(&state), format!("status says {state}, why: {why}"));
    check(why.lines().count() <= 40, format!("why is longer than a screen: {} lines", why.lines().count()));
    let console = booted.console();
    let worse = |words: &str| console.contains(words);
    check(!(state == "done" && worse("; `landfall why` says more")), "the console says that something failed".to_owned());
    check(state != "failed" || worse("; `landfall why` says more"), "the console does not say that it failed".to_owned());
    End { state, kinds, why, disagreements }
}
