//! A run from end to end: which instance is this, what is to be done, do it, say what came of it.
//!
//! Everything the commands that change the host do meets here; what they share is the run lock, the instance's directory and
//! the engine. Nothing below knows of it.

mod includes;
pub mod input;
mod instance;
mod instance_dir;
mod layers;
mod lookup;
mod notify;
mod prepare;
mod reporter;
mod restore;
mod retention;
mod view;

use std::time::Duration;

pub use crate::template::process as rendering;
pub use includes::{Missing, Patience};
pub use instance_dir::InstanceDir;
pub use lookup::{is_enabled_on_command_line, off_switch, OffSwitch};
pub use prepare::{prepare, settings, Fetching, Prepared, Source};
pub use restore::{bytes_of, is_so, restore, versions, Version};
pub use view::{read_status, view, NoRun, StatusFile, RUNTIME, STATUS_FILE};

use crate::compat;
use crate::config::problem::Severity;
use crate::config::settings::Overrides;
use crate::engine::ledger::Ledger;
use crate::engine::summary::{State, Summary};
use crate::engine::{Engine, RunEnd, RunIds};
use crate::error::{Failure, Kind};
use crate::host::runlock::{RunLock, Take};
use crate::host::Host;
use crate::identity::{self, Decision, Here, Recorded};
use crate::plan::{Frequency, NetworkEvent, Operation, Plan, Stage, Weight};
use instance::{complete, new_instance, same_instance, NETWORK_STEP};
use lookup::{look, Looked};
use reporter::Reporter;

/// What a command asks for.
pub enum Request {
    /// What the units ask for: find, plan, execute, resume, up to a stage; `None` is all of it at once, as a person asks for it.
    Boot(Option<Stage>),
    /// Ask the datasource again for the network, and configure it anew: a device came or went.
    Network,
    /// Execute this user-data now.
    Apply(Source),
    /// Go on with the recorded run; failed steps are tried again.
    Resume,
    /// Run one step again.
    Rerun(String),
    /// Undo these steps of the recorded run, in this order; `force`: also what somebody has changed since.
    Rollback {
        /// Step ids.
        steps: Vec<String>,
        /// See above.
        force: bool,
    },
}

