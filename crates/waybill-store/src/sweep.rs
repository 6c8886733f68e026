//! What the sweeps look for: claims whose lease is over, and held messages that nothing holds.
//!
//! A sweep finds and judges; what it decides goes through the same verbs as everything else.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError, ordering};

/// A claim that was not recorded in time.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The attempt's number.
    pub attempt: i32,
    /// Who claimed it.
    pub worker: String,
    /// When.
    pub claimed_at: DateTime<Utc>,
}

impl Store {
    /// Claims whose lease is over, the oldest first.
    pub async fn abandoned(&self, limit: u32) -> Result<Vec<Abandoned>, StoreError> {
        let rows = sqlx::query(
            "select id, source, attempts, claimed_by, claimed_at from progress
             where state = 'processing' and claimed_until < now()
               -- what no worker can have claimed so is the business of `repair`
               and attempts > 0 and claimed_by is not null and claimed_at is not null
             order by claimed_until limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Abandoned {
                    id: row.try_get("id")?,
                    source: row.try_get("source")?,
                    attempt: row.try_get("attempts")?,
                    worker: row.try_get("claimed_by")?,
                    claimed_at: row.try_get("claimed_at")?,
                })
            })
            .collect()
    }

    /// Verb `release` for held messages that stand first in every one of their keys: the net under
    /// the release that a predecessor's own final transaction makes. Looks at the next `limit` held
    /// messages after `after`; how many it released, and where to look next (from the start again
    /// when there are no more).
    pub async fn release_forgotten(&self, after: Uuid, limit: u32) -> Result<(u64, Uuid), StoreError> {
        let page: Vec<(Uuid, bool)> = sqlx::query_as(
            "select p.id, not exists (
                        select from ordering o join ordering e on e.key = o.key and e.seq < o.seq
                        where o.id = p.id)
                    and not exists (
                        select from ordering o join in_hand h on h.key = o.key where o.id = p.id) as is_free
             from progress p where p.state = 'held' and p.id > $1 order by p.id limit $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        let next = if page.len() < limit as usize { Uuid::nil() } else { page[page.len() - 1].0 };
        let free: Vec<Uuid> = page.into_iter().filter(|(_, is_free)| *is_free).map(|(id, _)| id).collect();
        if free.is_empty() {
            return Ok((0, next));
        }
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, &free).await?;
        let released = sqlx::query(
            "update progress p
             set state = 'accepted', due_at = now()
             where p.id = any($1) and p.state = 'held' and not exists (
                 select from ordering o join ordering e on e.key = o.key and e.seq < o.seq
                 where o.id = p.id)",
        )
        .bind(&free)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok((released.rows_affected(), next))
    }
}
