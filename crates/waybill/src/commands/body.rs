//! `waybill message show ID --as raw|normalized`: a body, masked, or in clear for a stated reason.
//!
//! A body is about a person. Without `--reveal` only its structure is shown. With it the act is
//! written to the audit trail first, and nothing is shown when that fails.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};
use uuid::Uuid;
use waybill_core::accept::HL7_MEDIA_TYPES;
use waybill_core::hl7::normalized::{Context, mask as mask_normalized, masked_lines, normalized};
use waybill_core::hl7::{Header, Message};
use waybill_core::mask::{self, inert_json};
use waybill_core::source::Source;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::body::Body;

use super::Ended;
use crate::cli::{self, Form, Output, Who};
use crate::table;

pub(super) async fn show(
    store: &Store,
    id: Uuid,
    form: Form,
    arguments: &cli::Body,
    who: &Who,
    output: Output,
) -> anyhow::Result<Ended> {
    let Some(body) = store.body(id).await? else {
        eprintln!("there is no message {id} in this ledger");
        return Ok(Ended::Nothing);
    };
    let Some(bytes) = &body.body else {
        eprintln!("the body of message {id} is no longer kept");
        return Ok(Ended::Nothing);
    };
    if form == Form::Normalized && !is_hl7(&body) {
        eprintln!("message {id} is no HL7 message but {}: use --as raw", table::plain(&body.content_type));
        return Ok(Ended::Usage);
    }
    let detail = json!({"form": if form == Form::Raw { "raw" } else { "normalized" }});
    let looked = Looked { action: "view body", subjects: &[id], source: &body.source, detail };
    if !may_show(store, arguments, who, looked).await? {
        return Ok(Ended::Usage);
    }
    let masked = arguments.reveal.is_none();
    match form {
        Form::Normalized => {
            let json = normal(&source(store, &body.source).await?, id, &body, bytes, masked)?;
            print_json(&json, output)?;
        }
        Form::Raw if output.json => print_json(&raw_json(store, id, &body, bytes, masked).await?, output)?,
        // what an edit changed is shown by `difference.rs`
        Form::Raw | Form::Difference if masked => {
            println!("{}", table::table(&["", ""], facts(id, &body)));
            for line in lines(store, &body, bytes).await?.unwrap_or_default() {
                println!("{}", table::plain(&line));
            }
            if let Some(json) = masked_json(&body, bytes) {
                println!("{}", table::json(&json)?);
            }
        }
        Form::Raw | Form::Difference => print_bytes(bytes)?,
    }
    Ok(Ended::Done)
}

/// What somebody asks to see in clear.
pub(super) struct Looked<'a> {
    /// What is shown.
    pub action: &'a str,
    /// Of which messages.
    pub subjects: &'a [Uuid],
    /// Whose they are.
    pub source: &'a str,
    /// In which form.
    pub detail: Json,
}

/// Writes down who looks, where something is to be shown in clear. False: nobody says who looks.
///
/// # Errors
/// When it cannot be written down: nothing may be shown then.
pub(super) async fn may_show(
    store: &Store,
    arguments: &cli::Body,
    who: &Who,
    looked: Looked<'_>,
) -> anyhow::Result<bool> {
    let Some(reason) = &arguments.reveal else { return Ok(true) };
    let Some(actor) = who.stated() else {
        eprintln!("neither --actor nor USER says who looks: the audit trail needs it");
        return Ok(false);
    };
    let Looked { action, subjects, source, detail } = &looked;
    let act = By::cli(actor).because(reason).on_messages(action, subjects, detail).of(source);
    store.audit(act).await.context("nothing is shown: the audit trail cannot be written")?;
    Ok(true)
}

/// Whether it was posted as HL7: only then was it read as such when it was accepted.
fn is_hl7(body: &Body) -> bool {
    let essence = body.content_type.split(';').next().unwrap_or_default().trim();
    HL7_MEDIA_TYPES.iter().any(|hl7| essence.eq_ignore_ascii_case(hl7))
}

