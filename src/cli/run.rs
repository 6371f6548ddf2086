//! `run`, `apply`, `resume`, `rerun`: the commands that change the host.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::exit;
use crate::host::Host;
use crate::plan::Stage;

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
pub fn run(args: &RunArgs, _host: &Host) -> Answer {
    require_root("run")?;
    Err(unwired(&format!("run {:?}", args.stage.map(Stage::from))))
}

/// Applies.
pub fn apply(args: &ApplyArgs, _host: &Host) -> Answer {
    require_root("apply")?;
    Err(unwired(&format!("apply {}", args.file)))
}

/// Resumes.
pub fn resume(_args: &ResumeArgs, _host: &Host) -> Answer {
    require_root("resume")?;
    Err(unwired("resume"))
}

/// Reruns.
pub fn rerun(args: &RerunArgs, _host: &Host) -> Answer {
    require_root("rerun")?;
    Err(unwired(&format!("rerun {}", args.step)))
}

fn unwired(what: &str) -> Refusal {
    Refusal::new(exit::FAILED, format!("{what}: the engine is not connected in this build"))
}
