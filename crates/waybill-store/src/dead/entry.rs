//! The list of what is dead now: entered and left in the transactions that move the message.
//!
//! Never a transition by itself: it follows the row in `progress`, which is locked meanwhile, so the
//! two cannot part. Groups are met in one order, so that two transactions never wait in a circle.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::{Fingerprint, pattern};

use crate::sweep::{Place, START};
use crate::{Store, StoreError};

/// Dead letters that are entered together when the list is made good.
const PAGE: i64 = 1000;

/// What the members of a group share.
struct Shared {
    source: String,
    kind: String,
    class: String,
    pattern: String,
}

/// Enters those of `ids` that are dead, each with its group; what it was entered with before is
/// replaced. Which were.
pub(crate) async fn enter(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select id, source, kind, finished_at, error_class, error_reason from progress
         where id = any($1) and state = 'dead' order by id for update",
    )
    .bind(ids)
    .fetch_all(&mut *connection)
    .await?;
    let (mut entries, mut groups) = ((Vec::new(), Vec::new(), Vec::new()), BTreeMap::new());
    for row in &rows {
        let reason: String = row.try_get("error_reason")?;
        let shared = Shared {
            source: row.try_get("source")?,
            kind: row.try_get("kind")?,
            class: row.try_get("error_class")?,
            pattern: pattern(&reason),
        };
        let of = Fingerprint::of(&shared.source, &shared.kind, &shared.class, &shared.pattern);
        entries.0.push(row.try_get::<Uuid, _>("id")?);
        entries.1.push(row.try_get::<DateTime<Utc>, _>("finished_at")?);
        entries.2.push(of.as_i64());
        groups.insert(of.as_i64(), shared);
    }
    sqlx::query(
        "with met as (
             insert into dead_group (fingerprint, source, kind, error_class, pattern)
             select * from unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
                  as g (fingerprint, source, kind, error_class, pattern)
             where not exists (select from dead_group known where known.fingerprint = g.fingerprint)
             order by g.fingerprint
             on conflict (fingerprint) do nothing
         )
         insert into dead_list (id, dead_at, fingerprint)
         select * from unnest($1::uuid[], $2::timestamptz[], $3::bigint[])
         on conflict (id) do update set dead_at = excluded.dead_at, fingerprint = excluded.fingerprint",
    )
    .bind(&entries.0)
    .bind(&entries.1)
    .bind(&entries.2)
    .bind(groups.keys().copied().collect::<Vec<_>>())
    .bind(groups.values().map(|g| g.source.as_str()).collect::<Vec<_>>())
    .bind(groups.values().map(|g| g.kind.as_str()).collect::<Vec<_>>())
    .bind(groups.values().map(|g| g.class.as_str()).collect::<Vec<_>>())
    .bind(groups.values().map(|g| g.pattern.as_str()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    Ok(entries.0)
}

/// Takes `ids` off the list, where they are on it and not dead (any more); which were.
pub(crate) async fn leave(connection: &mut PgConnection, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(
        "delete from dead_list l where l.id = any($1)
           and not exists (select from progress p where p.id = l.id and p.state = 'dead')
         returning l.id",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?)
}

impl Store {
    /// Enters every dead letter that is not on the list, a page at a time: what was dead before there
    /// was a list. How many were entered.
    ///
    /// # Errors
    /// When the ledger does not answer; the pages that were entered stay so.
    pub async fn list_the_dead(&self) -> Result<u64, StoreError> {
        let (mut after, mut entered): (Place, u64) = (START, 0);
        loop {
            let page: Vec<(DateTime<Utc>, Uuid)> = sqlx::query_as(
                "select p.finished_at, p.id from progress p
                 where p.state = 'dead' and (p.finished_at, p.id) > ($1, $2)
                   and not exists (select from dead_list l where l.id = p.id)
                 order by p.finished_at, p.id limit $3",
            )
            .bind(after.0)
            .bind(after.1)
            .bind(PAGE)
            .fetch_all(self.pool())
            .await?;
            let Some(last) = page.last() else { return Ok(entered) };
            after = *last;
            let ids: Vec<Uuid> = page.iter().map(|(_, id)| *id).collect();
            let mut transaction = self.begin().await?;
            entered += enter(&mut transaction, &ids).await?.len() as u64;
            transaction.commit().await?;
        }
    }
}
