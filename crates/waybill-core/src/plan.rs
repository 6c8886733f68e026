//! A replay plan: its states, who may move it from which, and what its outcomes say about going on.
//!
//! Pure, like all of this crate: the store has the counts, this decides. It never looks at what a
//! message says, only at how many came well out of their replay and how many did not.

use serde::{Deserialize, Serialize};

/// Outcomes below which a share says nothing, once the canary is past.
pub const OUTCOMES_MIN: u32 = 20;
/// About so many of the newest outcomes are judged: a failure that begins late must show.
pub const OUTCOMES_MAX: u32 = 400;

/// Where a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A fixed set, and nothing more: for a person to look at.
    Made,
    /// Replaying.
    Running,
    /// The canary came out well; a person wanted to be asked before the rest.
    Ready,
    /// A person told it to wait.
    Paused,
    /// It stopped by itself: too many failed again.
    Stopped,
    /// Every item had its turn and its outcome. Final.
    Finished,
    /// A person gave it up. Final; what was replayed goes on.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Made,
        Self::Running,
        Self::Ready,
        Self::Paused,
        Self::Stopped,
        Self::Finished,
        Self::Cancelled,
    ];

    /// Its name in the ledger, in metrics and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

/// What a person does to a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Begin.
    Start,
    /// Replay no more for now; what is replayed goes on.
    Pause,
    /// Go on, after a pause, a stop, or a canary.
    Resume,
    /// Give it up; what is replayed goes on.
    Cancel,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 4] = [Self::Start, Self::Pause, Self::Resume, Self::Cancel];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
        }
    }

    /// The states it may leave. In any other it does nothing.
    pub const fn from(self) -> &'static [State] {
        match self {
            Self::Start => &[State::Made],
            Self::Pause => &[State::Running],
            Self::Resume => &[State::Ready, State::Paused, State::Stopped],
            Self::Cancel => &[State::Made, State::Running, State::Ready, State::Paused, State::Stopped],
        }
    }

    /// The state it leads to.
    pub const fn to(self) -> State {
        match self {
            Self::Start | Self::Resume => State::Running,
            Self::Pause => State::Paused,
            Self::Cancel => State::Cancelled,
        }
    }
}

/// How a plan is to go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Policy {
    /// So many are replayed first, and their outcomes awaited; 0: no canary.
    pub canary: u32,
    /// After a good canary, wait for a person.
    pub confirm: bool,
    /// Replays begun in a second, at most; none: as fast as the window lets them.
    pub rate_per_s: Option<f64>,
    /// Stop when more than this share fails again, 0 to 1. 1 never stops.
    pub stop_share: f64,
}

impl Policy {
    /// What is wrong with it; nothing when it is empty.
    pub fn mistakes(&self) -> Vec<&'static str> {
        let rate_is_fine = self.rate_per_s.is_none_or(|rate| (0.01..=100_000.0).contains(&rate));
        let rules = [
            (rate_is_fine, "a rate is from 0.01 to 100000 a second"),
            ((0.0..=1.0).contains(&self.stop_share), "a share is from 0 to 1"),
            (!self.confirm || self.canary > 0, "there is nothing to confirm without a canary"),
        ];
        rules.into_iter().filter(|(fine, _)| !fine).map(|(_, rule)| rule).collect()
    }
}

/// What is judged: the outcomes since the plan last began, or went on after a stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Replayed, whatever came of it.
    pub begun: u32,
    /// Processed.
    pub recovered: u32,
    /// Dead again.
    pub failed: u32,
}

impl Tally {
    /// With these outcomes more. Old ones fade once the canary is past.
    #[must_use]
    pub const fn with(mut self, recovered: u32, failed: u32, fade: bool) -> Self {
        self.recovered = self.recovered.saturating_add(recovered);
        self.failed = self.failed.saturating_add(failed);
        while fade && self.recovered.saturating_add(self.failed) > OUTCOMES_MAX {
            self.recovered /= 2;
            self.failed /= 2;
        }
        self
    }

    fn share_is_above(&self, share: f64, of: u32) -> bool {
        f64::from(self.failed) > share * f64::from(of)
    }
}

/// Whether a running plan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does; while the canary is out, only so many more.
    GoOn(Option<u32>),
    /// The canary came out well.
    CanaryPassed,
    /// It does not, and why.
    Stop(&'static str),
}

