//! Groups of dead letters that are alike: how many, since when, what they hold up, and an example.
//!
//! Nothing is counted ahead: a count is read out of one narrow index, so it cannot drift, and no
//! transaction waits for another's counter (ADR 15 has the figures).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::filter::{Filter, matching};
use crate::{Store, StoreError};

/// Held messages that are looked at to say what a group holds up, the oldest first.
pub const HELD_MAX: i64 = 10_000;

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// What they have in common, as a number.
    pub fingerprint: Fingerprint,
    /// Whose they are.
    pub source: String,
    /// Their kind.
    pub kind: String,
    /// The class of their failure.
    pub reason: String,
    /// What happened, without what varies.
    pub pattern: String,
    /// How many.
    pub count: i64,
    /// When the oldest of them was set aside.
    pub oldest: DateTime<Utc>,
    /// When the newest was.
    pub newest: DateTime<Utc>,
    /// Messages that are held behind them.
    pub holds: i64,
    /// More messages are held than were looked at: `holds` is the least it can be.
    pub holds_at_least: bool,
    /// The newest of the group.
    pub example: Uuid,
    /// What happened to that one, in words.
    pub explanation: String,
}

/// Groups, the largest first.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    /// As many as were asked for.
    pub groups: Vec<Group>,
    /// How many there are.
    pub total: i64,
}

/// `$9`: how many groups.
macro_rules! groups {
    ($found:expr) => {
        concat!(
            "with found as (",
            $found,
            ")
select found.*, example.id as example, example.error_reason
from (select found.*, count(*) over () as total from found
      order by messages desc, newest desc, fingerprint limit $9) found
cross join lateral (
    select p.id, p.error_reason from dead_list e join progress p on p.id = e.id and p.state = 'dead'
    where e.fingerprint = found.fingerprint and e.dead_at <= found.newest
    order by e.dead_at desc, e.id desc limit 1) example
order by messages desc, newest desc, fingerprint"
        )
    };
}

const GROUPS: &str = groups!(matching!(
    any_key,
    "g.*, count(*) as messages, min(e.dead_at) as oldest, max(e.dead_at) as newest",
    "group by g.fingerprint"
));

const GROUPS_OF_KEY: &str = groups!(matching!(
    of_key,
    "g.*, count(*) as messages, min(e.dead_at) as oldest, max(e.dead_at) as newest",
    "group by g.fingerprint"
));

/// What the groups `$1` hold up, of the first `$2` held messages: those whose key a dead letter heads.
const HELD_UP: &str = "
with held as (
    select id from progress where state = 'held' order by id limit $2
)
select e.fingerprint, count(distinct held.id)
from held
join ordering o on o.id = held.id
cross join lateral (
    select first.id from ordering first where first.key = o.key order by first.seq limit 1) head
join dead_list e on e.id = head.id
where e.fingerprint = any($1)
group by e.fingerprint";

impl Store {
    /// The groups of the dead letters that `filter` wants, the largest first, up to `limit`.
    pub async fn dead_groups(&self, filter: &Filter, limit: u32) -> Result<Groups, StoreError> {
        let mut snapshot = self.begin().await?;
        sqlx::raw_sql("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        let statement = if filter.key.is_some() { GROUPS_OF_KEY } else { GROUPS };
        let rows =
            filter.bind(sqlx::query(statement)).bind(i64::from(limit)).fetch_all(&mut *snapshot).await?;
        let mut found = Groups::default();
        for row in &rows {
            found.total = row.try_get("total")?;
            found.groups.push(Group {
                fingerprint: Fingerprint::from_i64(row.try_get("fingerprint")?),
                source: row.try_get("source")?,
                kind: row.try_get("kind")?,
                reason: row.try_get("error_class")?,
                pattern: row.try_get("pattern")?,
                count: row.try_get("messages")?,
                oldest: row.try_get("oldest")?,
                newest: row.try_get("newest")?,
                holds: 0,
                holds_at_least: false,
                example: row.try_get("example")?,
                explanation: row.try_get("error_reason")?,
            });
        }
        let fingerprints: Vec<i64> = found.groups.iter().map(|g| g.fingerprint.as_i64()).collect();
        let held_up: HashMap<i64, i64> = sqlx::query_as::<_, (i64, i64)>(HELD_UP)
            .bind(&fingerprints)
            .bind(HELD_MAX)
            .fetch_all(&mut *snapshot)
            .await?
            .into_iter()
            .collect();
        let more: Option<bool> =
            sqlx::query_scalar("select true from progress where state = 'held' offset $1 limit 1")
                .bind(HELD_MAX)
                .fetch_optional(&mut *snapshot)
                .await?;
        snapshot.commit().await?;
        for group in &mut found.groups {
            group.holds = held_up.get(&group.fingerprint.as_i64()).copied().unwrap_or_default();
            group.holds_at_least = more.is_some();
        }
        Ok(found)
    }
}
