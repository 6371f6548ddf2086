//! The command line: one file per command. Commands answer with an exit code or a [`Refusal`]; this file maps both.

mod analyze;
mod clean;
mod cloud_init;
mod config;
mod drift;
mod identity;
mod input;
mod logs;
mod out;
mod plan;
mod preflight;
mod push;
mod query;
mod recorded;
mod refusal;
mod restore;
mod rollback;
mod run;
mod schema;
mod settings;
mod status;
mod unlock;
mod validate;
mod watch;
mod why;
mod written;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::error::exit;
use crate::host::Host;
use crate::telemetry::{self, Lines, Setup};

#[cfg(test)]
pub(crate) use recorded::example;
pub use refusal::Refusal;

/// What a command ends with: its exit code, or why it did not do what was asked.
pub type Answer = Result<u8, Refusal>;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Reads `90`, `90s`, `10m`, `1h`, `1d`.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("a duration is a number with s, m, h or d".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "a duration begins with a number".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
}

/// Provisions this host from cloud-config, survives having the plug pulled, and can say what it did.
#[derive(Debug, Parser)]
#[command(name = "landfall", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// The command line of a unit: to read one, clap first makes those of all commands, which takes as long as a boot that finds
    /// nothing to do.
    fn of_unit(args: &[OsString]) -> Option<Self> {
        let [_, command, option, stage] = args else { return None };
        let stage = run::StageArg::from_str(stage.to_str()?, false).ok().filter(|_| command == "run" && option == "--stage")?;
        Some(Self { global: Global::default(), command: Command::Run(run::RunArgs::of_stage(stage)) })
    }
}

/// Switches of every command.
#[derive(Clone, Copy, Debug, Default, Args)]
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
    /// Show what a run of this user-data would do here; changes nothing
    Plan(plan::PlanArgs),
    /// Say whether this host has what a run needs: room, memory, programs, names, sources
    Preflight(preflight::PreflightArgs),
    /// Say what is wrong with user-data, where, and how to mend it
    Validate(validate::ValidateArgs),
    /// Print a JSON Schema of cloud-config, for editors
    Schema,
    /// Apply user-data on other machines over ssh
    Push(push::PushArgs),
    /// Undo what the recorded run did, last first
    Rollback(rollback::RollbackArgs),
    /// Put back what a file held before landfall changed it
    Restore(restore::RestoreArgs),
    /// Show what differs now from what the recorded run left
    Drift(drift::DriftArgs),
    /// Show every setting with its value and where it was said
    Config(config::ConfigArgs),
    /// Show the state of the current or last run
    Status(status::StatusArgs),
    /// Show what the run does while it does it; ends with it
    Watch(watch::WatchArgs),
    /// Say why the run failed or waits, and what to do
    Why(why::WhyArgs),
    /// Show what each step of the run took: time, processor, memory, bytes written
    Analyze(analyze::AnalyzeArgs),
    /// Show what is known of this instance: its id, its metadata, its configuration
    Query(query::QueryArgs),
    /// Show landfall's log, or what one step said
    Logs(logs::LogsArgs),
    /// Show who holds the run lock, or end that run
    Unlock(unlock::UnlockArgs),
    /// Forget the run, so that the next boot provisions this host anew
    Clean(clean::CleanArgs),
    /// Remember this machine at installation
    #[command(hide = true)]
    Identity(identity::IdentityArgs),
}

