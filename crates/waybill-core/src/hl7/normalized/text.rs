//! Values: from how they are written in a message to plain text, and back.
//!
//! What stands for a separator is replaced, so are hexadecimal sequences that are text. What says
//! how to show a value (`\.br\`, `\H\`), switches its character set, or marks a truncation (`\P\`)
//! is no text and stays as sent. In a value where a plain escape character could then be taken for
//! the mark of such a sequence, it stays `\E\`. So [`escape`] can undo [`unescape`], always.

use std::borrow::Cow;

use crate::hl7::{Charset, Separators, Value};

/// HL7's null value, as it is written (HL7 2.5.1, 2.5.3).
pub(super) const NULL: &str = "\"\"";

/// Whether `raw` is the null value; blanks behind it mean nothing.
pub(super) fn is_null(raw: &[u8]) -> bool {
    raw.trim_ascii_end() == NULL.as_bytes()
}

/// The text of `raw`. Nothing is trimmed. Takes time linear in its length.
pub(super) fn unescape<'a>(raw: &'a [u8], separators: &Separators, charset: Charset) -> Cow<'a, str> {
    let text = charset.decode(raw);
    let Some(mark) = separators.escape.map(char::from).filter(|&mark| text.contains(mark)) else {
        return text;
    };
    let reading = Reading { mark, separators, charset };
    let (plain, keeps) = reading.replaced(&text, true);
    let doubtful = keeps || has_sequences(&plain, mark);
    Cow::Owned(if doubtful { reading.replaced(&text, false).0 } else { plain })
}

/// The text of `raw` by state, without trailing blanks.
pub(super) fn value<'a>(raw: &'a [u8], separators: &Separators, charset: Charset) -> Value<Cow<'a, str>> {
    if is_null(raw) {
        return Value::Null;
    }
    let text = unescape(raw, separators, charset);
    let kept = text.trim_ascii_end();
    match kept {
        "" => Value::Absent,
        _ if kept.len() == text.len() => Value::Present(text),
        _ => Value::Present(Cow::Owned(kept.to_owned())),
    }
}

/// `text` as it is written in a message with these separators; `None` when it cannot be, for want
/// of an escape character or because its own escape characters cannot be told from sequences.
pub(super) fn escape(text: &str, separators: &Separators) -> Option<String> {
    let mark = separators.escape.map(char::from);
    if let Some(blanks) = text.strip_prefix(NULL).filter(|blanks| blanks.trim_ascii().is_empty()) {
        let (mark, blanks) = (mark?, escape(blanks, separators)?);
        return Some(format!("{mark}X22{mark}{mark}X22{mark}{blanks}"));
    }
    let keeps_marks = mark.is_some_and(|mark| has_sequences(text, mark));
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match (code(c, separators), mark) {
            (Some("E"), _) if keeps_marks => written.push(c),
            (Some(code), Some(mark)) => {
                written.extend([mark.encode_utf8(&mut [0; 4]), code, mark.encode_utf8(&mut [0; 4])]);
            }
            (Some(_), None) => return None,
            (None, _) => written.push(c),
        }
    }
    let undone = !keeps_marks || unescape(written.as_bytes(), separators, Charset::Utf8) == text;
    undone.then_some(written)
}

