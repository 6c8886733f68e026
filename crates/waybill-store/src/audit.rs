//! The audit trail: who did what to which messages, and why. Rows are only ever added.
//!
//! An act that must be accounted for is written here first, and not done when that fails.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError};

/// An act to be accounted for.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Who acts.
    pub actor: &'a str,
    /// What they do, for instance `view body`.
    pub action: &'a str,
    /// Why, in their words.
    pub reason: &'a str,
    /// The messages it is about.
    pub subjects: &'a [Uuid],
    /// The source it is about, if it is one.
    pub source: Option<&'a str>,
    /// What else belongs to it; never a body or a part of one.
    pub detail: &'a Value,
}

impl Store {
    /// Writes an act down. Once this returns it is durable. Needs no right but to insert.
    ///
    /// # Errors
    /// When it could not be written: then the act must not take place.
    pub async fn audit(&self, act: Act<'_>) -> Result<(), StoreError> {
        let mut connection = self.pool().acquire().await?;
        write(&mut connection, act).await
    }
}

/// Writes an act down on this connection: within its transaction, where it has one.
pub(crate) async fn write(connection: &mut PgConnection, act: Act<'_>) -> Result<(), StoreError> {
    let written = sqlx::query(
        "insert into audit (actor, action, reason, subjects, source, detail)
         values ($1, $2, $3, $4, $5, $6)",
    )
    .bind(act.actor)
    .bind(act.action)
    .bind(act.reason)
    .bind(act.subjects)
    .bind(act.source)
    .bind(act.detail)
    .execute(connection)
    .await?
    .rows_affected();
    if written == 1 { Ok(()) } else { Err(StoreError::Bug(format!("{written} rows of audit were written"))) }
}