pub(super) async fn source(store: &Store, name: &str) -> anyhow::Result<Source> {
    let known = store.sources().await?.into_iter().find(|known| known.source.name == name);
    Ok(known
        .with_context(|| format!("the ledger has no source {name}: how to read its bodies is not known"))?
        .source)
}

fn header<'a>(source: &Source, body: &Body, bytes: &'a [u8]) -> anyhow::Result<Header<'a>> {
    Ok(Header::read(Message::parse(bytes)?, &body.content_type, &source.charset))
}

fn normal(source: &Source, id: Uuid, body: &Body, bytes: &[u8], masked: bool) -> anyhow::Result<Json> {
    let timezone = source.timezone;
    let context = Context { id, source: &body.source, received_at: body.received_at, timezone };
    let mut json = serde_json::to_value(normalized(&header(source, body, bytes)?, &context))?;
    match json.as_object_mut() {
        Some(members) if masked => mask_normalized(members),
        Some(_) => {}
        None => bail!("a normalised message is no JSON object"),
    }
    Ok(json)
}

/// The masked lines of an HL7 message; of other bodies nothing can be shown.
async fn lines(store: &Store, body: &Body, bytes: &[u8]) -> anyhow::Result<Option<Vec<String>>> {
    if !is_hl7(body) {
        return Ok(None);
    }
    let source = source(store, &body.source).await?;
    Ok(Some(masked_lines(&header(&source, body, bytes)?)))
}

/// The masked value of a body that is JSON; of other bodies, and of what is no object or array, nothing.
fn masked_json(body: &Body, bytes: &[u8]) -> Option<Json> {
    if is_hl7(body) {
        return None;
    }
    let mut json =
        serde_json::from_slice(bytes).ok().filter(|json: &Json| json.is_object() || json.is_array())?;
    mask::json(&mut json);
    Some(json)
}

fn facts(id: Uuid, body: &Body) -> Vec<Vec<String>> {
    let facts = [
        ("id", id.to_string()),
        ("source", body.source.clone()),
        ("content type", body.content_type.clone()),
        ("bytes", body.bytes.to_string()),
        ("sha256", body.sha256.clone()),
        ("idempotency key", body.idempotency_key.as_deref().map(mask::key).unwrap_or_default()),
    ];
    facts.map(|(name, fact)| vec![name.to_owned(), fact]).into()
}

/// The raw form for machines: `body` when it is UTF-8, else `body_base64`; masked, `lines` of HL7.
async fn raw_json(store: &Store, id: Uuid, body: &Body, bytes: &[u8], masked: bool) -> anyhow::Result<Json> {
    let mut json = json!({
        "id": id, "source": body.source, "content_type": body.content_type,
        "bytes": body.bytes, "sha256": body.sha256, "masked": masked,
    });
    let clear = body.idempotency_key.as_deref();
    json["idempotency_key"] = if masked { json!(clear.map(mask::key)) } else { json!(clear) };
    if masked {
        json["json"] = json!(masked_json(body, bytes));
    }
    let (key, value) = match std::str::from_utf8(bytes) {
        _ if masked => ("lines", json!(lines(store, body, bytes).await?)),
        Ok(text) => ("body", json!(text)),
        Err(_) => ("body_base64", json!(BASE64_STANDARD.encode(bytes))),
    };
    if let Some(members) = json.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
    Ok(json)
}

/// For machines canonical, on one line; for people indented.
fn print_json(json: &Json, output: Output) -> anyhow::Result<()> {
    let text = if output.json { inert_json(&json.to_string()) } else { table::json(json)? };
    print_bytes(format!("{text}\n").as_bytes())
}

/// Byte for byte; to a terminal without what could steer it.
pub(super) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        let text = String::from_utf8_lossy(bytes);
        for line in text.replace("\r\n", "\n").trim_end_matches(['\r', '\n']).split(['\r', '\n']) {
            writeln!(out, "{}", table::plain(line))?;
        }
    } else {
        out.write_all(bytes)?;
    }
    out.flush()?;
    Ok(())
}
