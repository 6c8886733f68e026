//! Claims whose lease is over: a worker died, hung or lost its way with a message in hand. The
//! attempt counts; the message is tried again, or dead when there were enough.

use uuid::Uuid;
use waybill_core::recovery::{Disposition, after_failure, poison};
use waybill_core::source::OnDead;
use waybill_store::directory::Directory;
use waybill_store::record::Settled;
use waybill_store::{Store, StoreError};

use super::sweep::{Done, Sweep};

/// The sweep for abandoned claims.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) store: Store,
    pub(super) directory: Directory,
    pub(super) rows_max: u32,
}

impl Abandoned {
    /// Records all together; one by one when the ledger refuses something in it, so that a row that
    /// cannot be recorded keeps no other from being taken back.
    async fn record(&self, settled: &[Settled]) -> Result<Vec<Uuid>, StoreError> {
        match self.store.record(settled).await {
            Err(StoreError::Refused(_)) => {}
            recorded => return Ok(recorded?.recorded),
        }
        let mut recorded = Vec::new();
        for one in settled {
            match self.store.record(std::slice::from_ref(one)).await {
                Ok(done) => recorded.extend(done.recorded),
                Err(error @ StoreError::Refused(_)) => {
                    tracing::error!(message.id = %one.id, %error, "an abandoned claim could not be recorded");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(recorded)
    }
}

impl Sweep for Abandoned {
    const NAME: &'static str = "abandoned";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let found = self.store.abandoned(self.rows_max).await?;
        if found.is_empty() {
            return Ok(Done::default());
        }
        let known = self.directory.snapshot();
        let mut settled = Vec::with_capacity(found.len());
        for claim in found {
            // a source that this replica does not know yet: the next pass will
            let Some(source) = known.sources.get(&claim.source) else { continue };
            let tries = claim.tries.unsigned_abs();
            let disposition = match after_failure(tries, &source.policy(), 0.5) {
                Some(wait) => Disposition::Retry(wait, poison(tries)),
                None => Disposition::DeadLetter(poison(tries)),
            };
            settled.push(Settled {
                id: claim.id,
                source: claim.source,
                attempt: claim.attempt,
                started_at: claim.claimed_at,
                worker: claim.worker,
                abandoned: true,
                skip_dead: source.on_dead == OnDead::Skip,
                disposition,
            });
        }
        waybill_drill::point("sweep.before_record");
        let recorded = self.record(&settled).await?;
        waybill_drill::point("sweep.after_record");
        for id in &recorded {
            tracing::warn!(message.id = %id, "a claim was abandoned; its attempt counts as failed");
        }
        Ok(Done::changed(recorded.len() as u64))
    }
}