impl Command {
    /// What it says while it works, and where.
    fn telemetry(&self, global: Global) -> Setup {
        let verbosity = if global.quiet { -1 } else { i8::try_from(global.verbose).unwrap_or(i8::MAX) };
        let (records, lines) = match self {
            Self::Run(args) if args.stage.is_some() || args.network => (true, Lines::Console),
            Self::Apply(args) => (args.root.is_none(), Lines::Stderr),
            Self::Run(_) | Self::Resume(_) | Self::Rerun(_) | Self::Rollback(_) => (true, Lines::Stderr),
            Self::Plan(_)
            | Self::Preflight(_)
            | Self::Validate(_)
            | Self::Schema
            | Self::Push(_)
            | Self::Config(_)
            | Self::Status(_)
            | Self::Watch(_)
            | Self::Why(_)
            | Self::Analyze(_)
            | Self::Query(_)
            | Self::Logs(_)
            | Self::Unlock(_)
            | Self::Clean(_)
            | Self::Drift(_)
            | Self::Restore(_)
            | Self::Identity(_) => (false, Lines::Nowhere),
        };
        let lines = if global.quiet && lines == Lines::Stderr { Lines::Nowhere } else { lines };
        Setup { verbosity, records, lines }
    }

    fn execute(&self, host: &Host, global: Global) -> Answer {
        match self {
            Self::Run(args) => run::run(args, host),
            Self::Apply(args) => run::apply(args, host),
            Self::Resume(args) => run::resume(args, host),
            Self::Rerun(args) => run::rerun(args, host),
            Self::Rollback(args) => rollback::rollback(args, host),
            Self::Restore(args) => restore::restore(args, host),
            Self::Drift(args) => drift::drift(args, host),
            Self::Plan(args) => plan::plan(args, host),
            Self::Preflight(args) => preflight::preflight(args, host),
            Self::Validate(args) => validate::validate(args, global.quiet, host),
            Self::Schema => schema::schema(),
            Self::Push(args) => push::push(args, global.quiet),
            Self::Config(args) => config::config(args, host),
            Self::Status(args) => status::status(args, host),
            Self::Watch(args) => watch::watch(args, host),
            Self::Why(args) => why::why(args, host),
            Self::Analyze(args) => analyze::analyze(args, host),
            Self::Query(args) => query::query(args, host),
            Self::Logs(args) => logs::logs(args, host),
            Self::Unlock(args) => unlock::unlock(args, host),
            Self::Clean(args) => clean::clean(args, host),
            Self::Identity(args) => identity::identity(args, host),
        }
    }
}

/// Runs one command line (the program's name first); returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(code) = crate::run::rendering::main(&args).or_else(|| cloud_init::main(&args)) {
        return code;
    }
    let cli = match Cli::of_unit(&args).map_or_else(|| Cli::try_parse_from(args), Ok) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version were asked for: not an error. A closed stdout or stderr is nobody's concern.
            let _ = error.print();
            return if error.use_stderr() { exit::USAGE } else { exit::OK };
        }
    };
    let host = Host::default();
    telemetry::start(&cli.command.telemetry(cli.global), &host);
    cli.command.execute(&host, cli.global).unwrap_or_else(|refusal| {
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

    #[test]
    fn the_command_lines_of_the_units_are_read_as_clap_reads_them() {
        use clap::Parser as _;
        for stage in ["local", "network", "final"] {
            let args = ["landfall", "run", "--stage", stage].map(std::ffi::OsString::from);
            let parsed = super::Cli::try_parse_from(&args).expect("a command line");
            let read = super::Cli::of_unit(&args).expect("that of a unit");
            assert_eq!(format!("{read:?}"), format!("{parsed:?}"));
        }
        for other in [&["landfall", "run", "--stage", "never"][..], &["landfall", "run"], &["landfall", "rerun", "--stage", "local"]] {
            assert!(super::Cli::of_unit(&other.iter().map(std::ffi::OsString::from).collect::<Vec<_>>()).is_none(), "{other:?}");
        }
    }

    #[test]
    fn durations_are_read() {
        for (text, seconds) in [("90", Some(90)), ("90s", Some(90)), ("10m", Some(600)), ("1h", Some(3_600)), ("0", Some(0))] {
            assert_eq!(super::duration(text).ok().map(|duration| duration.as_secs()), seconds, "{text}");
        }
        for bad in ["", "s", "-1", "1.5h", "1w", "99999999999999999999"] {
            assert!(super::duration(bad).is_err(), "{bad}");
        }
    }
}
