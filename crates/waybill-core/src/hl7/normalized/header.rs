//! The view `message`: where a message is from, and what it says of itself.
//!
//! Every key is always there; `null` means that the sender does not say, or sent a null.

use chrono::SecondsFormat;
use serde_json::{Value as Json, json};

use super::Context;
use super::place::{Name, Place};
use super::reader::{Located, Object, Reader};
use super::warnings::Code;
use crate::hl7::Value;

pub(super) fn view(reader: &mut Reader<'_>, context: &Context<'_>) -> Json {
    let segment = reader.header.message().msh();
    let msh = Located { segment, place: Place::segment(Name::Id(*b"MSH"), 1) };
    let mut message = Object::default();
    message.put("id", Value::Present(json!(context.id)));
    message.put("source", Value::Present(json!(context.source)));
    let received_at = context.received_at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    message.put("received_at", Value::Present(json!(received_at)));
    for (n, key) in [(1, "type"), (2, "trigger"), (3, "structure")] {
        message.put_always(key, reader.string(segment.field(9).component(n)));
    }
    for (n, key) in [(10, "control_id"), (11, "processing"), (12, "version")] {
        message.put_always(key, reader.code(&msh, n));
    }
    message.put_always("sequence", sequence(reader, &msh));
    message.put_always("sending", party(reader, &msh, 3));
    message.put_always("receiving", party(reader, &msh, 5));
    let sent_at = reader.time(&msh, 7, 1);
    message.put_always("sent_at", sent_at);
    message.whole()
}

/// MSH-13, a number.
fn sequence(reader: &mut Reader<'_>, msh: &Located<'_>) -> Value<Json> {
    reader.text(msh.segment.field(13).component(1)).filter_map(|text| {
        let number = text.trim().parse::<i64>().ok();
        if number.is_none() {
            reader.warnings.add(Code::NumberInvalid, msh.place.field(13));
        }
        number.map(Json::from)
    })
}

/// The application in field `n` and the facility in the next: each by its name (HD.1), else by its
/// universal id (HD.2).
fn party(reader: &Reader<'_>, msh: &Located<'_>, n: usize) -> Value<Json> {
    let name = |n: usize| {
        let field = msh.segment.field(n);
        match reader.string(field.component(1)) {
            Value::Absent => reader.string(field.component(2)),
            named => named,
        }
    };
    let mut party = Object::default();
    party.put_always("app", name(n));
    party.put_always("facility", name(n + 1));
    Value::Present(party.whole())
}
