//! Outcome → disposition: what policy decides after an attempt, as one table.
//!
//! Exhaustion is a step of its own: first it is asked whether a failure can be mended by trying
//! again, then whether there are attempts left.

use std::time::Duration;

use crate::outcome::{Done, ErrorClass, Failure, Outcome};

/// How a source wants failed attempts retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Attempts before a message is dead.
    pub attempts_max: u32,
    /// Seconds to wait after the first, second, … failed attempt; the last one repeats.
    pub backoff_s: Vec<u32>,
}

/// What happens next to a message that was attempted.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// Write the effects and keep the warnings; the message is processed.
    Complete(Done),
    /// Nothing to write; the message is processed, outcome ignored, for this reason.
    Ignore(&'static str),
    /// Try again after this long.
    Retry(Duration, Failure),
    /// Set it aside for a person.
    DeadLetter(Failure),
}

/// Decides what happens after attempt number `attempt` (from 1) ended in `outcome`.
///
/// `jitter` in `[0, 1)` spreads retries over 0.8 to 1.2 times the backoff, so that what failed
/// together does not come back together.
pub fn decide(outcome: Outcome, attempt: u32, policy: &Policy, jitter: f64) -> Disposition {
    let failure = match outcome {
        Outcome::Done(done) => return Disposition::Complete(done),
        Outcome::Ignored(reason) => return Disposition::Ignore(reason),
        Outcome::Failed(failure) => failure,
    };
    if failure.class.is_permanent() {
        return Disposition::DeadLetter(failure);
    }
    match after_failure(attempt, policy, jitter) {
        Some(wait) => Disposition::Retry(wait, failure),
        None => Disposition::DeadLetter(exhausted(&failure, attempt)),
    }
}

/// How long to wait after failed attempt number `attempt`; `None` when there were enough.
pub fn after_failure(attempt: u32, policy: &Policy, jitter: f64) -> Option<Duration> {
    if attempt >= policy.attempts_max {
        return None;
    }
    let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = policy.backoff_s.get(step).or(policy.backoff_s.last()).copied().unwrap_or(1);
    Some(Duration::from_secs_f64(f64::from(seconds) * (0.8 + 0.4 * jitter.clamp(0.0, 1.0))))
}

/// The failure of a message whose worker went away `attempts` times while it was in hand.
pub fn poison(attempts: u32) -> Failure {
    Failure::new(
        ErrorClass::Poison,
        format!(
            "the worker went away {attempts} times with this message in hand; \
             look for crashes or kills of workers at the times of its attempts"
        ),
    )
}

/// Adds to the last failure that there were enough attempts.
fn exhausted(failure: &Failure, attempt: u32) -> Failure {
    Failure::new(failure.class, format!("{} (attempt {attempt}, the last one)", failure.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy { attempts_max: 4, backoff_s: vec![1, 10] }
    }

    fn wait_s(attempt: u32, jitter: f64) -> Option<f64> {
        after_failure(attempt, &policy(), jitter).map(|wait| wait.as_secs_f64())
    }

    #[test]
    fn backoff_follows_the_steps_then_repeats_the_last_then_ends() {
        assert_eq!(wait_s(1, 0.5), Some(1.0));
        assert_eq!(wait_s(2, 0.5), Some(10.0));
        assert_eq!(wait_s(3, 0.5), Some(10.0));
        assert_eq!(wait_s(4, 0.5), None);
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        assert_eq!(wait_s(2, 0.0), Some(8.0));
        assert_eq!(wait_s(2, 1.0), Some(12.0));
    }

    #[test]
    fn permanent_failures_are_dead_at_once_others_when_exhausted() {
        for class in ErrorClass::ALL {
            let first = decide(Outcome::failed(class, "why"), 1, &policy(), 0.5);
            let dead = matches!(first, Disposition::DeadLetter(_));
            assert_eq!(dead, class.is_permanent(), "{class}");
            let last = decide(Outcome::failed(class, "why"), 4, &policy(), 0.5);
            assert!(matches!(last, Disposition::DeadLetter(_)), "{class}");
        }
    }

    #[test]
    fn what_is_done_is_complete() {
        let mut done = Done::default();
        done.warn("PID-7 is not an HL7 timestamp");
        let complete = decide(Outcome::Done(done.clone()), 9, &policy(), 0.5);
        assert_eq!(complete, Disposition::Complete(done), "its warnings pass through");
        let ignored = decide(Outcome::Ignored("trigger not handled"), 9, &policy(), 0.5);
        assert_eq!(ignored, Disposition::Ignore("trigger not handled"));
    }
}
