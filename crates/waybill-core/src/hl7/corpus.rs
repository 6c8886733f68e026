//! Tests over many messages: public samples where they are present, and damaged bytes.
//!
//! What must hold for any bytes: no panic, a refusal inside the body, an answer that is itself a
//! readable message.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{Header, Message, Value, Verdict, acknowledgement, judge};
use crate::kinds::{Input, Reading, visit};

const MESSAGE: &[u8] =
    b"\xef\xbb\xbfMSH|^~\\&|APP|FAC|R|S|20260310091502-0500||ADT^A40^ADT_A39|1|P|2.5.1|||AL|NE||8859/1\r\n\
EVN|A40|202603100915\nPID|1||1^^^A&1.2&ISO^MR~2^^^B||DOE\\T\\X^\"\"|\"\"|19840912|F\rMRG|9^^^A^MR~8\r\
PID|2||3^^^A\rMRG|7^^^A\rPV1|1|O|W^1^2|||||||||||||||V-\\X4142\\-9\rZZZ|\\.br\\|\\X0\\|\\F\r\x1c\r";

/// Reads everything that can be read of `body`; whether it is a message.
fn walk(body: &[u8]) -> bool {
    let message = match Message::parse(body) {
        Ok(message) => message,
        Err(refused) => {
            assert!(refused.offset <= body.len(), "{refused}");
            return false;
        }
    };
    let header = Header::read(message, "application/hl7-v2", "utf-8");
    for segment in message.segments() {
        assert!(body.get(segment.offset()..).is_some_and(|rest| rest.starts_with(segment.id())));
        for n in 0..=60 {
            for repetition in segment.field(n).repetitions() {
                for m in 0..=6 {
                    let component = repetition.component(m);
                    let text = component.subcomponent(1).text(header.charset());
                    assert!(!matches!(text, Value::Present(text) if text.contains('\0')));
                }
            }
        }
    }
    let judged = judge(&header).map_or_else(Into::into, |()| Verdict::Accept);
    let answer = acknowledgement(&header, &judged, "W-1", DateTime::<Utc>::default());
    let read = Message::parse(&answer).map(|answer| answer.segments().count());
    assert_eq!(read, Ok(if judged == Verdict::Accept { 2 } else { 3 }), "{judged:?}");
    let _ = (header.patient_key(), header.visit_key(), header.merged_patients(), header.surviving_patients());
    process(body);
    true
}

fn process(body: &[u8]) {
    let processing_ids = ["P", "T", "D", ""].map(str::to_owned).to_vec();
    let reading = Reading { timezone: chrono_tz::UTC, charset: "utf-8".to_owned(), processing_ids };
    let (id, received_at) = (uuid::Uuid::nil(), DateTime::<Utc>::default());
    visit::process(&Input { id, received_at, content_type: "application/hl7-v2", body, reading: &reading });
}

#[test]
fn every_truncation_is_survived() {
    for end in 0..=MESSAGE.len() {
        walk(MESSAGE.get(..end).unwrap_or_default());
    }
    for start in 0..=MESSAGE.len() {
        walk(MESSAGE.get(start..).unwrap_or_default());
    }
}

#[test]
fn every_changed_byte_is_survived() {
    for at in 0..MESSAGE.len() {
        for byte in
            [0, b'\r', b'\n', 0x0B, 0x1C, b' ', b'"', b'|', b'^', b'~', b'\\', b'&', b'M', b'9', 0x80, 0xFF]
        {
            let mut body = MESSAGE.to_vec();
            if let Some(place) = body.get_mut(at) {
                *place = byte;
            }
            walk(&body);
        }
    }
}

#[test]
fn random_damage_is_survived() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap_or(1)).unwrap_or_default()
    };
    for _ in 0..4_000 {
        let mut body = MESSAGE.to_vec();
        for _ in 0..=random(8) {
            let (from, to) = (random(body.len()), random(body.len()));
            match random(3) {
                0 => body.swap(from, to),
                1 => drop(body.drain(from.min(to)..from.max(to).min(from.min(to) + 9))),
                _ => body.insert(from, u8::try_from(random(256)).unwrap_or_default()),
            }
        }
        walk(&body);
    }
}

#[test]
fn time_is_linear_in_the_body() {
    let mut body = b"MSH|^~\\&|A|B|||20260310||ADT^A04|1|P|2.5.1\rPID|1||".to_vec();
    body.extend(b"1^^^\\T\\^PI~".repeat(200_000));
    body.extend(b"\rMRG|1".repeat(200_000));
    let Ok(message) = Message::parse(&body) else { unreachable!("refused") };
    let header = Header::read(message, "", "utf-8");
    assert_eq!(header.merged_patients().len(), 200_000);
    assert!(header.patient_key().is_some_and(|patient| patient.authority == "&"));
}

/// The sample folder: `$WAYBILL_CORPUS`, or beside the project.
pub(super) fn samples() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("WAYBILL_CORPUS").map_or(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

pub(super) fn files_below(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files_below(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The messages of a file that may hold several: each begins with MSH at the begin of a line.
pub(super) fn messages(file: &[u8]) -> Vec<&[u8]> {
    let begins_line =
        |at: usize| at == 0 || file.get(at - 1).is_some_and(|byte| matches!(byte, b'\r' | b'\n' | 0xBF));
    let starts = file.windows(4).enumerate().filter(|(at, window)| {
        begins_line(*at) && window.starts_with(b"MSH") && window.last().is_some_and(u8::is_ascii_punctuation)
    });
    let mut starts: Vec<usize> = starts.map(|(at, _)| at).collect();
    starts.push(file.len());
    starts.windows(2).filter_map(|pair| file.get(*pair.first()?..*pair.last()?)).collect()
}

#[test]
fn public_samples_are_read() -> std::io::Result<()> {
    let Some(folder) = samples() else {
        println!("no sample messages: ../shared/corpus is absent and WAYBILL_CORPUS is not set");
        return Ok(());
    };
    let mut files = Vec::new();
    files_below(&folder, &mut files)?;
    let (mut read, mut refused, mut whole) = (0_u32, 0_u32, 0_u32);
    for file in files {
        let bytes = fs::read(&file)?;
        whole += u32::from(walk(&bytes));
        for message in messages(&bytes) {
            if walk(message) {
                read += 1;
            } else {
                refused += 1;
            }
        }
    }
    println!("{read} sample messages read, {refused} refused; {whole} files are one message");
    assert!(read > 0 && refused * 100 < read, "{read} read, {refused} refused");
    Ok(())
}
