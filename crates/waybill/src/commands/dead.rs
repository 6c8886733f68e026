//! `waybill dead list`, `replay` and `discard`. A decision is a transition of the ledger, nothing
//! else: what it makes due, the relay publishes.

mod filter;

use serde_json::json;
use uuid::Uuid;
use waybill_store::Store;
use waybill_store::dead::Filter;
use waybill_store::decide::DECIDED_MAX;

use super::{Ended, plan};
use crate::cli::{Dead, Output};
use crate::config::Config;
use crate::table;

pub(super) async fn run(store: &Store, config: &Config, command: Dead) -> anyhow::Result<Ended> {
    match command {
        Dead::List { source, limit, output } => list(store, source.as_deref(), limit, output).await,
        Dead::Replay { ids, letters, plan, output } => match filter::filter(store, &letters).await? {
            Ok(filter) if ids.is_empty() => plan::make(store, config, &filter, &plan, output).await,
            Ok(filter) if filter == Filter::default() => replay(store, &ids, output).await,
            Ok(_) => Ok(refused("either ids, or a filter and --why")),
            Err(mistake) => Ok(refused(&mistake)),
        },
        Dead::Discard { ids, reason, output } => discard(store, &ids, &reason, output).await,
    }
}

/// Asked for what cannot be.
fn refused(mistake: &str) -> Ended {
    eprintln!("{mistake}");
    Ended::Usage
}

async fn list(store: &Store, source: Option<&str>, limit: u32, output: Output) -> anyhow::Result<Ended> {
    let filter = Filter { source: source.map(str::to_owned), ..Filter::default() };
    let letters = store.dead_page(&filter, None, limit).await?.letters;
    if output.json {
        println!("{}", table::json(&letters)?);
    } else if letters.is_empty() {
        println!("No dead letters.");
    } else {
        let rows = letters.iter().map(|letter| {
            vec![
                letter.id.to_string(),
                letter.source.clone(),
                letter.dead_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                letter.attempts.to_string(),
                letter.holds.to_string(),
                format!("{}: {}", letter.reason, letter.explanation),
            ]
        });
        println!("{}", table::table(&["message", "source", "dead since", "attempts", "holds", "why"], rows));
        if letters.len() == limit as usize {
            println!("There may be more: raise --limit, or filter with --source.");
        }
    }
    Ok(if letters.is_empty() { Ended::Nothing } else { Ended::Done })
}

async fn replay(store: &Store, ids: &[Uuid], output: Output) -> anyhow::Result<Ended> {
    let mut replayed = Vec::new();
    for some in ids.chunks(DECIDED_MAX) {
        replayed.extend(store.replay(some).await?);
    }
    let unmatched = others(ids, &replayed);
    let ended = ended(&replayed);
    if output.json {
        println!("{}", table::json(&json!({"replayed": replayed, "unmatched": unmatched}))?);
    } else {
        println!("{} replayed.", replayed.len());
        explain(store, &unmatched).await?;
    }
    Ok(ended)
}

async fn discard(store: &Store, ids: &[Uuid], reason: &str, output: Output) -> anyhow::Result<Ended> {
    let (mut discarded, mut released) = (Vec::new(), Vec::new());
    for some in ids.chunks(DECIDED_MAX) {
        let done = store.discard(some, reason).await?;
        discarded.extend(done.discarded);
        released.extend(done.released);
    }
    let unmatched = others(ids, &discarded);
    let ended = ended(&discarded);
    if output.json {
        let done = json!({"discarded": discarded, "released": released, "unmatched": unmatched});
        println!("{}", table::json(&done)?);
    } else {
        println!("{} discarded; {} that waited for them are due.", discarded.len(), released.len());
        explain(store, &unmatched).await?;
    }
    Ok(ended)
}

fn others(ids: &[Uuid], matched: &[Uuid]) -> Vec<Uuid> {
    ids.iter().filter(|id| !matched.contains(id)).copied().collect()
}

const fn ended(matched: &[Uuid]) -> Ended {
    if matched.is_empty() { Ended::Nothing } else { Ended::Done }
}

/// Says of each id that was left alone what it is.
async fn explain(store: &Store, unmatched: &[Uuid]) -> anyhow::Result<()> {
    for id in unmatched {
        match store.message(*id, None).await? {
            Some(message) => {
                println!("{id} is no dead letter: it is {}; nothing was changed.", message.state);
            }
            None => println!("{id} is no message of this ledger."),
        }
    }
    Ok(())
}
