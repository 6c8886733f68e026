//! Seeing a batch through: claim, process, decide, record, acknowledge.
//!
//! Effects, attempt and state are recorded in one transaction; the acknowledgement comes after its
//! commit. While the ledger is away the batch waits, unacknowledged. What recording releases (the
//! next message of a key) is taken up at once, without a trip through the broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use waybill_broker::consumer::Delivery;
use waybill_core::outcome::{ErrorClass, Outcome};
use waybill_core::recovery::{Disposition, Policy, decide};
use waybill_core::source::{OnDead, Source};
use waybill_drill as drill;
use waybill_process::chance;
use waybill_store::claim::{Claim, Claimed};
use waybill_store::directory::Directory;
use waybill_store::record::{Recorded, Settled};
use waybill_store::{Store, StoreError};

use crate::figures;
use crate::process::Processors;

/// Tries of a statement that the ledger answers with an error.
const TRIES_MAX: u32 = 3;
/// For the ledger's answer to one transaction.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// Rounds of one batch's successors before others have their turn.
const ROUNDS_MAX: usize = 32;

/// What became of a batch.
#[derive(Debug, Default)]
struct Seen {
    /// Not in the ledger.
    unknown: Vec<Uuid>,
    /// Released: first of their keys now.
    released: Vec<Uuid>,
    /// Not looked at: the worker is to stop.
    left: Vec<Uuid>,
}

/// Sees batches through.
#[derive(Debug)]
pub struct Executor {
    /// The ledger.
    pub store: Store,
    /// The sources' policies.
    pub directory: Directory,
    /// The processors.
    pub processors: Processors,
    /// This worker's name in the ledger.
    pub worker: String,
    /// How long a claim holds.
    pub lease: Duration,
    /// Bytes of bodies that one claim takes in hand, unless one body alone is larger.
    pub bytes_max: u64,
    /// Take no more work.
    pub stop: CancellationToken,
    /// Processors that did not come back.
    pub hung: AtomicUsize,
}

impl Executor {
    /// How many processors hang.
    pub fn hung(&self) -> usize {
        self.hung.load(Ordering::Relaxed)
    }

    /// Sees these deliveries through. Those that are not acknowledged when this returns come again.
    ///
    /// # Errors
    /// When they could not be claimed although the ledger is there: they must be handed back.
    pub async fn see_through(&self, deliveries: Vec<Delivery>) -> Result<(), StoreError> {
        let (mut known, mut ids) = (Vec::new(), Vec::new());
        for delivery in deliveries {
            match &delivery.envelope {
                Ok(envelope) => {
                    ids.push(envelope.id);
                    known.push((envelope.id, delivery));
                }
                Err(error) => {
                    tracing::error!(%error, "a delivery that is no envelope goes to waybill.dead");
                    delivery.refuse().await;
                }
            }
        }
        if drill::mutant("ack_before_commit") {
            for (_, delivery) in known.drain(..) {
                delivery.ack().await;
            }
        }
        drill::point("worker.after_delivery");
        let Some(seen) = self.part_by_part(ids).await? else { return Ok(()) };
        for (id, delivery) in known {
            if seen.left.contains(&id) {
                // the worker stops: it comes again, to another
            } else if seen.unknown.contains(&id) {
                tracing::error!(message.id = %id, "a delivery names no message of this ledger; it goes to waybill.dead");
                delivery.refuse().await;
            } else {
                delivery.ack().await;
            }
        }
        drill::point("worker.after_ack");
        self.go_on(seen.released).await
    }

    /// Claims and attempts, as much at once as fits into memory, until nothing is left or the worker
    /// is to stop. `None`: it could not be claimed or recorded.
    async fn part_by_part(&self, ids: Vec<Uuid>) -> Result<Option<Seen>, StoreError> {
        let mut seen = Seen { left: ids, ..Seen::default() };
        loop {
            let Some(claim) = self.claim(&seen.left).await? else { return Ok(None) };
            let Some(released) = self.attempt(claim.claimed).await else { return Ok(None) };
            seen.unknown.extend(claim.unknown);
            seen.released.extend(released);
            seen.left = claim.left;
            if seen.left.is_empty() || self.stop.is_cancelled() {
                return Ok(Some(seen));
            }
        }
    }

    /// Takes up what was released, and what that releases, for a while: what is left when it ends
    /// is due, and other keys want their turn.
    async fn go_on(&self, mut released: Vec<Uuid>) -> Result<(), StoreError> {
        for _ in 0..ROUNDS_MAX {
            if released.is_empty() || self.stop.is_cancelled() {
                break;
            }
            let Some(claim) = self.claim(&released).await? else { break };
            let Some(mut next) = self.attempt(claim.claimed).await else { break };
            next.extend(claim.left);
            released = next;
        }
        Ok(())
    }

    /// Claims; waits for the ledger while it is away. `None`: the worker stops first.
    async fn claim(&self, ids: &[Uuid]) -> Result<Option<Claim>, StoreError> {
        let claiming = || self.store.claim_within(ids, &self.worker, self.lease, self.bytes_max);
        self.persist("claim", is_away, claiming).await.transpose()
    }

