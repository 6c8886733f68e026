//! The messages that wait behind dead letters, by id: what the number beside a letter, a group or a plan
//! counts. Bounded; never a body, never a key.

use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::filter::{Filter, matching};
use super::{HELD_MAX, HOLDS_MAX};
use crate::{Store, StoreError};

/// What a letter holds: the later messages of its keys. As the number of a page counts it.
const OF_LETTER: &str = "
select distinct w.id from ordering o
join ordering w on w.key = o.key and w.seq > o.seq
where o.id = $1 limit $2";

/// What a group holds up, of the first `$2` held messages: those whose key one of its letters heads. As
/// the number of a group counts it.
const OF_GROUP: &str = "
with held as (
    select id from progress where state = 'held' order by id limit $2
)
select distinct held.id
from held
cross join lateral (select key from ordering where id = held.id offset 0) o
cross join lateral (
    select first.id from ordering first where first.key = o.key order by first.seq limit 1) head
cross join lateral (select fingerprint from dead_list where id = head.id offset 0) e
where e.fingerprint = $1";

/// What waits behind the letters of a filter, as a plan counts it: `$9` at most.
macro_rules! of_letters {
    ($way:ident) => {
        concat!(
            "with behind as materialized (
                 select o.key, min(o.seq) as seq from (",
            matching!($way, "e.id", ""),
            ") m join ordering o on o.id = m.id group by o.key
             )
             select distinct w.id from behind b
             join ordering w on w.key = b.key and w.seq > b.seq
             join progress p on p.id = w.id and p.state = 'held'
             order by w.id limit $9"
        )
    };
}

impl Store {
    /// The later messages of the keys of dead letter `id`, up to [`HOLDS_MAX`].
    pub async fn behind_letter(&self, id: Uuid) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar(OF_LETTER).bind(id).bind(HOLDS_MAX).fetch_all(self.pool()).await?)
    }

    /// What the group `group` holds up, of the first [`HELD_MAX`] held messages.
    pub async fn behind_group(&self, group: Fingerprint) -> Result<Vec<Uuid>, StoreError> {
        Ok(sqlx::query_scalar(OF_GROUP).bind(group.as_i64()).bind(HELD_MAX).fetch_all(self.pool()).await?)
    }

    /// What is held behind the dead letters that `filter` wants, up to `limit`.
    pub async fn behind_letters(&self, filter: &Filter, limit: u32) -> Result<Vec<Uuid>, StoreError> {
        let statement = if filter.key.is_some() { of_letters!(of_key) } else { of_letters!(any_key) };
        let rows = filter.bind(sqlx::query(statement)).bind(i64::from(limit)).fetch_all(self.pool()).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}
