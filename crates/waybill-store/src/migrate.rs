//! The schema's migrations, compiled in. Run by `waybill migrate`, never by a starting process.
//!
//! A migration that was released is never edited; the schema changes by expand, then contract, so
//! that old and new processes can run side by side.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::{Store, StoreError};

/// Every migration: number, what it does, its text.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "ledger", include_str!("../migrations/0001_ledger.sql")),
    (2, "audit", include_str!("../migrations/0002_audit.sql")),
    (3, "warnings and merges", include_str!("../migrations/0003_warnings_and_merges.sql")),
    (4, "decisions", include_str!("../migrations/0004_decisions.sql")),
    (5, "findings and retention", include_str!("../migrations/0005_findings_and_retention.sql")),
    (6, "groups of dead letters", include_str!("../migrations/0006_dead_groups.sql")),
    (7, "audit chain", include_str!("../migrations/0007_audit_chain.sql")),
    (8, "plans", include_str!("../migrations/0008_plans.sql")),
    (9, "console", include_str!("../migrations/0009_console.sql")),
    (10, "find", include_str!("../migrations/0010_find.sql")),
    (11, "undo and edit", include_str!("../migrations/0011_undo_and_edit.sql")),
    (12, "retention of groups", include_str!("../migrations/0012_retention_of_groups.sql")),
    (13, "ways of acts", include_str!("../migrations/0013_ways_of_acts.sql")),
];
/// Migrations that commit between their steps, and so run outside of a transaction.
const IN_STEPS: &[i64] = &[5, 6];

impl Store {
    /// Brings the schema up to date; does nothing when it is. Several callers wait for each other.
    ///
    /// # Errors
    /// When the ledger is unreachable, or holds migrations this version does not know.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let migrations: Vec<_> = MIGRATIONS
            .iter()
            .map(|&(version, description, text)| {
                let sql = AssertSqlSafe(text).into_sql_str();
                Migration::new(
                    version,
                    Cow::Borrowed(description),
                    MigrationType::Simple,
                    sql,
                    IN_STEPS.contains(&version),
                )
            })
            .collect();
        let migrator = Migrator { migrations: Cow::Owned(migrations), ..Migrator::DEFAULT };
        let before = self.applied().await?;
        migrator.run(self.pool()).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(e) | sqlx::migrate::MigrateError::ExecuteMigration(e, _) => {
                StoreError::from(e)
            }
            other => StoreError::Bug(format!("migrations: {other}")),
        })?;
        self.keep_days_ahead().await?;
        self.list_the_dead().await?;
        self.make_indexes().await?;
        Ok(Migrated { before, now: MIGRATIONS.len() })
    }

    /// How many migrations the ledger has, and how many this version knows; changes nothing.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn migrations(&self) -> Result<Migrated, StoreError> {
        Ok(Migrated { before: self.applied().await?, now: MIGRATIONS.len() })
    }

    /// What the migration of this number does; none: this version does not know one.
    pub fn migration_name(number: usize) -> Option<&'static str> {
        MIGRATIONS.get(number.checked_sub(1)?).map(|&(_, name, _)| name)
    }

    /// How many migrations the ledger has; 0 for an empty database.
    async fn applied(&self) -> Result<usize, StoreError> {
        let known: Option<String> =
            sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text").fetch_one(self.pool()).await?;
        if known.is_none() {
            return Ok(0);
        }
        let count: i64 = sqlx::query_scalar("select count(*) from _sqlx_migrations where success")
            .fetch_one(self.pool())
            .await?;
        Ok(usize::try_from(count).unwrap_or_default())
    }
}

/// What a migration run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// Migrations the ledger had.
    pub before: usize,
    /// Migrations it has now.
    pub now: usize,
}
