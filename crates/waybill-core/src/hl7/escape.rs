//! Escape sequences: how a value may hold the separators of its message (HL7 2.5.1, 2.7).
//!
//! Reading never fails: what is unknown, unterminated or about formatting (`\.br\`, `\H\`) stays
//! as it was sent.

use std::borrow::Cow;

use super::Separators;
use super::split::Split;

/// A value with its escape sequences replaced by what they stand for.
pub(super) fn decode<'a>(raw: &'a [u8], separators: &Separators) -> Cow<'a, [u8]> {
    let Some(mark) = separators.escape.filter(|&mark| memchr::memchr(mark, raw).is_some()) else {
        return Cow::Borrowed(raw);
    };
    let mut text = Vec::with_capacity(raw.len());
    let mut parts = Split::new(raw, Some(mark));
    text.extend(parts.next().unwrap_or_default());
    while let Some(inside) = parts.next() {
        let after = parts.next();
        if after.is_none() || !write_meaning(inside, separators, &mut text) {
            text.push(mark);
            text.extend(inside);
            text.extend(after.map(|_| mark));
        }
        text.extend(after.unwrap_or_default());
    }
    Cow::Owned(text)
}

/// A value written so that it can stand in a field: separators as sequences, control bytes as
/// hexadecimal ones. Where the message declares no escape character they become blanks.
pub(super) fn encode(text: &[u8], separators: &Separators) -> Vec<u8> {
    let mut raw = Vec::with_capacity(text.len());
    for &byte in text {
        let code = code(byte, separators);
        match (separators.escape, code) {
            (Some(mark), Some(code)) => raw.extend([mark, code, mark]),
            (Some(mark), None) if byte.is_ascii_control() => {
                raw.extend([mark, b'X', hex(byte >> 4), hex(byte & 15), mark]);
            }
            (None, code) if code.is_some() || byte.is_ascii_control() => raw.push(b' '),
            _ => raw.push(byte),
        }
    }
    raw
}

/// The letter that stands for a separator.
fn code(byte: u8, separators: &Separators) -> Option<u8> {
    let is = |sign: Option<u8>| sign == Some(byte);
    match byte {
        _ if byte == separators.field => Some(b'F'),
        _ if byte == separators.component => Some(b'S'),
        _ if byte == separators.repetition => Some(b'R'),
        _ if is(separators.subcomponent) => Some(b'T'),
        _ if is(separators.escape) => Some(b'E'),
        _ if is(separators.truncation) => Some(b'P'),
        _ => None,
    }
}

/// Writes what a sequence stands for, given what is between its two marks; whether it is known.
fn write_meaning(inside: &[u8], separators: &Separators, text: &mut Vec<u8>) -> bool {
    let sign = match inside {
        b"F" => Some(separators.field),
        b"S" => Some(separators.component),
        b"R" => Some(separators.repetition),
        b"T" => separators.subcomponent,
        b"E" => separators.escape,
        b"P" => separators.truncation,
        [b'X', digits @ ..] if !digits.is_empty() => return write_unhexed(digits, text),
        _ => None,
    };
    text.extend(sign);
    sign.is_some()
}

/// Writes the bytes of pairs of digits, all of them or none; whether they are that.
fn write_unhexed(digits: &[u8], text: &mut Vec<u8>) -> bool {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let before = text.len();
    for pair in digits.chunks(2) {
        let byte = match *pair {
            [high, low] => digit(high).zip(digit(low)),
            _ => None,
        };
        let Some((high, low)) = byte else {
            text.truncate(before);
            return false;
        };
        text.push(high << 4 | low);
    }
    true
}

fn hex(nibble: u8) -> u8 {
    *b"0123456789ABCDEF".get(usize::from(nibble)).unwrap_or(&b'0')
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::hl7::Separators;

    fn separators(msh: &[u8]) -> Separators {
        let Ok(separators) = Separators::read(msh) else { unreachable!("refused") };
        separators
    }

    fn check(raw: &str, expected: &str) {
        let text = decode(raw.as_bytes(), &separators(b"MSH|^~\\&#|"));
        assert_eq!(String::from_utf8_lossy(&text), expected, "{raw}");
    }

    #[test]
    fn sequences_are_replaced() {
        check(r"a\F\b\S\c\T\d\R\e\E\f\P\g", r"a|b^c&d~e\f#g");
        check(r"\X41\\X0d0a\", "A\r\n");
        check(r"\Xc3A9\t\Xc3A9\", "été");
        check(r"\E\\E\", r"\\");
    }

    #[test]
    fn what_is_not_understood_stays() {
        for raw in [
            r"plain",
            r"\",
            r"a\",
            r"a\F",
            r"\.br\",
            r"\H\bold\N\",
            r"\Zxx\",
            r"\C2842\",
            r"\X\",
            r"\X4\",
            r"\XG0\",
            r"\\",
            r"\\T\\",
            r"\f\",
            r"C:\dir\file",
            r"\é\",
        ] {
            check(raw, raw);
        }
    }

    #[test]
    fn without_an_escape_character_nothing_is_decoded() {
        let few = separators(b"MSH|^~|");
        assert_eq!(&*decode(br"a\F\b", &few), br"a\F\b");
        assert_eq!(encode(b"a|b^c\rd", &few), b"a b c d");
    }

    #[test]
    fn encoding_and_decoding_meet() {
        let texts: Vec<Vec<u8>> = vec![
            (0..=255).collect(),
            (0..=255).rev().collect(),
            br"|^~\&#\F\ \X41\".to_vec(),
            "né\r\nMSH|^~\\&|".as_bytes().to_vec(),
        ];
        for msh in [&b"MSH|^~\\&|"[..], b"MSH|^~\\&#|", b"MSH!@/%*!", b"MSH|^~}|"] {
            let declared = separators(msh);
            for text in &texts {
                let raw = encode(text, &declared);
                assert!(!raw.iter().any(u8::is_ascii_control), "{raw:?}");
                assert!(!raw.contains(&declared.field) && !raw.contains(&declared.component));
                assert_eq!(&*decode(&raw, &declared), text.as_slice());
            }
        }
    }
}
