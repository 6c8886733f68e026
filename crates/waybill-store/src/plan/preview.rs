//! What a plan would do, before it does it: its items by source, kind, reason and group, the keys
//! with most of them, and what waits for them. Read from the plan's own items, so that what is shown
//! is what would be replayed, letter for letter.

use serde::Serialize;
use sqlx::postgres::PgConnection;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::places::Places;
use crate::StoreError;

/// Parts and keys that are shown.
pub(super) const SHOWN_MAX: i64 = 50;

/// What a plan would do.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// Its items.
    pub items: i64,
    /// By source, kind, reason and group, the largest first; at most 50.
    pub parts: Vec<Part>,
    /// Different ordering keys among them.
    pub keys: i64,
    /// The keys with most items, those with more than one; at most 50.
    pub fullest_keys: Vec<Key>,
    /// Messages that wait behind its items.
    pub waits: i64,
    /// Those of them that it would release, if every item recovers: the rest waits behind other
    /// dead letters too.
    pub releases: i64,
    /// Of its items, those that wait for their turn in other plans that have not ended: the plan whose turn
    /// comes first replays them, the other skips them. The newest plans first; at most 50.
    pub also_in: Vec<AlsoIn>,
}

/// Items that are in another plan too.
#[derive(Debug, Clone, Serialize)]
pub struct AlsoIn {
    /// That plan.
    pub plan: i64,
    /// How many.
    pub items: i64,
}

/// Items that are alike.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// Whose they are.
    pub source: String,
    /// Their kind.
    pub kind: String,
    /// The class of their failure.
    pub reason: String,
    /// Their group.
    pub group: Fingerprint,
    /// How many.
    pub items: i64,
    /// What the first of them said.
    pub example: String,
}

/// Items of one ordering key. The key itself is nobody's business.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// The first of them.
    pub first: Uuid,
    /// How many.
    pub items: i64,
}

const PARTS: &str = "
select g.source, g.kind, g.error_class, g.fingerprint, part.items,
       coalesce((select p.error_reason from plan_item i join progress p on p.id = i.id
                 where i.plan = $1 and i.seq = part.first), '')
from (select fingerprint, count(*) as items, min(seq) as first
      from plan_item where plan = $1
      group by fingerprint order by count(*) desc, min(seq) limit $2) part
join dead_group g on g.fingerprint = part.fingerprint
order by part.items desc, part.first";

const ALSO_IN: &str = "
select p.id, count(*) from plan p
join plan_item o on o.plan = p.id and o.state = 'waiting'
join plan_item i on i.plan = $1 and i.seq = o.seq and i.dead_at = o.dead_at
where p.id <> $1 and p.ended_at is null
group by p.id order by p.id desc limit $2";

/// Reads what the plan `id` would do, in the transaction that made it.
pub(super) async fn preview(
    connection: &mut PgConnection,
    id: i64,
    items: i64,
    places: Places,
) -> Result<Preview, StoreError> {
    let parts: Vec<(String, String, String, i64, i64, String)> =
        sqlx::query_as(PARTS).bind(id).bind(SHOWN_MAX).fetch_all(&mut *connection).await?;
    let also_in: Vec<(i64, i64)> =
        sqlx::query_as(ALSO_IN).bind(id).bind(SHOWN_MAX).fetch_all(&mut *connection).await?;
    Ok(Preview {
        items,
        also_in: also_in.into_iter().map(|(plan, items)| AlsoIn { plan, items }).collect(),
        parts: parts
            .into_iter()
            .map(|(source, kind, reason, group, items, example)| Part {
                source,
                kind,
                reason,
                group: Fingerprint::from_i64(group),
                items,
                example,
            })
            .collect(),
        keys: places.keys,
        fullest_keys: places.fullest,
        waits: places.waits,
        releases: places.releases,
    })
}
