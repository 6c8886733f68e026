//! What the relay needs: which lanes have something due, a leased window, and its settlement.
//!
//! A lease is one committed update, never a lock held while the broker is waited for. It carries a
//! token; whatever else happens to a row clears the token, so that a confirm which comes late
//! cannot mark a row published that has since become due again.

use std::time::Duration;

use sqlx::Row as _;
use uuid::Uuid;

use crate::claim::interval;
use crate::{Store, StoreError};

/// Rows leased together, to be published as one window.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// The lease's token.
    pub lease: i64,
    /// Its rows.
    pub messages: Vec<Leased>,
    /// Rows that were due and are not among them, for their source is paused.
    pub parked: usize,
}

/// One leased row.
#[derive(Debug, Clone)]
pub struct Leased {
    /// The message.
    pub id: Uuid,
    /// How often it was attempted since it was accepted or last replayed.
    pub attempts: u32,
    /// The sender's trace context, where it gave one.
    pub traceparent: Option<String>,
}

/// How many rows a window may take, and how many of its lane may be in the broker.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Rows of one window.
    pub window_max: u32,
    /// Published or leased rows of the lane, this window included.
    pub lane_published_max: u32,
}

const LANES_UNFINISHED: &str = "
-- one index probe per lane
with recursive due (name) as (
    (select lane from progress where due_at is not null order by lane limit 1)
    union all
    select (select p.lane from progress p
            where p.due_at is not null and p.lane > due.name order by p.lane limit 1)
    from due where due.name is not null
), published (name) as (
    (select lane from progress where state = 'published' order by lane limit 1)
    union all
    select (select p.lane from progress p
            where p.state = 'published' and p.lane > published.name order by p.lane limit 1)
    from published where published.name is not null
)
select name from due where name is not null
union select name from published where name is not null
union select spec->>'lane' from source
order by 1";

const LANES: &str = "
-- one index probe per lane, however many rows are due
with recursive lane (name) as (
    (select lane from progress where due_at is not null order by lane limit 1)
    union all
    select (select p.lane from progress p
            where p.due_at is not null and p.lane > lane.name order by p.lane limit 1)
    from lane where lane.name is not null
)
select name from lane where name is not null";

const LEASE: &str = "
with token as materialized (
    select nextval('lease') as lease
), picked as (
    select id, source from progress
    where lane = $1 and due_at <= now() and (lease_until is null or lease_until <= now())
    order by due_at
    limit $2
    for update skip locked
), paused as materialized (
    -- locked: who resumes a source waits until what is parked here can be seen
    select name from source where paused_at is not null for share
), sorted as (
    select picked.id, paused.name is not null as parked
    from picked left join paused on paused.name = picked.source
)
update progress p
-- a paused source's row is parked: out of everybody's way for a while, under nobody's lease
set lease = case when not parked then token.lease end,
    lease_until = now() + case when parked then $4 else $3 end,
    due_at = case when parked then now() + $4 else due_at end
from sorted, token
where p.id = sorted.id
-- attempts since it was accepted or last replayed: what makes a message suspect
returning p.id, p.attempts - p.attempts_base as attempts, p.traceparent, p.lease";

/// For how long a paused source's due rows are parked at a time: long enough to cost next to nothing,
/// and not so long that the conservation check would take the time for a wrong one.
const PARKED: Duration = Duration::from_mins(30);

/// Rows of a lane that are in the broker or on their way; leased rows are among the first due.
const IN_BROKER: &str = "
select (select count(*) from (select from progress
                              where state = 'published' and lane = $1 limit $2) p)
     + (select count(*) from (select lease, lease_until from progress
                              where lane = $1 and due_at <= now() order by due_at limit $3) d
        where lease is not null and lease_until > now())";

impl Store {
    /// The lanes that have rows due, now or later.
    pub async fn lanes_due(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(LANES).fetch_all(self.pool()).await?)
    }

    /// Every lane: of the sources, disabled ones too, and of what is unfinished, for a source may
    /// have changed its lane while messages wait in the old one.
    pub async fn lanes(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(LANES_UNFINISHED).fetch_all(self.pool()).await?)
    }

    /// Leases up to `room.window_max` rows of `lane` that are due, oldest first; those of a paused source
    /// it parks. With `exact`, the
    /// lane's share of the broker is counted first, one relay at a time, so that it cannot be
    /// exceeded; without, the caller knows that the lane is far from its limit.
    pub async fn lease(
        &self,
        lane: &str,
        room: Room,
        exact: bool,
        lease: Duration,
    ) -> Result<Window, StoreError> {
        let mut transaction = self.begin().await?;
        let mut limit = i64::from(room.window_max);
        if exact {
            sqlx::query("select pg_advisory_xact_lock(hashtextextended('lane ' || $1, 0))")
                .bind(lane)
                .execute(&mut *transaction)
                .await?;
            let in_broker: i64 = sqlx::query_scalar(IN_BROKER)
                .bind(lane)
                .bind(i64::from(room.lane_published_max))
                .bind(i64::from(room.window_max) * 16)
                .fetch_one(&mut *transaction)
                .await?;
            limit = limit.min(i64::from(room.lane_published_max) - in_broker);
        }
        if limit <= 0 {
            return Ok(Window::default());
        }
        let rows = sqlx::query(LEASE)
            .bind(lane)
            .bind(limit)
            .bind(interval(lease))
            .bind(interval(PARKED))
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let mut window = Window::default();
        for row in rows {
            let Some(lease) = row.try_get("lease")? else {
                window.parked += 1;
                continue;
            };
            window.lease = lease;
            let attempts: i32 = row.try_get("attempts")?;
            window.messages.push(Leased {
                id: row.try_get("id")?,
                attempts: attempts.unsigned_abs(),
                traceparent: row.try_get("traceparent")?,
            });
        }
        Ok(window)
    }

    /// How many rows of `lane` are published and not yet claimed, counted up to `limit`.
    pub async fn published(&self, lane: &str, limit: u32) -> Result<u32, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from (select from progress
                                   where state = 'published' and lane = $1 limit $2) p",
        )
        .bind(lane)
        .bind(i64::from(limit))
        .fetch_one(self.pool())
        .await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Verb `confirm`: these rows of the window are in the broker. Rows that have moved on since,
    /// or are moving on just now, stay as they are: the one verb that may touch fewer than given.
    pub async fn confirm(&self, lease: i64, ids: &[Uuid]) -> Result<u64, StoreError> {
        let confirmed = sqlx::query(
            "with mine as (
                 select id from progress
                 where id = any($2) and lease = $1 and state in ('accepted', 'retrying')
                 for update skip locked
             )
             update progress p
             set state = 'published', published_at = now(),
                 due_at = null, lease = null, lease_until = null
             from mine where p.id = mine.id",
        )
        .bind(lease)
        .bind(ids)
        .execute(self.pool())
        .await?;
        Ok(confirmed.rows_affected())
    }

    /// Gives up the lease on rows that were not confirmed: they stay due, after `wait`.
    pub async fn give_back(&self, lease: i64, ids: &[Uuid], wait: Duration) -> Result<(), StoreError> {
        sqlx::query(
            "with mine as (
                 select id from progress where id = any($2) and lease = $1 for update skip locked
             )
             update progress p set lease = null, lease_until = now() + $3
             from mine where p.id = mine.id",
        )
        .bind(lease)
        .bind(ids)
        .bind(interval(wait))
        .execute(self.pool())
        .await?;
        Ok(())
    }
}
