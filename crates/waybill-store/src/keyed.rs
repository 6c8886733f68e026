//! Messages that may stand in several ordering keys, with their bodies, so that somebody can read
//! again in which keys they must be. The rows alone do not tell: one of two looks like one of one.
//!
//! A walk through `ordering`, bounded by rows and by bytes of bodies. Reads, and judges nothing.

use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::conservation::KeyCursor;
use crate::{Store, StoreError};

/// An unfinished or dead message, and the keys it is in.
pub struct Keyed {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The media type it was posted with.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The ordering keys that it is in.
    pub keys: Vec<i64>,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyed({}, in {} keys)", self.id, self.keys.len())
    }
}

/// A page of `$3` places after (`$1`, `$2`); the size of the body where it must be read. Only the
/// order by patient gives a message several keys, and only under the order it was accepted with.
const PAGE: &str = "
with page as (select key, seq, id from ordering where (key, seq) > ($1, $2) order by key, seq limit $3)
select o.key, o.seq, o.id, r.body_bytes::bigint
from page o
left join lateral (
    select receipt.body_bytes from receipt join source s on s.name = receipt.source
    where receipt.id = o.id and s.spec->>'order_by' = 'patient'
      and receipt.received_at > s.changed_at + interval '10 seconds' limit 1) r on true
order by o.key, o.seq";

/// Those of `$1` that are not final, as they are now.
const READ: &str = "
select r.id, r.source, r.content_type, b.body, array(select key from ordering o where o.id = r.id) as keys
from (select distinct unnest($1::uuid[]) as id) g
join lateral (select * from receipt where receipt.id = g.id limit 1) r on true
join lateral (select state from progress where progress.id = g.id limit 1) p on true
join lateral (select body from body where body.id = g.id limit 1) b on true
where p.state not in ('processed', 'discarded')";

impl Store {
    /// The next messages after `cursor` that may stand in several keys: of at most `page` places, and
    /// with bodies of at most `bytes_max` together (one at least). And where to go on.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn keyed(
        &self,
        cursor: KeyCursor,
        page: u32,
        bytes_max: u64,
    ) -> Result<(Vec<Keyed>, KeyCursor), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let places: Vec<(i64, i64, Uuid, Option<i64>)> = sqlx::query_as(PAGE)
            .bind(cursor.0)
            .bind(cursor.1)
            .bind(i64::from(page))
            .fetch_all(&mut *snapshot)
            .await?;
        let (mut ids, mut bytes) = (Vec::new(), 0);
        let mut next = KeyCursor::START;
        let mut is_whole = true;
        for (key, seq, id, size) in &places {
            let size = size.map_or(0, i64::unsigned_abs);
            if !ids.is_empty() && bytes + size > bytes_max {
                is_whole = false;
                break;
            }
            if size > 0 {
                ids.push(*id);
            }
            bytes += size;
            next = KeyCursor(*key, *seq);
        }
        if is_whole && places.len() < page as usize {
            next = KeyCursor::START;
        }
        let keyed = read(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok((keyed, next))
    }

    /// These messages, where they are not final.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn keyed_of(&self, ids: &[Uuid]) -> Result<Vec<Keyed>, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let keyed = read(&mut snapshot, ids).await?;
        snapshot.commit().await?;
        Ok(keyed)
    }
}

async fn read(snapshot: &mut Transaction<'static, Postgres>, ids: &[Uuid]) -> Result<Vec<Keyed>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(READ).bind(ids).fetch_all(&mut **snapshot).await?;
    rows.iter()
        .map(|row| {
            Ok(Keyed {
                id: row.try_get("id")?,
                source: row.try_get("source")?,
                content_type: row.try_get("content_type")?,
                body: row.try_get("body")?,
                keys: row.try_get("keys")?,
            })
        })
        .collect()
}
