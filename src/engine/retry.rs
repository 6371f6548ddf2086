//! The one retry policy: which failures are tried again, how often, after how long.

use std::time::Duration;

use crate::error::{Failure, Kind};
use crate::plan::{Limits, Operation};

/// How an operation is retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Attempts in all.
    pub attempts: u32,
    /// First pause; it doubles each time.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
    /// No attempt begins after this much time in all.
    pub total: Duration,
    /// Pauses are shortened at random, to the half at most.
    pub jitter: bool,
    /// Which failures are worth another attempt.
    pub worth: Worth,
}

/// Which failures are worth another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Those that are known to pass.
    Passing,
    /// All but those that are certain to come again.
    Uncertain,
    /// All, as the peer does.
    Any,
}

impl Policy {
    /// What is fetched from the network.
    const FETCHING: Self = Self {
        attempts: 6,
        first_pause: Duration::from_secs(2),
        longest_pause: Duration::from_secs(60),
        total: Duration::from_secs(15 * 60),
        jitter: true,
        worth: Worth::Passing,
    };

    /// The policy of an operation, with the user's limits on top.
    pub const fn of(operation: &Operation, limits: &Limits) -> Self {
        Self::usual(operation).within(limits)
    }

    /// What holds where the user says nothing.
    const fn usual(operation: &Operation) -> Self {
        match operation {
            Operation::Debconf { .. }
            | Operation::AptUpdate
            | Operation::AptUpgrade
            | Operation::InstallPackages { .. }
            | Operation::Download { .. }
            | Operation::AptKey { .. } => Self::FETCHING,
            // As often and after as long as the peer.
            Operation::PhoneHome { tries, .. } => Self {
                attempts: *tries,
                first_pause: Duration::from_secs(3),
                longest_pause: Duration::from_secs(3),
                total: Duration::from_secs(10 * 60),
                jitter: false,
                worth: Worth::Any,
            },
            // What systemd could not be told or asked; a service that does not start is started again only where that is asked for.
            Operation::Unit { .. } | Operation::Service(_) => Self {
                attempts: 3,
                first_pause: Duration::from_secs(2),
                longest_pause: Duration::from_secs(30),
                total: Duration::from_secs(10 * 60),
                jitter: true,
                worth: Worth::Passing,
            },
            _ => Self {
                attempts: 1,
                first_pause: Duration::from_secs(1),
                longest_pause: Duration::from_secs(30),
                total: Duration::from_secs(5 * 60),
                jitter: true,
                worth: Worth::Passing,
            },
        }
    }

    /// With the user's limits on top.
    const fn within(self, limits: &Limits) -> Self {
        let mut policy = self;
        if let Some(attempts) = limits.attempts {
            policy.attempts = if attempts == 0 { 1 } else { attempts };
            if matches!(policy.worth, Worth::Passing) {
                policy.worth = Worth::Uncertain;
            }
        }
        let backoff = limits.backoff;
        if let Some(delay) = backoff.delay_seconds {
            policy.first_pause = Duration::from_secs(delay);
            if delay > policy.longest_pause.as_secs() {
                policy.longest_pause = policy.first_pause;
            }
        }
        if let Some(longest) = backoff.max_delay_seconds {
            policy.longest_pause = Duration::from_secs(longest);
        }
        if let Some(deadline) = backoff.deadline_seconds {
            policy.total = Duration::from_secs(deadline);
        }
        if let Some(jitter) = backoff.jitter {
            policy.jitter = jitter;
        }
        policy
    }

    /// The policy of what user-data includes: that of everything that is fetched, for `total` at the most.
    pub fn of_includes(limits: &Limits, total: Duration) -> Self {
        let policy = Self::FETCHING.within(limits);
        // A refusal stays one, however often somebody wants to be refused.
        Self { total: policy.total.min(total), worth: Worth::Passing, ..policy }
    }

    /// The policy of messages about a run that has ended: as often as the time for all of them allows.
    pub const fn of_messages(total: Duration) -> Self {
        Self {
            attempts: u32::MAX,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(15),
            total,
            jitter: true,
            worth: Worth::Passing,
        }
    }

