//! From the fields of a message to what it changes.
//!
//! Only fields that are used are looked at: rubbish in any other is none of our business, rubbish
//! in these is a failure that names the field.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::step::Step;
use super::{Merge, VisitChange, invalid};
use crate::hl7::{Component, Header, PatientId, Segment, Timestamp, Value};
use crate::kinds::Effect;
use crate::outcome::Failure;

/// The longest identifier, in characters: far above what HL7 allows (CX.1: 15), and small enough
/// that two of them fit an entry of a database index.
const IDENTIFIER_CHARS_MAX: usize = 255;

/// The change of the one visit that the message is about.
pub(super) fn change(header: &Header<'_>, step: Step, zone: Tz) -> Result<Vec<Effect>, Failure> {
    let (message, charset) = (header.message(), header.charset());
    let patient = patient(header, "PID-3", message.segment("PID"), 3)?;
    let name = message.field("PID", 5);
    let text = |component: Component<'_>| component.text(charset).map(Cow::into_owned);
    let times = Times { header, zone };
    let closed_at = match step {
        Step::Close => times.first(&[("PV1", 45, 1), ("EVN", 2, 1), ("MSH", 7, 1)])?,
        Step::Reopen => Value::Null,
        _ => Value::Absent,
    };
    let arrived_at = match step {
        Step::Arrive => times.first(&[("PV1", 44, 1), ("EVN", 2, 1)])?,
        _ => Value::Absent,
    };
    Ok(vec![Effect::Visit(VisitChange {
        visit_id: visit_id(header)?,
        patient_id: patient.id,
        patient_authority: patient.authority,
        family_name: text(name.component(1).subcomponent(1)),
        given_name: text(name.component(2)),
        birth_date: times.read("PID", 7, 1)?.filter_map(|time| time.date()),
        location: message.field("PV1", 3).as_sent(charset).map(Cow::into_owned),
        status: step.status(),
        scheduled_at: times.first(&[("SCH", 11, 4)])?,
        arrived_at,
        closed_at,
    })])
}

/// The merges of a message: each PID with the MRG that follows it, in their order.
pub(super) fn merges(header: &Header<'_>) -> Result<Vec<Effect>, Failure> {
    let mut effects = Vec::new();
    let mut survivor = None;
    for segment in header.message().segments() {
        if segment.is("PID") {
            if survivor.replace(segment).is_some() {
                return Err(invalid("MRG is missing: a PID is followed by no prior patient"));
            }
        } else if segment.is("MRG") {
            let Some(pid) = survivor.take() else {
                return Err(invalid("PID is missing: an MRG follows no surviving patient"));
            };
            let survivor = patient(header, "PID-3", Some(pid), 3)?;
            let prior = patient(header, "MRG-1", Some(segment), 1)?;
            effects.push(Effect::Merge(Merge { prior, survivor }));
        }
    }
    match (survivor, effects.is_empty()) {
        (Some(_), _) => Err(invalid("MRG is missing: a PID is followed by no prior patient")),
        (None, true) => Err(invalid("PID and MRG are missing: the merge names no patients")),
        (None, false) => Ok(effects),
    }
}

fn visit_id(header: &Header<'_>) -> Result<String, Failure> {
    let appointment = header.message().segment("SCH").is_some();
    match header.visit_key() {
        Some(id) => bounded(if appointment { "PV1-19, SCH-1 or SCH-2" } else { "PV1-19" }, id),
        None if header.code() == "SIU" => {
            Err(invalid("PV1-19, SCH-1 and SCH-2 are empty: the appointment has no number"))
        }
        None => Err(invalid("PV1-19 is empty: the visit has no number")),
    }
}

fn patient(
    header: &Header<'_>,
    name: &str,
    segment: Option<Segment<'_>>,
    n: usize,
) -> Result<PatientId, Failure> {
    let found = segment.and_then(|segment| PatientId::preferred(segment.field(n), header.charset()));
    let Some(PatientId { id, authority }) = found else {
        return Err(invalid(format!("{name} is empty: the patient has no identifier")));
    };
    Ok(PatientId { id: bounded(name, id)?, authority: bounded(name, authority)? })
}

fn bounded(name: &str, identifier: String) -> Result<String, Failure> {
    if identifier.chars().nth(IDENTIFIER_CHARS_MAX).is_some() {
        return Err(invalid(format!("{name} is longer than {IDENTIFIER_CHARS_MAX} characters")));
    }
    Ok(identifier)
}

/// Reads the timestamps of one message.
struct Times<'a> {
    header: &'a Header<'a>,
    zone: Tz,
}

impl Times<'_> {
    /// The first of these (segment, field, component) that names an instant. An event that says
    /// when it happened does not delete that time, so a null only counts when none follows.
    fn first(&self, places: &[(&str, usize, usize)]) -> Result<Value<DateTime<Utc>>, Failure> {
        let mut fallback = Value::Absent;
        for &(segment, field, component) in places {
            match self.read(segment, field, component)? {
                Value::Present(time) => {
                    if let Some(at) = time.to_utc(self.header.default_offset(), self.zone) {
                        return Ok(Value::Present(at));
                    }
                }
                Value::Null => fallback = Value::Null,
                Value::Absent => {}
            }
        }
        Ok(fallback)
    }

    fn read(&self, segment: &str, field: usize, component: usize) -> Result<Value<Timestamp>, Failure> {
        let part = self.header.message().field(segment, field).component(component).subcomponent(1);
        match part.value() {
            Value::Absent => Ok(Value::Absent),
            Value::Null => Ok(Value::Null),
            Value::Present(text) if text.trim_ascii().is_empty() => Ok(Value::Absent),
            Value::Present(text) => match Timestamp::parse(text) {
                Some(time) => Ok(Value::Present(time)),
                None if component == 1 => Err(invalid(format!("{segment}-{field} is not an HL7 timestamp"))),
                None => Err(invalid(format!("{segment}-{field}.{component} is not an HL7 timestamp"))),
            },
        }
    }
}
