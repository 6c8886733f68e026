//! The incident pack: what was accepted in a window of time, and what became of it; and, told apart, what
//! was accepted before it and died, was late or was repaired in it.
//!
//! Every figure is counted from the ledger's rows in one snapshot, so the parts agree with each other
//! and can be counted again. The ledger is read once, into tables of the transaction's own, from which
//! PostgreSQL makes the sums; the affected messages are handed over one by one, however many there are.
//! What the ledger does not keep by time (answers to repeats) is not told. Never changes a row.

mod read;
mod sql;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use crate::{Store, StoreError};

/// What a pack is about.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    /// Accepted at or after this moment.
    pub from: DateTime<Utc>,
    /// And before this one.
    pub to: DateTime<Utc>,
    /// Of this source alone.
    pub source: Option<String>,
}

/// One source in the window.
#[derive(Debug, Clone, Serialize)]
pub struct Partner {
    /// The source.
    pub source: String,
    /// Messages accepted in the window. The sum of the next six.
    pub accepted: i64,
    /// Of those, processed by now.
    pub processed: i64,
    /// Discarded by a person.
    pub discarded: i64,
    /// Dead now.
    pub dead: i64,
    /// Held now.
    pub held: i64,
    /// In any other state: still on its way.
    pub in_progress: i64,
    /// With a receipt and no place.
    pub unaccounted: i64,
    /// Processed, the ones without effects.
    pub ignored: i64,
    /// Not final within the source's `deadline_s`: final later, or still not final and not dead.
    pub delayed: i64,
    /// The longest that one of those was beyond the deadline, in seconds, so far.
    pub late_max_s: Option<f64>,
    /// Dead now, or before they were replayed or discarded.
    pub ever_dead: i64,
    /// The longest that one of those was dead, in seconds, so far.
    pub dead_max_s: Option<f64>,
    /// Replayed at least once.
    pub replayed: i64,
    /// Replayed, or mended by a sweep, and processed now.
    pub repaired: i64,
    /// Found not to fit, or lost by RabbitMQ, by a sweep.
    pub found: i64,
    /// With more than one attempt.
    pub retried: i64,
    /// Seconds from accepted to processed: half took less, ...
    pub p50_s: Option<f64>,
    /// ... 95 % took less, ...
    pub p95_s: Option<f64>,
    /// ... and the longest.
    pub max_s: Option<f64>,
    /// Which one that was.
    pub longest: Option<Uuid>,
    /// The source's `deadline_s`.
    pub deadline_s: Option<f64>,
    /// Accepted before the window, and dead, late or repaired in it; none of those above.
    pub earlier: i64,
    /// Of those, late.
    pub earlier_delayed: i64,
    /// Of those, dead for a part of the window.
    pub earlier_dead: i64,
    /// Of those, replayed in the window or mended, and processed now.
    pub earlier_repaired: i64,
}

/// A group: messages that died of the same.
#[derive(Debug, Clone, Serialize)]
pub struct Death {
    /// The group, as `waybill dead groups` names it.
    pub group: Fingerprint,
    /// Their source.
    pub source: String,
    /// Their kind.
    pub kind: String,
    /// The class of the failure.
    pub class: String,
    /// The failure, in words without values: of the commonest of the group.
    pub reason: String,
    /// Deaths, one for each time that a message died.
    pub deaths: i64,
    /// Of those, deaths in the window of messages accepted before it.
    pub earlier: i64,
    /// Messages that are dead of it now.
    pub still_dead: i64,
    /// The first time.
    pub first_at: DateTime<Utc>,
    /// The last time.
    pub last_at: DateTime<Utc>,
    /// Some of them.
    pub examples: Vec<Uuid>,
}

/// A piece of the window.
#[derive(Debug, Clone, Serialize)]
pub struct Slice {
    /// Its beginning.
    pub at: DateTime<Utc>,
    /// Accepted in it.
    pub accepted: i64,
    /// Processed or discarded in it, of all that the window accepted.
    pub finished: i64,
    /// Died in it.
    pub died: i64,
    /// Accepted by its end, and neither final nor dead then.
    pub open: i64,
}

