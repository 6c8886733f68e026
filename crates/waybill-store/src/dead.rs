//! Dead letters: filing what the broker gave up on, and listing what a person must look at.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::outcome::Failure;

use crate::{Store, StoreError, ordering};

/// A dead letter, as listed.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Attempts made.
    pub attempts: i32,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// When it was set aside.
    pub dead_at: DateTime<Utc>,
    /// The class of its failure.
    pub reason: String,
    /// What happened, in words.
    pub explanation: String,
    /// Messages that wait for it.
    pub holds: i64,
}

impl Store {
    /// Verb `file`: the broker gave up on this message's deliveries. False: it has moved on.
    pub async fn file(&self, id: Uuid, failure: &Failure, skip_dead: bool) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, &[id]).await?;
        let filed = sqlx::query(
            "update progress
             set state = 'dead', finished_at = now(), due_at = null, lease = null,
                 lease_until = null, error_class = $2, error_reason = $3
             where id = $1 and state in ('accepted', 'published', 'retrying')",
        )
        .bind(id)
        .bind(failure.class.as_str())
        .bind(&failure.reason)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if filed == 0 {
            return Ok(false);
        }
        let skipped = if skip_dead { vec![id] } else { Vec::new() };
        let settled = ordering::Places { all: vec![id], finished: Vec::new(), skipped };
        ordering::leave(&mut transaction, &settled).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Verb `republish`: the broker let go of a message that nobody has had in hand; due again. One
    /// whose confirm is not written yet loses its lease, so that the confirm comes too late.
    pub async fn republish(&self, id: Uuid) -> Result<bool, StoreError> {
        let moved = sqlx::query(
            "update progress
             set state = case state when 'published' then 'accepted' else state end,
                 due_at = now(), lease = null, lease_until = null
             where id = $1
               and (state = 'published' or state in ('accepted', 'retrying') and lease is not null)",
        )
        .bind(id)
        .execute(self.pool())
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Dead letters, the newest first, of one source or of all.
    pub async fn dead_letters(
        &self,
        source: Option<&str>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let rows = sqlx::query(
            "select d.* from dead_letter d
             where $1::text is null or d.source = $1
             order by d.dead_at desc, d.id desc
             limit $2",
        )
        .bind(source)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(DeadLetter {
                    id: row.try_get("id")?,
                    source: row.try_get("source")?,
                    kind: row.try_get("kind")?,
                    attempts: row.try_get("attempts")?,
                    received_at: row.try_get("received_at")?,
                    dead_at: row.try_get("dead_at")?,
                    reason: row.try_get("error_class")?,
                    explanation: row.try_get("error_reason")?,
                    holds: row.try_get("holds")?,
                })
            })
            .collect()
    }
}
