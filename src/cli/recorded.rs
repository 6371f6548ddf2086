//! What is known of this host's run: from the journals for root, from the status file for everybody else.

use std::time::Duration;

use serde::Serialize;

use crate::config::problem::Report;
use crate::config::typed::reader::nearest;
use crate::engine::ledger::Ledger;
use crate::engine::summary::{State, StepResult, StepSummary, Summary, Told};
use crate::error::exit;
use crate::host::process::Spec;
use crate::host::runlock::Owner;
use crate::host::Host;
use crate::plan::{Frequency, Plan, Stage, Weight};
use crate::redact::Redactor;
use crate::run::input::Giver;
use crate::run::{self, rendering, InstanceDir, NoRun, StatusFile};
use crate::userdata::{NoIncludes, Reading};

use super::Refusal;

/// The recorded run, if there is one, and what keeps another from starting.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// Its state; without steps where there is no run.
    #[serde(flatten)]
    pub summary: Summary,
    /// The off switch that is set.
    #[serde(rename = "off_switch")]
    pub off: Option<String>,
    /// Who holds the run lock.
    pub lock: Option<Owner>,
    /// Where the run's files are; root only.
    #[serde(skip)]
    pub directory: Option<InstanceDir>,
}

impl Recorded {
    /// The step that a command line names.
    pub fn step(&self, id: &str) -> Result<&StepSummary, Refusal> {
        let steps = &self.summary.steps;
        if let Some(step) = steps.iter().find(|step| step.id == id) {
            return Ok(step);
        }
        let known: Vec<&str> = steps.iter().map(|step| step.id.as_str()).collect();
        let refusal = Refusal::new(exit::USAGE, format!("the recorded run has no step `{id}`"));
        Err(match nearest(id, &known) {
            Some(near) => refusal.help(format!("did you mean `{near}`?")),
            None => refusal.help("`landfall status --long` lists the steps"),
        })
    }

    /// What a step's children said, secrets masked; root only.
    pub fn output(&self, step: &StepSummary, host: &Host) -> Option<String> {
        let range = step.output.as_ref()?;
        let bytes = host.read(&range.file).ok().flatten()?;
        let (from, to) = (usize::try_from(range.from).ok()?, usize::try_from(range.to).ok()?);
        let text = String::from_utf8_lossy(bytes.get(from..to.min(bytes.len()))?).into_owned();
        Some(self.redactor(host).apply(&text))
    }

    /// Masks what the recorded run knows to be secret.
    pub fn redactor(&self, host: &Host) -> Redactor {
        let plan = self.directory.as_ref().and_then(|directory| directory.load_plan(host).ok().flatten());
        let secrets = plan.map(|plan| plan.secrets).unwrap_or_default();
        Redactor::new(secrets.iter().map(|secret| secret.expose().clone()))
    }

    /// The text of a part of the user-data, or of a configuration file, by the name that origins use; root only.
    pub fn source_text(&self, part: &str, host: &Host) -> Option<String> {
        if part.starts_with("/etc/landfall/") {
            return host.read_text(part).ok().flatten();
        }
        let bytes = self.directory.as_ref()?.user_data(host)?;
        // A single text is called by whatever name it came under; parts have names of their own.
        let render = |text: &str| rendering::render(text, &serde_json::json!({}));
        let mut no_includes = NoIncludes;
        let mut reading = Reading::of_no_instance(&mut no_includes, &render);
        let sources = run::input::read(part, &bytes, Giver::User, &mut reading, &mut Report::new()).sources;
        sources.into_iter().find(|(name, _)| name == part).map(|(_, text)| text)
    }
}

/// Reads what is known.
pub fn load(host: &Host) -> Result<Recorded, Refusal> {
    let off = run::off_switch(host).map(|off| off.to_string());
    let lock = host.run_lock_owner().ok().flatten();
    let status = run::read_status(host);
    let seen = match nix::unistd::geteuid().is_root().then(|| run::view(host)) {
        None => None,
        Some(Ok(seen)) => seen,
        Some(Err(failure)) => {
            let message = format!("{}; {}", failure.message, failure.next_action());
            let told = vec![Told { weight: Some(Weight::Failed), message }];
            return Ok(Recorded { summary: nothing(State::Failed, String::new(), None, told), off, lock, directory: None });
        }
    };
    let (summary, directory) = match (seen, status) {
        (Some((mut summary, directory)), Some(StatusFile::Nothing(NoRun { told, .. }))) => {
            add_told(&mut summary, told);
            (summary, Some(directory))
        }
        (Some((mut summary, directory)), Some(StatusFile::Run(shown))) => {
            if given_up(&summary, &shown) && lock.is_none() {
                summary.state = shown.state;
                summary.told = shown.told;
            }
            (summary, Some(directory))
        }
        (Some((summary, directory)), None) => (summary, Some(directory)),
        (None, Some(StatusFile::Run(summary))) => (*summary, None),
        (None, Some(StatusFile::Nothing(NoRun { state, run, stage, told }))) => (nothing(state, run, Some(stage), told), None),
        (None, None) => (nothing_known(off.as_deref()), None),
    };
    Ok(Recorded { summary, off, lock, directory })
}

