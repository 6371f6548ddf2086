//! `cloud-init status`: the state of landfall's run in cloud-init's words, with its exit codes: 0 done, 1 error, 2 degraded.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{json, Map, Value as Json};

use super::super::recorded::{self, Recorded};
use super::super::{out, status, Answer, Refusal};
use super::words::Words;
use crate::engine::summary::State;
use crate::error::exit;
use crate::host::Host;
use crate::plan::Weight;
use crate::run::{self, OffSwitch};
use crate::{clock, compat};

/// A background job of a step may wait for the run, and does so under the peer. One that its step waits for would wait for ever.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// The run in cloud-init's words.
pub struct Seen {
    /// `not started`, `running`, `done`, `disabled`.
    pub running: &'static str,
    recorded: Recorded,
    off: Option<OffSwitch>,
    /// `cloud-init=enabled` on the kernel command line.
    is_asked_for: bool,
    errors: Vec<String>,
    warnings: Vec<String>,
    /// `v1` of this boot's `status.json`.
    stages: Map<String, Json>,
}

/// Shows it.
pub fn status(words: &Words, host: &Host) -> Answer {
    let format = words.choice("format", &["tabular", "json", "yaml"]).map_err(super::usage)?;
    let waits = words.has("wait");
    let dots = || {
        if format == "tabular" {
            out::print(".");
        }
    };
    if waits && !is_off(host)? {
        status::wait(host, None, PATIENCE, &dots)?;
    }
    let seen = Seen::of(recorded::load(host)?, host);
    match format {
        "json" => drop(out::json(&seen.to_json(host))?),
        "yaml" => {
            let text = serde_yaml::to_string(&seen.to_json(host)).map_err(|error| Refusal::new(exit::FAILED, error.to_string()))?;
            out::print(&format!("---\n{text}...\n\n"));
        }
        _ => out::print(&seen.render(words.has("long"), host)),
    }
    Ok(seen.exit_code())
}

/// A host that is switched off has nothing to wait for.
fn is_off(host: &Host) -> Result<bool, Refusal> {
    Ok(run::off_switch(host).is_some() && recorded::load(host)?.summary.state != State::Running)
}

impl Seen {
    /// Looks at the host.
    pub fn now(host: &Host) -> Result<Self, Refusal> {
        Ok(Self::of(recorded::load(host)?, host))
    }

    fn of(recorded: Recorded, host: &Host) -> Self {
        let off = run::off_switch(host);
        let mut stages = compat::stages(host, &recorded.summary);
        let to_come = || recorded::units_to_come(host);
        let has_looked = || run::read_status(host).is_some();
        let running = running(recorded.summary.state, off.is_some(), !stages.is_empty(), &to_come, &has_looked);
        if matches!(running, DISABLED | NOT_STARTED) {
            // What is left of a run that was forgotten, or of an earlier boot.
            stages.clear();
        }
        let mut errors = compat::told_in_all(&recorded.summary, Weight::Failed);
        if recorded.summary.state == State::Interrupted && running == DONE {
            errors.push("the run was cut off; the next boot goes on with it".into());
        }
        let warnings = compat::told_in_all(&recorded.summary, Weight::Degraded);
        let is_asked_for = run::is_enabled_on_command_line(host);
        Self { running, recorded, off, is_asked_for, errors, warnings, stages }
    }

