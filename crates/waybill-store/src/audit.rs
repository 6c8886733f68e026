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

/// By which way an act came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via<'a> {
    /// The command line.
    Cli,
    /// The console.
    Console {
        /// The client's address.
        address: &'a str,
        /// The session, as [`crate::console::session::name`] calls it; none: a proxy says who it is.
        session: Option<&'a str>,
    },
    /// `waybill serve`, by itself.
    Serve,
}

impl<'a> Via<'a> {
    /// The names of all ways.
    pub const NAMES: [&'static str; 3] = ["cli", "console", "serve"];

    /// Its name on the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Console { .. } => "console",
            Self::Serve => "serve",
        }
    }

    const fn address(self) -> Option<&'a str> {
        match self {
            Self::Console { address, .. } => Some(address),
            Self::Cli | Self::Serve => None,
        }
    }

    const fn session(self) -> Option<&'a str> {
        match self {
            Self::Console { session, .. } => session,
            Self::Cli | Self::Serve => None,
        }
    }
}

/// An act to be accounted for.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Who acts.
    pub actor: &'a str,
    /// By which way.
    pub via: Via<'a>,
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

impl<'a> Act<'a> {
    /// The same, about this source.
    #[must_use]
    pub const fn of(self, source: &'a str) -> Self {
        Self { source: Some(source), ..self }
    }
}

/// Who acts, by which way, and why: what every verb of an operator is told.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who acts.
    pub actor: &'a str,
    /// By which way.
    pub via: Via<'a>,
    /// Why, in their words, where they said.
    pub reason: Option<&'a str>,
}

impl<'a> By<'a> {
    /// Somebody who gives no reason.
    pub const fn new(actor: &'a str, via: Via<'a>) -> Self {
        Self { actor, via, reason: None }
    }

    /// Somebody at the command line, who gives no reason.
    pub const fn cli(actor: &'a str) -> Self {
        Self::new(actor, Via::Cli)
    }

    /// The same, for this reason.
    #[must_use]
    pub const fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The same, for this reason, where there is one.
    #[must_use]
    pub const fn because_of(self, reason: Option<&'a str>) -> Self {
        Self { reason, ..self }
    }

    /// Their act on the source `source`.
    pub(crate) fn on_source(self, action: &'a str, source: &'a str, detail: &'a Value) -> Act<'a> {
        self.on_messages(action, &[], detail).of(source)
    }

    /// Their act on messages.
    pub fn on_messages(self, action: &'a str, subjects: &'a [Uuid], detail: &'a Value) -> Act<'a> {
        let Self { actor, via, reason } = self;
        Act { actor, via, action, reason: reason.unwrap_or(NOT_STATED), subjects, source: None, detail }
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
        "insert into audit (actor, action, reason, subjects, source, detail, via, address, session)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(act.actor)
    .bind(act.action)
    .bind(act.reason)
    .bind(act.subjects)
    .bind(act.source)
    .bind(act.detail)
    .bind(act.via.name())
    .bind(act.via.address())
    .bind(act.via.session())
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