impl Request {
    /// The last stage that is due.
    fn stage(&self) -> Stage {
        match self {
            Self::Boot(Some(stage)) => *stage,
            _ => Stage::Final,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// How the loop ended; `None` where nothing had to be run.
    pub end: Option<RunEnd>,
    /// The state afterwards; `None` where there is no plan.
    pub summary: Option<Summary>,
    /// What to say where there is no plan.
    pub remark: String,
    /// There is neither a datasource nor a recorded run.
    pub no_source: bool,
}

/// What a request comes to.
enum Found {
    /// Something to run.
    Job(Box<Job>),
    /// Nothing, with the reason.
    Nothing(String),
    /// Neither a datasource nor a recorded run.
    NoSource,
}

impl From<Option<Job>> for Found {
    fn from(job: Option<Job>) -> Self {
        job.map_or(Self::NoSource, |job| Self::Job(Box::new(job)))
    }
}

/// What the plan to be run is called and where it stands.
struct Job {
    directory: InstanceDir,
    plan: Plan,
    mode: &'static str,
    /// The datasource has named the instance.
    known: bool,
    /// What this boot found out and no journal that lasts should repeat at every boot.
    notices: Vec<(Option<Weight>, String)>,
}

impl Job {
    fn is_wiped(&self, id: &str) -> bool {
        self.plan.steps.iter().any(|step| step.id == id && step.wiped.is_some())
    }
}

/// Does what is asked, with what is written.
///
/// # Errors
/// As [`run_with`].
pub fn run(host: &Host, request: &Request) -> Result<Report, Failure> {
    run_with(host, request, &Overrides::default())
}

/// Does what is asked; `given` lies over what is written where a plan is made.
///
/// # Errors
/// [`Kind::Lock`] where another run holds the lock and this is not a unit; [`Kind::Input`] for user-data that cannot be read at
/// all; whatever keeps the state from being read or written.
pub fn run_with(host: &Host, request: &Request, given: &Overrides) -> Result<Report, Failure> {
    let report = begin(host, request, given);
    match (request, &report) {
        // Where another run holds the lock, what that one says stands.
        (Request::Boot(_), Err(failure)) if failure.kind != Kind::Lock => view::publish_failure(host, request.stage(), failure),
        _ => {}
    }
    report
}

fn begin(host: &Host, request: &Request, given: &Overrides) -> Result<Report, Failure> {
    let ids = view::run_ids(host)?;
    let stage = request.stage();
    if let (Request::Boot(_) | Request::Network, Some(off)) = (request, off_switch(host)) {
        view::publish_disabled(host, &ids, stage, &off)?;
        keep(compat::switched_off(host));
        return Ok(Report { end: None, summary: None, remark: format!("switched off: {off}"), no_source: false });
    }
    let _lock = take_lock(host, request)?;
    let found = match request {
        // The first unit of this boot has asked the datasource.
        Request::Boot(Some(Stage::Final)) if host.exists(INSTANCE_SETTLED) => recorded_job(host, Vec::new())?.into(),
        Request::Boot(_) => boot_job(host, stage, given)?,
        Request::Network => network_job(host, given)?,
        Request::Apply(source) => Found::Job(Box::new(apply_job(host, source, given)?)),
        Request::Resume | Request::Rerun(_) | Request::Rollback { .. } => recorded_job(host, Vec::new())?.into(),
    };
    let (why, no_source) = match found {
        Found::Job(mut job) => {
            if matches!(request, Request::Boot(_) | Request::Resume) {
                complete(host, &mut job, stage, given)?;
            }
            return execute(host, &ids, stage, request, &job);
        }
        Found::Nothing(why) => (why, false),
        Found::NoSource => ("no datasource and no recorded run: nothing to do".to_owned(), true),
    };
    let remark = view::publish_nothing(host, &ids, stage, &why)?;
    Ok(Report { end: None, summary: None, remark, no_source })
}

/// Units of one boot wait for each other; whoever sits at a terminal is told.
fn take_lock(host: &Host, request: &Request) -> Result<RunLock, Failure> {
    let command = match request {
        Request::Boot(Some(stage)) => return wait_for_lock(host, &format!("landfall run --stage {}", stage.name())),
        Request::Boot(None) => "landfall run",
        Request::Network => return wait_for_lock(host, "landfall run --network"),
        Request::Apply(_) => "landfall apply",
        Request::Resume => "landfall resume",
        Request::Rerun(_) => "landfall rerun",
        Request::Rollback { .. } => "landfall rollback",
    };
    lock_for(host, command)
}

/// The run lock, for a unit.
fn wait_for_lock(host: &Host, command: &str) -> Result<RunLock, Failure> {
    let taken = host.wait_take_run_lock(command, None, &|owner| {
        // What a step of that run has started would wait for its own end.
        let waits = !host.is_ancestor(owner.pid);
        if waits {
            let text = format!("waiting for {} (pid {})", owner.command, owner.pid);
            crate::telemetry::say(tracing::Level::INFO, crate::telemetry::Place::default(), &text);
        }
        waits
    });
    taken_lock(taken)
}

/// The run lock, for a command that does not wait.
fn lock_for(host: &Host, command: &str) -> Result<RunLock, Failure> {
    taken_lock(host.try_take_run_lock(command))
}

fn taken_lock(taken: std::io::Result<Take>) -> Result<RunLock, Failure> {
    match taken.map_err(|error| Failure::io("the run lock", &error))? {
        Take::Taken(lock) => Ok(lock),
        Take::Held(owner) => {
            let who =
                owner.map_or_else(|| "its owner is not known yet".to_owned(), |owner| format!("{} (pid {})", owner.command, owner.pid));
            Err(Failure::new(Kind::Lock, format!("another run holds the lock: {who}"))
                .hint("wait for it (`landfall status --wait`), or see `landfall unlock`"))
        }
        Take::Stopped => Err(Failure::new(Kind::Interrupted, "stopped while waiting for the run lock")),
    }
}

/// What a boot has to run, if anything.
fn boot_job(host: &Host, stage: Stage, given: &Overrides) -> Result<Found, Failure> {
    let recorded = Recorded::load(host)?;
    let here = Here::read(host);
    let (fetched, mode, source, explain) = match look(host, recorded.as_ref(), stage)? {
        Looked::Later(why) => return Ok(Found::Nothing(why.to_owned())),
        Looked::Answer { fetched, mode, source, explain } => (fetched, mode, source, explain),
    };
    let recorded = recorded.or_else(|| had_cloud_init(host, &fetched).then(|| Recorded::of_host_in_use(&here)));
    Ok(match identity::decide(recorded.as_ref(), &here, fetched) {
        Decision::NewInstance(id) => match source {
            Some(source) => {
                let is_first = recorded.is_none() && matches!(source, Source::Datasource(_)) && host.got_its_machine_id();
                let first_boot = is_first.then(|| host.boot_id());
                let machine = Recorded { first_boot, ..Recorded::of(&here) };
                Found::Job(Box::new(new_instance(host, machine, &id, mode, &source, (given, stage))?))
            }
            None => Found::NoSource,
        },
        // Adopted in an earlier stage or boot, and nothing was ever planned for it.
        Decision::SameInstance(id) if recorded.as_ref().is_some_and(|recorded| recorded.directory.is_none()) => {
            in_use(host, &id, source.as_ref())?
        }
        Decision::SameInstance(id) => {
            let event = (stage == Stage::Local).then_some(NetworkEvent::Boot);
            same_instance(host, recorded, &here, &id, mode, source, (given, stage, event))?.into()
        }
        Decision::Adopt(id) => {
            let mut recorded = recorded.unwrap_or_default();
            recorded.instance_id = Some(id.clone());
            recorded.source = source.as_ref().map(|source| source.datasource().to_owned());
            recorded.store(host)?;
            in_use(host, &id, source.as_ref())?
        }
        Decision::Outage { same_machine: true } => {
            // The last stage has the last word: a volume may come late.
            let told = format!("the datasource of this instance gives no answer ({explain}); nothing was changed because of that");
            let notices = if stage == Stage::Final { vec![(Some(Weight::Degraded), told)] } else { Vec::new() };
            recorded_job(host, notices)?.into()
        }
        Decision::Outage { same_machine: false } => {
            let told = format!("the datasource gives no answer ({explain}) and this is another machine than before; nothing was touched");
            view::publish_outage(host, &told)?;
            Found::Nothing(told)
        }
        Decision::Unanswered if stage == Stage::Local => Found::Nothing(explain),
        Decision::Unanswered => {
            let told = format!("a datasource is there that cannot be used, so nothing was done: {explain}");
            view::publish_unusable(host, stage, &told)?;
            return match stage {
                Stage::Final => Err(Failure::new(Kind::Config, told).hint("mend the datasource and boot again, or `landfall run`")),
                _ => Ok(Found::Nothing(told)),
            };
        }
        Decision::Manual => recorded_job(host, Vec::new())?.into(),
        Decision::NothingToDo => Found::NoSource,
    })
}

/// The run on record with the network as the datasource has it now. Without proof that this is the same instance nothing is changed.
fn network_job(host: &Host, given: &Overrides) -> Result<Found, Failure> {
    let recorded = Recorded::load(host)?.filter(|recorded| recorded.directory.is_some());
    let here = Here::read(host);
    let (fetched, mode, source, explain) = match look(host, recorded.as_ref(), Stage::Local)? {
        Looked::Later(why) => return Ok(Found::Nothing(why.to_owned())),
        Looked::Answer { fetched, mode, source, explain } => (fetched, mode, source, explain),
    };
    match identity::decide(recorded.as_ref(), &here, fetched) {
        Decision::SameInstance(id) if recorded.is_some() => {
            let asked = (given, Stage::Local, Some(NetworkEvent::Hotplug));
            Ok(same_instance(host, recorded, &here, &id, mode, source, asked)?.into())
        }
        _ => Ok(Found::Nothing(format!("the network stays as it is: no datasource says that this is the same instance ({explain})"))),
    }
}

/// A cloud-init that is gone has provisioned this very instance: its record of it, which landfall never writes, is there.
fn had_cloud_init(host: &Host, fetched: &identity::Fetched) -> bool {
    let identity::Fetched::Id(id) = fetched else { return false };
    let provisioned = host.read_text("/var/lib/cloud/data/instance-id").ok().flatten().unwrap_or_default();
    crate::datasource::stands_in(host) && host.exists("/var/lib/cloud/instance/obj.pkl") && provisioned.trim() == id
}

/// A host that was in use when landfall was installed: nothing of its instance is provisioned. What was applied by hand goes on.
fn in_use(host: &Host, id: &str, source: Option<&Source>) -> Result<Found, Failure> {
    if let Some(Source::Datasource(found)) = source {
        keep(compat::in_use(host, found));
    }
    let why = || format!("this host was in use as instance {id} when landfall was installed; it is not provisioned again");
    Ok(recorded_job(host, Vec::new())?.map_or_else(|| Found::Nothing(why()), |job| Found::Job(Box::new(job))))
}

/// The run that is on record.
fn recorded_job(host: &Host, notices: Vec<(Option<Weight>, String)>) -> Result<Option<Job>, Failure> {
    let Some(name) = Recorded::load(host)?.and_then(|recorded| recorded.directory) else { return Ok(None) };
    let directory = InstanceDir::new(&name);
    let mode = if name == InstanceDir::MANUAL { "manual" } else { lookup::mode(host) };
    Ok(directory.load_plan(host)?.map(|plan| Job { directory, plan, mode, known: false, notices }))
}

fn apply_job(host: &Host, source: &Source, given: &Overrides) -> Result<Job, Failure> {
    let here = Here::of_running_system(host);
    let mut recorded = Recorded::load(host)?.unwrap_or_else(|| Recorded::of(&here));
    let name = recorded.directory.clone().unwrap_or_else(|| InstanceDir::MANUAL.to_owned());
    let id = recorded.instance_id.clone().unwrap_or_else(|| InstanceDir::MANUAL.to_owned());
    let directory = InstanceDir::new(&name);
    let mut prepared = prepare(host, &id, source, given, &Fetching::NOW)?;
    if let Some(missing) = prepared.missing.iter().find(|missing| missing.may_come()) {
        let failure = missing.failure.clone().unwrap_or_else(|| Failure::new(Kind::Network, "it cannot be fetched"));
        let message = format!("{} is not included: {}; nothing was changed", missing.url, failure.message);
        return Err(Failure { message, ..failure }.hint("`landfall apply` again when it can be reached"));
    }
    if let Some(lost) = prepared.unread.first() {
        let more = if prepared.unread.len() > 1 { format!(" (and {} more)", prepared.unread.len() - 1) } else { String::new() };
        let failure = Failure::new(Kind::Input, format!("{lost}{more}; nothing was changed"));
        return Err(failure.hint("`landfall validate FILE` shows every problem with its line"));
    }
    if let (Some(instance), Some(before)) = (&recorded.instance_id, recorded_plan(host, &recorded)?) {
        let ledger = directory.ledger(host, Stage::Final, true)?;
        if let Some(step) = before.steps.iter().find(|step| step.frequency != Frequency::Boot && !ledger.is_settled(step)) {
            let told = format!("the run of instance {instance} has not ended yet: `{}` is still to be done", step.id);
            return Err(Failure::new(Kind::Config, told).hint("`landfall resume` ends it; then apply the file"));
        }
        prepared.plan.keep_boot_steps(&before);
    }
    let notices = unfinished_before(host, &recorded, &directory, &prepared.plan)?;
    directory.store_applied(host, &prepared)?;
    recorded.directory = Some(name);
    recorded.store(host)?;
    Ok(Job { directory, plan: prepared.plan, mode: "manual", known: false, notices })
}

/// A file that was applied by hand and cut off, and whose place another one takes: what of it will not be done is told.
fn unfinished_before(
    host: &Host,
    recorded: &Recorded,
    directory: &InstanceDir,
    plan: &Plan,
) -> Result<Vec<(Option<Weight>, String)>, Failure> {
    let before = if recorded.instance_id.is_none() { directory.load_plan(host)? } else { None };
    let Some(before) = before.filter(|before| before.config_digest != plan.config_digest) else { return Ok(Vec::new()) };
    let ledger = directory.ledger(host, Stage::Final, true)?;
    let open: Vec<&str> = before.steps.iter().filter(|step| !ledger.is_settled(step)).map(|step| step.id.as_str()).collect();
    let (Some(first), count) = (open.first(), open.len()) else { return Ok(Vec::new()) };
    let rest = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Ok(vec![(None, format!("the file that was applied before had not ended; this one takes its place: `{first}`{rest} will not be done"))])
}

/// The plan of the instance on record: what it does at every boot goes on when a file is applied by hand.
pub fn recorded_plan(host: &Host, recorded: &Recorded) -> Result<Option<Plan>, Failure> {
    match (&recorded.instance_id, &recorded.directory) {
        (Some(_), Some(name)) => InstanceDir::new(name).load_plan(host),
        (_, None) | (None, _) => Ok(None),
    }
}

/// What a boot of this host would run, as far as can be told now, and whether its user-data has errors: the plan on record of an
/// instance that is known, else that of the datasource. `Err` inside says why there is none.
pub fn plan_of_boot(host: &Host, given: &Overrides) -> Result<Result<(Plan, bool), String>, Failure> {
    let recorded = Recorded::load(host)?;
    let (fetched, source, explain) = match look(host, recorded.as_ref(), Stage::Final)? {
        Looked::Later(why) => return Ok(Err(why.to_owned())),
        Looked::Answer { fetched, source, explain, .. } => (fetched, source, explain),
    };
    let id = match identity::decide(recorded.as_ref(), &Here::read(host), fetched) {
        Decision::NewInstance(id) => Some(id),
        Decision::SameInstance(_) | Decision::Adopt(_) | Decision::Outage { same_machine: true } | Decision::Manual => None,
        Decision::Outage { same_machine: false } | Decision::Unanswered | Decision::NothingToDo => return Ok(Err(explain)),
    };
    Ok(match (id, source) {
        (Some(id), Some(source)) => {
            let prepared = prepare(host, &id, &source, given, &Fetching::NOW)?;
            let is_wrong = prepared.report.problems.iter().any(|problem| problem.severity == Severity::Error);
            Ok((prepared.plan, is_wrong))
        }
        (Some(_), None) => Err(explain),
        (None, _) => match recorded_plan(host, &recorded.unwrap_or_default())? {
            Some(plan) => Ok((plan, false)),
            None => Err("nothing was ever planned for this host, and it is not a new one".to_owned()),
        },
    })
}

fn execute(host: &Host, ids: &RunIds, stage: Stage, request: &Request, job: &Job) -> Result<Report, Failure> {
    let again = steps_to_run_again(request, job)?;
    let kept = job.mode != "hosted" && !matches!(request, Request::Network);
    let state = job.directory.places().instance;
    let mut ledger = job.directory.ledger(host, stage, false)?;
    let is_lost = ledger.records(Frequency::Instance).is_empty() && job.directory.has_traces(host);
    let is_first_unit = matches!(request, Request::Boot(Some(Stage::Local)));
    // A message that is still due needs the network, which the last unit has.
    let passes_all = is_first_unit && !notify::is_due(host, &job.plan, &ledger) && passes_all_stages(host, job, &ledger)?;
    let stage = if passes_all { Stage::Final } else { stage };
    ledger.set_stage(stage);
    // Each by itself: software that waits looks at every stage.
    let told: &[Stage] = if passes_all { &[Stage::Local, Stage::Network, Stage::Final] } else { std::slice::from_ref(&stage) };
    if kept {
        keep(compat::link_instance(host, job.directory.name()));
        keep(compat::stage_begins(host, &state, told[0]));
        if told.contains(&Stage::Final) {
            keep(compat::runcmd_script(host, &state, &job.plan));
        }
    }
    let reporter = Reporter::new(host, &job.plan, job.mode, ids, stage);
    let mut engine = Engine::new(host, &job.plan, ledger, job.directory.places(), ids.clone(), &reporter);
    for (weight, message) in &job.notices {
        engine.notice(Frequency::Boot, *weight, message)?;
    }
    if is_lost {
        let told = "the journal of this instance is lost or empty; what was done before is looked at again, and done again where it \
                    cannot be seen that it was done";
        engine.notice(Frequency::Instance, Some(Weight::Degraded), told)?;
    }
    match (request, again) {
        (Request::Rerun(_) | Request::Network, Some(step)) => engine.again(&[step])?,
        (Request::Boot(Some(Stage::Final)), _) if host.exists(BOOT_SETTLED) => engine.again(&scripts_that_came_since(host, job)?)?,
        // Whoever asks by hand wants what has failed, or was undone, to be done.
        (Request::Resume | Request::Apply(_), _) => {
            let mut failed = engine.failed_steps();
            failed.retain(|id| !job.is_wiped(id));
            engine.again(&failed)?;
        }
        _ => {}
    }
    let end = match request {
        Request::Rollback { steps, force } => engine.roll_back(steps.clone(), *force),
        _ => engine.run(stage),
    };
    let summary = reporter.finish(engine.ledger(), &end);
    if end.is_err() {
        let _ = view::publish_result(host, &job.plan, &summary);
    }
    if kept {
        told.iter().for_each(|stage| keep(compat::stage_ended(host, &state, *stage, &summary)));
    }
    let end = end?;
    if is_first_unit && end == RunEnd::Settled {
        pass_later_stages(host, job, engine.ledger(), passes_all)?;
    }
    let over = matches!(summary.state, State::Done | State::Degraded) && end == RunEnd::Settled;
    if job.plan.wipe_user_data && over && stage == Stage::Final && !job.plan.is_wiped() {
        job.directory.wipe(host, &job.plan)?;
    }
    if over && stage == Stage::Final && reporter.spoke() {
        let applied = matches!(request, Request::Apply(_));
        keep_note(retention::prune(host, &job.directory, &job.plan, applied).map(drop));
    }
    reporter.publish_result(&summary, end)?;
    let ended = stage == Stage::Final && !is_first_unit && matches!(end, RunEnd::Settled | RunEnd::Halted);
    if ended && notify::is_due(host, &job.plan, engine.ledger()) {
        let phases = notify::ended_phases(&job.plan, engine.ledger());
        if let Some(note) = notify::tell(host, &job.plan, &phases, &summary) {
            // The run has ended as it has; at worst it is told twice.
            keep_note(engine.note(&note));
            reporter.shows_again(engine.ledger());
        }
    }
    let remark = match request {
        Request::Apply(_) | Request::Resume if !reporter.spoke() => {
            format!("nothing to do: all of it has been run before, and it ended {}", summary.state.name())
        }
        _ => String::new(),
    };
    Ok(Report { end: Some(end), summary: Some(summary), remark, no_source: false })
}

/// Where the local stage says that this boot's instance is known and the network stage has nothing to do; its unit looks for it.
const INSTANCE_SETTLED: &str = "/run/landfall/instance-settled";

/// Where the local stage says that nothing at all is left to be done in this boot; the last stage's unit looks for it.
const BOOT_SETTLED: &str = "/run/landfall/boot-settled";

/// A later boot of an instance that is provisioned: it ended well, and what is done at every boot is due now, but for the scripts
/// of a directory that has none. All of that is the first unit's work, and no other starts a process.
fn passes_all_stages(host: &Host, job: &Job, ledger: &Ledger) -> Result<bool, Failure> {
    if !job.known
        || job.plan.is_incomplete()
        || job.mode == "hosted"
        || ledger.rollback().is_some()
        || job.plan.problems.iter().any(|problem| problem.weight == Some(Weight::Failed))
    {
        return Ok(false);
    }
    for step in &job.plan.steps {
        let passes = match (&step.operation, step.frequency) {
            (_, Frequency::Instance | Frequency::Once) => ledger.is_settled(step) && !ledger.has_failed(step),
            (Operation::RunDirectory { path }, Frequency::Boot) => is_empty(host, path)?,
            (_, Frequency::Boot) => step.stage == Stage::Local && !ledger.has_failed(step),
        };
        if !passes {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_empty(host: &Host, directory: &str) -> Result<bool, Failure> {
    Ok(host.list(directory).map_err(|error| Failure::io(directory, &error))?.is_empty())
}

/// Directories of scripts that were empty when the first unit passed them; the last unit is started if they are not any more.
fn scripts_that_came_since(host: &Host, job: &Job) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for step in &job.plan.steps {
        if let (Operation::RunDirectory { path }, Frequency::Boot) = (&step.operation, step.frequency) {
            if !is_empty(host, path)? {
                found.push(step.id.clone());
            }
        }
    }
    Ok(found)
}

/// An instance with nothing left to be done before its last stage: the network stage's unit need not start a process, and the
/// last one not ask again who this is. With nothing left at all, neither does.
fn pass_later_stages(host: &Host, job: &Job, ledger: &Ledger, all: bool) -> Result<(), Failure> {
    let settled = job.known
        && !job.plan.is_incomplete()
        && ledger.rollback().is_none()
        && job.plan.steps.iter().filter(|step| step.stage <= Stage::Network).all(|step| ledger.is_settled(step));
    if !settled {
        return Ok(());
    }
    let mark = |path: &str| host.write_runtime(path, b"", 0o644).map_err(|error| Failure::io(path, &error));
    mark(INSTANCE_SETTLED)?;
    if all {
        mark(BOOT_SETTLED)?;
    }
    Ok(())
}

/// The files for software that waits for cloud-init are a courtesy: what keeps them from being written is told and no more.
fn keep(written: std::io::Result<()>) {
    if let Err(error) = written {
        tracing::warn!("the files that other software expects of cloud-init: {error}");
    }
}

fn keep_note(recorded: Result<(), Failure>) {
    if let Err(failure) = recorded {
        tracing::warn!("after the end: {failure}");
    }
}

fn steps_to_run_again(request: &Request, job: &Job) -> Result<Option<String>, Failure> {
    let wanted = match request {
        Request::Rerun(wanted) => wanted,
        Request::Network => return Ok(job.plan.steps.iter().find(|step| step.id == NETWORK_STEP).map(|step| step.id.clone())),
        _ => return Ok(None),
    };
    if job.is_wiped(wanted) {
        let failure = Failure::new(Kind::NotFound, format!("what `{wanted}` did is wiped, as `wipe_user_data` says"));
        return Err(failure.hint("`landfall apply FILE` with the user-data runs it again"));
    }
    if job.plan.steps.iter().any(|step| step.id == *wanted) {
        return Ok(Some(wanted.clone()));
    }
    let known: Vec<&str> = job.plan.steps.iter().map(|step| step.id.as_str()).collect();
    let mut failure = Failure::new(Kind::NotFound, format!("the recorded plan has no step `{wanted}`"));
    failure.hint = Some(match crate::config::typed::reader::nearest(wanted, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`landfall status --long` lists the steps".into(),
    });
    Err(failure)
}

/// How long the first unit waits for a volume that is still to appear, while the instance is unknown.
const VOLUME_WAIT: Duration = Duration::from_secs(2);
/// How long the network stage looks for a datasource, while the instance is unknown, and for what its user-data includes.
const SETTLE_WAIT: Duration = Duration::from_secs(30);

/// The exit code of a report: a run that failed never ends with 0.
pub fn exit_code(report: &Report) -> u8 {
    use crate::error::exit;
    use nix::sys::signal::Signal;
    match (&report.end, &report.summary) {
        (Some(RunEnd::Stopped(Some(Signal::SIGINT))), _) => exit::SIGINT,
        (Some(RunEnd::Stopped(Some(_))), _) => exit::SIGTERM,
        (Some(RunEnd::Stopped(None) | RunEnd::Rebooting), _) => exit::OK,
        (_, Some(summary)) if summary.state == State::Failed => exit::FAILED,
        _ => exit::OK,
    }
}
