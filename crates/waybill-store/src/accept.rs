//! Accepting: one multi-row insert for all submissions that wait together.
//!
//! The insert is a single statement, hence a single commit: receipt, body, progress (due at once)
//! and ordering keys stand together or not at all. Which of two equal keys wins is decided by the
//! unique index alone; the loser reads the winner in a new statement.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A submission that was found acceptable, ready to be stored.
#[derive(Clone)]
pub struct NewMessage {
    /// The message's id (UUID version 7).
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Which processor reads it.
    pub kind: String,
    /// Which work queue.
    pub lane: String,
    /// When it arrived, by this process's clock.
    pub received_at: DateTime<Utc>,
    /// SHA-256 of the body.
    pub sha256: [u8; 32],
    /// The media type, parameters included.
    pub content_type: String,
    /// The sender's key, where there is one.
    pub idempotency_key: Option<String>,
    /// What makes two submissions the same: see [`waybill_core::accept`].
    pub dedupe_key: Option<Vec<u8>>,
    /// The sender's trace context, where it gave one.
    pub traceparent: Option<String>,
    /// Hashes of its ordering keys; empty: not ordered.
    pub ordering: Vec<i64>,
    /// The body, byte for byte.
    pub body: bytes::Bytes,
}

impl std::fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewMessage({} of {})", self.id, self.source)
    }
}

/// What became of one submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// Stored; flagged when its control id was seen before with other bytes.
    Stored {
        /// Its control id was seen before with other bytes.
        control_id_conflict: bool,
    },
    /// The key was known: this is what the first submission got.
    Known(First),
}

/// The first submission of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// Its message's id.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// Its body's hash: differs from this submission's when the key was reused.
    pub sha256: [u8; 32],
}

const INSERT: &str = "
with given as (
    select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                         $6::bytea[], $7::text[], $8::text[], $9::bytea[], $10::text[],
                         $11::bytea[])
        with ordinality as g (id, source, kind, lane, received_at, sha256, content_type,
                              idempotency_key, dedupe_key, traceparent, body, place)
), stored as (
    insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type,
                         idempotency_key, dedupe_key, control_id_conflict)
    select id, source, kind, received_at, sha256, octet_length(body), content_type,
           idempotency_key, dedupe_key,
           -- the same control id with other bytes: the first half of the key is known, or stands
           -- twice in this very insert
           coalesce(octet_length(dedupe_key), 0) = 32 and (dedupe_key <> first_of_half or exists (
               select from receipt r
               where r.source = given.source
                 and r.dedupe_key >= substr(given.dedupe_key, 1, 16)
                 and r.dedupe_key < substr(given.dedupe_key, 1, 16) || decode(repeat('ff', 17), 'hex')
                 and r.dedupe_key <> given.dedupe_key))
    from (select given.*, first_value(dedupe_key) over (
              partition by source, substr(dedupe_key, 1, 16) order by place) as first_of_half
          from given) given
    order by place
    on conflict (source, dedupe_key) where dedupe_key is not null do nothing
    returning id, seq, control_id_conflict
), bodies as (
    insert into body (id, body) select id, body from given join stored using (id)
), places as (
    insert into progress (id, source, kind, lane, traceparent, due_at)
    select id, source, kind, lane, traceparent, now() from given join stored using (id)
), keys as (
    insert into ordering (key, seq, id)
    select k.key, stored.seq, stored.id
    from unnest($12::uuid[], $13::bigint[]) as k (id, key) join stored using (id)
)
select id, control_id_conflict from stored";

const FIRST: &str = "
select g.place, r.id, r.kind, r.received_at, r.sha256
from unnest($1::text[], $2::bytea[]) with ordinality as g (source, dedupe_key, place)
join receipt r on r.source = g.source and r.dedupe_key = g.dedupe_key";

const DUPLICATES: &str = "
insert into duplicate (source, count)
select source, count(*) from unnest($1::text[]) as g (source) group by source order by source
on conflict (source) do update set count = duplicate.count + excluded.count";

