//! Tests of the whole shape: fixtures, the schema, the way there and back, hostile bodies, and the
//! public samples where they are present.
//!
//! `WAYBILL_WRITE_FIXTURES=1` writes the fixtures' JSON and the example in the documentation anew
//! instead of comparing: look at the difference before it is committed.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Context, from_normalized, normalized};
use crate::hl7::proof::samples;
use crate::hl7::{Header, Message, Repetition, Value};

const SCHEMA: &str = include_str!("../../../../../docs/schemas/waybill.hl7v2-1.schema.json");

fn context() -> Context<'static> {
    Context {
        id: Uuid::from_u128(0x0190_f3a1_2b3c_7d4e_8f50_0123_4567_89ab),
        source: "docutap",
        received_at: DateTime::<Utc>::from_timestamp_micros(1_773_152_103_201_000).unwrap(),
        timezone: chrono_tz::America::New_York,
    }
}

fn header<'a>(body: &'a [u8], content_type: &str) -> Option<Header<'a>> {
    Some(Header::read(Message::parse(body).ok()?, content_type, "utf-8"))
}

/// The canonical text of a body that is a message.
fn canonical(body: &[u8], content_type: &str) -> Option<String> {
    let header = header(body, content_type)?;
    Some(serde_json::to_string(&normalized(&header, &context())).unwrap())
}

fn read(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

fn validator() -> &'static Validator {
    static VALIDATOR: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::validator_for(&read(SCHEMA)).expect("the schema is one"));
    &VALIDATOR
}

/// What must hold for any message: the schema, the order of keys, and the way there and back.
fn check(body: &[u8], content_type: &str) {
    let validator = validator();
    let text = canonical(body, content_type).expect("a message");
    let json = read(&text);
    assert_eq!(json.to_string(), text, "keys are sorted");
    let faults: Vec<_> =
        validator.iter_errors(&json).map(|fault| fault.instance_path().to_string()).collect();
    assert!(faults.is_empty(), "the schema is broken at {faults:?}");

    let again = from_normalized(&json).unwrap_or_else(|refused| panic!("{refused}"));
    let mut reread = read(&canonical(&again, "application/hl7-v2; charset=utf-8").expect("a message again"));
    let mut first = json;
    let is_guess = |w: &Json| w["code"].as_str().is_some_and(|code| code.starts_with("charset"));
    if first["warnings"].as_array().unwrap().iter().any(is_guess) {
        // what was no text has become text: nothing is left to warn of
        (first["warnings"], reread["warnings"]) = (Json::Null, Json::Null);
    } else if !text.contains(r"\\X") {
        // beside a hexadecimal sequence that is no text, the parts' own reader guesses
        same_parts(body, content_type, &again);
    }
    assert_eq!(first, reread, "the JSON of what is written again");
}

/// That two messages are equal in every part, as the parts' own readers see them.
fn same_parts(one: &[u8], content_type: &str, other: &[u8]) {
    let one = header(one, content_type).unwrap();
    let other = header(other, "application/hl7-v2; charset=utf-8").unwrap();
    let lines = |header: &Header<'_>| header.message().segments().count();
    assert_eq!(lines(&one), lines(&other));
    for (left, right) in one.message().segments().zip(other.message().segments()) {
        let last = |segment| super::parts::fields(segment).map(|field| field.n).max().unwrap_or_default();
        for n in 1..=last(left).max(last(right)) {
            let all = |header: &Header<'_>, segment: &crate::hl7::Segment<'_>| -> Vec<_> {
                segment.field(n).repetitions().map(|one| flat(one, header)).collect()
            };
            assert_eq!(all(&one, &left), all(&other, &right), "{left:?}-{n}");
        }
    }
}

/// The texts of a repetition by their place, without those that are absent.
fn flat(one: Repetition<'_>, header: &Header<'_>) -> Vec<(usize, usize, Value<String>)> {
    let separators = header.message().separators();
    let count = |raw: &[u8], sign: Option<u8>| raw.iter().filter(|&&byte| Some(byte) == sign).count() + 1;
    let mut found = Vec::new();
    for n in 1..=count(one.raw(), Some(separators.component)) {
        let component = one.component(n);
        for m in 1..=count(component.raw(), separators.subcomponent) {
            let text = component.subcomponent(m).text(header.charset()).map(Cow::into_owned);
            if text != Value::Absent {
                found.push((n, m, text));
            }
        }
    }
    found
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/normalized")
}

fn writes() -> bool {
    std::env::var_os("WAYBILL_WRITE_FIXTURES").is_some()
}

#[test]
fn fixtures_are_normalised_as_they_say() {
    let mut seen = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "hl7") {
            continue;
        }
        let body = fs::read(&path).unwrap();
        let json = read(&canonical(&body, "application/hl7-v2").expect("a message"));
        let pretty = format!("{}\n", serde_json::to_string_pretty(&json).unwrap());
        let expected = path.with_extension("json");
        if writes() {
            fs::write(&expected, &pretty).unwrap();
        }
        assert_eq!(fs::read_to_string(&expected).unwrap(), pretty, "{}", path.display());
        check(&body, "application/hl7-v2");
        seen += 1;
    }
    assert!(seen >= 10, "the fixtures are found");
}

