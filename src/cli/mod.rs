//! The command line: one file per command. Commands answer with an exit code or a [`Refusal`]; this file maps both.

mod identity;
mod input;
mod out;
mod refusal;
mod run;

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::error::exit;
use crate::host::Host;
use crate::telemetry::{self, Lines, Setup};

pub use refusal::Refusal;

/// What a command ends with: its exit code, or why it did not do what was asked.
pub type Answer = Result<u8, Refusal>;

/// Provisions this host from cloud-config, survives having the plug pulled, and can say what it did.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Switches of every command.
#[derive(Clone, Copy, Debug, Args)]
struct Global {
    /// Say errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more (-v: what is done, -vv: why)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find this host's user-data, plan, execute or resume: what the units call
    Run(run::RunArgs),
    /// Execute a user-data file now
    Apply(run::ApplyArgs),
    /// Go on with the recorded run now
    Resume(run::ResumeArgs),
    /// Run one step of the recorded run again
    Rerun(run::RerunArgs),
    /// Remember this machine at installation
    #[command(hide = true)]
    Identity(identity::IdentityArgs),
}

impl Command {
    /// What it says while it works, and where.
    fn telemetry(&self, global: Global) -> Setup {
        let verbosity = if global.quiet { -1 } else { i8::try_from(global.verbose).unwrap_or(i8::MAX) };
        let (records, lines) = match self {
            Self::Run(_) => (true, Lines::Console),
            Self::Apply(args) => (args.root.is_none(), Lines::Stderr),
            Self::Resume(_) | Self::Rerun(_) => (true, Lines::Stderr),
            Self::Identity(_) => (false, Lines::Nowhere),
        };
        let lines = if global.quiet && lines == Lines::Stderr { Lines::Nowhere } else { lines };
        Setup { verbosity, records, lines }
    }

    fn execute(&self, host: &Host) -> Answer {
        match self {
            Self::Run(args) => run::run(args, host),
            Self::Apply(args) => run::apply(args, host),
            Self::Resume(args) => run::resume(args, host),
            Self::Rerun(args) => run::rerun(args, host),
            Self::Identity(args) => identity::identity(args, host),
        }
    }
}

/// Runs one command line (the program's name first); returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version were asked for: not an error. A closed stdout or stderr is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    let host = Host::default();
    telemetry::start(&cli.command.telemetry(cli.global), &host);
    cli.command.execute(&host).unwrap_or_else(|refusal| {
        refusal.show();
        refusal.exit
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
