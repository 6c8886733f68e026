//! The audit trail: who did what to which messages, and why. Rows are only ever added, each chained to
//! the one before it (migration 7, docs/adr/0016).
//!
//! An act that must be accounted for is written here in the transaction that carries it out, or
//! before it is done; it is not done when that fails. Reading and proving is `audit_trail.rs`.

use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Store, StoreError};

/// The reason of an act that needs none, where none was given.
pub const NOT_STATED: &str = "not stated";

/// An act to be accounted for.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Who acts.
    pub actor: &'a str,
    /// What they do, for instance `view body`.
    pub action: &'a str,
    /// Why, in their words; [`NOT_STATED`] where the act needs no reason and none was given.
    pub reason: &'a str,
    /// The messages it is about.
    pub subjects: &'a [Uuid],
    /// The source it is about, if it is one.
    pub source: Option<&'a str>,
    /// What else belongs to it; never a body or a part of one, never a key.
    pub detail: &'a Value,
}

/// Who acts, and why: what every verb of an operator is told.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who acts.
    pub actor: &'a str,
    /// Why, in their words, where they said.
    pub reason: Option<&'a str>,
}

impl<'a> By<'a> {
    /// Somebody who gives no reason.
    pub const fn actor(actor: &'a str) -> Self {
        Self { actor, reason: None }
    }

    /// The same, for this reason.
    #[must_use]
    pub const fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// Their act on the source `source`.
    pub(crate) fn on_source(self, action: &'a str, source: &'a str, detail: &'a Value) -> Act<'a> {
        let (actor, reason) = (self.actor, self.reason.unwrap_or(NOT_STATED));
        Act { actor, action, reason, subjects: &[], source: Some(source), detail }
    }

    /// Their act on messages.
    pub fn on_messages(self, action: &'a str, subjects: &'a [Uuid], detail: &'a Value) -> Act<'a> {
        let (actor, reason) = (self.actor, self.reason.unwrap_or(NOT_STATED));
        Act { actor, action, reason, subjects, source: None, detail }
    }
}

/// Writes an act down in the transaction that `connection` is in: both are committed, or neither.
/// Needs no right but to insert.
///
/// Call it last, just before the commit: from here to there no other act can be written.
///
/// # Errors
/// When it could not be written: then the act must not take place, and the transaction be dropped.
pub async fn write(connection: &mut PgConnection, act: Act<'_>) -> Result<(), StoreError> {
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

impl Store {
    /// Writes an act down by itself. Once this returns it is durable.
    ///
    /// # Errors
    /// When it could not be written: then the act must not take place.
    pub async fn audit(&self, act: Act<'_>) -> Result<(), StoreError> {
        write(&mut *self.pool().acquire().await?, act).await
    }
}