    /// `error`, `degraded`, or nothing to say.
    fn condition(&self) -> &'static str {
        match self.recorded.summary.state {
            _ if matches!(self.running, DISABLED | NOT_STARTED) => "",
            State::Failed | State::Interrupted => "error",
            State::Degraded => "degraded",
            State::Running | State::WaitingForReboot if !self.errors.is_empty() => "error",
            State::Running | State::WaitingForReboot if !self.warnings.is_empty() => "degraded",
            _ => "",
        }
    }

    fn exit_code(&self) -> u8 {
        match self.condition() {
            "error" => exit::FAILED,
            "degraded" => exit::DEGRADED,
            _ => exit::OK,
        }
    }

    /// The short and the long word.
    fn words(&self) -> (&'static str, String) {
        match self.condition() {
            "" => (self.running, self.running.to_owned()),
            "error" => ("error", format!("error - {}", self.running)),
            condition => (self.running, format!("{condition} {}", self.running)),
        }
    }

    fn boot_code(&self) -> &'static str {
        match (self.running, self.off) {
            (DISABLED, Some(OffSwitch::File | OffSwitch::CloudInitFile)) => "disabled-by-marker-file",
            (DISABLED, Some(OffSwitch::CloudInitEnvironment)) => "disabled-by-environment-variable",
            (DISABLED, Some(_)) => "disabled-by-kernel-command-line",
            (DISABLED, None) => "disabled-by-generator",
            _ if self.is_asked_for => "enabled-by-kernel-command-line",
            (NOT_STARTED, _) => "unknown",
            _ => "enabled-by-generator",
        }
    }

    fn text(&self, name: &str) -> &str {
        self.stages.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    fn detail(&self) -> String {
        let told = || self.recorded.summary.told.iter().map(|told| told.message.as_str()).collect::<Vec<_>>().join("; ");
        match (self.running, self.off) {
            (DISABLED, Some(off)) => off.to_string(),
            (DISABLED | NOT_STARTED, _) => told(),
            _ if !self.text("datasource").is_empty() => self.text("datasource").to_owned(),
            _ if !self.text("stage").is_empty() => format!("Running in stage: {}", self.text("stage")),
            _ => format!("user-data from: {}", self.recorded.summary.datasource),
        }
    }

    /// When a stage last began or ended. (cloud-init takes its seconds since boot for seconds since 1970.)
    fn last_update(&self, host: &Host) -> String {
        let times = self.stages.values().flat_map(|stage| [&stage["start"], &stage["finished"]]).filter_map(Json::as_f64);
        let latest = times.fold(0.0, f64::max);
        if latest > 0.0 {
            clock::rfc2822(host.now() - host.uptime_seconds() + latest)
        } else {
            String::new()
        }
    }

    fn recoverable(&self) -> Json {
        if self.warnings.is_empty() {
            json!({})
        } else {
            json!({ "WARNING": self.warnings })
        }
    }

    fn to_json(&self, host: &Host) -> Json {
        let (status, extended) = self.words();
        let class = self.text("datasource").split(' ').next().unwrap_or_default().to_lowercase();
        let mut shown = self.stages.clone();
        for (name, value) in [
            ("boot_status_code", json!(self.boot_code())),
            ("datasource", json!(class.replace("datasource", ""))),
            ("detail", json!(self.detail())),
            ("errors", json!(self.errors)),
            ("extended_status", json!(extended)),
            ("last_update", json!(self.last_update(host))),
            ("recoverable_errors", self.recoverable()),
            ("status", json!(status)),
        ] {
            shown.insert(name.to_owned(), value);
        }
        Json::Object(shown)
    }

    fn render(&self, long: bool, host: &Host) -> String {
        let (status, extended) = self.words();
        let mut text = format!("status: {status}\n");
        if !long {
            return text;
        }
        let list = |lines: &[String]| lines.iter().map(|line| format!("\n\t- {}", line.replace('\n', " "))).collect::<String>();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "extended_status: {extended}\nboot_status_code: {}", self.boot_code());
        let update = self.last_update(host);
        if !update.is_empty() {
            let _ = writeln!(text, "last_update: {update}");
        }
        let errors = if self.errors.is_empty() { " []".to_owned() } else { list(&self.errors) };
        let warnings = if self.warnings.is_empty() { " {}".to_owned() } else { format!("\nWARNING:{}", list(&self.warnings)) };
        let _ = writeln!(text, "detail: {}\nerrors:{errors}\nrecoverable_errors:{warnings}", self.detail());
        text
    }
}

/// Not yet begun in this boot.
pub const NOT_STARTED: &str = "not started";
const RUNNING: &str = "running";
const DONE: &str = "done";
/// Switched off, or no datasource was found.
pub const DISABLED: &str = "disabled";

