//! A walk through everything that can be read of a body, by the public interface alone.
//!
//! Panics when something does not hold that must hold for any bytes: a refusal lies inside of the
//! body; all parts at full depth, joined by their separators, are the body byte for byte; parts
//! are the same by number and in order; text holds no NUL; the acknowledgement is a message.
//! Shared by the tests and by the fuzz target, which is why it names no test framework.

use super::{Header, Message, Segment, Value, Verdict, acknowledgement, judge};

/// Fields of a segment, and components of a repetition, that are also asked for by number: the
/// way there is from the begin, so all of them would be quadratic.
const BY_NUMBER_MAX: usize = 40;

/// Reads everything of `body`; whether it is a message.
pub(crate) fn walk(body: &[u8]) -> bool {
    let message = match Message::parse(body) {
        Ok(message) => message,
        Err(refused) => {
            assert!(refused.offset <= body.len(), "{refused}");
            return false;
        }
    };
    let header = Header::read(message, "application/hl7-v2", "utf-8");
    assert!(rebuilt(body, &message) == body, "the parts of the message are not the body");
    by_number(&message);
    text(&header);
    answered(&header);
    true
}

/// The body again, from its smallest parts and what stands between segments.
fn rebuilt(body: &[u8], message: &Message<'_>) -> Vec<u8> {
    let mut rebuilt = Vec::with_capacity(body.len());
    for segment in message.segments() {
        let between = body.get(rebuilt.len()..segment.offset()).unwrap_or_default();
        let is_first = rebuilt.is_empty();
        assert!(is_first || between.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C)));
        assert!(is_first || between.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        rebuilt.extend(between);
        let begin = rebuilt.len();
        add_segment(&mut rebuilt, segment);
        assert!(rebuilt.get(begin..) == Some(segment.raw()), "the parts of a segment are not the segment");
    }
    let after = body.get(rebuilt.len()..).unwrap_or_default();
    assert!(after.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0x0B | 0x1C)));
    rebuilt.extend(after);
    rebuilt
}

fn add_segment(rebuilt: &mut Vec<u8>, segment: Segment<'_>) {
    let signs = segment.separators();
    let is_header = segment.is("MSH");
    rebuilt.extend(segment.id());
    for (n, field) in segment.fields().enumerate() {
        // MSH-1 is the separator, and stands for itself
        if !(is_header && n < 2) {
            rebuilt.push(signs.field);
        }
        for (n, repetition) in field.repetitions().enumerate() {
            rebuilt.extend((n > 0).then_some(signs.repetition));
            for (n, component) in repetition.components().enumerate() {
                rebuilt.extend((n > 0).then_some(signs.component));
                for (n, subcomponent) in component.subcomponents().enumerate() {
                    rebuilt.extend(signs.subcomponent.filter(|_| n > 0));
                    rebuilt.extend(subcomponent.raw());
                }
            }
        }
    }
}

/// What is found by number is what comes in order, and nothing lies behind it.
fn by_number(message: &Message<'_>) {
    for segment in message.segments() {
        assert!(segment.field(0).raw().is_empty());
        for (n, field) in segment.fields().enumerate().take(BY_NUMBER_MAX) {
            assert!(segment.field(n + 1).raw() == field.raw(), "a field by number");
        }
        let count = segment.fields().count();
        assert!(segment.field(count + 1).raw().is_empty(), "a field behind the last");
        for repetition in segment.fields().take(BY_NUMBER_MAX).flat_map(|field| field.repetitions().take(2)) {
            if repetition.raw() == b"\"\"" {
                assert!(repetition.component(7).value() == Value::Null, "a part of a null");
                continue;
            }
            for (n, component) in repetition.components().enumerate().take(BY_NUMBER_MAX) {
                assert!(repetition.component(n + 1).raw() == component.raw(), "a component by number");
            }
        }
    }
}

/// No text holds a NUL, which PostgreSQL would not take.
fn text(header: &Header<'_>) {
    let charset = header.charset();
    for field in header.message().segments().flat_map(|segment| segment.fields()) {
        let sent = field.as_sent(charset).present();
        assert!(sent.is_none_or(|text| !text.contains('\0')), "a NUL in a field");
        for component in field.repetitions().flat_map(|repetition| repetition.components()) {
            for subcomponent in component.subcomponents() {
                let text = subcomponent.text(charset).present();
                assert!(text.is_none_or(|text| !text.contains('\0')), "a NUL in a text");
            }
        }
    }
}

/// The header is judged and answered, and the answer can be read.
fn answered(header: &Header<'_>) {
    let judged = judge(header, &[]).map_or_else(Into::into, |()| Verdict::Accept);
    let now = chrono::DateTime::<chrono::Utc>::default();
    let answer = acknowledgement(header, &judged, "W-1", now);
    let read = Message::parse(&answer).map(|answer| answer.segments().count());
    assert_eq!(read, Ok(if judged == Verdict::Accept { 2 } else { 3 }), "{judged:?}");
    let of_msh = (0..=25).map(|n| (header.field(n).raw(), header.message().msh().field(n).raw()));
    assert!(of_msh.into_iter().all(|(indexed, walked)| indexed == walked), "a field of MSH");
    let texts = [header.sending_application(), header.sending_facility(), header.control_id()];
    assert!(texts.iter().all(|text| !text.contains('\0')), "a NUL in the key");
    let patients = header.merged_patients().into_iter().chain(header.surviving_patients());
    for patient in patients.chain(header.patient_key()) {
        assert!(!patient.id.contains('\0') && !patient.authority.contains('\0'), "a NUL in a patient");
    }
    assert!(header.visit_key().is_none_or(|visit| !visit.contains('\0')), "a NUL in a visit");
    let _ = (header.is_continued(), header.is_acknowledgement(), header.sent_at(), header.structure());
}
