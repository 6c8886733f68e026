//! Edit: a corrected body, as a message of its own, takes the place of a dead letter (docs/adr/0020).
//!
//! One transaction: the original ends `discarded`, its bytes untouched; the corrected message stands
//! at the original's place in its keys, and is due; who did it, why, and what changed are written
//! down. The corrected message has no idempotency key: whoever asks for the original by its key is
//! told what became of it.

use serde_json::json;
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::audit::{self, Act, Via};
use crate::{Store, StoreError, ordering};

/// A corrected body, judged (`waybill_core::correction`), and who wants it. Has no `Debug`: it holds
/// two bodies.
pub struct Correction<'a> {
    /// The dead letter.
    pub original: Uuid,
    /// The new message's id (UUID version 7).
    pub id: Uuid,
    /// Which processor reads it: its source's.
    pub kind: &'a str,
    /// Its source's work queue.
    pub lane: &'a str,
    /// SHA-256 of the corrected body.
    pub sha256: [u8; 32],
    /// Hashes of the corrected body's ordering keys.
    pub ordering: &'a [i64],
    /// The corrected body.
    pub body: &'a [u8],
    /// What changed: as sensitive as both bodies.
    pub difference: &'a [u8],
    /// Who edits.
    pub actor: &'a str,
    /// By which way.
    pub via: Via<'a>,
    /// Why, in their words: 1 to 500 characters.
    pub reason: &'a str,
    /// Whether it may join keys that the original did not have.
    pub out_of_order: bool,
}

/// What an edit came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Edited {
    /// The corrected message is due.
    Done {
        /// Released, for the corrected message does not have their key any more.
        released: Vec<Uuid>,
    },
    /// The original is no dead letter (any more): nothing was changed.
    NotDead,
    /// The corrected message has keys that the original did not have: nothing was changed.
    OtherKeys,
}

/// What an edit of a dead letter begins with. Has no `Debug`: it holds a body.
pub struct Editable {
    /// Whose it is.
    pub source: String,
    /// Where it is.
    pub state: String,
    /// The media type it was posted with.
    pub content_type: String,
    /// Its body, where it is kept.
    pub body: Option<Vec<u8>>,
    /// Its ordering keys.
    pub keys: Vec<i64>,
    /// Messages that wait for it.
    pub holds: i64,
}

/// What an edit changed, who made it and why. Has no `Debug`: it is as sensitive as a body.
pub struct Difference {
    /// The original.
    pub replaces: Uuid,
    /// The corrected message.
    pub id: Uuid,
    /// Whose they are.
    pub source: String,
    /// Who edited.
    pub actor: String,
    /// Why, in their words.
    pub reason: String,
    /// When.
    pub replaced_at: chrono::DateTime<chrono::Utc>,
    /// The unified difference, where it is kept.
    pub difference: Option<Vec<u8>>,
}

/// Moves the original, and notes the decision; effects that are written are not written again.
const LEAVE: &str = "
with letter as materialized (
    select id, finished_at, error_class, error_reason from progress
    where id = $1 and state = 'dead'
      and not exists (select from attempt a where a.id = $1 and a.outcome in ('processed', 'ignored'))
    for update
), noted as (
    insert into decision (id, verb, reason, dead_at, error_class, error_reason)
    select id, 'discard', $2, finished_at, error_class, error_reason from letter
), left_the_list as (
    delete from dead_list where id in (select id from letter)
)
update progress p set state = 'discarded', finished_at = now()
from letter where p.id = letter.id and p.state = 'dead'";

/// The corrected message: as `accept` stores one, with its link and its difference.
const STORE: &str = "
with original as (
    select r.source, r.content_type, coalesce(x.seq, r.seq) as seq
    from receipt r left join replacement x on x.id = r.id where r.id = $1
), stored as (
    insert into receipt (id, source, kind, received_at, sha256, body_bytes, content_type)
    select $2, source, $3, now(), $4, octet_length($5), content_type from original
), bodies as (
    insert into body (id, body) values ($2, $5)
), places as (
    insert into progress (id, source, kind, lane, due_at) select $2, source, $3, $6, now() from original
), linked as (
    insert into replacement (id, replaces, seq, actor, reason) select $2, $1, seq, $7, $8 from original
), changed as (
    insert into difference (id, source, replaces, difference) select $2, source, $1, $9 from original
)
select seq, source from original";