/// A message that was delayed, dead, repaired, or is not final.
#[derive(Debug, Clone, Serialize)]
pub struct Affected {
    /// Accepted before the window, and dead, late or repaired in it.
    pub earlier: bool,
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// Where it is now.
    pub state: Option<String>,
    /// When it became final, or dead.
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds from accepted to final, where it is.
    pub took_s: Option<f64>,
    /// Attempts begun.
    pub attempts: Option<i32>,
    /// Not final within its source's deadline.
    pub delayed: bool,
    /// For how long beyond it, in seconds, so far.
    pub late_s: Option<f64>,
    /// Times that it died; of one accepted earlier: times that it was dead for a part of the window.
    pub deaths: i64,
    /// For how long it was dead then, in seconds, so far.
    pub dead_s: Option<f64>,
    /// Times that it was replayed; of one accepted earlier: in the window.
    pub replays: i64,
    /// Replayed, or mended by a sweep, and processed now.
    pub repaired: bool,
    /// The group of its last failure.
    pub group: Option<Fingerprint>,
    /// What a sweep found about it.
    pub findings: Vec<String>,
    /// The class of its last failure.
    pub error_class: Option<String>,
    /// Its last failure in words.
    pub error_reason: Option<String>,
}

/// One snapshot of the ledger, for the parts of one pack.
#[derive(Debug)]
pub struct Pack {
    snapshot: Transaction<'static, Postgres>,
    window: Window,
    /// The moment of the snapshot, by the ledger's clock.
    pub as_of: DateTime<Utc>,
    /// Affected messages, those accepted before the window among them.
    pub affected: i64,
}

impl Store {
    /// Takes a snapshot for a pack about `window`: reads the ledger, once.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn pack(&self, window: Window) -> Result<Pack, StoreError> {
        let mut snapshot = self.begin().await?;
        for setting in [
            // not read-only: the tables of its own would be refused. They are all that is written
            "set transaction isolation level repeatable read",
            // whoever reads the pack may be slow
            "set local idle_in_transaction_session_timeout = '10min'",
            // hashes of a million rows in memory; and compiling takes longer than it saves
            "set local work_mem = '128MB'",
            "set local temp_buffers = '64MB'",
            "set local jit = off",
        ] {
            sqlx::query(setting).execute(&mut *snapshot).await?;
        }
        let as_of = sqlx::query_scalar("select now()").fetch_one(&mut *snapshot).await?;
        sqlx::query(sql::MESSAGES)
            .bind(window.from)
            .bind(window.to)
            .bind(&window.source)
            .execute(&mut *snapshot)
            .await?;
        sqlx::query("analyze pack_row").execute(&mut *snapshot).await?;
        sqlx::query(sql::FOLLOWS).execute(&mut *snapshot).await?;
        sqlx::query(sql::DEATHS_OF).bind(window.from).bind(window.to).execute(&mut *snapshot).await?;
        let affected = sqlx::query_scalar(sql::COUNT).fetch_one(&mut *snapshot).await?;
        Ok(Pack { snapshot, window, as_of, affected })
    }
}

impl Pack {
    /// Every source that accepted something in the window, or had something earlier affected in it.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn partners(&mut self) -> Result<Vec<Partner>, StoreError> {
        let rows = sqlx::query(sql::PARTNERS).fetch_all(&mut *self.snapshot).await?;
        rows.iter().map(read::partner).collect()
    }

    /// What they died of, in groups: of each source the largest first.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn deaths(&mut self) -> Result<Vec<Death>, StoreError> {
        let mut rows = sqlx::query(sql::DEATHS).fetch(&mut *self.snapshot);
        let mut groups = read::Groups::default();
        while let Some(row) = rows.try_next().await? {
            groups.add(read::death(&row)?);
        }
        Ok(groups.sorted())
    }

    /// The window in pieces of `minutes`: of what was accepted in it.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn slices(&mut self, minutes: u32) -> Result<Vec<Slice>, StoreError> {
        let step = crate::claim::interval(std::time::Duration::from_secs(u64::from(minutes) * 60));
        let rows = sqlx::query(sql::SLICES)
            .bind(self.window.from)
            .bind(self.window.to)
            .bind(step)
            .fetch_all(&mut *self.snapshot)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Slice {
                    at: row.try_get("at")?,
                    accepted: row.try_get("accepted")?,
                    finished: row.try_get("finished")?,
                    died: row.try_get("died")?,
                    open: row.try_get("open")?,
                })
            })
            .collect()
    }

    /// Hands over every affected message, source by source, those accepted in the window before those
    /// accepted earlier, the oldest first; at most one is in memory. Stops at the first that `take`
    /// refuses, with its error.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn affected<E>(
        &mut self,
        mut take: impl FnMut(Affected) -> Result<(), E>,
    ) -> Result<Result<u64, E>, StoreError> {
        let mut rows = sqlx::query(sql::AFFECTED).fetch(&mut *self.snapshot);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = take(read::affected(&row)?) {
                return Ok(Err(error));
            }
            count += 1;
        }
        Ok(Ok(count))
    }
}
