//! What a processor says happened to a message: the first of three steps.
//!
//! Outcome (what happened) → [`Disposition`](crate::recovery::Disposition) (what policy decides)
//! → settlement (what the broker is told). A processor only ever produces an [`Outcome`]; it does
//! no I/O and never decides about retries beyond naming the class of its failure.

use std::fmt;

use crate::kinds::Effect;

/// What a processor says happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Understood; these effects are to be written in the transaction that records the attempt.
    Done(Vec<Effect>),
    /// Understood, and nothing is to be done: the message ends processed. The reason is shown to
    /// operators (for instance "trigger not handled").
    Ignored(&'static str),
    /// Not processed. The class decides whether trying again can help.
    Failed(Failure),
}

impl Outcome {
    /// A failure that no retry can mend.
    pub fn failed(class: ErrorClass, reason: impl Into<String>) -> Self {
        Self::Failed(Failure::new(class, reason))
    }
}

/// Why an attempt failed: a class for machines, a reason for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class: decides about retries and labels the metrics.
    pub class: ErrorClass,
    /// For operators: which field, what is wrong with it, what to do. Never a value from the body.
    pub reason: String,
}

impl Failure {
    /// A failure of `class`, explained by `reason`.
    pub fn new(class: ErrorClass, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into() }
    }
}

/// The closed set of error classes; the values of the label `reason` of
/// `waybill_dead_letters{source,kind,reason}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The body cannot be read as its format.
    Parse,
    /// It can be read, but something required is missing or has an impossible value.
    Validation,
    /// No processor is registered for the message's kind (any more).
    UnknownKind,
    /// The processor took longer than `worker.process_timeout_s`.
    Timeout,
    /// A fault of our own: a panic, or an effect the database refused.
    Internal,
    /// The worker went away again and again while it had the message in hand.
    Poison,
}

impl ErrorClass {
    /// Every class, for series that must exist from the start.
    pub const ALL: [Self; 6] =
        [Self::Parse, Self::Validation, Self::UnknownKind, Self::Timeout, Self::Internal, Self::Poison];

    /// The name in the ledger, in metrics and on screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Validation => "validation",
            Self::UnknownKind => "unknown_kind",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::Poison => "poison",
        }
    }

    /// Whether trying again can help: a body does not mend itself, a worker may.
    pub const fn is_permanent(self) -> bool {
        matches!(self, Self::Parse | Self::Validation | Self::UnknownKind)
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
