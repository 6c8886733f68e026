//! What can be wrong with a message's rows: a stable code, what it means, what mends it.
//!
//! Found by [`crate::conservation`], mended by [`crate::repair`]. What cannot be mended without
//! guessing has no remedy: it is named until a person has dealt with it, and nothing is made up.

use serde::{Serialize, Serializer};

/// What is wrong. Codes have a hyphen; the places where a sound message is have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// A place without a receipt: nobody was promised this message, as far as the ledger knows.
    ReceiptMissing,
    /// A receipt without a place.
    ProgressMissing,
    /// A receipt of a source that the ledger does not know.
    SourceUnknown,
    /// The body is gone before its time.
    BodyMissing,
    /// Not processed, says the row; but an attempt has written its effects.
    EffectsWritten,
    /// Processed, says the row; but no attempt says so.
    AttemptMissing,
    /// Discarded, says the row; but no person decided so.
    DecisionMissing,
    /// Unfinished, of an ordered source, and not in each of its ordering keys.
    OrderMissing,
    /// Final, and still in an ordering key, where it holds others.
    OrderLeftOver,
    /// In hand, says the ordering gate; but no worker has it.
    InHandLeftOver,
    /// Held, and nothing stands before it.
    HeldAlone,
    /// Due, at a time that nothing sets.
    DueTooLate,
    /// Leased to a relay for longer than any relay leases.
    LeaseTooLong,
    /// Published at a time to come.
    PublishedTooLate,
    /// In a worker's hand, as no worker takes one.
    ClaimImpossible,
    /// In a worker's hand for longer than any worker claims.
    ClaimTooLong,
    /// Its claim was over minutes ago, and no sweep has taken it back.
    ClaimOver,
    /// Dead, and not on the list of the dead, or not as it died.
    DeadListMissing,
    /// On the list of the dead, and not dead.
    DeadListLeftOver,
    /// Published, and no longer in the broker.
    Lost,
}

/// What mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Made due again; refused where an attempt has written effects.
    DueAgain,
    /// Set to processed, for its effects are written.
    Processed,
    /// Given a place again: processed where an attempt says so, else due.
    Place,
    /// Its ordering keys are read from its body again.
    Keys,
    /// Taken out of its ordering keys, which releases what it held.
    LeaveKeys,
    /// Taken out of hand.
    LetGo,
    /// Released.
    Release,
    /// Entered in the list of the dead.
    List,
    /// Taken off the list of the dead.
    Unlist,
    /// None that is safe: a person must look.
    Person,
}

impl Problem {
    /// Every problem.
    pub const ALL: [Self; 20] = [
        Self::ReceiptMissing,
        Self::ProgressMissing,
        Self::SourceUnknown,
        Self::BodyMissing,
        Self::EffectsWritten,
        Self::AttemptMissing,
        Self::DecisionMissing,
        Self::OrderMissing,
        Self::OrderLeftOver,
        Self::InHandLeftOver,
        Self::HeldAlone,
        Self::DueTooLate,
        Self::LeaseTooLong,
        Self::PublishedTooLate,
        Self::ClaimImpossible,
        Self::ClaimTooLong,
        Self::ClaimOver,
        Self::DeadListMissing,
        Self::DeadListLeftOver,
        Self::Lost,
    ];

    /// Code, meaning and remedy.
    const fn row(self) -> (&'static str, &'static str, Remedy) {
        use Remedy::{DueAgain, Keys, LeaveKeys, LetGo, List, Person, Place, Processed, Release, Unlist};
        match self {
            Self::ReceiptMissing => ("receipt-missing", "it has a place, but no receipt", Person),
            Self::ProgressMissing => ("progress-missing", "it has a receipt, but no place", Place),
            Self::SourceUnknown => ("source-unknown", "its source is not in the ledger", Person),
            Self::BodyMissing => ("body-missing", "its body is gone", Person),
            Self::EffectsWritten => {
                ("effects-written", "its effects are written, but its state is not processed", Processed)
            }
            Self::AttemptMissing => ("attempt-missing", "processed, but no attempt says so", DueAgain),
            Self::DecisionMissing => ("decision-missing", "discarded, but nobody decided so", DueAgain),
            Self::OrderMissing => ("order-missing", "it is not in all of its ordering keys", Keys),
            Self::OrderLeftOver => {
                ("order-left-over", "it is final, and still in an ordering key", LeaveKeys)
            }
            Self::InHandLeftOver => ("in-hand-left-over", "it is in hand, but no worker has it", LetGo),
            Self::HeldAlone => ("held-alone", "it is held, but nothing stands before it", Release),
            Self::DueTooLate => ("due-too-late", "it is due only in more than ten days", DueAgain),
            Self::LeaseTooLong => ("lease-too-long", "a relay's lease on it lasts for hours", DueAgain),
            Self::PublishedTooLate => ("published-too-late", "it was published in the future", DueAgain),
            Self::ClaimImpossible => ("claim-impossible", "no worker can have claimed it so", DueAgain),
            Self::ClaimTooLong => ("claim-too-long", "its claim lasts longer than a worker's", DueAgain),
            Self::ClaimOver => ("claim-over", "its claim is over, and nobody took it back", Person),
            Self::DeadListMissing => {
                ("dead-list-missing", "it is dead, but not on the list of the dead", List)
            }
            Self::DeadListLeftOver => {
                ("dead-list-left-over", "it is on the list of the dead, but not dead", Unlist)
            }
            Self::Lost => ("lost", "RabbitMQ had confirmed it, and no longer has it", DueAgain),
        }
    }

    /// The code, in the ledger, in JSON and in logs.
    pub const fn code(self) -> &'static str {
        self.row().0
    }

    /// What it means, in words.
    pub const fn meaning(self) -> &'static str {
        self.row().1
    }

    /// What mends it.
    pub const fn remedy(self) -> Remedy {
        self.row().2
    }

    /// The problem with this code; none: a place of a sound message.
    pub fn find(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.code() == code)
    }

    /// What to do, for a person.
    pub const fn advice(self) -> &'static str {
        match (self, self.remedy()) {
            (Self::ReceiptMissing | Self::BodyMissing, _) => "restore the row from a backup",
            (Self::SourceUnknown, _) => "apply its source again",
            (Self::ClaimOver, _) => "look why no `waybill serve` runs its sweeps",
            (Self::AttemptMissing, _) => {
                "repair makes it due, if no attempt can have written effects; else read its projection"
            }
            (_, Remedy::DueAgain) => "repair makes it due again",
            (_, Remedy::Processed) => "repair sets it to processed",
            (_, Remedy::Place) => "repair gives it a place again",
            (_, Remedy::Keys) => "repair reads its keys again",
            (_, Remedy::LeaveKeys) => "repair takes it out of its keys",
            (_, Remedy::LetGo) => "repair takes it out of hand",
            (_, Remedy::Release) => "repair releases it",
            (_, Remedy::List) => "repair enters it",
            (_, Remedy::Unlist) => "repair takes it off the list",
            (_, Remedy::Person) => "a person must look",
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart_and_read_back() {
        for problem in Problem::ALL {
            assert_eq!(Problem::find(problem.code()), Some(problem));
        }
        for place in crate::conservation::PLACES {
            assert_eq!(Problem::find(place), None, "{place} is a place");
        }
    }
}