/// A text cut at the escape character.
enum Piece<'a> {
    /// Outside of sequences; may be empty.
    Text(&'a str),
    /// Between two marks.
    Sequence(&'a str),
    /// After a mark that nothing closes.
    Open(&'a str),
}

fn pieces(text: &str, mark: char) -> impl Iterator<Item = Piece<'_>> {
    let mut parts = text.split(mark).enumerate().peekable();
    std::iter::from_fn(move || {
        let (n, part) = parts.next()?;
        Some(match (n % 2, parts.peek()) {
            (0, _) => Piece::Text(part),
            (_, Some(_)) => Piece::Sequence(part),
            (_, None) => Piece::Open(part),
        })
    })
}

/// Whether anything in `text` is an escape sequence of the standard.
fn has_sequences(text: &str, mark: char) -> bool {
    text.contains(mark)
        && pieces(text, mark).any(|piece| matches!(piece, Piece::Sequence(inside) if is_sequence(inside)))
}

/// HL7 2.5.1, 2.7: separators, highlighting, formatting, hexadecimal, local, character sets.
fn is_sequence(inside: &str) -> bool {
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    match inside.as_bytes() {
        [b'E' | b'F' | b'S' | b'T' | b'R' | b'P' | b'H' | b'N'] | [b'Z', _, ..] => true,
        [b'.', rest @ ..] => rest.iter().take(2).filter(|byte| byte.is_ascii_lowercase()).count() == 2,
        [b'X', _, ..] | [b'C' | b'M', _, _, _, _] | [b'M', _, _, _, _, _, _] => is_hex(&inside[1..]),
        _ => false,
    }
}

/// How the sequences of one value are read.
struct Reading<'a> {
    mark: char,
    separators: &'a Separators,
    charset: Charset,
}

impl Reading<'_> {
    /// `text` with its sequences replaced, those that stand for the mark only when `marks` says so;
    /// and whether sequences are left.
    fn replaced(&self, text: &str, marks: bool) -> (String, bool) {
        let (mut out, mut keeps) = (String::with_capacity(text.len()), false);
        // neighbours are read together: a character may take several of them
        let (mut bytes, mut sent) = (Vec::new(), String::new());
        for piece in pieces(text, self.mark) {
            match piece {
                Piece::Text("") => continue,
                Piece::Sequence(inside) if let Some(more) = unhex(inside) => {
                    bytes.extend(more);
                    self.as_sent(inside, &mut sent);
                    continue;
                }
                _ => keeps |= !self.flush(&mut bytes, &mut sent, marks, &mut out),
            }
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Sequence(inside) => match self.meaning(inside) {
                    Some(meant) if marks || meant != self.mark => out.push(meant),
                    _ => {
                        keeps |= is_sequence(inside);
                        self.as_sent(inside, &mut out);
                    }
                },
                Piece::Open(rest) => out.extend([self.mark.encode_utf8(&mut [0; 4]), rest]),
            }
        }
        keeps |= !self.flush(&mut bytes, &mut sent, marks, &mut out);
        (out, keeps)
    }

    fn as_sent(&self, inside: &str, out: &mut String) {
        out.push(self.mark);
        out.push_str(inside);
        out.push(self.mark);
    }

    /// Writes what hexadecimal sequences stand for, if that is text; else the sequences, and false.
    fn flush(&self, bytes: &mut Vec<u8>, sent: &mut String, marks: bool, out: &mut String) -> bool {
        let text = match self.charset {
            Charset::Utf8 | Charset::Unsupported => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
            _ => Some(self.charset.decode(bytes)),
        };
        let text = text.filter(|text| !bytes.contains(&0) && (marks || !text.contains(self.mark)));
        out.push_str(text.as_deref().unwrap_or(sent));
        let replaced = text.is_some();
        bytes.clear();
        sent.clear();
        replaced
    }

    fn meaning(&self, inside: &str) -> Option<char> {
        let sign = match inside {
            "F" => Some(self.separators.field),
            "S" => Some(self.separators.component),
            "R" => Some(self.separators.repetition),
            "T" => self.separators.subcomponent,
            "E" => self.separators.escape,
            _ => None,
        };
        sign.map(char::from)
    }
}

/// What must be written as a sequence, and how: separators, and what would end the segment.
fn code(c: char, separators: &Separators) -> Option<&'static str> {
    let is = |sign: u8| char::from(sign) == c;
    match c {
        '\r' => Some("X0D"),
        '\n' => Some("X0A"),
        _ if is(separators.field) => Some("F"),
        _ if is(separators.component) => Some("S"),
        _ if is(separators.repetition) => Some("R"),
        _ if separators.subcomponent.is_some_and(is) => Some("T"),
        _ if separators.escape.is_some_and(is) => Some("E"),
        _ => None,
    }
}

