//! The plan as a person reads it.

use std::fmt::Write as _;

use super::{Frequency, Plan, Stage, Undo, Weight};

/// The steps in their real order, grouped by stage and phase; `mask` takes the secrets out of what somebody else wrote.
pub fn render_text(plan: &Plan, mask: &dyn Fn(&str) -> String) -> String {
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
            let conditions = plan.phase_of(step).map(super::PhaseRules::describe).filter(|text| !text.is_empty());
            let _ = writeln!(out, "  {}{}", step.phase, conditions.map(|text| format!(" ({})", mask(&text))).unwrap_or_default());
            phase = &step.phase;
        }
        let often = match step.frequency {
            Frequency::Instance => "",
            Frequency::Once => " [once]",
            Frequency::Boot => " [every boot]",
        };
        let _ = writeln!(out, "    {:>3}. {}{often}", at + 1, mask(&step.operation.describe()));
        if let [before @ .., last] = &step.limits.accept_exit[..] {
            let before: String = before.iter().map(|code| format!(", {code}")).collect();
            let _ = writeln!(out, "         success: exit 0{before} or {last}");
        }
        if let Undo::None(why) = step.operation.undo() {
            let _ = writeln!(out, "         no undo: {why}");
        }
        for notice in &step.notices {
            let _ = writeln!(out, "         note: {}", mask(notice));
        }
    }
    if plan.steps.is_empty() {
        out.push_str("nothing to do\n");
    }
    for phase in &plan.phases {
        if let Some(why) = &phase.not_here {
            let _ = writeln!(out, "{}: not run: {}", phase.name, mask(why));
        }
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
