//! `run`, `apply`, `resume`, `rerun`: the commands that change the host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::config::settings::Overrides;
use crate::engine::summary::State;
use crate::error::{exit, Failure};
use crate::host::{signals, Host};
use crate::plan::Stage;
use crate::run::Request;

use super::refusal::require_root;
use super::settings::Settings;
use super::{out, Answer, Refusal, TextOrJson};

/// `landfall run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The point of the boot; all of them where it is left out
    #[arg(long)]
    pub stage: Option<StageArg>,
    /// Only the network: configure it as the datasource describes it now
    #[arg(long, conflicts_with = "stage")]
    pub network: bool,
    /// How the state is printed at the end; a stage, as the units run it, prints none unless asked
    #[arg(long, value_enum)]
    pub format: Option<TextOrJson>,
    #[command(flatten)]
    pub settings: Settings,
}

impl RunArgs {
    /// A stage and nothing else.
    pub(super) fn of_stage(stage: StageArg) -> Self {
        Self { stage: Some(stage), network: false, format: None, settings: Settings::default() }
    }
}

/// `--stage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StageArg {
    /// Before the network is configured
    Local,
    /// The network is configured, ssh not yet started
    Network,
    /// Everything is up
    Final,
}

impl From<StageArg> for Stage {
    fn from(stage: StageArg) -> Self {
        match stage {
            StageArg::Local => Self::Local,
            StageArg::Network => Self::Network,
            StageArg::Final => Self::Final,
        }
    }
}

/// `landfall apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// User-data: a path, an http(s) address, or - for stdin
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Apply to the system under this directory instead (image builds)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// How the state is printed at the end: text says what is done while it is done
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
    #[command(flatten)]
    pub settings: Settings,
}

/// `landfall resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// How the state is printed at the end
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// `landfall rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// The step's id, as `landfall status --long` shows it
    #[arg(value_name = "STEP")]
    pub step: String,
    /// How the state is printed at the end
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    pub format: TextOrJson,
}

/// Runs.
pub fn run(args: &RunArgs, host: &Host) -> Answer {
    require_root("run")?;
    let format = args.format.or(args.stage.is_none().then_some(TextOrJson::Text));
    // A unit that refuses would leave the host as it is: there the problem is told with the others, in the plan.
    let given = if args.stage.is_some() { args.settings.as_given() } else { args.settings.read()? };
    let request = if args.network { Request::Network } else { Request::Boot(args.stage.map(Stage::from)) };
    execute(host, &request, &given, format)
}

/// Applies.
pub fn apply(args: &ApplyArgs, host: &Host) -> Answer {
    require_root("apply")?;
    let rooted = args.root.as_deref().map(super::input::root).transpose()?;
    let given = args.settings.read()?;
    let source = super::input::source(&args.file, false)?;
    execute(rooted.as_ref().unwrap_or(host), &Request::Apply(source), &given, Some(args.format))
}

/// Resumes.
pub fn resume(args: &ResumeArgs, host: &Host) -> Answer {
    require_root("resume")?;
    execute(host, &Request::Resume, &Overrides::default(), Some(args.format))
}

/// Reruns.
pub fn rerun(args: &RerunArgs, host: &Host) -> Answer {
    require_root("rerun")?;
    super::recorded::load(host)?.step(&args.step)?;
    execute(host, &Request::Rerun(args.step.clone()), &Overrides::default(), Some(args.format))
}

/// `format` is how somebody who waits for the end is told; units have none.
fn execute(host: &Host, request: &Request, given: &Overrides, format: Option<TextOrJson>) -> Answer {
    signals::install().map_err(|error| Refusal::from(Failure::io("signals", &error)))?;
    let report = crate::run::run_with(host, request, given)?;
    match (format, &report.summary) {
        (Some(TextOrJson::Json), Some(summary)) => drop(out::json(summary)?),
        (Some(TextOrJson::Json), None) => drop(out::json(&serde_json::json!({ "state": State::NotStarted, "remark": report.remark }))?),
        _ => {}
    }
    match format {
        Some(_) if !report.remark.is_empty() => out::complain(&format!("{}\n", report.remark)),
        None if !report.remark.is_empty() => tracing::info!("{}", report.remark),
        _ => {}
    }
    // A unit finds nothing to do on most hosts; a person who asks for it is told.
    let by_hand = !matches!(request, Request::Boot(_)) || format.is_some();
    if report.no_source && by_hand {
        return Ok(exit::NO_DATASOURCE);
    }
    Ok(crate::run::exit_code(&report))
}
