//! Tests of warnings: what is left out of the effects, and what the operator is told.

use super::{MSH, PID, appointment, check_invalid, done, event, pv1, run_as, visit};
use crate::hl7::Value;
use crate::kinds::Effect;
use crate::outcome::Outcome;

/// The warnings of a message; every one names a field and none quotes `SECRET`.
fn check(body: &str, expected: &[&str]) {
    let warnings = done(body).warnings;
    assert_eq!(warnings, expected, "{body}");
    assert!(!warnings.concat().contains("SECRET"), "{warnings:?}");
}

/// A message whose MSH-7 has no offset.
fn local(body: &str) -> String {
    body.replace("20260310091502.120-0500", "20260310091502")
}

fn arrival(pv1_44: &str, evn_2: &str) -> String {
    event("ADT^A04", &format!("EVN||{evn_2}\r{PID}{}", pv1(&[(19, "V"), (44, pv1_44)])))
}

fn arrived_at(body: &str) -> String {
    match done(body).effects.first() {
        Some(Effect::Visit(change)) => match change.arrived_at {
            Value::Absent => "-".to_owned(),
            Value::Null => "null".to_owned(),
            Value::Present(at) => at.to_rfc3339(),
        },
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn an_unreadable_time_is_passed_over() {
    let body = arrival("SECRET", "202603100915");
    check(&body, &["PV1-44 is not an HL7 timestamp: arrived_at was not taken from it"]);
    assert_eq!(arrived_at(&body), "2026-03-10T14:15:00+00:00");
    let body = arrival("SECRET", "10:30");
    check(
        &body,
        &[
            "PV1-44 is not an HL7 timestamp: arrived_at was not taken from it",
            "EVN-2 is not an HL7 timestamp: arrived_at was not taken from it",
        ],
    );
    assert_eq!(arrived_at(&body), "-");
    check(&arrival("202603100900", "SECRET"), &[]);
}

#[test]
fn a_date_is_no_time() {
    let body = arrival("20260310", "202603100915");
    check(&body, &["PV1-44 names no hour: arrived_at was not taken from it"]);
    assert_eq!(arrived_at(&body), "2026-03-10T14:15:00+00:00");
}

#[test]
fn a_time_in_doubt_is_left_out_and_nothing_takes_its_part() {
    let twice = "is in an hour that occurs twice in America/New_York: arrived_at was not taken from it";
    let never = "is in an hour that never occurs in America/New_York: arrived_at was not taken from it";
    let body = local(&arrival("202611010130", "202611010145"));
    check(&body, &[&format!("PV1-44 {twice}")]);
    assert_eq!(arrived_at(&body), "-");
    check(&local(&arrival("", "202611010130")), &[&format!("EVN-2 {twice}")]);
    check(&local(&arrival("202603080230", "")), &[&format!("PV1-44 {never}")]);
    check(&arrival("202611010130", ""), &[]);
    assert_eq!(arrived_at(&arrival("202611010130", "")), "2026-11-01T06:30:00+00:00");
    check(&local(&arrival("202611010130-0400", "")), &[]);
}

#[test]
fn every_time_names_its_field() {
    let to =
        |segment: &str, what: &str, column: &str| format!("{segment} {what}: {column} was not taken from it");
    let no_timestamp = |segment: &str, column: &str| to(segment, "is not an HL7 timestamp", column);
    let body = visit("ADT^A08").replace("19840912", "SECRET");
    check(&body, &[&no_timestamp("PID-7", "birth_date")]);
    check(&visit("ADT^A08").replace("19840912", "1984"), &[&to("PID-7", "names no day", "birth_date")]);
    let body = appointment("SIU^S12").replace("20260311100000", "SECRET");
    check(&body, &[&no_timestamp("SCH-11.4", "scheduled_at")]);
    let body = visit("ADT^A03").replace("20260310091502.120-0500", "SECRET");
    check(&body, &[&no_timestamp("MSH-7", "closed_at")]);
    let discharge = event("ADT^A03", &format!("EVN||SECRET\r{PID}{}", pv1(&[(19, "V"), (45, "SECRET")])));
    check(&discharge, &[&no_timestamp("PV1-45", "closed_at"), &no_timestamp("EVN-2", "closed_at")]);
    check(&visit("ADT^A08").replace("19840912", "\"\""), &[]);
}

#[test]
fn text_that_is_not_in_its_character_set_is_said() {
    let body = visit("ADT^A08").replace("DOE", "DO\u{eb}");
    let latin_1: Vec<u8> = body.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    let warnings = |content_type: &str| match run_as(content_type, &latin_1) {
        Outcome::Done(done) => done.warnings,
        other => unreachable!("{other:?}"),
    };
    let said = "some of the text is not in UTF-8, as HTTP, MSH-18 or the source says: it was read as 8859/1";
    assert_eq!(warnings("application/hl7-v2"), [said]);
    assert!(warnings("application/hl7-v2; charset=iso-8859-1").is_empty());
    check(&body, &[]);
}

#[test]
fn more_than_one_character_set_is_said() {
    let named = |msh_18: &str| visit("ADT^A08").replace("|P|2.5.1", &format!("|P|2.5.1||||||{msh_18}"));
    let said = "MSH-18 names several character sets: text in any but the first may be garbled";
    check(&named("UNICODE UTF-8"), &[]);
    check(&named("UTF-8~UNICODE"), &[]);
    check(&named("ASCII~ISO IR87"), &[said]);
}

const FRAGMENT: &str = "MSH-14/DSC: a fragment of a continued message; Waybill does not join fragments: \
                        ask the partner to send it whole";

#[test]
fn a_fragment_of_a_continued_message_is_a_failure_whatever_its_type() {
    let end = pv1(&[(19, "V")]);
    for msh_9 in ["ADT^A04", "ORU^R01"] {
        check_invalid(&format!("{MSH}{msh_9}|1|P|2.5.1||77\r{PID}{end}"), FRAGMENT);
        check_invalid(&event(msh_9, &format!("{PID}{end}DSC|77|F\r")), FRAGMENT);
    }
    for rest in ["", "||", "||\"\"", "||  "] {
        check(
            &format!("{MSH}ADT^A04|1|P|2.5.1{rest}\rEVN||20260310\r{PID}{end}DSC||F\r"),
            &["EVN-2 names no hour: arrived_at was not taken from it"],
        );
    }
}
