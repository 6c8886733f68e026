//! Whether PostgreSQL keeps what it commits: an answer means "safe on disk" only if it does.
//!
//! Asked on a connection without settings of ours, so that what is seen is what the server, the
//! database or the role says: whoever turned it off there has given up safety for speed.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::{Config, StoreError};

/// The settings that must not be off, and what is lost if they are.
const NEEDED: [(&str, &str); 3] = [
    ("fsync", "a crash of the machine loses what was committed"),
    ("full_page_writes", "a crash of the machine can destroy whole pages"),
    ("synchronous_commit", "a crash of the server loses what was committed last"),
];

/// Looks at the server's settings.
#[derive(Debug, Clone)]
pub struct Durability {
    pool: PgPool,
}

impl Durability {
    /// Prepares a connection; it is opened when it is needed.
    ///
    /// # Errors
    /// When the URL is none of PostgreSQL's.
    pub fn new(config: &Config) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(|_| StoreError::Bug("database.url is not a PostgreSQL URL".into()))?
            .application_name("waybill durability")
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .max_lifetime(Duration::from_secs(5))
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// The settings that are off, a sentence each; none: what is committed is kept.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn faults(&self) -> Result<Vec<String>, StoreError> {
        let names: Vec<&str> = NEEDED.iter().map(|(name, _)| *name).collect();
        let off: Vec<String> = sqlx::query_scalar(
            "select name from unnest($1::text[]) as wanted (name) where current_setting(name) = 'off'",
        )
        .bind(names)
        .fetch_all(&self.pool)
        .await?;
        let explain = |(name, lost): &(&str, &str)| {
            off.iter().any(|found| found == name).then(|| {
                format!("PostgreSQL runs with {name} = off: {lost}; set it to on and reload the server")
            })
        };
        Ok(NEEDED.iter().filter_map(explain).collect())
    }
}
