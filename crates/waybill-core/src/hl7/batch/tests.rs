//! Splitting by position, what is tolerated, and what is a fault of the batch.

use std::path::{Path, PathBuf};

use super::{Batch, NotABatch};

const FHS: &str = "FHS|^~\\&|LAB|EAST|HUB|WEST|20260310||F1||F-1\r";
const BHS: &str = "BHS|^~\\&|LAB|EAST|HUB|WEST|20260310||B1||B-1\r";

fn message(n: usize) -> String {
    format!("MSH|^~\\&|LAB|EAST|HUB|WEST|20260310||ADT^A04|{n}|P|2.5.1\rPID|||{n}^^^EAST\r")
}

fn messages(count: usize) -> String {
    (0..count).map(message).collect()
}

/// The messages of `body` are these, byte for byte, in groups of these sizes.
fn check(body: &str, expected: &[&str], groups: &[usize]) {
    let batch = Batch::parse(body.as_bytes(), 100);
    let Ok(batch) = batch else { unreachable!("{body:?}: {batch:?}") };
    let found: Vec<_> = batch.messages().map(String::from_utf8_lossy).collect();
    assert_eq!(found, expected, "{body:?}");
    let sizes: Vec<_> = batch.groups.iter().map(|group| group.messages.len()).collect();
    assert_eq!(sizes, groups, "{body:?}");
}

#[track_caller]
fn check_refused(body: &str, expected: &str) {
    let refused = Batch::parse(body.as_bytes(), 3).err().map(|refused| refused.to_string());
    let text = refused.unwrap_or_default();
    assert!(text.contains(expected), "{body:?}: {text:?}");
    assert!(!text.contains("SECRET"), "content is never named: {text}");
}

#[test]
fn headers_and_trailers_may_be_missing() {
    let (one, two) = (message(0), message(1));
    let both = [&*one, &*two];
    check(&format!("{FHS}{BHS}{one}{two}BTS|2\rFTS|1\r"), &both, &[2]);
    check(&format!("{FHS}{BHS}{one}{two}"), &both, &[2]);
    check(&format!("{BHS}{one}{two}BTS|2|a comment\r"), &both, &[2]);
    check(&format!("{FHS}{one}{two}FTS|1\r"), &both, &[2]);
    check(&format!("{one}{two}"), &both, &[2]);
    check(&one, &[&one], &[1]);
    check(&format!("{BHS}{one}{two}BTS\rFTS"), &both, &[2]);
    check(&format!("{BHS}{one}{two}BTS||x\rFTS|\"\"\r"), &both, &[2]);
}

#[test]
fn a_file_holds_several_batches() {
    let (one, two, three) = (message(0), message(1), message(2));
    let all = [&*one, &*two, &*three];
    check(&format!("{FHS}{BHS}{one}BTS|1\r{BHS}{two}{three}BTS|2\rFTS|2\r"), &all, &[1, 2]);
    check(&format!("{BHS}{one}{BHS}{two}{three}"), &all, &[1, 2]);
    check(&format!("{FHS}{BHS}{one}BTS|1\r{two}{three}BTS|2\rFTS|2\r"), &all, &[1, 2]);
}

#[test]
fn an_empty_batch_is_a_batch() {
    check(&format!("{FHS}{BHS}BTS|0\rFTS|1\r"), &[], &[0]);
    check(&format!("{FHS}FTS|0\r"), &[], &[]);
    check(BHS, &[], &[0]);
    check(FHS, &[], &[]);
}

#[test]
fn messages_are_taken_byte_for_byte() {
    let (one, two) = (message(0), message(1));
    for end in ["\n", "\r\n"] {
        let with = |text: &str| text.replace('\r', end);
        let body = with(&format!("{FHS}{BHS}{one}{two}BTS|2\rFTS|1"));
        check(&body, &[&with(&one), &with(&two)], &[2]);
    }
    let body = format!("\u{feff}\r\n{BHS}\r{one}\r\n\r{two}\r\n\nBTS|2\r \r");
    check(&body, &[&one, &two], &[2]);
    check(&format!("\u{b}{one}\u{1c}\r\u{b}{two}\u{1c}\r"), &[&one, &two], &[2]);
    check(&format!("{one}{}", two.trim_end()), &[&one, two.trim_end()], &[2]);
}

#[test]
fn each_header_declares_its_own_separators() {
    let other = "MSH!@/\\-!LAB!!!!20260310!!ADT@A04!9!P!2.5.1\rPID!!!9\r";
    check(&format!("FHS#*~\\&#LAB\r{BHS}{}{other}BTS|2\rFTS#1\r", message(0)), &[&message(0), other], &[2]);
}

