//! Retention: bodies of final messages are let go when their source's `retention_days` are over.
//! Receipts, keys, states and attempts stay. The body of a message that is unfinished or dead is
//! never let go.
//!
//! Bodies are kept by day (ids carry the time they were given). A day falls as a whole when the
//! longest retention of all sources is over; what must outlive it is moved out first. Sources that
//! keep theirs shorter are walked through, a page at a time. A discarded message keeps its body for a
//! day after the discard, so that this can be undone; what an edit changed goes with the body of the
//! message that was edited.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use sqlx::{AssertSqlSafe, Executor as _};
use uuid::Uuid;

use crate::conservation::first_id_at;
use crate::{Store, StoreError};

/// Days for which there is a table ahead.
const DAYS_AHEAD: u64 = 3;
/// Bodies that may outlive their day; more of them keep it.
const MOVED_MAX: usize = 10_000;
/// Nobody waits for a lock behind us for longer than this.
const LOCK_WAIT: Duration = Duration::from_millis(300);

/// A day that fell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    /// Its table.
    pub table: String,
    /// Bodies of unfinished and dead messages that were moved out of it.
    pub moved: usize,
}

/// The tables of days and where each ends, the oldest first.
const DAYS: &str = "
select c.relname::text,
       substring(pg_get_expr(c.relpartbound, c.oid) from $$TO \\('([0-9a-f-]{36})'\\)$$)::uuid as ends
from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'body'::regclass and c.relname <> 'body_default'
order by 2";

