//! From the fields of a message to what it changes.
//!
//! Only fields that are used are looked at: rubbish in any other is none of our business. Without
//! its identifiers, or with a merge that names one patient alone, a message is a failure that names
//! the field; of anything else that cannot be read a warning tells, and the rest has its effect.

use std::borrow::Cow;

use chrono_tz::Tz;

use super::step::Step;
use super::times::Times;
use super::{Merge, VisitChange, invalid};
use crate::hl7::{Component, Header, PatientId, Segment, Value};
use crate::kinds::Effect;
use crate::outcome::{Done, Failure};

/// The longest identifier, in characters: far above what HL7 allows (CX.1: 15), and small enough
/// that two of them fit an entry of a database index.
const IDENTIFIER_CHARS_MAX: usize = 255;

/// The change of the one visit that the message is about.
pub(super) fn change(header: &Header<'_>, step: Step, zone: Tz) -> Result<Done, Failure> {
    let (message, charset) = (header.message(), header.charset());
    let patient = patient(header, "PID-3", message.segment("PID"), 3)?;
    let visit_id = visit_id(header)?;
    let name = message.field("PID", 5);
    let text = |component: Component<'_>| component.text(charset).map(Cow::into_owned);
    let mut done = Done::default();
    let mut times = Times::new(header, zone, &mut done);
    let closed_at = match step {
        Step::Close => times.first("closed_at", &[("PV1", 45, 1), ("EVN", 2, 1), ("MSH", 7, 1)]),
        Step::Reopen => Value::Null,
        _ => Value::Absent,
    };
    let arrived_at = match step {
        Step::Arrive => times.first("arrived_at", &[("PV1", 44, 1), ("EVN", 2, 1)]),
        _ => Value::Absent,
    };
    let change = VisitChange {
        visit_id,
        patient,
        family_name: text(name.component(1).subcomponent(1)),
        given_name: text(name.component(2)),
        birth_date: times.birth_date(),
        location: message.field("PV1", 3).as_sent(charset).map(Cow::into_owned),
        status: step.status(),
        scheduled_at: times.first("scheduled_at", &[("SCH", 11, 4)]),
        arrived_at,
        closed_at,
        recorded_at: times.recorded_at(),
    };
    done.effects.push(Effect::Visit(change));
    Ok(done)
}

/// The merges of a message: each PID with the MRG that follows it, in their order.
pub(super) fn merges(header: &Header<'_>) -> Result<Done, Failure> {
    let (mut done, mut survivor, mut groups) = (Done::default(), None, 0);
    for segment in header.message().segments() {
        if segment.is("PID") {
            if survivor.replace(segment).is_some() {
                return Err(invalid("MRG is missing: a PID is followed by no prior patient"));
            }
        } else if segment.is("MRG") {
            let Some(pid) = survivor.take() else {
                return Err(invalid("PID is missing: an MRG follows no surviving patient"));
            };
            merge(header, pid, segment, &mut done)?;
            groups += 1;
        }
    }
    match (survivor, groups) {
        (Some(_), _) => Err(invalid("MRG is missing: a PID is followed by no prior patient")),
        (None, 0) => Err(invalid("PID and MRG are missing: the merge names no patients")),
        (None, _) => Ok(done),
    }
}

/// One group: the prior patient may have had several record numbers.
fn merge(header: &Header<'_>, pid: Segment<'_>, mrg: Segment<'_>, done: &mut Done) -> Result<(), Failure> {
    let survivor = patient(header, "PID-3", Some(pid), 3)?;
    patient(header, "MRG-1", Some(mrg), 1)?;
    for prior in PatientId::records(mrg.field(1), header.charset()) {
        let prior =
            PatientId { id: bounded("MRG-1", prior.id)?, authority: bounded("MRG-1", prior.authority)? };
        if prior == survivor {
            done.warn("PID-3 and MRG-1 name the same patient: nothing was merged for it");
        } else {
            done.effects.push(Effect::Merge(Merge { prior, survivor: survivor.clone() }));
        }
    }
    Ok(())
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
