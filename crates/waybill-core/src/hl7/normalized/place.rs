//! Places in a message, as warnings name them: `PID-3[2].1`.

use std::fmt;

/// A segment, or a part of one. What is 0 is not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment.
    pub segment: Name,
    /// Which of the segments of this name, from 1.
    pub occurrence: usize,
    /// The field, from 1.
    pub field: usize,
    /// The repetition, from 1.
    pub repetition: usize,
    /// The component, from 1.
    pub component: usize,
    /// The subcomponent, from 1.
    pub subcomponent: usize,
}

/// What a segment is called here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// By its id, three capital letters and digits.
    Id([u8; 3]),
    /// By its place among all segments, from 1: what stands where an id should be may be the rest
    /// of a broken line, and about a person.
    Position(usize),
}

impl Name {
    /// The name of the segment with this id, the `position`th of its message.
    pub(super) fn of(id: &[u8], position: usize) -> Self {
        let is_plain = |id: &[u8; 3]| {
            id[0].is_ascii_uppercase() && id.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        <[u8; 3]>::try_from(id).ok().filter(is_plain).map_or(Self::Position(position), Self::Id)
    }
}

impl Place {
    /// A whole segment.
    pub(super) fn segment(segment: Name, occurrence: usize) -> Self {
        Self { segment, occurrence, field: 0, repetition: 0, component: 0, subcomponent: 0 }
    }

    /// Field `n` of the same segment.
    pub(super) fn field(self, n: usize) -> Self {
        Self { field: n, repetition: 0, component: 0, subcomponent: 0, ..self }
    }

    /// Component `n` of the same field.
    pub(super) fn component(self, n: usize) -> Self {
        Self { component: n, subcomponent: 0, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.segment {
            Name::Id(id) => id.iter().try_for_each(|&c| write!(f, "{}", char::from(c)))?,
            Name::Position(n) => write!(f, "#{n}")?,
        }
        let index = |f: &mut fmt::Formatter<'_>, n: usize| if n > 1 { write!(f, "[{n}]") } else { Ok(()) };
        if matches!(self.segment, Name::Id(_)) {
            index(f, self.occurrence)?;
        }
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
            index(f, self.repetition)?;
        }
        [self.component, self.subcomponent].iter().filter(|&&n| n > 0).try_for_each(|n| write!(f, ".{n}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Place};

    #[test]
    fn places_are_named_as_people_do() {
        let pid = Place::segment(Name::of(b"PID", 2), 1);
        assert_eq!(pid.to_string(), "PID");
        assert_eq!(pid.field(7).to_string(), "PID-7");
        assert_eq!(Place { repetition: 2, ..pid.field(3) }.component(4).to_string(), "PID-3[2].4");
        assert_eq!(Place { subcomponent: 1, ..pid.field(5).component(1) }.to_string(), "PID-5.1.1");
        assert_eq!(Place::segment(Name::of(b"OBX", 9), 3).field(14).to_string(), "OBX[3]-14");
    }

    #[test]
    fn what_is_no_id_is_not_shown() {
        for id in [&b"DOE JANE"[..], b"pid", b"9AB", b"", b"P\xebD"] {
            assert_eq!(Place::segment(Name::of(id, 7), 2).field(1).to_string(), "#7-1");
        }
    }
}
