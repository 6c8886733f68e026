//! Groups of dead letters that are alike: how many, since when, what they hold up, and an example.
//!
//! How many of all there are is a sum of few rows, kept by the list itself (`dead_tally`); of a time
//! or a key it is counted by index. No transaction ever waits for a counter (ADR 15).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use super::filter::{Filter, in_time, matching, wanted};
use crate::{Store, StoreError};

/// Held messages that are looked at to say what a group holds up, the oldest first.
pub const HELD_MAX: i64 = 1_000;

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

/// The largest of the groups `found` (`$9` of them), with the oldest and the newest of each, by index.
macro_rules! largest {
    ($found:expr) => {
        concat!(
            "with found as (",
            $found,
            "), largest as (
    select found.*, count(*) over () as total from found where messages > 0
    order by messages desc, fingerprint limit $9
)
select largest.*, oldest.dead_at as oldest, newest.dead_at as newest, newest.id as example, p.error_reason
from largest
cross join lateral (
    select e.dead_at from dead_list e where e.fingerprint = largest.fingerprint and ",
            in_time!(),
            " order by e.dead_at, e.id limit 1) oldest
cross join lateral (
    select e.dead_at, e.id from dead_list e where e.fingerprint = largest.fingerprint and ",
            in_time!(),
            " order by e.dead_at desc, e.id desc limit 1) newest
left join progress p on p.id = newest.id
order by messages desc, largest.fingerprint"
        )
    };
}

/// Of all that is dead: the counts that are kept.
const GROUPS: &str = largest!(concat!(
    "select g.*, t.messages
     from (select fingerprint, sum(n)::bigint as messages from dead_tally group by fingerprint) t
     join dead_group g on g.fingerprint = t.fingerprint where $8::bigint is null and ",
    wanted!()
));

/// Of a time: counted, as many as that time has.
const GROUPS_IN_TIME: &str = largest!(concat!(
    "select g.*, (select count(*) from dead_list e where e.fingerprint = g.fingerprint and ",
    in_time!(),
    ") as messages
     from dead_group g where $8::bigint is null and ",
    wanted!()
));

/// Of a key: few.
const GROUPS_OF_KEY: &str = concat!(
    "with found as (",
    matching!(
        of_key,
        "g.*, count(*) as messages, min(e.dead_at) as oldest, max(e.dead_at) as newest,
         (array_agg(e.id order by e.dead_at desc, e.id desc))[1] as example",
        "group by g.fingerprint"
    ),
    ")
select found.*, count(*) over () as total, p.error_reason
from found left join progress p on p.id = found.example
order by messages desc, fingerprint limit $9"
);

/// What the groups `$1` hold up, of the first `$2` held messages: those whose key a dead letter heads.
/// `offset 0`: one by one, by index, whatever the statistics say.
const HELD_UP: &str = "
with held as (
    select id from progress where state = 'held' order by id limit $2
)
select e.fingerprint, count(distinct held.id)
from held
cross join lateral (select key from ordering where id = held.id offset 0) o
cross join lateral (
    select first.id from ordering first where first.key = o.key order by first.seq limit 1) head
cross join lateral (select fingerprint from dead_list where id = head.id offset 0) e
where e.fingerprint = any($1)
group by e.fingerprint";

impl Store {
    /// The groups of the dead letters that `filter` wants, the largest first, up to `limit`.
    pub async fn dead_groups(&self, filter: &Filter, limit: u32) -> Result<Groups, StoreError> {
        let mut snapshot = self.begin().await?;
        sqlx::raw_sql("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        let statement = match filter {
            Filter { key: Some(_), .. } => GROUPS_OF_KEY,
            Filter { since: None, until: None, .. } => GROUPS,
            _ => GROUPS_IN_TIME,
        };
        let rows =
            filter.bind(sqlx::query(statement)).bind(i64::from(limit)).fetch_all(&mut *snapshot).await?;
        let mut found = Groups::default();
        for row in &rows {
            found.total = row.try_get("total")?;
            let pattern: String = row.try_get("pattern")?;
            found.groups.push(Group {
                fingerprint: Fingerprint::from_i64(row.try_get("fingerprint")?),
                source: row.try_get("source")?,
                kind: row.try_get("kind")?,
                reason: row.try_get("error_class")?,
                count: row.try_get("messages")?,
                oldest: row.try_get("oldest")?,
                newest: row.try_get("newest")?,
                holds: 0,
                holds_at_least: false,
                example: row.try_get("example")?,
                explanation: row
                    .try_get::<Option<String>, _>("error_reason")?
                    .unwrap_or_else(|| pattern.clone()),
                pattern,
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
