//! `landfall rollback`: undoes what the recorded run did, last first.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::BufRead as _;

use clap::Args;
use serde::Serialize;

use crate::engine::extent::{choose, weigh, Choice, Extent};
use crate::engine::journal::Undone;
use crate::engine::ledger::Ledger;
use crate::error::{exit, Failure};
use crate::host::{signals, Host};
use crate::plan::{Frequency, Plan, Stage, Step, Undo};
use crate::run::{InstanceDir, Request};

use super::refusal::require_root;
use super::{out, recorded, Answer, Refusal, TextOrJson};

/// `landfall rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// Undo this phase only
    #[arg(long, value_name = "PHASE", conflicts_with = "step")]
    phase: Option<String>,
    /// Undo this step only
    #[arg(long, value_name = "STEP")]
    step: Option<String>,
    /// Say what would be undone; change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Ask before each step
    #[arg(short, long, conflicts_with = "dry_run")]
    interactive: bool,
    /// Undo later steps too that rest on these
    #[arg(long)]
    cascade: bool,
    /// Also put back what somebody else has changed since (a copy of it is kept)
    #[arg(long)]
    force: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = TextOrJson::Text)]
    format: TextOrJson,
}

/// What becomes of one step.
#[derive(Debug, Serialize)]
struct Line {
    step: String,
    description: String,
    /// `undo`, `leave` beforehand; `undone`, `left`, `failed` afterwards.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Undoes.
pub fn rollback(args: &RollbackArgs, host: &Host) -> Answer {
    require_root("rollback")?;
    let (directory, plan, ledger) = recorded::plan_and_ledger(host, "undo")?;
    let extent = extent(args, &plan)?;
    let mut choice = choose(&plan, &ledger, &extent, args.cascade);
    if args.interactive {
        choice = ask(&plan, &ledger, &choice);
    }
    refuse_needed(&choice)?;
    if args.dry_run || choice.steps.is_empty() {
        let lines: Vec<Line> = steps_of(&plan, &choice.steps).filter_map(|step| beforehand(step, &ledger)).collect();
        return show(args.format, &lines, "nothing was changed");
    }
    signals::install().map_err(|error| Refusal::from(Failure::io("signals", &error)))?;
    let report = crate::run::run(host, &Request::Rollback { steps: choice.steps.clone(), force: args.force })?;
    let lines = afterwards(host, &directory, &plan, &choice.steps)?;
    show(args.format, &lines, "")?;
    let failed = lines.iter().any(|line| line.result == "failed");
    let code = crate::run::exit_code(&report);
    Ok(if failed && code == exit::OK { exit::FAILED } else { code })
}

fn extent(args: &RollbackArgs, plan: &Plan) -> Result<Extent, Refusal> {
    use crate::config::typed::reader::nearest;
    let unknown = |what: &str, name: &str, known: &[&str]| {
        let refusal = Refusal::new(exit::USAGE, format!("the recorded run has no {what} `{name}`"));
        match nearest(name, known) {
            Some(near) => refusal.help(format!("did you mean `{near}`?")),
            None => refusal.help("`landfall status --long` lists the steps"),
        }
    };
    if let Some(phase) = &args.phase {
        let known: BTreeSet<&str> = plan.steps.iter().map(|step| step.phase.as_str()).collect();
        if !known.contains(phase.as_str()) {
            return Err(unknown("phase", phase, &known.into_iter().collect::<Vec<_>>()));
        }
        return Ok(Extent::Phase(phase.clone()));
    }
    let Some(id) = &args.step else { return Ok(Extent::All) };
    match plan.steps.iter().find(|step| step.id == *id) {
        Some(step) if step.frequency == Frequency::Boot => {
            Err(Refusal::new(exit::USAGE, format!("`{id}` is done at every boot: the next one would do it again"))
                .help("take it out of the user-data"))
        }
        Some(_) => Ok(Extent::Step(id.clone())),
        None => Err(unknown("step", id, &plan.steps.iter().map(|step| step.id.as_str()).collect::<Vec<_>>())),
    }
}

fn refuse_needed(choice: &Choice) -> Result<(), Refusal> {
    let Some((step, later)) = choice.needed.first() else { return Ok(()) };
    let more = match choice.needed.len() {
        1 => String::new(),
        n => format!(" (and {} more like this)", n - 1),
    };
    Err(Refusal::new(exit::USAGE, format!("`{step}` cannot be undone alone: the later step `{later}` rests on it{more}"))
        .help("`--cascade` undoes the later ones too; `--dry-run` shows which"))
}

/// Asks for each step; what a kept one rests on is kept too.
fn ask(plan: &Plan, ledger: &Ledger, choice: &Choice) -> Choice {
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    let mut answers = std::io::stdin().lock().lines();
    for step in steps_of(plan, &choice.steps) {
        let Some(line) = beforehand(step, ledger).filter(|line| line.result == "undo") else {
            chosen.insert(step.id.clone());
            continue;
        };
        out::complain(&format!("undo {} ({})? [y/n/q] ", line.step, line.description));
        match answers.next().and_then(Result::ok).as_deref().map(str::trim) {
            Some("y" | "yes") => drop(chosen.insert(step.id.clone())),
            Some("q" | "quit") | None => return Choice::default(),
            Some(_) => {}
        }
    }
    loop {
        let weighed = weigh(plan, ledger, chosen.clone(), false);
        let Some((step, later)) = weighed.needed.first() else { return weighed };
        out::complain(&format!("{step} is kept: {later} rests on it\n"));
        chosen.remove(step);
    }
}

fn steps_of<'p>(plan: &'p Plan, ids: &'p [String]) -> impl Iterator<Item = &'p Step> {
    ids.iter().filter_map(|id| plan.steps.iter().find(|step| step.id == *id))
}

/// What would become of a step; `None` where it has changed nothing.
fn beforehand(step: &Step, ledger: &Ledger) -> Option<Line> {
    if ledger.changes(step).is_empty() {
        return None;
    }
    let (result, why) = match step.operation.undo() {
        Undo::Restored(how) => ("undo", Some(how)),
        Undo::Nothing => return None,
        Undo::None(why) => ("leave", Some(why)),
    };
    Some(Line { step: step.id.clone(), description: step.operation.describe(), result, why: why.map(str::to_owned) })
}

fn afterwards(host: &Host, directory: &InstanceDir, plan: &Plan, ids: &[String]) -> Result<Vec<Line>, Refusal> {
    let ledger = directory.ledger(host, Stage::Final, true)?;
    let line = |step: &Step| {
        let (result, why) = match ledger.not_undone(step) {
            Some(Undone::Left { why }) => ("left", Some(why.clone())),
            Some(Undone::Failed { failure }) => ("failed", Some(format!("{failure}; {}", failure.next_action()))),
            _ if ledger.has_changed(step) => ("undone", None),
            _ => return None,
        };
        Some(Line { step: step.id.clone(), description: step.operation.describe(), result, why })
    };
    Ok(steps_of(plan, ids).filter(|step| !matches!(step.operation.undo(), Undo::Nothing)).filter_map(line).collect())
}

fn show(format: TextOrJson, lines: &[Line], remark: &str) -> Answer {
    if format == TextOrJson::Json {
        return out::json(&lines);
    }
    let mut text = String::new();
    if lines.is_empty() {
        text.push_str("nothing to undo\n");
    }
    let width = lines.iter().map(|line| line.step.len()).max().unwrap_or(0).min(40);
    for line in lines {
        let _ = writeln!(text, "{:<7} {:<width$}  {}", line.result, line.step, line.description);
        if let Some(why) = &line.why {
            let _ = writeln!(text, "{:<7} {:<width$}    {why}", "", "");
        }
    }
    if !remark.is_empty() && !lines.is_empty() {
        let _ = writeln!(text, "{remark}");
    }
    out::print(&text);
    Ok(exit::OK)
}
