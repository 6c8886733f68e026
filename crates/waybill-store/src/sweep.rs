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
    /// the release that a predecessor's own final transaction makes. Returns how many it caught.
    pub async fn release_forgotten(&self, limit: u32) -> Result<u64, StoreError> {
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "select p.id from progress p
             where p.state = 'held' and not exists (
                 select from ordering o join ordering e on e.key = o.key
                 where o.id = p.id and e.seq < o.seq)
               and not exists (
                 select from ordering o join in_hand h on h.key = o.key where o.id = p.id)
             order by p.id limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, &ids).await?;
        let released = sqlx::query(
            "update progress p
             set state = 'accepted', due_at = now()
             where p.id = any($1) and p.state = 'held' and not exists (
                 select from ordering o join ordering e on e.key = o.key
                 where o.id = p.id and e.seq < o.seq)",
        )
        .bind(&ids)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(released.rows_affected())
    }
}
