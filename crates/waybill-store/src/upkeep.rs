//! What PostgreSQL needs somebody to look after: disk, WAL and what holds it back, archiving, vacuum
//! of the tables that change most. Reads statistics, changes nothing. What this role may not see, or
//! SQL does not tell, is unknown, never well.

use crate::{Store, StoreError};

/// The tables whose rows change with every message.
const HOT: [&str; 4] = ["progress", "ordering", "in_hand", "attempt"];

/// What is to be looked after.
#[derive(Debug, Clone, PartialEq)]
pub struct Upkeep {
    /// Bytes of this database.
    pub database_bytes: i64,
    /// Bytes in the WAL's folder; none: this role may not see them (`pg_monitor`).
    pub wal_bytes: Option<i64>,
    /// `max_wal_size`, in bytes: what it is kept to while nothing holds it.
    pub wal_bytes_max: i64,
    /// Replication slots.
    pub slots: Vec<Slot>,
    /// `archive_mode` is on.
    pub archives: bool,
    /// Seconds for which archiving has failed and not succeeded since; none: it has not failed.
    pub archive_failing_s: Option<f64>,
    /// `autovacuum` is on.
    pub autovacuum: bool,
    /// The hot tables.
    pub tables: Vec<Hot>,
}

/// A replication slot: it holds WAL back until its reader has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether anybody reads it.
    pub active: bool,
    /// Bytes of WAL that it holds; none: not known on a standby.
    pub bytes: Option<i64>,
}

/// A hot table, and what vacuum has left in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hot {
    /// Its name.
    pub name: String,
    /// Dead rows, by the statistics.
    pub dead: i64,
    /// Dead rows at which autovacuum begins.
    pub dead_max: i64,
    /// Autovacuum is off for this table.
    pub is_off: bool,
}

impl Store {
    /// What is to be looked after.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn upkeep(&self) -> Result<Upkeep, StoreError> {
        let (database_bytes, wal_bytes_max, archives, archive_failing_s, autovacuum, sees_wal): (
            i64,
            i64,
            bool,
            Option<f64>,
            bool,
            bool,
        ) = sqlx::query_as(
            "select pg_database_size(current_database()), pg_size_bytes(current_setting('max_wal_size')),
                    current_setting('archive_mode') <> 'off',
                    (select extract(epoch from clock_timestamp() - last_failed_time)::float8
                     from pg_stat_archiver
                     where last_failed_time > coalesce(last_archived_time, '-infinity')),
                    current_setting('autovacuum')::bool,
                    has_function_privilege('pg_ls_waldir()', 'execute')",
        )
        .fetch_one(self.pool())
        .await?;
        let wal_bytes = if sees_wal {
            let size = "select coalesce(sum(size), 0)::bigint from pg_ls_waldir()";
            Some(sqlx::query_scalar(size).fetch_one(self.pool()).await?)
        } else {
            None
        };
        let slots: Vec<(String, bool, Option<i64>)> = sqlx::query_as(
            "select slot_name::text as name, active,
                    case when not pg_is_in_recovery()
                         then pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint end as bytes
             from pg_replication_slots order by slot_name",
        )
        .fetch_all(self.pool())
        .await?;
        Ok(Upkeep {
            database_bytes,
            wal_bytes,
            wal_bytes_max,
            slots: slots.into_iter().map(|(name, active, bytes)| Slot { name, active, bytes }).collect(),
            archives,
            archive_failing_s,
            autovacuum,
            tables: self.hot().await?,
        })
    }

    async fn hot(&self) -> Result<Vec<Hot>, StoreError> {
        let tables: Vec<(String, i64, i64, bool)> = sqlx::query_as(
            "select s.relname::text as name, s.n_dead_tup as dead,
                    (current_setting('autovacuum_vacuum_threshold')::float8
                     + current_setting('autovacuum_vacuum_scale_factor')::float8
                       * greatest(c.reltuples, 0))::bigint as dead_max,
                    coalesce('autovacuum_enabled=false' = any(c.reloptions), false) as is_off
             from pg_stat_user_tables s join pg_class c on c.oid = s.relid
             where s.schemaname = 'public' and s.relname = any($1) order by 1",
        )
        .bind(&HOT[..])
        .fetch_all(self.pool())
        .await?;
        let hot = |(name, dead, dead_max, is_off)| Hot { name, dead, dead_max, is_off };
        Ok(tables.into_iter().map(hot).collect())
    }
}
