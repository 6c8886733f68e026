//! Reading HL7, against the crate `hl7-parser`: what accepting needs of a message (the envelope), and
//! every part of every field. One thread, the same messages, turn by turn.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
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
    let (collection, messages) = collection()?;
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

/// Waybill's own reading.
mod ours {
    use waybill_core::hl7::{Header, Message, Segment};

    /// What accepting, answering and ordering look at.
    pub(super) fn envelope(text: &str) -> usize {
        let Ok(message) = Message::parse(text.as_bytes()) else { return 0 };
        let header = Header::read(message, "application/hl7-v2", "utf-8");
        let words = [
            header.sending_application(),
            header.sending_facility(),
            header.code(),
            header.trigger(),
            header.control_id(),
            header.processing_id(),
            header.version(),
        ];
        let patients = header.patient_key().into_iter().chain(header.merged_patients());
        words.iter().map(|word| word.len()).sum::<usize>()
            + usize::from(header.is_enhanced_mode())
            + patients.map(|patient| patient.id.len() + patient.authority.len()).sum::<usize>()
            + header.visit_key().map_or(0, |visit| visit.len())
    }

    /// Every subcomponent of every component of every repetition of every field.
    pub(super) fn every_part(text: &str) -> usize {
        let Ok(message) = Message::parse(text.as_bytes()) else { return 0 };
        message.segments().map(|segment| of_segment(text.as_bytes(), &segment)).sum()
    }

    fn of_segment(body: &[u8], segment: &Segment<'_>) -> usize {
        let separators = segment.separators();
        let line = body.get(segment.offset()..).unwrap_or_default();
        let line = line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let is_header = segment.is("MSH");
        let mut sum = 0;
        for n in 1..=count(line, separators.field) - 1 + usize::from(is_header) {
            let field = segment.field(n);
            if is_header && n < 3 {
                sum += field.raw().len();
                continue;
            }
            for repetition in field.repetitions() {
                for m in 1..=count(repetition.raw(), separators.component) {
                    let component = repetition.component(m);
                    let parts = separators.subcomponent.map_or(1, |sign| count(component.raw(), sign));
                    sum += (1..=parts).map(|part| component.subcomponent(part).raw().len()).sum::<usize>();
                }
            }
        }
        sum
    }

    fn count(bytes: &[u8], sign: u8) -> usize {
        bytes.iter().filter(|&&byte| byte == sign).count() + 1
    }
}

/// The same with `hl7-parser`, which builds a tree of the whole message first.
mod theirs {
    use hl7_parser::Message;

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

    pub(super) fn every_part(text: &str) -> usize {
        let Ok(message) = Message::parse(text) else { return 0 };
        let mut sum = 0;
        for field in message.segments().flat_map(|segment| segment.fields()) {
            for component in field.repeats().flat_map(|repeat| repeat.components()) {
                sum += component.subcomponents().map(|part| part.raw_value().len()).sum::<usize>();
            }
        }
        sum
    }
}

/// The messages that both read: of the sample folder (`$WAYBILL_CORPUS`, or beside the project), else of
/// the demo. Line ends are made CR, as the standard has them.
fn collection() -> anyhow::Result<(&'static str, Vec<String>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = here.join("../../../shared/corpus");
    let samples = std::env::var_os("WAYBILL_CORPUS").map_or(beside, PathBuf::from);
    let (name, folder) =
        if samples.is_dir() { ("samples", samples) } else { ("demo", here.join("../fixtures/demo/docutap")) };
    let mut files = Vec::new();
    files_below(&folder, &mut files)?;
    files.sort_unstable();
    let mut messages = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        messages.extend(split(&text).filter(|message| is_read_by_both(message)));
    }
    anyhow::ensure!(!messages.is_empty(), "{} holds no HL7 message", folder.display());
    Ok((name, messages))
}

fn is_read_by_both(message: &str) -> bool {
    waybill_core::hl7::Message::parse(message.as_bytes()).is_ok()
        && hl7_parser::Message::parse(message).is_ok()
}

/// The messages of a file that may hold several: each begins with MSH at the begin of a line.
fn split(text: &str) -> impl Iterator<Item = String> {
    let mut messages: Vec<String> = Vec::new();
    for line in text.split(['\r', '\n']).filter(|line| !line.is_empty()) {
        if line.starts_with("MSH|") {
            messages.push(String::new());
        }
        if let Some(message) = messages.last_mut() {
            message.push_str(line);
            message.push('\r');
        }
    }
    messages.into_iter()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "hl7" || ending == "out") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_the_same() {
        let body = "MSH|^~\\&|APP|FAC|||20260310||ADT^A04^ADT_A01|77|P|2.5.1\rPID|1||42^^^A&1&ISO^MR~43||DOE^JANE\rPV1|1|O|||||||||||||||||V-9\r";
        assert_eq!(ours::envelope(body), theirs::envelope(body) + "&1&ISO".len());
        assert_eq!(ours::every_part(body), theirs::every_part(body));
        assert!(ours::envelope(body) > 0 && ours::every_part(body) > 0);
    }

    #[test]
    fn a_file_of_several_messages_is_split() {
        assert_eq!(split("MSH|a\nPID|1\r\nMSH|b\r").collect::<Vec<_>>(), ["MSH|a\rPID|1\r", "MSH|b\r"]);
    }
}
