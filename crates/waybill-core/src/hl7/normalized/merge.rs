//! The view `merge`: an entry for each MRG, with the PID that stands before it.
//!
//! What the message does with the two (merge, move, link, change of identifier) is its trigger.

use serde_json::Value as Json;

use super::reader::{Located, Object, Reader};
use super::warnings::Code;
use crate::hl7::Value;

pub(super) fn view(reader: &mut Reader<'_>) -> Json {
    let mut groups = Vec::new();
    let mut survivor = None;
    for at in reader.all(["PID", "MRG"]) {
        if at.segment.is("PID") {
            survivor = Some(at);
            continue;
        }
        if !reader.entry(at.place) {
            break;
        }
        let incomplete = survivor.is_none() || !matches!(reader.code(&at, 1), Value::Present(_));
        if incomplete {
            reader.warnings.add(Code::MergeIncomplete, at.place);
        }
        let mut group = Object::default();
        group.put_always("survivor", survivor.map_or(Value::Absent, |pid| person(reader, &pid, 3, 18, None)));
        group.put_always("prior", person(reader, &at, 1, 3, Some(5)));
        groups.push(group.whole());
    }
    if groups.is_empty() { Json::Null } else { Json::Array(groups) }
}

/// Who it is: identifiers, account and visit, each from the field with this number.
fn person<'a>(
    reader: &mut Reader<'a>,
    at: &Located<'a>,
    ids: usize,
    account: usize,
    visit: Option<usize>,
) -> Value<Json> {
    let mut person = Object::default();
    let ids = reader.ids(at, ids);
    person.put("ids", ids);
    person.put("account", reader.first_id(at, account));
    if let Some(n) = visit {
        person.put("visit", reader.first_id(at, n));
    }
    Value::Present(person.whole())
}
