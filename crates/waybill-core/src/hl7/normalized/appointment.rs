//! The view `appointment`: SCH, and TQ1 where SCH no longer says when.

use serde_json::Value as Json;

use super::reader::{Object, Reader};
use crate::hl7::{Component, Value};

pub(super) fn view(reader: &mut Reader<'_>) -> Json {
    let Some(sch) = reader.first("SCH") else { return Json::Null };
    let tq1 = reader.first("TQ1");
    let mut appointment = Object::default();
    for (n, key) in [(1, "placer_id"), (2, "filler_id")] {
        let field = sch.segment.field(n);
        let mut id = Object::default();
        id.put("value", reader.string(field.component(1)));
        id.put("authority", reader.string(field.component(2)));
        appointment.put(key, reader.part(id, field.raw()));
    }
    for (n, key) in [(6, "event_reason"), (7, "reason"), (25, "status")] {
        let field = sch.segment.field(n);
        let mut coded = Object::default();
        coded.put("code", reader.string(field.component(1)));
        coded.put("text", reader.string(field.component(2)));
        appointment.put(key, reader.part(coded, field.raw()));
    }
    // SCH-11 was withdrawn in favour of TQ1 (HL7 2.5.1, 10.6.2.11)
    for (m, n, key) in [(4, 7, "start_at"), (5, 8, "end_at")] {
        let silent = matches!(reader.text(component(&sch, m)), Value::Absent);
        let at = match tq1.filter(|_| silent) {
            Some(tq1) => reader.time(&tq1, n, 1),
            None => reader.time(&sch, 11, m),
        };
        appointment.put(key, at);
    }
    appointment.whole()
}

fn component<'a>(sch: &super::reader::Located<'a>, m: usize) -> Component<'a> {
    sch.segment.field(11).component(m)
}