/// `told`: this boot's stages have said something; `to_come`: a unit of landfall's is still to run in this boot; `has_looked`: one
/// has, and says in landfall's own file what it found.
fn running(state: State, off: bool, told: bool, to_come: &dyn Fn() -> bool, has_looked: &dyn Fn() -> bool) -> &'static str {
    match state {
        State::Running | State::WaitingForReboot => RUNNING,
        State::Disabled => DISABLED,
        _ if off => DISABLED,
        _ if to_come() && told => RUNNING,
        _ if to_come() => NOT_STARTED,
        // The host was in use when landfall was installed.
        State::NotStarted if has_looked() && told => DONE,
        State::NotStarted if has_looked() => DISABLED,
        State::NotStarted => NOT_STARTED,
        State::Done | State::Degraded | State::Failed | State::Interrupted | State::RolledBack => DONE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::recorded::example;
    use super::*;

    fn seen(state: State, running: &'static str) -> Seen {
        let recorded = Recorded { summary: example(state), off: None, lock: None, directory: None };
        let errors = compat::told_in_all(&recorded.summary, Weight::Failed);
        let warnings = compat::told_in_all(&recorded.summary, Weight::Degraded);
        Seen { running, recorded, off: None, is_asked_for: false, errors, warnings, stages: Map::new() }
    }

    #[test]
    fn a_state_is_said_in_the_words_of_the_peer() {
        let (yes, no) = (&|| true, &|| false);
        for (state, off, told, to_come, expected) in [
            (State::NotStarted, false, false, false, NOT_STARTED),
            (State::NotStarted, false, false, true, NOT_STARTED),
            (State::NotStarted, true, false, true, DISABLED),
            (State::Running, true, true, true, RUNNING),
            (State::Done, false, false, true, NOT_STARTED),
            (State::Done, false, true, true, RUNNING),
            (State::Done, true, true, false, DISABLED),
            (State::Failed, false, true, false, DONE),
            (State::Interrupted, false, true, false, DONE),
        ] {
            let to_come: &dyn Fn() -> bool = if to_come { yes } else { no };
            assert_eq!(running(state, off, told, to_come, no), expected, "{state:?} {off} {told}");
        }
        assert_eq!(running(State::NotStarted, false, false, no, yes), DISABLED, "no datasource");
        assert_eq!(running(State::NotStarted, false, true, no, yes), DONE, "in use before landfall was installed");
    }

    #[test]
    fn exit_codes_are_the_peers() {
        for (state, running, code, extended) in [
            (State::Done, DONE, 0, "done"),
            (State::Degraded, DONE, 2, "degraded done"),
            (State::Failed, DONE, 1, "error - done"),
            (State::Running, RUNNING, 1, "error - running"),
            (State::Disabled, DISABLED, 0, "disabled"),
            (State::NotStarted, NOT_STARTED, 0, "not started"),
        ] {
            let seen = seen(state, running);
            assert_eq!((seen.exit_code(), seen.words().1.as_str()), (code, extended), "{state:?}");
        }
    }

    #[test]
    fn what_switched_it_is_said_as_the_peer_says_it() {
        for (running, off, is_asked_for, code) in [
            (DISABLED, Some(OffSwitch::CloudInitFile), false, "disabled-by-marker-file"),
            (DISABLED, Some(OffSwitch::CloudInitCommandLine), false, "disabled-by-kernel-command-line"),
            (DISABLED, Some(OffSwitch::CloudInitEnvironment), false, "disabled-by-environment-variable"),
            (DISABLED, None, false, "disabled-by-generator"),
            (NOT_STARTED, None, false, "unknown"),
            (NOT_STARTED, None, true, "enabled-by-kernel-command-line"),
            (DONE, None, true, "enabled-by-kernel-command-line"),
            (DONE, None, false, "enabled-by-generator"),
        ] {
            let seen = Seen { off, is_asked_for, ..seen(State::Done, running) };
            assert_eq!(seen.boot_code(), code, "{running} {off:?} {is_asked_for}");
        }
    }

    #[test]
    fn long_has_the_peers_lines() {
        let text = seen(State::Failed, DONE).render(true, &Host::default());
        let expected = "status: error\nextended_status: error - done\nboot_status_code: enabled-by-generator\n\
            detail: user-data from: nocloud\nerrors:\n\t- runcmd/1: E_EXEC: runcmd item 1 failed with exit 3\n\
            recoverable_errors:\nWARNING:\n\t- unknown key `hostnam`\n";
        assert_eq!(text, expected);
    }
}
