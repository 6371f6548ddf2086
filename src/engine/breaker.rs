//! Breakers: a host or service that failed several times in a row is left alone for a while, whoever asks for it.
//!
//! A breaker is closed until its target has failed as often as the plan allows; then it is open, and steps that need the target
//! fail at once; after the cool-down it is half-open: the next attempt decides. A step that is still being tried waits for that
//! instead of failing. What is known of a target is what the journals of this boot say, so that every process of the boot, and
//! `status`, know the same. Where several sources of packages are configured, only the failure of all of them keeps apt waiting.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::journal::{Event, Outcome, Record, Verdict};
use super::ledger::Ledger;
use crate::error::{Failure, Kind};
use crate::host::net::host_of;
use crate::ordered::{map_of, sort_by};
use crate::plan::operation::Service;
use crate::plan::{BreakerLimits, Frequency, Operation, Plan};

/// What a step has to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A host, with its port where one is given.
    Host(String),
    /// A systemd unit.
    Service(String),
    /// The hosts that packages come from: which, only a failure tells.
    Origins,
}

impl Target {
    /// The target of an operation; what has none has nothing to be left alone.
    pub fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::Download { url, .. } if url.starts_with("http") => host_of(url).map(Self::Host),
            Operation::AptKey { keyserver, .. } => Some(Self::Host(host_of(keyserver).unwrap_or_else(|| keyserver.clone()))),
            Operation::Unit { unit, .. } | Operation::Service(Service { unit, .. }) => Some(Self::Service(unit.clone())),
            Operation::AptUpdate | Operation::AptUpgrade | Operation::InstallPackages { .. } => Some(Self::Origins),
            _ => None,
        }
    }

    /// The name that its breaker has, where the failure has to tell it.
    fn name<'t>(&'t self, failure: &'t Failure) -> Option<&'t str> {
        match self {
            Self::Host(name) | Self::Service(name) => Some(name),
            Self::Origins => failure.target.as_deref(),
        }
    }

    /// Whether a failure is one of the target: a host that says no is there.
    fn is_blamed_by(&self, failure: &Failure) -> bool {
        match self {
            Self::Host(_) | Self::Origins => failure.transient && matches!(failure.kind, Kind::Network | Kind::Timeout),
            Self::Service(_) => matches!(failure.kind, Kind::Exec | Kind::Timeout | Kind::Unknown),
        }
    }
}

/// What is known of one target.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    failures: u32,
    /// Seconds since boot of the last failure.
    since: f64,
    kind: Kind,
    is_origin: bool,
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Position {
    /// It has failed, and not often enough.
    Closed,
    /// Left alone.
    Open,
    /// The next attempt decides.
    HalfOpen,
}

impl Position {
    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A breaker, for whoever shows it; one whose target did not fail last is not worth showing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BreakerSummary {
    /// Host or unit.
    pub target: String,
    /// Where it stands.
    pub position: Position,
    /// Failures in a row.
    pub failures: u32,
    /// Seconds since 1970 before which it is not tried again, where it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
}

/// The breakers of a run.
#[derive(Clone, Debug, Default)]
pub struct Breakers {
    limits: BreakerLimits,
    known: BTreeMap<String, Known>,
}

impl Breakers {
    /// What the journals say of the boot.
    pub fn of(plan: &Plan, ledger: &Ledger, boot: &str) -> Self {
        let mut breakers = Self { limits: plan.breaker, known: BTreeMap::new() };
        let targets = map_of(plan.steps.iter().filter_map(|step| Some((step.id.as_str(), Target::of(&step.operation)?))));
        let scopes = [Frequency::Once, Frequency::Instance, Frequency::Boot];
        let mut records: Vec<&Record> =
            scopes.into_iter().flat_map(|scope| ledger.records(scope)).filter(|record| record.boot == boot).collect();
        sort_by(&mut records, |a, b| a.uptime.total_cmp(&b.uptime));
        for record in records {
            let Event::Outcome(outcome) = &record.event else { continue };
            if let Some(target) = targets.get(outcome.step.as_str()) {
                breakers.learn(target, outcome, record.uptime);
            }
        }
        breakers
    }

    fn learn(&mut self, target: &Target, outcome: &Outcome, now: f64) {
        match (&outcome.verdict, &outcome.failure) {
            _ if outcome.attempts == 0 => {}
            (Verdict::Done, _) if outcome.effect.warnings.is_empty() => self.succeeded(target),
            (Verdict::Failed, Some(failure)) => self.failed(target, failure, outcome.attempts, now),
            _ => {}
        }
    }

    /// An attempt has reached its target.
    pub fn succeeded(&mut self, target: &Target) {
        match target {
            Target::Host(name) | Target::Service(name) => drop(self.known.remove(name)),
            Target::Origins => self.known.retain(|_, known| !known.is_origin),
        }
    }

    /// So many attempts in a row have failed, the last one now.
    pub fn failed(&mut self, target: &Target, failure: &Failure, attempts: u32, now: f64) {
        let Some(name) = target.name(failure) else { return };
        if !target.is_blamed_by(failure) {
            if *target != Target::Origins && failure.kind != Kind::Interrupted {
                self.succeeded(target);
            }
            return;
        }
        let is_origin = *target == Target::Origins;
        let known = self.known.entry(name.to_owned()).or_insert(Known { failures: 0, since: now, kind: failure.kind, is_origin });
        known.failures = known.failures.saturating_add(attempts);
        (known.since, known.kind) = (now, failure.kind);
    }

