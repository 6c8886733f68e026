//! Beside another parser: `hl7-parser` 0.3, which reads a message into a tree of strings.
//!
//! Segments, fields, repetitions, components and subcomponents must be the same bytes. Where they
//! are not, the reason stands in [`DISAGREEMENTS`]; a difference without one fails.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::model::model;
use super::samples;
use crate::hl7::{Message, NotHl7, Segment};

const NOT_TEXT: &str = "not UTF-8";
const LEAD_IN: &str = "before MSH";
const SECOND: &str = "a second MSH";
const SIGNS: &str = "MSH-2 of other than four signs";
const TRUNCATION: &str = "a truncation sign";
const REFUSED_SIGNS: &str = "separators that are refused";
const NO_MSH_3: &str = "nothing after MSH-2";
const BLANK: &str = "a blank line";
const FRAMING: &str = "framing";
const LINE: &str = "a line that is not three letters and a separator";

/// Every kind of disagreement, and why we read it as we do.
const DISAGREEMENTS: [(&str, &str); 10] = [
    (NOT_TEXT, "they take strings; we take bytes, for MSH-18 may say Latin-1"),
    (LEAD_IN, "they refuse a byte-order mark, blank lines and framing before MSH; we pass over them"),
    (SECOND, "they read a second message as a segment of the first; we refuse, a body holds one"),
    (SIGNS, "they take the four bytes after MSH-1 whatever they are; the standard lets a sender declare two"),
    (TRUNCATION, "they read the fifth sign (HL7 2.7) as MSH-3, and count all after it one too high"),
    (
        REFUSED_SIGNS,
        "they take letters, or one sign in two roles, for separators; any such reading is a guess",
    ),
    (NO_MSH_3, "where MSH ends with MSH-2 they give an empty MSH-3; we give what was sent"),
    (BLANK, "they end at a blank line and say nothing of what follows; we pass over it"),
    (FRAMING, "they leave the framing of MLLP in the last value, or end there; we take it away"),
    (LINE, "they end at such a line and say nothing of what follows; we read on, `PID` alone included"),
];

/// The disagreements about `body`, each explained.
fn compare(body: &[u8]) -> Vec<&'static str> {
    let Ok(text) = std::str::from_utf8(body) else { return vec![NOT_TEXT] };
    let theirs = hl7_parser::Message::parse_with_lenient_newlines(text, true);
    match (Message::parse(body), theirs) {
        (Err(_), Err(_)) => vec![],
        (Err(refused), Ok(_)) => vec![why_only_we_refuse(&refused)],
        (Ok(ours), Err(_)) => vec![why_only_they_refuse(&ours)],
        (Ok(ours), Ok(theirs)) => compare_segments(body, &ours, &theirs),
    }
}

fn why_only_we_refuse(refused: &NotHl7) -> &'static str {
    match refused.problem {
        problem if problem.contains("second MSH") => SECOND,
        problem if problem.starts_with("MSH-1") || problem.starts_with("MSH-2") => REFUSED_SIGNS,
        _ => panic!("unexplained: only we refuse: {refused}"),
    }
}

fn why_only_they_refuse(ours: &Message<'_>) -> &'static str {
    let signs = ours.msh().field(2).raw().len();
    match ours.msh().offset() {
        0 if signs < 4 => SIGNS,
        0 => panic!("unexplained: only they refuse"),
        _ => LEAD_IN,
    }
}

fn compare_segments(body: &[u8], ours: &Message<'_>, theirs: &hl7_parser::Message<'_>) -> Vec<&'static str> {
    let (signs, read) = (ours.separators(), theirs.separators);
    let they_read = [read.field, read.component, read.repetition, read.escape, read.subcomponent].map(Some);
    let we_read =
        [Some(signs.field), Some(signs.component), Some(signs.repetition), signs.escape, signs.subcomponent];
    if they_read != we_read.map(|sign| sign.map(char::from)) {
        return vec![SIGNS];
    }
    let mut found = Vec::new();
    for (segment, theirs) in ours.segments().zip(theirs.segments()) {
        if parts(segment) != their_parts(theirs) || segment.id() != theirs.name.as_bytes() {
            found.push(why_a_segment_differs(segment, theirs.raw_value()));
        }
    }
    let (we, they) = (ours.segments().count(), theirs.segments().count());
    assert!(they <= we, "unexplained: they read more segments");
    let ends = ours.segments().nth(they - 1).map_or(0, |last| last.offset() + last.raw().len());
    if let Some(next) = ours.segments().nth(they) {
        found.push(why_they_end(body.get(ends..next.offset()).unwrap_or_default(), next));
    }
    found
}

