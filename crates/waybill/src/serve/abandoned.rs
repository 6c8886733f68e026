//! Claims whose lease is over: a worker died, hung or lost its way with a message in hand. The
//! attempt counts; the message is tried again, or dead when there were enough.

use waybill_core::recovery::{Disposition, after_failure, poison};
use waybill_core::source::OnDead;
use waybill_store::Store;
use waybill_store::directory::Directory;
use waybill_store::record::Settled;

use super::sweep::Sweep;

/// The sweep for abandoned claims.
#[derive(Debug)]
pub(super) struct Abandoned {
    pub(super) store: Store,
    pub(super) directory: Directory,
    pub(super) rows_max: u32,
}

impl Sweep for Abandoned {
    const NAME: &'static str = "abandoned";

    async fn run_once(&mut self) -> anyhow::Result<u64> {
        let found = self.store.abandoned(self.rows_max).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let known = self.directory.snapshot();
        let mut settled = Vec::with_capacity(found.len());
        for claim in found {
            // a source that this replica does not know yet: the next pass will
            let Some(source) = known.sources.get(&claim.source) else { continue };
            let attempts = claim.attempt.unsigned_abs();
            let disposition = match after_failure(attempts, &source.policy(), 0.5) {
                Some(wait) => Disposition::Retry(wait, poison(attempts)),
                None => Disposition::DeadLetter(poison(attempts)),
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
        let recorded = self.store.record(&settled).await?;
        waybill_drill::point("sweep.after_record");
        for id in &recorded.recorded {
            tracing::warn!(message.id = %id, "a claim was abandoned; its attempt counts as failed");
        }
        Ok(recorded.recorded.len() as u64)
    }
}
