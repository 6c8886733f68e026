//! The body of one message, for a person who asks for it. Workers get theirs with the claim.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// A body and what it is read by. Has no `Debug`: it is about a person.
pub struct Body {
    /// Whose message it is.
    pub source: String,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// The media type it was posted with, parameters included.
    pub content_type: String,
    /// SHA-256 of the body, hexadecimal.
    pub sha256: String,
    /// Its length in bytes, known even when it is no longer kept.
    pub bytes: i32,
    /// The sender's key; may be about a person.
    pub idempotency_key: Option<String>,
    /// The body, byte for byte as it was received; none when it is no longer kept.
    pub body: Option<Vec<u8>>,
}

impl Store {
    /// The body of message `id`; `None` when there is no such message.
    pub async fn body(&self, id: Uuid) -> Result<Option<Body>, StoreError> {
        let row = sqlx::query(
            "select r.source, r.received_at, r.content_type, encode(r.sha256, 'hex') as sha256,
                    r.body_bytes, r.idempotency_key, b.body
             from receipt r
             left join body b on b.id = r.id
             where r.id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Body {
            source: row.try_get("source")?,
            received_at: row.try_get("received_at")?,
            content_type: row.try_get("content_type")?,
            sha256: row.try_get("sha256")?,
            bytes: row.try_get("body_bytes")?,
            idempotency_key: row.try_get("idempotency_key")?,
            body: row.try_get("body")?,
        }))
    }
}
