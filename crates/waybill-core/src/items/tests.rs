//! What is an item, which position and index a refusal names, and which keys the items have.

use super::{BatchRefusal, Form, ITEMS_MAX, Judged, judge};
use crate::accept::Refusal;
use crate::source::Source;

const LINES: &str = "application/x-ndjson";
const EVENTS: &str = "application/cloudevents-batch+json";
const HL7: &str = "application/hl7-v2";

fn source(format: &str) -> Source {
    let text = format!("[[source]]\nname = \"a\"\nformat = \"{format}\"\nbody_bytes_max = 200");
    crate::source::read(&text).unwrap().remove(0)
}

fn read(
    format: &str,
    content_type: &str,
    key: Option<&str>,
    body: &str,
) -> Result<Vec<Judged>, BatchRefusal> {
    let source = source(format);
    let form = Form::of(source.format, content_type).map_err(BatchRefusal::Batch)?;
    let items = form.split(source.format, content_type, body.as_bytes())?;
    judge(&source, &items, key)
}

#[track_caller]
fn check_items(format: &str, content_type: &str, body: &str, expected: &[&str]) {
    let source = source(format);
    let items = Form::of(source.format, content_type)
        .map_err(BatchRefusal::Batch)
        .and_then(|form| form.split(source.format, content_type, body.as_bytes()));
    let items = items.map(|items| items.bodies.into_iter().map(String::from_utf8_lossy).collect::<Vec<_>>());
    assert_eq!(items, Ok(expected.iter().map(|&item| item.into()).collect()), "{body:?}");
}

/// Where a refusal points: the item, if it is one's, and the words.
#[track_caller]
fn check_refused(format: &str, content_type: &str, body: &str, item: Option<usize>, words: &str) {
    let refused = read(format, content_type, None, body);
    let (index, text) = match refused {
        Err(BatchRefusal::Batch(Refusal::Malformed(text))) => (None, text),
        Err(BatchRefusal::Item(index, Refusal::Malformed(text))) => (Some(index), text),
        Err(BatchRefusal::Item(index, Refusal::Key(text))) => (Some(index), text.to_owned()),
        Err(BatchRefusal::TooLarge(index)) => (Some(index), "too large".into()),
        Err(BatchRefusal::KeyReused(index)) => (Some(index), "key reused".into()),
        other => unreachable!("{body:?}: {other:?}"),
    };
    assert_eq!(index, item, "{body:?}: {text}");
    assert!(text.contains(words) && !text.contains("SECRET"), "{body:?}: {text}");
}

#[test]
fn items_are_the_bytes_as_they_stand() {
    check_items("json", "application/json", "[]", &[]);
    check_items(
        "json",
        "Application/JSON; charset=utf-8",
        " [ {\"a\": 1.10} ,\n[2],null ]\n",
        &["{\"a\": 1.10}", "[2]", "null"],
    );
    check_items("json", LINES, "{\"a\": 1.10}\n\n \r\n[2] \r\n 3", &["{\"a\": 1.10}", "[2] ", " 3"]);
    check_items("json", LINES, "", &[]);
    check_items("json", "application/jsonl", "1\n", &["1"]);
    check_items("json", "application/ndjson", "1\n", &["1"]);
    check_items("cloudevents", EVENTS, "[{},{}]", &["{}", "{}"]);
    check_items("cloudevents", LINES, "{}\n{}", &["{}", "{}"]);
    check_items("hl7v2", HL7, "BHS|^~\\&\rMSH|^~\\&|A\rPID|1\rBTS|1\r", &["MSH|^~\\&|A\rPID|1\r"]);
}

#[test]
fn each_format_has_its_media_types() {
    for (format, content_type) in [
        ("json", HL7),
        ("json", "text/plain"),
        ("json", EVENTS),
        ("cloudevents", "application/json"),
        ("cloudevents", "application/cloudevents+json"),
        ("hl7v2", "application/json"),
        ("hl7v2", LINES),
        ("opaque", "application/json"),
        ("opaque", "application/octet-stream"),
    ] {
        let refused = read(format, content_type, None, "");
        assert!(
            matches!(refused, Err(BatchRefusal::Batch(Refusal::MediaType(_)))),
            "{format} {content_type}"
        );
    }
}

#[test]
fn positions_are_those_of_the_whole_body() {
    let json = |body, item, words| check_refused("json", "application/json", body, item, words);
    json("{\"SECRET\": 1}", None, "'[' is expected at byte 0");
    json("\u{feff}[]", None, "'[' is expected at byte 0");
    json("", None, "'[' is expected at byte 0");
    json("[1,\n2,\nSECRET]", Some(2), "not JSON at line 3, column 1");
    json("[1, {\"SECRET\"", Some(1), "JSON ends too early at line 1");
    json("[1,]", Some(1), "not JSON at line 1");
    json("[1] SECRET", None, "not JSON at line 1, column 5");
    let lines = |body, item, words| check_refused("json", LINES, body, item, words);
    lines("1\n\n2\n{\"SECRET\":}", Some(2), "not JSON at line 4, column 11");
    lines("1\n2 3", Some(1), "not JSON at line 2, column 3");
    lines("[1,\n2]", Some(0), "JSON ends too early at line 1");
    check_refused("hl7v2", HL7, "\rMSH|^~\\&|A\r", Some(0), "AR 200: MSH-9.1 is not");
    check_refused("hl7v2", HL7, "MSH|^~\\&|A\rMSH|^^|SECRET\r", Some(1), "at byte 16, ");
    check_refused("hl7v2", HL7, "BHS|^~\\&\rSECRET\r", None, "at byte 9, ");
}

