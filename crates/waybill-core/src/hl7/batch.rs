//! Reading a batch: a body of many messages (HL7 2.5.1, 2.10.3).
//!
//! `[FHS] { [BHS] { [MSH ...] } [BTS] } [FTS]`: every header and trailer may be missing, so that
//! messages in a row are a batch too. A view of the bytes as they came, in one pass and without a
//! copy: a message is found by where its MSH begins and never looked into, so that one which is
//! garbled inside spoils no other. Each FHS, BHS and MSH declares its own separators. A count in a
//! trailer that does not match is a fault of the whole batch: something is missing or was sent
//! twice, and nobody can say what. Faults are named by position, never by content.

use std::borrow::Cow;
use std::ops::Range;

use super::Separators;

/// A batch: a view of a body that holds any number of messages.
#[derive(Clone)]
pub struct Batch<'a> {
    body: &'a [u8],
    /// FHS.
    pub(super) file: Option<&'a [u8]>,
    /// What each BHS begins, or messages without one.
    pub(super) groups: Vec<Group<'a>>,
    messages: Vec<Range<usize>>,
}

/// Messages between one BHS and its BTS.
#[derive(Clone)]
pub(super) struct Group<'a> {
    /// BHS.
    pub(super) header: Option<&'a [u8]>,
    /// Which messages, by their place in the whole body.
    pub(super) messages: Range<usize>,
}

/// Why a body is not a batch that can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotABatch {
    /// More messages than the limit.
    #[error("the batch has too many messages")]
    TooMany,
    /// A fault of the batch: a header, a trailer, or something outside of any message.
    #[error("not an HL7 batch: at byte {offset}, {problem}")]
    Fault {
        /// The position in the body as received, counted from 0, in bytes.
        offset: usize,
        /// What is wrong. Never what stands there.
        problem: Cow<'static, str>,
    },
    /// A message whose MSH cannot be read.
    #[error("not an HL7 message: at byte {offset}, {problem}")]
    Message {
        /// Which one, counted from 0.
        item: usize,
        /// The position in the body as received, counted from 0, in bytes.
        offset: usize,
        /// What is wrong. Never what stands there.
        problem: &'static str,
    },
}

impl<'a> Batch<'a> {
    /// Reads a body that holds at most `messages_max` messages; none at all is an empty batch, as
    /// long as there is a header.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub fn parse(body: &'a [u8], messages_max: usize) -> Result<Self, NotABatch> {
        let batch = Self { body, file: None, groups: Vec::new(), messages: Vec::new() };
        let mut reader = Reader { batch, messages_max, place: Place::Start };
        for line in Lines::new(body) {
            reader.step(&line)?;
        }
        if matches!(reader.place, Place::Start) {
            return fault(body.len(), "the body is empty");
        }
        Ok(reader.batch)
    }

    /// The messages in their order: from MSH to the end of the last segment, its line end included.
    pub fn messages(&self) -> impl Iterator<Item = &'a [u8]> {
        let body = self.body;
        self.messages.iter().map(|range| body.get(range.clone()).unwrap_or_default())
    }
}

impl std::fmt::Debug for Batch<'_> {
    /// Only the size: messages are about persons.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} messages)", self.messages.len())
    }
}

/// Where the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before everything.
    Start,
    /// After FHS or BTS: in the file, in no batch.
    File,
    /// After BHS.
    Batch,
    /// After MSH.
    Message,
    /// After FTS.
    End,
}

struct Reader<'a> {
    batch: Batch<'a>,
    messages_max: usize,
    place: Place,
}

impl<'a> Reader<'a> {
    fn step(&mut self, line: &Line<'a>) -> Result<(), NotABatch> {
        let name = line.name();
        if self.place == Place::End && name != Name::Other {
            return fault(line.offset, "something follows FTS: a body holds one file");
        }
        match (name, self.place) {
            (Name::Fhs, Place::Start) => {
                line.separators("FHS-1 and FHS-2 do not declare separators")?;
                self.batch.file = Some(line.text);
                self.place = Place::File;
            }
            (Name::Fhs, _) => return fault(line.offset, "a second file begins: a body holds one file"),
            (Name::Bhs, _) => {
                line.separators("BHS-1 and BHS-2 do not declare separators")?;
                self.open(Some(line.text));
                self.place = Place::Batch;
            }
            (Name::Msh, place) => {
                if !matches!(place, Place::Batch | Place::Message) {
                    self.open(None);
                }
                self.message(line)?;
                self.place = Place::Message;
            }
            (Name::Bts, Place::Batch | Place::Message) => {
                let messages = self.batch.groups.last().map_or(0, |group| group.messages.len());
                line.check_count("BTS-1", messages, "messages were found in this batch")?;
                self.place = Place::File;
            }
            (Name::Bts, _) => return fault(line.offset, "BTS ends a batch that has not begun"),
            (Name::Fts, Place::Start) => return fault(line.offset, "FTS ends a file that has not begun"),
            (Name::Fts, _) => {
                line.check_count("FTS-1", self.batch.groups.len(), "batches were found in this file")?;
                self.place = Place::End;
            }
            (Name::Other, Place::Message) => {
                if let Some(message) = self.batch.messages.last_mut() {
                    message.end = line.end;
                }
            }
            (Name::Other, Place::Start) => {
                return fault(line.offset, "no FHS, BHS or MSH segment begins here");
            }
            (Name::Other, _) => return fault(line.offset, "a segment stands outside of any message"),
        }
        Ok(())
    }