    /// The pause before attempt `next` (from 2), or `None` if there is to be none. `noise` in 0..1 spreads the herd.
    pub fn pause(&self, next: u32, elapsed: Duration, failure: &Failure, noise: f64) -> Option<Duration> {
        let may_pass = match self.worth {
            Worth::Passing => failure.transient,
            Worth::Uncertain => {
                failure.transient || !matches!(failure.kind, Kind::Interrupted | Kind::Input | Kind::NotFound | Kind::Config)
            }
            Worth::Any => !matches!(failure.kind, Kind::Interrupted | Kind::Input),
        };
        if next > self.attempts || !may_pass {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(next - 2).unwrap_or(u32::MAX)).min(self.longest_pause);
        let own = if self.jitter { doubled.mul_f64(0.5 + noise.clamp(0.0, 1.0) / 2.0) } else { doubled };
        // What a server asks for holds whatever the user wants of us, but for the time in all.
        let pause = own.max(Duration::from_secs(failure.retry_after.unwrap_or_default()));
        (elapsed.saturating_add(pause) < self.total).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Backoff;

    #[test]
    fn only_transient_failures_are_tried_again_and_not_for_ever() {
        let policy = Policy::of(&Operation::AptUpdate, &Limits::default());
        let transient = Failure::new(Kind::Network, "x");
        let seconds = |next, elapsed| policy.pause(next, Duration::from_secs(elapsed), &transient, 1.0).map(|pause| pause.as_secs());
        assert_eq!([seconds(2, 0), seconds(3, 2), seconds(6, 30), seconds(7, 60)], [Some(2), Some(4), Some(32), None]);
        assert_eq!(seconds(3, 15 * 60), None, "the total is a limit too");
        let permanent = Failure::new(Kind::NotFound, "x");
        assert_eq!(policy.pause(2, Duration::ZERO, &permanent, 0.0), None);
        let asked = Limits { attempts: Some(3), ..Limits::default() };
        let pause = |kind| Policy::of(&Operation::AptUpdate, &asked).pause(2, Duration::ZERO, &Failure::new(kind, "x"), 0.0);
        assert!(pause(Kind::Exec).is_some(), "what may go by itself is tried as often as was asked for");
        assert_eq!(pause(Kind::NotFound), None, "a name that is wrong stays wrong");
    }

    #[test]
    fn a_service_that_does_not_start_is_started_again_only_where_that_is_asked_for() {
        let start = Operation::Unit { unit: "a.service".into(), action: crate::plan::operation::UnitAction::Start, optional: false };
        let pause = |kind, limits: &Limits| Policy::of(&start, limits).pause(2, Duration::ZERO, &Failure::new(kind, "x"), 1.0);
        let asked = Limits { attempts: Some(3), ..Limits::default() };
        for kind in [Kind::Exec, Kind::Timeout] {
            assert_eq!((pause(kind, &Limits::default()), pause(kind, &asked)), (None, Some(Duration::from_secs(2))), "{kind}");
        }
        assert_eq!(pause(Kind::Config, &asked), None, "a port that somebody else holds is not waited for");
    }

    #[test]
    fn the_user_says_how_long_the_pauses_are_and_when_it_is_enough() {
        let backoff = Backoff { delay_seconds: Some(10), max_delay_seconds: Some(25), deadline_seconds: Some(100), jitter: Some(false) };
        let limits = Limits { attempts: Some(9), backoff, ..Limits::default() };
        let policy = Policy::of(&Operation::AptUpdate, &limits);
        let busy = Failure::new(Kind::Network, "x");
        let pause =
            |next, elapsed, failure: &Failure| policy.pause(next, Duration::from_secs(elapsed), failure, 0.0).map(|pause| pause.as_secs());
        assert_eq!([pause(2, 0, &busy), pause(3, 10, &busy), pause(4, 30, &busy)], [Some(10), Some(20), Some(25)]);
        assert_eq!(pause(5, 80, &busy), None, "the next attempt would begin after the deadline");
        let limits = Limits { backoff: Backoff { delay_seconds: Some(600), ..Backoff::default() }, ..Limits::default() };
        assert_eq!(
            Policy::of(&Operation::AptUpdate, &limits).longest_pause,
            Duration::from_secs(600),
            "no pause is shorter than the first"
        );
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks_and_never_beyond_the_deadline() {
        let asks = |seconds| Failure { retry_after: Some(seconds), ..Failure::new(Kind::Network, "x") };
        let short = Backoff { delay_seconds: Some(1), max_delay_seconds: Some(2), jitter: Some(false), ..Backoff::default() };
        for backoff in [Backoff::default(), short] {
            let limits = Limits { backoff, ..Limits::default() };
            let policy = Policy::of(&Operation::AptUpdate, &limits);
            let pause = |seconds| policy.pause(2, Duration::ZERO, &asks(seconds), 0.0).map(|pause| pause.as_secs());
            assert_eq!([pause(120), pause(15 * 60), pause(u64::MAX)], [Some(120), None, None]);
        }
    }
}
