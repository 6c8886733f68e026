//! Held messages that nothing holds: the net under the release that a predecessor's own final
//! transaction makes. Catches nothing, unless something is wrong.

use uuid::Uuid;
use waybill_store::Store;

use super::sweep::{Done, Sweep};

/// The sweep for forgotten held messages.
#[derive(Debug)]
pub(super) struct Forgotten {
    pub(super) store: Store,
    pub(super) rows_max: u32,
    /// Where the next pass begins.
    pub(super) after: Uuid,
}

impl Sweep for Forgotten {
    const NAME: &'static str = "forgotten";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let (released, next) = self.store.release_forgotten(self.after, self.rows_max).await?;
        self.after = next;
        Ok(Done::changed(released))
    }
}
