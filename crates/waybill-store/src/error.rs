//! What can go wrong with the ledger, sorted by what the caller does next.
//!
//! PostgreSQL's own messages may quote values of a row ("Key (id)=(…) already exists"), so they
//! stop here: only the SQLSTATE and our own words go on.

use sqlx::postgres::PgDatabaseError;

/// Why the ledger did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, is overloaded or gave up waiting: try again. Whether a write that was
    /// under way took place is unknown.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// Another transaction has what this one needs: try again, or without the rest of the batch.
    #[error(
        "the ledger is busy with another transaction (SQLSTATE {0}); this one changed nothing: try again"
    )]
    Contended(String),
    /// It refused this data; trying the same again is pointless.
    #[error("the ledger refused the data (SQLSTATE {0})")]
    Refused(String),
    /// A fault of this program: a statement that does not fit the schema, or a count that cannot be.
    #[error("{0}; if migrations are pending, run `waybill migrate`")]
    Bug(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db
                    .try_downcast_ref::<PgDatabaseError>()
                    .map_or_else(String::new, |pg| pg.code().to_owned());
                by_code(code)
            }
            sqlx::Error::Io(e) => Self::Unavailable(format!("connection: {}", e.kind())),
            sqlx::Error::Tls(_) => Self::Unavailable("the TLS handshake failed".into()),
            sqlx::Error::PoolTimedOut => Self::Unavailable("no connection became free in time".into()),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Self::Unavailable("the connection pool is closed".into())
            }
            sqlx::Error::Protocol(_) => Self::Unavailable("the connection broke".into()),
            sqlx::Error::Configuration(_) => Self::Bug("database.url cannot be used".into()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::Bug(format!("column {index} holds what this version cannot read"))
            }
            sqlx::Error::RowNotFound => Self::Bug("a row that must exist is missing".into()),
            _ => Self::Bug("a statement failed before it reached the ledger".into()),
        }
    }
}

/// Sorts a SQLSTATE (PostgreSQL documentation, appendix A).
fn by_code(code: String) -> StoreError {
    let class = code.get(..2).unwrap_or_default();
    let transient =
        matches!(class, "08" | "53" | "57" | "58") || matches!(code.as_str(), "25006" | "25P02" | "25P03");
    if matches!(code.as_str(), "40001" | "40P01" | "55P03") {
        StoreError::Contended(code)
    } else if transient {
        StoreError::Unavailable(format!("SQLSTATE {code}"))
    } else if code == "42501" {
        StoreError::Bug(format!("this role may not do that (SQLSTATE {code}): SECURITY.md, least privilege"))
    } else if matches!(class, "42" | "3D" | "3F") {
        StoreError::Bug(format!("a statement does not fit the schema (SQLSTATE {code})"))
    } else if class == "28" {
        StoreError::Unavailable(format!("it refused the credentials (SQLSTATE {code})"))
    } else {
        StoreError::Refused(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(code: &str) -> &'static str {
        match by_code(code.to_owned()) {
            StoreError::Unavailable(_) => "unavailable",
            StoreError::Contended(_) => "contended",
            StoreError::Refused(_) => "refused",
            StoreError::Bug(_) => "bug",
        }
    }

    #[test]
    fn codes_are_sorted_by_what_the_caller_does_next() {
        for code in ["08006", "53100", "53300", "57P01", "57014", "58030"] {
            assert_eq!(sorted(code), "unavailable", "{code}");
        }
        for code in ["40001", "40P01", "55P03"] {
            assert_eq!(sorted(code), "contended", "{code}");
        }
        for code in ["22021", "23505", "23514", "22P05"] {
            assert_eq!(sorted(code), "refused", "{code}");
        }
        for code in ["42P01", "42501", "42703", "3D000"] {
            assert_eq!(sorted(code), "bug", "{code}");
        }
    }
}
