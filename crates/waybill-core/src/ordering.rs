//! Ordering keys: which messages must have their effects in the order they were answered.
//!
//! A key is a hash, for the values it is made of may be personal. A message may carry several: a
//! merge has the survivor's and the prior patient's, so that nothing overtakes it on either side.
//! A message in which the value is missing falls back to one key of its source.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::hl7::Header;
use crate::source::{OrderBy, Source};

/// Ordering keys of one message.
pub const KEYS_MAX: usize = 64;

/// An ordering key as the ledger knows it: its hash. Prints nothing, for a hash of few digits can be
/// guessed back.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(i64);

impl Key {
    /// The key that the messages of `source` have for what a person typed: the value at the JSON
    /// pointer, the visit's number, or the patient as `ID^^^AUTHORITY` (CX, as PID-3 has it; without
    /// an authority where none is sent). `None`: its messages have no order.
    pub fn typed(source: &Source, text: &str) -> Option<Self> {
        let text = text.trim();
        let parts = match &source.order_by {
            OrderBy::None => return None,
            OrderBy::Source => Vec::new(),
            OrderBy::Visit | OrderBy::Json(_) => vec![text.to_owned()],
            OrderBy::Patient => {
                let mut components = text.split('^');
                let id = components.next().unwrap_or_default();
                vec![components.nth(2).unwrap_or_default().to_owned(), id.to_owned()]
            }
        };
        Some(Self(hash(&source.name, &parts)))
    }

    /// As the ledger holds it.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// Out of the ledger.
    pub const fn from_i64(key: i64) -> Self {
        Self(key)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A body, as far as ordering needs to know it.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// An HL7 message.
    Hl7(&'a Header<'a>),
    /// A well-formed JSON text.
    Json(&'a [u8]),
    /// Anything else.
    Opaque,
}

/// The ordering keys of a message: sorted, without repeats; empty when the source has no order.
pub fn keys(source: &Source, content: Content<'_>) -> Vec<i64> {
    let values: Vec<Vec<String>> = match (&source.order_by, content) {
        (OrderBy::None, _) => return Vec::new(),
        (OrderBy::Patient, Content::Hl7(header)) => header
            .patient_key()
            .into_iter()
            .chain(header.surviving_patients())
            .chain(header.merged_patients())
            .map(|patient| vec![patient.authority, patient.id])
            .collect(),
        (OrderBy::Visit, Content::Hl7(header)) => {
            header.visit_key().into_iter().map(|visit| vec![visit]).collect()
        }
        (OrderBy::Json(pointer), Content::Json(body)) => {
            at_pointer(body, pointer).into_iter().map(|value| vec![value]).collect()
        }
        _ => Vec::new(),
    };
    let mut keys: Vec<i64> = if values.is_empty() {
        vec![hash(&source.name, &[])]
    } else {
        values.iter().map(|parts| hash(&source.name, parts)).collect()
    };
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The text of the value at `pointer`: a number and the string of its digits are the same key.
pub(crate) fn at_pointer(body: &[u8], pointer: &str) -> Option<String> {
    let json: Value = serde_json::from_slice(body).ok()?;
    match json.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// 64 bits of a hash: two keys that met by chance would only wait for each other.
fn hash(source: &str, parts: &[String]) -> i64 {
    let mut hasher = Sha256::new();
    hasher.update(source.as_bytes());
    for part in parts {
        hasher.update([0]);
        hasher.update(part.as_bytes());
    }
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hasher.finalize()[..8]);
    i64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7::Message;
    use crate::source::read;

    fn source(format: &str, kind: &str, order_by: &str) -> Source {
        let text = format!(
            "[[source]]\nname = \"a\"\nformat = \"{format}\"\nkind = \"{kind}\"\norder_by = \"{order_by}\""
        );
        read(&text).unwrap().remove(0)
    }

    fn json_keys(body: &str) -> Vec<i64> {
        let source = source("json", "conditions-of-joining", "json:/id");
        keys(&source, Content::Json(body.as_bytes()))
    }

    fn hl7_keys(order_by: &str, segments: &str) -> Vec<i64> {
        let body = format!("MSH|^~\\&|A|B|C|D|20260310||ADT^A40|1|P|2.5\r{segments}");
        let message = Message::parse(body.as_bytes()).unwrap();
        let header = Header::read(message, "", "utf-8");
        keys(&source("hl7v2", "visit", order_by), Content::Hl7(&header))
    }

    #[test]
    fn a_number_and_its_digits_are_one_key_other_values_are_not() {
        assert_eq!(json_keys(r#"{"id": 12}"#), json_keys(r#"{"id": "12"}"#));
        assert_ne!(json_keys(r#"{"id": 12}"#), json_keys(r#"{"id": 13}"#));
    }

    #[test]
    fn without_a_value_the_source_is_the_key() {
        assert_eq!(json_keys("{}"), json_keys(r#"{"id": null}"#));
        assert_eq!(json_keys("{}").len(), 1);
        assert_eq!(hl7_keys("patient", "").len(), 1);
    }

    #[test]
    fn a_merge_carries_the_keys_of_both_patients() {
        let one = hl7_keys("patient", "PID|||1^^^X\r");
        let other = hl7_keys("patient", "PID|||2^^^X\r");
        let merge = hl7_keys("patient", "PID|||1^^^X\rMRG|2^^^X\r");
        assert_eq!(merge.len(), 2);
        assert!(merge.contains(&one[0]) && merge.contains(&other[0]));
    }

    #[test]
    fn patients_are_told_apart_by_their_authority() {
        assert_ne!(hl7_keys("patient", "PID|||1^^^X\r"), hl7_keys("patient", "PID|||1^^^Y\r"));
    }

    fn typed(format: &str, kind: &str, order_by: &str, text: &str) -> Option<i64> {
        Key::typed(&source(format, kind, order_by), text).map(Key::as_i64)
    }

    #[test]
    fn what_a_person_types_is_the_key_that_the_message_has() {
        let json = |text| typed("json", "conditions-of-joining", "json:/id", text).unwrap();
        assert_eq!(json(" 12 "), json_keys(r#"{"id": 12}"#)[0]);
        let patient = |text| typed("hl7v2", "visit", "patient", text).unwrap();
        assert_eq!(patient("1^^^X"), hl7_keys("patient", "PID|||1^^^X\r")[0]);
        assert_eq!(patient("1^^^X^MR"), hl7_keys("patient", "PID|||1^^^X^MR\r")[0]);
        assert_eq!(patient("1"), hl7_keys("patient", "PID|||1\r")[0]);
        let visit = typed("hl7v2", "visit", "visit", "V-9").unwrap();
        assert_eq!(visit, hl7_keys("visit", &format!("PV1|{}V-9\r", "|".repeat(18)))[0]);
        assert_eq!(typed("hl7v2", "visit", "source", "x"), Some(hl7_keys("source", "PID|||1\r")[0]));
        assert_eq!(typed("json", "conditions-of-joining", "none", "x"), None);
    }

    #[test]
    fn no_order_no_keys() {
        assert!(hl7_keys("none", "PID|||1^^^X\r").is_empty());
        assert_eq!(hl7_keys("source", "PID|||1^^^X\r"), hl7_keys("source", "PID|||2^^^X\r"));
    }
}
