//! What came of a plan's replays, read from the ledger; and whether the plan goes on.

use sqlx::{Postgres, Transaction};
use waybill_core::plan::{State, Verdict, judge};

use super::{By, Plan, lock, note, read, select};
use crate::audit::Via;
use crate::record::expect;
use crate::{Store, StoreError};

/// What was learnt of a plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settled {
    /// Outcomes that became known.
    pub outcomes: u32,
    /// The state it moved to by itself, if it did.
    pub moved: Option<State>,
}

/// A death later than the one that was replayed is this replay's failure, whatever was decided about
/// it since. Laterals with limits: the plan of this statement never depends on statistics.
const SETTLE: &str = "
with out as materialized (
    select seq, id, dead_at from plan_item where plan = $1 and state = 'replayed' order by plan, seq
), seen as materialized (
    select o.seq,
           case when again.error_class is not null or p.state = 'dead' then 'failed'
                when p.state = 'processed' then 'recovered'
                when behind.id is not null then 'held' end as state,
           case when again.error_class is not null then again.error_class
                when p.state = 'dead' then p.error_class
                when p.state = 'held' then 'behind ' || behind.id end as why
    from out o
    cross join lateral (select state, error_class from progress where id = o.id limit 1) p
    left join lateral (
        select d.error_class from decision d
        where d.id = o.id and d.dead_at > o.dead_at order by d.dead_at limit 1) again on true
    left join lateral (
        -- what stands first in one of its keys, if that is dead
        select first.id from ordering mine
        cross join lateral (
            select e.id from ordering e
            where e.key = mine.key and e.seq < mine.seq order by e.key, e.seq limit 1) first
        join progress h on h.id = first.id and h.state = 'dead'
        where p.state = 'held' and mine.id = o.id limit 1) behind on true
), settled as (
    update plan_item i set state = s.state, why = s.why
    from seen s
    where i.plan = $1 and i.seq = s.seq and i.state = 'replayed' and s.state is not null
    returning i.state
)
select count(*) filter (where state = 'recovered')::integer,
       count(*) filter (where state = 'failed')::integer,
       count(*) filter (where state = 'held')::integer
from settled";

impl Store {
    /// Learns what came of the replays of plan `id`, and moves it on by that: ready or stopped,
    /// finished, or a cancelled one ended. Nothing when another replica is at it just now.
    ///
    /// # Errors
    /// When the ledger is unavailable: nothing was written then, or it is unknown; again is safe.
    pub async fn settle_plan(&self, id: i64, actor: &str) -> Result<Settled, StoreError> {
        let mut transaction = self.begin().await?;
        let Some((plan, _)) = lock(&mut transaction, id).await? else { return Ok(Settled::default()) };
        let (recovered, failed, held): (i32, i32, i32) = if plan.items.replayed == 0 {
            (0, 0, 0)
        } else {
            sqlx::query_as(SETTLE).bind(id).fetch_one(&mut *transaction).await?
        };
        let outcomes = (recovered + failed + held).unsigned_abs();
        let is_past = plan.canary_passed || plan.policy.canary == 0;
        let tally = plan.tally.with(recovered.unsigned_abs(), failed.unsigned_abs(), is_past);
        if outcomes > 0 {
            let counted = sqlx::query(
                "update plan
                 set replayed = replayed - $2 - $3 - $4, recovered = recovered + $2,
                     failed = failed + $3, held = held + $4,
                     judged_recovered = $5, judged_failed = $6
                 where id = $1",
            )
            .bind(id)
            .bind(recovered)
            .bind(failed)
            .bind(held)
            .bind(i32::try_from(tally.recovered).unwrap_or(i32::MAX))
            .bind(i32::try_from(tally.failed).unwrap_or(i32::MAX))
            .execute(&mut *transaction)
            .await?;
            expect(counted.rows_affected(), 1, "plans counted")?;
        }
        let in_flight = plan.items.replayed.saturating_sub(outcomes);
        let counted = Plan { tally, items: super::Items { replayed: in_flight, ..plan.items }, ..plan };
        let moved = move_on(&mut transaction, &counted, actor).await?;
        if moved == Some(State::Finished) {
            waybill_drill::point("plan.before_finish");
        }
        transaction.commit().await?;
        Ok(Settled { outcomes, moved })
    }
}

/// What the counts make of a plan: its next state, and why it stopped.
fn next(plan: &Plan) -> Option<(State, Option<&'static str>)> {
    let in_flight = plan.items.replayed;
    match plan.state {
        // nothing is left to stop
        State::Running if plan.items.waiting == 0 => (in_flight == 0).then_some((State::Finished, None)),
        State::Running => match judge(&plan.policy, plan.canary_passed, plan.tally, in_flight) {
            Verdict::Stop(why) => Some((State::Stopped, Some(why))),
            Verdict::CanaryPassed if plan.policy.confirm => Some((State::Ready, None)),
            Verdict::CanaryPassed => Some((State::Running, None)),
            Verdict::GoOn(_) => None,
        },
        State::Cancelled if in_flight == 0 => Some((State::Cancelled, None)),
        _ => None,
    }
}

const MOVE_ON: &str = "
update plan
set state = $2, stopped_because = $3,
    canary_passed = canary_passed or $2 in ('running', 'finished'),
    ran_s = case when $2 = 'running' then ran_s
                 else ran_s + coalesce(extract(epoch from now() - running_since), 0) end,
    running_since = case when $2 = 'running' then running_since end,
    ended_at = case when $2 in ('finished', 'cancelled') then now() end
where id = $1";

async fn move_on(
    transaction: &mut Transaction<'static, Postgres>,
    plan: &Plan,
    actor: &str,
) -> Result<Option<State>, StoreError> {
    let Some((to, because)) = next(plan) else { return Ok(None) };
    let moved = sqlx::query(MOVE_ON)
        .bind(plan.id)
        .bind(to.as_str())
        .bind(because)
        .execute(&mut **transaction)
        .await?;
    expect(moved.rows_affected(), 1, "plans moved on")?;
    let action = match to {
        State::Ready => "ready",
        State::Stopped => "stop",
        State::Finished => "finish",
        // the canary passed by itself; or the last outcome of a cancelled plan: no decision of anybody
        _ => return Ok((to == State::Running).then_some(to)),
    };
    let row = sqlx::query(select!("where id = $1")).bind(plan.id).fetch_one(&mut **transaction).await?;
    let after = read(&row)?;
    let reason = because.unwrap_or(match to {
        State::Ready => "the canary came out well",
        _ => "every item had its outcome",
    });
    note(transaction, &after, action, By { actor, via: Via::Serve, reason }).await?;
    Ok(Some(to))
}
