//! What the sweep for lost envelopes asks of the ledger: what of a lane is published, which of its
//! newest messages were delivered, and the verb that makes the lost due again.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::claim::interval;
use crate::conservation::Misfit;
use crate::problem::Problem;
use crate::{Store, StoreError};

/// What of a lane the ledger takes to be in the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Published {
    /// Published.
    pub all: u64,
    /// Of those, published longer ago than the grace.
    pub old: u64,
    /// Of those, published before a given moment.
    pub overtaken: u64,
}

/// Rows of a lane that are counted; the relays keep it far below.
const COUNTED_MAX: i64 = 1_000_000;

impl Store {
    /// Counts what of `lane` is published: in all, longer than `grace`, and of that before
    /// `overtaken_before`.
    pub async fn published_of(
        &self,
        lane: &str,
        grace: Duration,
        overtaken_before: Option<DateTime<Utc>>,
    ) -> Result<Published, StoreError> {
        let row = sqlx::query(
            "select count(*) as all, count(*) filter (where published_at < now() - $2) as old,
                    count(*) filter (where published_at < now() - $2 and published_at < $3) as overtaken
             from (select published_at from progress where state = 'published' and lane = $1 limit $4) p",
        )
        .bind(lane)
        .bind(interval(grace))
        .bind(overtaken_before)
        .bind(COUNTED_MAX)
        .fetch_one(self.pool())
        .await?;
        let count =
            |name: &str| -> Result<u64, StoreError> { Ok(row.try_get::<i64, _>(name)?.unsigned_abs()) };
        Ok(Published { all: count("all")?, old: count("old")?, overtaken: count("overtaken")? })
    }

    /// The newest message of each source that uses `lane`.
    pub async fn newest_of_lane(&self, lane: &str) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar(
            "select newest.id from source s
             cross join lateral (
                 select id from receipt r where r.source = s.name order by id desc limit 1) newest
             where s.spec->>'lane' = $1",
        )
        .bind(lane)
        .fetch_all(self.pool())
        .await?)
    }

    /// Which of these messages have been claimed since they were published, and when they were.
    pub async fn delivered(&self, ids: &[Uuid]) -> Result<Vec<(Uuid, DateTime<Utc>)>, StoreError> {
        Ok(sqlx::query_as(
            "select id, published_at from progress
             where id = any($1) and state <> 'published' and claimed_at >= published_at",
        )
        .bind(ids)
        .fetch_all(self.pool())
        .await?)
    }

    /// The `count` messages of `lane` that have been published longest, longer than `grace`.
    pub async fn longest_published(
        &self,
        lane: &str,
        grace: Duration,
        count: u32,
    ) -> Result<Vec<Misfit>, StoreError> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as(
            "select id, source from progress
             where state = 'published' and lane = $1 and published_at < now() - $2
             order by published_at, id limit $3",
        )
        .bind(lane)
        .bind(interval(grace))
        .bind(i64::from(count))
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id, source)| Misfit { id, problem: Problem::Lost, source }).collect())
    }

    /// Verb `republish`, for what the broker has lost: due again, unless it was delivered or
    /// published anew meanwhile. How many.
    pub async fn republish_lost(&self, ids: &[Uuid], grace: Duration) -> Result<u64, StoreError> {
        let moved = sqlx::query(
            "with lost as (
                 select id from progress
                 where id = any($1) and state = 'published' and published_at < now() - $2
                 order by id for update skip locked
             )
             update progress p
             set state = 'accepted', due_at = now(), lease = null, lease_until = null
             from lost where p.id = lost.id",
        )
        .bind(ids)
        .bind(interval(grace))
        .execute(self.pool())
        .await?;
        Ok(moved.rows_affected())
    }
}
