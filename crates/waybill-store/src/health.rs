//! How PostgreSQL itself is: what `waybill doctor` asks it. Reads settings and statistics, changes
//! nothing.

use chrono::{DateTime, Utc};
use sqlx::Row as _;

use crate::dead::HELD_MAX;
use crate::{Store, StoreError};

/// PostgreSQL's settings and state.
#[derive(Debug, Clone, PartialEq)]
pub struct Health {
    /// For instance 150018 for 15.18.
    pub version_num: i32,
    /// Whether commits reach the disk: `fsync`.
    pub fsync: bool,
    /// Whether a torn page can be mended: `full_page_writes`.
    pub full_page_writes: bool,
    /// `synchronous_commit` of our connections, which set it themselves.
    pub synchronous_commit: String,
    /// Whether it is a standby, and takes no writes.
    pub in_recovery: bool,
    /// Its clock.
    pub now: DateTime<Utc>,
    /// Connections it takes, without those kept for superusers.
    pub connections_max: i64,
    /// Connections there are.
    pub connections: i64,
    /// Age of the oldest transaction in this database, in seconds; other roles' are not seen
    /// without the right `pg_read_all_stats`.
    pub oldest_transaction_s: f64,
    /// Age of the database's oldest transaction id, as a share of what forces a vacuum.
    pub freeze_share: f64,
}

/// A lane's published messages that should long be in its queue or in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The lane.
    pub lane: String,
    /// Messages published more than a minute ago and not claimed.
    pub messages: i64,
}

/// Held messages, of the oldest ones that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How many; with [`HELD_MAX`] there may be more.
    pub messages: i64,
    /// Dead letters that stand first in a key of one of these.
    pub letters: i64,
}

/// `offset 0`: one by one, by index, whatever the statistics say.
const HELD: &str = "
with held as materialized (
    select id from progress where state = 'held' order by id limit $1
)
select (select count(*) from held),
       (select count(distinct e.id) from held
        cross join lateral (select key from ordering where id = held.id offset 0) o
        cross join lateral (
            select first.id from ordering first where first.key = o.key order by first.seq limit 1) head
        cross join lateral (select id from dead_list where id = head.id offset 0) e)";

impl Store {
    /// How PostgreSQL is.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn health(&self) -> Result<Health, StoreError> {
        let row = sqlx::query(
            "select current_setting('server_version_num')::int as version_num,
                    current_setting('fsync')::bool as fsync,
                    current_setting('full_page_writes')::bool as full_page_writes,
                    current_setting('synchronous_commit') as synchronous_commit,
                    pg_is_in_recovery() as in_recovery,
                    clock_timestamp() as now,
                    (current_setting('max_connections')::int
                        - current_setting('superuser_reserved_connections')::int)::bigint as connections_max,
                    (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
                    coalesce((select extract(epoch from clock_timestamp() - min(xact_start))
                              from pg_stat_activity
                              where datname = current_database() and pid <> pg_backend_pid()),
                             0)::float8 as oldest_transaction_s,
                    (select age(datfrozenxid)::float8 / current_setting('autovacuum_freeze_max_age')::float8
                     from pg_database where datname = current_database()) as freeze_share",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Health {
            version_num: row.try_get("version_num")?,
            fsync: row.try_get("fsync")?,
            full_page_writes: row.try_get("full_page_writes")?,
            synchronous_commit: row.try_get("synchronous_commit")?,
            in_recovery: row.try_get("in_recovery")?,
            now: row.try_get("now")?,
            connections_max: row.try_get("connections_max")?,
            connections: row.try_get("connections")?,
            oldest_transaction_s: row.try_get("oldest_transaction_s")?,
            freeze_share: row.try_get("freeze_share")?,
        })
    }

    /// Messages published more than a minute ago and not claimed since, by lane.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn published_for_long(&self) -> Result<Vec<Published>, StoreError> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "select lane, count(*) from progress
             where state = 'published' and published_at < now() - interval '1 minute'
             group by lane order by lane",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(lane, messages)| Published { lane, messages }).collect())
    }

    /// How many messages are held, and the dead letters that hold them: of the first [`HELD_MAX`],
    /// however many are dead.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn held_behind_dead(&self) -> Result<Held, StoreError> {
        let (messages, letters): (i64, i64) =
            sqlx::query_as(HELD).bind(HELD_MAX).fetch_one(self.pool()).await?;
        Ok(Held { messages, letters })
    }
}
