//! What was found wrong while reading: a code and a place each, never a value, and a limited number.

use serde::Serialize;

use super::parts;
use super::place::{Name, Place};
use crate::hl7::{Charset, Header, Separators};

/// How many are listed; one more says that there are more.
const WARNINGS_MAX: usize = 100;

/// What can be wrong with a message that is read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Code {
    /// Bytes that are not of the character set; they were read as ISO 8859-1, a NUL as U+FFFD.
    CharsetInvalid,
    /// A character set that cannot be read here; what is not ASCII is a guess.
    CharsetUnsupported,
    /// More list entries in the typed views than [`super::reader`] takes.
    ListTruncated,
    /// An MRG that no PID precedes, or that names no prior identifier.
    MergeIncomplete,
    /// Further warnings, the first of them here, are not listed.
    More,
    /// Not a whole number.
    NumberInvalid,
    /// Not a timestamp.
    TimestampInvalid,
    /// A local time that occurs twice.
    TzAmbiguous,
    /// No offset in the timestamp nor in MSH-7: the source's time zone was taken.
    TzDefaulted,
    /// A local time that never occurs.
    TzNonexistent,
}

/// The warnings of one message.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<(Code, Place)>);

impl Warnings {
    /// Adds one, or says that there are more.
    pub(super) fn add(&mut self, code: Code, at: Place) {
        match self.0.len() {
            ..WARNINGS_MAX => self.0.push((code, at)),
            WARNINGS_MAX => self.0.push((Code::More, at)),
            _ => {}
        }
    }

    /// Whether nothing more can be added.
    fn is_full(&self) -> bool {
        self.0.len() > WARNINGS_MAX
    }

    /// Finds what the character set of the message cannot account for.
    pub(super) fn look_at_text(&mut self, header: &Header<'_>) {
        let (message, charset) = (header.message(), header.charset());
        let body = message.body.get(message.msh().offset()..).unwrap_or_default();
        let msh = Place::segment(Name::of(b"MSH", 1), 1);
        if charset == Charset::Unsupported && !body.is_ascii() {
            self.add(Code::CharsetUnsupported, msh.field(18));
        }
        if is_valid(body, charset) {
            return;
        }
        let mut seen = std::collections::HashMap::new();
        for (position, segment) in message.segments().enumerate() {
            if self.is_full() {
                return;
            }
            let n = seen.entry(segment.id()).and_modify(|n| *n += 1).or_insert(1_usize);
            let place = Place::segment(Name::of(segment.id(), position + 1), *n);
            if !is_valid(segment.id(), charset) {
                self.add(Code::CharsetInvalid, place);
            }
            for field in parts::fields(segment).filter(|field| !is_valid(field.raw, charset)) {
                self.look_at_field(field.raw, place.field(field.n), segment.separators(), charset);
            }
        }
    }

    fn look_at_field(&mut self, raw: &[u8], place: Place, separators: Separators, charset: Charset) {
        for (repetition, raw) in parts::split(raw, Some(separators.repetition)) {
            for (component, raw) in parts::split(raw, Some(separators.component)) {
                if self.is_full() {
                    return;
                }
                if !is_valid(raw, charset) {
                    self.add(Code::CharsetInvalid, Place { repetition, component, ..place });
                }
            }
        }
    }
}

/// Whether decoding `bytes` gives what the sender meant, as far as one can tell.
fn is_valid(bytes: &[u8], charset: Charset) -> bool {
    let fits = match charset {
        Charset::Utf8 | Charset::Unsupported => std::str::from_utf8(bytes).is_ok(),
        _ => true,
    };
    fits && !bytes.contains(&0)
}

impl Serialize for Warnings {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Warning {
            at: String,
            code: Code,
        }
        to.collect_seq(self.0.iter().map(|(code, at)| Warning { at: at.to_string(), code: *code }))
    }
}
