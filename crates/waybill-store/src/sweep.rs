//! What the sweeps look for: claims whose lease is over, held messages that nothing holds, and dead
//! letters that hold although their source skips its dead by now.
//!
//! A sweep finds and judges; what it decides goes through the same verbs as everything else.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError, ordering};

/// Dead letters whose keys are locked together.
const TOGETHER_MAX: usize = 100;

/// Where a walk through the dead letters stands: when one died, and which.
pub type Place = (DateTime<Utc>, Uuid);

/// The beginning of that walk.
pub const START: Place = (DateTime::UNIX_EPOCH, Uuid::nil());

/// A claim that was not recorded in time.
#[derive(Debug, Clone)]
pub struct Abandoned {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The attempt's number.
    pub attempt: i32,
    /// Attempts since it was accepted or last replayed: what the policy counts.
    pub tries: i32,
    /// Who claimed it.
    pub worker: String,
    /// When.
    pub claimed_at: DateTime<Utc>,
}

impl Store {
    /// Claims whose lease is over, the oldest first.
    pub async fn abandoned(&self, limit: u32) -> Result<Vec<Abandoned>, StoreError> {
        let rows = sqlx::query(
            "select id, source, attempts, attempts - attempts_base as tries, claimed_by, claimed_at
             from progress
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
                    tries: row.try_get("tries")?,
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
            "select p.id, before.yes is null and hand.yes is null as is_free
             from (select id from progress where state = 'held' and id > $1 order by id limit $2) p
             -- laterals with limits: no plan reads the whole of `ordering` for a page
             left join lateral (
                 select true as yes from (select key, seq from ordering where id = p.id order by id offset 0) o
                 cross join lateral (
                     select from ordering e where e.key = o.key and e.seq < o.seq
                     order by e.key, e.seq limit 1) e limit 1) before on true
             left join lateral (
                 select true as yes from (select key from ordering where id = p.id order by id offset 0) o
                 cross join lateral (select from in_hand h where h.key = o.key limit 1) h limit 1) hand on true
             order by p.id",
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
             set state = 'accepted', due_at = now(), released_at = now()
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

    /// Lets the followers of dead letters go whose source skips its dead by now: it held them when
    /// they died, or a process that did not know better set them aside. Looks at the next `limit`
    /// dead letters after `after`; how many hold nothing any more, and where to look next.
    pub async fn release_skipped(&self, after: Place, limit: u32) -> Result<(u64, Place), StoreError> {
        let page: Vec<(DateTime<Utc>, Uuid, bool)> = sqlx::query_as(
            "select p.finished_at, p.id,
                    s.spec->>'on_dead' = 'skip' and exists (select from ordering o where o.id = p.id)
             from progress p join source s on s.name = p.source
             where p.state = 'dead' and (p.finished_at, p.id) > ($1, $2)
             order by p.finished_at, p.id limit $3",
        )
        .bind(after.0)
        .bind(after.1)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        let more = page.last().filter(|_| page.len() == limit as usize);
        let next = more.map_or(START, |(at, id, _)| (*at, *id));
        let holding: Vec<Uuid> = page.iter().filter(|row| row.2).map(|row| row.1).collect();
        let mut let_go = 0;
        for some in holding.chunks(TOGETHER_MAX) {
            let mut transaction = self.begin().await?;
            ordering::lock(&mut transaction, some).await?;
            let dead: Vec<Uuid> = sqlx::query_scalar(
                "select id from progress where id = any($1) and state = 'dead' order by id for update",
            )
            .bind(some)
            .fetch_all(&mut *transaction)
            .await?;
            let settled = ordering::Places { skipped: dead.clone(), all: dead, finished: Vec::new() };
            ordering::leave(&mut transaction, &settled).await?;
            transaction.commit().await?;
            let_go += settled.all.len() as u64;
        }
        Ok((let_go, next))
    }
}
