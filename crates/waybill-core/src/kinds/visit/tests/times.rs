//! Tests of the times of a visit: which field each is read from, and in which zone.

use chrono::{DateTime, Utc};

use super::{PID, appointment, change, event, pv1};
use crate::hl7::Value;

/// One of the three times of an event: "-" absent, "null", or the instant.
fn shown(time: Value<DateTime<Utc>>) -> String {
    match time {
        Value::Absent => "-".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Present(at) => at.to_rfc3339().replace("+00:00", "Z"),
    }
}

/// `arrived_at` and `closed_at` of an event with PV1-44, PV1-45 and EVN-2.
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
fn when_it_was_recorded_is_evn_2_if_that_is_an_instant() {
    let recorded = |evn_2: &str| {
        let body = event("ADT^A08", &format!("EVN||{evn_2}\r{PID}{}", pv1(&[(19, "V")])));
        change(&body).recorded_at.map_or_else(|| "-".to_owned(), |at| at.to_rfc3339())
    };
    assert_eq!(recorded("202603100915"), "2026-03-10T14:15:00+00:00");
    for text in ["", "\"\"", "20260310", "noon"] {
        assert_eq!(recorded(text), "-", "{text}");
    }
}
