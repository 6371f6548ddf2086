//! What holds for a user's phase as a whole: whether it is run.

use serde::{Deserialize, Serialize};

use super::{Plan, Step};

/// How a phase ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseOutcome {
    /// All its steps were done.
    Done,
    /// Something failed that makes the run failed.
    Failed,
    /// Something went less than well.
    Degraded,
    /// None of its steps was tried.
    Skipped,
}

impl PhaseOutcome {
    /// As it is written in `when`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Degraded => "degraded",
            Self::Skipped => "skipped",
        }
    }
}

/// A condition on how an earlier phase ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeCondition {
    /// The earlier phase.
    pub phase: String,
    /// Any of these will do.
    pub is: Vec<PhaseOutcome>,
}

impl OutcomeCondition {
    /// `main is failed or degraded`.
    pub fn describe(&self) -> String {
        let words: Vec<&str> = self.is.iter().map(|outcome| outcome.name()).collect();
        format!("`{}` is {}", self.phase, words.join(" or "))
    }
}

/// A user's phase: whether it is run is decided here where the plan is made, and otherwise by the engine, when its first step
/// would begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct PhaseRules {
    /// Its name.
    pub name: String,
    /// Why it is not run on this host: then the plan holds none of its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_here: Option<String>,
    /// How earlier phases must have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcome: Vec<OutcomeCondition>,
    /// It has nothing to do where this path exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creates: Option<String>,
    /// The phase that names it in `on_failure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_failure_of: Option<String>,
    /// It is run side by side with the phases next to it that are so too, unless one depends on the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub parallel: bool,
}

impl PhaseRules {
    /// Whether a step is one of this phase. A phase may be called like a module.
    pub fn holds(&self, step: &Step) -> bool {
        step.phase == self.name && step.id.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Whether it is run like any step, as far as is known now.
    pub fn is_plain(&self) -> bool {
        self.outcome.is_empty() && self.creates.is_none() && self.after_failure_of.is_none()
    }

    /// Whether it waits for another phase, or is run because of one.
    fn depends_on(&self, other: &str) -> bool {
        self.after_failure_of.as_deref() == Some(other) || self.outcome.iter().any(|condition| condition.phase == other)
    }

    /// How the engine decides whether and how it is run, in words; empty where that is plain.
    pub fn describe(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.after_failure_of.iter().map(|phase| format!("only if phase `{phase}` fails")));
        if !self.outcome.is_empty() {
            let each: Vec<String> = self.outcome.iter().map(OutcomeCondition::describe).collect();
            words.push(format!("only if {}", each.join(" and ")));
        }
        words.extend(self.creates.iter().map(|path| format!("unless {path} exists")));
        if self.parallel {
            words.push("side by side with parallel phases next to it".to_owned());
        }
        words.join(", ")
    }
}

impl Plan {
    /// The user's phase that a step belongs to.
    pub fn phase_of(&self, step: &Step) -> Option<&PhaseRules> {
        self.phases.iter().find(|phase| phase.holds(step))
    }

    /// The phases that are run side by side from the step `at` on, each with its steps (as places in the plan): parallel phases
    /// that follow on one another, as long as none depends on one before it. Fewer than two where there are none such.
    pub fn side_by_side(&self, at: usize) -> Vec<Vec<usize>> {
        let mut lanes: Vec<(&PhaseRules, Vec<usize>)> = Vec::new();
        let Some(first) = self.steps.get(at) else { return Vec::new() };
        for (place, step) in self.steps.iter().enumerate().skip(at) {
            let Some(phase) = self.phase_of(step).filter(|phase| phase.parallel && step.stage == first.stage) else { break };
            if let Some((_, steps)) = lanes.iter_mut().find(|(lane, _)| lane.name == phase.name) {
                steps.push(place);
                continue;
            }
            let needs = |other: &PhaseRules| self.steps.iter().any(|needed| other.holds(needed) && step.needs.contains(&needed.id));
            if lanes.iter().any(|(lane, _)| phase.depends_on(&lane.name) || needs(lane)) {
                break;
            }
            lanes.push((phase, vec![place]));
        }
        lanes.into_iter().map(|(_, steps)| steps).collect()
    }

    /// The phase that is run where this one fails.
    pub fn playbook_of(&self, phase: &str) -> Option<&PhaseRules> {
        self.phases.iter().find(|other| other.after_failure_of.as_deref() == Some(phase))
    }
}
