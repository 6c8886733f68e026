//! The registry of kinds: which processor reads a message, and what it may do.
//!
//! A kind is one file in this folder and one line in [`REGISTRY`]; validation of sources, the
//! workers, the command line and the tests iterate over it. A processor is a pure function from
//! [`Input`] to [`Outcome`]; what it wants done it returns as [`Effect`]s, which the ledger writes
//! in the one transaction that records the attempt.

pub mod conditions_of_joining;
pub mod visit;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::find::Named;
use crate::outcome::Outcome;
use crate::source::Format;

/// A kind of message: its name, the formats it reads, and its processor.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The name sources use, for instance `visit`.
    pub name: &'static str,
    /// The source formats this kind can read.
    pub formats: &'static [Format],
    /// The processor: pure, and free of panics for any bytes.
    pub process: fn(&Input<'_>) -> Outcome,
    /// By which values its messages are found, besides those that the format tells (`find.rs`): pure,
    /// and free of panics for any bytes.
    pub facets: fn(&Input<'_>) -> Vec<Named>,
}

/// Every kind that is built in.
pub const REGISTRY: &[Kind] = &[visit::KIND, conditions_of_joining::KIND];

/// What stands for the kind of a source without one: its messages have no effects.
pub const NONE: &str = "-";

/// The kind called `name`, if there is one.
pub fn find(name: &str) -> Option<&'static Kind> {
    REGISTRY.iter().find(|kind| kind.name == name)
}

/// What a processor gets to see. Has no `Debug`: it holds a body.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The message's id.
    pub id: Uuid,
    /// When the message was accepted.
    pub received_at: DateTime<Utc>,
    /// The media type it was posted with, parameters included.
    pub content_type: &'a str,
    /// The body, byte for byte as it was received.
    pub body: &'a [u8],
    /// What the source says about reading it.
    pub reading: &'a Reading,
}

/// The settings of a source that bear on reading a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// For timestamps that carry no offset.
    pub timezone: Tz,
    /// Where neither HTTP's charset nor MSH-18 says.
    pub charset: String,
    /// The MSH-11 values that may have effects.
    pub processing_ids: Vec<String>,
}

/// What a processor wants done. Each variant is written by one function of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A visit was booked, begun, changed, ended or called off.
    Visit(visit::VisitChange),
    /// A patient's visits belong to another patient from now on.
    Merge(visit::Merge),
    /// A trainee signed their Conditions of Joining.
    Signature(conditions_of_joining::Signature),
}
