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

/// The section `database` of the configuration. All limits are per process.
#[derive(Clone, serde::Deserialize)]
pub struct Config {
    /// Where the ledger is; holds a password.
    pub url: String,
    /// Open connections.
    pub connections_max: u32,
    /// For a connection to become free, in milliseconds.
    pub acquire_timeout_ms: u64,
    /// For one statement, in milliseconds.
    pub statement_timeout_ms: u64,
    /// For a lock, in milliseconds.
    pub lock_timeout_ms: u64,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "database::Config(…, connections_max = {})", self.connections_max)
    }
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
    /// When the URL is none of PostgreSQL's.
    pub fn new(config: &Config, application: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(|_| StoreError::Bug("database.url is not a PostgreSQL URL".into()))?
            .application_name(application)
            .options([
                ("statement_timeout", config.statement_timeout_ms.to_string()),
                ("lock_timeout", config.lock_timeout_ms.to_string()),
                ("idle_in_transaction_session_timeout", "10000".to_owned()),
                // the gate's second look must see what was committed while it waited for its lock
                ("default_transaction_isolation", "read committed".to_owned()),
                // compiling our short statements costs more than running them
                ("jit", "off".to_owned()),
                // an answer means "safe on disk", whatever the server's default is
                ("synchronous_commit", "on".to_owned()),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .test_before_acquire(false)
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    // inside a transaction the two differ: such a connection is thrown away. Asked as
                    // a simple query, for with the extended protocol they differ outside of one too
                    let row = sqlx::raw_sql("select now() <> statement_timestamp() as inside")
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
