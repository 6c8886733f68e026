//! The scan: one pass over the begins of lines, which notes the segments that acceptance asks for.
//!
//! It looks at three bytes of each line and copies none, so that a message is refused or accepted
//! without its content having been read. What it notes are positions; it never decides anything.

use super::Segments;

/// Where the segments stand that say whom and what a message is about. PID and MRG repeat in a
/// merge, DSC should stand at the end.
#[derive(Clone, Copy, Default)]
pub(super) struct Scan {
    pid: Noted,
    pv1: Noted,
    mrg: Noted,
    sch: Noted,
    dsc: Noted,
}

/// The lines from the first segment of a name to the last; empty when there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Noted {
    begin: usize,
    end: usize,
}

/// Another message begins inside of this one, here.
pub(super) struct SecondMessage {
    pub(super) offset: usize,
}

impl Scan {
    /// Looks at every segment of `rest`, which is what follows the first MSH.
    pub(super) fn read(rest: Segments<'_>) -> Result<Self, SecondMessage> {
        let mut scan = Self::default();
        for segment in rest {
            let (begin, line) = (segment.offset(), segment.raw());
            let noted = match line {
                [b'P', b'I', b'D', ..] => &mut scan.pid,
                [b'P', b'V', b'1', ..] => &mut scan.pv1,
                [b'M', b'R', b'G', ..] => &mut scan.mrg,
                [b'S', b'C', b'H', ..] => &mut scan.sch,
                [b'D', b'S', b'C', ..] => &mut scan.dsc,
                [b'M', b'S', b'H', ..] if segment.is_message_header() => {
                    return Err(SecondMessage { offset: begin });
                }
                _ => continue,
            };
            if noted.end == 0 {
                noted.begin = begin;
            }
            noted.end = begin + line.len();
        }
        Ok(scan)
    }

    /// Where the segments called `id` stand, if that is a name that is noted. Between them may be
    /// lines of other names, and of longer ones that begin alike.
    pub(super) fn noted(&self, id: &str) -> Option<Noted> {
        match id {
            "PID" => Some(self.pid),
            "PV1" => Some(self.pv1),
            "MRG" => Some(self.mrg),
            "SCH" => Some(self.sch),
            "DSC" => Some(self.dsc),
            _ => None,
        }
    }
}

impl Noted {
    /// From which byte of the body to which.
    pub(super) fn range(self) -> (usize, usize) {
        (self.begin, self.end)
    }
}

#[cfg(test)]
mod tests {
    use crate::hl7::Message;

    /// What is found by name must be what a walk through all segments finds.
    fn check(rest: &str, id: &str, expected: usize) {
        let body = format!("\u{b}MSH|^~\\&|A\r{rest}\u{1c}\r");
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        let found: Vec<_> = message.segments_called(id).map(|one| (one.offset(), one.raw())).collect();
        let walked = message.segments().filter(|one| one.is(id)).map(|one| (one.offset(), one.raw()));
        assert_eq!(found, walked.collect::<Vec<_>>(), "{id} in {rest:?}");
        assert_eq!(found.len(), expected, "{id} in {rest:?}");
    }

    #[test]
    fn what_is_noted_is_what_a_walk_finds() {
        for id in ["PID", "PV1", "MRG", "SCH", "DSC", "EVN"] {
            check("", id, 0);
            check(&format!("{id}|1"), id, 1);
            check(&format!("\u{b}{id}|1\u{1c}\r\n\u{b}{id}"), id, 2);
            check(&format!("ZZ1\r{id}|1\rZZZ|\n\n{id}X|2\r{id}|3\r{id}Y"), id, 2);
            check(&format!("{id}X|1\r{id}|2\r"), id, 1);
            check(&format!("{id}X|1\r{}", id.to_lowercase()), id, 0);
        }
        check("PID|1", "MSH", 1);
        check("PID|1\rMSH", "MSH", 2);
    }
}
