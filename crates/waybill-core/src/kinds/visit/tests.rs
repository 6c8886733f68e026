//! Tests of the kind `visit`: one message in, the change it means out.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Status, StatusChange, VisitChange, process};
use crate::hl7::Value;
use crate::kinds::{Effect, Input, Reading};
use crate::outcome::{ErrorClass, Failure, Outcome};

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

/// The one visit change of a message.
fn change(body: &str) -> VisitChange {
    match run(body) {
        Outcome::Done(effects) => match effects.into_iter().next() {
            Some(Effect::Visit(change)) => change,
            other => unreachable!("{body}: {other:?}"),
        },
        other => unreachable!("{body}: {other:?}"),
    }
}

fn check_ignored(body: &str, reason: &str) {
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
        check_ignored(&visit("ADT^A04").replace("|P|2.5.1", &format!("|{id}|2.5.1")), "processing id without effects");
    }
    assert_eq!(change(&visit("ADT^A04").replace("|P|2.5.1", "|P^A|2.5.1")).visit_id, "V-9001");
}

#[test]
fn the_patient_the_name_and_the_place_are_read() {
    let seen = change(&visit("ADT^A04^ADT_A01"));
    assert_eq!((seen.visit_id.as_str(), seen.patient_id.as_str()), ("V-9001", "MRN1001"));
    assert_eq!(seen.patient_authority, "UC_EAST");
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
    assert_eq!(seen.patient_authority, "");
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
        let Outcome::Done(effects) = run_as(content_type, bytes) else { unreachable!("{content_type}") };
        let Some(Effect::Visit(seen)) = effects.first() else { unreachable!("{content_type}") };
        assert_eq!((seen.visit_id.as_str(), seen.patient_id.as_str()), ("V^1", "1&2"));
        assert_eq!(seen.patient_authority, "A&1.2&ISO");
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

/// One of the three times of an event: "-" absent, "null", or the instant.
fn shown(time: Value<DateTime<Utc>>) -> String {
    match time {
        Value::Absent => "-".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Present(at) => at.to_rfc3339().replace("+00:00", "Z"),
    }
}

/// arrived_at and closed_at of an event with PV1-44, PV1-45 and EVN-2.
fn check_times(trigger: &str, pv1_44: &str, pv1_45: &str, evn_2: &str, arrived: &str, closed: &str) {
    let pv1 = pv1(&[(19, "V"), (44, pv1_44), (45, pv1_45)]);
    let seen = change(&event(&format!("ADT^{trigger}"), &format!("EVN||{evn_2}\r{PID}{pv1}")));
    let times = (shown(seen.arrived_at), shown(seen.closed_at));
    assert_eq!(times, (arrived.to_owned(), closed.to_owned()), "{trigger} {pv1_44} {pv1_45} {evn_2}");
}

#[test]
fn arrival_is_pv1_44_else_evn_2() {
    check_times("A04", "202603100900", "", "202603100915", "2026-03-10T14:00:00Z", "-");
    check_times("A01", "", "", "202603100915", "2026-03-10T14:15:00Z", "-");
    check_times("A01", "20260310", "", "202603100915+0000", "2026-03-10T09:15:00Z", "-");
    check_times("A04", "\"\"", "", "202603100915", "2026-03-10T14:15:00Z", "-");
    check_times("A04", "\"\"", "", "", "null", "-");
    check_times("A04", "", "", "", "-", "-");
    check_times("A08", "202603100900", "202603101000", "202603100915", "-", "-");
}

#[test]
fn closing_is_pv1_45_else_evn_2_else_msh_7() {
    check_times("A03", "202603100900", "202603101000", "202603101005", "-", "2026-03-10T15:00:00Z");
    check_times("A03", "", "", "202603101005", "-", "2026-03-10T15:05:00Z");
    check_times("A03", "", "20260310", "", "-", "2026-03-10T14:15:02.120Z");
    check_times("A03", "", "", "", "-", "2026-03-10T14:15:02.120Z");
    check_times("A13", "", "202603101000", "202603101005", "-", "null");
}

#[test]
fn an_appointment_is_scheduled_by_sch_11_4() {
    assert_eq!(shown(change(&appointment("SIU^S12")).scheduled_at), "2026-03-11T15:00:00Z");
    let zoned = appointment("SIU^S13").replace("20260310091502.120-0500", "20260310091502");
    assert_eq!(shown(change(&zoned).scheduled_at), "2026-03-11T14:00:00Z");
    let silent = appointment("SIU^S15").replace("^^^20260311100000", "");
    assert_eq!(shown(change(&silent).scheduled_at), "-");
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
fn a_used_timestamp_that_is_none_is_named() {
    let arrival = |pv1_44, evn| event("ADT^A04", &format!("EVN||{evn}\r{PID}{}", pv1(&[(19, "V"), (44, pv1_44)])));
    check_invalid(&arrival("SECRET", ""), "PV1-44 is not an HL7 timestamp");
    check_invalid(&arrival("", "10:30"), "EVN-2 is not an HL7 timestamp");
    check_invalid(&visit("ADT^A08").replace("19840912", "12.9.84"), "PID-7 is not an HL7 timestamp");
    check_invalid(&appointment("SIU^S12").replace("2026031110", "2026-03-11 10"), "SCH-11.4 is not an HL7 timestamp");
    let discharge = visit("ADT^A03").replace("20260310091502.120-0500", "today");
    check_invalid(&discharge, "MSH-7 is not an HL7 timestamp");
    assert_eq!(shown(change(&arrival("202603100900", "SECRET")).arrived_at), "2026-03-10T14:00:00Z");
}

#[test]
fn identifiers_have_a_limit() {
    let long = "é".repeat(256);
    check_invalid(&visit("ADT^A08").replace("V-9001", &long), "PV1-19 is longer than 255 characters");
    check_invalid(&visit("ADT^A08").replace("MRN1001", &long), "PID-3 is longer than 255 characters");
    check_invalid(&visit("ADT^A08").replace("^^^UC_EAST", &format!("^^^{long}")), "PID-3 is longer than 255 characters");
    assert_eq!(change(&visit("ADT^A08").replace("V-9001", &long[2..])).visit_id, long[2..]);
}

#[test]
fn what_cannot_be_read_is_said_by_position() {
    check_failed("", ErrorClass::Parse, "not an HL7 message: at byte 0, the body is empty");
    check_failed("{}", ErrorClass::Parse, "not an HL7 message: at byte 0, no MSH segment begins here");
}

/// The merges of a message, as `prior@authority>survivor@authority`.
fn check_merges(trigger: &str, groups: &str, expected: &[&str]) {
    let body = event(&format!("ADT^{trigger}"), &format!("EVN|{trigger}\r{groups}"));
    let Outcome::Done(effects) = run(&body) else { unreachable!("not done: {body}") };
    let merges = effects.iter().map(|effect| match effect {
        Effect::Merge(merge) => {
            let (prior, survivor) = (&merge.prior, &merge.survivor);
            format!("{}@{}>{}@{}", prior.id, prior.authority, survivor.id, survivor.authority)
        }
        other => unreachable!("{other:?}"),
    });
    assert_eq!(merges.collect::<Vec<_>>(), expected, "{body}");
}

#[test]
fn a_merge_needs_no_visit() {
    for trigger in ["A18", "A34", "A40"] {
        check_merges(trigger, "PID|1||1^^^A^MR\rPD1|x\rMRG|9^^^B^MR\r", &["9@B>1@A"]);
        check_merges(trigger, "PID|1||7^^^C^PI~1^^^A^MR\rMRG|8^^^C^PI~9^^^A^MR\rPV1|1\r", &["9@A>1@A"]);
    }
}

#[test]
fn every_group_of_a_merge_is_one() {
    let groups = "PID|1||1^^^A\rPD1|\rMRG|9^^^A\rPV1|1\rPID|2||2^^^A\rMRG|8^^^A\r";
    check_merges("A40", groups, &["9@A>1@A", "8@A>2@A"]);
}

#[test]
fn a_merge_that_names_only_one_patient_is_refused() {
    let merge = |groups: &str| event("ADT^A40", groups);
    let no_mrg = "MRG is missing: a PID is followed by no prior patient";
    check_invalid(&merge("PID|1||1\r"), no_mrg);
    check_invalid(&merge("PID|1||1\rPID|2||2\rMRG|9\r"), no_mrg);
    check_invalid(&merge("PID|1||1\rMRG|9\rPID|2||2\r"), no_mrg);
    check_invalid(&merge("MRG|9\r"), "PID is missing: an MRG follows no surviving patient");
    check_invalid(&merge("PID|1||1\rMRG|9\rMRG|8\r"), "PID is missing: an MRG follows no surviving patient");
    check_invalid(&merge("EVN|A40\r"), "PID and MRG are missing: the merge names no patients");
    check_invalid(&merge("PID|1||1\rMRG|\"\"\r"), "MRG-1 is empty: the patient has no identifier");
    check_invalid(&merge("PID|1||\rMRG|9\r"), "PID-3 is empty: the patient has no identifier");
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", run(&visit("ADT^A04")));
    assert_eq!(shown, "Done([Visit(VisitChange { status: To(Arrived), .. })])");
    let shown = format!("{:?}", run(&event("ADT^A40", "PID|1||1\rMRG|9\r")));
    assert_eq!(shown, "Done([Merge(Merge { prior: PatientId(..), survivor: PatientId(..) })])");
}
