//! Accepting a batch: all of its items in one statement, or none.
//!
//! One autocommitted statement, as for single submissions (`accept.rs`), so that there is no
//! transaction for a client to leave open. It differs in two things. An item whose key is known for
//! other bytes breaks the whole statement. And rows are inserted in the order of their keys, so that
//! two batches, or a batch and a group commit, never wait for each other in a circle, but numbered
//! in the order of the items, which is the order of their effects.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::accept::{Accepted, First};
use crate::{Store, StoreError};

/// Items that are stored together. Has no `Debug`: it holds bodies.
pub struct NewBatch {
    /// Whose they are.
    pub source: String,
    /// Which processor reads them.
    pub kind: String,
    /// Which work queue.
    pub lane: String,
    /// When they arrived, by this process's clock.
    pub received_at: DateTime<Utc>,
    /// Each item's media type, parameters included.
    pub content_type: String,
    /// The sender's trace context, where it gave one.
    pub traceparent: Option<String>,
    /// The items, in their order; no key twice.
    pub items: Vec<NewItem>,
}

/// One item. Has no `Debug`: it holds a body.
pub struct NewItem {
    /// The message's id (UUID version 7).
    pub id: Uuid,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// The sender's key, where there is one.
    pub idempotency_key: Option<String>,
    /// What makes two submissions the same: see [`waybill_core::accept`].
    pub dedupe_key: Option<Vec<u8>>,
    /// Hashes of its ordering keys; empty: not ordered.
    pub ordering: Vec<i64>,
    /// The body, byte for byte.
    pub body: bytes::Bytes,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchAccepted {
    /// Every item is stored, now or before; what became of each, in their order.
    Stored(Vec<Accepted>),
    /// The key of this item, the first such one, is known for other bytes. Nothing was stored.
    KeyReused(usize),
}

// The columns are those of the insert in `accept.rs`.
const INSERT: &str = "
with given as (
    -- numbered here, in the order of the items: the rows themselves go in by key
    select g.*, nextval(pg_get_serial_sequence('receipt', 'seq')::regclass) as seq
    from (select * from unnest($1::uuid[], $2::bytea[], $3::integer[], $4::text[], $5::bytea[])
              with ordinality as g (id, sha256, body_bytes, idempotency_key, dedupe_key, place)
          order by place) g
), stored as (
    insert into receipt (id, seq, source, kind, received_at, sha256, body_bytes, content_type,
                         idempotency_key, dedupe_key, control_id_conflict)
    overriding system value
    select id, seq, $6, $7, $8, sha256, body_bytes, $9, idempotency_key, dedupe_key,
           -- the same control id with other bytes: the first half of the key is known, or stands
           -- twice in this very batch
           coalesce(octet_length(dedupe_key), 0) = 32 and (dedupe_key <> first_of_half or exists (
               select from receipt r
               where r.source = $6
                 and r.dedupe_key >= substr(given.dedupe_key, 1, 16)
                 and r.dedupe_key < substr(given.dedupe_key, 1, 16) || decode(repeat('ff', 17), 'hex')
                 and r.dedupe_key <> given.dedupe_key))
    from (select given.*, first_value(dedupe_key) over (
              partition by substr(dedupe_key, 1, 16) order by place) as first_of_half
          from given) given
    order by dedupe_key
    -- a receipt never changes: the same again is left as it is, and a key that is known for other
    -- bytes breaks the statement on purpose, by a division, whose message quotes no row
    on conflict (source, dedupe_key) where dedupe_key is not null
    do update set body_bytes = receipt.body_bytes / 0 where receipt.sha256 <> excluded.sha256
    returning id, seq, control_id_conflict
), bodies as (
    insert into body (id, body)
    select b.id, b.body from unnest($1::uuid[], $10::bytea[]) as b (id, body) join stored using (id)
), places as (
    insert into progress (id, source, kind, lane, traceparent, due_at)
    select id, $6, $7, $11, $12, now() from stored order by seq
), keys as (
    insert into ordering (key, seq, id)
    select k.key, stored.seq, stored.id
    from unnest($13::uuid[], $14::bigint[]) as k (id, key) join stored using (id)
)
select id, control_id_conflict from stored";

/// The SQLSTATE of a division by zero.
const KNOWN_FOR_OTHER_BYTES: &str = "22012";

const FIRSTS: &str = "
select g.place, r.id, r.kind, r.received_at, r.sha256
from unnest($2::bytea[]) with ordinality as g (dedupe_key, place)
join receipt r on r.source = $1 and r.dedupe_key = g.dedupe_key";

const DUPLICATES: &str = "
insert into duplicate (source, count) values ($1, $2)
on conflict (source) do update set count = duplicate.count + excluded.count";

impl Store {
    /// Stores every item of `batch` in one transaction, or none. `repeats` more items were the same
    /// as others of this batch, and are counted as duplicates with those that the ledger knew.
    ///
    /// # Errors
    /// [`StoreError::Contended`] and [`StoreError::Refused`]: nothing was stored.
    /// [`StoreError::Unavailable`]: whether it was stored is unknown; the same again will tell.
    pub async fn accept_batch(&self, batch: &NewBatch, repeats: usize) -> Result<BatchAccepted, StoreError> {
        let stored = match self.insert_batch(batch).await {
            Ok(stored) => stored,
            Err(StoreError::Refused(code)) if code == KNOWN_FOR_OTHER_BYTES => {
                let firsts = self.firsts_of_batch(batch, (0..batch.items.len()).collect()).await?;
                let reused = firsts.iter().filter(|(at, first)| first.sha256 != batch.items[**at].sha256);
                let item = reused.map(|(at, _)| *at).min();
                return item.map(BatchAccepted::KeyReused).ok_or(StoreError::Refused(code));
            }
            Err(error) => return Err(error),
        };
        let known: Vec<usize> =
            (0..batch.items.len()).filter(|&at| !stored.contains_key(&batch.items[at].id)).collect();
        let mut firsts = self.firsts_of_batch(batch, known).await?;
        self.count_duplicates(&batch.source, firsts.len() + repeats).await;
        let became = batch.items.iter().enumerate().map(|(at, item)| match stored.get(&item.id) {
            Some(&control_id_conflict) => Ok(Accepted::Stored { control_id_conflict }),
            None => firsts.remove(&at).map(Accepted::Known).ok_or_else(|| {
                StoreError::Unavailable("a batch is stored, but the first submission of a key is gone".into())
            }),
        });
        became.collect::<Result<_, _>>().map(BatchAccepted::Stored)
    }

