//! One dead letter with all there is to know of it: its attempts, what was decided before, how many
//! are like it, and what waits for it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::HOLDS_MAX;
use crate::message::Message;
use crate::{Store, StoreError};

/// Later messages that are named.
const NAMED_MAX: i64 = 10;

/// A dead letter, told in full.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// The message, with its attempts and its timeline.
    #[serde(flatten)]
    pub message: Message,
    /// When it was set aside.
    pub dead_at: DateTime<Utc>,
    /// The class of its failure.
    pub reason: String,
    /// What happened, in words.
    pub explanation: String,
    /// The group it belongs to.
    pub fingerprint: Fingerprint,
    /// What happened, without what varies in the group.
    pub pattern: String,
    /// Dead letters of the group, this one among them.
    pub alike: i64,
    /// Later messages of its keys, up to [`HOLDS_MAX`].
    pub holds: i64,
    /// The first of them.
    pub held: Vec<Uuid>,
    /// What was decided about it before, the oldest first.
    pub decisions: Vec<Decision>,
}

/// What a person decided about a dead letter.
#[derive(Debug, Clone, Serialize)]
pub struct Decision {
    /// replay or discard.
    pub verb: String,
    /// When.
    pub decided_at: DateTime<Utc>,
    /// Why, in their words.
    pub reason: Option<String>,
    /// Since when it had been dead.
    pub dead_at: DateTime<Utc>,
    /// Of what class its failure was.
    pub error_class: String,
    /// That failure in words.
    pub error_reason: String,
}

const LETTER: &str = "
select p.finished_at, p.error_class, p.error_reason, e.fingerprint, g.pattern,
       (select coalesce(sum(t.n), 0)::bigint from dead_tally t where t.fingerprint = e.fingerprint) as alike,
       (select count(*) from (
            select distinct w.id from ordering o
            join ordering w on w.key = o.key and w.seq > o.seq
            where o.id = p.id limit $2) waiting) as holds,
       array(select w.id from ordering o
             join ordering w on w.key = o.key and w.seq > o.seq
             where o.id = p.id group by w.id order by min(w.seq) limit $3) as held
from progress p
join dead_list e on e.id = p.id
join dead_group g on g.fingerprint = e.fingerprint
where p.id = $1 and p.state = 'dead'";

impl Store {
    /// The dead letter `id`; `None`: it is none, or not (any more).
    pub async fn dead_letter(&self, id: Uuid) -> Result<Option<Letter>, StoreError> {
        let row =
            sqlx::query(LETTER).bind(id).bind(HOLDS_MAX).bind(NAMED_MAX).fetch_optional(self.pool()).await?;
        let Some(row) = row else { return Ok(None) };
        let Some(message) = self.message(id, None).await? else { return Ok(None) };
        let decided = sqlx::query("select * from decision where id = $1 order by seq")
            .bind(id)
            .fetch_all(self.pool())
            .await?;
        let decision = |row: &sqlx::postgres::PgRow| {
            Ok::<_, StoreError>(Decision {
                verb: row.try_get("verb")?,
                decided_at: row.try_get("decided_at")?,
                reason: row.try_get("reason")?,
                dead_at: row.try_get("dead_at")?,
                error_class: row.try_get("error_class")?,
                error_reason: row.try_get("error_reason")?,
            })
        };
        Ok(Some(Letter {
            message,
            dead_at: row.try_get("finished_at")?,
            reason: row.try_get("error_class")?,
            explanation: row.try_get("error_reason")?,
            fingerprint: Fingerprint::from_i64(row.try_get("fingerprint")?),
            pattern: row.try_get("pattern")?,
            alike: row.try_get("alike")?,
            holds: row.try_get("holds")?,
            held: row.try_get("held")?,
            decisions: decided.iter().map(decision).collect::<Result<_, _>>()?,
        }))
    }
}