impl Store {
    /// Stores `messages` in one transaction, in the order given, and says what became of each;
    /// `None`: unknown, for the first submission of its key is just under way or cannot be read.
    ///
    /// The caller sorts by (source, key), so that two batches with the same keys never wait for
    /// each other in a circle.
    ///
    /// # Errors
    /// [`StoreError::Refused`] and [`StoreError::Contended`] when one of them cannot be stored: none
    /// is then, and the caller may try them one by one. [`StoreError::Unavailable`]: whether they
    /// were stored is unknown.
    pub async fn accept(&self, messages: &[NewMessage]) -> Result<Vec<Option<Accepted>>, StoreError> {
        let stored = self.insert(messages).await?;
        let mut answers: Vec<Option<Accepted>> = messages
            .iter()
            .map(|message| {
                stored
                    .iter()
                    .find(|(id, _)| *id == message.id)
                    .map(|&(_, control_id_conflict)| Accepted::Stored { control_id_conflict })
            })
            .collect();
        let missing: Vec<usize> = (0..messages.len()).filter(|&at| answers[at].is_none()).collect();
        if !missing.is_empty() {
            // the others are stored, and are told so, whatever becomes of these
            match self.firsts(messages, &missing).await {
                Ok(firsts) => {
                    for (at, first) in firsts {
                        answers[at] = Some(Accepted::Known(first));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the first submissions of repeated keys could not be read");
                }
            }
        }
        Ok(answers)
    }

    async fn insert(&self, messages: &[NewMessage]) -> Result<Vec<(Uuid, bool)>, StoreError> {
        let column = |f: fn(&NewMessage) -> String| messages.iter().map(f).collect::<Vec<_>>();
        let keys: Vec<(Uuid, i64)> =
            messages.iter().flat_map(|m| m.ordering.iter().map(|&key| (m.id, key))).collect();
        let keys = if waybill_drill::mutant("no_order") { Vec::new() } else { keys };
        let rows = sqlx::query(INSERT)
            .bind(messages.iter().map(|m| m.id).collect::<Vec<_>>())
            .bind(column(|m| m.source.clone()))
            .bind(column(|m| m.kind.clone()))
            .bind(column(|m| m.lane.clone()))
            .bind(messages.iter().map(|m| m.received_at).collect::<Vec<_>>())
            .bind(messages.iter().map(|m| &m.sha256[..]).collect::<Vec<_>>())
            .bind(column(|m| m.content_type.clone()))
            .bind(messages.iter().map(|m| m.idempotency_key.as_deref()).collect::<Vec<_>>())
            .bind(messages.iter().map(|m| m.dedupe_key.as_deref()).collect::<Vec<_>>())
            .bind(messages.iter().map(|m| m.traceparent.as_deref()).collect::<Vec<_>>())
            .bind(messages.iter().map(|m| &m.body[..]).collect::<Vec<_>>())
            .bind(keys.iter().map(|k| k.0).collect::<Vec<_>>())
            .bind(keys.iter().map(|k| k.1).collect::<Vec<_>>())
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("control_id_conflict")?))).collect()
    }

    /// What the first submissions got whose keys `messages[at]` carry, and counts the repeats.
    async fn firsts(&self, messages: &[NewMessage], at: &[usize]) -> Result<Vec<(usize, First)>, StoreError> {
        let sources: Vec<_> = at.iter().map(|&i| messages[i].source.as_str()).collect();
        let keys: Vec<_> = at.iter().map(|&i| messages[i].dedupe_key.as_deref()).collect();
        let rows = sqlx::query(FIRST).bind(&sources).bind(keys).fetch_all(self.pool()).await?;
        let mut firsts = Vec::with_capacity(rows.len());
        for row in rows {
            let place: i64 = row.try_get("place")?;
            let index = usize::try_from(place - 1).unwrap_or_default();
            let sha256: Vec<u8> = row.try_get("sha256")?;
            let first = First {
                id: row.try_get("id")?,
                kind: row.try_get("kind")?,
                received_at: row.try_get("received_at")?,
                sha256: sha256.try_into().unwrap_or_default(),
            };
            firsts.push((at[index], first));
        }
        let repeated: Vec<_> = firsts
            .iter()
            .filter(|(i, first)| first.sha256 == messages[*i].sha256)
            .map(|(i, _)| messages[*i].source.as_str())
            .collect();
        if !repeated.is_empty() {
            // a count for people: failing to keep it is no reason to refuse anybody
            if let Err(error) = sqlx::query(DUPLICATES).bind(repeated).execute(self.pool()).await {
                tracing::warn!(error = %StoreError::from(error), "duplicates were not counted");
            }
        }
        Ok(firsts)
    }
}
