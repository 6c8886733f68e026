//! 10 MiB of bytes made to be slow to read: each is read whole, by every way there is.
//!
//! Shown by counting, not by a clock: there are never more parts on a level than bytes, and the
//! text is no longer than its bytes allow. A reader that took quadratic time would not come back:
//! 10 MiB squared are 100 million million steps. A debug build, which is thirty times slower,
//! reads a tenth of it. Times are printed by `examples/hl7_rate.rs`.

use super::hostile::{SHAPES, Shape, body};
use crate::hl7::{Header, Message};

const BYTES: usize = if cfg!(debug_assertions) { 1024 * 1024 } else { 10 * 1024 * 1024 };

fn check(shape: Shape) {
    let body = body(shape, BYTES);
    let Ok(message) = Message::parse(&body) else { unreachable!("refused: {}", shape.0) };
    let header = Header::read(message, "application/hl7-v2", "utf-8");
    let identifiers = header.merged_patients().len() + header.surviving_patients().len();
    assert!(identifiers <= body.len(), "{}", shape.0);
    let _ = (header.patient_key(), header.visit_key(), header.is_continued());
    let (mut parts, mut text) = ([0_usize; 5], 0);
    for segment in message.segments() {
        parts[0] += 1;
        for field in segment.fields() {
            parts[1] += 1;
            for repetition in field.repetitions() {
                parts[2] += 1;
                for component in repetition.components() {
                    parts[3] += 1;
                    for subcomponent in component.subcomponents() {
                        parts[4] += 1;
                        let read = subcomponent.text(header.charset());
                        text += read.present().map_or(0, |text| text.len());
                    }
                }
            }
        }
    }
    assert!(parts.iter().all(|&parts| parts <= body.len() + 1), "{}: {parts:?}", shape.0);
    assert!(text <= 3 * body.len(), "{}: {text} bytes of text", shape.0);
}

#[test]
fn hostile_bodies_are_read() {
    for shape in SHAPES {
        check(shape);
    }
}

#[test]
fn a_hundred_thousand_segments_are_read() {
    let mut body = b"MSH|^~\\&|A|B\r".to_vec();
    body.extend(b"OBX|1|NM|1^Pulse||70\r".repeat(99_998));
    body.extend(b"DSC|next\r");
    let Ok(message) = Message::parse(&body) else { unreachable!("refused") };
    assert_eq!(message.segments().count(), 100_000);
    assert!(Header::read(message, "", "").is_continued());
}
