//! Writing the blind index: which messages it has not seen, and the rows for them.
//!
//! Never on the accept path. The index follows the ledger's order (`receipt.seq`) with a cursor, and
//! sequence numbers commit out of order: a cursor that simply went on would pass over a message that
//! becomes visible later. So it stops at a horizon: first the newest number that was given out is
//! read, then who is writing to `receipt`; when those have ended, every number up to there is visible
//! or will never be. Whoever takes a number holds its lock on `receipt` from before until its end, and
//! gives it back after it has become visible.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::find::Entry;

use crate::claim::interval;
use crate::{Store, StoreError};

/// Bodies that one page reads, in bytes; one that is larger comes alone.
const PAGE_BYTES_MAX: i64 = 16 * 1024 * 1024;

/// How far the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Every message up to this sequence number is indexed.
    pub seq: i64,
    /// When the newest of them was accepted; none: nothing was indexed yet.
    pub through: Option<DateTime<Utc>>,
    /// The newest sequence number that was given out.
    pub newest: i64,
    /// Which key the index is written under; none: it was never written.
    pub key_check: Option<i64>,
}

impl Progress {
    /// Sequence numbers that the index has not seen. Repeats use numbers too: there are at most so
    /// many messages.
    pub const fn behind(&self) -> i64 {
        self.newest.saturating_sub(self.seq)
    }
}

/// A lease on the index, and where its cursor stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Whose it is.
    pub token: i64,
    /// Indexed up to here.
    pub seq: i64,
}

/// A message that the index has not seen. Has no `Debug`: it holds a body.
pub struct Unindexed {
    /// Its place in the ledger's order.
    pub seq: i64,
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// The media type it was posted with.
    pub content_type: String,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// Its body; none where it is no longer kept, or its source is none of those asked for.
    pub body: Option<Vec<u8>>,
    body_bytes: i32,
}

/// A page of the ledger.
pub struct Page {
    /// Its messages, in order.
    pub messages: Vec<Unindexed>,
    /// With them everything up to here has been read.
    pub through: i64,
}

