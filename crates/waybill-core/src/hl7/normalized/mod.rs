//! Normalised JSON: a message as JSON that needs no knowledge of HL7 to read, and that loses nothing.
//!
//! [`normalized`] gives typed views (what most readers want, under names) over `segments`, which
//! hold every part of the message in its place; [`from_normalized`] writes the message again from
//! these. The shape is described, for its readers, in `docs/NORMALIZED.md` and by
//! `docs/schemas/waybill.hl7v2-1.schema.json`. Reading is linear in the body, the views and the
//! warnings are bounded, and no warning or error ever holds a value.

mod appointment;
mod changed;
mod encode;
mod header;
mod mask;
mod merge;
mod observations;
mod parts;
mod patient;
mod place;
mod reader;
mod segments;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod visit;
mod warnings;

use std::fmt;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value as Json;
use uuid::Uuid;

use self::reader::Reader;
use self::segments::Segments;
use self::warnings::Warnings;
use super::Header;

pub use changed::changed_places;
pub use encode::{NotNormalized, from_normalized};
pub use mask::{mask, masked_lines};

/// The name and version of the shape: a new number is a shape that old readers cannot read.
pub const SCHEMA: &str = "waybill.hl7v2/1";

/// What the message itself does not say.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The message's id.
    pub id: Uuid,
    /// The name of its source.
    pub source: &'a str,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// The source's, for timestamps that carry no offset.
    pub timezone: Tz,
}

/// A message, to be written as JSON: with keys in the order of RFC 8785, and without blanks when
/// [`serde_json::to_vec`] writes it.
pub struct Normalized<'a> {
    header: Header<'a>,
    message: Json,
    patient: Json,
    visit: Json,
    appointment: Json,
    merge: Json,
    observations: Json,
    warnings: Warnings,
}

/// Reads the views of a message; its segments are read when it is written.
pub fn normalized<'a>(header: &Header<'a>, context: &Context<'_>) -> Normalized<'a> {
    let mut reader = Reader::new(header, context.timezone);
    reader.warnings.look_at_text(header);
    Normalized {
        message: header::view(&mut reader, context),
        patient: patient::view(&mut reader),
        visit: visit::view(&mut reader),
        appointment: appointment::view(&mut reader),
        merge: merge::view(&mut reader),
        observations: observations::view(&mut reader),
        header: *header,
        warnings: reader.warnings,
    }
}

impl Serialize for Normalized<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(9))?;
        map.serialize_entry("appointment", &self.appointment)?;
        map.serialize_entry("merge", &self.merge)?;
        map.serialize_entry("message", &self.message)?;
        map.serialize_entry("observations", &self.observations)?;
        map.serialize_entry("patient", &self.patient)?;
        map.serialize_entry("schema", SCHEMA)?;
        map.serialize_entry("segments", &Segments(self.header))?;
        map.serialize_entry("visit", &self.visit)?;
        map.serialize_entry("warnings", &self.warnings)?;
        map.end()
    }
}

impl fmt::Debug for Normalized<'_> {
    /// Only the size: a message is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Normalized({:?})", self.header.message())
    }
}
