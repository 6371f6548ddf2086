//! The plan as a person reads it.

use std::fmt::Write as _;

use super::{Frequency, Plan, Stage, Undo, Weight};

/// The steps in their real order, grouped by stage and phase.
pub fn render_text(plan: &Plan) -> String {
    let mut out = String::new();
    let mut stage: Option<Stage> = None;
    let mut phase = "";
    for (at, step) in plan.steps.iter().enumerate() {
        if stage != Some(step.stage) {
            let _ = writeln!(out, "{}stage {}", if at == 0 { "" } else { "\n" }, step.stage.name());
            stage = Some(step.stage);
            phase = "";
        }
        if phase != step.phase {
            let _ = writeln!(out, "  {}", step.phase);
            phase = &step.phase;
        }
        let often = match step.frequency {
            Frequency::Instance => "",
            Frequency::Once => " [once]",
            Frequency::Boot => " [every boot]",
        };
        let _ = writeln!(out, "    {:>3}. {}{often}", at + 1, step.operation.describe());
        if let Undo::None(why) = step.operation.undo() {
            let _ = writeln!(out, "         no undo: {why}");
        }
        for notice in &step.notices {
            let _ = writeln!(out, "         note: {notice}");
        }
    }
    if plan.steps.is_empty() {
        out.push_str("nothing to do\n");
    }
    for problem in &plan.problems {
        let word = match problem.weight {
            Some(Weight::Failed) => "error",
            Some(Weight::Degraded) => "warning",
            None => "note",
        };
        let _ = writeln!(out, "{word}: {}", problem.message);
    }
    out
}
