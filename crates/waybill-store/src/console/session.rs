//! Sessions of the console. The ledger knows the SHA-256 of a token, never the token.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;

use waybill_core::credential::hex;

use crate::audit::{self, By, Via};
use crate::{Store, StoreError};

/// How exactly `seen_at` is kept, so that reading a page is not always a write.
const SEEN_EVERY_S: f64 = 30.0;

/// Bytes of a token's SHA-256 that name its session; they do not give the token away.
const NAME_BYTES: usize = 6;

/// What the session with this token (its SHA-256) is called on the audit trail.
pub fn name(token: &[u8; 32]) -> String {
    hex(&token[..NAME_BYTES])
}

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The user.
    pub name: String,
    /// viewer, operator or admin.
    pub role: String,
}

/// A session, as listed.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// What it is called on the audit trail.
    pub session: String,
    /// The user.
    pub name: String,
    /// From where it was opened.
    pub address: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to about half a minute.
    pub seen_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

impl Store {
    /// Opens a session, if the password's hash is still the one that was proven; false: it is not. That
    /// somebody logged in is on the audit trail.
    pub async fn open_console_session(
        &self,
        token: &[u8; 32],
        user: &str,
        password: &str,
        address: &str,
        lasts: Duration,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let opened = sqlx::query(
            "insert into console_session (token, name, address, expires_at)
             select $1, name, $3, now() + make_interval(secs => $4) from console_user
             -- locked, so that a change of the password either comes first or ends this session
             where name = $2 and password = $5 and not disabled for share",
        )
        .bind(&token[..])
        .bind(user)
        .bind(address)
        .bind(lasts.as_secs_f64())
        .bind(password)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if opened == 0 {
            return Ok(false);
        }
        let session = name(token);
        let by = By::new(user, Via::Console { address, session: Some(&session) });
        audit::write(&mut transaction, by.on_messages("log in", &[], &json!({}))).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The session with this token, if it is open and was used within `idle`. Where a person uses it
    /// now (`by_hand`), and not a page that keeps itself fresh, that is noted.
    pub async fn console_session(
        &self,
        token: &[u8; 32],
        idle: Duration,
        by_hand: bool,
    ) -> Result<Option<Session>, StoreError> {
        let row = sqlx::query(
            "select s.name, u.role, s.seen_at < now() - make_interval(secs => $3) as stale
             from console_session s join console_user u on u.name = s.name
             where s.token = $1 and s.expires_at > now() and not u.disabled
               and s.seen_at > now() - make_interval(secs => $2)",
        )
        .bind(&token[..])
        .bind(idle.as_secs_f64())
        .bind(SEEN_EVERY_S.min(idle.as_secs_f64() / 4.0))
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        if by_hand && row.try_get("stale")? {
            sqlx::query("update console_session set seen_at = now() where token = $1")
                .bind(&token[..])
                .execute(self.pool())
                .await?;
        }
        Ok(Some(Session { name: row.try_get("name")?, role: row.try_get("role")? }))
    }

    /// Ends the session with this token, if there is one: whose it is logs out.
    pub async fn close_console_session(&self, token: &[u8; 32], by: By<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let closed = sqlx::query("delete from console_session where token = $1")
            .bind(&token[..])
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if closed > 0 {
            audit::write(&mut transaction, by.on_messages("log out", &[], &json!({}))).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Ends every session of a user; how many there were.
    pub async fn close_console_sessions(&self, user: &str, by: By<'_>) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let closed = sqlx::query("delete from console_session where name = $1")
            .bind(user)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if closed == 0 {
            return Ok(0);
        }
        let detail = json!({"user": user, "sessions": closed});
        audit::write(&mut transaction, by.on_messages("end sessions", &[], &detail)).await?;
        transaction.commit().await?;
        Ok(closed)
    }

    /// The open sessions, the one used last first, up to `limit`.
    pub async fn console_sessions(&self, limit: u32) -> Result<Vec<Listed>, StoreError> {
        let rows = sqlx::query(
            "select token, name, address, created_at, seen_at, expires_at from console_session
             where expires_at > now() order by seen_at desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let token: Vec<u8> = row.try_get("token")?;
                let token = token
                    .try_into()
                    .map_err(|_| StoreError::Bug("a session's token is not 32 bytes".to_owned()))?;
                Ok(Listed {
                    session: name(&token),
                    name: row.try_get("name")?,
                    address: row.try_get("address")?,
                    created_at: row.try_get("created_at")?,
                    seen_at: row.try_get("seen_at")?,
                    expires_at: row.try_get("expires_at")?,
                })
            })
            .collect()
    }
}
