//! Phases that run side by side: each has an engine and a thread of its own, and one journal for all.
//!
//! A lane changes the host by itself. What it records and says it hands to the engine that began it, which alone writes the
//! journal and talks to whoever listens. What other lanes record, a lane does not hear: none depends on another.

use std::collections::BTreeMap;
use std::sync::mpsc::{channel, Receiver, Sender, SyncSender};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::breaker::Breakers;
use super::execute::{Engine, Next, Places, Progress, RunIds};
use super::journal::{Event, Outcome, Record};
use super::ledger::Ledger;
use crate::error::{Failure, Kind};
use crate::host::{process, signals, Host};
use crate::plan::{Frequency, Operation, Plan, Step};

/// What only one lane does at a time.
#[derive(Debug, Default)]
pub(super) struct Turns {
    packages: Mutex<()>,
    rest: Mutex<()>,
}

impl Turns {
    /// Waits until it is this operation's turn. What a user's program does, and waiting for others, goes on side by side.
    pub fn take(&self, operation: &Operation) -> Option<MutexGuard<'_, ()>> {
        let lock = match operation {
            operation if operation.uses_apt() => &self.packages,
            Operation::ScriptItem(_)
            | Operation::RunFile { .. }
            | Operation::RunDirectory { .. }
            | Operation::Command(_)
            | Operation::Download { .. }
            | Operation::PhoneHome { .. }
            | Operation::Unit { .. }
            | Operation::Service(_) => return None,
            _ => &self.rest,
        };
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a lane has the engine do.
enum Request {
    Record {
        scope: Frequency,
        event: Box<Event>,
        sync: bool,
        written: SyncSender<Result<Record, Failure>>,
    },
    Started {
        step: Box<Step>,
        at: usize,
        of: usize,
    },
    Ended {
        step: Box<Step>,
        outcome: Box<Outcome>,
    },
    /// With what the lane's children are marked with.
    Say(String, BTreeMap<String, String>),
    Changed,
}

/// Hands on what a lane tells.
struct Speaker(Sender<Request>);

impl Progress for Speaker {
    fn started(&self, step: &Step, at: usize, of: usize) {
        let _ = self.0.send(Request::Started { step: Box::new(step.clone()), at, of });
    }

    fn ended(&self, step: &Step, outcome: &Outcome) {
        let _ = self.0.send(Request::Ended { step: Box::new(step.clone()), outcome: Box::new(outcome.clone()) });
    }

    fn say(&self, text: &str) {
        let _ = self.0.send(Request::Say(text.to_owned(), process::marks()));
    }

    fn changed(&self, _ledger: &Ledger) {
        let _ = self.0.send(Request::Changed);
    }
}

/// Writes through the engine.
fn writer(engine: Sender<Request>) -> super::ledger::Writer {
    let gone = || Failure::new(Kind::Unknown, "nobody writes the journal");
    Box::new(move |scope, event, sync| {
        let (written, answer) = std::sync::mpsc::sync_channel(1);
        engine.send(Request::Record { scope, event: Box::new(event), sync, written }).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    })
}

/// What a lane begins with: what its engine knows.
struct Parts<'e> {
    host: &'e Host,
    plan: &'e Plan,
    ledger: Ledger,
    places: Places,
    ids: RunIds,
    breakers: Breakers,
    not_begun: Option<(Failure, String)>,
    speaker: Speaker,
}

impl<'e> Engine<'e> {
    /// Runs the phases of these lanes to their ends. Gives back for each the step it ended with, and what comes after it.
    pub(super) fn run_side_by_side(&mut self, lanes: &[Vec<usize>]) -> Result<Vec<(&'e Step, Next)>, Failure> {
        let plan = self.plan;
        let due = |at: &&usize| self.settled_before(&plan.steps[**at]).is_none();
        let due: Vec<Vec<usize>> = lanes.iter().map(|lane| lane.iter().filter(due).copied().collect()).collect();
        let ends: Vec<(usize, Next)> = if due.iter().filter(|lane| !lane.is_empty()).count() < 2 {
            lanes.iter().map(|lane| self.run_lane(lane)).collect::<Result<_, Failure>>()?
        } else {
            self.leave_script(None)?;
            if due.iter().flatten().any(|at| plan.steps[*at].operation.uses_apt()) {
                self.hold_back();
            }
            let ends = self.run_lanes(lanes);
            self.breakers = Breakers::of(plan, &self.ledger, &self.ids.boot);
            ends.into_iter().collect::<Result<_, Failure>>()?
        };
        Ok(ends.into_iter().map(|(at, next)| (&plan.steps[at], next)).collect())
    }

