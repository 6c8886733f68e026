//! The fields of MSH, found once: nearly every one of them is asked for, most more than once.

use std::fmt;

use super::{Field, Segment};

/// As many separators as MSH has in version 2.5.1: the fields to MSH-21 are found by them. What
/// lies behind is found as in any other segment.
const SEPARATORS_MAX: usize = 21;

/// MSH with the positions of its field separators.
#[derive(Clone, Copy)]
pub(super) struct Msh<'a> {
    segment: Segment<'a>,
    /// The first of them is MSH-1; where there are fewer, the length of the segment.
    separators: [usize; SEPARATORS_MAX],
}

impl<'a> Msh<'a> {
    /// Finds the fields of `segment`, which is a message's first.
    pub(super) fn read(segment: Segment<'a>) -> Self {
        let mut separators = [segment.raw().len(); SEPARATORS_MAX];
        let mut end = 0;
        for (separator, token) in separators.iter_mut().zip(segment.tokens()) {
            end += token.len();
            *separator = end;
            end += 1;
        }
        Self { segment, separators }
    }

    /// MSH-`n`, as [`Segment::field`] gives it: what stands after separator `n` - 1.
    pub(super) fn field(&self, n: usize) -> Field<'a> {
        let separator = |number: usize| self.separators.get(number.checked_sub(1)?).copied();
        match (separator(n.saturating_sub(1)), separator(n)) {
            (Some(before), Some(after)) if n > 2 => {
                let raw = self.segment.raw().get(before + 1..after);
                Field::new(raw.unwrap_or_default(), self.segment.separators())
            }
            _ => self.segment.field(n),
        }
    }
}

impl fmt::Debug for Msh<'_> {
    /// As its segment: only the position and the size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segment.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Msh;
    use crate::hl7::Message;

    fn check(body: &str) {
        let Ok(message) = Message::parse(body.as_bytes()) else { unreachable!("refused: {body}") };
        let (msh, segment) = (Msh::read(message.msh()), message.msh());
        for n in 0..40 {
            assert_eq!(msh.field(n).raw(), segment.field(n).raw(), "MSH-{n} of {body}");
            assert_eq!(msh.field(n).repetitions().count(), segment.field(n).repetitions().count());
        }
    }

    #[test]
    fn fields_are_those_of_the_segment() {
        check("MSH|^~\\&");
        check("MSH|^~\\&|");
        check("MSH|^~\\&#|A^1~2|B||\rPID|1||");
        check("MSH!@/!A!!B\n");
        for count in 15..30 {
            let fields: Vec<_> = (3..count).map(|n| format!("f{n}")).collect();
            check(&format!("MSH|^~\\&|{}", fields.join("|")));
            check(&format!("MSH|^~\\&|{}|", fields.join("|")));
        }
    }
}
