//! Collects the steps of one plan, giving each its id, phase, stage and frequency.

use std::collections::BTreeSet;

use crate::config::node::Origin;
use crate::plan::operation::{OnInterrupt, Operation};
use crate::plan::{Frequency, Limits, OnError, Problem, Stage, Step, Weight};

/// The steps so far. A step is never due in an earlier stage than the one before it: the order is the peer's, whatever has
/// to wait makes what follows wait too.
pub struct Steps {
    steps: Vec<Step>,
    problems: Vec<Problem>,
    ids: BTreeSet<String>,
    context: Context,
}

/// What new steps inherit.
#[derive(Clone)]
struct Context {
    prefix: String,
    phase: String,
    stage: Stage,
    frequency: Frequency,
    on_error: OnError,
    limits: Limits,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            problems: Vec::new(),
            ids: BTreeSet::new(),
            context: Context {
                prefix: String::new(),
                phase: String::new(),
                stage: Stage::Local,
                frequency: Frequency::Instance,
                on_error: OnError::Continue,
                limits: Limits::default(),
            },
        }
    }
}

impl Steps {
    /// From here on steps belong to this module, as part of the default order.
    pub fn module(&mut self, name: &str, stage: Stage, frequency: Frequency) {
        self.context.prefix = name.to_owned();
        self.context.phase = name.to_owned();
        self.context.stage = stage;
        self.context.frequency = frequency;
        self.context.on_error = OnError::Continue;
        self.context.limits = Limits::default();
    }

    /// From here on steps belong to a user's phase; its modules are named in the ids.
    pub fn phase(&mut self, phase: &str, module: &str, frequency: Frequency, on_error: OnError, limits: Limits) {
        self.context =
            Context { prefix: format!("{phase}.{module}"), phase: phase.to_owned(), stage: Stage::Final, frequency, on_error, limits };
    }

    /// The module or phase prefix of ids: `runcmd`, `base.runcmd`.
    pub fn prefix(&self) -> &str {
        &self.context.prefix
    }

    /// Adds a step. `name` tells it apart inside the module; a number is added where it does not.
    pub fn add(&mut self, name: &str, operation: Operation) -> StepBuilder<'_> {
        let base = if name.is_empty() { self.context.prefix.clone() } else { format!("{}/{name}", self.context.prefix) };
        let mut id = base.clone();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{base}#{number}");
            number += 1;
        }
        let floor = self.steps.last().map_or(Stage::Local, |step| step.stage);
        self.steps.push(Step {
            id,
            phase: self.context.phase.clone(),
            stage: self.context.stage.max(floor),
            frequency: self.context.frequency,
            operation,
            needs: Vec::new(),
            on_error: self.context.on_error,
            weight: Weight::default(),
            on_interrupt: OnInterrupt::default(),
            limits: self.context.limits.clone(),
            origin: None,
            notices: Vec::new(),
        });
        let at = self.steps.len() - 1;
        StepBuilder { step: &mut self.steps[at] }
    }

    /// Records that something of the user-data cannot be done.
    pub fn problem(&mut self, weight: Option<Weight>, message: impl Into<String>) {
        self.problems.push(Problem { weight, message: message.into() });
    }

    /// The steps and problems collected.
    pub fn finish(self) -> (Vec<Step>, Vec<Problem>) {
        (self.steps, self.problems)
    }
}

/// Details of the step just added.
pub struct StepBuilder<'s> {
    step: &'s mut Step,
}

impl StepBuilder<'_> {
    /// Where the user wrote it.
    pub fn at(self, origin: &Origin) -> Self {
        self.step.origin = Some(origin.to_string());
        self
    }

    /// A step that must have succeeded.
    pub fn needs(self, id: impl Into<String>) -> Self {
        self.step.needs.push(id.into());
        self
    }

    /// How often, other than its module.
    pub fn every(self, frequency: Frequency) -> Self {
        self.step.frequency = frequency;
        self
    }

    /// Not before this stage.
    pub fn not_before(self, stage: Stage) -> Self {
        self.step.stage = self.step.stage.max(stage);
        self
    }

    /// A failure only degrades.
    pub fn degrades(self) -> Self {
        self.step.weight = Weight::Degraded;
        self
    }

    /// What an interruption means.
    pub fn on_interrupt(self, choice: OnInterrupt) -> Self {
        self.step.on_interrupt = choice;
        self
    }

    /// What the user should know beforehand.
    pub fn notice(self, notice: impl Into<String>) -> Self {
        self.step.notices.push(notice.into());
        self
    }

    /// The step's id, for `needs` of later ones.
    pub fn id(self) -> String {
        self.step.id.clone()
    }
}
