//! `landfall unlock`: who holds the run lock, and ending that run.
//!
//! The lock is the kernel's: it ends with the process that holds it, so there is no stale lock to remove.

use std::time::Duration;

use clap::Args;

use crate::error::exit;
use crate::host::runlock::{Owner, Take};
use crate::host::Host;

use super::refusal::require_root;
use super::why::held_since;
use super::{out, Answer, Refusal, TextOrJson};

/// How long a run that was asked to stop has to do so.
const PATIENCE: Duration = Duration::from_secs(30);

/// `landfall unlock`.
#[derive(Debug, Args)]
pub struct UnlockArgs {
    /// Ask the run that holds the lock to stop (SIGTERM), and wait until it has; what it was doing is finished later
    #[arg(long)]
    force: bool,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

impl UnlockArgs {
    fn free(&self, more: &str) -> Answer {
        match self.format {
            TextOrJson::Text => {
                out::print(&format!("the run lock is free{more}\n"));
                Ok(exit::OK)
            }
            TextOrJson::Json => out::json(&serde_json::json!({ "locked": false, "owner": null })),
        }
    }

    /// It is held, and stays so.
    fn held(&self, owner: &Owner, host: &Host) -> Answer {
        if self.format == TextOrJson::Text {
            return Err(told(host, owner));
        }
        out::json(&serde_json::json!({ "locked": true, "owner": owner }))?;
        Ok(exit::LOCKED)
    }
}

/// Shows the holder, or ends it.
pub fn unlock(args: &UnlockArgs, host: &Host) -> Answer {
    require_root("unlock")?;
    let failed = |error: std::io::Error| Refusal::new(exit::FAILED, format!("the run lock: {error}"));
    // Asking for it makes it.
    if !host.has_run_lock() {
        return args.free("");
    }
    match host.try_take_run_lock("landfall unlock").map_err(failed)? {
        Take::Taken(lock) => {
            drop(lock);
            return args.free("");
        }
        Take::Stopped => return Err(Refusal::new(exit::SIGTERM, "stopped")),
        Take::Held(None) => return Err(Refusal::new(exit::LOCKED, "another landfall has just taken the lock; ask again")),
        Take::Held(Some(owner)) if !args.force => return args.held(&owner, host),
        Take::Held(Some(owner)) => {
            host.end_process(owner.pid, owner.started).map_err(failed)?;
            out::complain(&format!("asked pid {} ({}) to stop\n", owner.pid, owner.command));
        }
    }
    match host.wait_take_run_lock("landfall unlock", Some(PATIENCE), &|_| true).map_err(failed)? {
        Take::Taken(lock) => {
            drop(lock);
            args.free("; `landfall resume` goes on")
        }
        Take::Stopped => Err(Refusal::new(exit::SIGTERM, "stopped")),
        Take::Held(_) => Err(Refusal::new(exit::TIMED_OUT, format!("the run has not stopped within {} s", PATIENCE.as_secs()))
            .help("see what it is doing with `landfall why`")),
    }
}

fn told(host: &Host, owner: &Owner) -> Refusal {
    let since = held_since(owner.since, host.now());
    Refusal::new(exit::LOCKED, format!("pid {} ({}) holds the run lock, for {since}; it is alive", owner.pid, owner.command))
        .help("wait for it: `landfall status --wait`; stop it: `landfall unlock --force`")
}
