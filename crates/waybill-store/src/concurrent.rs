//! Indexes on tables that everybody writes to, made beside the running processes.
//!
//! `create index` stops all writing for as long as it reads the table; `concurrently` does not, but
//! stands in no transaction and in no migration. One that was interrupted is left invalid, and is made
//! again. Never waits for another caller inside of a statement: the index would wait for that in turn.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Executor as _};

use crate::{Store, StoreError};

/// Name, and what it is on.
const INDEXES: &[(&str, &str)] = &[
    // the newest messages in the ledger's order: what the blind index has not seen
    ("receipt_seq", "receipt (seq)"),
];

/// Between two looks at another caller's work.
const LOOK: Duration = Duration::from_millis(200);

impl Store {
    /// Makes the indexes that are missing. Several callers wait for each other.
    pub(crate) async fn make_indexes(&self) -> Result<(), StoreError> {
        let mut connection = self.pool().acquire().await?;
        for (name, on) in INDEXES {
            loop {
                if self.has_index(name).await? == Some(true) {
                    break;
                }
                let mine: bool =
                    sqlx::query_scalar("select pg_try_advisory_lock(hashtext('waybill indexes'))")
                        .fetch_one(&mut *connection)
                        .await?;
                if !mine {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                let half_made = self.has_index(name).await? == Some(false);
                let drop = format!("drop index concurrently if exists {name}");
                let create = format!("create index concurrently if not exists {name} on {on}");
                let steps = if half_made { vec![drop, create] } else { vec![create] };
                let mut made = Ok(());
                for step in steps {
                    if made.is_ok() {
                        made = connection.execute(sqlx::raw_sql(AssertSqlSafe(step))).await.map(drop_result);
                    }
                }
                sqlx::query("select pg_advisory_unlock(hashtext('waybill indexes'))")
                    .execute(&mut *connection)
                    .await?;
                made?;
            }
        }
        Ok(())
    }

    /// Whether the index is there and whole; none: it is not there.
    async fn has_index(&self, name: &str) -> Result<Option<bool>, StoreError> {
        Ok(sqlx::query_scalar("select indisvalid from pg_index where indexrelid = to_regclass($1)")
            .bind(name)
            .fetch_optional(self.pool())
            .await?)
    }
}

fn drop_result<T>(_: T) {}
