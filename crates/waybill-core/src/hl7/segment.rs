//! Segments: the lines of a message, and the numbering of their fields.

use std::fmt;

use super::{Field, Separators};

/// One segment, without its line end.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    line: &'a [u8],
    offset: usize,
    separators: Separators,
}

impl<'a> Segment<'a> {
    /// Its name: what stands before the first field separator, usually three characters.
    pub fn id(&self) -> &'a [u8] {
        self.tokens().next().unwrap_or_default()
    }

    /// Whether its name is `id`.
    pub fn is(&self, id: &str) -> bool {
        self.id() == id.as_bytes()
    }

    /// Where it begins in the body as received, in bytes.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The separators of its message.
    pub fn separators(&self) -> Separators {
        self.separators
    }

    /// Field `n`, counted from 1; an absent field when the segment ends before it.
    ///
    /// In MSH the separator itself is field 1 and the encoding characters are field 2, which are
    /// never split, so that the token after the second separator is MSH-3 (HL7 2.5.1, 2.15.9).
    pub fn field(&self, n: usize) -> Field<'a> {
        let token = |n: usize| self.tokens().nth(n).unwrap_or_default();
        match (n, self.is("MSH")) {
            (0, _) => Field::absent(self.separators),
            (1, true) => Field::literal(self.line.get(3..4).unwrap_or_default(), self.separators),
            (2, true) => Field::literal(token(1), self.separators),
            (_, true) => Field::new(token(n - 1), self.separators),
            (_, false) => Field::new(token(n), self.separators),
        }
    }

    /// Whether another message begins here, whatever separators that one declares.
    pub(super) fn is_message_header(&self) -> bool {
        is_header_line(self.line, "MSH")
    }

    fn tokens(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let separator = self.separators.field;
        self.line.split(move |&byte| byte == separator)
    }
}

impl fmt::Debug for Segment<'_> {
    /// Only the position and the size: a segment is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({} bytes at {})", self.line.len(), self.offset)
    }
}

/// Whether a text begins with the header segment `id` and some separator.
pub(super) fn is_header_line(text: &[u8], id: &str) -> bool {
    text.strip_prefix(id.as_bytes()).and_then(<[u8]>::first).is_some_and(u8::is_ascii_punctuation)
}

/// The segments of a message, in order. Blank lines are none.
#[derive(Clone)]
pub struct Segments<'a> {
    rest: &'a [u8],
    offset: usize,
    separators: Separators,
}

impl<'a> Segments<'a> {
    pub(super) fn new(body: &'a [u8], offset: usize, separators: Separators) -> Self {
        let rest = body.get(offset..).unwrap_or_default();
        Self { rest, offset, separators }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        while !self.rest.is_empty() {
            let end = self.rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let (whole, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            let begin = self.offset;
            self.rest = after.get(1..).unwrap_or_default();
            self.offset += whole.len() + 1;
            let (skipped, line) = unframed(whole);
            if !line.is_empty() {
                let (offset, separators) = (begin + skipped, self.separators);
                return Some(Segment { line, offset, separators });
            }
        }
        None
    }
}

impl fmt::Debug for Segments<'_> {
    /// Only the position and the size: a segment is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segments({} bytes at {})", self.rest.len(), self.offset)
    }
}

/// A line without the framing bytes of MLLP at its ends, and how many stood before it.
fn unframed(line: &[u8]) -> (usize, &[u8]) {
    let is_frame = |byte: &u8| matches!(byte, 0x0B | 0x1C);
    let skipped = line.iter().take_while(|byte| is_frame(byte)).count();
    let mut inner = line.get(skipped..).unwrap_or_default();
    while let [head @ .., last] = inner
        && is_frame(last)
    {
        inner = head;
    }
    (skipped, inner)
}

#[cfg(test)]
mod tests {
    use crate::hl7::Message;

    fn check(segment: &str, n: usize, expected: &str) {
        let body = b"MSH|^~\\&#|APP|FAC^1.2^ISO\rPID|1||42^^^A\r\nZZ\r";
        let Ok(message) = Message::parse(body) else { unreachable!("refused") };
        let field = message.field(segment, n);
        assert_eq!(String::from_utf8_lossy(field.raw()), expected, "{segment}-{n}");
    }

    #[test]
    fn fields_are_numbered_from_one_and_msh_counts_its_separator() {
        check("MSH", 0, "");
        check("MSH", 1, "|");
        check("MSH", 2, "^~\\&#");
        check("MSH", 3, "APP");
        check("MSH", 4, "FAC^1.2^ISO");
        check("MSH", 5, "");
        check("PID", 0, "");
        check("PID", 1, "1");
        check("PID", 2, "");
        check("PID", 3, "42^^^A");
        check("PID", 99, "");
        check("ZZ", 1, "");
        check("PV1", 19, "");
    }

    #[test]
    fn encoding_characters_are_never_split() {
        let Ok(message) = Message::parse(b"MSH|^~\\&|A\r") else { unreachable!("refused") };
        for n in [1, 2] {
            let field = message.msh().field(n);
            assert_eq!(field.component(1).raw(), field.raw());
            assert_eq!(field.component(2).raw(), b"");
            assert_eq!(field.repetitions().count(), 1);
        }
    }

    #[test]
    fn a_segment_knows_where_it_begins() {
        let body = b"\n\x0bMSH|^~\\&|A\r\n\x0bPID|1\x1c\r";
        let Ok(message) = Message::parse(body) else { unreachable!("refused") };
        let at: Vec<_> = message.segments().map(|segment| segment.offset()).collect();
        assert_eq!(at, [2, 15]);
        assert_eq!(message.field("PID", 1).raw(), b"1");
    }
}
