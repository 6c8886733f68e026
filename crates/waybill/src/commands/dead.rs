//! `waybill dead groups`, `list`, `show`, `replay` and `discard` (`undo` and `edit` have files of their
//! own). A decision is a transition of the ledger, nothing else: what it makes due, the relay publishes.

mod filter;
mod list;
mod show;

use anyhow::Context as _;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use uuid::Uuid;
use waybill_store::Store;
use waybill_store::audit::By;
use waybill_store::dead::Filter;
use waybill_store::decide::DECIDED_MAX;

use super::{Ended, edit, nobody, plan, progress, undo};
use crate::cli::{Dead, Letters, Output, Who};
use crate::config::Config;
use crate::table;

pub(super) async fn run(store: &Store, config: &Config, command: Dead, who: &Who) -> anyhow::Result<Ended> {
    match command {
        Dead::Groups { letters, limit, output } => match looked_for(store, &letters, who).await? {
            Ok(filter) => list::groups(store, &filter, limit, output).await,
            Err(ended) => Ok(ended),
        },
        Dead::List { letters, after, limit, export, why, output } => {
            match looked_for(store, &letters, who).await? {
                Ok(filter) if export.csv.is_some() => {
                    list::take_out(store, &filter, (after, limit), (&export, why.as_deref()), who).await
                }
                Ok(filter) => list::list(store, &filter, (after, limit), output).await,
                Err(ended) => Ok(ended),
            }
        }
        Dead::Show { id, output } => show::show(store, id, output).await,
        Dead::Replay { ids, letters, plan, output } => {
            let Some(actor) = who.acting() else { return Ok(nobody()) };
            match filter::filter(store, &letters).await? {
                Ok(filter) if ids.is_empty() => {
                    plan::make(store, config, &filter, &plan, &actor, output).await
                }
                Ok(filter) if filter == Filter::default() => {
                    replay(store, &ids, By::cli(&actor).because_of(plan.why.as_deref()), output).await
                }
                Ok(_) => Ok(refused("either ids, or a filter and --why")),
                Err(mistake) => Ok(refused(&mistake)),
            }
        }
        Dead::Discard { ids, reason, output } => {
            let Some(actor) = who.acting() else { return Ok(nobody()) };
            discard(store, &ids, By::cli(&actor).because(&reason), output).await
        }
        Dead::Undo(arguments) => undo::run(store, config.discard.grace(), &arguments, who).await,
        Dead::Edit(arguments) => edit::run(store, &arguments, who).await,
    }
}

/// The filter. Who looks for an ordering key, which may be a patient, is on the audit trail first.
async fn looked_for(store: &Store, letters: &Letters, who: &Who) -> anyhow::Result<Result<Filter, Ended>> {
    let filter = match filter::filter(store, letters).await? {
        Ok(filter) => filter,
        Err(mistake) => return Ok(Err(refused(&mistake))),
    };
    if let (Some(_), Some(source)) = (filter.key, &filter.source) {
        let Some(actor) = who.acting() else { return Ok(Err(nobody())) };
        let detail = json!({"by": [{"what": "ordering key"}]});
        let act = By::cli(&actor).on_messages("find dead letters", &[], &detail).of(source);
        store.audit(act).await.context("nothing is looked for: the audit trail cannot be written")?;
    }
    Ok(Ok(filter))
}

/// Asked for what cannot be.
fn refused(mistake: &str) -> Ended {
    eprintln!("{mistake}");
    Ended::Usage
}

/// A moment, to the second.
fn when(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

async fn replay(store: &Store, ids: &[Uuid], by: By<'_>, output: Output) -> anyhow::Result<Ended> {
    let mut replayed = Vec::new();
    for (at, some) in ids.chunks(DECIDED_MAX).enumerate() {
        progress::step("replayed", at * DECIDED_MAX, ids.len());
        replayed.extend(store.replay(some, by).await?);
    }
    progress::step("replayed", ids.len(), ids.len());
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

async fn discard(store: &Store, ids: &[Uuid], by: By<'_>, output: Output) -> anyhow::Result<Ended> {
    let (mut discarded, mut released) = (Vec::new(), Vec::new());
    for (at, some) in ids.chunks(DECIDED_MAX).enumerate() {
        progress::step("discarded", at * DECIDED_MAX, ids.len());
        let done = store.discard(some, by).await?;
        discarded.extend(done.discarded);
        released.extend(done.released);
    }
    progress::step("discarded", ids.len(), ids.len());
    let unmatched = others(ids, &discarded);
    let ended = ended(&discarded);
    if output.json {
        let done = json!({"discarded": discarded, "released": released, "unmatched": unmatched});
        println!("{}", table::json(&done)?);
    } else {
        let are = if released.len() == 1 { "is" } else { "are" };
        println!("{} discarded; {} that waited for them {are} due.", discarded.len(), released.len());
        if !discarded.is_empty() {
            println!("For a while this can be taken back: waybill dead undo ID (discard.undo_s_max).");
        }
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
