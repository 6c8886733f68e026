//! A turn of a plan: the next items in the order of the ledger are replayed, as many as its window,
//! its rate and its canary leave room for.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;
use waybill_core::plan::{State, Verdict, judge};
use waybill_drill as drill;

use super::{Plan, lock};
use crate::decide::{DECIDED_MAX, Death, replay_deaths};
use crate::record::expect;
use crate::{Store, StoreError, ordering};

/// What a turn did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// Replayed now.
    pub replayed: u32,
    /// No longer the dead letter that was looked at.
    pub skipped: u32,
    /// There may be room for another turn at once.
    pub more: bool,
}

/// An item whose turn it is.
type Item = (i64, Uuid, DateTime<Utc>);

/// How many replays are paid for. A plan that could not go on for a while, for its window was full,
/// catches up on a second's worth, or on one item.
const ALLOWED: &str = "
select floor(extract(epoch from now() - greatest(paced_at, now() - burst))::float8 * rate_per_s)::bigint
from (select paced_at, rate_per_s, make_interval(secs => greatest(1, 1 / rate_per_s) + 0.001) as burst
      from plan where id = $1 and rate_per_s is not null) p";

const TAKEN: &str = "
update plan
set turn = $2, waiting = waiting - $3 - $4, replayed = replayed + $3, skipped = skipped + $4,
    judged_begun = judged_begun + $3,
    paced_at = case when rate_per_s is null then paced_at else
        greatest(paced_at, now() - make_interval(secs => greatest(1, 1 / rate_per_s) + 0.001))
        + make_interval(secs => $3 / rate_per_s) end
where id = $1 and state = 'running'";

impl Store {
    /// Replays the next items of the plan `id`, at most 100 and no more than leave `window_max` of it
    /// in flight. Nothing, when it does not run, or another replica is at it just now.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy: nothing was replayed then, or it is unknown; another
    /// turn is safe.
    pub async fn plan_turn(&self, id: i64, window_max: u32) -> Result<Turn, StoreError> {
        let mut transaction = self.begin().await?;
        let Some((plan, turn)) = lock(&mut transaction, id).await? else { return Ok(Turn::default()) };
        let paid: Option<i64> =
            sqlx::query_scalar(ALLOWED).bind(id).fetch_optional(&mut *transaction).await?;
        let room = i64::from(room(&plan, window_max)).min(paid.unwrap_or(i64::MAX));
        if room <= 0 {
            return Ok(Turn::default());
        }
        let items: Vec<Item> = sqlx::query_as(
            "select seq, id, dead_at from plan_item where plan = $1 and seq > $2 order by seq limit $3",
        )
        .bind(id)
        .bind(turn)
        .bind(room)
        .fetch_all(&mut *transaction)
        .await?;
        let Some(&(last, ..)) = items.last() else { return Ok(Turn::default()) };
        let deaths: Vec<Death> = items.iter().map(|&(_, id, at)| Death { id, at }).collect();
        let ids: Vec<Uuid> = deaths.iter().map(|death| death.id).collect();
        ordering::lock(&mut transaction, &ids).await?;
        let replayed = replay_deaths(&mut transaction, &deaths, id).await?;
        drill::point("plan.after_replay");
        let skipped = mark(&mut transaction, id, &items, &replayed).await?;
        let done = u32::try_from(replayed.len()).unwrap_or(u32::MAX);
        let moved = sqlx::query(TAKEN)
            .bind(id)
            .bind(last)
            .bind(i32::try_from(done).unwrap_or(i32::MAX))
            .bind(i32::try_from(skipped).unwrap_or(i32::MAX))
            .execute(&mut *transaction)
            .await?;
        expect(moved.rows_affected(), 1, "running plans that had a turn")?;
        transaction.commit().await?;
        Ok(Turn { replayed: done, skipped, more: items.len() == DECIDED_MAX || skipped > 0 })
    }
}

/// How many more may be replayed in this turn.
fn room(plan: &Plan, window_max: u32) -> u32 {
    if plan.state != State::Running {
        return 0;
    }
    let of_canary = match judge(&plan.policy, plan.canary_passed, plan.tally, plan.items.replayed) {
        Verdict::GoOn(limit) => limit.unwrap_or(u32::MAX),
        Verdict::CanaryPassed | Verdict::Stop(_) => 0,
    };
    let together = u32::try_from(DECIDED_MAX).unwrap_or(u32::MAX);
    window_max.saturating_sub(plan.items.replayed).min(of_canary).min(together)
}

/// Writes down which items were replayed, and why the others were not; how many those are.
async fn mark(
    transaction: &mut sqlx::Transaction<'static, sqlx::Postgres>,
    plan: i64,
    items: &[Item],
    replayed: &[Uuid],
) -> Result<u32, StoreError> {
    let left: Vec<Uuid> = items.iter().map(|item| item.1).filter(|id| !replayed.contains(id)).collect();
    let mut found = HashMap::new();
    if !left.is_empty() {
        let rows: Vec<(Uuid, String)> = sqlx::query_as("select id, state from progress where id = any($1)")
            .bind(&left)
            .fetch_all(&mut **transaction)
            .await?;
        found.extend(rows);
    }
    let why = |id: &Uuid| match found.get(id).map(String::as_str) {
        _ if replayed.contains(id) => None,
        None => Some("not in the ledger"),
        Some("dead") => Some("died again since"),
        Some("processed") => Some("processed already"),
        Some("discarded") => Some("discarded"),
        Some(_) => Some("replayed already"),
    };
    let marked = sqlx::query(
        "update plan_item i
         set state = case when w.why is null then 'replayed' else 'skipped' end, why = w.why
         from unnest($2::bigint[], $3::text[]) as w (seq, why)
         where i.plan = $1 and i.seq = w.seq and i.state = 'waiting'",
    )
    .bind(plan)
    .bind(items.iter().map(|item| item.0).collect::<Vec<_>>())
    .bind(items.iter().map(|item| why(&item.1)).collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?;
    expect(marked.rows_affected(), items.len(), "items of a plan that had their turn")?;
    Ok(u32::try_from(left.len()).unwrap_or(u32::MAX))
}