#[test]
fn the_documentation_shows_a_fixture() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/NORMALIZED.md");
    for (fence, file) in [("```hl7\n", "arrival.hl7"), ("```json\n", "arrival.json")] {
        let page = fs::read_to_string(&path).unwrap();
        let expected = fs::read_to_string(folder().join(file)).unwrap();
        let (before, rest) = page.split_once(fence).expect("the example");
        let (shown, after) = rest.split_once("```").expect("its end");
        if writes() && shown != expected {
            fs::write(&path, format!("{before}{fence}{expected}```{after}")).unwrap();
        } else {
            assert_eq!(shown, expected, "{file}");
        }
    }
}

#[test]
fn the_schema_refuses_what_is_not_the_shape() {
    let validator = validator();
    let mut good = read(&fs::read_to_string(folder().join("arrival.json")).unwrap());
    good["warnings"] = serde_json::json!([{"code": "tz_defaulted", "at": "EVN-2"}]);
    assert!(validator.is_valid(&good));
    let places = [
        ("/schema", Json::from("waybill.hl7v2/2")),
        ("/message/sequence", Json::from("1")),
        ("/message/sent_at/zone", Json::from("guessed")),
        ("/message/sent_at/utc", Json::from("2026-03-10 14:15:02")),
        ("/patient/birth_date/date", Json::from("19840912")),
        ("/patient/ids/0", Json::from("MRN1001")),
        ("/patient/name/family", Json::from("")),
        ("/merge", Json::from(Vec::<Json>::new())),
        ("/segments", Json::from(Vec::<Json>::new())),
        ("/segments/0/id", Json::from("PID")),
        ("/segments/1/n", Json::from(0)),
        ("/segments/1/f/2", Json::from("text")),
        ("/warnings/0/code", Json::from("whatever")),
        ("/warnings/0/at", Json::from("DOE JANE")),
    ];
    for (place, wrong) in places {
        let mut json = good.clone();
        *json.pointer_mut(place).unwrap_or_else(|| panic!("{place} is there")) = wrong;
        assert!(!validator.is_valid(&json), "{place}");
    }
    let mut json = good;
    json["patient"]["surname"] = Json::from("DOE");
    assert!(!validator.is_valid(&json), "an unknown key");
}

#[test]
fn public_samples_are_normalised() {
    let files = samples::files().unwrap();
    if files.is_empty() {
        println!("no sample messages: ../shared/corpus is absent and WAYBILL_CORPUS is not set");
        return;
    }
    let mut seen = 0_u32;
    for bytes in files.iter().map(|file| fs::read(file).unwrap()) {
        for message in samples::messages(&bytes).into_iter().filter(|body| Message::parse(body).is_ok()) {
            check(message, "application/hl7-v2");
            seen += 1;
        }
    }
    println!("{seen} sample messages normalised and written again");
    assert!(seen > 1_000, "{seen}");
}

/// What JSON must have the shape to be written again, and what the refusal says.
fn check_refused(json: &str, part: &str) {
    let refused = from_normalized(&read(json)).expect_err(json).to_string();
    assert!(refused.contains(part) && !refused.contains("SECRET"), "{json}: {refused}");
}

