//! Connections to the ledger.
//!
//! Two traps of the client library are closed here, and nowhere else. `Pool::begin` is not
//! cancel-safe in sqlx 0.9.0 (a future dropped during BEGIN returns the connection to the pool
//! inside a transaction that nobody commits): [`Store::begin`] runs it on a task of its own, and
//! every connection is asked before use whether it is inside a transaction. Limits on waiting are
//! set on the server's side, so that no statement outlives the caller by much.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Postgres, Row as _, Transaction};

use crate::StoreError;

/// Limits on the use of the ledger. All are per process.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections.
    pub connections_max: u32,
    /// Waiting for a free connection.
    pub acquire_timeout: Duration,
    /// One statement.
    pub statement_timeout: Duration,
    /// Waiting for a lock.
    pub lock_timeout: Duration,
}

/// The ledger, reached over a pool of connections. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Prepares connections; the first one is opened when it is needed, so that a process can
    /// start, and say why it is not ready, while PostgreSQL is away.
    ///
    /// # Errors
    /// When `url` is not a PostgreSQL URL.
    pub fn new(url: &str, application: &str, limits: Limits) -> Result<Self, StoreError> {
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| StoreError::Bug("database.url is not a PostgreSQL URL".into()))?
            .application_name(application)
            .options([
                ("statement_timeout", milliseconds(limits.statement_timeout)),
                ("lock_timeout", milliseconds(limits.lock_timeout)),
                ("idle_in_transaction_session_timeout", "10000".to_owned()),
                // an answer means "safe on disk", whatever the server's default is
                ("synchronous_commit", "on".to_owned()),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections_max)
            .acquire_timeout(limits.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    // inside a transaction the two differ: such a connection is thrown away
                    let row = sqlx::query("select now() <> statement_timestamp() as inside")
                        .fetch_one(connection)
                        .await?;
                    Ok(!row.try_get::<bool, _>("inside")?)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// The pool, for statements that commit by themselves.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction, safe against the caller being cancelled meanwhile.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let pool = self.pool.clone();
        #[expect(clippy::disallowed_methods, reason = "this is the one safe place for both")]
        let begun = tokio::spawn(async move { pool.begin().await }).await;
        match begun {
            Ok(transaction) => Ok(transaction?),
            Err(_) => Err(StoreError::Unavailable("beginning a transaction was interrupted".into())),
        }
    }

    /// Asks the ledger for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1 from progress limit 0").execute(&self.pool).await?;
        Ok(())
    }

    /// Closes every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
