//! Reading HL7, against the crate `hl7-parser`: what accepting needs of a message (the envelope), and
//! every part of every field. One thread, the same messages, turn by turn.

mod collection;
mod ours;
mod theirs;

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Figures of reading.
#[derive(Debug, Clone, Serialize)]
pub struct Reading {
    /// Envelopes per second.
    pub envelope_per_s: f64,
    /// Messages per second, every part read.
    pub parse_per_s: f64,
    /// The same with `hl7-parser`, which reads the whole message in either case.
    pub other_envelope_per_s: f64,
    /// The same with `hl7-parser`.
    pub other_parse_per_s: f64,
    /// How many times as fast.
    pub envelope_vs_hl7_parser: f64,
    /// How many times as fast.
    pub parse_vs_hl7_parser: f64,
    /// What was read: `samples` or `demo`.
    pub collection: &'static str,
    /// How many messages.
    pub messages: usize,
    /// Their mean size.
    pub bytes_mean: f64,
}

/// What reads a message; the sum of the sizes of what it found, so that nothing is optimised away.
type Reader = fn(&str) -> usize;

/// Each of the four ways, for `lasts`.
pub fn measure(lasts: Duration) -> anyhow::Result<Reading> {
    let (collection, messages) = collection::collection()?;
    let bytes: usize = messages.iter().map(String::len).sum();
    let readers: [Reader; 4] = [ours::envelope, theirs::envelope, ours::every_part, theirs::every_part];
    let mut read = [0_usize; 4];
    let mut took = [Duration::ZERO; 4];
    while took.iter().any(|took| *took < lasts) {
        for ((reader, read), took) in readers.iter().zip(&mut read).zip(&mut took) {
            let began = Instant::now();
            // a turn: all messages, for a tenth of a second or once
            while began.elapsed() < Duration::from_millis(100) {
                for message in &messages {
                    black_box(reader(black_box(message)));
                }
                *read += messages.len();
            }
            *took += began.elapsed();
        }
    }
    let per_s = |n: usize| read[n] as f64 / took[n].as_secs_f64();
    Ok(Reading {
        envelope_per_s: per_s(0),
        parse_per_s: per_s(2),
        other_envelope_per_s: per_s(1),
        other_parse_per_s: per_s(3),
        envelope_vs_hl7_parser: per_s(0) / per_s(1),
        parse_vs_hl7_parser: per_s(2) / per_s(3),
        collection,
        messages: messages.len(),
        bytes_mean: bytes as f64 / messages.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_the_same() {
        let body = "MSH|^~\\&|APP|FAC|||20260310||ADT^A04^ADT_A01|77|P|2.5.1\rPID|1||42^^^A&1&ISO^MR~43||DOE^JANE\rPV1|1|O|||||||||||||||||V-9\r";
        assert_eq!(ours::envelope(body), theirs::envelope(body));
        assert_eq!(ours::every_part(body), theirs::every_part(body));
        assert!(ours::envelope(body) > 0 && ours::every_part(body) > 0);
    }
}