fn why_a_segment_differs(segment: Segment<'_>, theirs: &str) -> &'static str {
    let is_msh = segment.is("MSH");
    if is_msh && segment.field(2).raw().len() == 5 {
        TRUNCATION
    } else if is_msh && segment.fields().count() == 2 {
        NO_MSH_3
    } else if theirs.trim_matches(['\u{b}', '\u{1c}']).as_bytes() == segment.raw() {
        FRAMING
    } else {
        panic!("unexplained: {} differs at byte {}", theirs.get(..3).unwrap_or_default(), segment.offset())
    }
}

/// Why they end between two segments, `gap` bytes apart, of which they do not read the `next`.
fn why_they_end(gap: &[u8], next: Segment<'_>) -> &'static str {
    if gap.iter().any(|byte| matches!(byte, 0x0B | 0x1C)) {
        FRAMING
    } else if !matches!(gap, b"\r" | b"\n" | b"\r\n") {
        BLANK
    } else if next.raw().len() == next.id().len()
        || next.id().len() != 3
        || !next.id().iter().all(u8::is_ascii_alphanumeric)
    {
        LINE
    } else {
        panic!("unexplained: they end before byte {}", next.offset())
    }
}

/// Every subcomponent: its field, repetition, component and place, and its bytes.
type Parts<'a> = Vec<([usize; 4], &'a [u8])>;

fn parts(segment: Segment<'_>) -> Parts<'_> {
    let mut parts = Vec::new();
    for (field, one) in segment.fields().enumerate() {
        for (repetition, one) in one.repetitions().enumerate() {
            for (component, one) in one.components().enumerate() {
                for (subcomponent, one) in one.subcomponents().enumerate() {
                    parts.push(([field, repetition, component, subcomponent], one.raw()));
                }
            }
        }
    }
    parts
}

fn their_parts<'a>(segment: &hl7_parser::message::Segment<'a>) -> Parts<'a> {
    let mut parts = Vec::new();
    for (field, one) in segment.fields().enumerate() {
        for (repetition, one) in one.repeats().enumerate() {
            for (component, one) in one.components().enumerate() {
                for (subcomponent, one) in one.subcomponents().enumerate() {
                    parts.push(([field, repetition, component, subcomponent], one.value.as_bytes()));
                }
            }
        }
    }
    parts
}

/// Bodies of ours, each with what is disagreed about.
const FIXTURES: [(&[u8], &[&str]); 20] = [
    (b"MSH|^~\\&|A|B\rPID|1||1^^^A&1.2&ISO^MR~2^^^B|\"\"|DOE\\T\\X^J~|\rZ9Z||^&~&|\r", &[]),
    (b"MSH|^~\\&|A\nPID|1\nPV1|", &[]),
    (b"MSH|^~\\&|A\r\nPID|1\r\nPV1|1\r\n", &[]),
    (b"MSH!;:?*!A\rPID!1;2*3:4?!!\r", &[]),
    (b"PID|1\r", &[]),
    (b"MSH|^~\\&|A\rPID|1||||Zo\xeb\r", &[NOT_TEXT]),
    (b"\xef\xbb\xbfMSH|^~\\&|A\r", &[LEAD_IN]),
    (b"\x0bMSH|^~\\&|A\r", &[LEAD_IN]),
    (b"MSH|^~\\&|A\rMSH|^~\\&|B\r", &[SECOND]),
    (b"MSH|^~}|A^1|B\rPID|1\r", &[SIGNS]),
    (b"MSH|^~", &[SIGNS]),
    (b"MSH|^~\\\\&|A\rPID|1||1^A&B\r", &[SIGNS]),
    (b"MSH|^~\\&#|A|B\rPID|1||1^A&B\r", &[TRUNCATION]),
    (b"MSH|&&&&|A\r", &[REFUSED_SIGNS]),
    (b"MSHX^~\\&XA\r", &[REFUSED_SIGNS]),
    (b"MSH|^~\\&\rPID|1\r", &[NO_MSH_3]),
    (b"MSH|^~\\&|A\rPID|1\r\rPV1|1\r", &[BLANK]),
    (b"MSH|^~\\&|A\rPID|1\x1c\r", &[FRAMING]),
    (b"MSH|^~\\&|A\r\x0bPID|1\rPV1|1\r", &[FRAMING]),
    (b"MSH|^~\\&|A\rPID\rPV1|1\r", &[LINE]),
];

#[test]
fn every_disagreement_is_named_and_seen() {
    let mut seen = Vec::new();
    for (body, expected) in FIXTURES {
        let found = compare(body);
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(body));
        seen.extend(found);
    }
    for (name, reason) in DISAGREEMENTS {
        assert!(seen.contains(&name) && !reason.is_empty(), "{name} is never seen: take it out");
    }
    assert!(seen.iter().all(|name| DISAGREEMENTS.iter().any(|(known, _)| known == name)));
}

#[test]
fn public_samples_are_read_alike() -> std::io::Result<()> {
    let files = samples::files()?;
    if files.is_empty() {
        println!("no sample messages: ../shared/corpus is absent and WAYBILL_CORPUS is not set");
    }
    let (mut alike, mut disagreements) = (0, BTreeMap::<&str, u32>::new());
    for file in files {
        let bytes = std::fs::read(file)?;
        for body in samples::messages(&bytes).into_iter().chain([bytes.as_slice()]) {
            let found = compare(body);
            alike += u32::from(found.is_empty());
            for name in found {
                *disagreements.entry(name).or_default() += 1;
            }
        }
    }
    println!("{alike} read alike; {disagreements:?}");
    Ok(())
}

proptest! {
    #[test]
    fn what_is_built_is_read_alike(model in model("[ -~éß]{0,8}".prop_map(String::into_bytes))) {
        compare(&model.body());
    }
}
