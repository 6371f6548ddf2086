//! Collects the steps of one plan, giving each its id, phase, stage and frequency.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::node::Origin;
use crate::config::problem::Report;
use crate::config::typed::landfall::{Phase, Retry, Timeouts};
use crate::config::typed::packages::PackageEntry;
use crate::config::typed::Defaults;
use crate::plan::operation::{OnInterrupt, Operation};
use crate::plan::{Frequency, Limits, OnError, Stage, Step, Weight};

/// The steps so far. A step is never due in an earlier stage than the one before it: the order is the peer's, whatever has
/// to wait makes what follows wait too.
pub struct Steps {
    /// What of the user-data cannot be done, or is odd.
    pub report: Report,
    steps: Vec<Step>,
    ids: BTreeSet<String>,
    providers: BTreeMap<String, String>,
    wanted: Vec<PackageEntry>,
    lists_are_fresh: bool,
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
    on_interrupt: OnInterrupt,
    retry: Retry,
    /// The phase itself asks for it: then its scripts are tried again too, which nobody but its author knows to be safe.
    retries_scripts: bool,
    accept_exit: Vec<i32>,
    timeout: Option<u64>,
    silence: Option<u64>,
    timeouts: Timeouts,
    needs: Vec<String>,
}

impl Default for Steps {
    fn default() -> Self {
        Self {
            report: Report::new(),
            steps: Vec::new(),
            ids: BTreeSet::new(),
            providers: BTreeMap::new(),
            wanted: Vec::new(),
            lists_are_fresh: false,
            context: Context {
                prefix: String::new(),
                phase: String::new(),
                stage: Stage::Local,
                frequency: Frequency::Instance,
                on_error: OnError::Continue,
                on_interrupt: OnInterrupt::Rerun,
                retry: Retry::default(),
                retries_scripts: false,
                accept_exit: Vec::new(),
                timeout: None,
                silence: None,
                timeouts: Timeouts::default(),
                needs: Vec::new(),
            },
        }
    }
}

impl Steps {
    /// From here on steps belong to this module, as part of the default order.
    pub fn module(&mut self, name: &str, stage: Stage, frequency: Frequency, defaults: &Defaults) {
        self.context = Context {
            prefix: name.to_owned(),
            phase: name.to_owned(),
            stage,
            frequency,
            on_error: defaults.on_error.unwrap_or_default(),
            on_interrupt: defaults.on_interrupt.unwrap_or_default(),
            retry: defaults.retry.unwrap_or_default(),
            retries_scripts: false,
            accept_exit: defaults.accept_exit.0.clone(),
            timeout: None,
            silence: defaults.timeouts.silence,
            timeouts: defaults.timeouts,
            needs: Vec::new(),
        };
    }

    /// From here on steps belong to a module of a user's phase; `needs` are the steps that every one of them needs.
    pub fn phase(&mut self, phase: &Phase, module: &str, frequency: Frequency, needs: &[String], defaults: &Defaults) {
        let name = &phase.head.name.0;
        self.module(name, Stage::Final, frequency, defaults);
        let context = &mut self.context;
        context.prefix = format!("{name}.{module}");
        context.needs = needs.to_vec();
        context.on_error = phase.head.on_error.unwrap_or(context.on_error);
        context.on_interrupt = phase.head.on_interrupt.unwrap_or(context.on_interrupt);
        context.retry = phase.head.retry.unwrap_or_default().or(context.retry);
        context.retries_scripts = phase.head.retry.is_some();
        if let Some(codes) = &phase.head.accept_exit {
            context.accept_exit.clone_from(&codes.0);
        }
        context.timeout = phase.head.timeout.map(|timeout| timeout.seconds);
        context.silence = phase.head.silence.map(|silence| silence.seconds).or(context.silence);
    }

    /// The module or phase prefix of ids: `runcmd`, `base.runcmd`.
    pub fn prefix(&self) -> &str {
        &self.context.prefix
    }

    /// What a failure of the steps being added does.
    pub const fn on_error(&self) -> OnError {
        self.context.on_error
    }