/// The recorded run whole, for commands that have nothing to do without one: `purpose` says what there is nothing to do.
pub fn plan_and_ledger(host: &Host, purpose: &str) -> Result<(InstanceDir, Plan, Ledger), Refusal> {
    let Some(directory) = load(host)?.directory else {
        return Err(Refusal::new(exit::NO_DATASOURCE, format!("landfall has not run on this host: there is nothing to {purpose}")));
    };
    let Some(plan) = directory.load_plan(host)? else {
        return Err(Refusal::new(exit::NO_DATASOURCE, format!("the recorded run has no plan: there is nothing to {purpose}")));
    };
    let ledger = directory.ledger(host, Stage::Final, true)?;
    Ok((directory, plan, ledger))
}

/// The journals say that the run was cut off, and the status why it ended: it could not write them any more.
fn given_up(recorded: &Summary, shown: &Summary) -> bool {
    recorded.state == State::Interrupted && shown.state == State::Failed && recorded.instance == shown.instance
}

/// What this boot found out about a run of an earlier one: that its datasource is away.
fn add_told(summary: &mut Summary, told: Vec<Told>) {
    let weighty: Vec<Told> = told.into_iter().filter(|told| told.weight.is_some()).collect();
    let open = |step: &&StepSummary| matches!(step.result, StepResult::Pending | StepResult::Interrupted);
    let of_this_boot = summary.steps.iter().filter(open).all(|step| step.frequency == Frequency::Boot);
    if !weighty.is_empty() && summary.state == State::Interrupted && of_this_boot {
        // Nothing was cut off: what is for every boot is not run in this one.
        summary.state = State::Done;
    }
    for told in weighty {
        summary.state = match (summary.state, told.weight) {
            (State::Done, Some(Weight::Degraded)) => State::Degraded,
            (State::Done | State::Degraded, Some(Weight::Failed)) => State::Failed,
            (state, _) => state,
        };
        if !summary.told.contains(&told) {
            summary.told.push(told);
        }
    }
}

fn nothing_known(off: Option<&str>) -> Summary {
    let (state, message) = match off {
        Some(off) => (State::Disabled, off.to_owned()),
        None if nix::unistd::geteuid().is_root() => (State::NotStarted, "landfall has not run on this host".to_owned()),
        None => (State::NotStarted, "landfall has not run in this boot; what earlier boots recorded, root can see".to_owned()),
    };
    nothing(state, String::new(), None, vec![Told { weight: None, message }])
}

fn nothing(state: State, run: String, stage: Option<Stage>, told: Vec<Told>) -> Summary {
    Summary {
        state,
        mode: String::new(),
        run,
        boot: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: String::new(),
        datasource: String::new(),
        stage,
        started: None,
        finished: None,
        elapsed: 0.0,
        boots: 0,
        current: None,
        steps: Vec::new(),
        phases: Vec::new(),
        breakers: Vec::new(),
        errors: Vec::new(),
        told,
    }
}

/// landfall's units, in the order of the boot.
const UNITS: [&str; 3] = ["landfall-local.service", "landfall-network.service", "landfall.service"];

/// Whether one of landfall's units runs or is still to run in this boot.
pub fn units_to_come(host: &Host) -> bool {
    let show = |arguments: &[&str]| {
        let argv = ["systemctl", "show"].iter().chain(arguments).map(|word| (*word).to_owned());
        let ended = host.run(&Spec::new(argv).deadline(Duration::from_secs(30))).ok()?;
        ended.success().then_some(ended.stdout)
    };
    // systemd cannot be asked before it listens here, very early in the boot.
    if !host.exists("/run/systemd/private") {
        return host.is_live() && host.process(1).is_some_and(|init| init.command.contains("systemd"));
    }
    let properties = ["--property=ActiveState,Job,UnitFileState", "--"];
    let Some(units) = show(&[&properties[..], &UNITS[..]].concat()) else { return false };
    if units.lines().any(is_queued) {
        return true;
    }
    // Before systemd has queued the boot's jobs, being enabled is the only sign.
    let enabled = units.split("\n\n").any(is_waiting_for_the_boot);
    enabled && show(&["--property=SystemState"]).is_some_and(|state| state.trim() == "SystemState=initializing")
}

