//! Where a plan's items stand among their ordering keys, and what waits behind them. Read once for all
//! that is asked of it: for many items this is most of the work of making a plan.

use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use super::Key;
use super::preview::SHOWN_MAX;
use crate::StoreError;

/// What the places say.
pub(super) struct Places {
    /// Different keys of the items.
    pub(super) keys: i64,
    /// Those with most items.
    pub(super) fullest: Vec<Key>,
    /// Messages that wait behind the items.
    pub(super) waits: i64,
    /// Those of them that wait behind nothing else that is dead.
    pub(super) releases: i64,
}

/// Items from which on nothing is joined row by row: the planner knows nothing of rows this young, takes
/// them for few, and what it would choose for few takes the square of the time for many.
const MANY: u64 = 10_000;

/// Notes the messages that wait behind the items of plan `$1`. One that has another dead letter before
/// it, in any of its keys, stays.
const PLACES: &str = "
with place as materialized (
    select o.key, i.seq, true as holds from plan_item i join ordering o on o.id = i.id where i.plan = $1
    union all
    -- those kept for the skipped: nothing waits behind them
    select s.key, i.seq, false from plan_item i join skipped s on s.id = i.id where i.plan = $1
), behind as materialized (
    select key, min(seq) as first, min(seq) filter (where holds) as seq, count(*) as items
    from place group by key
), fullest as materialized (
    select key, first, items from behind where items > 1 order by items desc, first limit $2
), held as materialized (
    select distinct w.id from behind b
    join ordering w on w.key = b.key and w.seq > b.seq
    join progress p on p.id = w.id and p.state = 'held'
), keys as materialized (
    select distinct o.key from held h join ordering o on o.id = h.id
), others as materialized (
    -- of each of their keys the first dead letter that is not in the plan
    select o.key, min(o.seq) as seq from keys k
    join ordering o on o.key = k.key
    join progress d on d.id = o.id and d.state = 'dead'
    where not exists (select from plan_item i where i.plan = $1 and i.seq = o.seq)
    group by o.key
), stays as materialized (
    select distinct h.id from held h
    join ordering o on o.id = h.id
    join others x on x.key = o.key and x.seq < o.seq
), waits as (
    insert into plan_waits (plan, id, stays)
    select $1, h.id, s.id is not null from held h left join stays s on s.id = h.id
    returning stays
)
select (select count(*) from behind) as keys,
       array(select (select i.id from plan_item i where i.plan = $1 and i.seq = f.first)
             from fullest f order by items desc, first) as first,
       array(select items from fullest order by items desc, first) as items,
       (select count(*) from waits) as waits,
       (select count(*) from waits where not stays) as releases";

/// Reads the places of the `items` items of plan `id`, and writes down what waits behind them.
pub(super) async fn places(
    transaction: &mut Transaction<'static, Postgres>,
    id: i64,
    items: u64,
) -> Result<Places, StoreError> {
    let row_by_row = if items < MANY { "on" } else { "off" };
    sqlx::query("select set_config('enable_nestloop', $1, true)")
        .bind(row_by_row)
        .execute(&mut **transaction)
        .await?;
    let row = sqlx::query(PLACES)
        .bind(id)
        .bind(SHOWN_MAX)
        // planned anew each time: for few or for many
        .persistent(false)
        .fetch_one(&mut **transaction)
        .await?;
    sqlx::query("select set_config('enable_nestloop', 'on', true)").execute(&mut **transaction).await?;
    let (first, items): (Vec<Uuid>, Vec<i64>) = (row.try_get("first")?, row.try_get("items")?);
    Ok(Places {
        keys: row.try_get("keys")?,
        fullest: first.into_iter().zip(items).map(|(first, items)| Key { first, items }).collect(),
        waits: row.try_get("waits")?,
        releases: row.try_get("releases")?,
    })
}
