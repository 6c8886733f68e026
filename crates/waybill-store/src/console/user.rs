//! The console's users. A user is disabled, never deleted: the audit trail names them.
//!
//! Each change is on that trail in its own transaction; one that changes nothing is not.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::audit::{self, By};
use crate::{Store, StoreError};

/// A user, without the password's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// viewer, operator or admin.
    pub role: String,
    /// Whether they may not log in.
    pub disabled: bool,
    /// When they were added.
    pub created_at: DateTime<Utc>,
    /// Sessions that are open.
    pub sessions: i64,
    /// When a session of theirs was last used.
    pub seen_at: Option<DateTime<Utc>>,
}

/// What proves a user. Has no `Debug`: it holds the password's hash.
pub struct Proof {
    /// The hash, as a PHC string.
    pub password: String,
    /// viewer, operator or admin.
    pub role: String,
}

impl Store {
    /// Adds a user; false when there is one of that name. `password` is the hash.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a name, role or hash that cannot be.
    pub async fn add_console_user(
        &self,
        name: &str,
        password: &str,
        role: &str,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "insert into console_user (name, password, role) values ($1, $2, $3) on conflict (name) do nothing",
        )
        .bind(name)
        .bind(password)
        .bind(role)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if added == 0 {
            return Ok(false);
        }
        let detail = json!({"user": name, "role": role});
        audit::write(&mut transaction, by.on_messages("add user", &[], &detail)).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Every user, by name.
    pub async fn console_users(&self) -> Result<Vec<User>, StoreError> {
        let rows = sqlx::query(
            "select u.name, u.role, u.disabled, u.created_at, count(s.token) as sessions, max(s.seen_at) as seen_at
             from console_user u left join console_session s on s.name = u.name and s.expires_at > now()
             group by u.name order by u.name",
        )
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(User {
                    name: row.try_get("name")?,
                    role: row.try_get("role")?,
                    disabled: row.try_get("disabled")?,
                    created_at: row.try_get("created_at")?,
                    sessions: row.try_get("sessions")?,
                    seen_at: row.try_get("seen_at")?,
                })
            })
            .collect()
    }

    /// What proves the user `name`; none: there is no such user, or they are disabled.
    pub async fn console_proof(&self, name: &str) -> Result<Option<Proof>, StoreError> {
        let row: Option<(String, String)> =
            sqlx::query_as("select password, role from console_user where name = $1 and not disabled")
                .bind(name)
                .fetch_optional(self.pool())
                .await?;
        Ok(row.map(|(password, role)| Proof { password, role }))
    }

    /// Gives a user another password and ends all their sessions; false when there is no such user.
    /// `password` is the hash.
    pub async fn set_console_password(
        &self,
        name: &str,
        password: &str,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let act = ("set password", json!({"user": name}));
        self.change_console_user(
            "update console_user set password = $2, changed_at = now() where name = $1",
            (name, password),
            act,
            by,
        )
        .await
    }

    /// Gives a user another role and ends all their sessions; false when there is no such user.
    pub async fn set_console_role(&self, name: &str, role: &str, by: By<'_>) -> Result<bool, StoreError> {
        let act = ("set role", json!({"user": name, "role": role}));
        self.change_console_user(
            "update console_user set role = $2, changed_at = now() where name = $1",
            (name, role),
            act,
            by,
        )
        .await
    }

    /// Lets a user in no more and ends all their sessions; false when there is no such user.
    pub async fn disable_console_user(&self, name: &str, by: By<'_>) -> Result<bool, StoreError> {
        self.set_console_disabled((name, "true"), "disable user", by).await
    }

    /// Lets a user in again; false when there is no such user.
    pub async fn enable_console_user(&self, name: &str, by: By<'_>) -> Result<bool, StoreError> {
        self.set_console_disabled((name, "false"), "enable user", by).await
    }

    async fn set_console_disabled(
        &self,
        change: (&str, &str),
        action: &str,
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let act = (action, json!({"user": change.0}));
        self.change_console_user(
            "update console_user set disabled = $2::boolean, changed_at = now() where name = $1",
            change,
            act,
            by,
        )
        .await
    }

    /// Changes one user; with the change their sessions end, and it is on the audit trail.
    async fn change_console_user(
        &self,
        statement: &'static str,
        (name, to): (&str, &str),
        (action, detail): (&str, Value),
        by: By<'_>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(statement).bind(name).bind(to).execute(&mut *transaction).await?;
        if changed.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("delete from console_session where name = $1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        audit::write(&mut transaction, by.on_messages(action, &[], &detail)).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