#[test]
fn a_count_that_does_not_match_is_a_fault_of_the_batch() {
    let body = format!("{BHS}{}BTS|SECRET\r", messages(2));
    check_refused(
        &body,
        &format!("at byte {}, BTS-1 is not a count: 2 messages were found", body.len() - 11),
    );
    let body = format!("{BHS}{}BTS|3\r", messages(2));
    check_refused(&body, &format!("at byte {}, BTS-1 does not match: 2 messages were found", body.len() - 6));
    check_refused(
        &format!("{FHS}{BHS}{}BTS|2\rFTS|2\r", messages(2)),
        "FTS-1 does not match: 1 batches were found",
    );
    check_refused(
        &format!("{BHS}{0}BTS|1\r{BHS}BTS|1\r", messages(1)),
        "BTS-1 does not match: 0 messages were found",
    );
    check_refused(&format!("{BHS}BTS|-1\r"), "BTS-1 is not a count");
    check_refused(&format!("{BHS}BTS|99999999999999999999999\r"), "BTS-1 is not a count");
}

#[test]
fn what_would_be_a_guess_is_refused_by_position() {
    check_refused("", "at byte 0, the body is empty");
    check_refused("\r\n \u{b}\r", "the body is empty");
    check_refused("[{\"SECRET\": 1}]", "at byte 0, no FHS, BHS or MSH");
    check_refused("\nPID|SECRET\r", "at byte 1, no FHS, BHS or MSH");
    check_refused("BTS|0\r", "at byte 0, BTS ends a batch that has not begun");
    check_refused("FTS|0\r", "at byte 0, FTS ends a file that has not begun");
    check_refused("FHS|^~a&|SECRET\r", "at byte 6, FHS-1 and FHS-2");
    check_refused("BHS|&&&&|SECRET\r", "at byte 5, BHS-1 and BHS-2");
    check_refused(&format!("{BHS}PID|SECRET\r"), &format!("at byte {}, a segment stands outside", BHS.len()));
    check_refused(&format!("{BHS}BTS|0\rZZZ|SECRET\r"), "a segment stands outside of any message");
    check_refused(&format!("{BHS}BTS|0\rBTS|0\r"), "BTS ends a batch that has not begun");
    check_refused(&format!("{FHS}{FHS}"), "a second file begins");
    check_refused(&format!("{FHS}FTS|0\r{BHS}"), "something follows FTS");
    check_refused(&format!("{FHS}FTS|0\rFTS|0\r"), "something follows FTS");
    check_refused(&messages(4), "too many messages");
}

#[test]
fn a_message_that_cannot_be_read_is_named() {
    let body = format!("{BHS}{}MSH|^~^&|SECRET\r", message(0));
    let refused = Batch::parse(body.as_bytes(), 3);
    let Err(NotABatch::Message { item, offset, .. }) = refused else { unreachable!("{refused:?}") };
    assert_eq!((item, offset), (1, BHS.len() + message(0).len() + 6));
}

#[test]
fn no_bytes_make_it_panic() {
    let body = format!("\u{feff}{FHS}{BHS}\u{b}{}\u{1c}\r{}BTS|2\rFTS|1\r", message(0), message(1));
    for end in 0..body.len() {
        let _ = Batch::parse(&body.as_bytes()[..end], 3);
        let mut bytes = body.clone().into_bytes();
        for odd in [0, b'\r', b'|', 0x0B, 0xFF] {
            bytes[end] = odd;
            let _ = Batch::parse(&bytes, 3);
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Public batch files: as many messages as lines begin with MSH, and the counts in the trailers hold.
#[test]
fn public_sample_batches_are_read() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = std::env::var_os("WAYBILL_CORPUS").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("no sample messages: ../shared/corpus is absent and WAYBILL_CORPUS is not set");
        return;
    }
    let (mut read, mut refused) = (0, Vec::new());
    for file in files_below(&folder) {
        let body = std::fs::read(&file).unwrap();
        if !body.starts_with(b"FHS|") {
            continue;
        }
        let expected =
            body.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| line.starts_with(b"MSH|"));
        match Batch::parse(&body, 10_000) {
            Ok(batch) => {
                assert_eq!(batch.messages().count(), expected.count(), "{}", file.display());
                read += 1;
            }
            Err(why) => refused.push(format!("{}: {why}", file.display())),
        }
    }
    println!("{read} sample batches read, refused: {refused:#?}");
    assert!(read > 0, "{refused:#?}");
}
