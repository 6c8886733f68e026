//! A source's keys: a new one, one from elsewhere, one that is to be good no longer. Each is on the audit
//! trail by its id; a key itself is never stored, only what proves it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::{PgConnection, Postgres, Row as _, Transaction};

use crate::audit::{self, By};
use crate::source::Key;
use crate::{Store, StoreError};

/// A key, as listed: nothing of it but its id.
#[derive(Debug, Clone, Serialize)]
pub struct KeyFacts {
    /// Its id.
    pub id: String,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// Since when it is no longer good.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What adding a key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is live.
    Live,
    /// This very key was there already, and live; nothing was changed.
    AlreadyLive,
    /// There is another key with this id, or this one was revoked; nothing was changed.
    IdTaken,
    /// There is no such source.
    NoSource,
}

impl Store {
    /// Adds a key to its source; of the older ones the newest stays live, so that partners can
    /// change over without an outage.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy; nothing was changed then, or it is unknown.
    pub async fn rotate_key(&self, key: &Key, by: By<'_>) -> Result<Added, StoreError> {
        self.add_key(key, "rotate key", by).await
    }

    /// Adds a key that was made elsewhere, else as [`Store::rotate_key`]. The same again changes nothing.
    ///
    /// # Errors
    /// As [`Store::rotate_key`].
    pub async fn import_key(&self, key: &Key, by: By<'_>) -> Result<Added, StoreError> {
        self.add_key(key, "import key", by).await
    }

    async fn add_key(&self, key: &Key, action: &str, by: By<'_>) -> Result<Added, StoreError> {
        let mut transaction = self.begin().await?;
        if !lock(&mut transaction, &key.source).await? {
            return Ok(Added::NoSource);
        }
        let known: Option<bool> = sqlx::query_scalar(
            "select source = $2 and digest = $3 and revoked_at is null from source_key where id = $1",
        )
        .bind(&key.id)
        .bind(&key.source)
        .bind(&key.digest)
        .fetch_optional(&mut *transaction)
        .await?;
        match known {
            Some(true) => return Ok(Added::AlreadyLive),
            Some(false) => return Ok(Added::IdTaken),
            None => {}
        }
        let revoked: Vec<String> = sqlx::query_scalar(
            "update source_key set revoked_at = now()
             where source = $1 and revoked_at is null and id not in (
                 select id from source_key where source = $1 and revoked_at is null
                 order by created_at desc, id limit 1)
             returning id",
        )
        .bind(&key.source)
        .fetch_all(&mut *transaction)
        .await?;
        insert_key(&mut transaction, key).await?;
        let detail = json!({"key": key.id, "revoked": revoked});
        audit::write(&mut transaction, by.on_source(action, &key.source, &detail)).await?;
        transaction.commit().await?;
        Ok(Added::Live)
    }

    /// Makes a live key of `source` good no longer. False: the source has no such live key.
    ///
    /// # Errors
    /// As [`Store::rotate_key`].
    pub async fn revoke_key(&self, source: &str, id: &str, by: By<'_>) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let revoked = sqlx::query(
            "update source_key set revoked_at = now()
             where source = $1 and id = $2 and revoked_at is null",
        )
        .bind(source)
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        if revoked.rows_affected() == 0 {
            return Ok(false);
        }
        let detail = json!({"key": id});
        audit::write(&mut transaction, by.on_source("revoke key", source, &detail)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The keys that `source` has and had, the newest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn keys_of(&self, source: &str) -> Result<Vec<KeyFacts>, StoreError> {
        let rows = sqlx::query(
            "select id, created_at, revoked_at from source_key where source = $1
             order by created_at desc, id",
        )
        .bind(source)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(KeyFacts {
                    id: row.try_get("id")?,
                    created_at: row.try_get("created_at")?,
                    revoked_at: row.try_get("revoked_at")?,
                })
            })
            .collect()
    }
}

/// Locks a source against another operator. False: there is none.
pub(crate) async fn lock(connection: &mut PgConnection, source: &str) -> Result<bool, StoreError> {
    let known: Option<String> = sqlx::query_scalar("select name from source where name = $1 for update")
        .bind(source)
        .fetch_optional(connection)
        .await?;
    Ok(known.is_some())
}

pub(crate) async fn insert_key(
    transaction: &mut Transaction<'static, Postgres>,
    key: &Key,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into source_key (id, source, digest, created_at) values ($1, $2, $3, clock_timestamp())",
    )
    .bind(&key.id)
    .bind(&key.source)
    .bind(&key.digest)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
