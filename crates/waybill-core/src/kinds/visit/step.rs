//! The triggers that are handled, and the step of a visit's life that each stands for.
//!
//! The one table from trigger to meaning; a trigger that is not in it is none of this kind's.

use super::{Status, StatusChange};

/// What happened to a visit or its patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// An appointment was made or changed, or an admission is planned.
    Book,
    /// The patient came.
    Arrive,
    /// Something about the visit changed.
    Progress,
    /// The patient was discharged.
    Close,
    /// The discharge was taken back.
    Reopen,
    /// It was called off.
    Cancel,
    /// The patient did not come.
    Miss,
    /// Two patients turned out to be one.
    Merge,
}

impl Step {
    /// The step of MSH-9 `code`^`trigger`, if it is handled.
    pub(super) fn of(code: &str, trigger: &str) -> Option<Self> {
        match (code, trigger) {
            ("ADT", "A05") | ("SIU", "S12" | "S13" | "S14") => Some(Self::Book),
            ("ADT", "A01" | "A04") => Some(Self::Arrive),
            ("ADT", "A02" | "A06" | "A07" | "A08") => Some(Self::Progress),
            ("ADT", "A03") => Some(Self::Close),
            ("ADT", "A13") => Some(Self::Reopen),
            ("ADT", "A11") | ("SIU", "S15") => Some(Self::Cancel),
            ("SIU", "S26") => Some(Self::Miss),
            ("ADT", "A18" | "A34" | "A40") => Some(Self::Merge),
            _ => None,
        }
    }

    /// What it does to the status; a merge leaves it as it is.
    pub(super) fn status(self) -> StatusChange {
        match self {
            Self::Book => StatusChange::To(Status::Booked),
            Self::Arrive | Self::Reopen => StatusChange::To(Status::Arrived),
            Self::Close => StatusChange::To(Status::Closed),
            Self::Cancel => StatusChange::To(Status::Cancelled),
            Self::Miss => StatusChange::To(Status::NoShow),
            Self::Progress | Self::Merge => StatusChange::Progress,
        }
    }
}
