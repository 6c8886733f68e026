//! Overdue: accepted, and not final by its source's deadline. The metric counts them; this names
//! them, each once, so that somebody can look at just these.

use std::collections::BTreeSet;

use uuid::Uuid;
use waybill_store::Store;

use super::sweep::{Done, Sweep};

/// Overdue messages that are named.
const NAMED_MAX: u32 = 100;

/// The pass that names overdue messages.
#[derive(Debug)]
pub(super) struct Overdue {
    pub(super) store: Store,
    /// Named already.
    pub(super) named: BTreeSet<Uuid>,
}

impl Sweep for Overdue {
    const NAME: &'static str = "overdue";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let overdue = self.store.overdue(NAMED_MAX).await?;
        for message in overdue.iter().filter(|message| !self.named.contains(&message.id)) {
            tracing::warn!(message.id = %message.id, source = message.source, state = message.state,
                "accepted, and not final by its source's deadline");
        }
        self.named = overdue.into_iter().map(|message| message.id).collect();
        Ok(Done::default())
    }
}
