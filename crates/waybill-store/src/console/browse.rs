//! Lists for the console: messages by what is known of them, keys of sources.
//! Each is a page with a limit, and none reads a body.

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use uuid::Uuid;

use crate::conservation::first_id_at;
use crate::{Store, StoreError};

/// Which messages to list. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this source.
    pub source: Option<String>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of this lane.
    pub lane: Option<String>,
    /// In one of these states; empty: in any.
    pub states: Vec<String>,
    /// Waiting to be published: true, due by now; false, due later.
    pub due: Option<bool>,
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

/// Dead letters of one source that [`Store::last_errors`] gives.
pub const ERRORS_MAX: i64 = 3;

/// A dead letter of a source.
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

/// Whether `progress p` fits a filter: `$1` to `$8`, as [`bind`] binds them.
macro_rules! fits {
    () => {
        "p.id >= $1 and p.id < $2
         and ($3::text is null or p.source = $3)
         and ($4::text[] = '{}' or p.state = any($4))
         and ($5::text is null or p.error_class = $5)
         and ($6::text is null or p.kind = $6)
         and ($7::text is null or p.lane = $7)
         and ($8::boolean is null or p.due_at is not null and (p.due_at <= now()) = $8)"
    };
}

impl Store {
    /// Messages that fit `filter`, the newest first, up to `limit`.
    pub async fn browse(&self, filter: &Filter, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let query = sqlx::query(concat!(
            "select r.id, r.source, r.kind, p.state, p.attempts, r.received_at, r.idempotency_key,
                    coalesce(p.ignored, p.error_class) as note
             from progress p join receipt r on r.id = p.id
             where ",
            fits!(),
            " order by p.id desc limit $9"
        ));
        let rows = bind(query, filter).bind(i64::from(limit)).fetch_all(self.pool()).await?;
        rows.iter().map(read_listed).collect()
    }

    /// How many messages fit `filter`, counted no further than `most`.
    pub async fn browse_count(&self, filter: &Filter, most: u32) -> Result<i64, StoreError> {
        let query = sqlx::query(concat!(
            "select count(*) from (select from progress p where ",
            fits!(),
            " limit $9) found"
        ));
        let row = bind(query, filter).bind(i64::from(most)).fetch_one(self.pool()).await?;
        Ok(row.try_get(0)?)
    }

    /// These messages, the newest first.
    pub async fn listed(&self, ids: &[Uuid]) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "select r.id, r.source, r.kind, p.state, p.attempts, r.received_at, r.idempotency_key,
                    coalesce(p.ignored, p.error_class) as note
             from progress p join receipt r on r.id = p.id where p.id = any($1) order by p.id desc",
        )
        .bind(ids)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_listed).collect()
    }

    /// Repeats that were answered with an earlier receipt, by source; no row is kept of one.
    pub async fn repeats(&self) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query_as("select source, count from duplicate").fetch_all(self.pool()).await?)
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

    /// The newest dead letters of each source, up to [`ERRORS_MAX`] of each, the newest first.
    pub async fn last_errors(&self) -> Result<Vec<LastError>, StoreError> {
        let rows: Vec<(String, Uuid, DateTime<Utc>, String, String)> = sqlx::query_as(
            "select newest.source, newest.id, newest.dead_at, p.error_class, p.error_reason
             from (select g.source, e.id, e.dead_at,
                          row_number() over (partition by g.source order by e.dead_at desc, e.id desc) as place
                   from dead_group g
                   -- the newest of each group, by its index
                   cross join lateral (
                       select id, dead_at from dead_list where fingerprint = g.fingerprint
                       order by dead_at desc, id desc limit $1) e) newest
             join progress p on p.id = newest.id and p.state = 'dead'
             where newest.place <= $1 order by newest.source, newest.place",
        )
        .bind(ERRORS_MAX)
        .fetch_all(self.pool())
        .await?;
        let read = |(source, id, at, class, reason)| LastError { source, id, at, class, reason };
        Ok(rows.into_iter().map(read).collect())
    }
}

/// Binds `$1` to `$8` of a statement with [`fits`]. Planned for these values each time: the small index of
/// a state is used only when it is named.
fn bind<'q>(query: Query<'q, Postgres, PgArguments>, filter: &'q Filter) -> Query<'q, Postgres, PgArguments> {
    let above = filter.from.map_or(Uuid::nil(), first_id_at);
    let end = filter.to.map_or(Uuid::max(), first_id_at);
    query
        .bind(above)
        .bind(filter.before.map_or(end, |before| before.min(end)))
        .bind(&filter.source)
        .bind(&filter.states)
        .bind(&filter.error_class)
        .bind(&filter.kind)
        .bind(&filter.lane)
        .bind(filter.due)
        .persistent(false)
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