    /// The ids that were stored now, and whether their control id was reused.
    async fn insert_batch(&self, batch: &NewBatch) -> Result<HashMap<Uuid, bool>, StoreError> {
        let items = &batch.items;
        let keys: Vec<(Uuid, i64)> =
            items.iter().flat_map(|item| item.ordering.iter().map(|&key| (item.id, key))).collect();
        let bytes = |item: &NewItem| i32::try_from(item.body.len()).unwrap_or(i32::MAX);
        let rows = sqlx::query(INSERT)
            .bind(items.iter().map(|item| item.id).collect::<Vec<_>>())
            .bind(items.iter().map(|item| &item.sha256[..]).collect::<Vec<_>>())
            .bind(items.iter().map(bytes).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.idempotency_key.as_deref()).collect::<Vec<_>>())
            .bind(items.iter().map(|item| item.dedupe_key.as_deref()).collect::<Vec<_>>())
            .bind(&batch.source)
            .bind(&batch.kind)
            .bind(batch.received_at)
            .bind(&batch.content_type)
            .bind(items.iter().map(|item| &item.body[..]).collect::<Vec<_>>())
            .bind(&batch.lane)
            .bind(batch.traceparent.as_deref())
            .bind(keys.iter().map(|key| key.0).collect::<Vec<_>>())
            .bind(keys.iter().map(|key| key.1).collect::<Vec<_>>())
            // planned anew for each batch: a plan kept for any number of rows may join ten thousand in a
            // nested loop
            .persistent(false)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("control_id_conflict")?))).collect()
    }

    /// The first submissions of the keys of the items `at`, by the item's place.
    async fn firsts_of_batch(
        &self,
        batch: &NewBatch,
        at: Vec<usize>,
    ) -> Result<HashMap<usize, First>, StoreError> {
        if at.is_empty() {
            return Ok(HashMap::new());
        }
        let keys: Vec<_> = at.iter().map(|&at| batch.items[at].dedupe_key.as_deref()).collect();
        let query = sqlx::query(FIRSTS).bind(&batch.source).bind(keys).persistent(false);
        let rows = query.fetch_all(self.pool()).await?;
        let mut firsts = HashMap::with_capacity(rows.len());
        for row in rows {
            let place: i64 = row.try_get("place")?;
            let sha256: Vec<u8> = row.try_get("sha256")?;
            let first = First {
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                received_at: row.try_get("received_at")?,
                sha256: sha256.try_into().unwrap_or_default(),
            };
            firsts.insert(at[usize::try_from(place - 1).unwrap_or_default()], first);
        }
        Ok(firsts)
    }

    /// A count for people: failing to keep it is no reason to refuse anybody.
    async fn count_duplicates(&self, source: &str, count: usize) {
        if count == 0 {
            return;
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let counted = sqlx::query(DUPLICATES).bind(source).bind(count).execute(self.pool()).await;
        if let Err(error) = counted {
            tracing::warn!(error = %StoreError::from(error), "duplicates were not counted");
        }
    }
}