    /// Seconds for which a target is still left alone.
    fn left(&self, name: &str, now: f64) -> Option<f64> {
        let known = self.known.get(name).filter(|known| known.failures >= self.limits.failures)?;
        // A clock that stood still or went back leaves nobody waiting for longer than the cool-down.
        let gone = (now - known.since).max(0.0);
        Some(self.limits.cooldown_seconds as f64 - gone).filter(|left| *left > 0.0)
    }

    /// For how long an attempt that failed so has to wait for the next one, in whole seconds.
    pub fn pause(&self, target: &Target, failure: &Failure, now: f64) -> Option<u64> {
        self.left(target.name(failure)?, now).map(|left| left.ceil() as u64)
    }

    /// The failure that a step has at once because its target is left alone; `origins` are the hosts that packages come from.
    /// `time` is that of the wall clock.
    pub fn refusal(&self, target: &Target, origins: &dyn Fn() -> Vec<String>, now: f64, time: f64) -> Option<Failure> {
        if self.known.is_empty() {
            return None;
        }
        let name = match target {
            Target::Host(name) | Target::Service(name) => name.clone(),
            Target::Origins => {
                let origins = origins();
                let all_open = origins.iter().all(|name| self.left(name, now).is_some());
                origins.into_iter().next().filter(|_| all_open)?
            }
        };
        let left = self.left(&name, now)?;
        let known = self.known.get(&name)?;
        let again = crate::clock::rfc3339(time + left.ceil());
        let message =
            format!("{name} failed {} times in a row; it is not tried again before {again} (in {:.0} s)", known.failures, left.ceil());
        let kind = if matches!(target, Target::Service(_)) { known.kind } else { Kind::Network };
        let failure = Failure { target: Some(name.into()), ..Failure::new(kind, message) };
        Some(failure.transient(true).hint("see why it failed before (`landfall status --long`); then `landfall resume`"))
    }

    /// All that failed last, for whoever shows it.
    pub fn summaries(&self, now: f64, time: f64) -> Vec<BreakerSummary> {
        let one = |(target, known): (&String, &Known)| {
            let left = self.left(target, now);
            let position = match left {
                Some(_) => Position::Open,
                None if known.failures >= self.limits.failures => Position::HalfOpen,
                None => Position::Closed,
            };
            BreakerSummary { target: target.clone(), position, failures: known.failures, until: left.map(|left| time + left) }
        };
        self.known.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Target {
        Target::Host("example.org".into())
    }

    fn breakers() -> Breakers {
        Breakers { limits: BreakerLimits { failures: 3, cooldown_seconds: 60 }, known: BTreeMap::new() }
    }

    fn refused(breakers: &Breakers, target: &Target, now: f64) -> Option<String> {
        breakers.refusal(target, &|| vec!["a".into(), "b".into()], now, 0.0).map(|failure| failure.message)
    }

    #[test]
    fn a_breaker_opens_after_failures_in_a_row_and_the_attempt_after_the_cool_down_decides() {
        let (mut breakers, down) = (breakers(), Failure::new(Kind::Network, "down"));
        breakers.failed(&host(), &down, 2, 10.0);
        assert_eq!(refused(&breakers, &host(), 10.0), None);
        breakers.failed(&host(), &down, 1, 11.0);
        let message = "example.org failed 3 times in a row; it is not tried again before 1970-01-01T00:00:59Z (in 59 s)";
        assert_eq!(refused(&breakers, &host(), 12.0).as_deref(), Some(message));
        assert_eq!(breakers.pause(&host(), &down, 12.0), Some(59));
        assert_eq!(breakers.summaries(12.0, 100.0)[0].until, Some(159.0));
        assert_eq!((refused(&breakers, &host(), 71.0), breakers.summaries(71.0, 0.0)[0].position), (None, Position::HalfOpen));
        breakers.failed(&host(), &down, 1, 75.0);
        assert!(refused(&breakers, &host(), 76.0).is_some(), "the probe failed");
        breakers.succeeded(&host());
        assert!(refused(&breakers, &host(), 76.0).is_none() && breakers.summaries(76.0, 0.0).is_empty());
    }

    #[test]
    fn a_host_that_answers_is_not_down_and_a_clock_that_goes_back_leaves_nobody_waiting() {
        let mut breakers = breakers();
        breakers.failed(&host(), &Failure::new(Kind::Network, "down"), 3, 1000.0);
        assert_eq!(breakers.pause(&host(), &Failure::new(Kind::Network, "down"), 5.0), Some(60));
        breakers.failed(&host(), &Failure::new(Kind::NotFound, "404"), 1, 1001.0);
        assert!(breakers.summaries(1001.0, 0.0).is_empty());
    }

    #[test]
    fn apt_is_refused_only_where_every_origin_is_left_alone() {
        let mut breakers = breakers();
        for name in ["a", "b"] {
            assert_eq!(refused(&breakers, &Target::Origins, 0.0), None);
            let failure = Failure { target: Some(name.into()), ..Failure::new(Kind::Network, "down") };
            breakers.failed(&Target::Origins, &failure, 3, 0.0);
        }
        assert!(refused(&breakers, &Target::Origins, 0.0).is_some_and(|message| message.starts_with("a failed 3 times")));
        breakers.failed(&Target::Origins, &Failure::new(Kind::Lock, "held"), 1, 0.0);
        assert_eq!(breakers.summaries(0.0, 0.0).len(), 2, "a lock says nothing of the origins");
        breakers.succeeded(&Target::Origins);
        assert!(breakers.summaries(0.0, 0.0).is_empty());
    }
}
