//! Dead letters that hold their keys although their source skips its dead by now: the operator
//! changed `on_dead`. What waits for them is let go.

use waybill_store::Store;
use waybill_store::sweep::Place;

use super::sweep::{Done, Sweep};

/// The sweep for dead letters that hold no longer.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) store: Store,
    pub(super) rows_max: u32,
    /// Where the next pass begins.
    pub(super) after: Place,
}

impl Sweep for Skipped {
    const NAME: &'static str = "skipped";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let (let_go, next) = self.store.release_skipped(self.after, self.rows_max).await?;
        self.after = next;
        Ok(Done::changed(let_go))
    }
}