#[test]
fn bytes_that_are_not_utf_8_are_refused_where_they_stand() {
    for (content_type, body) in [("application/json", &b"[1,\"\xff\"]"[..]), (LINES, b"1\n\"\xff\"")] {
        let source = source("json");
        let form = Form::of(source.format, content_type).unwrap();
        let refused = form.split(source.format, content_type, body).err();
        let Some(BatchRefusal::Item(1, Refusal::Malformed(text))) = refused else {
            unreachable!("{refused:?}")
        };
        assert!(text.contains("at line 1") || text == "not UTF-8 at byte 3", "{text}");
    }
}

#[test]
fn a_refused_item_is_named() {
    let event = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}";
    check_refused(
        "cloudevents",
        EVENTS,
        &format!("[{event},{{\"id\":\"SECRET\"}}]"),
        Some(1),
        "a CloudEvent needs",
    );
    check_refused("json", "application/json", &format!("[1,\"{}\"]", "x".repeat(200)), Some(1), "too large");
    let msh = |msh_9: &str| format!("MSH|^~\\&|A|B|C|D|20260310||{msh_9}\r");
    let good = msh("ADT^A04|1|P|2.5");
    let hl7 = |bad: &str, words| check_refused("hl7v2", HL7, &format!("{good}{}", msh(bad)), Some(1), words);
    hl7("ADT^A04|2|SECRET|2.5", "AR 202: MSH-11 is not P, D or T");
    hl7("ADT^A04|2|X|2.5|||AL", "CR 202: MSH-11 is not P, D or T");
    hl7("ADT^A04||P|2.5", "AE 101: MSH-10 is empty");
    hl7("ACK^A04|1|P|2.5", "an acknowledgement is not a message to store");
}

#[test]
fn at_most_so_many_items() {
    let array = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(
        read("json", "application/json", None, &array(ITEMS_MAX)).map(|items| items.len()),
        Ok(ITEMS_MAX)
    );
    for (format, content_type, body) in [
        ("json", "application/json", array(ITEMS_MAX + 1)),
        ("json", LINES, "1\n".repeat(ITEMS_MAX + 1)),
        ("hl7v2", HL7, "MSH|^~\\&|A\r".repeat(ITEMS_MAX + 1)),
    ] {
        assert_eq!(read(format, content_type, None, &body), Err(BatchRefusal::TooMany), "{content_type}");
    }
}

#[test]
fn json_items_have_the_batchs_key_with_their_index() {
    let keys = |key: Option<&str>| -> Result<Vec<_>, _> {
        let items = read("json", "application/json", key, "[1,1]")?;
        Ok(items.into_iter().map(|item| item.acceptable.idempotency_key).collect::<Vec<_>>())
    };
    assert_eq!(keys(None), Ok(vec![None, None]));
    assert_eq!(keys(Some("\"k\"")), Ok(vec![Some("k/0".into()), Some("k/1".into())]));
    assert!(keys(Some(&"k".repeat(250))).is_ok());
    for bad in ["", &"k".repeat(251)] {
        assert!(matches!(keys(Some(bad)), Err(BatchRefusal::Batch(Refusal::Key(_)))), "{bad}");
    }
}

#[test]
fn the_same_key_twice_is_a_repeat_or_a_reuse() {
    let event = |id: u32, data: u32| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"/s\",\"type\":\"t\",\"data\":{data}}}"
        )
    };
    let batch = |events: &[String]| format!("[{}]", events.join(","));
    let good = batch(&[event(1, 1), event(2, 2), event(1, 1), event(1, 1)]);
    let items = read("cloudevents", EVENTS, Some("ignored"), &good).unwrap();
    let repeats: Vec<_> = items.iter().map(|item| item.repeats).collect();
    assert_eq!(repeats, [None, None, Some(0), Some(0)]);
    assert_eq!(items[1].acceptable.idempotency_key.as_deref(), Some("/s#2"));
    check_refused("cloudevents", EVENTS, &batch(&[event(1, 1), event(1, 2)]), Some(1), "key reused");
    // senders of HL7 reuse control ids: other bytes are another message
    let message = |name: &str| format!("MSH|^~\\&|A|B|C|D|20260310||ADT^A04|7|P|2.5\rPID|||1||{name}\r");
    let body = [message("X"), message("Y"), message("X")].concat();
    let items = read("hl7v2", HL7, Some("ignored"), &body).unwrap();
    let repeats: Vec<_> = items.iter().map(|item| item.repeats).collect();
    assert_eq!(repeats, [None, None, Some(0)]);
}
