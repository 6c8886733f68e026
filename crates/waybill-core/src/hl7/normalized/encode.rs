//! From normalised JSON back to a message.
//!
//! Only `segments` are read: the views and warnings are drawn from them. What is written is UTF-8,
//! whatever MSH-18 says, so it is to be read with `charset=utf-8` from its media type. An error
//! names the place, never the value.

use serde_json::{Map, Value as Json};

use super::text::{NULL, escape};
use crate::hl7::{Separators, segment};

/// No message gets longer than this, in bytes: a field number is an easy way to ask for one.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why JSON is no normalised message: where, and what is wrong there. Never what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a normalised HL7 message: segments[{segment}], field {field}: {problem}")]
pub struct NotNormalized {
    /// Which element of `segments`, from 0.
    pub segment: usize,
    /// Which field, from 1; 0 when it is about the whole segment.
    pub field: usize,
    /// What is wrong, for the person who reads it.
    pub problem: &'static str,
}

/// Writes the message that `normalized` holds: UTF-8, each segment ended by CR.
///
/// Reading it again gives the same segments.
///
/// # Errors
/// When `normalized` has not the shape, or holds what no message with its separators can.
pub fn from_normalized(normalized: &Json) -> Result<Vec<u8>, NotNormalized> {
    let refuse = |segment, field, problem| NotNormalized { segment, field, problem };
    let segments = normalized.get("segments").and_then(Json::as_array);
    let segments = segments.ok_or(refuse(0, 0, "there is no list of segments"))?;
    let first = segments.first().ok_or(refuse(0, 0, "the list of segments is empty"))?;
    let (head, separators) = head(first).map_err(|problem| refuse(0, 0, problem))?;
    let mut writer = Writer { out: head, separators, field: 0 };
    for (n, segment) in segments.iter().enumerate() {
        writer.field = 0;
        writer.segment(n, segment).map_err(|problem| refuse(n, writer.field, problem))?;
    }
    Ok(writer.out)
}

/// What a message begins with, and the separators that this declares.
fn head(msh: &Json) -> Result<(Vec<u8>, Separators), &'static str> {
    let own = |n: &str| msh.get("f")?.get(n)?.get(0)?.get("1")?.as_str();
    if msh.get("id").and_then(Json::as_str) != Some("MSH") {
        return Err("the first segment is not MSH");
    }
    let (Some(one), Some(two)) = (own("1"), own("2")) else {
        return Err("MSH-1 or MSH-2 is missing: they say how the message separates");
    };
    let whole = format!("MSH{one}{two}{one}").into_bytes();
    let separators = Separators::read(&whole).map_err(|(_, problem)| problem)?;
    if one.len() != 1 || two.contains([char::from(separators.field), '\r', '\n']) {
        return Err("MSH-1 is not one sign, or MSH-2 holds what would end it");
    }
    Ok((format!("MSH{one}{two}").into_bytes(), separators))
}

struct Writer {
    out: Vec<u8>,
    separators: Separators,
    field: usize,
}

type Written = Result<(), &'static str>;

impl Writer {
    fn segment(&mut self, n: usize, segment: &Json) -> Written {
        let id = segment.get("id").and_then(Json::as_str).ok_or("the segment has no id")?;
        let fields = segment.get("f").and_then(Json::as_object).ok_or("the segment has no fields object")?;
        let begin = self.out.len();
        let mut at = 2;
        if n > 0 {
            if id.contains(['\r', '\n', char::from(self.separators.field)])
                || id.starts_with(['\u{b}', '\u{1c}'])
            {
                return Err("the id holds what would end it");
            }
            self.out.extend(id.bytes());
            at = 0;
        }
        for (n, field) in numbered(fields)? {
            if at == 2 && n <= 2 {
                continue;
            }
            self.field = n;
            self.fill(n - at, self.separators.field)?;
            at = n;
            self.field(field)?;
        }
        // an empty line is no segment, and these bytes at the end of one are MLLP's
        if matches!(self.out.get(begin..), Some([] | [.., 0x0B | 0x1C])) {
            self.out.push(self.separators.field);
        }
        if n > 0 && segment::is_header_line(self.out.get(begin..).unwrap_or_default(), "MSH") {
            return Err("a second MSH: a body holds exactly one message");
        }
        self.out.push(b'\r');
        Ok(())
    }

    fn field(&mut self, field: &Json) -> Written {
        let repetitions = field.as_array().ok_or("a field is a list of repetitions")?;
        for (n, repetition) in repetitions.iter().enumerate() {
            self.fill(usize::from(n > 0), self.separators.repetition)?;
            let components = repetition.as_object().ok_or("a repetition is an object by component")?;
            self.parts(components, Some(self.separators.component), &mut Self::component)?;
        }
        Ok(())
    }

    fn component(&mut self, component: &Json) -> Written {
        match component {
            Json::Object(parts) => self.parts(parts, self.separators.subcomponent, &mut Self::text),
            _ => self.text(component),
        }
    }

    fn text(&mut self, text: &Json) -> Written {
        let written = match text {
            Json::Null => Some(NULL.to_owned()),
            Json::String(text) => escape(text, &self.separators),
            _ => return Err("a value is a text or null"),
        };
        self.out.extend(written.ok_or("a value cannot be written with these separators")?.bytes());
        Ok(())
    }

    fn parts(
        &mut self,
        parts: &Map<String, Json>,
        separator: Option<u8>,
        write: &mut dyn FnMut(&mut Self, &Json) -> Written,
    ) -> Written {
        let mut at = 1;
        for (n, part) in numbered(parts)? {
            if n > at {
                self.fill(n - at, separator.ok_or("MSH-2 declares no separator for this part")?)?;
            }
            at = n;
            write(self, part)?;
        }
        Ok(())
    }

    fn fill(&mut self, times: usize, separator: u8) -> Written {
        if times > MESSAGE_BYTES_MAX.saturating_sub(self.out.len()) {
            return Err("the message becomes too long");
        }
        self.out.resize(self.out.len() + times, separator);
        Ok(())
    }
}

/// The members by number, in their order.
fn numbered(parts: &Map<String, Json>) -> Result<Vec<(usize, &Json)>, &'static str> {
    let number = |key: &str| {
        let plain = key.bytes().all(|digit| digit.is_ascii_digit()) && !key.starts_with('0');
        key.parse::<usize>().ok().filter(|_| plain)
    };
    let mut list = Vec::with_capacity(parts.len());
    for (key, part) in parts {
        list.push((number(key).ok_or("a key is not a number from 1")?, part));
    }
    list.sort_unstable_by_key(|(n, _)| *n);
    Ok(list)
}
