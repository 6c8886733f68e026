//! The segments of a message as JSON: ordered, and without loss.
//!
//! Written straight from the bytes, part by part: no tree is built, however many parts a hostile
//! body has. What is absent has no key; trailing empty parts, which HL7 gives no meaning to, are
//! not kept. Keys are sorted as text, as RFC 8785 wants: `10` comes before `2`.

use std::collections::HashMap;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use super::parts::{self, Token};
use super::text::{is_null, unescape};
use crate::hl7::{Charset, Header, Segment, Separators};

/// Every segment, in its order.
pub(super) struct Segments<'a>(pub Header<'a>);

impl Serialize for Segments<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (message, charset) = (self.0.message(), self.0.charset());
        let mut seen = HashMap::new();
        let mut list = to.serialize_seq(None)?;
        for segment in message.segments() {
            let n = seen.entry(segment.id()).and_modify(|n| *n += 1).or_insert(1_usize);
            list.serialize_element(&Line { segment, n: *n, charset })?;
        }
        list.end()
    }
}

struct Line<'a> {
    segment: Segment<'a>,
    n: usize,
    charset: Charset,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut line = to.serialize_map(Some(3))?;
        line.serialize_entry("f", &Fields(self))?;
        line.serialize_entry("id", &self.charset.decode(self.segment.id()))?;
        line.serialize_entry("n", &self.n)?;
        line.end()
    }
}

struct Fields<'a>(&'a Line<'a>);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Line { segment, charset, .. } = *self.0;
        let separators = segment.separators();
        let within = [Some(separators.component), separators.subcomponent];
        let fields = parts::fields(segment)
            .filter(|token| token.literal || parts::has_content(token.raw, within))
            .map(|token| (token.n, Value { raw: token.raw, separators, charset, level: Level::of(token) }));
        write_sorted(to, fields)
    }
}

/// How far down a part is.
#[derive(Clone, Copy)]
enum Level {
    Literal,
    Field,
    Repetition,
    Component,
    Subcomponent,
}

impl Level {
    fn of(token: Token<'_>) -> Self {
        if token.literal { Self::Literal } else { Self::Field }
    }
}

/// A part with content.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    raw: &'a [u8],
    separators: Separators,
    charset: Charset,
    level: Level,
}

impl<'a> Value<'a> {
    /// One repetition, as it stands in `f`: an object by component.
    pub(super) fn repetition(raw: &'a [u8], separators: Separators, charset: Charset) -> Self {
        Self { raw, separators, charset, level: Level::Repetition }
    }

    fn text(self) -> Option<std::borrow::Cow<'a, str>> {
        (!is_null(self.raw)).then(|| unescape(self.raw, &self.separators, self.charset))
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Separators { component, subcomponent, repetition, .. } = self.separators;
        let at = |raw, level| Self { raw, level, ..*self };
        match self.level {
            Level::Literal => {
                let text = self.charset.decode(self.raw);
                to.collect_seq([HashMap::from([("1", text)])])
            }
            Level::Field => {
                let all = self.raw.split(|&byte| byte == repetition);
                to.collect_seq(all.map(|raw| at(raw, Level::Repetition)))
            }
            Level::Repetition => {
                let parts = parts::split(self.raw, Some(component))
                    .filter(|(_, raw)| parts::has_content(raw, [subcomponent, None]))
                    .map(|(n, raw)| (n, at(raw, Level::Component)));
                write_sorted(to, parts)
            }
            Level::Component => {
                let mut parts = parts::split(self.raw, subcomponent).peekable();
                match (parts.next(), parts.peek()) {
                    (Some((1, raw)), None) => at(raw, Level::Subcomponent).serialize(to),
                    (first, _) => {
                        let all = first.into_iter().chain(parts);
                        write_sorted(to, all.map(|(n, raw)| (n, at(raw, Level::Subcomponent))))
                    }
                }
            }
            Level::Subcomponent => self.text().serialize(to),
        }
    }
}

/// An object whose keys are numbers, sorted as text.
fn write_sorted<S: Serializer, T: Serialize>(
    to: S,
    parts: impl Iterator<Item = (usize, T)>,
) -> Result<S::Ok, S::Error> {
    let mut parts: Vec<(usize, T)> = parts.collect();
    if parts.last().is_some_and(|(n, _)| *n > 9) {
        parts.sort_unstable_by_key(|(n, _)| as_text(*n));
    }
    to.collect_map(parts)
}

/// Orders numbers as their decimal digits do as text: by the digits padded with zeros to the
/// right, then by how many there are.
fn as_text(n: usize) -> (u128, u32) {
    let digits = n.checked_ilog10().unwrap_or_default() + 1;
    (n as u128 * 10_u128.pow(20_u32.saturating_sub(digits)), digits)
}

#[cfg(test)]
mod tests {
    use super::{Segments, as_text};
    use crate::hl7::{Header, Message};

    /// The `f` of a segment that is written after a usual MSH.
    fn check(line: &str, expected: &str) {
        let body = format!("MSH|^~\\&|A\r{line}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused") };
        let segments = serde_json::to_value(Segments(Header::read(message, "", "utf-8"))).unwrap();
        assert_eq!(segments[1]["f"].to_string(), expected, "{line}");
    }

    #[test]
    fn every_part_has_its_place() {
        check("PID|1||42^^^A~43", r#"{"1":[{"1":"1"}],"3":[{"1":"42","4":"A"},{"1":"43"}]}"#);
        check("PID|a&b^c", r#"{"1":[{"1":{"1":"a","2":"b"},"2":"c"}]}"#);
        check("PID|~x~", r#"{"1":[{},{"1":"x"},{}]}"#);
        check(r"PID|R\T\D\.br\", r#"{"1":[{"1":"R&D\\.br\\"}]}"#);
    }

    #[test]
    fn null_is_null_and_absent_is_absent() {
        check(
            "PID|\"\"|^\"\"|\"\"&x|\"\" |",
            r#"{"1":[{"1":null}],"2":[{"2":null}],"3":[{"1":{"1":null,"2":"x"}}],"4":[{"1":null}]}"#,
        );
    }

    #[test]
    fn trailing_empty_parts_are_not_kept() {
        check("PID|^^|&|a&^b&&||", r#"{"3":[{"1":"a","2":"b"}]}"#);
        check("PID|&b", r#"{"1":[{"1":{"2":"b"}}]}"#);
        check("PID", "{}");
    }

    #[test]
    fn keys_are_sorted_as_text() {
        let mut numbers: Vec<usize> = (1..=1_234).chain([9_999_999, 10_000_000]).collect();
        numbers.sort_unstable_by_key(|&n| as_text(n));
        let mut texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let sorted = texts.clone();
        texts.sort_unstable();
        assert_eq!(sorted, texts);
    }
}
