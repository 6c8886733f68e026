//! Tests of the kind `visit`: one message in, the change it means out.

mod fixtures;
mod merges;
mod times;
mod warnings;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Status, StatusChange, VisitChange, process};
use crate::hl7::Value;
use crate::kinds::{Effect, Input, Reading};
use crate::outcome::{Done, ErrorClass, Failure, Outcome};

const MSH: &str = "MSH|^~\\&|CLOCKWISE|UC_EAST|GATEWAY|HUB|20260310091502.120-0500||";
const PID: &str = "PID|1||4^^^X^PI~MRN1001^^^UC_EAST^MR||DOE^JANE^Q||19840912|F\r";

fn run_as(content_type: &str, body: &[u8]) -> Outcome {
    let reading = Reading {
        timezone: chrono_tz::America::New_York,
        charset: "utf-8".to_owned(),
        processing_ids: vec!["P".to_owned()],
    };
    let (id, received_at) = (Uuid::nil(), DateTime::<Utc>::default());
    process(&Input { id, received_at, content_type, body, reading: &reading })
}

fn run(body: &str) -> Outcome {
    run_as("application/hl7-v2", body.as_bytes())
}

/// A PV1 with the fields given by number.
fn pv1(fields: &[(usize, &str)]) -> String {
    let value = |n: usize| fields.iter().find(|(number, _)| *number == n).map_or("", |(_, value)| value);
    let fields: Vec<&str> = (1..=45).map(value).collect();
    format!("PV1|{}\r", fields.join("|"))
}

fn event(msh_9: &str, rest: &str) -> String {
    format!("{MSH}{msh_9}|CW-1|P|2.5.1\r{rest}")
}

/// What a message that is processed means.
fn done(body: &str) -> Done {
    match run(body) {
        Outcome::Done(done) => done,
        other => unreachable!("{body}: {other:?}"),
    }
}

/// The one visit change of a message.
fn change(body: &str) -> VisitChange {
    match done(body).effects.into_iter().next() {
        Some(Effect::Visit(change)) => change,
        other => unreachable!("{body}: {other:?}"),
    }
}

fn check_ignored(body: &str, reason: &'static str) {
    assert_eq!(run(body), Outcome::Ignored(reason), "{body}");
}

fn check_failed(body: &str, class: ErrorClass, reason: &str) {
    let Outcome::Failed(Failure { class: given, reason: said }) = run(body) else {
        unreachable!("no failure: {body}")
    };
    assert_eq!((given, said.as_str()), (class, reason), "{body}");
}

fn check_invalid(body: &str, reason: &str) {
    check_failed(body, ErrorClass::Validation, reason);
}

fn visit(msh_9: &str) -> String {
    event(msh_9, &format!("{PID}{}", pv1(&[(3, "WAIT^R1"), (19, "V-9001^^^UC")])))
}

fn appointment(msh_9: &str) -> String {
    event(msh_9, &format!("SCH|P-1^EHR|F-1|||||||||^^^20260311100000|\r{PID}"))
}

#[test]
fn each_trigger_means_a_status() {
    let to = StatusChange::To;
    for (trigger, status) in [
        ("A01", to(Status::Arrived)),
        ("A02", StatusChange::Progress),
        ("A03", to(Status::Closed)),
        ("A04", to(Status::Arrived)),
        ("A05", to(Status::Booked)),
        ("A06", StatusChange::Progress),
        ("A07", StatusChange::Progress),
        ("A08", StatusChange::Progress),
        ("A11", to(Status::Cancelled)),
        ("A13", to(Status::Arrived)),
    ] {
        assert_eq!(change(&visit(&format!("ADT^{trigger}"))).status, status, "{trigger}");
    }
    for (trigger, status) in [
        ("S12", Status::Booked),
        ("S13", Status::Booked),
        ("S14", Status::Booked),
        ("S15", Status::Cancelled),
        ("S26", Status::NoShow),
    ] {
        assert_eq!(change(&appointment(&format!("SIU^{trigger}"))).status, to(status), "{trigger}");
    }
}

#[test]
fn statuses_have_the_names_of_the_projection() {
    use Status::{Arrived, Booked, Cancelled, Closed, InProgress, NoShow};
    let names = [Booked, Arrived, InProgress, Closed, Cancelled, NoShow].map(Status::as_str);
    assert_eq!(names, ["booked", "arrived", "in_progress", "closed", "cancelled", "no_show"]);
}

#[test]
fn other_triggers_and_processing_ids_have_no_effects() {
    for msh_9 in ["ADT^A09", "ADT^A31", "SIU^S16", "ORU^R01", "ADT^S12", "SIU^A04", "ACK"] {
        check_ignored(&visit(msh_9), "trigger not handled");
    }
    for id in ["T", "D", "", "\"\"", "T^A"] {
        check_ignored(
            &visit("ADT^A04").replace("|P|2.5.1", &format!("|{id}|2.5.1")),
            "processing id without effects",
        );
    }
    check_ignored(&visit("ADT^A04").replace("|P|2.5.1", "|T|2.5.1||9"), "processing id without effects");
    assert_eq!(change(&visit("ADT^A04").replace("|P|2.5.1", "|P^A|2.5.1")).visit_id, "V-9001");
}

