//! What may happen to PostgreSQL while it runs: done over a connection of the drill's own.

use std::time::Duration;

use anyhow::Result;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{Force, service};
use crate::run::{Patience, until};
use crate::services::Services;
use crate::stage::{ROLE, Stage, maintenance};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ledger {
    /// Every connection is ended, again and again.
    Terminated,
    /// Somebody holds this lock, as a migration does.
    Locked(&'static str),
    /// No connection is left.
    Exhausted,
    /// It takes no writes, as a standby does after a failover.
    ReadOnly,
    /// Every few statements end with this SQLSTATE.
    Erring(&'static str),
    /// The disk under the tables is full.
    DiskFull,
}

/// A sequence counts how often the trigger has raised: a rollback does not take that back.
const ERRING: &str = "
create sequence drill_bites;
grant all on drill_bites to drill;
create function drill_err() returns trigger language plpgsql as $$
begin
  if random() < 0.25 then
    perform nextval('drill_bites');
    raise exception 'injected' using errcode = 'SQLSTATE';
  end if;
  return null;
end $$;
create trigger drill_err after insert on receipt for each statement execute function drill_err();
create trigger drill_err after insert or update on progress for each statement execute function drill_err();";

const BITES: &str = "select last_value from drill_bites";

const TABLESPACE: &str = "drill_small";

impl Ledger {
    pub(super) async fn inject(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::Terminated => {
                let db = stage.db.clone();
                stage.hold("ledger", async move {
                    loop {
                        let _ = terminate(&db).await;
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                });
            }
            Self::Locked(lock) => {
                let mut connection =
                    PgConnection::connect(&stage.services.database(&stage.name, None)).await?;
                connection.execute("begin").await?;
                connection.execute(AssertSqlSafe(lock)).await?;
                stage.hold("ledger", async move {
                    let _connection = connection;
                    std::future::pending::<()>().await;
                });
            }
            Self::Exhausted => {
                stage.db.execute(AssertSqlSafe(format!("alter role {ROLE} connection limit 0"))).await?;
                terminate(&stage.db).await?;
            }
            Self::ReadOnly => {
                self.read_only(stage, "on").await?;
                terminate(&stage.db).await?;
            }
            Self::Erring(code) => {
                stage.db.execute(AssertSqlSafe(ERRING.replace("SQLSTATE", code))).await?;
            }
            Self::DiskFull => {
                stage.services.control(&["postgres", "fill"]).await?;
            }
        }
        Ok(())
    }

    async fn read_only(self, stage: &Stage, on: &str) -> Result<()> {
        // not this connection's own database: it must be able to switch it off again
        let alter = format!("alter role {ROLE} set default_transaction_read_only = {on}");
        stage.db.execute(AssertSqlSafe(alter)).await?;
        Ok(())
    }

    pub(super) async fn bitten(self, stage: &Stage, force: &Force) -> Result<String> {
        let Self::Erring(code) = self else { return service::refused(stage, force).await };
        until("statements to fail", Patience::BITE, async || Ok(stage.count(BITES).await? >= 10)).await?;
        Ok(format!("{} statements failed with {code}", stage.count(BITES).await?))
    }

    pub(super) const fn hold_ms(self) -> u64 {
        match self {
            Self::Locked(_) => 4000,
            _ => 2000,
        }
    }

    pub(super) async fn heal(self, stage: &mut Stage) -> Result<()> {
        stage.let_go("ledger");
        match self {
            Self::Terminated | Self::Locked(_) => {}
            Self::Exhausted => {
                stage.db.execute(AssertSqlSafe(format!("alter role {ROLE} connection limit -1"))).await?;
            }
            Self::ReadOnly => {
                self.read_only(stage, "off").await?;
                terminate(&stage.db).await?;
            }
            Self::Erring(_) => {
                // it waits for locks that our processes hold, and may lose against them
                until("the failing statements to end", Patience::LONG, async || {
                    Ok(stage.db.execute("drop function if exists drill_err cascade").await.is_ok())
                })
                .await?;
            }
            Self::DiskFull => {
                stage.services.control(&["postgres", "empty"]).await?;
            }
        }
        Ok(())
    }

    /// A full disk needs a small one first.
    pub(super) async fn cannot(self, services: &Services) -> Result<Option<String>> {
        if self != Self::DiskFull {
            return Ok(None);
        }
        let said = services.control(&["can", "postgres", "fill"]).await?;
        if !said.is_empty() {
            return Ok(Some(said));
        }
        let folder = services.control(&["postgres", "small-disk"]).await?;
        let db = maintenance(services).await?;
        db.execute(AssertSqlSafe(format!("create tablespace {TABLESPACE} location '{folder}'"))).await?;
        db.execute(AssertSqlSafe(format!("grant create on tablespace {TABLESPACE} to public"))).await?;
        Ok(None)
    }

    pub(super) async fn clear(self, services: &Services) -> Result<()> {
        if self == Self::DiskFull {
            maintenance(services)
                .await?
                .execute(AssertSqlSafe(format!("drop tablespace if exists {TABLESPACE}")))
                .await?;
            services.control(&["postgres", "no-small-disk"]).await?;
        }
        Ok(())
    }

    pub(super) const fn tablespace(self) -> Option<&'static str> {
        match self {
            Self::DiskFull => Some(TABLESPACE),
            _ => None,
        }
    }
}

/// Ends every connection of our processes.
async fn terminate(db: &PgPool) -> Result<()> {
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where usename = $1")
        .bind(ROLE)
        .execute(db)
        .await?;
    Ok(())
}
