//! `landfall drift`: what differs now from what the recorded run left.

use std::fmt::Write as _;

use clap::Args;

use crate::engine::drift::{drift as look, Drift};
use crate::error::exit;
use crate::host::Host;

use super::refusal::require_root;
use super::{out, recorded, Answer, TextOrJson};

/// `landfall drift`.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// Shows it; the exit code is 1 if something differs.
pub fn drift(args: &DriftArgs, host: &Host) -> Answer {
    require_root("drift")?;
    let (directory, plan, ledger) = recorded::plan_and_ledger(host, "compare with")?;
    let found = look(host, &plan, &ledger, &directory.places())?;
    match args.format {
        TextOrJson::Text => out::print(&render(&found)),
        TextOrJson::Json => drop(out::json(&found)?),
    }
    Ok(if found.drifted.is_empty() { exit::OK } else { exit::FAILED })
}

fn render(found: &Drift) -> String {
    let mut text = String::new();
    for one in &found.drifted {
        let _ = writeln!(text, "{}: {}\n    {}", one.step, one.description, one.what);
    }
    let same = found.compared - found.drifted.len();
    let _ = writeln!(text, "{same} of {} steps are as they were left", found.compared);
    if !found.unknown.is_empty() {
        let _ = writeln!(text, "not compared, their effects are not known: {}", found.unknown.join(", "));
    }
    if !found.drifted.is_empty() {
        text.push_str("`landfall rerun STEP` does a step again\n");
    }
    text
}
