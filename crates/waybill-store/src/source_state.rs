//! What an operator says of a source while it runs: paused, resumed, silenced. Never its description, which
//! is `apply`'s, and which leaves these alone.
//!
//! A paused source accepts as ever, and its messages are not published: the relay parks what is due
//! (`relay.rs`), so that it is in nobody's way. What is in the broker already is processed.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use uuid::Uuid;

use crate::audit::{self, By};
use crate::source_key::lock;
use crate::{Store, StoreError};

/// Rows of a source that are made due again at once when it is resumed; the rest follows by itself.
const RESUMED_MAX: i64 = 5_000;

/// Parked rows: due later, and under nobody's lease until just then.
const RESUME: &str = "
with parked as (
    select id from progress
    where due_at > now() and lease_until = due_at and source = $1 and lease is null
    limit $2
    for update skip locked
)
update progress p set due_at = now(), lease_until = null
from parked where p.id = parked.id and p.due_at is not null
returning p.id";

/// What a change of a source's state came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It is so now.
    Changed,
    /// It was so already.
    Unchanged,
    /// There is no such source.
    NoSource,
}

impl Store {
    /// From now on the source's messages are accepted and not published.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy; nothing was changed then, or it is unknown.
    pub async fn pause(&self, source: &str, by: By<'_>) -> Result<Moved, StoreError> {
        let statement = "update source set paused_at = now() where name = $1 and paused_at is null";
        self.change(source, statement, "pause source", by).await
    }

    /// The source's messages are published again; what was parked meanwhile is due now.
    ///
    /// # Errors
    /// As [`Store::pause`]. What is parked still when it fails half-way is due within half an hour, or
    /// when it is asked for again.
    pub async fn resume(&self, source: &str, by: By<'_>) -> Result<Moved, StoreError> {
        let statement = "update source set paused_at = null where name = $1 and paused_at is not null";
        let moved = self.change(source, statement, "resume source", by).await?;
        if moved != Moved::NoSource {
            // nothing is parked any more: a relay that was about to has been waited for
            while self.unpark(source).await? == RESUMED_MAX {}
        }
        Ok(moved)
    }

    async fn unpark(&self, source: &str) -> Result<i64, StoreError> {
        let due: Vec<Uuid> =
            sqlx::query_scalar(RESUME).bind(source).bind(RESUMED_MAX).fetch_all(self.pool()).await?;
        Ok(i64::try_from(due.len()).unwrap_or(i64::MAX))
    }

    async fn change(
        &self,
        source: &str,
        statement: &'static str,
        action: &str,
        by: By<'_>,
    ) -> Result<Moved, StoreError> {
        let mut transaction = self.begin().await?;
        if !lock(&mut transaction, source).await? {
            return Ok(Moved::NoSource);
        }
        let changed = sqlx::query(statement).bind(source).execute(&mut *transaction).await?;
        if changed.rows_affected() == 0 {
            return Ok(Moved::Unchanged);
        }
        audit::write(&mut transaction, by.on_source(action, source, &json!({}))).await?;
        transaction.commit().await?;
        Ok(Moved::Changed)
    }

    /// The source's silence is no reason for an alert until then; `None`: it is one again.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub async fn silence(
        &self,
        source: &str,
        until: Option<DateTime<Utc>>,
        by: By<'_>,
    ) -> Result<Moved, StoreError> {
        let mut transaction = self.begin().await?;
        if !lock(&mut transaction, source).await? {
            return Ok(Moved::NoSource);
        }
        sqlx::query("update source set silenced_until = $2 where name = $1")
            .bind(source)
            .bind(until)
            .execute(&mut *transaction)
            .await?;
        let detail = json!({"until": until.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))});
        audit::write(&mut transaction, by.on_source("silence source", source, &detail)).await?;
        transaction.commit().await?;
        Ok(Moved::Changed)
    }
}