#[test]
fn json_that_is_no_message_is_refused_by_place() {
    let with = |segments: &str| {
        let msh = r#"{"id":"MSH","n":1,"f":{"1":[{"1":"|"}],"2":[{"1":"^~"}]}}"#;
        format!(r#"{{"segments":[{msh},{segments}]}}"#)
    };
    check_refused("{}", "no list of segments");
    check_refused(r#"{"segments":[]}"#, "empty");
    check_refused(r#"{"segments":[{"id":"SECRET","f":{}}]}"#, "not MSH");
    check_refused(r#"{"segments":[{"id":"MSH","f":{}}]}"#, "MSH-1 or MSH-2");
    check_refused(r#"{"segments":[{"id":"MSH","f":{"1":[{"1":"||"}],"2":[{"1":"^~"}]}}]}"#, "segments[0]");
    check_refused(r#"{"segments":[{"id":"MSH","f":{"1":[{"1":"|"}],"2":[{"1":"^~\r"}]}}]}"#, "segments[0]");
    check_refused(&with(r#"{"f":{}}"#), "no id");
    check_refused(&with(r#"{"id":"SEC|RET","f":{}}"#), "segments[1], field 0: the id");
    check_refused(&with(r#"{"id":"MSH","f":{"3":[{"1":"SECRET"}]}}"#), "second MSH");
    check_refused(&with(r#"{"id":"PID","f":{"SECRET":[]}}"#), "not a number");
    check_refused(&with(r#"{"id":"PID","f":{"0":[]}}"#), "not a number");
    check_refused(&with(r#"{"id":"PID","f":{"3":"SECRET"}}"#), "field 3: a field is a list");
    check_refused(&with(r#"{"id":"PID","f":{"3":[{"1":"SEC|RET"}]}}"#), "cannot be written");
    check_refused(&with(r#"{"id":"PID","f":{"3":[{"1":{"2":"SECRET"}}]}}"#), "no separator");
    check_refused(&with(r#"{"id":"PID","f":{"9000000000":[{"1":"SECRET"}]}}"#), "too long");
}

#[test]
fn hostile_bodies_are_bounded() {
    let begin = b"MSH|^~\\&|A|B|||20260310||ADT^A40|1|P|2.5.1\r";
    let many = 20_000;
    for part in [
        "|",
        "|a",
        "~",
        "^a",
        "&a",
        "\\",
        "\\X41\\",
        "\\E\\",
        "\rPID|1||x\rMRG|y",
        "\rOBX|1",
        "\ra",
        "\r\u{eb}|x\0",
    ] {
        let mut body = [&begin[..], b"PID|1||1"].concat();
        body.extend(part.as_bytes().repeat(many));
        body.extend(b"\rOBX|1|ST|c||");
        body.extend(part.replace('\r', "").as_bytes().repeat(many));
        let text = canonical(&body, "application/hl7-v2").expect("a message");
        assert!(text.len() < body.len() * 16, "{part:?}: {} from {}", text.len(), body.len());
        assert!(read(&text)["warnings"].as_array().unwrap().len() <= 101, "{part:?}");
    }
}

#[test]
fn warnings_and_lists_say_when_there_is_more() {
    let mut body = b"MSH|^~\\&|A|B|||20260310||ADT^A40|1|P|2.5.1\rPID|1||1\r".to_vec();
    body.extend(b"MRG\r".repeat(150));
    let warnings = read(&canonical(&body, "").unwrap())["warnings"].clone();
    let warnings = warnings.as_array().unwrap();
    assert_eq!(warnings.len(), 101);
    assert_eq!(warnings[99], serde_json::json!({"code": "merge_incomplete", "at": "MRG[100]"}));
    assert_eq!(warnings[100], serde_json::json!({"code": "more", "at": "MRG[101]"}));
    body.extend(b"OBX|1\r".repeat(20_000));
    let json = read(&canonical(&body, "").unwrap());
    assert!(json["observations"].as_array().unwrap().len() < 10_000);
    assert_eq!(json["segments"].as_array().unwrap().len(), 20_152);
}

#[test]
fn debug_shows_no_content() {
    let header = header(b"MSH|^~\\&|SECRET\r", "").unwrap();
    assert_eq!(format!("{:?}", normalized(&header, &context())), "Normalized(Message(16 bytes))");
}

/// A value as senders write them, and as no sender should.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[A-Za-z0-9 ]{1,6}".prop_map(String::into_bytes),
        2 => "[éß☂\u{85}\u{1f600}]{1,2}".prop_map(String::into_bytes),
        4 => prop::sample::select(vec!["F", "S", "R", "T", "E", "P", "H", ".br", "X41", "X5C", "XFF", "XC3", "XA9", "X0D", "X00", "X2222", "Zx", "C2842", "dir", "", "X4"])
            .prop_map(|inside| format!("\\{inside}\\").into_bytes()),
        1 => prop::sample::select(vec!["\\", "\"\"", "\"", "#", "\u{b}", "\u{1c}", "\t", "&", "^", "~", "!"])
            .prop_map(|sign| sign.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![
        8 => prop::sample::select(vec!["PID", "PV1", "SCH", "MRG", "OBX", "ZZZ", "EVN", "TQ1"]).prop_map(str::to_owned),
        1 => "[a-z ^\u{b}é]{0,4}",
    ];
    let line = (id, prop::collection::vec(value(), 0..20));
    let msh_2 =
        prop::sample::select(vec!["|^~\\&", "|^~\\&#", "|^~\\", "|^~", "!@/\\*", "|^~\\\\&", "$:~\\;"]);
    (msh_2, prop::collection::vec(value(), 0..18), prop::collection::vec(line, 0..6)).prop_map(
        |(signs, msh, lines)| {
            let separator = signs.as_bytes()[0];
            let mut body = format!("MSH{signs}").into_bytes();
            let mut put = |fields: &[Vec<u8>]| {
                for field in fields {
                    body.push(separator);
                    body.extend(field.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
                }
            };
            put(&msh);
            let mut whole = body;
            for (id, fields) in lines {
                whole.push(b'\r');
                whole.extend(id.bytes());
                for field in fields {
                    whole.push(separator);
                    whole.extend(field);
                }
            }
            whole
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn there_and_back_again(body in body(), charset in prop::sample::select(vec!["utf-8", "8859/1", "windows-1252", "big5"])) {
        let content_type = format!("application/hl7-v2; charset={charset}");
        if Message::parse(&body).is_ok() {
            check(&body, &content_type);
        }
    }
}
