//! Tests of the kind `conditions-of-joining`: one body in, the signature or the reason out.

use chrono::{DateTime, SecondsFormat, Utc};
use uuid::Uuid;

use super::{Signature, process};
use crate::kinds::{Effect, Input, Reading};
use crate::outcome::{ErrorClass, Outcome};

fn run(body: &[u8]) -> Outcome {
    let (timezone, charset) = (chrono_tz::Europe::London, "utf-8".to_owned());
    let reading = Reading { timezone, charset, processing_ids: Vec::new() };
    let (id, received_at) = (Uuid::nil(), DateTime::<Utc>::default());
    process(&Input { id, received_at, content_type: "application/json", body, reading: &reading })
}

fn body(id: &str, signed_at: &str, version: &str) -> String {
    format!(
        r#"{{"programmeMembershipTisId":{id},"conditionsOfJoining":{{"signedAt":{signed_at},"version":{version},"syncedAt":null}}}}"#
    )
}

const ID: &str = r#""8f0a52a1-5f0e-4c3c-9d8e-0d8d3a1c7a01""#;
const AT: &str = r#""2023-06-05T09:30:15.123456Z""#;

fn check(body: &str, id: &str, signed_at: &str, version: &str) {
    let Outcome::Done(done) = run(body.as_bytes()) else { unreachable!("not done: {body}") };
    let [Effect::Signature(Signature { programme_membership_id, signed_at: at, version: seen })] =
        &done.effects[..]
    else {
        unreachable!("no signature: {body}")
    };
    let at = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    assert_eq!(
        (programme_membership_id.as_str(), at.as_str(), seen.as_str()),
        (id, signed_at, version),
        "{body}"
    );
}

fn check_failed(body: &str, class: ErrorClass, reason: &str) {
    let Outcome::Failed(failure) = run(body.as_bytes()) else { unreachable!("no failure: {body}") };
    assert_eq!((failure.class, failure.reason.as_str()), (class, reason), "{body}");
}

fn check_invalid(body: &str, reason: &str) {
    check_failed(body, ErrorClass::Validation, reason);
}

#[test]
fn a_signature_is_read() {
    check(&body(ID, AT, r#""GG9""#), ID.trim_matches('"'), "2023-06-05T09:30:15.123456Z", "GG9");
    check(&body("1234567", AT, r#""GG10""#), "1234567", "2023-06-05T09:30:15.123456Z", "GG10");
    check(&body(r#""1234567""#, AT, r#""GG10""#), "1234567", "2023-06-05T09:30:15.123456Z", "GG10");
    let epoch = body(ID, "1685957415.123456000", r#""GG9""#);
    check(&epoch, ID.trim_matches('"'), "2023-06-05T09:30:15.123456Z", "GG9");
}

#[test]
fn a_number_keeps_its_digits() {
    let long = "12345678901234567890123456789";
    check(&body(long, AT, r#""GG9""#), long, "2023-06-05T09:30:15.123456Z", "GG9");
}

#[test]
fn unknown_members_white_space_and_escapes_are_tolerated() {
    let text = "\u{feff} {\"x\": [{}], \"programmeMembershipTisId\": \"a\\u002d1\",\n \"conditionsOfJoining\": \
                {\"version\": \"\\u0047G9\", \"signedAt\": \"2023-06-05T10:30:15+01:00\", \"by\": null}}\r\n";
    check(text, "a-1", "2023-06-05T09:30:15Z", "GG9");
}

#[test]
fn an_unknown_version_is_a_permanent_failure() {
    for version in [r#""GG11""#, r#""gg9""#, r#""""#, "9", "{}", r#"["GG9"]"#] {
        check_invalid(&body(ID, AT, version), "conditionsOfJoining.version is not one of GG9, GG10");
    }
    assert!(ErrorClass::Validation.is_permanent());
}

#[test]
fn what_is_missing_is_named_by_its_pointer() {
    check_invalid(r#"{"a":1}"#, "/programmeMembershipTisId is missing");
    check_invalid(&body("null", AT, r#""GG9""#), "/programmeMembershipTisId is missing");
    check_invalid(r#"{"programmeMembershipTisId":1}"#, "/conditionsOfJoining is missing");
    check_invalid(&body(ID, "null", r#""GG9""#), "/conditionsOfJoining/signedAt is missing");
    check_invalid(&body(ID, AT, " null "), "/conditionsOfJoining/version is missing");
    check_invalid(
        r#"{"programmeMembershipTisId":1,"conditionsOfJoining":[]}"#,
        "/conditionsOfJoining is not a JSON object",
    );
    for text in ["[]", "1", "null", "\"SECRET\"", r#"["1",{"signedAt":"x"}]"#] {
        check_invalid(text, "the body is not a JSON object");
    }
}

#[test]
fn an_impossible_identifier_is_refused() {
    for id in ["1.5", "-1", "1e3", "true", "{}", "[1]"] {
        let reason = "/programmeMembershipTisId is neither a string nor a whole number";
        check_invalid(&body(id, AT, r#""GG9""#), reason);
    }
    for id in [r#""""#, r#"" ""#, r#""a\u0000b""#] {
        let reason = "/programmeMembershipTisId is blank or holds control characters";
        check_invalid(&body(id, AT, r#""GG9""#), reason);
    }
    let long = format!("\"{}\"", "9".repeat(256));
    check_invalid(&body(&long, AT, r#""GG9""#), "/programmeMembershipTisId is longer than 255 characters");
}

#[test]
fn an_impossible_time_is_refused() {
    for at in [r#""SECRET""#, r#""2023-06-05T09:30:15""#, "true", "{}", "[2023,6,5]"] {
        let reason = "/conditionsOfJoining/signedAt is neither an ISO-8601 time with an offset nor decimal epoch seconds";
        check_invalid(&body(ID, at, r#""GG9""#), reason);
    }
}

#[test]
fn what_is_not_json_is_said_by_position() {
    check_failed("", ErrorClass::Parse, "not JSON: line 1, column 0");
    check_failed("{\"a\":\n SECRET}", ErrorClass::Parse, "not JSON: line 2, column 2");
    check_failed("{} x", ErrorClass::Parse, "not JSON: line 1, column 4");
    for damaged in [&b"{\"a\":\"\xff\"}"[..], b"{\"a\":\"\\ud800\"", b"\xff", b"{\"a\":1"] {
        let outcome = run(damaged);
        assert!(
            matches!(&outcome, Outcome::Failed(failure) if failure.class == ErrorClass::Parse),
            "{outcome:?}"
        );
    }
}

#[test]
fn any_bytes_are_survived() {
    let whole = body(ID, AT, r#""GG9""#).into_bytes();
    for at in 0..whole.len() {
        run(&whole[..at]);
        for byte in [0, b'"', b'{', b'9', b'\\', 0x80, 0xFF] {
            let mut damaged = whole.clone();
            damaged[at] = byte;
            run(&damaged);
        }
    }
    run("[".repeat(100_000).as_bytes());
    run(format!("{{\"conditionsOfJoining\":{}", "[".repeat(100_000)).as_bytes());
    run(format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes());
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", run(body(ID, AT, r#""GG9""#).as_bytes()));
    assert_eq!(
        shown,
        "Done(Done { effects: [Signature(Signature { version: \"GG9\", .. })], warnings: [] })"
    );
}