impl Store {
    /// What an edit of this message begins with; none: no such message.
    pub async fn editable(&self, id: Uuid) -> Result<Option<Editable>, StoreError> {
        let row = sqlx::query(
            "select r.source, p.state, r.content_type, b.body,
                    array(select key from ordering where id = $1
                          union select key from skipped where id = $1 order by 1) as keys,
                    (select count(distinct w.id) from ordering o
                     join ordering w on w.key = o.key and w.seq > o.seq where o.id = $1) as holds
             from receipt r
             join progress p on p.id = r.id
             left join lateral (select body from body where body.id = r.id limit 1) b on true
             where r.id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Editable {
            source: row.try_get("source")?,
            state: row.try_get("state")?,
            content_type: row.try_get("content_type")?,
            body: row.try_get("body")?,
            keys: row.try_get("keys")?,
            holds: row.try_get("holds")?,
        }))
    }

    /// Verb `edit`: the dead letter ends discarded, and the corrected message has its place.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy: nothing moved then, or it is unknown, and asking again
    /// is safe, for one message is replaced once. [`StoreError::Refused`] for an empty or overlong
    /// reason.
    pub async fn edit(&self, correction: &Correction<'_>) -> Result<Edited, StoreError> {
        let original = correction.original;
        let mut transaction = self.begin().await?;
        ordering::lock_also(&mut transaction, &[original], correction.ordering).await?;
        let moved = sqlx::query(LEAVE)
            .bind(original)
            .bind(correction.reason)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if moved == 0 {
            return Ok(Edited::NotDead);
        }
        let had = leave_keys(&mut transaction, original).await?;
        if !correction.out_of_order && correction.ordering.iter().any(|key| !had.contains(key)) {
            return Ok(Edited::OtherKeys);
        }
        let (seq, source) = store(&mut transaction, correction).await?;
        sqlx::query(
            "insert into ordering (key, seq, id) select key, $2, $3 from unnest($1::bigint[]) k (key)",
        )
        .bind(correction.ordering)
        .bind(seq)
        .bind(correction.id)
        .execute(&mut *transaction)
        .await?;
        let given_up: Vec<i64> = had.into_iter().filter(|key| !correction.ordering.contains(key)).collect();
        let released = ordering::release(&mut transaction, &given_up).await?;
        let detail = json!({"replaced_by": correction.id, "out_of_order": correction.out_of_order});
        let act = Act {
            actor: correction.actor,
            via: correction.via,
            action: "edit",
            reason: correction.reason,
            subjects: &[original, correction.id],
            source: Some(&source),
            detail: &detail,
        };
        audit::write(&mut transaction, act).await?;
        transaction.commit().await?;
        Ok(Edited::Done { released })
    }

    /// What the edit changed that made this message, or that replaced it; none: neither did.
    pub async fn difference(&self, id: Uuid) -> Result<Option<Difference>, StoreError> {
        let row = sqlx::query(
            "select x.replaces, x.id, r.source, x.actor, x.reason, x.replaced_at, d.difference
             from replacement x
             join receipt r on r.id = x.id
             left join difference d on d.id = x.id
             where x.id = $1 or x.replaces = $1
             -- of a message in the middle of a chain: the edit that made it
             order by x.id = $1 desc limit 1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Difference {
            replaces: row.try_get("replaces")?,
            id: row.try_get("id")?,
            source: row.try_get("source")?,
            actor: row.try_get("actor")?,
            reason: row.try_get("reason")?,
            replaced_at: row.try_get("replaced_at")?,
            difference: row.try_get("difference")?,
        }))
    }
}

/// Takes the original out of its keys; which those were.
async fn leave_keys(
    transaction: &mut Transaction<'static, Postgres>,
    original: Uuid,
) -> Result<Vec<i64>, StoreError> {
    Ok(sqlx::query_scalar(
        "with held as (delete from ordering where id = $1 returning key),
              aside as (delete from skipped where id = $1 returning key)
         select key from held union select key from aside",
    )
    .bind(original)
    .fetch_all(&mut **transaction)
    .await?)
}

/// The place among its keys, and whose it is.
async fn store(
    transaction: &mut Transaction<'static, Postgres>,
    correction: &Correction<'_>,
) -> Result<(i64, String), StoreError> {
    Ok(sqlx::query_as(STORE)
        .bind(correction.original)
        .bind(correction.id)
        .bind(correction.kind)
        .bind(&correction.sha256[..])
        .bind(correction.body)
        .bind(correction.lane)
        .bind(correction.actor)
        .bind(correction.reason)
        .bind(correction.difference)
        .fetch_one(&mut **transaction)
        .await?)
}
