//! Any bytes: never a panic, and what is read is what was sent.

use proptest::collection::vec;
use proptest::prelude::*;

use super::walk::walk;
use crate::hl7::Message;

/// Bytes that mean something to the reader come often, all others now and then.
fn byte() -> impl Strategy<Value = u8> {
    let meaningful: &[u8] = b"|^~\\&#\r\n\"\x00\x0b\x1cXFSTRE.01MSHPIDV";
    prop_oneof![4 => proptest::sample::select(meaningful), 1 => any::<u8>()]
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let begins: Vec<&[u8]> = vec![
        b"PID|1||",
        b"MRG|",
        b"PV1||||||||||||||||||||",
        b"SCH|",
        b"DSC|",
        b"MSA|",
        b"ZZZ|",
        b"MSH|^~\\&|",
        b"",
    ];
    let line =
        (proptest::sample::select(begins), vec(byte(), 0..40), proptest::sample::select(b"\r\n".as_slice()));
    vec(line, 0..12).prop_map(|lines| {
        let mut body = Vec::new();
        for (begin, rest, end) in lines {
            body.extend(begin);
            body.extend(rest);
            body.push(end);
        }
        body
    })
}

/// Segments as slowly and plainly as they can be found: lines without the framing around them.
fn check_segments(body: &[u8]) {
    let Ok(message) = Message::parse(body) else { return };
    let is_frame = |byte: &u8| matches!(byte, 0x0B | 0x1C);
    let (mut offset, mut lines) = (message.msh().offset(), Vec::new());
    for line in body[offset..].split(|byte| matches!(byte, b'\r' | b'\n')) {
        if let Some(begin) = line.iter().position(|byte| !is_frame(byte)) {
            let end = line.iter().rposition(|byte| !is_frame(byte)).unwrap_or(begin);
            lines.push((offset + begin, &line[begin..=end]));
        }
        offset += line.len() + 1;
    }
    let found: Vec<_> = message.segments().map(|segment| (segment.offset(), segment.raw())).collect();
    assert_eq!(found, lines);
}

proptest! {
    #[test]
    fn segments_are_lines_without_framing(rest in lines()) {
        check_segments(&[&b"\n\x0bMSH|^~\\&|A\r"[..], &rest].concat());
    }

    #[test]
    fn any_bytes_are_survived(body in vec(any::<u8>(), 0..400)) {
        walk(&body);
    }

    #[test]
    fn any_bytes_after_a_header_are_survived(msh in vec(byte(), 0..200), rest in lines()) {
        let head = b"MSH|^~\\&|A|B|C|D|20260310||ADT^A40|1|P|2.5.1|||";
        walk(&[&head[..], &msh, b"\r", &rest].concat());
    }

    #[test]
    fn any_declared_separators_are_survived(signs in vec(byte(), 2..7), rest in lines()) {
        walk(&[&b"MSH"[..], &signs, &rest].concat());
    }
}

/// What a fuzzer or a partner has found: each body once made something go wrong, or nearly.
#[test]
fn what_was_found_is_survived() {
    let found: [&[u8]; 4] = [
        b"MSH|^~\\&|\rMSH\rMSH",
        b"MSH|^~\\&|A\r\x0b\x1c\x0b\rPID\x1c|\x0b1\x1c\r\x1c",
        b"MSH|^~|\"\"|\\X00\\|\0\rPID|||\"\"^\"\"&\"\"~\"\"\rDSC|\"\"\rDSC| \rDSC|\0",
        b"\xef\xbb\xbf\x0b MSH}|~!\"}\\}\rPID}\0|}",
    ];
    for body in found {
        walk(body);
    }
}

/// What the fuzzer starts with, and what of its finds was worth keeping.
#[test]
fn seeds_are_survived() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/hl7");
    let mut read = 0;
    for seed in std::fs::read_dir(folder)? {
        read += u32::from(walk(&std::fs::read(seed?.path())?));
    }
    assert!(read > 5, "{read} seeds are messages");
    Ok(())
}
