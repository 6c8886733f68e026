//! What became of a plan, and whether the ledger says the same: every item's state is held against
//! the decisions, the attempts and the state of its message.

use serde::Serialize;
use sqlx::Row as _;

use crate::{Store, StoreError};

/// What became of a plan.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Processed.
    pub recovered: i64,
    /// Dead again, by the class of the new failure.
    pub failed: Vec<Count>,
    /// Replayed, and held behind a dead letter when that was learnt.
    pub held: i64,
    /// Those of them that have become final since.
    pub held_final: i64,
    /// Replayed; the outcome is not known yet.
    pub in_flight: i64,
    /// Not replayed, by the reason.
    pub skipped: Vec<Count>,
    /// Their turn has not come, or never will.
    pub waiting: i64,
    /// Messages that waited behind its items when it was made.
    pub waits: i64,
    /// Those of them that wait no more.
    pub released: i64,
    /// Items of which the ledger's own rows say otherwise. Must be 0.
    pub contradicted: i64,
}

/// Items by a reason.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    /// The reason.
    pub why: String,
    /// How many.
    pub items: i64,
}

/// For each part of a report, in milliseconds: it looks every item up.
const REPORT_MS: u32 = 120_000;

/// What the decisions, attempts and messages say, beside what the items say.
const PROOF: &str = "
with said as (
    select i.state, p.state as now,
           exists (select from decision d where d.id = i.id and d.dead_at = i.dead_at
                   and d.verb = 'replay' and d.plan = i.plan) as decided,
           exists (select from decision d where d.id = i.id and d.dead_at > i.dead_at) as died_again,
           exists (select from attempt a where a.id = i.id
                   and a.outcome in ('processed', 'ignored')) as processed
    from plan_item i left join progress p on p.id = i.id
    where i.plan = $1
)
select count(*) filter (where not case state
    when 'recovered' then decided and processed and now = 'processed'
    when 'failed' then decided and (died_again or now = 'dead')
    when 'replayed' then decided
    when 'held' then decided
    else not decided end)
from said";

impl Store {
    /// The report of plan `id`. Reads every item of it.
    pub async fn plan_report(&self, id: i64) -> Result<Report, StoreError> {
        // one snapshot, or a step between two statements would look like a contradiction
        let mut snapshot = self.begin().await?;
        sqlx::query("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        sqlx::query("select set_config('statement_timeout', $1, true)")
            .bind(REPORT_MS.to_string())
            .execute(&mut *snapshot)
            .await?;
        let mut report = Report::default();
        let counts: Vec<(String, String, i64)> = sqlx::query_as(
            "select state, case when state in ('failed', 'skipped') then why else '' end, count(*)
             from plan_item where plan = $1 group by 1, 2 order by 3 desc",
        )
        .bind(id)
        .fetch_all(&mut *snapshot)
        .await?;
        for (state, why, items) in counts {
            match state.as_str() {
                "recovered" => report.recovered = items,
                "failed" => report.failed.push(Count { why, items }),
                "held" => report.held = items,
                "replayed" => report.in_flight = items,
                "skipped" => report.skipped.push(Count { why, items }),
                _ => report.waiting = items,
            }
        }
        let row = sqlx::query(
            "select (select count(*) from plan_item i join progress p on p.id = i.id
                     where i.plan = $1 and i.state = 'held' and p.finished_at is not null) as held_final,
                    count(*) as waits, count(*) filter (where p.state <> 'held') as released
             from plan_waits w join progress p on p.id = w.id where w.plan = $1",
        )
        .bind(id)
        .fetch_one(&mut *snapshot)
        .await?;
        report.held_final = row.try_get("held_final")?;
        report.waits = row.try_get("waits")?;
        report.released = row.try_get("released")?;
        report.contradicted = sqlx::query_scalar(PROOF).bind(id).fetch_one(&mut *snapshot).await?;
        snapshot.commit().await?;
        Ok(report)
    }
}

/// What the metrics say of the plans that have not ended.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// How many there are in each state.
    pub plans: Vec<(String, i64)>,
    /// Their items by state.
    pub items: Vec<(&'static str, i64)>,
}

impl Store {
    /// The figures of the plans that have not ended.
    pub async fn plan_figures(&self) -> Result<Figures, StoreError> {
        let plans = sqlx::query_as("select state, count(*) from plan where ended_at is null group by state")
            .fetch_all(self.pool())
            .await?;
        let row = sqlx::query(
            "select coalesce(sum(waiting) filter (where state <> 'cancelled'), 0) as waiting,
                    coalesce(sum(replayed), 0) as replayed, coalesce(sum(recovered), 0) as recovered,
                    coalesce(sum(failed), 0) as failed, coalesce(sum(held), 0) as held,
                    coalesce(sum(skipped), 0) as skipped
             from plan where ended_at is null",
        )
        .fetch_one(self.pool())
        .await?;
        let names = ["waiting", "replayed", "recovered", "failed", "held", "skipped"];
        let items = names
            .into_iter()
            .map(|name| Ok((name, row.try_get(name)?)))
            .collect::<Result<_, StoreError>>()?;
        Ok(Figures { plans, items })
    }
}
