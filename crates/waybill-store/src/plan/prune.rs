//! Letting go of old plans: first the plan, then its rows, some at a time. Who did what stays on the audit
//! trail, and each decision keeps its plan's number.
//!
//! Never touches a plan that has not ended. A plan goes before its items, so that nobody is shown one of
//! which half is missing; items without a plan are found by looking, so a process killed between leaves
//! work and no waste.

use crate::{Store, StoreError};

/// Plans that go together, at most.
const PLANS_MAX: i64 = 100;

/// Deletes up to `$1` rows of the first plan in `$table` that is no more; ordered by `$place`.
macro_rules! orphans {
    ($table:literal, $place:literal) => {
        concat!(
            "with recursive known (plan) as (
                 -- one index probe for each plan, however many rows it has
                 (select plan from ",
            $table,
            " order by plan limit 1)
                 union all
                 select (select i.plan from ",
            $table,
            " i where i.plan > known.plan order by i.plan limit 1)
                 from known where known.plan is not null
             ), orphan as (
                 select known.plan from known
                 where known.plan is not null and not exists (select from plan p where p.id = known.plan)
                 order by known.plan limit 1
             )
             delete from ",
            $table,
            " where (plan, ",
            $place,
            ") in (
                 select i.plan, i.",
            $place,
            " from ",
            $table,
            " i
                 where i.plan = (select plan from orphan) order by i.",
            $place,
            " limit $1)"
        )
    };
}

const ITEMS: &str = orphans!("plan_item", "seq");
const WAITS: &str = orphans!("plan_waits", "id");

impl Store {
    /// Lets go of plans that ended more than `days` ago, and of up to `limit` items, and as many messages
    /// that waited, of plans that are no more. How many rows went; 0: nothing is left to do.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy: what went is gone, and the next call goes on.
    pub async fn let_plans_go(&self, days: u32, limit: u32) -> Result<u64, StoreError> {
        let plans: Vec<i64> = sqlx::query_scalar(
            "delete from plan where id in (
                 select id from plan where ended_at < now() - make_interval(days => $1)
                 order by id limit $2)
             returning id",
        )
        .bind(i32::try_from(days).unwrap_or(i32::MAX))
        .bind(PLANS_MAX)
        .fetch_all(self.pool())
        .await?;
        if !plans.is_empty() {
            tracing::info!(?plans, "replay plans that ended long ago were let go");
        }
        let mut gone = plans.len() as u64;
        for statement in [ITEMS, WAITS] {
            gone += sqlx::query(statement).bind(i64::from(limit)).execute(self.pool()).await?.rows_affected();
        }
        Ok(gone)
    }
}