impl Store {
    /// How far the index is.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn index_progress(&self) -> Result<Progress, StoreError> {
        let row = sqlx::query(
            "select seq, through, key_check,
                    coalesce(pg_sequence_last_value(pg_get_serial_sequence('receipt', 'seq')::regclass), 0) as newest
             from find_cursor",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Progress {
            seq: row.try_get("seq")?,
            through: row.try_get("through")?,
            newest: row.try_get("newest")?,
            key_check: row.try_get("key_check")?,
        })
    }

    /// Seconds since the oldest message was accepted that the index has not seen; 0: there is none.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn index_lag_s(&self) -> Result<f64, StoreError> {
        let lag: Option<f64> = sqlx::query_scalar(
            "select extract(epoch from now() - received_at)::float8 from receipt
             where seq > (select seq from find_cursor) order by seq limit 1",
        )
        .fetch_optional(self.pool())
        .await?;
        Ok(lag.unwrap_or(0.0).max(0.0))
    }

    /// Takes the index for `time`, unless another replica has it; `mine` is the lease of before.
    /// A key that is not the one the index was begun with changes nothing and takes nothing.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn take_index(
        &self,
        mine: Option<i64>,
        key_check: i64,
        time: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "update find_cursor
             set lease = coalesce($1, nextval('lease')), lease_until = now() + $3,
                 key_check = coalesce(key_check, $2)
             where (lease is null or lease = $1 or lease_until < now())
               and coalesce(key_check, $2) = $2
             returning lease, seq",
        )
        .bind(mine)
        .bind(key_check)
        .bind(interval(time))
        .fetch_optional(self.pool())
        .await?;
        Ok(row.map(|(token, seq)| Lease { token, seq }))
    }

    /// The transactions that may hold a sequence number of `receipt` now.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn receipt_writers(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select distinct virtualtransaction from pg_locks
             where locktype = 'relation' and relation = 'receipt'::regclass and granted
               and database = (select oid from pg_database where datname = current_database())
               -- what an insert takes, and all that is stronger
               and mode not in ('AccessShareLock', 'RowShareLock')",
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The next messages after `after`, up to `settled`: at most `limit`, and few enough for memory.
    /// Bodies are read of `sources` alone.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn unindexed(
        &self,
        after: i64,
        settled: i64,
        limit: u32,
        sources: &[&str],
    ) -> Result<Page, StoreError> {
        let rows = sqlx::query(
            "select r.seq, r.id, r.source, r.kind, r.content_type, r.received_at, r.body_bytes, b.body
             from (select r.*, sum(body_bytes) over (order by seq) - body_bytes as before
                   from (select * from receipt where seq > $1 and seq <= $2 order by seq limit $3) r) r
             -- a lateral, so that only the day of the id is looked at
             left join lateral (
                 select body from body where r.source = any($5) and body.id = r.id limit 1) b on true
             where r.before < $4
             order by r.seq",
        )
        .bind(after)
        .bind(settled)
        .bind(i64::from(limit))
        .bind(PAGE_BYTES_MAX)
        .bind(sources)
        .fetch_all(self.pool())
        .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in &rows {
            messages.push(Unindexed {
                seq: row.try_get("seq")?,
                id: row.try_get("id")?,
                source: row.try_get("source")?,
                kind: row.try_get("kind")?,
                content_type: row.try_get("content_type")?,
                received_at: row.try_get("received_at")?,
                body: row.try_get("body")?,
                body_bytes: row.try_get("body_bytes")?,
            });
        }
        let bytes: i64 = messages.iter().map(|message| i64::from(message.body_bytes)).sum();
        let whole = messages.len() < limit as usize && bytes < PAGE_BYTES_MAX;
        let through = match messages.last() {
            Some(last) if !whole => last.seq,
            _ => settled,
        };
        Ok(Page { messages, through })
    }

    /// Writes the rows of a page and moves the cursor, together. False: another replica has moved it
    /// meanwhile, and nothing was written.
    ///
    /// # Errors
    /// When the ledger is unavailable: whether it was written is unknown, and asking again is safe.
    pub async fn write_index(
        &self,
        lease: Lease,
        page: &Page,
        rows: &[(Uuid, Entry)],
    ) -> Result<bool, StoreError> {
        let moved: i64 = sqlx::query_scalar(
            "with moved as (
                 update find_cursor set seq = $3, through = coalesce($4, through)
                 where lease = $1 and seq = $2 and $3 >= seq
                 returning seq
             ), written as (
                 insert into find_index (digest, id, narrow)
                 select g.digest, g.id, g.narrow
                 from unnest($5::bigint[], $6::uuid[], $7::integer[]) as g (digest, id, narrow)
                 where exists (select from moved)
                 order by 1, 2, 3
                 on conflict do nothing
             )
             select count(*) from moved",
        )
        .bind(lease.token)
        .bind(lease.seq)
        .bind(page.through)
        .bind(page.messages.iter().map(|message| message.received_at).max())
        .bind(rows.iter().map(|(_, entry)| entry.digest).collect::<Vec<_>>())
        .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, entry)| entry.narrow).collect::<Vec<_>>())
        .fetch_one(self.pool())
        .await?;
        Ok(moved == 1)
    }

    /// Takes messages out of the index.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy.
    pub async fn forget_in_index(&self, ids: &[Uuid]) -> Result<u64, StoreError> {
        let gone =
            sqlx::query("delete from find_index where id = any($1)").bind(ids).execute(self.pool()).await?;
        Ok(gone.rows_affected())
    }

    /// Takes out of the index what of the next `limit` messages after `after` has no body any more, as
    /// far as retention has come. How many rows went, and where to look next.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy.
    pub async fn let_index_go(&self, after: Uuid, limit: u32) -> Result<(u64, Uuid), StoreError> {
        let page: Vec<(Uuid, bool)> = sqlx::query_as(
            "with page as (
                 select distinct id from find_index
                 where id > $1 and id < (select let_go_before from retention order by 1 desc limit 1)
                 order by id limit $2)
             select p.id, b.there is not null from page p
             left join lateral (select true as there from body where body.id = p.id limit 1) b on true
             order by p.id",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        let next = page.last().filter(|_| page.len() >= limit as usize).map_or(Uuid::nil(), |(id, _)| *id);
        let gone: Vec<Uuid> = page.iter().filter(|(_, kept)| !kept).map(|(id, _)| *id).collect();
        let rows = if gone.is_empty() { 0 } else { self.forget_in_index(&gone).await? };
        Ok((rows, next))
    }
}