#[test]
fn the_patient_the_name_and_the_place_are_read() {
    let seen = change(&visit("ADT^A04^ADT_A01"));
    assert_eq!((seen.visit_id.as_str(), seen.patient.id.as_str()), ("V-9001", "MRN1001"));
    assert_eq!(seen.patient.authority, "UC_EAST");
    assert_eq!(seen.family_name, Value::Present("DOE".to_owned()));
    assert_eq!(seen.given_name, Value::Present("JANE".to_owned()));
    assert_eq!(seen.birth_date.map(|date| date.to_string()), Value::Present("1984-09-12".to_owned()));
    assert_eq!(seen.location, Value::Present("WAIT^R1".to_owned()));
}

#[test]
fn absent_keeps_and_null_clears() {
    let pid = "PID|1||1||\"\"^||\"\"\r";
    let seen = change(&event("ADT^A08", &format!("{pid}{}", pv1(&[(3, "\"\""), (19, "V")]))));
    assert_eq!((seen.family_name, seen.given_name), (Value::Null, Value::Absent));
    assert_eq!((seen.birth_date, seen.location), (Value::Null, Value::Null));
    let seen = change(&event("ADT^A08", &format!("PID|1||1||\"\"||1984\r{}", pv1(&[(19, "V")]))));
    assert_eq!((seen.family_name, seen.given_name), (Value::Null, Value::Null));
    assert_eq!((seen.birth_date, seen.location), (Value::Absent, Value::Absent));
    assert_eq!(seen.patient.authority, "");
}

#[test]
fn text_is_decoded_and_the_place_is_as_sent() {
    let pid = "PID|1||1\\T\\2^^^A&1.2&ISO^MR||M\\XFC\\LLER&VON^ZO\u{eb}\r";
    let body = event("ADT^A08", &format!("{pid}{}", pv1(&[(3, "W\\T\\^R~X\u{eb}"), (19, "V\\S\\1")])));
    let latin_1: Vec<u8> = body.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
    for (content_type, bytes) in [
        ("application/hl7-v2; charset=iso-8859-1", &latin_1),
        ("application/hl7-v2", &latin_1),
        ("application/hl7-v2", &body.clone().into_bytes()),
    ] {
        let Outcome::Done(done) = run_as(content_type, bytes) else { unreachable!("{content_type}") };
        let Some(Effect::Visit(seen)) = done.effects.first() else { unreachable!("{content_type}") };
        assert_eq!((seen.visit_id.as_str(), seen.patient.id.as_str()), ("V^1", "1&2"));
        assert_eq!(seen.patient.authority, "A&1.2&ISO");
        assert_eq!(seen.family_name, Value::Present("MüLLER".to_owned()));
        assert_eq!(seen.given_name, Value::Present("ZOë".to_owned()));
        assert_eq!(seen.location, Value::Present("W\\T\\^R~Xë".to_owned()));
    }
}

fn check_visit_id(msh_9: &str, sch: &str, pv1_19: &str, expected: &str) {
    let body = event(msh_9, &format!("SCH|{sch}\r{PID}{}", pv1(&[(19, pv1_19)])));
    assert_eq!(change(&body).visit_id, expected, "{sch} {pv1_19}");
}

#[test]
fn an_appointment_without_a_visit_has_its_own_number() {
    check_visit_id("SIU^S12", "P-1^EHR|F-1", "V-1", "V-1");
    check_visit_id("SIU^S12", "P-1^EHR|F-1", "", "P-1");
    check_visit_id("SIU^S12", "|F-1^X", "\"\"", "F-1");
    assert_eq!(change(&appointment("SIU^S14")).visit_id, "P-1");
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    let no_pv1_19 = "PV1-19 is empty: the visit has no number";
    check_invalid(&event("ADT^A04", PID), no_pv1_19);
    check_invalid(&event("ADT^A08", &format!("{PID}{}", pv1(&[(19, "\"\"")]))), no_pv1_19);
    check_invalid(&event("SIU^S12", PID), "PV1-19, SCH-1 and SCH-2 are empty: the appointment has no number");
    let no_pid_3 = "PID-3 is empty: the patient has no identifier";
    check_invalid(&event("ADT^A04", &pv1(&[(19, "V")])), no_pid_3);
    check_invalid(&event("ADT^A04", &format!("PID|1|2|^^^A^MR|4\r{}", pv1(&[(19, "V")]))), no_pid_3);
    check_invalid(&event("", PID), "MSH-9 is empty: the message has no type");
}

#[test]
fn identifiers_have_a_limit() {
    let long = "é".repeat(256);
    check_invalid(&visit("ADT^A08").replace("V-9001", &long), "PV1-19 is longer than 255 characters");
    check_invalid(&visit("ADT^A08").replace("MRN1001", &long), "PID-3 is longer than 255 characters");
    check_invalid(
        &visit("ADT^A08").replace("^^^UC_EAST", &format!("^^^{long}")),
        "PID-3 is longer than 255 characters",
    );
    assert_eq!(change(&visit("ADT^A08").replace("V-9001", &long[2..])).visit_id, long[2..]);
}

#[test]
fn what_cannot_be_read_is_said_by_position() {
    check_failed("", ErrorClass::Parse, "not an HL7 message: at byte 0, the body is empty");
    check_failed("{}", ErrorClass::Parse, "not an HL7 message: at byte 0, no MSH segment begins here");
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", run(&visit("ADT^A04")));
    assert_eq!(
        shown,
        "Done(Done { effects: [Visit(VisitChange { status: To(Arrived), .. })], warnings: [] })"
    );
    let shown = format!("{:?}", run(&event("ADT^A40", "PID|1||1\rMRG|9\r")));
    assert_eq!(
        shown,
        "Done(Done { effects: [Merge(Merge { prior: PatientId(..), survivor: PatientId(..) })], warnings: [] })"
    );
}
