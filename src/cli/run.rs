//! `run`, `apply`, `resume`, `rerun`: the commands that change the host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Failure;
use crate::host::{signals, Host};
use crate::plan::Stage;
use crate::run::{Request, Source};

use super::refusal::require_root;
use super::{Answer, Refusal};

/// `landfall run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The point of the boot; all of them where it is left out
    #[arg(long)]
    pub stage: Option<StageArg>,
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
    /// User-data: a path, or - for stdin
    #[arg(value_name = "FILE")]
    pub file: String,
    /// Apply to the system under this directory instead (image builds)
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `landfall resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {}

/// `landfall rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// The step's id, as `landfall status --long` shows it
    #[arg(value_name = "STEP")]
    pub step: String,
}

/// Runs.
pub fn run(args: &RunArgs, host: &Host) -> Answer {
    require_root("run")?;
    execute(host, &Request::Boot(args.stage.map_or(Stage::Final, Stage::from)))
}

/// Applies.
pub fn apply(args: &ApplyArgs, host: &Host) -> Answer {
    require_root("apply")?;
    let source = Source::File { name: args.file.clone(), bytes: super::input::read(&args.file)? };
    match &args.root {
        Some(root) => execute(&Host::rooted(root), &Request::Apply(source)),
        None => execute(host, &Request::Apply(source)),
    }
}

/// Resumes.
pub fn resume(_args: &ResumeArgs, host: &Host) -> Answer {
    require_root("resume")?;
    execute(host, &Request::Resume)
}

/// Reruns.
pub fn rerun(args: &RerunArgs, host: &Host) -> Answer {
    require_root("rerun")?;
    execute(host, &Request::Rerun(args.step.clone()))
}

fn execute(host: &Host, request: &Request) -> Answer {
    signals::install().map_err(|error| Refusal::from(Failure::io("signals", &error)))?;
    let report = crate::run::run(host, request)?;
    if !report.remark.is_empty() {
        tracing::info!("{}", report.remark);
    }
    Ok(crate::run::exit_code(&report))
}
