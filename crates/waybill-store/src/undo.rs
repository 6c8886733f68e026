//! Undo: a discard taken back within its grace. The message is the dead letter that it was, in its
//! old place among its keys (docs/adr/0020).
//!
//! What the discard released cannot be called back. A later message of its keys that has had effects
//! since, or is in a worker's hand, is therefore a reason to refuse, unless whoever asks has said
//! that its effects may come after theirs.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::audit::By;
use crate::claim::interval;
use crate::dead::entry;
use crate::{Store, StoreError, decide, ordering};

/// What undoing came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Dead letters again.
    pub undone: Vec<Uuid>,
    /// Left as they are, and why.
    pub refused: Vec<(Uuid, Why)>,
}

/// How to undo.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// For how long after it a discard may be undone.
    pub grace: Duration,
    /// Whether its effects may come after those of later messages of its keys.
    pub out_of_order: bool,
    /// Who undoes it, and why (1 to 500 characters), if they say so.
    pub by: By<'a>,
}

/// Why a discard is not undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is no discarded message (any more), but this.
    Not(String),
    /// This message took its place.
    Replaced(Uuid),
    /// The grace is over.
    TooLate,
    /// Its place among its keys was not kept: an older process discarded it.
    PlaceUnknown,
    /// Its body is no longer kept.
    BodyGone,
    /// This later message of its keys has had effects since.
    Passed(Uuid),
    /// This later message of its keys is in a worker's hand.
    InHand(Uuid),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Not(state) => write!(f, "it is not discarded: it is {state}"),
            Self::Replaced(by) => write!(f, "message {by} has its place: decide upon that one"),
            Self::TooLate => {
                f.write_str("the grace is over (discard.undo_s_max): ask its sender for a new one")
            }
            Self::PlaceUnknown => {
                f.write_str("its place among its keys was not kept: a process older than this discarded it")
            }
            Self::BodyGone => f.write_str("its body is no longer kept (retention_days)"),
            Self::Passed(by) => write!(
                f,
                "message {by}, a later one of its keys, has had effects since: its own would come after \
                 them; --out-of-order says that they may"
            ),
            Self::InHand(by) => write!(
                f,
                "message {by}, a later one of its keys, is being processed: ask again, or say --out-of-order"
            ),
        }
    }
}

const LOOK: &str = "
select p.id, p.state, last.verb, last.dead_at, p.error_class, p.error_reason,
       coalesce(last.decided_at > now() - $2::interval, false) as in_time,
       coalesce(last.places = (select count(*) from given_up g where g.id = p.id), false) as is_placed,
       (select x.id from replacement x where x.replaces = p.id) as replaced_by,
       coalesce(b.there, false) as has_body,
       (select g.passed_by from given_up g where g.id = p.id and g.passed_by is not null limit 1) as passed_by,
       (select h.id from given_up g
        join in_hand h on h.key = g.key
        join ordering o on o.key = h.key and o.id = h.id and o.seq > g.seq
        where g.id = p.id and g.holds limit 1) as in_hand
from progress p
left join lateral (select * from decision d where d.id = p.id order by d.seq desc limit 1) last on true
left join lateral (select true as there from body where body.id = p.id limit 1) b on true
where p.id = any($1)
order by p.id";

/// A discarded message, as looked at under its locks.
struct Letter {
    id: Uuid,
    dead_at: Option<DateTime<Utc>>,
    why_not: Option<Why>,
}

impl Store {
    /// Verb `undo`: these discarded messages, at most [`decide::DECIDED_MAX`], are the dead letters
    /// that they were, in their old places. A second one finds nothing to undo.
    ///
    /// # Errors
    /// As [`Store::replay`]; [`StoreError::Refused`] for an overlong reason.
    pub async fn undo(&self, ids: &[Uuid], how: How<'_>) -> Result<Undone, StoreError> {
        decide::few(ids)?;
        let mut transaction = self.begin().await?;
        lock(&mut transaction, ids).await?;
        // for messages without keys this is the lock
        sqlx::query("select from progress where id = any($1) order by id for update")
            .bind(ids)
            .execute(&mut *transaction)
            .await?;
        let mut undone = Undone::default();
        let mut dead_at = Vec::new();
        for letter in look(&mut transaction, ids, how).await? {
            if let Some(why) = letter.why_not {
                undone.refused.push((letter.id, why));
            } else {
                undone.undone.push(letter.id);
                dead_at.extend(letter.dead_at);
            }
        }
        let moved = bring_back(&mut transaction, &undone.undone, &dead_at, how).await?;
        if moved != undone.undone.len() as u64 {
            return Err(StoreError::Bug(format!(
                "{moved} discards were undone, not {}",
                undone.undone.len()
            )));
        }
        entry::enter(&mut transaction, &undone.undone).await?;
        ordering::take_back(&mut transaction, &undone.undone).await?;
        decide::account(&mut transaction, how.by, "undo", &undone.undone).await?;
        transaction.commit().await?;
        Ok(undone)
    }
}

/// The keys of these messages, whether they have their places or gave them up: one look, so that a
/// discard just under way is seen before it or after it.
async fn lock(transaction: &mut Transaction<'static, Postgres>, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query(
        "select pg_advisory_xact_lock(key)
         from (select key from ordering where id = any($1)
               union select key from skipped where id = any($1)
               union select key from given_up where id = any($1) order by key offset 0) k",
    )
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn look(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
    how: How<'_>,
) -> Result<Vec<Letter>, StoreError> {
    let rows = sqlx::query(LOOK).bind(ids).bind(interval(how.grace)).fetch_all(&mut **transaction).await?;
    let mut letters = Vec::with_capacity(rows.len());
    for row in &rows {
        let state: String = row.try_get("state")?;
        let verb: Option<String> = row.try_get("verb")?;
        let (passed_by, in_hand): (Option<Uuid>, Option<Uuid>) =
            (row.try_get("passed_by")?, row.try_get("in_hand")?);
        let why_not = if state != "discarded" || verb.as_deref() != Some("discard") {
            Some(Why::Not(state))
        } else if let Some(by) = row.try_get("replaced_by")? {
            Some(Why::Replaced(by))
        } else if !row.try_get::<bool, _>("in_time")? {
            Some(Why::TooLate)
        } else if !row.try_get::<bool, _>("is_placed")? {
            Some(Why::PlaceUnknown)
        } else if !row.try_get::<bool, _>("has_body")? {
            Some(Why::BodyGone)
        } else if how.out_of_order {
            None
        } else {
            passed_by.map(Why::Passed).or(in_hand.map(Why::InHand))
        };
        letters.push(Letter { id: row.try_get("id")?, dead_at: row.try_get("dead_at")?, why_not });
    }
    Ok(letters)
}

/// The transition, and the decision's row.
async fn bring_back(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
    dead_at: &[DateTime<Utc>],
    how: How<'_>,
) -> Result<u64, StoreError> {
    let moved = sqlx::query(
        "with letter as (
             select * from unnest($1::uuid[], $2::timestamptz[]) as l (id, dead_at)
         ), noted as (
             insert into decision (id, verb, reason, dead_at, error_class, error_reason, out_of_order)
             select id, 'undo', $3, letter.dead_at, p.error_class, p.error_reason, $4
             from letter join progress p using (id) where p.state = 'discarded' order by id
         )
         update progress p set state = 'dead', finished_at = letter.dead_at
         from letter where p.id = letter.id and p.state = 'discarded'",
    )
    .bind(ids)
    .bind(dead_at)
    .bind(how.by.reason)
    .bind(how.out_of_order)
    .execute(&mut **transaction)
    .await?;
    Ok(moved.rows_affected())
}
