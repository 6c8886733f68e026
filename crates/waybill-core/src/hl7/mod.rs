//! Reading HL7 version 2, encoding rules 7 ("pipes and hats"), and answering it.
//!
//! A [`Message`] is a view of the bytes as they came: nothing is copied, nothing is decoded before
//! it is asked for, and the bytes themselves never change. Reading takes time linear in the body
//! and never panics, whatever the bytes are. There are two depths (docs/adr/0011): the scan, which
//! [`Message::parse`] and [`Header::read`] are and acceptance lives on, looks at line starts and at
//! MSH; everything below is split as it is walked through ([`Message::segments`],
//! [`Segment::fields`], [`Field::repetitions`], [`Repetition::components`],
//! [`Component::subcomponents`]), each byte once for each level. What senders get wrong without harm is tolerated here
//! (line ends, byte-order marks, framing left over from MLLP, missing trailing fields, unknown
//! segments); what would make the reading a guess is refused as [`NotHl7`], by position and never
//! by content: everything in a message may be about a person.

mod ack;
mod ack_error;
mod batch;
mod batch_ack;
mod charset;
mod check;
#[cfg(test)]
mod corpus;
mod escape;
mod field;
mod header;
mod msh;
pub mod normalized;
mod patient;
#[cfg(test)]
mod proof;
mod scan;
mod segment;
mod separators;
mod split;
mod time;

use std::fmt;

use scan::{Scan, SecondMessage};

pub use ack::{Verdict, acknowledgement};
pub use ack_error::{AckError, ErrorCode, Location};
pub use batch::{Batch, NotABatch};
pub use charset::Charset;
pub use check::{Refusal, judge};
pub use field::{Component, Field, Repetition, Value};
pub use header::Header;
pub use patient::PatientId;
pub use segment::{Fields, Segment, Segments};
pub use separators::Separators;
pub use time::{Doubt, Precision, Resolved, Timestamp, Zone};

/// One HL7 message: a view of a body that holds exactly one.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    msh: Segment<'a>,
    body: &'a [u8],
    scan: Scan,
}

/// Why a body is not one HL7 message: where, and what is wrong there. Never what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an HL7 message: at byte {offset}, {problem}")]
pub struct NotHl7 {
    /// The position in the body as received, counted from 0, in bytes.
    pub offset: usize,
    /// What is wrong, for the person who reads it.
    pub problem: &'static str,
}

impl<'a> Message<'a> {
    /// Reads a body that holds exactly one message.
    ///
    /// Tolerated before MSH: a UTF-8 byte-order mark, blank lines, the start byte of MLLP; after
    /// the last segment: the end bytes of MLLP, or a missing line end. Segments may end with CR
    /// (HL7 2.5.1, 2.5.4), LF or both.
    pub fn parse(body: &'a [u8]) -> Result<Self, NotHl7> {
        let refuse = |offset, problem| Err(NotHl7 { offset, problem });
        let start = lead_in(body);
        let text = body.get(start..).unwrap_or_default();
        if text.is_empty() {
            return refuse(start, "the body is empty");
        }
        if segment::is_header_line(text, "FHS") || segment::is_header_line(text, "BHS") {
            return refuse(
                start,
                "a batch begins (FHS or BHS): this path takes one message, /v1/messages/batch takes many",
            );
        }
        if !text.starts_with(b"MSH") {
            return refuse(start, "no MSH segment begins here");
        }
        let separators = match Separators::read(text) {
            Ok(separators) => separators,
            Err((at, problem)) => return refuse(start + at, problem),
        };
        let mut segments = Segments::new(body, start, separators);
        let Some(msh) = segments.next() else {
            return refuse(start, "no MSH segment begins here");
        };
        match Scan::read(segments) {
            Ok(scan) => Ok(Self { msh, body, scan }),
            Err(SecondMessage { offset }) => {
                refuse(offset, "a second MSH begins: a body holds exactly one message")
            }
        }
    }

    /// The separators that MSH-1 and MSH-2 declare.
    pub fn separators(&self) -> Separators {
        self.msh.separators()
    }

    /// The first segment.
    pub fn msh(&self) -> Segment<'a> {
        self.msh
    }

    /// Every segment in its order, MSH first, unknown ones included.
    pub fn segments(&self) -> Segments<'a> {
        Segments::new(self.body, self.msh.offset(), self.separators())
    }

    /// The first segment called `id`.
    pub fn segment(&self, id: &str) -> Option<Segment<'a>> {
        self.segments_called(id).next()
    }

    /// Every segment called `id`, in order. For those that the scan has noted only the lines from
    /// the first to the last of them are looked at.
    pub fn segments_called<'b>(&self, id: &'b str) -> impl Iterator<Item = Segment<'a>> + use<'a, 'b> {
        let (from, to) = match self.scan.noted(id) {
            Some(noted) => noted.range(),
            None => (self.msh.offset(), self.body.len()),
        };
        let lines = Segments::new(self.body.get(..to).unwrap_or_default(), from, self.separators());
        lines.filter(move |segment| segment.is(id))
    }

    /// Field `n` of the first segment called `id`; an absent field when there is no such segment.
    pub fn field(&self, id: &str, n: usize) -> Field<'a> {
        self.segment(id).map_or_else(|| Field::absent(self.separators()), |segment| segment.field(n))
    }
}

impl fmt::Debug for Message<'_> {
    /// Only the size: a message is about a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({} bytes)", self.body.len())
    }
}

