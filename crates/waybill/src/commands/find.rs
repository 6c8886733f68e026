//! `waybill message find`. A value out of a body is turned into its digest here and goes nowhere else:
//! not to the ledger, not to a log. Looking for one is written to the audit trail first, and nothing is
//! looked for when that fails.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use chrono::SecondsFormat;
use serde_json::{Value, json};
use waybill_core::accept::dedupe_prefix;
use waybill_core::credential::Pepper;
use waybill_core::find::{BlindIndex, Facet, Named, Sought};
use waybill_core::mask;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::find::{Hit, Search};
use waybill_store::seek::{Found, Values};

use super::export::{self, List};
use super::{Ended, nobody};
use crate::cli::{Find, Output, Who};
use crate::table;

/// Bytes of a value that is read from a file.
const VALUE_BYTES_MAX: u64 = 4096;

pub(super) async fn run(
    store: &Store,
    pepper: Option<&Pepper>,
    find: Find,
    who: &Who,
) -> anyhow::Result<Ended> {
    let named = match named(&find) {
        Ok(named) => named,
        Err(error) => {
            eprintln!("{error:#}");
            return Ok(Ended::Usage);
        }
    };
    let index = pepper.and_then(BlindIndex::new);
    let (mut sought, mut check, mut actor) = (Vec::new(), 0, String::new());
    if named.is_empty() && find.idempotency_key.is_some() {
        let Some(acting) = who.acting() else { return Ok(nobody()) };
        actor = acting;
    }
    if !named.is_empty() {
        let Some(index) = &index else {
            eprintln!(
                "auth.pepper is needed to look for values (WAYBILL_AUTH__PEPPER), the same as for waybill serve"
            );
            return Ok(Ended::Usage);
        };
        let found: Option<Vec<Sought>> = named.iter().map(|named| index.sought(named)).collect();
        let Some(found) = found else {
            eprintln!("a value to look for is empty");
            return Ok(Ended::Usage);
        };
        let Some(acting) = who.acting() else { return Ok(nobody()) };
        (sought, check, actor) = (found, index.check(), acting);
    }
    let by = By::cli(&actor).because_of(find.reason.as_deref());
    let found = store.seek(&search(&find), Values { check, sought: &sought }, by).await?;
    if find.export.csv.is_some() {
        return take_out(store, who, &find, &found.hits, found.more).await;
    }
    print(&found, find.output)?;
    Ok(if found.hits.is_empty() { Ended::Nothing } else { Ended::Done })
}

/// The values that the blind index is asked for.
fn named(find: &Find) -> anyhow::Result<Vec<Named>> {
    let given = [
        (Facet::ControlId, &find.control_id),
        (Facet::Patient, &find.patient),
        (Facet::Visit, &find.visit),
        (Facet::Key, &find.key),
    ];
    let all = given.iter().map(|(_, text)| *text).chain([&find.authority]);
    if all.filter(|text| text.as_deref() == Some("-")).count() > 1 {
        bail!("standard input gives one value: read the others with @FILE");
    }
    let mut named = Vec::new();
    for (facet, text) in given {
        if let Some(text) = text {
            let authority = if facet == Facet::Patient { find.authority.as_deref() } else { None };
            let authority = authority.map(value).transpose()?;
            named.push(Named { facet, value: value(text)?, authority });
        }
    }
    Ok(named)
}

/// A value: as it is given, from standard input, or from a file. Never in an error.
fn value(text: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if text == "-" {
        std::io::stdin().take(VALUE_BYTES_MAX + 1).read_to_end(&mut bytes).context("standard input")?;
    } else if let Some(path) = text.strip_prefix('@') {
        let file = std::fs::File::open(path).with_context(|| format!("{path} cannot be opened"))?;
        file.take(VALUE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("{path} cannot be read"))?;
    } else {
        return Ok(text.to_owned());
    }
    if bytes.len() as u64 > VALUE_BYTES_MAX {
        bail!("a value to look for is longer than {VALUE_BYTES_MAX} bytes");
    }
    String::from_utf8(bytes).map_err(|_| anyhow::anyhow!("a value to look for is not in UTF-8"))
}