/// A line of `systemctl show`: a job is queued, or the unit is starting.
fn is_queued(line: &str) -> bool {
    matches!(line.split_once('='), Some(("Job", number)) if !matches!(number, "" | "0")) || line == "ActiveState=activating"
}

/// A unit's lines of `systemctl show`: enabled, and not yet started.
fn is_waiting_for_the_boot(unit: &str) -> bool {
    let has = |wanted: &str| unit.lines().any(|line| line == wanted);
    has("ActiveState=inactive") && has("UnitFileState=enabled")
}

/// A run for tests: one step done, one failed, one not run.
#[cfg(test)]
pub fn example(state: State) -> Summary {
    use crate::engine::summary::ErrorReport;
    use crate::error::{Category, Failure, Kind, Severity};
    let step = |id: &str, description: &str, result| StepSummary {
        id: id.into(),
        phase: id.split('/').next().unwrap_or_default().into(),
        stage: Stage::Final,
        frequency: Frequency::Instance,
        description: description.into(),
        result,
        weight: None,
        failure: None,
        detail: None,
        warnings: Vec::new(),
        unchanged: false,
        attempts: 1,
        elapsed_ms: 300,
        unmet: None,
        ended: None,
        usage: None,
        output: None,
        origin: Some("user-data:4:5".into()),
    };
    let mut failed = step("runcmd/1", "runcmd item 1 of 2: make install", StepResult::Failed);
    let mut failure = Failure::new(Kind::Exec, "runcmd item 1 failed with exit 3");
    failure.exit = Some(3);
    failure.output = vec!["make: *** No rule to make target".into()];
    failed.weight = Some(Weight::Failed);
    failed.failure = Some(failure);
    let mut summary = nothing(state, "run-1".into(), Some(Stage::Final), Vec::new());
    summary.errors = vec![ErrorReport {
        code: Kind::Exec,
        category: Category::Execution,
        severity: Severity::Critical,
        step: "runcmd/1".into(),
        message: "runcmd item 1 failed with exit 3".into(),
        command: Some("make install".into()),
        exit: Some(3),
        output: vec!["make: *** No rule to make target".into()],
        attempts: 1,
        elapsed_ms: 300,
        hint: "see".into(),
    }];
    summary.instance = "i-1".into();
    summary.datasource = "nocloud".into();
    summary.mode = "standalone".into();
    summary.started = Some(1_785_587_445.0);
    summary.finished = Some(1_785_587_630.0);
    summary.elapsed = 185.0;
    summary.boots = 2;
    summary.told = vec![Told { weight: Some(Weight::Degraded), message: "unknown key `hostnam`".into() }];
    summary.steps = vec![
        step("users_groups/alice", "create user alice", StepResult::Done),
        failed,
        step("runcmd/2", "runcmd item 2 of 2: true", StepResult::NotRun),
    ];
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_or_starting_unit_is_to_come() {
        for (line, expected) in [
            ("Job=51", true),
            ("Job=0", false),
            ("Job=", false),
            ("ActiveState=activating", true),
            ("ActiveState=active", false),
            ("ActiveState=inactive", false),
            ("", false),
        ] {
            assert_eq!(is_queued(line), expected, "{line}");
        }
        assert!(is_waiting_for_the_boot("ActiveState=inactive\nUnitFileState=enabled"));
        assert!(!is_waiting_for_the_boot("ActiveState=active\nUnitFileState=enabled"));
        assert!(!is_waiting_for_the_boot("ActiveState=inactive\nUnitFileState=disabled"));
    }

    #[test]
    fn an_outage_of_this_boot_is_told_of_a_run_that_was_done() {
        let mut summary = example(State::Done);
        let told = Told { weight: Some(Weight::Degraded), message: "no answer".into() };
        add_told(&mut summary, vec![told.clone(), told, Told { weight: None, message: "note".into() }]);
        assert_eq!((summary.state, summary.told.len()), (State::Degraded, 2));

        let mut untouched = example(State::Interrupted);
        untouched.steps[2].result = StepResult::Pending;
        let told = Told { weight: Some(Weight::Degraded), message: "another machine".into() };
        add_told(&mut untouched, vec![told.clone()]);
        assert_eq!(untouched.state, State::Interrupted, "a step of the instance is still to be done");
        untouched.steps[2].frequency = Frequency::Boot;
        add_told(&mut untouched, vec![told]);
        assert_eq!(untouched.state, State::Degraded);
    }
}
