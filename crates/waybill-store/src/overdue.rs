//! Overdue messages by id: accepted, and not final by their source's deadline. Those of a paused source
//! wait because somebody said so, and are not among them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// Unfinished messages of each kind of wait that are looked through.
const LOOKED_THROUGH_MAX: i64 = 10_000;

/// A message that is late.
#[derive(Debug, Clone, Serialize)]
pub struct Overdue {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Where it is.
    pub state: String,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// What it waits for, where it is held.
    pub held_behind: Option<Uuid>,
}

impl Store {
    /// The overdue messages, the oldest first, up to `limit` of what the longest waits hold.
    pub async fn overdue(&self, limit: u32) -> Result<Vec<Overdue>, StoreError> {
        let rows = sqlx::query(
            "with unfinished as (
                 (select id, source from progress where due_at is not null order by lane, due_at limit $2)
                 union all (select id, source from progress where state = 'published' limit $2)
                 union all (select id, source from progress where state = 'processing' limit $2)
                 union all (select id, source from progress where state = 'held' order by id limit $2)
             ), late as (
                 select u.id from unfinished u join source s on s.name = u.source and s.paused_at is null
                 -- the time inside an id is when it was accepted
                 where u.id < id_at(now() - make_interval(secs => (s.spec->>'deadline_s')::float8))
                 order by u.id limit $1
             )
             select m.id, m.source, m.state, m.received_at, m.held_behind
             from late join message m on m.id = late.id order by m.id",
        )
        .bind(i64::from(limit))
        .bind(LOOKED_THROUGH_MAX)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Overdue {
                    id: row.try_get("id")?,
                    source: row.try_get("source")?,
                    state: row.try_get("state")?,
                    received_at: row.try_get("received_at")?,
                    held_behind: row.try_get("held_behind")?,
                })
            })
            .collect()
    }
}
