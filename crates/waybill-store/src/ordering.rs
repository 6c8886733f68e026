//! The ordering gate: at most one message of a key in hand, and none before its predecessors.
//!
//! Claiming and settling take the same advisory lock per key, in one sorted statement, before they
//! look: the look happens in a later statement and so sees everything that was committed under the
//! lock. That closes the race between "held, because an earlier message is unfinished" and
//! "finished, and nobody was waiting". Messages without keys take no lock and pay one empty lookup.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::StoreError;

/// Locks the ordering keys of these messages until the transaction ends.
pub(crate) async fn lock(
    transaction: &mut Transaction<'static, Postgres>,
    ids: &[Uuid],
) -> Result<(), StoreError> {
    sqlx::query(
        "select pg_advisory_xact_lock(key)
         from (select distinct key from ordering where id = any($1) order by key offset 0) k",
    )
    .bind(ids)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes the finished messages out of their keys, lets go of the ones that were in hand, and
/// releases what now stands first in a key: due at once, left to the releasing worker for a moment.
///
/// A released message that still waits on another of its keys is simply held again by the claim.
pub(crate) async fn leave(
    transaction: &mut Transaction<'static, Postgres>,
    settled: &[Uuid],
    finished: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    let keys: Vec<i64> = sqlx::query_scalar(
        "with let_go as (delete from in_hand where id = any($1))
         select distinct key from ordering where id = any($1)",
    )
    .bind(settled)
    .fetch_all(&mut **transaction)
    .await?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query("delete from ordering where id = any($1)").bind(finished).execute(&mut **transaction).await?;
    if waybill_drill::mutant("hold_without_release") {
        return Ok(Vec::new());
    }
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
         set state = 'accepted', due_at = now(),
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
