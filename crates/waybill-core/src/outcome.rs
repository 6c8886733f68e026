//! What a processor says happened to a message: the first of three steps.
//!
//! Outcome (what happened) → [`Disposition`](crate::recovery::Disposition) (what policy decides)
//! → settlement (what the broker is told). A processor only ever produces an [`Outcome`]; it does
//! no I/O and never decides about retries beyond naming the class of its failure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kinds::Effect;

/// What a processor says happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Understood; its effects are to be written in the transaction that records the attempt.
    Done(Done),
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

/// What is to be written, and what the person who looks at the message should know of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// To be written, in this order.
    pub effects: Vec<Effect>,
    /// What was not taken from the message and why, kept with its attempt. Each names a field and
    /// what is wrong with it, never its value; at most [`WARNINGS_MAX`].
    pub warnings: Vec<String>,
}

/// Warnings of one attempt.
pub const WARNINGS_MAX: usize = 16;

impl Done {
    /// Adds a warning. One that is there already is not repeated, and too many are passed over.
    pub fn warn(&mut self, warning: impl Into<String>) {
        let warning = warning.into();
        if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }
}

impl From<Vec<Effect>> for Done {
    fn from(effects: Vec<Effect>) -> Self {
        Self { effects, warnings: Vec::new() }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

    /// The class of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == name)
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

#[cfg(test)]
mod tests {
    use super::{Done, WARNINGS_MAX};

    #[test]
    fn warnings_are_told_once_and_have_a_limit() {
        let mut done = Done::default();
        for n in 0..100 {
            done.warn(format!("FLD-{n} is odd"));
            done.warn("FLD-0 is odd");
        }
        assert_eq!(done.warnings.len(), WARNINGS_MAX);
        assert_eq!(done.warnings.iter().filter(|warning| *warning == "FLD-0 is odd").count(), 1);
    }
}