impl Store {
    /// Makes sure that today and the next days have their tables. How many were made.
    pub async fn keep_days_ahead(&self) -> Result<u32, StoreError> {
        let today: DateTime<Utc> = sqlx::query_scalar("select now()").fetch_one(self.pool()).await?;
        let ends: Option<Uuid> = self.days().await?.last().map(|(_, ends)| *ends);
        let mut made = 0;
        for ahead in 0..=DAYS_AHEAD {
            let Some(day) = today.date_naive().checked_add_days(Days::new(ahead)) else { break };
            let Some(next) = day.succ_opt() else { break };
            let (from, to) = (first_id_of(day), first_id_of(next));
            if ends.is_some_and(|ends| to <= ends) {
                continue;
            }
            // the first table may end inside of a day
            let from = ends.map_or(from, |ends| from.max(ends));
            match self.make_day(&format!("body_{}", day.format("%Y%m%d")), from, to).await {
                Ok(()) => made += 1,
                // the net has taken bodies of that day already: they stay there
                Err(StoreError::Refused(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    async fn days(&self) -> Result<Vec<(String, Uuid)>, StoreError> {
        Ok(sqlx::query_as(DAYS).fetch_all(self.pool()).await?)
    }

    /// Attached, not created in place: that takes no lock which stops the accept path.
    async fn make_day(&self, table: &str, from: Uuid, to: Uuid) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query("select pg_advisory_xact_lock(hashtext('waybill days'))")
            .execute(&mut *transaction)
            .await?;
        let there: Option<String> = sqlx::query_scalar("select to_regclass($1)::text")
            .bind(table)
            .fetch_one(&mut *transaction)
            .await?;
        if there.is_some() {
            return Ok(());
        }
        let steps = format!(
            "create table {table} (like body including storage);
             alter table body attach partition {table} for values from ('{from}') to ('{to}');"
        );
        transaction.execute(sqlx::raw_sql(AssertSqlSafe(steps))).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Lets the oldest day fall, if it ended more than the longest retention of all sources ago.
    ///
    /// # Errors
    /// [`StoreError::Contended`] when somebody uses the table: try again later.
    pub async fn drop_oldest_day(&self) -> Result<Option<Fallen>, StoreError> {
        let over: Option<Uuid> = sqlx::query_scalar(
            "select id_at(now() - make_interval(days => max((spec->>'retention_days')::integer))) from source",
        )
        .fetch_one(self.pool())
        .await?;
        let oldest = self.days().await?.into_iter().next();
        let (Some((table, ends)), Some(over)) = (oldest, over) else { return Ok(None) };
        if ends > over {
            return Ok(None);
        }
        // looked for before anything is locked: what is final so long after it came stays final
        let staying: Vec<Uuid> = sqlx::query_scalar(AssertSqlSafe(format!(
            "select b.id from {table} b left join progress p on p.id = b.id
             where p.state is null or p.state not in ('processed', 'discarded')
                or p.state = 'discarded' and p.finished_at > now() - interval '1 day' limit $1"
        )))
        .bind(i64::try_from(MOVED_MAX + 1).unwrap_or(i64::MAX))
        .fetch_all(self.pool())
        .await?;
        if staying.len() > MOVED_MAX {
            tracing::error!(
                table,
                "more than {MOVED_MAX} of its messages are unfinished or dead: their day stays"
            );
            return Ok(None);
        }
        let mut transaction = self.begin().await?;
        let wait = format!("set local lock_timeout = {}", LOCK_WAIT.as_millis());
        transaction.execute(AssertSqlSafe(wait)).await?;
        transaction.execute(AssertSqlSafe(format!("alter table body detach partition {table}"))).await?;
        // no day takes them now, so the net does
        sqlx::query(AssertSqlSafe(format!("insert into body select * from {table} where id = any($1)")))
            .bind(&staying)
            .execute(&mut *transaction)
            .await?;
        transaction.execute(AssertSqlSafe(format!("drop table {table}"))).await?;
        sqlx::query(
            "insert into retention (source, let_go_before) select name, $1 from source
             on conflict (source) do update
             set let_go_before = greatest(retention.let_go_before, excluded.let_go_before)",
        )
        .bind(ends)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Some(Fallen { table, moved: staying.len() }))
    }

    /// Lets go of the next `limit` bodies of each source that keeps its bodies for a shorter time
    /// than another. How many were let go.
    pub async fn let_bodies_go(&self, limit: u32) -> Result<u64, StoreError> {
        let shorter: Vec<(String, i32)> = sqlx::query_as(
            "select name, days from (
                 select name, (spec->>'retention_days')::integer as days,
                        max((spec->>'retention_days')::integer) over () as longest
                 from source) s
             where days < longest order by name",
        )
        .fetch_all(self.pool())
        .await?;
        let mut gone = 0;
        for (source, days) in shorter {
            gone += self.let_go_of(&source, days, limit).await?;
        }
        Ok(gone + self.clear_the_net(limit).await?)
    }

    async fn let_go_of(&self, source: &str, days: i32, limit: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let over: Uuid = sqlx::query_scalar("select id_at(now() - make_interval(days => $1))")
            .bind(days)
            .fetch_one(&mut *transaction)
            .await?;
        let page: Vec<Uuid> = sqlx::query_scalar(
            "select id from receipt
             where source = $1 and id < $2 and id >= coalesce(
                 (select let_go_before from retention where source = $1),
                 '00000000-0000-0000-0000-000000000000')
             order by id limit $3",
        )
        .bind(source)
        .bind(over)
        .bind(i64::from(limit))
        .fetch_all(&mut *transaction)
        .await?;
        let gone = sqlx::query(
            "delete from body b using progress p
             where b.id = any($1) and p.id = b.id
               and (p.state = 'processed'
                    or p.state = 'discarded' and p.finished_at < now() - interval '1 day')",
        )
        .bind(&page)
        .execute(&mut *transaction)
        .await?;
        let before = match page.last() {
            // there may be more: only up to here was looked at
            Some(last) if page.len() >= limit as usize => Uuid::from_u128(last.as_u128().saturating_add(1)),
            _ => over,
        };
        sqlx::query(
            "insert into retention (source, let_go_before) values ($1, $2)
             on conflict (source) do update
             set let_go_before = greatest(retention.let_go_before, excluded.let_go_before)",
        )
        .bind(source)
        .bind(before)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(gone.rows_affected())
    }

    /// Bodies in the net whose messages have become final, and whose time is over.
    async fn clear_the_net(&self, limit: u32) -> Result<u64, StoreError> {
        let gone = sqlx::query(
            "delete from body_default where id in (
                 select b.id from body_default b
                 join progress p on p.id = b.id
                     and (p.state = 'processed'
                          or p.state = 'discarded' and p.finished_at < now() - interval '1 day')
                 join retention kept on kept.source = p.source and b.id < kept.let_go_before
                 limit $1)",
        )
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(gone.rows_affected())
    }
}

impl Store {
    /// Lets go of what edits changed when the body of the message that was edited is gone, and of
    /// places that were given up by a discard which nobody can undo any more. At most `limit` of each.
    pub async fn let_decisions_go(&self, limit: u32) -> Result<u64, StoreError> {
        let changed = sqlx::query(
            "delete from difference where id in (
                 select d.id from difference d
                 join retention kept on kept.source = d.source and d.replaces < kept.let_go_before
                 left join lateral (select true as there from body where body.id = d.replaces limit 1) b on true
                 where b.there is null
                 limit $1)",
        )
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        let places = sqlx::query(
            "delete from given_up where (id, key) in (
                 select id, key from given_up where given_up_at < now() - interval '1 day'
                 order by given_up_at limit $1)",
        )
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(changed.rows_affected() + places.rows_affected())
    }
}

/// The first id that a day could have given.
fn first_id_of(day: NaiveDate) -> Uuid {
    first_id_at(day.and_time(NaiveTime::MIN).and_utc())
}