    fn open(&mut self, header: Option<&'a [u8]>) {
        let from = self.batch.messages.len();
        self.batch.groups.push(Group { header, messages: from..from });
    }

    fn message(&mut self, line: &Line<'_>) -> Result<(), NotABatch> {
        let item = self.batch.messages.len();
        if item == self.messages_max {
            return Err(NotABatch::TooMany);
        }
        Separators::read(line.text).map_err(|(at, problem)| NotABatch::Message {
            item,
            offset: line.offset + at,
            problem,
        })?;
        self.batch.messages.push(line.offset..line.end);
        if let Some(group) = self.batch.groups.last_mut() {
            group.messages.end = item + 1;
        }
        Ok(())
    }
}

fn fault<T>(offset: usize, problem: impl Into<Cow<'static, str>>) -> Result<T, NotABatch> {
    Err(NotABatch::Fault { offset, problem: problem.into() })
}

/// What a line is to a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Fhs,
    Bhs,
    Msh,
    Bts,
    Fts,
    Other,
}

/// A line that is not blank, without its end and without framing left over from MLLP.
struct Line<'a> {
    text: &'a [u8],
    /// Where the text begins.
    offset: usize,
    /// Where the next line begins.
    end: usize,
}

impl Line<'_> {
    fn name(&self) -> Name {
        let (name, next) = (self.text.get(..3).unwrap_or_default(), self.text.get(3));
        let separated = next.is_some_and(u8::is_ascii_punctuation);
        match name {
            b"FHS" if separated => Name::Fhs,
            b"BHS" if separated => Name::Bhs,
            b"MSH" if separated => Name::Msh,
            b"BTS" if separated || next.is_none() => Name::Bts,
            b"FTS" if separated || next.is_none() => Name::Fts,
            _ => Name::Other,
        }
    }

    fn separators(&self, problem: &'static str) -> Result<(), NotABatch> {
        Separators::read(self.text).map(drop).or_else(|(at, _)| fault(self.offset + at, problem))
    }

    /// A trailer's first field: absent, or the number of what was `found`.
    fn check_count(&self, field: &str, found: usize, what: &str) -> Result<(), NotABatch> {
        let separator = self.text.get(3);
        let token = self.text.split(|byte| Some(byte) == separator).nth(1).unwrap_or_default().trim_ascii();
        if token.is_empty() || token == b"\"\"" {
            return Ok(());
        }
        let count = std::str::from_utf8(token).ok().and_then(|text| text.parse::<usize>().ok());
        match count {
            Some(count) if count == found => Ok(()),
            Some(_) => fault(self.offset, format!("{field} does not match: {found} {what}")),
            None => fault(self.offset, format!("{field} is not a count: {found} {what}")),
        }
    }
}

/// The lines of a body that are not blank. Lines end with CR, LF or both.
struct Lines<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Lines<'a> {
    fn new(body: &'a [u8]) -> Self {
        let at = if body.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Self { body, at }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
            let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let length = rest.iter().position(is_end).unwrap_or(rest.len());
            let ending = match rest.get(length..) {
                Some([b'\r', b'\n', ..]) => 2,
                Some([_, ..]) => 1,
                _ => 0,
            };
            let begin = self.at;
            self.at += length + ending;
            let whole = rest.get(..length).unwrap_or_default();
            let is_edge = |byte: &u8| matches!(byte, 0x0B | 0x1C | b' ' | b'\t');
            let before = whole.iter().take_while(|byte| is_edge(byte)).count();
            let after = whole.iter().rev().take_while(|byte| matches!(byte, 0x0B | 0x1C)).count();
            if before < whole.len() {
                let text = whole.get(before..whole.len() - after).unwrap_or_default();
                return Some(Line { text, offset: begin + before, end: self.at });
            }
        }
    }
}

#[cfg(test)]
mod tests;
