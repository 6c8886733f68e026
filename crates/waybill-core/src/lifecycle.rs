//! The states of a message and the verbs that move it: the whole state machine as one table.
//!
//! Each verb is one function of `waybill-store` with one guarded statement; the statements are
//! tested against this table, state by state. A move that is not in the table does not exist.

/// Where a message is. The names are those of receipts and of the view `message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// Safe in the ledger, due to be published.
    Accepted,
    /// The broker has confirmed an envelope for it.
    Published,
    /// It waits for an earlier message of one of its ordering keys.
    Held,
    /// A worker has it in hand, under a lease.
    Processing,
    /// An attempt failed; it is due again later.
    Retrying,
    /// Final: its effects are written, or it was to have none.
    Processed,
    /// Set aside for a person.
    Dead,
    /// Final, unless it is undone in time: a person decided that it is to have no effects.
    Discarded,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Published,
        Self::Held,
        Self::Processing,
        Self::Retrying,
        Self::Processed,
        Self::Dead,
        Self::Discarded,
    ];

    /// The name in receipts and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Published => "published",
            Self::Held => "held",
            Self::Processing => "processing",
            Self::Retrying => "retrying",
            Self::Processed => "processed",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// The state called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing moves it but an operator's decision.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Processed | Self::Dead | Self::Discarded)
    }
}

/// What can happen to a message after it was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The gate is closed: an earlier message of a key is unfinished.
    Hold,
    /// The gate opened: due again.
    Release,
    /// The broker confirmed an envelope.
    Confirm,
    /// A worker takes it in hand.
    Claim,
    /// Effects written, or none to write.
    Complete,
    /// The attempt failed; due again later.
    Retry,
    /// The attempt failed for good.
    DeadLetter,
    /// The broker gave up on its deliveries (a crash loop before the claim).
    File,
    /// The claim's lease is over: another attempt, or dead when there were enough.
    Abandon,
    /// The broker no longer has what it had confirmed: due again.
    Republish,
    /// A person wants another try: due again, with a fresh allowance of attempts.
    Replay,
    /// A person decided that it is to have no effects.
    Discard,
    /// A person gave a corrected message its place; the original is to have no effects.
    Edit,
    /// A person takes a discard back: the dead letter that it was.
    Undo,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 14] = [
        Self::Hold,
        Self::Release,
        Self::Confirm,
        Self::Claim,
        Self::Complete,
        Self::Retry,
        Self::DeadLetter,
        Self::File,
        Self::Abandon,
        Self::Republish,
        Self::Replay,
        Self::Discard,
        Self::Edit,
        Self::Undo,
    ];

    /// The states this verb may leave.
    pub const fn from(self) -> &'static [State] {
        use State::{Accepted, Dead, Discarded, Held, Processing, Published, Retrying};
        match self {
            Self::Hold | Self::Claim | Self::File => &[Accepted, Published, Retrying],
            Self::Release => &[Held],
            Self::Republish => &[Published],
            Self::Confirm => &[Accepted, Retrying],
            Self::Complete | Self::Retry | Self::DeadLetter | Self::Abandon => &[Processing],
            Self::Replay | Self::Discard | Self::Edit => &[Dead],
            Self::Undo => &[Discarded],
        }
    }

    /// The states this verb may lead to.
    pub const fn to(self) -> &'static [State] {
        use State::{Accepted, Dead, Discarded, Held, Processed, Processing, Published, Retrying};
        match self {
            Self::Hold => &[Held],
            Self::Release | Self::Republish | Self::Replay => &[Accepted],
            Self::Confirm => &[Published],
            Self::Claim => &[Processing],
            Self::Complete => &[Processed],
            Self::Retry => &[Retrying],
            Self::DeadLetter | Self::File | Self::Undo => &[Dead],
            Self::Abandon => &[Retrying, Dead],
            Self::Discard | Self::Edit => &[Discarded],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_verb_leaves_a_final_state_but_an_operators() {
        for verb in Verb::ALL {
            let from = verb.from();
            let decides = matches!(verb, Verb::Replay | Verb::Discard | Verb::Edit);
            assert_eq!(from == [State::Dead], decides, "{verb:?}");
            assert_eq!(from == [State::Discarded], verb == Verb::Undo, "{verb:?}");
            let by_a_person = decides || verb == Verb::Undo;
            assert!(by_a_person || from.iter().all(|state| !state.is_final()), "{verb:?}");
        }
    }

    #[test]
    fn every_state_can_be_reached_and_every_open_one_left() {
        for state in State::ALL {
            assert!(Verb::ALL.iter().any(|verb| verb.to().contains(&state)), "{state:?} is entered");
            let left = Verb::ALL.iter().any(|verb| verb.from().contains(&state));
            let ended = state == State::Processed;
            assert_eq!(left, !ended, "{state:?} is left");
        }
    }

    #[test]
    fn from_every_open_state_a_final_one_can_be_reached() {
        for start in State::ALL.into_iter().filter(|state| !state.is_final()) {
            let mut reached = vec![start];
            for _ in State::ALL {
                for verb in Verb::ALL {
                    if verb.from().iter().any(|state| reached.contains(state)) {
                        reached.extend_from_slice(verb.to());
                    }
                }
            }
            assert!(reached.contains(&State::Processed), "{start:?}");
        }
    }

    #[test]
    fn names_read_back() {
        for state in State::ALL {
            assert_eq!(State::find(state.as_str()), Some(state));
        }
    }
}
