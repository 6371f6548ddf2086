//! What others can read of a run: `/run/landfall/{status,result}.json`, and the state derived anew from the journals.

use serde::{Deserialize, Serialize};
use tracing::Level;

use super::instance_dir::InstanceDir;
use super::lookup::{self, off_switch, OffSwitch};
use crate::engine::summary::{Circumstances, State, Summary, Told};
use crate::engine::RunIds;
use crate::error::{Failure, Kind};
use crate::host::files::Attributes;
use crate::host::Host;
use crate::identity::Recorded;
use crate::plan::{Operation, Plan, Stage, Weight};
use crate::telemetry::{self, Place};

/// The runtime directory.
pub const RUNTIME: &str = "/run/landfall";
/// The state of the current or last run.
pub const STATUS_FILE: &str = "/run/landfall/status.json";
/// What came of it, once it has ended.
pub const RESULT_FILE: &str = "/run/landfall/result.json";
const RUN_FILE: &str = "/run/landfall/run.json";

const DIRECTORY: Attributes = Attributes { mode: 0o755, uid: 0, gid: 0 };

/// A short status where there is no plan, or a summary where there is one.
#[derive(Clone, Debug)]
pub enum StatusFile {
    /// A run.
    Run(Box<Summary>),
    /// None.
    Nothing(NoRun),
}

/// The status of a boot without a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoRun {
    /// The state.
    pub state: State,
    /// Run id of the boot.
    pub run: String,
    /// Stage that came to this.
    pub stage: Stage,
    /// Why.
    pub told: Vec<Told>,
}

#[derive(Serialize, Deserialize)]
struct RunFile {
    run: String,
    boot: String,
}

/// The ids of this boot's run: the first process of the boot makes the run id, the others share it.
pub fn run_ids(host: &Host) -> Result<RunIds, Failure> {
    let boot = host.boot_id();
    let stored = host.read(RUN_FILE).ok().flatten().and_then(|bytes| serde_json::from_slice::<RunFile>(&bytes).ok());
    if let Some(stored) = stored.filter(|stored| stored.boot == boot) {
        return Ok(RunIds { run: stored.run, boot });
    }
    let run = crate::plan::digest_of(&(host.now().to_bits(), &boot, std::process::id()))[..12].to_owned();
    host.make_directories(RUNTIME, DIRECTORY).map_err(|error| Failure::io(RUNTIME, &error))?;
    write_json(host, RUN_FILE, &RunFile { run: run.clone(), boot: boot.clone() })?;
    Ok(RunIds { run, boot })
}

fn write_json(host: &Host, path: &str, value: &impl Serialize) -> Result<(), Failure> {
    write_files(host, &[path], value)
}

/// The same in each of these files.
fn write_files(host: &Host, paths: &[&str], value: &impl Serialize) -> Result<(), Failure> {
    let failed = |path: &str, error: std::io::Error| Failure::io(path, &error);
    let mut text = serde_json::to_vec_pretty(value).map_err(|error| failed(paths[0], error.into()))?;
    text.push(b'\n');
    paths.iter().try_for_each(|path| host.write_runtime(path, &text, 0o644).map_err(|error| failed(path, error)))
}

/// Shows a run's state.
pub fn publish(host: &Host, plan: &Plan, summary: &Summary) -> Result<(), Failure> {
    write_json(host, STATUS_FILE, &public(plan, summary))
}

/// Shows a run's state, and that it is what came of it.
pub fn publish_result(host: &Host, plan: &Plan, summary: &Summary) -> Result<(), Failure> {
    write_files(host, &[STATUS_FILE, RESULT_FILE], &public(plan, summary))
}

/// The summary of `plan` without what commands say and what children said: both hold secrets that nobody declared. Root reads
/// them from the journals.
pub(super) fn public(plan: &Plan, summary: &Summary) -> Summary {
    let mut public = summary.clone();
    for (step, shown) in plan.steps.iter().zip(&mut public.steps) {
        shown.description = step.operation.describe_openly();
        if let Some(failure) = &mut shown.failure {
            failure.output.clear();
        }
    }
    for error in &mut public.errors {
        error.output.clear();
        let step = plan.steps.iter().find(|step| step.id == error.step);
        if step.is_some_and(|step| matches!(step.operation, Operation::ScriptItem(_))) {
            error.command = None;
        }
    }
    public
}

fn publish_state(host: &Host, run: &str, stage: Stage, state: State, told: Vec<Told>) -> Result<(), Failure> {
    write_json(host, STATUS_FILE, &NoRun { state, run: run.to_owned(), stage, told })
}

/// Shows that landfall is switched off.
pub fn publish_disabled(host: &Host, ids: &RunIds, stage: Stage, off: &OffSwitch) -> Result<(), Failure> {
    publish_state(host, &ids.run, stage, State::Disabled, vec![Told { weight: None, message: off.to_string() }])
}

/// Shows that a datasource is there which cannot be used, so that nothing was done on a host that is new.
pub fn publish_unusable(host: &Host, stage: Stage, told: &str) -> Result<(), Failure> {
    let ids = run_ids(host)?;
    let told = vec![Told { weight: Some(Weight::Failed), message: told.to_owned() }];
    publish_state(host, &ids.run, stage, State::Failed, told)
}

