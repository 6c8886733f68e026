//! The kind `visit`: HL7 ADT and SIU events of a patient's visits and appointments.
//!
//! From one message to what it changes: one visit, or, for a merge, whose visits they are. Every
//! value is three-valued, so that an event which is silent about a name deletes none. Nothing is
//! known here of what the ledger holds; what depends on it (`StatusChange::Progress`) is said as
//! data. Reasons of failures and warnings name fields, never their values.

mod read;
mod step;
#[cfg(test)]
mod tests;
mod times;

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

use crate::hl7::{Charset, Header, Message, PatientId, Value};
use crate::kinds::{Input, Kind};
use crate::outcome::{Done, ErrorClass, Failure, Outcome};
use crate::source::Format;
use step::Step;

/// The entry in the registry.
pub const KIND: Kind = Kind { name: "visit", formats: &[Format::Hl7v2], process, facets: |_| Vec::new() };

/// What one event says about one visit. Of what may change, `Absent` keeps what is stored and
/// `Null` clears it.
#[derive(Clone, PartialEq)]
pub struct VisitChange {
    /// PV1-19.1; for an appointment without a visit SCH-1.1, else SCH-2.1.
    pub visit_id: String,
    /// PID-3.1 and PID-3.4, the repetition of type MR first.
    pub patient: PatientId,
    /// PID-5.1, the surname.
    pub family_name: Value<String>,
    /// PID-5.2.
    pub given_name: Value<String>,
    /// PID-7, when it names a day.
    pub birth_date: Value<NaiveDate>,
    /// PV1-3 as sent.
    pub location: Value<String>,
    /// What becomes of the status.
    pub status: StatusChange,
    /// SCH-11.4.
    pub scheduled_at: Value<DateTime<Utc>>,
    /// On A01 and A04: PV1-44, else EVN-2.
    pub arrived_at: Value<DateTime<Utc>>,
    /// On A03: PV1-45, else EVN-2, else MSH-7. Cleared by A13.
    pub closed_at: Value<DateTime<Utc>>,
    /// EVN-2, when the sender recorded the event, where that is an instant.
    pub recorded_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for VisitChange {
    /// Only the status: the rest is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitChange").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Where a visit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// There is an appointment.
    Booked,
    /// The patient is there.
    Arrived,
    /// Something happened since the patient arrived.
    InProgress,
    /// The patient was discharged.
    Closed,
    /// It was called off.
    Cancelled,
    /// The patient did not come.
    NoShow,
}

impl Status {
    /// The name in the projection.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Arrived => "arrived",
            Self::InProgress => "in_progress",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no_show",
        }
    }
}

/// What an event does to the status of its visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    /// It becomes this, whatever it was.
    To(Status),
    /// A02, A06, A07, A08: an arrived visit goes on to in progress, any other status stays; a
    /// visit not seen before begins in progress.
    Progress,
}

/// All visits of `prior` belong to `survivor` from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// MRG-1, one of its record numbers.
    pub prior: PatientId,
    /// PID-3 of the same group.
    pub survivor: PatientId,
}

/// Reads one message into what it changes.
pub fn process(input: &Input<'_>) -> Outcome {
    evaluate(input).unwrap_or_else(Outcome::Failed)
}

fn evaluate(input: &Input<'_>) -> Result<Outcome, Failure> {
    let message =
        Message::parse(input.body).map_err(|refused| Failure::new(ErrorClass::Parse, refused.to_string()))?;
    let header = Header::read(message, input.content_type, &input.reading.charset);
    let (code, trigger) = (header.code(), header.trigger());
    if code.is_empty() {
        return Err(invalid("MSH-9 is empty: the message has no type"));
    }
    let processing_id = header.processing_id();
    if !input.reading.processing_ids.iter().any(|effective| *effective == processing_id) {
        return Ok(Outcome::Ignored("processing id without effects"));
    }
    if header.is_continued() {
        return Err(invalid(
            "MSH-14/DSC: a fragment of a continued message; Waybill does not join fragments: \
             ask the partner to send it whole",
        ));
    }
    let mut done = match Step::of(&code, &trigger) {
        None => return Ok(Outcome::Ignored("trigger not handled")),
        Some(Step::Merge) => read::merges(&header)?,
        Some(step) => read::change(&header, step, input.reading.timezone)?,
    };
    warn_of_text(&header, input.body, &mut done);
    Ok(Outcome::Done(done))
}

/// Says what was a guess in the reading of its text.
fn warn_of_text(header: &Header<'_>, body: &[u8], done: &mut Done) {
    if header.charset() == Charset::Utf8 && std::str::from_utf8(body).is_err() {
        done.warn(
            "some of the text is not in UTF-8, as HTTP, MSH-18 or the source says: it was read as 8859/1",
        );
    }
    let mut others = header.field(18).repetitions().skip(1);
    if others.any(|other| Charset::named(&String::from_utf8_lossy(other.raw())) != header.charset()) {
        done.warn("MSH-18 names several character sets: text in any but the first may be garbled");
    }
}

/// A failure of the content: `reason` names the field and what is wrong with it.
fn invalid(reason: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Validation, reason)
}
