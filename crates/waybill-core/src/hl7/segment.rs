//! Segments: the lines of a message, and the numbering of their fields.

use std::fmt;

use super::split::Split;
use super::{Field, Separators};

/// One segment, without its line end.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    line: &'a [u8],
    offset: usize,
    separators: Separators,
}

impl<'a> Segment<'a> {
    /// The bytes as sent, without the line end and without the framing of MLLP.
    #[inline]
    pub fn raw(&self) -> &'a [u8] {
        self.line
    }

    /// Its name: what stands before the first field separator, usually three characters.
    pub fn id(&self) -> &'a [u8] {
        self.tokens().next().unwrap_or_default()
    }

    /// Whether its name is `id`.
    #[inline]
    pub fn is(&self, id: &str) -> bool {
        let separator = self.separators.field;
        let after = self.line.strip_prefix(id.as_bytes());
        after.is_some_and(|after| after.first().is_none_or(|&byte| byte == separator))
            && !id.as_bytes().contains(&separator)
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
    /// Looks at no byte after the field: for many fields of one segment, [`Segment::fields`] is the
    /// way.
    pub fn field(&self, n: usize) -> Field<'a> {
        n.checked_sub(1)
            .and_then(|before| self.fields().nth(before))
            .unwrap_or_else(|| Field::absent(self.separators))
    }

    /// Its fields in order, the first of them field 1, as many as were sent: one pass over the
    /// bytes. MSH is numbered as in [`Segment::field`].
    #[inline]
    pub fn fields(&self) -> Fields<'a> {
        let mut tokens = self.tokens();
        tokens.next();
        let sign = if self.is("MSH") { self.line.get(3..4) } else { None };
        Fields { sign, after_sign: sign.is_some(), tokens, separators: self.separators }
    }

    /// Whether another message begins here, whatever separators that one declares.
    pub(super) fn is_message_header(&self) -> bool {
        is_header_line(self.line, "MSH")
    }

    /// What the field separators stand between; the first is the name.
    #[inline]
    pub(super) fn tokens(&self) -> Split<'a> {
        Split::new(self.line, Some(self.separators.field))
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

/// The fields of a segment, in order; made by [`Segment::fields`].
#[derive(Clone)]
pub struct Fields<'a> {
    /// MSH-1, while it has not been given.
    sign: Option<&'a [u8]>,
    /// Whether what comes next is MSH-2.
    after_sign: bool,
    tokens: Split<'a>,
    separators: Separators,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        if let Some(sign) = self.sign.take() {
            return Some(Field::literal(sign, self.separators));
        }
        let token = self.tokens.next()?;
        if std::mem::take(&mut self.after_sign) {
            return Some(Field::literal(token, self.separators));
        }
        Some(Field::new(token, self.separators))
    }
}

impl fmt::Debug for Fields<'_> {
    /// Nothing: a segment is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fields(..)")
    }
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

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        loop {
            while let [b'\r' | b'\n', after @ ..] = self.rest {
                self.rest = after;
                self.offset += 1;
            }
            if self.rest.is_empty() {
                return None;
            }
            let end = memchr::memchr2(b'\r', b'\n', self.rest).unwrap_or(self.rest.len());
            let (whole, after) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
            let (skipped, line) = unframed(whole);
            let offset = self.offset + skipped;
            self.rest = after;
            self.offset += whole.len();
            if !line.is_empty() {
                return Some(Segment { line, offset, separators: self.separators });
            }
        }
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

    fn check_fields(segment: &str, expected: &[&str]) {
        let body = format!("MSH|^~\\&|A\r{segment}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        let last = message.segments().last().map(|segment| {
            segment.fields().map(|field| String::from_utf8_lossy(field.raw())).collect::<Vec<_>>()
        });
        assert_eq!(last.unwrap_or_default(), expected, "{segment}");
    }

    #[test]
    fn fields_come_in_order_as_many_as_were_sent() {
        check_fields("PID|1||42^A|", &["1", "", "42^A", ""]);
        check_fields("ZZ|", &[""]);
        check_fields("ZZ", &[]);
        check_fields("MSH", &[]);
        check_fields("|A", &["A"]);
        check_fields("", &["|", "^~\\&", "A"]);
    }

    #[test]
    fn a_name_is_all_that_stands_before_the_separator() {
        let Ok(message) = Message::parse(b"MSH|^~\\&|A\rPID|1\rPIDX|2\rZ\r|3\r") else {
            unreachable!("refused")
        };
        for (id, offset) in [("PID", 11), ("PIDX", 17), ("Z", 24), ("", 26)] {
            assert_eq!(message.segment(id).map(|segment| segment.offset()), Some(offset), "{id}");
        }
        for id in ["PI", "pid", "PID|", "PID|1", "|3", "Z\r"] {
            assert!(message.segment(id).is_none(), "{id}");
        }
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