/// How many bytes stand before the first segment that say nothing: a byte-order mark, blank
/// lines, the start byte of MLLP.
fn lead_in(body: &[u8]) -> usize {
    let mut rest = body;
    loop {
        rest = match rest {
            [0xEF, 0xBB, 0xBF, after @ ..] | [b'\r' | b'\n' | b' ' | b'\t' | 0x0B, after @ ..] => after,
            _ => return body.len() - rest.len(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, NotHl7};

    const PLAIN: &str = "MSH|^~\\&|APP|FAC|||20260310||ADT^A04|1|P|2.5.1\rPID|1||42\rZZZ|x\r";

    /// Reads `body` and compares the ids of its segments, PID-3 and MSH-12.
    fn check(body: &str) {
        let message = Message::parse(body.as_bytes()).map_err(|refused| (body, refused));
        let Ok(message) = message else { unreachable!("refused: {message:?}") };
        let ids: Vec<_> = message.segments().map(|segment| segment.id()).collect();
        assert_eq!(ids, [b"MSH", b"PID", b"ZZZ"], "{body:?}");
        assert_eq!(message.field("PID", 3).raw(), b"42", "{body:?}");
        assert_eq!(message.msh().field(12).raw(), b"2.5.1", "{body:?}");
        assert_eq!(message.field("ZZZ", 1).raw(), b"x", "{body:?}");
    }

    fn check_refused(body: &str, offset: usize, part: &str) {
        let refused = Message::parse(body.as_bytes()).err();
        let Some(NotHl7 { offset: at, problem }) = refused else { unreachable!("read: {body:?}") };
        assert!(problem.contains(part), "{body:?}: {problem}");
        assert_eq!(at, offset, "{body:?}: {problem}");
    }

    #[test]
    fn harmless_deviations_are_tolerated() {
        check(PLAIN);
        check(&PLAIN.replace('\r', "\n"));
        check(&PLAIN.replace('\r', "\r\n"));
        check(&PLAIN.replace('\r', "\r\r\n\n"));
        check(PLAIN.trim_end());
        check(&format!("\u{feff}{PLAIN}"));
        check(&format!("\r\n \n\u{feff}\n{PLAIN}"));
        check(&format!("\u{b}{PLAIN}\u{1c}\r"));
        check(&format!("\u{b}{}\u{1c}\r", PLAIN.trim_end()));
        check(&PLAIN.replace("^~\\&", "^~\\&#"));
        check(&PLAIN.replace("^~\\&", "^~\\\\&"));
        check(&PLAIN.replace("^~\\&", "^~\\"));
        check(&PLAIN.replace("^~\\&", "^~"));
        check(&PLAIN.replace('|', "!").replace("^~\\&", ";:?*"));
    }

    #[test]
    fn what_would_be_a_guess_is_refused_by_position() {
        check_refused("", 0, "empty");
        check_refused("\r\n\u{b}", 3, "empty");
        check_refused("{\"a\": 1}", 0, "no MSH");
        check_refused("\nPID|1\rMSH|^~\\&|A\r", 1, "no MSH");
        check_refused("msh|^~\\&|A\r", 0, "no MSH");
        check_refused("MSH", 3, "MSH-1");
        check_refused("MSH\r^~\\&", 3, "MSH-1");
        check_refused("MSHX^~\\&X", 3, "MSH-1");
        check_refused("MSH ^~\\& ", 3, "MSH-1");
        check_refused("MSH\"^~\\&\"", 3, "MSH-1");
        check_refused("MSH|", 4, "MSH-2");
        check_refused("MSH|||", 4, "MSH-2");
        check_refused("MSH|^|A", 4, "MSH-2");
        check_refused("MSH|&&&&|A", 5, "twice");
        check_refused("MSH|^~\\^|A", 7, "twice");
        check_refused("MSH|^~a&|A", 6, "MSH-2");
        check_refused("MSH|^~\u{7}&|A", 6, "MSH-2");
        check_refused("MSH|^~ &|A", 6, "MSH-2");
        check_refused("MSH|^~é|A", 6, "MSH-2");
        check_refused("MSH|^~\\&#!|A", 4, "MSH-2");
        check_refused("MSH^~\\&|APP|FAC|||", 4, "MSH-2");
    }

    #[test]
    fn a_body_holds_exactly_one_message() {
        let one = "MSH|^~\\&|A\r";
        check_refused(&format!("{one}{one}"), 11, "exactly one");
        check_refused(&format!("{one}MSH!^~\\&!A\r"), 11, "exactly one");
        check_refused(&format!("\u{b}{one}\u{1c}\r\u{b}{one}\u{1c}\r"), 15, "exactly one");
        check_refused(&format!("FHS|^~\\&\r{one}"), 0, "a batch begins");
        check_refused(&format!("\nBHS|^~\\&\r{one}"), 1, "a batch begins");
    }

    #[test]
    fn a_refusal_names_the_position_and_no_content() {
        let refused = Message::parse(b"MSH|^~Z&|SECRET").err().map(|refused| refused.to_string());
        let text = refused.unwrap_or_default();
        assert!(text.starts_with("not an HL7 message: at byte 6, "), "{text}");
        assert!(!text.contains('Z') && !text.contains("SECRET"), "{text}");
    }

    #[test]
    fn debug_shows_no_content() {
        let message = Message::parse(PLAIN.as_bytes());
        assert_eq!(format!("{message:?}"), "Ok(Message(63 bytes))");
    }
}
