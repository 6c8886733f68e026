//! Logins that were tried, for throttling: by user and address, by address, by user.
//!
//! Only failures count, and one that was refused unheard does not: so nobody can lock a person out
//! for longer than the window, and not at all from an address at which that person has logged in.
//!
//! What was typed for a name never comes here, only its keyed hash: people type passwords there.

use crate::{Store, StoreError};

/// Failures within this many seconds count.
pub const WINDOW_S: u32 = 300;
/// Failures of one user from one address.
const PAIR_MAX: i64 = 5;
/// Failures from one address, whoever is tried.
const ADDRESS_MAX: i64 = 30;
/// Failures of one user from addresses at which they have not logged in.
const NAME_MAX: i64 = 50;

impl Store {
    /// Whether a login of the user with this hash may be tried from `address` now.
    pub async fn may_try_console_login(&self, name: &[u8; 32], address: &str) -> Result<bool, StoreError> {
        let (pair, from, of, known): (i64, i64, i64, bool) = sqlx::query_as(
            "with window_start as (select now() - make_interval(secs => $3) as at)
             select (select count(*) from console_login l, window_start w
                     where l.name = $1 and l.address = $2 and not l.success and l.at > w.at),
                    (select count(*) from console_login l, window_start w
                     where l.address = $2 and not l.success and l.at > w.at),
                    (select count(*) from console_login l, window_start w
                     where l.name = $1 and not l.success and l.at > w.at),
                    exists (select from console_login l
                            where l.name = $1 and l.address = $2 and l.success)",
        )
        .bind(&name[..])
        .bind(address)
        .bind(f64::from(WINDOW_S))
        .fetch_one(self.pool())
        .await?;
        Ok(pair < PAIR_MAX && from < ADDRESS_MAX && (of < NAME_MAX || known))
    }

    /// Notes that a login was tried.
    pub async fn note_console_login(
        &self,
        name: &[u8; 32],
        address: &str,
        success: bool,
    ) -> Result<(), StoreError> {
        sqlx::query("insert into console_login (name, address, success) values ($1, $2, $3)")
            .bind(&name[..])
            .bind(address)
            .bind(success)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Forgets logins of more than 30 days ago and sessions that are over, up to `limit` of each.
    pub async fn forget_console_logins(&self, limit: u32) -> Result<u64, StoreError> {
        let logins = sqlx::query(
            "delete from console_login where ctid = any (array(
                 select ctid from console_login where at < now() - interval '30 days' limit $1))",
        )
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        let sessions = sqlx::query(
            "delete from console_session where token in (
                 select token from console_session where expires_at < now() limit $1)",
        )
        .bind(i64::from(limit))
        .execute(self.pool())
        .await?;
        Ok(logins.rows_affected() + sessions.rows_affected())
    }
}