    /// Processes and records; what was released. `None`: it could not be recorded.
    async fn attempt(&self, claimed: Vec<Claimed>) -> Option<Vec<Uuid>> {
        if claimed.is_empty() {
            return Some(Vec::new());
        }
        drill::point("worker.after_claim");
        let settled = join_all(claimed.iter().map(|one| self.process(one))).await;
        drill::point("worker.after_process");
        let mut released = Vec::new();
        let recorded = self.record(settled, &claimed).await?;
        drill::point("worker.after_commit");
        for (group, result) in recorded {
            released.extend(result.released);
            for settled in group.iter().filter(|s| result.recorded.contains(&s.id)) {
                if let Some(one) = claimed.iter().find(|c| c.id == settled.id) {
                    #[expect(clippy::disallowed_methods, reason = "for a metric")]
                    figures::recorded(one, &settled.disposition, chrono::Utc::now());
                }
            }
            for id in result.late {
                tracing::warn!(message.id = %id, "recorded too late: another attempt has been made");
            }
        }
        Some(released)
    }

    async fn process(&self, claimed: &Claimed) -> Settled {
        let source = self.source(&claimed.source).await;
        let outcome = match &source {
            Some(source) => {
                let processed = self.processors.run(claimed.clone(), source.reading()).await;
                self.hung.fetch_add(usize::from(processed.hangs), Ordering::Relaxed);
                processed.outcome
            }
            None => Outcome::failed(ErrorClass::Internal, "its source is not in the ledger"),
        };
        self.settle(claimed, source.as_deref(), outcome)
    }

    /// Decides by the source's policy; a message without a source is retried a few times.
    fn settle(&self, claimed: &Claimed, source: Option<&Source>, outcome: Outcome) -> Settled {
        Settled {
            id: claimed.id,
            source: claimed.source.clone(),
            attempt: claimed.attempt,
            started_at: claimed.claimed_at,
            worker: self.worker.clone(),
            abandoned: false,
            skip_dead: source.is_some_and(|s| s.on_dead == OnDead::Skip),
            disposition: decided(outcome, claimed.tries, source),
        }
    }

    /// A source applied a moment ago may not be in the directory yet: look once more.
    async fn source(&self, name: &str) -> Option<Arc<Source>> {
        if let Some(source) = self.directory.snapshot().sources.get(name) {
            return Some(Arc::clone(source));
        }
        if let Err(error) = self.directory.refresh(&self.store).await {
            tracing::warn!(%error, "the directory of sources could not be refreshed");
        }
        self.directory.snapshot().sources.get(name).map(Arc::clone)
    }

    /// Records all together; one by one when the ledger refuses something in it, and what it
    /// refuses as a failed attempt. `None`: the worker stops first.
    async fn record(
        &self,
        settled: Vec<Settled>,
        claimed: &[Claimed],
    ) -> Option<Vec<(Vec<Settled>, Recorded)>> {
        if let Ok(recorded) = self.persist("record", is_away, || self.store.record(&settled)).await? {
            return Some(vec![(settled, recorded)]);
        }
        let mut results = Vec::with_capacity(settled.len());
        for one in settled {
            let mut group = vec![one];
            let mut recorded = self.persist("record", is_away, || self.store.record(&group)).await?;
            if let Err(error) = &recorded {
                group = vec![self.refused(&group[0], claimed, error).await];
                recorded = self.persist("record", is_away, || self.store.record(&group)).await?;
            }
            // what cannot even be recorded as failed ends with its lease, as abandoned
            results.extend(recorded.ok().map(|recorded| (group, recorded)));
        }
        Some(results)
    }

    /// The attempt of a message whose effects the ledger refuses.
    async fn refused(&self, settled: &Settled, claimed: &[Claimed], error: &StoreError) -> Settled {
        let tries = claimed.iter().find(|c| c.id == settled.id).map_or(settled.attempt, |c| c.tries);
        let source = self.source(&settled.source).await;
        let reason = format!("its effects were not written: {error}");
        let outcome = Outcome::failed(ErrorClass::Internal, reason);
        Settled { disposition: decided(outcome, tries, source.as_deref()), ..settled.clone() }
    }

    /// Tries again while `again` says so, and a few times whatever the answer is; then that is the
    /// answer. `None`: the worker stops first.
    async fn persist<T, F>(
        &self,
        what: &str,
        again: impl Fn(&StoreError) -> bool,
        mut ask: impl FnMut() -> F,
    ) -> Option<Result<T, StoreError>>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut wait = Duration::from_millis(50);
        let mut tries = 0;
        loop {
            tries += 1;
            // a network that has fallen silent answers nothing, ever
            let answer = tokio::time::timeout(ANSWER_LIMIT, ask()).await;
            let answer = answer.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())));
            match answer {
                Err(error) if again(&error) => tracing::warn!(what, %error, "waiting for the ledger"),
                Err(error) if tries < TRIES_MAX => tracing::warn!(what, %error, "trying again"),
                Err(error) => {
                    tracing::error!(what, %error, "the ledger refused");
                    return Some(Err(error));
                }
                answer => return Some(answer),
            }
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
}

/// Whether the ledger is away: then everything waits for it.
const fn is_away(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

fn decided(outcome: Outcome, tries: i32, source: Option<&Source>) -> Disposition {
    let few = || Policy { attempts_max: 8, backoff_s: vec![5] };
    let policy = source.map_or_else(few, Source::policy);
    decide(outcome, tries.unsigned_abs(), &policy, chance::unit())
}
