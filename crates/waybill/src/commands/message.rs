//! `waybill message`: which command; and `show ID`. Never shows a body: that is `body.rs`.

use uuid::Uuid;
use waybill_core::mask;
use waybill_store::Store;

use super::{Ended, body, difference, find, timeline};
use crate::cli::{Form, Message, Output, Who};
use crate::config::Config;
use crate::table;

pub(super) async fn run(
    store: &Store,
    config: &Config,
    command: Message,
    who: &Who,
) -> anyhow::Result<Ended> {
    match command {
        Message::Show { id, body, output } => match body.form {
            Some(Form::Difference) => difference::show(store, id, &body, who, output).await,
            Some(form) => body::show(store, id, form, &body, who, output).await,
            None => show(store, id, output).await,
        },
        Message::Find(what) => Box::pin(find::run(store, config.pepper.as_ref(), *what, who)).await,
        Message::Timeline { id, output } => timeline::run(store, id, output).await,
    }
}

async fn show(store: &Store, id: Uuid, output: Output) -> anyhow::Result<Ended> {
    let Some(mut message) = store.message(id, None).await? else {
        eprintln!("there is no message {id} in this ledger");
        return Ok(Ended::Nothing);
    };
    // it may hold a patient's number
    message.idempotency_key = message.idempotency_key.as_deref().map(mask::key);
    if output.json {
        println!("{}", table::json(&message)?);
        return Ok(Ended::Done);
    }
    let mut facts = vec![
        ("id", message.id.to_string()),
        ("source", message.source.clone()),
        ("kind", message.kind.clone()),
        ("state", message.state.clone()),
        ("attempts", message.attempts.to_string()),
        ("bytes", message.bytes.to_string()),
        ("sha256", message.sha256.clone()),
    ];
    if let Some(key) = &message.idempotency_key {
        facts.push(("idempotency key", key.clone()));
    }
    if let Some(behind) = message.held_behind {
        facts.push(("held behind", held_behind(store, behind).await?));
    }
    if let Some(reason) = &message.ignored {
        facts.push(("ignored", reason.clone()));
    }
    if let (Some(class), Some(reason)) = (&message.error_class, &message.error_reason) {
        facts.push(("last failure", format!("{class}: {reason}")));
    }
    if let Some(by) = &message.replaced_by {
        facts.push(("replaced by", format!("{by} (waybill message show {by} --as difference)")));
    }
    if let Some(original) = &message.replaces {
        facts.push(("replaces", original.to_string()));
    }
    if message.control_id_conflict {
        facts.push(("control id", "seen before with other bytes".to_owned()));
    }
    println!("{}", table::table(&["", ""], facts.into_iter().map(|(k, v)| vec![k.to_owned(), v])));
    let events = message.timeline.iter().map(|e| vec![e.at.to_rfc3339(), e.what.clone()]);
    println!("{}", table::table(&["when", "what"], events));
    Ok(Ended::Done)
}

/// What a held message waits for, in words: which message, and what becomes of that one.
async fn held_behind(store: &Store, behind: Uuid) -> anyhow::Result<String> {
    let state = store.message(behind, None).await?.map(|message| message.state).unwrap_or_default();
    Ok(if state == "dead" {
        format!(
            "{behind}, an earlier message of the same key, which is dead: replay it \
             (waybill dead replay ID) or discard it (waybill dead discard ID --reason TEXT)"
        )
    } else {
        format!("{behind}, an earlier message of the same key, which is {state}")
    })
}
