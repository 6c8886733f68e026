//! Sources and their keys, as the operator applied them.
//!
//! A source missing from the file is disabled, never deleted: its messages still need its policy.

use serde::Serialize;
use sqlx::{Postgres, Row as _, Transaction};
use waybill_core::source::Source;

use crate::{Store, StoreError};

/// A source as it stands in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What the operator described.
    pub source: Source,
    /// Whether it may post.
    pub enabled: bool,
}

/// A live key: its id, its source, and the digest that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's id.
    pub id: String,
    /// Whose it is.
    pub source: String,
    /// HMAC-SHA256(pepper, key).
    pub digest: Vec<u8>,
}

/// What applying a file changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// New sources.
    pub created: Vec<String>,
    /// Sources whose description differs, or that were disabled and come back.
    pub changed: Vec<String>,
    /// Sources missing from the file.
    pub disabled: Vec<String>,
}

impl Difference {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.changed.is_empty() && self.disabled.is_empty()
    }
}

/// Compares what is wanted with what is known: pure, so that `--dry-run` and the real thing agree.
pub fn compare(wanted: &[Source], known: &[Known]) -> Difference {
    let find = |name: &str| known.iter().find(|k| k.source.name == name);
    let mut difference = Difference::default();
    for source in wanted {
        match find(&source.name) {
            None => difference.created.push(source.name.clone()),
            Some(k) if !k.enabled || k.source != *source => {
                difference.changed.push(source.name.clone());
            }
            Some(_) => {}
        }
    }
    difference.disabled = known
        .iter()
        .filter(|k| k.enabled && !wanted.iter().any(|s| s.name == k.source.name))
        .map(|k| k.source.name.clone())
        .collect();
    difference
}

impl Store {
    /// Every source, by name.
    pub async fn sources(&self) -> Result<Vec<Known>, StoreError> {
        let rows = sqlx::query("select name, spec, enabled from source order by name")
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let name: String = row.try_get("name")?;
                let source = serde_json::from_value(row.try_get("spec")?).map_err(|e| {
                    StoreError::Bug(format!("source {name} was written by another version: {e}"))
                })?;
                Ok(Known { source, enabled: row.try_get("enabled")? })
            })
            .collect()
    }

    /// Every live key of an enabled source.
    pub async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let rows = sqlx::query(
            "select k.id, k.source, k.digest from source_key k
             join source s on s.name = k.source
             where s.enabled and k.revoked_at is null",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Key {
                    id: row.try_get("id")?,
                    source: row.try_get("source")?,
                    digest: row.try_get("digest")?,
                })
            })
            .collect()
    }

    /// Makes the ledger's sources match `wanted`, and stores a first key for each new one.
    pub async fn apply(&self, wanted: &[Source], keys: &[Key]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // one operator at a time
        sqlx::query("lock table source in share row exclusive mode").execute(&mut *transaction).await?;
        for source in wanted {
            let spec = serde_json::to_value(source)
                .map_err(|_| StoreError::Bug("a source cannot be written as JSON".into()))?;
            sqlx::query(
                "insert into source as known (name, spec) values ($1, $2)
                 on conflict (name) do update
                 set spec = excluded.spec, enabled = true, changed_at = now()
                 where known.spec <> excluded.spec or not known.enabled",
            )
            .bind(&source.name)
            .bind(spec)
            .execute(&mut *transaction)
            .await?;
        }
        for key in keys {
            insert_key(&mut transaction, key).await?;
        }
        sqlx::query(
            "update source set enabled = false, changed_at = now()
             where enabled and not name = any($1)",
        )
        .bind(wanted.iter().map(|s| s.name.as_str()).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Adds a key to its source; of the older ones the newest stays live, so that partners can
    /// change over without an outage. False: there is no such source.
    pub async fn rotate_key(&self, key: &Key) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let known: Option<String> = sqlx::query_scalar("select name from source where name = $1 for update")
            .bind(&key.source)
            .fetch_optional(&mut *transaction)
            .await?;
        if known.is_none() {
            return Ok(false);
        }
        sqlx::query(
            "update source_key set revoked_at = now()
             where source = $1 and revoked_at is null and id not in (
                 select id from source_key where source = $1 and revoked_at is null
                 order by created_at desc, id limit 1)",
        )
        .bind(&key.source)
        .execute(&mut *transaction)
        .await?;
        insert_key(&mut transaction, key).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

async fn insert_key(transaction: &mut Transaction<'static, Postgres>, key: &Key) -> Result<(), StoreError> {
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
