//! The ordering gate: at most one message of a key in hand, and none before its predecessors.
//!
//! Claiming and settling take the same advisory lock per key, in one sorted statement, before they
//! look: the look happens in a later statement and so sees everything that was committed under the
//! lock. That closes the race between "held, because an earlier message is unfinished" and
//! "finished, and nobody was waiting". A batch without keys takes no lock: it pays one empty lookup
//! for each claim and each record, and nothing that follows is asked.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::StoreError;

/// Locks the ordering keys of these messages until the transaction ends; whether there are any.
///
/// A dead message that holds nothing has its keys in `skipped`: they are locked too, so that a
/// delivery of it that comes late meets its replay under the same lock.
pub(crate) async fn lock(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<bool, StoreError> {
    lock_also(transaction, ids, &[]).await
}

/// [`lock`], with more keys: those of a message that is to join them, and those that a discard gave
/// up. All of them in one sorted statement, as everybody locks.
pub(crate) async fn lock_also(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
    keys: &[i64],
) -> Result<bool, StoreError> {
    let locked = sqlx::query(
        "select pg_advisory_xact_lock(key)
         from (select key from ordering where id = any($1)
               union select key from skipped where id = any($1)
               union select key from unnest($2::bigint[]) as more (key) order by key offset 0) k",
    )
    .bind(ids)
    .bind(keys)
    .execute(&mut **transaction)
    .await?;
    Ok(locked.rows_affected() > 0)
}

/// What becomes of the places of messages that were settled.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// No longer in hand: all of them.
    pub all: Vec<Uuid>,
    /// Final: their places are given up.
    pub finished: Vec<Uuid>,
    /// Dead, and holding nothing: their places are kept for a replay, out of the gate's sight.
    pub skipped: Vec<Uuid>,
}

impl Places {
    /// All of these are final.
    pub(crate) fn finished(ids: &[Uuid]) -> Self {
        Self { all: ids.to_vec(), finished: ids.to_vec(), skipped: Vec::new() }
    }
}

/// Lets go of settled messages, takes the finished and the skipped out of their keys, and releases
/// what now stands first in a key: due at once, left to the releasing worker for a moment.
///
/// A released message that still waits on another of its keys is simply held again by the claim.
pub(crate) async fn leave(
    transaction: &mut Transaction<'static, Postgres>,
    places: &Places,
) -> Result<Vec<Uuid>, StoreError> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "with let_go as (delete from in_hand where id = any($1))
         select distinct key from ordering where id = any($1)",
    )
    .bind(&places.all)
    .fetch_all(&mut **transaction)
    .await?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(
        "with passed as (
             -- effects of a later message: a discard before it is no longer undone without a loss
             update given_up g set passed_by = o.id
             from ordering o join progress p on p.id = o.id
             where o.id = any($1) and p.state = 'processed' and p.ignored is null
               and g.key = o.key and g.seq < o.seq and g.holds and g.passed_by is null
         ), kept as (
             delete from ordering where id = any($2) returning id, key, seq
         ), places as (
             insert into skipped (id, key, seq) select id, key, seq from kept
         )
         delete from ordering where id = any($1)",
    )
    .bind(&places.finished)
    .bind(&places.skipped)
    .execute(&mut **transaction)
    .await?;
    if waybill_drill::mutant("hold_without_release") {
        return Ok(Vec::new());
    }
    release(transaction, &keys).await
}

/// Verb `release`: what stands first in these keys and is held becomes due.
pub(crate) async fn release(
    transaction: &mut Transaction<'static, Postgres>,
    keys: &[i64],
) -> Result<Vec<Uuid>, StoreError> {
    let released = sqlx::query_scalar(
        "with head as (
             select first.id
             from unnest($1::bigint[]) as k (key)
             cross join lateral (
                 select id from ordering where ordering.key = k.key order by seq limit 1) first
         ), waiting as (
             select p.id from progress p
             where p.id in (select id from head) and p.state = 'held'
             order by p.id for update
         )
         update progress p
         set state = 'accepted', due_at = now(), released_at = now(),
             -- the worker that releases may go on with it, without a trip through the broker
             lease_until = now() + interval '1 second'
         from waiting where p.id = waiting.id and p.state = 'held'
         returning p.id",
    )
    .bind(keys)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(released)
}

/// Gives messages that were skipped their old places back: whatever comes later and is unfinished
/// waits for them again.
pub(crate) async fn rejoin(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "with kept as (delete from skipped where id = any($1) returning key, seq, id)
         insert into ordering (key, seq, id) select key, seq, id from kept",
    )
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Keeps the places of messages that are discarded, for an undo.
pub(crate) async fn give_up(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into given_up (id, key, seq, holds)
         select id, key, seq, true from ordering where id = any($1)
         union all select id, key, seq, false from skipped where id = any($1)",
    )
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Gives messages whose discard is undone their old places back, in the gate's sight or out of it.
pub(crate) async fn take_back(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "with back as (
             delete from given_up where id = any($1) returning id, key, seq, holds
         ), aside as (
             insert into skipped (id, key, seq) select id, key, seq from back where not holds
         )
         insert into ordering (key, seq, id) select key, seq, id from back where holds",
    )
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Gives up the places that were kept for these messages.
pub(crate) async fn forget(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query("delete from skipped where id = any($1)").bind(ids).execute(&mut **transaction).await?;
    Ok(())
}
