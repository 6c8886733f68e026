//! Splitting a body into its items, by position and without a copy.
//!
//! What cannot be split is refused by position, and names the item at which reading ended, where
//! there is one. Never more than [`super::ITEMS_MAX`] items are held.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{BatchRefusal, ITEMS_MAX};
use crate::accept::{HL7_MEDIA_TYPES, Refusal, check_json_at, not_json};
use crate::hl7::{Batch, NotABatch};
use crate::source::Format;

/// The form of a batch, as its media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON array.
    Array,
    /// A JSON text on each line.
    Lines,
    /// HL7 messages, with FHS and BHS or without.
    Hl7,
}

/// The items of a batch, in their order. Has no `Debug`: it holds bodies.
pub struct Items<'a> {
    /// Each item's bytes, as they stand in the batch.
    pub bodies: Vec<&'a [u8]>,
    /// Each item's media type.
    pub content_type: &'a str,
    /// The batch that is to be answered.
    pub hl7: Option<Batch<'a>>,
}

impl Form {
    /// The form that a source of `format` posts under this media type.
    ///
    /// # Errors
    /// When it takes no such batch.
    pub fn of(format: Format, content_type: &str) -> Result<Self, Refusal> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let essence = essence.as_str();
        let is_lines = matches!(essence, "application/x-ndjson" | "application/ndjson" | "application/jsonl");
        match format {
            Format::Json | Format::CloudEvents if is_lines => Ok(Self::Lines),
            Format::Json if essence == "application/json" => Ok(Self::Array),
            Format::Json => Err(Refusal::MediaType(
                "a batch for this source is application/json (an array) or application/x-ndjson",
            )),
            Format::CloudEvents if essence == "application/cloudevents-batch+json" => Ok(Self::Array),
            Format::CloudEvents => Err(Refusal::MediaType(
                "a batch for this source is application/cloudevents-batch+json or application/x-ndjson",
            )),
            Format::Hl7v2 if HL7_MEDIA_TYPES.contains(&essence) => Ok(Self::Hl7),
            Format::Hl7v2 => Err(Refusal::MediaType(
                "a batch for this source is application/hl7-v2+er7, x-application/hl7-v2+er7 or application/hl7-v2",
            )),
            Format::Opaque => {
                Err(Refusal::MediaType("this source is opaque: its bodies cannot be told apart in a batch"))
            }
        }
    }

    /// Splits `body`, which came as `content_type` for a source of `format`.
    ///
    /// # Errors
    /// Where it cannot be split, or that it holds too many items.
    pub fn split<'a>(
        self,
        format: Format,
        content_type: &'a str,
        body: &'a [u8],
    ) -> Result<Items<'a>, BatchRefusal> {
        let json =
            if format == Format::CloudEvents { "application/cloudevents+json" } else { "application/json" };
        match self {
            Self::Array => Ok(Items { bodies: array(body)?, content_type: json, hl7: None }),
            Self::Lines => Ok(Items { bodies: lines(body)?, content_type: json, hl7: None }),
            Self::Hl7 => {
                let batch = Batch::parse(body, ITEMS_MAX).map_err(|why| not_a_batch(&why))?;
                Ok(Items { bodies: batch.messages().collect(), content_type, hl7: Some(batch) })
            }
        }
    }
}

fn not_a_batch(why: &NotABatch) -> BatchRefusal {
    let text = why.to_string();
    match why {
        NotABatch::TooMany => BatchRefusal::TooMany,
        NotABatch::Fault { .. } => BatchRefusal::Batch(Refusal::Malformed(text)),
        NotABatch::Message { item, .. } => BatchRefusal::Item(*item, Refusal::Malformed(text)),
    }
}

/// The elements of a JSON array, each as it stands there.
fn array(body: &[u8]) -> Result<Vec<&[u8]>, BatchRefusal> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let begin = body.iter().take_while(|byte| is_space(byte)).count();
    if body.get(begin) != Some(&b'[') {
        let text = format!("not a JSON array: '[' is expected at byte {begin}");
        return Err(BatchRefusal::Batch(Refusal::Malformed(text)));
    }
    let mut elements = Vec::new();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = reader.deserialize_seq(Elements(&mut elements));
    if elements.len() > ITEMS_MAX {
        return Err(BatchRefusal::TooMany);
    }
    read.map_err(|error| BatchRefusal::Item(elements.len(), not_json(&error, 0)))?;
    reader.end().map_err(|error| BatchRefusal::Batch(not_json(&error, 0)))?;
    Ok(elements)
}

/// Gathers the elements of an array; those before a fault stay gathered.
struct Elements<'v, 'a>(&'v mut Vec<&'a [u8]>);

impl<'de> Visitor<'de> for Elements<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&'de RawValue>()? {
            self.0.push(element.get().as_bytes());
            if self.0.len() > ITEMS_MAX {
                return Err(A::Error::custom("too many"));
            }
        }
        Ok(())
    }
}

/// The lines that are not blank, without their ends; each must be a JSON text. Blank lines are no
/// items and have no index.
fn lines(body: &[u8]) -> Result<Vec<&[u8]>, BatchRefusal> {
    let mut items = Vec::new();
    let mut begin = 0;
    for (number, whole) in body.split(|&byte| byte == b'\n').enumerate() {
        let line = whole.strip_suffix(b"\r").unwrap_or(whole);
        if !line.trim_ascii().is_empty() {
            if items.len() == ITEMS_MAX {
                return Err(BatchRefusal::TooMany);
            }
            check_json_at(line, number, begin).map_err(|refusal| BatchRefusal::Item(items.len(), refusal))?;
            items.push(line);
        }
        begin += whole.len() + 1;
    }
    Ok(items)
}