/// Shows, and says on the console, why the units of this boot do nothing, where no run can say it: its state cannot even be written.
pub fn publish_failure(host: &Host, stage: Stage, failure: &Failure) {
    let is_told = match read_status(host) {
        Some(StatusFile::Run(summary)) => summary.boot == host.boot_id() && summary.state == State::Failed,
        Some(StatusFile::Nothing(NoRun { told, .. })) => told.iter().any(|told| told.weight == Some(Weight::Failed)),
        None => false,
    };
    let Ok(ids) = run_ids(host) else { return };
    if is_told || failure.kind == Kind::Interrupted {
        return;
    }
    let place = Place { run: Some(&ids.run), error: Some(failure.kind.code()), ..Place::default() };
    telemetry::say(Level::ERROR, place, &format!("stage {}: failed: {failure}; `landfall why` says more", stage.name()));
    let told = vec![Told { weight: Some(Weight::Failed), message: format!("{failure}; {}", failure.next_action()) }];
    let nothing = NoRun { state: State::Failed, run: ids.run, stage, told };
    // Where not even /run can be written, the console and the unit have said it.
    for file in [STATUS_FILE, RESULT_FILE] {
        let _ = write_json(host, file, &nothing);
    }
    let _ = crate::compat::not_begun(host, &failure.to_string());
}

/// Shows that nothing is done and why, unless something was shown already in this boot. Returns why.
pub fn publish_nothing(host: &Host, ids: &RunIds, stage: Stage, why: &str) -> Result<String, Failure> {
    if let Some(StatusFile::Nothing(NoRun { told, run, .. })) = read_status(host) {
        if run == ids.run && told.iter().any(|told| told.weight.is_some()) {
            return Ok(told.iter().map(|told| told.message.clone()).collect::<Vec<_>>().join("; "));
        }
    }
    publish_state(host, &ids.run, stage, State::NotStarted, vec![Told { weight: None, message: why.to_owned() }])?;
    Ok(why.to_owned())
}

/// Shows that the datasource of a known instance is out, and that nothing was touched.
pub fn publish_outage(host: &Host, told: &str) -> Result<(), Failure> {
    let ids = run_ids(host)?;
    let told = vec![Told { weight: Some(Weight::Degraded), message: told.to_owned() }];
    publish_state(host, &ids.run, Stage::Final, State::Degraded, told)
}

/// What the status file says.
pub fn read_status(host: &Host) -> Option<StatusFile> {
    let bytes = host.read(STATUS_FILE).ok().flatten()?;
    match serde_json::from_slice(&bytes) {
        Ok(summary) => Some(StatusFile::Run(Box::new(summary))),
        Err(_) => serde_json::from_slice(&bytes).ok().map(StatusFile::Nothing),
    }
}

/// The state derived from the journals now, with the directory it stands in; `None` where there is no recorded run.
pub fn view(host: &Host) -> Result<Option<(Summary, InstanceDir)>, Failure> {
    let Some(name) = Recorded::load(host)?.and_then(|recorded| recorded.directory) else { return Ok(None) };
    let directory = InstanceDir::new(&name);
    let Some(plan) = directory.load_plan(host)? else { return Ok(None) };
    let ledger = directory.ledger(host, Stage::Final, true)?;
    let shown = match read_status(host) {
        Some(StatusFile::Run(summary)) => Some(*summary),
        _ => None,
    };
    let boot = host.boot_id();
    let owner = host.run_lock_owner().ok().flatten();
    let this_boot = shown.as_ref().filter(|shown| shown.boot == boot);
    let at = Circumstances {
        mode: this_boot
            .map_or_else(|| if name == InstanceDir::MANUAL { "manual" } else { lookup::mode(host) }, |shown| shown.mode.as_str()),
        run: this_boot.map_or("", |shown| shown.run.as_str()),
        boot: &boot,
        running: owner.is_some(),
        rebooting: owner.is_none() && this_boot.is_some_and(|shown| shown.state == State::WaitingForReboot),
        stage: this_boot.and_then(|shown| shown.stage).or(Some(Stage::Final)),
        expected: if host.runs_systemd() && off_switch(host).is_none() { Stage::Final } else { Stage::Local },
        now: host.now(),
        uptime: host.uptime_seconds(),
    };
    Ok(Some((Summary::of(&plan, &ledger, &at), directory)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Facts;
    use crate::modules::testing::planned;
    use crate::modules::Way;

    #[test]
    fn what_everybody_can_read_has_no_command_and_no_output() {
        let text = "runcmd: [mysql geheim]\ntimezone: Europe/Berlin\n";
        let plan = planned(text, &Facts::default(), &[], Way::Applied);
        let step = |id: &str, description: &str| {
            serde_json::json!({"id": id, "phase": "p", "stage": "final", "frequency": "instance", "description": description,
                "result": "failed", "unchanged": false, "attempts": 1, "elapsed_ms": 0,
                "failure": {"kind": "E_EXEC", "message": "exit 1", "exit": 1, "output": ["Access denied for geheim"]}})
        };
        let described: Vec<_> = plan.steps.iter().map(|planned| step(&planned.id, &planned.operation.describe())).collect();
        let summary: Summary = serde_json::from_value(serde_json::json!({"state": "failed", "mode": "manual", "run": "r", "boot": "b",
            "version": "0", "instance": "i", "datasource": "file", "boots": 1, "told": [], "steps": described,
            "errors": [{"code": "E_EXEC", "category": "execution", "severity": "critical", "step": "runcmd/1", "message": "exit 1",
                "command": "mysql geheim", "output": ["Access denied for geheim"], "attempts": 1, "elapsed_ms": 0, "hint": "mend it"}]}))
        .expect("a summary");
        let shown = serde_json::to_string(&public(&plan, &summary)).expect("json");
        assert!(!shown.contains("geheim"), "{shown}");
        for expected in ["\"runcmd item 1 of 1\"", "\"exit 1\"", "\"mend it\"", "link /etc/localtime"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
        assert!(serde_json::to_string(&summary).expect("json").contains("runcmd item 1 of 1: mysql geheim"));
    }
}
