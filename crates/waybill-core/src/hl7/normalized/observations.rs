//! The view `observations`: an entry for each OBX.

use serde_json::Value as Json;

use super::reader::{Located, Object, Reader};
use super::segments;
use crate::hl7::{Repetition, Value};

pub(super) fn view(reader: &mut Reader<'_>) -> Json {
    let mut list = Vec::new();
    for obx in reader.all(["OBX"]) {
        if !reader.entry(obx.place) {
            break;
        }
        list.push(observation(reader, &obx));
    }
    Json::Array(list)
}

fn observation<'a>(reader: &mut Reader<'a>, obx: &Located<'a>) -> Json {
    let mut observation = Object::default();
    for (n, key) in [(1, "set_id"), (2, "type"), (4, "sub_id"), (6, "units"), (11, "status")] {
        observation.put(key, reader.code(obx, n));
    }
    for (n, key) in [(1, "code"), (2, "text"), (3, "system")] {
        observation.put(key, reader.string(obx.segment.field(3).component(n)));
    }
    let values = reader.list(obx.segment.field(5), obx.place.field(5), value);
    observation.put("values", values);
    observation.whole()
}

/// One value of OBX-5: text where only its first part has content, else as it stands in the segment.
fn value<'a>(reader: &Reader<'a>, one: Repetition<'a>) -> Value<Json> {
    let separators = reader.header.message().separators();
    let whole = segments::Value::repetition(one.raw(), separators, reader.header.charset());
    let Ok(whole) = serde_json::to_value(whole) else { return Value::Absent };
    let is_plain = |only: &Json| only.is_string() || only.is_null();
    match whole.as_object() {
        Some(parts) if parts.len() > 1 || !parts.get("1").is_none_or(is_plain) => Value::Present(whole),
        _ => reader.string(one.component(1).subcomponent(1)),
    }
}
