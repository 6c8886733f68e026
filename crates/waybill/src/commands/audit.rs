//! `waybill audit list` and `verify`: who did what, and that nobody changed what it says. Looking at the
//! trail is not an act on it; taking it out is.

use chrono::SecondsFormat;
use serde_json::json;
use uuid::Uuid;
use waybill_core::audit::{Break, Head, Kind};
use waybill_core::credential::hex;
use waybill_store::Store;
use waybill_store::audit_trail::{Filter, Listed};

use super::Ended;
use super::export::{self, List};
use crate::cli::{Acts, Audit, Export, Output, Who};
use crate::table;

pub(super) async fn run(store: &Store, command: Audit, who: &Who) -> anyhow::Result<Ended> {
    match command {
        Audit::List { acts, export, output } => list(store, who, *acts, &export, output).await,
        Audit::Verify { expect, output } => verify(store, expect, output).await,
    }
}

async fn list(store: &Store, who: &Who, acts: Acts, to: &Export, output: Output) -> anyhow::Result<Ended> {
    let Acts { via, session, action, message, source, since, until, before, limit, reason } = acts;
    let actor = who.actor.clone();
    let filter = Filter { actor, via, session, action, message, source, since, until, before };
    let listed = store.acts(&filter, limit).await?;
    if to.csv.is_some() {
        // --actor says whose acts here, not who takes them out
        return take_out(store, &who.unsaid(), (&filter, limit), to, reason.as_deref(), &listed).await;
    }
    if output.json {
        println!("{}", table::json(&listed)?);
    } else if listed.is_empty() {
        println!("No such acts.");
    } else {
        let rows = listed.iter().map(|act| {
            vec![
                act.position.to_string(),
                act.at.to_rfc3339_opts(SecondsFormat::Secs, true),
                act.actor.clone(),
                way(act),
                act.action.clone(),
                [act.source.clone(), about(&act.subjects)]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(", "),
                act.reason.clone(),
            ]
        });
        println!("{}", table::table(&["position", "when", "who", "by way of", "did", "to", "why"], rows));
        if listed.len() == limit as usize
            && let Some(last) = listed.last()
        {
            println!("There may be more: --before {}.", last.position);
        }
    }
    Ok(if listed.is_empty() { Ended::Nothing } else { Ended::Done })
}

/// By which way an act came, in a few words.
fn way(act: &Listed) -> String {
    let parts = [act.via.as_deref(), act.address.as_deref(), act.session.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Takes acts out, as CSV.
async fn take_out(
    store: &Store,
    who: &Who,
    (filter, limit): (&Filter, u32),
    to: &Export,
    reason: Option<&str>,
    listed: &[Listed],
) -> anyhow::Result<Ended> {
    let rows = listed.iter().map(|act| {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let subjects: Vec<String> = act.subjects.iter().map(Uuid::to_string).collect();
        vec![
            act.position.to_string(),
            act.at.to_rfc3339(),
            act.actor.clone(),
            text(&act.via),
            text(&act.address),
            text(&act.session),
            act.action.clone(),
            text(&act.source),
            subjects.join(" "),
            act.reason.clone(),
            act.detail.to_string(),
            act.hash.clone(),
        ]
    });
    let list = List {
        action: "export audit",
        filter: json!({"acts": filter, "limit": limit}),
        source: filter.source.as_deref(),
        reason,
        keys: false,
        header: &[
            "position", "at", "actor", "via", "address", "session", "action", "source", "messages", "reason",
            "detail", "hash",
        ],
        rows: rows.collect(),
        more: listed.len() == limit as usize,
    };
    export::write(store, who, to, list).await
}

fn about(subjects: &[Uuid]) -> Option<String> {
    match subjects {
        [] => None,
        [one] => Some(one.to_string()),
        [first, others @ ..] => Some(format!("{first} and {} more", others.len())),
    }
}

async fn verify(store: &Store, expect: Option<Head>, output: Output) -> anyhow::Result<Ended> {
    let proof = store.prove_audit(expect).await?;
    let head = proof.head;
    if output.json {
        let proof = json!({
            "ok": proof.broken.is_none(), "position": head.position, "hash": hex(&head.hash),
            "head": head.to_string(), "broken": proof.broken,
        });
        println!("{}", table::json(&proof)?);
    } else {
        match proof.broken {
            None => {
                println!("{} acts, each as it was written.", head.position);
                println!("Keep this elsewhere; it shows later that the end was not cut off:");
                println!("waybill audit verify --expect {head}");
            }
            Some(Break { position, kind }) => {
                println!("At position {position}: {}.", said(kind));
                println!("The {} acts before it fit. See docs/RUNBOOK.md, waybill audit.", head.position);
            }
        }
    }
    Ok(if proof.broken.is_none() { Ended::Done } else { Ended::Wrong })
}

const fn said(kind: Kind) -> &'static str {
    match kind {
        Kind::Changed => "this act, or its hash, is not what was written",
        Kind::Removed => "one or more acts were removed here",
        Kind::Inserted => "this act was not written when it says; it was inserted",
    }
}