    fn run_lanes(&mut self, lanes: &[Vec<usize>]) -> Vec<Result<(usize, Next), Failure>> {
        let (requests, asked) = channel();
        let turns = &Turns::default();
        let all: Vec<(Parts<'e>, &Vec<usize>)> = lanes.iter().map(|steps| (self.parts(requests.clone()), steps)).collect();
        drop(requests);
        signals::set_lanes(lanes.len());
        let ends = std::thread::scope(|scope| {
            let threads: Vec<_> = all
                .into_iter()
                .map(|(parts, steps)| std::thread::Builder::new().spawn_scoped(scope, move || Lane { parts, turns }.run(steps)))
                .collect();
            self.serve(&asked);
            let died = || Err(Failure::new(Kind::Unknown, "a phase that ran side by side with others came to no end"));
            let end = |(thread, steps): (std::io::Result<std::thread::ScopedJoinHandle<'_, _>>, &Vec<usize>)| match thread {
                Ok(thread) => thread.join().unwrap_or_else(|_| died()),
                // No thread can be had: then one after the other.
                Err(_) => self.run_lane(steps),
            };
            threads.into_iter().zip(lanes).map(end).collect()
        });
        signals::set_lanes(0);
        ends
    }

    fn parts(&self, requests: Sender<Request>) -> Parts<'e> {
        Parts {
            host: self.host,
            plan: self.plan,
            ledger: self.ledger.copy(writer(requests.clone())),
            places: self.places.clone(),
            ids: self.ids.clone(),
            breakers: self.breakers.clone(),
            not_begun: self.not_begun.clone(),
            speaker: Speaker(requests),
        }
    }

    /// Does what the lanes ask for until all have ended.
    fn serve(&mut self, asked: &Receiver<Request>) {
        for request in asked {
            match request {
                Request::Record { scope, event, sync, written } => {
                    let result = self.record(scope, *event, sync);
                    let last = || self.ledger.records(scope).last().cloned();
                    let record = result.and_then(|()| last().ok_or_else(|| Failure::new(Kind::Unknown, "the journal is empty")));
                    let _ = written.send(record);
                }
                Request::Started { step, at, of } => self.progress.started(&step, at, of),
                Request::Ended { step, outcome } => self.progress.ended(&step, &outcome),
                Request::Say(text, marks) => {
                    process::mark_children(marks);
                    self.progress.say(&text);
                }
                Request::Changed => self.progress.changed(&self.ledger),
            }
        }
    }

    /// Settles these steps in order. Gives back which was the last one.
    fn run_lane(&mut self, steps: &[usize]) -> Result<(usize, Next), Failure> {
        let plan = self.plan;
        let mut last = 0;
        for at in steps {
            last = *at;
            if let Some(signal) = signals::stop_requested() {
                self.script = None;
                return Ok((last, Next::Stop(Some(signal))));
            }
            match self.advance(last, &plan.steps[last])? {
                Next::Step => {}
                stop @ Next::Stop(_) => return Ok((last, stop)),
                other => {
                    self.leave_script(None)?;
                    return Ok((last, other));
                }
            }
        }
        self.leave_script(None)?;
        Ok((last, Next::Step))
    }
}

struct Lane<'e, 't> {
    parts: Parts<'e>,
    turns: &'t Turns,
}

impl Lane<'_, '_> {
    fn run(self, steps: &[usize]) -> Result<(usize, Next), Failure> {
        let Parts { host, plan, ledger, places, ids, breakers, not_begun, speaker } = self.parts;
        let mut engine = Engine::new(host, plan, ledger, places, ids, &speaker);
        engine.breakers = breakers;
        engine.not_begun = not_begun;
        engine.turns = Some(self.turns);
        engine.run_lane(steps)
    }
}
