//! `waybill message show ID --as difference`: what an edit changed. Places for everybody; the lines
//! themselves are two bodies, and shown as those are: for a stated reason that was written down first.

use serde_json::json;
use uuid::Uuid;
use waybill_core::difference;
use waybill_store::Store;
use waybill_store::edit::Difference;

use super::Ended;
use super::body::{Looked, may_show, print_bytes, source};
use crate::cli::{Body, Output, Who};
use crate::table;

pub(super) async fn show(
    store: &Store,
    id: Uuid,
    arguments: &Body,
    who: &Who,
    output: Output,
) -> anyhow::Result<Ended> {
    let Some(edit) = store.difference(id).await? else {
        eprintln!("no edit made or replaced message {id}");
        return Ok(Ended::Nothing);
    };
    if arguments.reveal.is_none() {
        return masked(store, &edit, output).await;
    }
    let Some(lines) = &edit.difference else {
        eprintln!("what was changed is no longer kept, as the original's body is not");
        return Ok(Ended::Nothing);
    };
    let subjects = [edit.replaces, edit.id];
    let looked =
        Looked { action: "view difference", subjects: &subjects, source: &edit.source, detail: json!({}) };
    if !may_show(store, arguments, who, looked).await? {
        return Ok(Ended::Usage);
    }
    if output.json {
        let lines = String::from_utf8_lossy(lines);
        println!("{}", table::json(&with(&edit, "difference", json!(lines)))?);
    } else {
        print_bytes(lines)?;
    }
    Ok(Ended::Done)
}

/// Who, why, and at which places, as far as both bodies are kept.
async fn masked(store: &Store, edit: &Difference, output: Output) -> anyhow::Result<Ended> {
    let bodies = (store.body(edit.replaces).await?, store.body(edit.id).await?);
    let bytes = |body: Option<waybill_store::body::Body>| body.and_then(|body| body.body);
    let places = match (bytes(bodies.0), bytes(bodies.1)) {
        (Some(old), Some(new)) => {
            Some(difference::places(source(store, &edit.source).await?.format, &old, &new))
        }
        _ => None,
    };
    if output.json {
        println!("{}", table::json(&with(edit, "changed", json!(places)))?);
        return Ok(Ended::Done);
    }
    let facts = [
        ("original", edit.replaces.to_string()),
        ("corrected", edit.id.to_string()),
        ("source", edit.source.clone()),
        ("edited by", edit.actor.clone()),
        ("at", edit.replaced_at.to_rfc3339()),
        ("why", edit.reason.clone()),
    ];
    println!("{}", table::table(&["", ""], facts.map(|(name, fact)| vec![name.to_owned(), fact])));
    for place in places.unwrap_or_else(|| vec!["what changed is no longer kept".to_owned()]) {
        println!("{}", table::plain(&place));
    }
    Ok(Ended::Done)
}

fn with(edit: &Difference, key: &str, what: serde_json::Value) -> serde_json::Value {
    let mut json = json!({
        "replaces": edit.replaces, "id": edit.id, "source": edit.source, "actor": edit.actor,
        "reason": edit.reason, "at": edit.replaced_at,
    });
    if let Some(members) = json.as_object_mut() {
        members.insert(key.to_owned(), what);
    }
    json
}
