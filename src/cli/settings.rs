//! Settings of the `landfall` section on the command line and in the environment: they lie over everything that is written.

use clap::Args;

use crate::config::problem::Severity;
use crate::config::settings::Overrides;
use crate::error::exit;

use super::Refusal;

/// Flags of the commands that make a plan. A plan that is stored already is resumed as it was made.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings of the plan that is made (a stored plan is resumed as it was made)")]
pub struct Settings {
    /// What a failure does: continue, stop, warn, rollback [env: LANDFALL_ON_ERROR]
    #[arg(long, value_name = "WORD")]
    on_error: Option<String>,
    /// What happens to a command that was cut off: rerun, skip, stop [env: LANDFALL_ON_INTERRUPT]
    #[arg(long, value_name = "WORD")]
    on_interrupt: Option<String>,
    /// Attempts in all at what can fail in passing [env: LANDFALL_RETRY]
    #[arg(long, value_name = "N")]
    retry: Option<String>,
    /// Limit for one step, as in 90s, 10m, 1h [env: LANDFALL_TIMEOUTS]
    #[arg(long, value_name = "D")]
    timeout: Option<String>,
}

impl Settings {
    /// What was given, whether it makes sense or not.
    pub(super) fn as_given(&self) -> Overrides {
        let flags = [
            ("--on-error", "on_error", self.on_error.as_deref()),
            ("--on-interrupt", "on_interrupt", self.on_interrupt.as_deref()),
            ("--retry", "retry", self.retry.as_deref()),
            ("--timeout", "timeouts", self.timeout.as_deref()),
        ];
        Overrides::new(&|name| std::env::var(name).ok(), &flags)
    }

    /// What was given; refused where it makes no sense.
    pub(super) fn read(&self) -> Result<Overrides, Refusal> {
        let given = self.as_given();
        let report = given.problems();
        let Some(problem) = report.problems.iter().find(|problem| problem.severity == Severity::Error) else { return Ok(given) };
        let refusal = Refusal::new(exit::USAGE, problem.sentence());
        Err(match &problem.help {
            Some(help) => refusal.help(help),
            None => refusal,
        })
    }
}
