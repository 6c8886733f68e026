//! What an edit changed: for the ledger as a unified difference, for eyes without a reason as places.
//!
//! The unified difference holds lines of both bodies and is as sensitive as they are. The places
//! (segments and fields, JSON pointers, positions of bytes) never hold a value.

mod json;
mod lines;
mod script;

pub use lines::unified;
pub(crate) use script::{Step, script};

use crate::hl7::Message;
use crate::hl7::normalized::changed_places;
use crate::source::Format;

/// Places named; what is beyond is counted.
const PLACES_MAX: usize = 100;

/// Where two bodies of this format differ, in words; empty when they are the same.
pub fn places(format: Format, old: &[u8], new: &[u8]) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let found = match format {
        Format::Hl7v2 => match (Message::parse(old), Message::parse(new)) {
            (Ok(old), Ok(new)) => Some(changed_places(&old, &new)),
            _ => None,
        },
        Format::Json | Format::CloudEvents => json::changed(old, new),
        Format::Opaque => None,
    };
    let mut places = found.unwrap_or_else(|| vec![bytes(old, new)]);
    if places.is_empty() {
        places.push("only what has no meaning: line ends, white space, or how a value is written".to_owned());
    }
    if places.len() > PLACES_MAX {
        let more = places.len() - PLACES_MAX;
        places.truncate(PLACES_MAX);
        places.push(format!("and {more} more"));
    }
    places
}

/// The stretch that differs, counted from 0, the end not included.
fn bytes(old: &[u8], new: &[u8]) -> String {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (rest, now) = (&old[start..], &new[start..]);
    let same = rest.iter().rev().zip(now.iter().rev()).take_while(|(a, b)| a == b).count();
    format!(
        "bytes {start} to {} of {}, now {start} to {} of {}",
        old.len() - same,
        old.len(),
        new.len() - same,
        new.len()
    )
}

#[cfg(test)]
mod tests {
    use super::{PLACES_MAX, places};
    use crate::source::Format;

    fn check(format: Format, old: &str, new: &str, wanted: &[&str]) {
        assert_eq!(places(format, old.as_bytes(), new.as_bytes()), wanted, "{old} {new}");
    }

    #[test]
    fn places_are_named_and_values_never() {
        check(Format::Opaque, "abc", "abc", &[]);
        check(Format::Opaque, "abcdef", "abzzzef", &["bytes 2 to 4 of 6, now 2 to 5 of 7"]);
        check(Format::Opaque, "aa", "a", &["bytes 1 to 2 of 2, now 1 to 1 of 1"]);
        check(Format::Json, r#"{"a": 1}"#, r#"{"a": 2}"#, &["/a changed"]);
        check(Format::CloudEvents, "an event", "An event", &["bytes 0 to 1 of 8, now 0 to 1 of 8"]);
        let same = "only what has no meaning: line ends, white space, or how a value is written";
        check(Format::Json, r#"{"a": 1}"#, r#"{"a":1}"#, &[same]);
    }

    #[test]
    fn not_more_places_are_named_than_a_person_reads() {
        let old = format!("[{}0]", "1,".repeat(500));
        let found = places(Format::Json, old.as_bytes(), old.replace('1', "2").as_bytes());
        assert_eq!((found.len(), found[PLACES_MAX].as_str()), (PLACES_MAX + 1, "and 400 more"));
    }
}
