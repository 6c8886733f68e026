//! `waybill migrate`.

use waybill_store::Store;

use super::Ended;

pub(super) async fn run(store: &Store) -> anyhow::Result<Ended> {
    let migrated = store.migrate().await?;
    println!(
        "The ledger's schema is up to date: {} migration(s), {} of them new.",
        migrated.now,
        migrated.now - migrated.before.min(migrated.now)
    );
    Ok(Ended::Done)
}
