//! The same with `hl7-parser`, which builds a tree of the whole message before anything is read.

use hl7_parser::Message;
use hl7_parser::message::{Repeat, Segment};

/// What accepting, answering and ordering look at.
pub(super) fn envelope(text: &str) -> usize {
    let Ok(message) = Message::parse(text) else { return 0 };
    let of = |segment: &str, field: usize, component: usize| {
        let field = message.segment(segment).and_then(|segment| segment.field(field));
        field.and_then(|field| field.component(component)).map_or(0, |part| part.raw_value().len())
    };
    let msh = |field: usize, component: usize| of("MSH", field, component);
    let words = msh(3, 1) + msh(4, 1) + msh(9, 1) + msh(9, 2) + msh(10, 1) + msh(11, 1) + msh(12, 1);
    let merged = of("MRG", 1, 1) + of("MRG", 1, 4);
    let visit = [("PV1", 19), ("SCH", 1), ("SCH", 2)].map(|(segment, field)| of(segment, field, 1));
    words
        + usize::from(msh(15, 1) + msh(16, 1) > 0)
        + of("PID", 3, 1)
        + of("PID", 3, 4)
        + merged
        + visit.into_iter().find(|found| *found > 0).unwrap_or_default()
}

/// Every subcomponent of every component of every repetition of every field.
pub(super) fn every_part(text: &str) -> usize {
    let Ok(message) = Message::parse(text) else { return 0 };
    let mut sum = 0;
    for field in message.segments().flat_map(Segment::fields) {
        for component in field.repeats().flat_map(Repeat::components) {
            sum += component.subcomponents().map(|part| part.raw_value().len()).sum::<usize>();
        }
    }
    sum
}
