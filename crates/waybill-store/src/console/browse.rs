//! Lists for the console: messages by what is known of them, keys of sources.
//! Each is a page with a limit, and none reads a body.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::conservation::first_id_at;
use crate::{Store, StoreError};

/// Which messages to list. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this source.
    pub source: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<String>,
    /// Whose last failure has this class.
    pub error_class: Option<String>,
    /// Accepted at or after.
    pub from: Option<DateTime<Utc>>,
    /// Accepted before.
    pub to: Option<DateTime<Utc>>,
    /// Older than this message: the next page.
    pub before: Option<Uuid>,
}

/// A message, as listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Where it is.
    pub state: String,
    /// Attempts begun.
    pub attempts: i32,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// The class of its last failure, or why it was ignored.
    pub note: Option<String>,
}

/// A key of a source, without what proves it.
#[derive(Debug, Clone)]
pub struct KeyFacts {
    /// Its id: the part after `wb_`, which is not secret.
    pub id: String,
    /// Whose it is.
    pub source: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// The newest dead letter of a source.
#[derive(Debug, Clone)]
pub struct LastError {
    /// Whose.
    pub source: String,
    /// The message.
    pub id: Uuid,
    /// When it was set aside.
    pub at: DateTime<Utc>,
    /// The class of its failure.
    pub class: String,
    /// The failure in words.
    pub reason: String,
}

impl Store {
    /// Messages that fit `filter`, the newest first, up to `limit`.
    pub async fn browse(&self, filter: &Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let above = filter.from.map_or(Uuid::nil(), first_id_at);
        let end = filter.to.map_or(Uuid::max(), first_id_at);
        let below = filter.before.map_or(end, |before| before.min(end));
        let rows = sqlx::query(
            "select r.id, r.source, r.kind, p.state, p.attempts, r.received_at, r.idempotency_key,
                    coalesce(p.ignored, p.error_class) as note
             from progress p join receipt r on r.id = p.id
             where p.id >= $1 and p.id < $2
               and ($3::text is null or p.source = $3)
               and ($4::text[] = '{}' or p.state = any($4))
               and ($5::text is null or p.error_class = $5)
             order by p.id desc limit $6",
        )
        .bind(above)
        .bind(below)
        .bind(&filter.source)
        .bind(&filter.states)
        .bind(&filter.error_class)
        .bind(i64::from(limit))
        // planned for these values each time: the small index of a state is used only when it is named
        .persistent(false)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_listed).collect()
    }

    /// Messages with this idempotency key, whatever the source, the newest first, up to `limit` of
    /// those accepted since `from`.
    pub async fn browse_key(
        &self,
        key: &str,
        from: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "select r.id, r.source, r.kind, p.state, p.attempts, r.received_at, r.idempotency_key,
                    coalesce(p.ignored, p.error_class) as note
             from receipt r join progress p on p.id = r.id
             where r.idempotency_key = $1 and r.id >= $2
             order by r.id desc limit $3",
        )
        .bind(key)
        .bind(first_id_at(from))
        .bind(i64::from(limit))
        .persistent(false)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_listed).collect()
    }

    /// The live keys of every source, the newest first.
    pub async fn live_keys(&self) -> Result<Vec<KeyFacts>, StoreError> {
        let rows: Vec<(String, String, DateTime<Utc>)> = sqlx::query_as(
            "select id, source, created_at from source_key where revoked_at is null
             order by source, created_at desc",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(id, source, created_at)| KeyFacts { id, source, created_at }).collect())
    }

    /// The newest dead letter of each source.
    pub async fn last_errors(&self) -> Result<Vec<LastError>, StoreError> {
        let rows: Vec<(String, Uuid, DateTime<Utc>, String, String)> = sqlx::query_as(
            "select distinct on (source) source, id, finished_at, error_class, error_reason
             from progress where state = 'dead' order by source, finished_at desc",
        )
        .fetch_all(self.pool())
        .await?;
        let read = |(source, id, at, class, reason)| LastError { source, id, at, class, reason };
        Ok(rows.into_iter().map(read).collect())
    }
}

fn read_listed(row: &PgRow) -> Result<Listed, StoreError> {
    Ok(Listed {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        kind: row.try_get("kind")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        received_at: row.try_get("received_at")?,
        idempotency_key: row.try_get("idempotency_key")?,
        note: row.try_get("note")?,
    })
}