/// What else narrows the search; no value out of a body, and no sender's key.
fn filter(find: &Find) -> Value {
    json!({"id": find.id, "from": find.from, "to": find.to, "state": find.state, "kind": find.kind})
}

/// Takes what was found out, as CSV.
async fn take_out(store: &Store, who: &Who, find: &Find, hits: &[Hit], more: bool) -> anyhow::Result<Ended> {
    let rows = hits.iter().map(|hit| {
        let text = |value: Option<&String>| value.cloned().unwrap_or_default();
        let key =
            hit.idempotency_key.as_deref().map(|key| if find.keys { key.to_owned() } else { mask::key(key) });
        vec![
            hit.id.to_string(),
            hit.source.clone(),
            hit.kind.clone(),
            hit.received_at.to_rfc3339(),
            hit.state.clone().unwrap_or_else(|| "no place".to_owned()),
            hit.attempts.unwrap_or_default().to_string(),
            hit.finished_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
            key.unwrap_or_default(),
            text(hit.error_class.as_ref()),
            text(hit.error_reason.as_ref()),
        ]
    });
    let mut narrowed = filter(find);
    narrowed["limit"] = json!(find.limit);
    narrowed["after"] = json!(find.after);
    narrowed["by_value"] = json!(
        [&find.control_id, &find.patient, &find.visit, &find.key, &find.idempotency_key]
            .iter()
            .any(|by| by.is_some())
    );
    let list = List {
        action: "export messages",
        filter: narrowed,
        source: find.source.as_deref(),
        reason: find.reason.as_deref(),
        keys: find.keys,
        header: &[
            "id",
            "source",
            "kind",
            "received_at",
            "state",
            "attempts",
            "finished_at",
            "idempotency_key",
            "class",
            "reason",
        ],
        rows: rows.collect(),
        more,
    };
    export::write(store, who, &find.export, list).await
}

fn search(find: &Find) -> Search {
    Search {
        id: find.id,
        dedupe_prefix: find.idempotency_key.as_deref().map(dedupe_prefix),
        entries: Vec::new(),
        source: find.source.clone(),
        kind: find.kind.clone(),
        state: find.state.clone(),
        from: find.from,
        to: find.to,
        after: find.after,
        limit: find.limit,
    }
}

fn print(found: &Found, output: Output) -> anyhow::Result<()> {
    let Found { hits, more, indexed } = found;
    let next = hits.last().filter(|_| *more).map(|hit| hit.id);
    let behind = indexed.map(|progress| (progress.behind(), progress.through));
    if output.json {
        let indexed = behind.map(
            |(behind, through)| json!({"complete": behind == 0, "behind_max": behind, "through": through}),
        );
        println!("{}", table::json(&json!({"messages": hits, "next": next, "indexed": indexed}))?);
        return Ok(());
    }
    if hits.is_empty() {
        println!("Nothing matched.");
    } else {
        let rows = hits.iter().map(|hit| {
            let why = match (&hit.error_class, &hit.error_reason) {
                (Some(class), Some(reason)) => format!("{class}: {reason}"),
                _ => String::new(),
            };
            vec![
                hit.id.to_string(),
                hit.source.clone(),
                hit.received_at.to_rfc3339_opts(SecondsFormat::Secs, true),
                hit.state.clone().unwrap_or_else(|| "no place".to_owned()),
                hit.attempts.unwrap_or_default().to_string(),
                hit.idempotency_key.clone().unwrap_or_default(),
                why,
            ]
        });
        let header =
            ["message", "source", "accepted", "state", "attempts", "idempotency key", "last failure"];
        println!("{}", table::table(&header, rows));
    }
    if let Some(next) = next {
        println!("There are more: the same again with --after {next}.");
    }
    match behind {
        Some((behind, Some(through))) if behind > 0 => println!(
            "Indexed up to {}: at most {behind} later messages are not found by a value yet.",
            through.to_rfc3339_opts(SecondsFormat::Secs, true)
        ),
        Some((behind, None)) if behind > 0 => println!(
            "No message is indexed yet: does waybill serve run, with auth.pepper set? (waybill_find_index_behind_messages)"
        ),
        _ => {}
    }
    Ok(())
}