fn unhex(inside: &str) -> Option<Vec<u8>> {
    let digits = inside.strip_prefix('X').filter(|digits| !digits.is_empty())?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};
    use crate::hl7::{Charset, Separators};

    fn usual() -> Separators {
        let Ok(separators) = Separators::read(b"MSH|^~\\&#|") else { unreachable!("refused") };
        separators
    }

    /// `raw` is read as `text`, which is written as `written` and read as `text` again.
    fn check(raw: &str, text: &str, written: &str) {
        assert_eq!(unescape(raw.as_bytes(), &usual(), Charset::Utf8), text, "{raw}");
        assert_eq!(escape(text, &usual()).as_deref(), Some(written), "{raw}");
        assert_eq!(unescape(written.as_bytes(), &usual(), Charset::Utf8), text, "{raw}");
    }

    #[test]
    fn separators_and_hexadecimal_text_are_replaced() {
        check(r"R\T\D \F\\S\\R\ 1 ", "R&D |^~ 1 ", r"R\T\D \F\\S\\R\ 1 ");
        check(r"a\E\b", r"a\b", r"a\E\b");
        check(r"\X41\\X0d0a\", "A\r\n", r"A\X0D\\X0A\");
        check(r"\XC3\\XA9\t", "ét", "ét");
        check(r"\X5C\", r"\", r"\E\");
        check(r"\X2222\", "\"\"", r"\X22\\X22\");
        check("\\X2222\\ \t", "\"\" \t", "\\X22\\\\X22\\ \t");
    }

    #[test]
    fn what_is_no_text_stays() {
        for raw in [
            r"a\.br\b",
            r"\H\x\N\",
            r"\C2842\",
            r"\Zab\",
            r"\X00\",
            r"\XFF\",
            r"\XFF\\X41\",
            r"\P\",
            "A#",
            r"\.sp+3\",
        ] {
            check(raw, raw, raw);
        }
        check(r"\X00\\T\", r"\X00\&", r"\X00\\T\");
    }

    #[test]
    fn unknown_sequences_are_plain_marks() {
        check(r"C:\dir\file", r"C:\dir\file", r"C:\E\dir\E\file");
        check(r"C:\E\dir\E\file", r"C:\dir\file", r"C:\E\dir\E\file");
        check(r"a\", r"a\", r"a\E\");
        check(r"\X4\", r"\X4\", r"\X4\");
        check(r"\é\", r"\é\", r"\E\é\E\");
        check(r"\\", r"\\", r"\E\\E\");
    }

    #[test]
    fn a_plain_mark_is_never_taken_for_the_mark_of_a_sequence() {
        check(r"\E\.br\E\", r"\E\.br\E\", r"\E\.br\E\");
        check(r"a\E\b\.br\c", r"a\E\b\.br\c", r"a\E\b\.br\c");
        check(r"\E\F\E\", r"\E\F\E\", r"\E\F\E\");
        check(r"\X5C\.br\X5C\", r"\X5C\.br\X5C\", r"\X5C\.br\X5C\");
        check(r"\E\T\T\\E\", r"\T&\", r"\E\T\T\\E\");
        check(r"\dir\ \.br\ \", r"\dir\ \.br\ \", r"\dir\ \.br\ \");
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_latin_1() {
        assert_eq!(unescape(b"Zo\xeb \\T\\", &usual(), Charset::Utf8), "Zoë &");
        assert_eq!(unescape(b"Zo\xeb\\XEB\\", &usual(), Charset::Latin1), "Zoëë");
        assert_eq!(unescape(b"\\X93\\", &usual(), Charset::named("windows-1252")), "“");
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        let Ok(few) = Separators::read(b"MSH|^~|") else { unreachable!("refused") };
        for text in ["a|b", "a^b", "a~b", "a\rb", "\"\""] {
            assert_eq!(escape(text, &few), None, "{text}");
        }
        assert_eq!(escape(r"a\b&c", &few).as_deref(), Some(r"a\b&c"));
        assert_eq!(escape(r"\a|b\ \.br\", &usual()), None);
    }
}
