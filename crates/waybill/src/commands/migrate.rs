//! `waybill migrate`.

use serde_json::json;
use waybill_store::Store;

use super::{Ended, progress};
use crate::cli::Output;
use crate::table;

pub(super) async fn run(store: &Store, output: Output) -> anyhow::Result<Ended> {
    let migrated = progress::saying(async || step(store).await, Box::pin(store.migrate())).await?;
    if output.json {
        println!("{}", table::json(&json!({"before": migrated.before, "now": migrated.now}))?);
        return Ok(Ended::Done);
    }
    println!(
        "The ledger's schema is up to date: {} migration(s), {} of them new.",
        migrated.now,
        migrated.now - migrated.before.min(migrated.now)
    );
    Ok(Ended::Done)
}

/// Which step is under way, as far as the ledger says.
async fn step(store: &Store) -> String {
    let Ok(found) = store.migrations().await else { return "migrating".to_owned() };
    match Store::migration_name(found.before + 1) {
        Some(name) => format!("migration {} of {}: {name}", found.before + 1, found.now),
        None => "after the migrations: lists and indexes".to_owned(),
    }
}
