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
}

impl Policy {
    /// The policy of an operation, with the user's limits on top.
    pub const fn of(operation: &Operation, limits: &Limits) -> Self {
        let mut policy = match operation {
            Operation::AptUpdate
            | Operation::AptUpgrade
            | Operation::InstallPackages { .. }
            | Operation::Download { .. }
            | Operation::AptKey { .. } => Self {
                attempts: 6,
                first_pause: Duration::from_secs(2),
                longest_pause: Duration::from_secs(60),
                total: Duration::from_secs(15 * 60),
            },
            _ => Self {
                attempts: 1,
                first_pause: Duration::from_secs(1),
                longest_pause: Duration::from_secs(30),
                total: Duration::from_secs(5 * 60),
            },
        };
        if let Some(attempts) = limits.attempts {
            policy.attempts = if attempts == 0 { 1 } else { attempts };
        }
        policy
    }

    /// The pause before attempt `next` (from 2), or `None` if there is to be none. `noise` in 0..1 spreads the herd.
    pub fn pause(&self, next: u32, elapsed: Duration, failure: &Failure, limits: &Limits, noise: f64) -> Option<Duration> {
        let in_vain = matches!(failure.kind, Kind::Interrupted | Kind::Input | Kind::NotFound | Kind::Config);
        let asked_for = limits.attempts.is_some() && !in_vain;
        if next > self.attempts || !(failure.transient || asked_for) {
            return None;
        }
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(next - 2).unwrap_or(u32::MAX)).min(self.longest_pause);
        let pause = doubled.mul_f64(0.5 + noise.clamp(0.0, 1.0) / 2.0);
        (elapsed + pause < self.total).then_some(pause)
    }
}

/// Whether a later boot tries again what failed: the cause may have gone by itself.
pub const fn again_at_next_boot(failure: &Failure) -> bool {
    failure.transient || matches!(failure.kind, Kind::Network | Kind::Lock | Kind::Disk | Kind::Timeout | Kind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_transient_failures_are_tried_again_and_not_for_ever() {
        let policy = Policy::of(&Operation::AptUpdate, &Limits::default());
        let transient = Failure::new(Kind::Network, "x");
        let seconds = |next, elapsed| {
            policy.pause(next, Duration::from_secs(elapsed), &transient, &Limits::default(), 1.0).map(|pause| pause.as_secs())
        };
        assert_eq!([seconds(2, 0), seconds(3, 2), seconds(6, 30), seconds(7, 60)], [Some(2), Some(4), Some(32), None]);
        assert_eq!(seconds(3, 15 * 60), None, "the total is a limit too");
        let permanent = Failure::new(Kind::NotFound, "x");
        assert_eq!(policy.pause(2, Duration::ZERO, &permanent, &Limits::default(), 0.0), None);
        let asked = Limits { attempts: Some(3), timeout_seconds: None };
        let pause = |kind| Policy::of(&Operation::AptUpdate, &asked).pause(2, Duration::ZERO, &Failure::new(kind, "x"), &asked, 0.0);
        assert!(pause(Kind::Exec).is_some(), "what may go by itself is tried as often as was asked for");
        assert_eq!(pause(Kind::NotFound), None, "a name that is wrong stays wrong");
    }
}
