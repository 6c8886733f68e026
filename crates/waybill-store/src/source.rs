//! Sources and their keys, as the operator applied them.
//!
//! A source missing from the file is disabled, never deleted: its messages still need its policy.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use waybill_core::source::Source;

use crate::audit::{self, By};
use crate::source_key::insert_key;
use crate::{Store, StoreError};

/// A source as it stands in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What the operator described.
    pub source: Source,
    /// Whether it may post.
    pub enabled: bool,
    /// Since when its messages are accepted and not published; none: it is not paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// Until when its silence is no reason for an alert.
    pub silenced_until: Option<DateTime<Utc>>,
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
        known(&mut *self.pool().acquire().await?).await
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

    /// Makes the ledger's sources match `wanted`, and stores a first key for each new one. Each source
    /// that changes is on the audit trail, with the fields that do.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy; nothing was applied then, or it is unknown.
    pub async fn apply(&self, wanted: &[Source], keys: &[Key], by: By<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // one operator at a time
        sqlx::query("lock table source in share row exclusive mode").execute(&mut *transaction).await?;
        let changes = changes(wanted, &known(&mut transaction).await?, keys)?;
        for source in wanted {
            sqlx::query(
                "insert into source as known (name, spec) values ($1, $2)
                 on conflict (name) do update
                 set spec = excluded.spec, enabled = true, changed_at = now()
                 where known.spec <> excluded.spec or not known.enabled",
            )
            .bind(&source.name)
            .bind(spec(source)?)
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
        for (action, source, detail) in &changes {
            audit::write(&mut transaction, by.on_source(action, source, detail)).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn known(connection: &mut PgConnection) -> Result<Vec<Known>, StoreError> {
    let rows = sqlx::query("select name, spec, enabled, paused_at, silenced_until from source order by name")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get("name")?;
            let source = serde_json::from_value(row.try_get("spec")?)
                .map_err(|e| StoreError::Bug(format!("source {name} was written by another version: {e}")))?;
            Ok(Known {
                source,
                enabled: row.try_get("enabled")?,
                paused_at: row.try_get("paused_at")?,
                silenced_until: row.try_get("silenced_until")?,
            })
        })
        .collect()
}

fn spec(source: &Source) -> Result<Value, StoreError> {
    serde_json::to_value(source).map_err(|_| StoreError::Bug("a source cannot be written as JSON".into()))
}

/// What applying does, as acts: the action, the source, and what of it changes. No values: a
/// destination's address may hold a secret.
fn changes(
    wanted: &[Source],
    known: &[Known],
    keys: &[Key],
) -> Result<Vec<(&'static str, String, Value)>, StoreError> {
    let find = |name: &str| known.iter().find(|k| k.source.name == name);
    let mut changes = Vec::new();
    let difference = compare(wanted, known);
    for name in difference.created {
        let ids: Vec<&str> = keys.iter().filter(|k| k.source == name).map(|k| k.id.as_str()).collect();
        changes.push(("create source", name, json!({"keys": ids})));
    }
    for name in difference.changed {
        let Some((before, after)) = find(&name).zip(wanted.iter().find(|s| s.name == name)) else { continue };
        let fields = differing(&spec(&before.source)?, &spec(after)?);
        changes.push(("change source", name, json!({"fields": fields, "enabled_again": !before.enabled})));
    }
    changes.extend(difference.disabled.into_iter().map(|name| ("disable source", name, json!({}))));
    Ok(changes)
}

/// The members in which two objects differ.
fn differing(one: &Value, other: &Value) -> Vec<String> {
    let names = [one, other].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    let differ: BTreeSet<&String> = names.filter(|name| one.get(name) != other.get(name)).collect();
    differ.into_iter().cloned().collect()
}