    /// Adds a step. `name` tells it apart inside the module; a number is added where it does not.
    pub fn add(&mut self, name: &str, operation: Operation) -> StepBuilder<'_> {
        let name = name.trim_start_matches('/');
        let base = if name.is_empty() { self.context.prefix.clone() } else { format!("{}/{name}", self.context.prefix) };
        let mut id = base.clone();
        let mut number = 2;
        while !self.ids.insert(id.clone()) {
            id = format!("{base}#{number}");
            number += 1;
        }
        self.lists_are_fresh &= !may_change_sources(&operation);
        let floor = self.steps.last().map_or(Stage::Local, |step| step.stage);
        let is_retried = self.context.retries_scripts || !operation.runs_users_text();
        let limits = Limits {
            attempts: self.context.retry.attempts.filter(|_| is_retried),
            backoff: self.context.retry.backoff,
            timeout_seconds: self.context.timeout.or_else(|| self.context.timeouts.limit_for(&operation)),
            silence_seconds: if operation.uses_child() { self.context.silence } else { None },
            accept_exit: if operation.runs_users_text() { self.context.accept_exit.clone() } else { Vec::new() },
        };
        self.steps.push(Step {
            id,
            phase: self.context.phase.clone(),
            stage: self.context.stage.max(floor),
            frequency: self.context.frequency,
            operation,
            needs: self.context.needs.clone(),
            on_error: self.context.on_error,
            weight: Weight::default(),
            on_interrupt: self.context.on_interrupt,
            limits,
            origin: None,
            notices: Vec::new(),
            wiped: None,
            remembered: Default::default(),
        });
        let at = self.steps.len() - 1;
        StepBuilder { step: &mut self.steps[at], providers: &mut self.providers }
    }

    /// The step that provides a thing (`user:alice`), if this plan has one.
    pub fn provider(&self, thing: &str) -> Option<&str> {
        self.providers.get(thing).map(String::as_str)
    }

    /// Adds `apt-get update`, unless the lists are already fresh by an earlier step.
    pub fn update_lists(&mut self) {
        if !self.lists_are_fresh {
            let _ = self.add("update", Operation::AptUpdate).every(Frequency::Instance);
            self.lists_are_fresh = true;
        }
    }

    /// What apt knows has changed: the lists have to be fetched before the next installation.
    pub fn sources_changed(&mut self) {
        self.lists_are_fresh = false;
    }

    /// A package that a setting needs, installed with the user's own.
    pub fn want_package(&mut self, spec: &str, origin: &Origin) {
        if !self.wanted.iter().any(|known| known.spec == spec) {
            self.wanted.push(PackageEntry { spec: spec.to_owned(), of_apt: true, origin: origin.clone() });
        }
    }

    /// Whether a package is wanted that no step installs yet.
    pub fn wants_packages(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The packages wanted so far, once.
    pub fn take_wanted(&mut self) -> Vec<PackageEntry> {
        std::mem::take(&mut self.wanted)
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The steps from the one at `from` on need this one too.
    pub fn all_need(&mut self, from: usize, id: &str) {
        for at in from..self.steps.len() {
            self.needs_at(at, id);
        }
    }

    /// The step at `at` needs this one too.
    pub fn needs_at(&mut self, at: usize, id: &str) {
        let needs = &mut self.steps[at].needs;
        if !needs.iter().any(|known| known == id) {
            needs.push(id.to_owned());
        }
    }

    /// The id of the step at `at`.
    pub fn id_at(&self, at: usize) -> &str {
        &self.steps[at].id
    }

    /// Ids, from the step at `from` on, of the steps whose failure means more than a degraded run.
    pub fn ids_that_matter(&self, from: usize) -> Vec<String> {
        self.steps[from..].iter().filter(|step| step.weight == Weight::Failed).map(|step| step.id.clone()).collect()
    }

    /// Whether a step from the one at `from` on restarts the machine or switches it off by itself.
    pub fn restart_machine(&self, from: usize) -> bool {
        self.steps[from..].iter().any(|step| matches!(step.operation, Operation::RebootIfRequired | Operation::PowerState { .. }))
    }

    /// The steps and problems collected.
    pub fn finish(self) -> (Vec<Step>, Report) {
        (self.steps, self.report)
    }
}

/// Whether apt may know other sources after the operation: then the next installation needs new lists.
fn may_change_sources(operation: &Operation) -> bool {
    let path = match operation {
        Operation::ScriptItem(_) | Operation::RunFile { .. } | Operation::RunDirectory { .. } => return true,
        Operation::WriteFile(file) | Operation::AppendFile(file) | Operation::Download { file, .. } => &file.path,
        _ => return false,
    };
    path.starts_with("/etc/apt/")
}

/// Details of the step just added.
pub struct StepBuilder<'s> {
    step: &'s mut Step,
    providers: &'s mut BTreeMap<String, String>,
}

impl StepBuilder<'_> {
    /// Where the user wrote it; what comes from no text has no place.
    pub fn at(self, origin: &Origin) -> Self {
        if origin.line > 0 {
            self.step.origin = Some(origin.to_string());
        }
        self
    }

    /// A step that must have succeeded.
    pub fn needs(self, id: impl Into<String>) -> Self {
        self.step.needs.push(id.into());
        self
    }

    /// The step that provides `thing`, if this plan has one, must have succeeded.
    pub fn needs_thing(self, thing: &str) -> Self {
        match self.providers.get(thing).filter(|id| **id != self.step.id).cloned() {
            Some(id) if !self.step.needs.contains(&id) => self.needs(id),
            _ => self,
        }
    }

    /// Later steps that need `thing` need this one.
    pub fn provides(self, thing: &str) -> Self {
        self.providers.insert(thing.to_owned(), self.step.id.clone());
        self
    }

    /// How often, other than its module.
    pub fn every(self, frequency: Frequency) -> Self {
        self.step.frequency = frequency;
        self
    }

    /// Whether it is run at every boot.
    pub fn is_of_every_boot(&self) -> bool {
        self.step.frequency == Frequency::Boot
    }

    /// Attempts in all, whatever is said of every step.
    pub fn attempts(self, attempts: u32) -> Self {
        self.step.limits.attempts = Some(attempts);
        self
    }

    /// Attempts in all, where nothing is said of every step.
    pub fn attempts_unless_said(self, attempts: u32) -> Self {
        self.step.limits.attempts = self.step.limits.attempts.or(Some(attempts));
        self
    }

    /// A failure only degrades.
    pub fn degrades(self) -> Self {
        self.step.weight = Weight::Degraded;
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
