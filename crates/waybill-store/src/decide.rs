//! An operator's decisions on a dead letter: replay it, or discard it. (A third is `edit.rs`; what takes a
//! discard back is `undo.rs`.)
//!
//! Neither publishes nor processes anything: a replayed message is due again, in its old place, and
//! goes the way of all others; a discarded one is final, and what waited for it is released. Each
//! decision is one guarded transition with its row in `decision` and one on the audit trail for all that
//! were decided upon together, so a second one changes nothing.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::audit::{self, By};
use crate::{Store, StoreError, ordering};

/// Dead letters decided upon together, at most: each may have many keys to lock.
pub const DECIDED_MAX: usize = 100;

/// What discarding came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Discarded {
    /// Discarded now.
    pub discarded: Vec<Uuid>,
    /// Released: first of their keys now, and due.
    pub released: Vec<Uuid>,
}

/// Locks what is still dead of `$1`, notes the decision, and takes it off the list of the dead.
macro_rules! decided {
    ($then:literal) => {
        concat!(
            "with letter as materialized (
                 select id, finished_at, error_class, error_reason from progress
                 where id = any($1) and state = 'dead'
                 order by id for update
             ), noted as (
                 insert into decision (id, verb, reason, plan, dead_at, error_class, error_reason, places)
                 select id, $2, $3, $4, finished_at, error_class, error_reason,
                        (select count(*) from ordering o where o.id = letter.id)
                        + (select count(*) from skipped s where s.id = letter.id)
                 from letter order by id
             ), left_the_list as (
                 delete from dead_list where id in (select id from letter)
             )
             update progress p ",
            $then,
            " from letter where p.id = letter.id and p.state = 'dead'
             returning p.id"
        )
    };
}

impl Store {
    /// Verb `replay`: these dead letters are due again, at most [`DECIDED_MAX`] of them, with a
    /// fresh allowance of attempts. Those that moved; one that is not dead (any more) stays as it is.
    ///
    /// A message keeps its place among its keys. Where its source skips the dead, later messages
    /// may have been processed meanwhile; those that are unfinished wait for it from now on.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy: nothing moved then, or it is unknown; asking again is
    /// safe.
    pub async fn replay(&self, ids: &[Uuid], by: By<'_>) -> Result<Vec<Uuid>, StoreError> {
        few(ids)?;
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, ids).await?;
        let replayed = replay_locked(&mut transaction, ids, by.reason, None).await?;
        account(&mut transaction, by, "replay", &replayed).await?;
        transaction.commit().await?;
        Ok(replayed)
    }

    /// Verb `discard`: these dead letters, at most [`DECIDED_MAX`], are to have no effects, for
    /// a reason (1 to 500 characters). What waited for them is released in the same transaction.
    ///
    /// # Errors
    /// As [`Store::replay`]; [`StoreError::Refused`] without a reason, or with an overlong one.
    pub async fn discard(&self, ids: &[Uuid], by: By<'_>) -> Result<Discarded, StoreError> {
        few(ids)?;
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, ids).await?;
        let discarded: Vec<Uuid> =
            sqlx::query_scalar(decided!("set state = 'discarded', finished_at = now()"))
                .bind(ids)
                .bind("discard")
                .bind(by.reason)
                .bind(None::<i64>)
                .fetch_all(&mut *transaction)
                .await?;
        ordering::give_up(&mut transaction, &discarded).await?;
        ordering::forget(&mut transaction, &discarded).await?;
        let settled = ordering::Places { all: discarded.clone(), finished: discarded, skipped: Vec::new() };
        let released = ordering::leave(&mut transaction, &settled).await?;
        account(&mut transaction, by, "discard", &settled.finished).await?;
        transaction.commit().await?;
        Ok(Discarded { discarded: settled.finished, released })
    }
}

/// Puts a decision on the audit trail; what decided nothing is not on it.
pub(crate) async fn account(
    connection: &mut PgConnection,
    by: By<'_>,
    action: &str,
    decided: &[Uuid],
) -> Result<(), StoreError> {
    if decided.is_empty() {
        return Ok(());
    }
    audit::write(connection, by.on_messages(action, decided, &json!({}))).await
}

/// A dead letter, and which of its deaths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death {
    /// The message.
    pub id: Uuid,
    /// When it died.
    pub at: DateTime<Utc>,
}

/// Verb `replay` for a plan, in its transaction: those of at most [`DECIDED_MAX`] letters that are
/// dead of the same death still. The caller has locked their keys.
pub(crate) async fn replay_deaths(
    transaction: &mut Transaction<'static, Postgres>,
    deaths: &[Death],
    plan: i64,
) -> Result<Vec<Uuid>, StoreError> {
    let same: Vec<Uuid> = sqlx::query_scalar(
        "select p.id from unnest($1::uuid[], $2::timestamptz[]) as g (id, dead_at)
         join progress p on p.id = g.id and p.finished_at = g.dead_at
         where p.state = 'dead' order by p.id for update of p",
    )
    .bind(deaths.iter().map(|death| death.id).collect::<Vec<_>>())
    .bind(deaths.iter().map(|death| death.at).collect::<Vec<_>>())
    .fetch_all(&mut **transaction)
    .await?;
    let mut replayed = replay_locked(transaction, &same, None, Some(plan)).await?;
    if waybill_drill::mutant("plan_blind") {
        replayed.extend(replay_blindly(transaction, deaths).await?);
    }
    Ok(replayed)
}

/// The defect `plan_blind`: letters are replayed although they were already, and processed since.
async fn replay_blindly(
    transaction: &mut Transaction<'static, Postgres>,
    deaths: &[Death],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "update progress set state = 'accepted', due_at = now(), finished_at = null
         where id = any($1) and state = 'processed' returning id",
    )
    .bind(deaths.iter().map(|death| death.id).collect::<Vec<_>>())
    .fetch_all(&mut **transaction)
    .await?)
}

/// Verb `replay`, in a transaction that has locked the keys.
async fn replay_locked(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
    reason: Option<&str>,
    plan: Option<i64>,
) -> Result<Vec<Uuid>, StoreError> {
    let replayed: Vec<Uuid> = sqlx::query_scalar(decided!(
        "set state = 'accepted', due_at = now(), finished_at = null, attempts_base = attempts"
    ))
    .bind(ids)
    .bind("replay")
    .bind(reason)
    .bind(plan)
    .fetch_all(&mut **transaction)
    .await?;
    ordering::rejoin(transaction, &replayed).await?;
    Ok(replayed)
}

pub(crate) fn few(ids: &[Uuid]) -> Result<(), StoreError> {
    if ids.len() <= DECIDED_MAX {
        return Ok(());
    }
    Err(StoreError::Bug(format!("{} dead letters at once; at most {DECIDED_MAX}", ids.len())))
}
