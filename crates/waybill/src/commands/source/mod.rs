//! `waybill source`: listing and showing; `keys.rs` changes keys, `state.rs` pauses and silences.

mod keys;
mod state;

use chrono::SecondsFormat;
use serde_json::json;
use waybill_store::Store;
use waybill_store::source::Known;

use super::{Ended, nobody};
use crate::cli::{Output, Source, Who};
use crate::config::Config;
use crate::table;

pub(super) use keys::new_key;

pub(super) async fn run(store: &Store, config: &Config, command: Source, who: &Who) -> anyhow::Result<Ended> {
    match &command {
        Source::List { output } => return list(store, *output).await,
        Source::Show { name, output } => return show(store, name, *output).await,
        _ => {}
    }
    let Some(actor) = who.acting() else { return Ok(nobody()) };
    match command {
        Source::List { .. } | Source::Show { .. } => Ok(Ended::Done),
        Source::RotateKey(changed) => keys::rotate(store, config, &changed, &actor).await,
        Source::RevokeKey { id, changed } => keys::revoke(store, &id, &changed, &actor).await,
        Source::ImportKey { path, file, changed } => {
            let file = path.or(file).unwrap_or_default();
            keys::import(store, config, &file, &changed, &actor).await
        }
        Source::Pause(changed) => state::pause(store, &changed, &actor).await,
        Source::Resume(changed) => state::resume(store, &changed, &actor).await,
        Source::Silence { until, changed } => state::silence(store, &until, &changed, &actor).await,
    }
}

/// Says that there is no such source.
fn unknown(name: &str) -> Ended {
    eprintln!("there is no source {}: `waybill source list` shows them", table::plain(name));
    Ended::Nothing
}

fn facts(known: &Known) -> serde_json::Value {
    json!({
        "enabled": known.enabled, "paused": known.paused_at.is_some(), "paused_at": known.paused_at,
        "silenced_until": known.silenced_until, "source": known.source,
    })
}

async fn list(store: &Store, output: Output) -> anyhow::Result<Ended> {
    let known = store.sources().await?;
    if output.json {
        println!("{}", table::json(&known.iter().map(facts).collect::<Vec<_>>())?);
    } else {
        let rows = known.iter().map(|k| {
            let source = &k.source;
            vec![
                source.name.clone(),
                standing(k).to_owned(),
                source.kind_label().to_owned(),
                source.lane.clone(),
                String::from(source.order_by.clone()),
            ]
        });
        println!("{}", table::table(&["source", "enabled", "kind", "lane", "order by"], rows));
    }
    Ok(if known.is_empty() { Ended::Nothing } else { Ended::Done })
}

const fn standing(known: &Known) -> &'static str {
    match (known.enabled, known.paused_at.is_some()) {
        (true, false) => "yes",
        (true, true) => "paused",
        (false, _) => "no",
    }
}

async fn show(store: &Store, name: &str, output: Output) -> anyhow::Result<Ended> {
    let Some(known) = store.sources().await?.into_iter().find(|known| known.source.name == name) else {
        return Ok(unknown(name));
    };
    let keys = store.keys_of(name).await?;
    if output.json {
        let mut shown = facts(&known);
        shown["name"] = json!(name);
        shown["keys"] = json!(keys);
        println!("{}", table::json(&shown)?);
        return Ok(Ended::Done);
    }
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut rows = vec![vec!["enabled".to_owned(), standing(&known).to_owned()]];
    rows.extend(known.paused_at.map(|at| vec!["paused since".to_owned(), time(at)]));
    rows.extend(known.silenced_until.map(|at| vec!["silenced until".to_owned(), time(at)]));
    if let serde_json::Value::Object(fields) = serde_json::to_value(&known.source)? {
        rows.extend(fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(field, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![field, text]
        }));
    }
    println!("{}", table::table(&["", ""], rows));
    let rows = keys.into_iter().map(|key| {
        let until = key.revoked_at.map_or_else(|| "live".to_owned(), |at| format!("revoked {}", time(at)));
        vec![key.id, time(key.created_at), until]
    });
    println!("{}", table::table(&["key", "since", ""], rows));
    Ok(Ended::Done)
}
