//! A message taken apart: lines into fields, fields into repetitions, and so on down.
//!
//! Each step walks over the bytes once, so that taking a whole message apart is linear in it. Parts
//! without content are passed over: their numbers say that they are there.

use crate::hl7::{Segment, Separators};

/// A field: its number, its bytes, and whether it is one of the two that are never split.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub n: usize,
    pub raw: &'a [u8],
    pub literal: bool,
}

/// The fields of a segment that have content, in their order.
///
/// In MSH the separator itself is field 1, and field 2 is never split (HL7 2.5.1, 2.15.9).
pub(super) fn fields(segment: Segment<'_>) -> impl Iterator<Item = Token<'_>> {
    let header = segment.is("MSH");
    let tokens = segment.fields().zip(1..).map(move |(field, n)| Token {
        n,
        raw: field.raw(),
        literal: header && n <= 2,
    });
    tokens.filter(|token| !token.raw.is_empty())
}

/// The parts of `raw` that have content, numbered from 1; all of it where nothing separates.
pub(super) fn split(raw: &[u8], separator: Option<u8>) -> impl Iterator<Item = (usize, &[u8])> {
    let parts = raw.split(move |&byte| Some(byte) == separator);
    parts.enumerate().map(|(n, part)| (n + 1, part)).filter(|(_, part)| !part.is_empty())
}

/// `raw` without the separators behind its last content, which mean nothing.
pub(super) fn without_trailing<'a>(raw: &'a [u8], separators: &Separators) -> &'a [u8] {
    let signs = [Some(separators.component), separators.subcomponent];
    let end = raw.iter().rposition(|&byte| !signs.contains(&Some(byte))).map_or(0, |last| last + 1);
    raw.get(..end).unwrap_or_default()
}

/// Whether a part that separators divide has any content.
pub(super) fn has_content(raw: &[u8], separators: [Option<u8>; 2]) -> bool {
    raw.iter().any(|&byte| !separators.contains(&Some(byte)))
}

#[cfg(test)]
mod tests {
    use super::{fields, split};
    use crate::hl7::Message;

    #[test]
    fn fields_are_those_that_the_segment_gives_by_number() {
        let body = b"\x0bMSH|^~\\&|APP||X~Y\r\n\x0bPID|||42^A|\x1c\rZ\n|a\rMSH\r";
        let Ok(message) = Message::parse(body) else { unreachable!("refused") };
        let mut seen = 0;
        for segment in message.segments() {
            for token in fields(segment) {
                assert_eq!(segment.field(token.n).raw(), token.raw);
                seen += 1;
            }
            for n in 1..9 {
                let found = fields(segment).any(|token| token.n == n);
                assert_eq!(found, !segment.field(n).raw().is_empty(), "{segment:?}-{n}");
            }
        }
        assert_eq!(seen, 4 + 1 + 1);
    }

    #[test]
    fn parts_without_content_are_passed_over() {
        let parts: Vec<_> = split(b"^A^^B^", Some(b'^')).collect();
        assert_eq!(parts, [(2, &b"A"[..]), (4, b"B")]);
        assert_eq!(split(b"a&b", None).collect::<Vec<_>>(), [(1, &b"a&b"[..])]);
    }
}
