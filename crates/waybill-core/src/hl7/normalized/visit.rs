//! The view `visit`: the first PV1.

use serde_json::Value as Json;

use super::reader::{Located, Object, Reader};
use crate::hl7::Value;

pub(super) fn view(reader: &mut Reader<'_>) -> Json {
    let Some(pv1) = reader.first("PV1") else { return Json::Null };
    let mut visit = Object::default();
    visit.put("id", reader.first_id(&pv1, 19));
    visit.put("class", reader.code(&pv1, 2));
    visit.put("location", location(reader, &pv1));
    visit.put("service", reader.code(&pv1, 10));
    for (n, key) in [(44, "admit_at"), (45, "discharge_at")] {
        let at = reader.time(&pv1, n, 1);
        visit.put(key, at);
    }
    visit.whole()
}

/// PV1-3: PL.1, PL.2, PL.3, PL.4.1.
fn location(reader: &Reader<'_>, pv1: &Located<'_>) -> Value<Json> {
    let field = pv1.segment.field(3);
    let Some(first) = field.repetitions().next() else { return Value::Absent };
    let mut location = Object::default();
    for (n, key) in [(1, "unit"), (2, "room"), (3, "bed")] {
        location.put(key, reader.string(first.component(n)));
    }
    location.put("facility", reader.string(first.component(4).subcomponent(1)));
    reader.part(location, first.raw())
}