/// Judges a running plan: its canary is past or not, `in_flight` replayed messages have no outcome
/// yet.
pub fn judge(policy: &Policy, canary_passed: bool, tally: Tally, in_flight: u32) -> Verdict {
    let outcomes = tally.recovered.saturating_add(tally.failed);
    if canary_passed || policy.canary == 0 {
        let is_bad = outcomes >= OUTCOMES_MIN && tally.share_is_above(policy.stop_share, outcomes);
        return if is_bad { Verdict::Stop("too many failed again") } else { Verdict::GoOn(None) };
    }
    if tally.share_is_above(policy.stop_share, policy.canary) {
        return Verdict::Stop("too many of the canary failed again");
    }
    if tally.begun < policy.canary {
        return Verdict::GoOn(Some(policy.canary - tally.begun));
    }
    match (in_flight, tally.recovered) {
        (1.., _) => Verdict::GoOn(Some(0)),
        (0, 0) => Verdict::Stop("none of the canary was processed"),
        (0, _) => Verdict::CanaryPassed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(canary: u32, stop_share: f64) -> Policy {
        Policy { canary, confirm: false, rate_per_s: None, stop_share }
    }

    fn tally(begun: u32, recovered: u32, failed: u32) -> Tally {
        Tally { begun, recovered, failed }
    }

    #[test]
    fn a_canary_goes_out_is_waited_for_and_passes_or_stops() {
        let check = |tally: Tally, in_flight, expected| {
            assert_eq!(judge(&policy(5, 0.2), false, tally, in_flight), expected, "{tally:?}");
        };
        check(tally(0, 0, 0), 0, Verdict::GoOn(Some(5)));
        check(tally(3, 1, 0), 2, Verdict::GoOn(Some(2)));
        check(tally(5, 3, 0), 2, Verdict::GoOn(Some(0)));
        check(tally(5, 4, 1), 0, Verdict::CanaryPassed);
        // it cannot come out well any more: no need to wait for the rest
        check(tally(5, 0, 2), 3, Verdict::Stop("too many of the canary failed again"));
        // all wait behind other dead letters: that proves nothing
        check(tally(5, 0, 0), 0, Verdict::Stop("none of the canary was processed"));
    }

    #[test]
    fn without_a_canary_few_outcomes_say_nothing_and_a_share_stops() {
        let check = |tally: Tally, expected| {
            assert_eq!(judge(&policy(0, 0.1), false, tally, 7), expected, "{tally:?}");
            assert_eq!(judge(&policy(5, 0.1), true, tally, 7), expected, "{tally:?}, past the canary");
        };
        check(tally(19, 0, 19), Verdict::GoOn(None));
        check(tally(20, 18, 2), Verdict::GoOn(None));
        check(tally(20, 17, 3), Verdict::Stop("too many failed again"));
        let never = policy(0, 1.0);
        assert_eq!(judge(&never, true, tally(400, 0, 400), 0), Verdict::GoOn(None));
    }

    #[test]
    fn what_begins_to_fail_late_stops_soon() {
        let mut late = Tally::default().with(200_000, 0, true);
        assert!(late.recovered <= OUTCOMES_MAX);
        let mut failures = 0;
        while judge(&policy(0, 0.1), true, late, 0) == Verdict::GoOn(None) {
            late = late.with(0, 1, true);
            failures += 1;
        }
        assert!(failures < 60, "{failures}");
        assert_eq!(Tally::default().with(500, 1, false), tally(0, 500, 1), "a canary is counted in full");
    }

    #[test]
    fn final_states_are_left_by_nobody_and_names_are_read_back() {
        for verb in Verb::ALL {
            assert!(!verb.from().contains(&State::Finished) && !verb.from().contains(&State::Cancelled));
            assert!(!verb.from().contains(&verb.to()), "{verb:?} twice does nothing the second time");
        }
        for state in State::ALL {
            assert_eq!(State::named(state.as_str()), Some(state));
        }
        assert_eq!(State::named("done"), None);
    }

    #[test]
    fn a_policy_that_cannot_be_is_told_so() {
        let fine = Policy { canary: 3, confirm: true, rate_per_s: Some(0.5), stop_share: 0.1 };
        assert!(fine.mistakes().is_empty());
        assert_eq!(Policy { canary: 0, ..fine }.mistakes().len(), 1);
        assert_eq!(Policy { rate_per_s: Some(0.0), ..fine }.mistakes().len(), 1);
        assert_eq!(Policy { rate_per_s: Some(f64::NAN), ..fine }.mistakes().len(), 1);
        assert_eq!(Policy { stop_share: 1.5, ..fine }.mistakes().len(), 1);
    }
}
