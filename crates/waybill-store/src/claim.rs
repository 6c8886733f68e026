//! Claiming: a worker takes messages in hand and gets their bodies.
//!
//! A claim counts the attempt, before anything is tried, so that a crash counts too; the attempt's
//! number is the fence that keeps a late worker from changing anything. A message whose ordering
//! gate is closed is held instead; one whose body does not fit beside the others is left for the
//! next claim, so that a batch of large bodies cannot fill the memory. What is final, not yet due, or in another worker's hand is left
//! alone: whoever has it, or the sweep after them, sees it through.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use crate::{Store, StoreError, ordering};

/// A message in a worker's hand.
#[derive(Clone)]
pub struct Claimed {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Which processor reads it.
    pub kind: String,
    /// The attempt this is, from 1: the fence.
    pub attempt: i32,
    /// Attempts since it was accepted or last replayed, this one included: what the policy counts.
    pub tries: i32,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// When this claim was made, by the ledger's clock.
    pub claimed_at: DateTime<Utc>,
    /// The media type it was posted with.
    pub content_type: String,
    /// Its body; none: the row is gone, which nothing in this program does to an unfinished message.
    pub body: Option<Vec<u8>>,
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Claimed({}, attempt {})", self.id, self.attempt)
    }
}

/// What a claim came to.
#[derive(Debug, Default)]
pub struct Claim {
    /// In hand now.
    pub claimed: Vec<Claimed>,
    /// Held now: an earlier message of a key is unfinished.
    pub held: Vec<Uuid>,
    /// Not in the ledger at all.
    pub unknown: Vec<Uuid>,
    /// Left as they were, for their bodies did not fit: to be claimed when the others are recorded.
    pub left: Vec<Uuid>,
}

const CLAIM: &str = "
with candidate as materialized (
    select p.id from progress p
    where p.id = any($1)
      and p.state in ('accepted', 'published', 'retrying')
      -- due, or on its way by the relay's lease
      and (p.due_at is null or p.due_at <= now() or p.lease is not null)
      -- whatever its row says: effects that are written are not written again
      and (p.attempts = 0 or not exists (
          select from attempt a where a.id = p.id and a.outcome in ('processed', 'ignored')))
    order by p.id for update
), blocked as materialized (
    -- an unfinished message of one of its keys stands before it, or another is in hand
    -- (laterals with limits, so that the plan never depends on statistics; where none of the batch
    -- has a key, $4 is false and not one index is asked)
    select distinct on (o.id) o.id, coalesce(before.id, hand.id) as after from candidate c
    cross join lateral (select id, key, seq from ordering where $4 and id = c.id order by id) o
    left join lateral (
        select true as yes, e.id from ordering e
        where e.key = o.key and e.seq < o.seq order by e.key, e.seq limit 1) before on true
    left join lateral (
        select true as yes, h.id from in_hand h where h.key = o.key and h.id <> o.id limit 1) hand on true
    where before.yes or hand.yes
), free as materialized (
    -- in the ledger's order, as many as fit together; the first whatever its size
    select c.id, sum(coalesce(r.body_bytes, 0)) over w <= $5 or row_number() over w = 1 as fits
    from candidate c
    left join lateral (select seq, body_bytes from receipt where receipt.id = c.id limit 1) r on true
    where not exists (select from blocked b where b.id = c.id)
    window w as (order by r.seq, c.id rows unbounded preceding)
), held as (
    update progress p
    set state = 'held', due_at = null, lease = null, lease_until = null,
        -- not now(): a confirm may have come while this waited for the row
        held_at = clock_timestamp(), held_after = b.after, released_at = null
    from blocked b where p.id = b.id
    returning p.id
), claimed as (
    update progress p
    set state = 'processing', attempts = attempts + 1,
        -- delivered, so published, whether or not the relay has written that down yet
        published_at = coalesce(published_at, now()),
        due_at = null, lease = null, lease_until = null,
        claimed_by = $2, claimed_at = now(), claimed_until = now() + $3
    from free f
    where p.id = f.id and f.fits
    returning p.id, p.attempts, p.attempts - p.attempts_base as tries, p.claimed_at
), taken as (
    insert into in_hand (key, id)
    select o.key, o.id from ordering o join claimed using (id) where $4
)
select g.id, r.id is not null as known, held.id is not null as held, free.fits is false as is_left,
       claimed.attempts, claimed.tries, claimed.claimed_at, r.source, r.kind, r.received_at, r.content_type, b.body
from (select distinct unnest($1::uuid[]) as id) g
left join receipt r on r.id = g.id
left join held on held.id = g.id
left join free on free.id = g.id
left join claimed on claimed.id = g.id
-- a lateral, so that only the day of the id is looked at
left join lateral (select body from body where body.id = claimed.id limit 1) b on true
order by r.seq";

impl Store {
    /// Claims what can be claimed of `ids` for `worker`, under a lease, whatever its size.
    ///
    /// # Errors
    /// As [`Store::claim_within`].
    pub async fn claim(&self, ids: &[Uuid], worker: &str, lease: Duration) -> Result<Claim, StoreError> {
        self.claim_within(ids, worker, lease, u64::MAX).await
    }

    /// Claims what can be claimed of `ids` for `worker`, under a lease, with bodies of at most
    /// `bytes_max` together: one message at least, and what does not fit is left.
    ///
    /// # Errors
    /// When the ledger is unavailable: nothing is claimed then, or the lease runs out.
    pub async fn claim_within(
        &self,
        ids: &[Uuid],
        worker: &str,
        lease: Duration,
        bytes_max: u64,
    ) -> Result<Claim, StoreError> {
        let mut transaction = self.begin().await?;
        let ordered = ordering::lock(&mut transaction, ids).await?;
        let rows = sqlx::query(CLAIM)
            .bind(ids)
            .bind(worker)
            .bind(interval(lease))
            .bind(ordered)
            .bind(i64::try_from(bytes_max).unwrap_or(i64::MAX))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let mut claim = Claim::default();
        for row in &rows {
            if !row.try_get::<bool, _>("known")? {
                claim.unknown.push(row.try_get("id")?);
            } else if row.try_get::<bool, _>("held")? {
                claim.held.push(row.try_get("id")?);
            } else if row.try_get::<Option<bool>, _>("is_left")?.unwrap_or_default() {
                claim.left.push(row.try_get("id")?);
            } else if let Some(attempt) = row.try_get("attempts")? {
                claim.claimed.push(read(row, attempt)?);
            }
        }
        Ok(claim)
    }
}

fn read(row: &PgRow, attempt: i32) -> Result<Claimed, StoreError> {
    Ok(Claimed {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: row.try_get("kind")?,
        attempt,
        tries: row.try_get("tries")?,
        received_at: row.try_get("received_at")?,
        claimed_at: row.try_get("claimed_at")?,
        content_type: row.try_get("content_type")?,
        body: row.try_get("body")?,
    })
}

/// A duration as PostgreSQL takes it.
pub(crate) fn interval(duration: Duration) -> PgInterval {
    PgInterval { months: 0, days: 0, microseconds: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX) }
}
