//! Findings: what did not fit, when it was found, and when it was mended. What a sweep mends within
//! seconds would otherwise leave no trace but a line in a log.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use crate::conservation::Misfit;
use crate::{Store, StoreError};

/// Something that did not fit.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The message.
    pub id: Uuid,
    /// The problem's code.
    pub problem: String,
    /// Whose it is.
    pub source: String,
    /// When it was last found.
    pub found_at: DateTime<Utc>,
    /// When it fitted again.
    pub mended_at: Option<DateTime<Utc>>,
}

impl Store {
    /// Notes what was found now.
    pub async fn note_found(&self, misfits: &[Misfit]) -> Result<(), StoreError> {
        if misfits.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "insert into finding (id, problem, source)
             select distinct * from unnest($1::uuid[], $2::text[], $3::text[])
             on conflict (id, problem) do update set found_at = now(), mended_at = null
             -- another replica has found it, too
             where finding.mended_at is not null",
        )
        .bind(misfits.iter().map(|m| m.id).collect::<Vec<_>>())
        .bind(misfits.iter().map(|m| m.problem.code()).collect::<Vec<_>>())
        .bind(misfits.iter().map(|m| m.source.as_str()).collect::<Vec<_>>())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Notes that these fit again.
    pub async fn note_mended(&self, misfits: &[Misfit]) -> Result<(), StoreError> {
        if misfits.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "update finding f set mended_at = now()
             from unnest($1::uuid[], $2::text[]) as g (id, problem)
             where f.id = g.id and f.problem = g.problem and f.mended_at is null",
        )
        .bind(misfits.iter().map(|m| m.id).collect::<Vec<_>>())
        .bind(misfits.iter().map(|m| m.problem.code()).collect::<Vec<_>>())
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The newest findings, up to `limit`.
    pub async fn findings(&self, limit: u32) -> Result<Vec<Finding>, StoreError> {
        let rows = sqlx::query("select * from finding order by found_at desc, id limit $1")
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Finding {
                    id: row.try_get("id")?,
                    problem: row.try_get("problem")?,
                    source: row.try_get("source")?,
                    found_at: row.try_get("found_at")?,
                    mended_at: row.try_get("mended_at")?,
                })
            })
            .collect()
    }

    /// Forgets what was mended more than `days` days ago, up to `limit` of it.
    pub async fn forget_findings(&self, days: u32, limit: u32) -> Result<u64, StoreError> {
        let forgotten = sqlx::query(
            "delete from finding where (id, problem) in (
                 select id, problem from finding
                 where found_at < now() - make_interval(days => $1) and mended_at is not null limit $2)",
        )
        .bind(i32::try_from(days).unwrap_or(i32::MAX))
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(forgotten.rows_affected())
    }
}
