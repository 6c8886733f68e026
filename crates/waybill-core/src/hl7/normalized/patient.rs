//! The view `patient`: the first PID.

use serde_json::Value as Json;

use super::reader::{Located, Object, Reader};
use crate::hl7::Value;

pub(super) fn view(reader: &mut Reader<'_>) -> Json {
    let Some(pid) = reader.first("PID") else { return Json::Null };
    let mut patient = Object::default();
    let ids = reader.ids(&pid, 3);
    patient.put("ids", ids);
    patient.put("name", name(reader, &pid));
    let birth_date = reader.date(&pid, 7);
    patient.put("birth_date", birth_date);
    patient.put("sex", reader.code(&pid, 8));
    patient.put("address", address(reader, &pid));
    patient.put("account", reader.first_id(&pid, 18));
    let died_at = reader.time(&pid, 29, 1);
    patient.put("died_at", died_at);
    patient.whole()
}

/// PID-5, the first name: XPN.1.1, XPN.2 and XPN.3, XPN.4, XPN.5.
fn name(reader: &Reader<'_>, pid: &Located<'_>) -> Value<Json> {
    let field = pid.segment.field(5);
    let Some(first) = field.repetitions().next() else { return Value::Absent };
    let mut name = Object::default();
    name.put("family", reader.string(first.component(1).subcomponent(1)));
    let mut given = Vec::new();
    for n in [2, 3] {
        match reader.string(first.component(n)) {
            Value::Absent => {}
            Value::Null => given.push(Json::Null),
            Value::Present(one) => given.push(one),
        }
    }
    if !given.is_empty() {
        name.put("given", Value::Present(Json::Array(given)));
    }
    name.put("suffix", reader.string(first.component(4)));
    name.put("prefix", reader.string(first.component(5)));
    reader.part(name, first.raw())
}

/// PID-11, the first address: XAD.1.1 and XAD.2 to XAD.6.
fn address(reader: &Reader<'_>, pid: &Located<'_>) -> Value<Json> {
    let field = pid.segment.field(11);
    let Some(first) = field.repetitions().next() else { return Value::Absent };
    let mut address = Object::default();
    address.put("street", reader.string(first.component(1).subcomponent(1)));
    for (n, key) in [(2, "other"), (3, "city"), (4, "state"), (5, "postal_code"), (6, "country")] {
        address.put(key, reader.string(first.component(n)));
    }
    reader.part(address, first.raw())
}
