//! Figures of the ledger for the metrics: what is due, held, dead, overdue, and how long a source
//! has been silent. Each is one query over a narrow index, and counts no further than a limit: a
//! backlog of millions must not cost more, on every pass, than it says.

use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// Rows that are counted of each index; what is beyond is "at least so many".
const COUNTED_MAX: i64 = 1_000_000;
/// Rows of each kind of wait that are looked through for overdue ones, those that have waited longest
/// first where the index has them so.
const LOOKED_THROUGH_MAX: i64 = 100_000;

/// What is due now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Due {
    /// Messages due and not published.
    pub messages: i64,
    /// How long the oldest has been due, in seconds.
    pub oldest_s: f64,
}

/// One source's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceFigures {
    /// The source.
    pub source: String,
    /// Unfinished longer than the source's deadline; none while it is paused.
    pub overdue: i64,
    /// Seconds since its last message, or since it was applied or changed; none: it is disabled.
    pub silent_s: Option<f64>,
    /// Its `silence_s`; 0: it may be silent, as any disabled source, or one silenced for now.
    pub silence_s_max: f64,
    /// Whether an operator paused it.
    pub paused: bool,
}

/// How much one lane's workers have to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The lane.
    pub lane: String,
    /// Messages due now, published or in hand.
    pub messages: i64,
    /// Messages accepted since the moment asked for.
    pub arrived: i64,
    /// Those of them that the next call, which asks since this one's `now`, counts as arrived again.
    pub ahead: i64,
}

impl Store {
    /// What is due now.
    pub async fn due(&self) -> Result<Due, StoreError> {
        let row = sqlx::query(
            "with recursive lanes (lane) as (
                 -- one index probe per lane
                 (select lane from progress where due_at is not null order by lane limit 1)
                 union all
                 select (select p.lane from progress p where p.due_at is not null and p.lane > l.lane
                         order by p.lane limit 1)
                 from lanes l where l.lane is not null
             ), first as (
                 select oldest.due_at from lanes l
                 cross join lateral (
                     select due_at from progress p where p.lane = l.lane and p.due_at is not null
                     order by p.due_at limit 1) oldest
             )
             select (select count(*) from (
                         select from progress where due_at <= now() limit $1) d) as messages,
                    coalesce(extract(epoch from now() - (select min(due_at) from first)), 0)::float8 as oldest_s",
        )
        .bind(COUNTED_MAX)
        .fetch_one(self.pool())
        .await?;
        Ok(Due { messages: row.try_get("messages")?, oldest_s: row.try_get("oldest_s")? })
    }

    /// Messages held, as far as they are counted.
    pub async fn held(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("select count(*) from (select from progress where state = 'held' limit $1) h")
            .bind(COUNTED_MAX)
            .fetch_one(self.pool())
            .await?)
    }

    /// How much each lane's workers have to do, and how much came in since the message id `since`, and of
    /// that since the id `now`, at which this call was begun.
    pub async fn backlogs(&self, since: Uuid, now: Uuid) -> Result<Vec<Backlog>, StoreError> {
        let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
            "with work as (
                 -- each part has its own small index
                 (select lane from progress where due_at <= now() limit $2)
                 union all (select lane from progress where state = 'published' limit $2)
                 union all (select lane from progress where state = 'processing' limit $2)
             ), waiting as (
                 select lane, count(*) as messages from work group by lane
             ), arrived as (
                 select lane, count(*) as messages, count(*) filter (where id >= $3) as ahead
                 from progress where id >= $1 group by lane
             )
             select coalesce(w.lane, a.lane), coalesce(w.messages, 0), coalesce(a.messages, 0), coalesce(a.ahead, 0)
             from waiting w full join arrived a on a.lane = w.lane",
        )
        .bind(since)
        .bind(COUNTED_MAX)
        .bind(now)
        .fetch_all(self.pool())
        .await?;
        let backlog = |(lane, messages, arrived, ahead)| Backlog { lane, messages, arrived, ahead };
        Ok(rows.into_iter().map(backlog).collect())
    }

    /// Overdue messages and silence, by source, disabled ones too: their messages go on.
    pub async fn source_figures(&self) -> Result<Vec<SourceFigures>, StoreError> {
        let rows = sqlx::query(
            "with unfinished as (
                 -- each part has its own small index
                 (select id, source from progress where due_at is not null order by lane, due_at limit $1)
                 union all (select id, source from progress where state = 'published' limit $1)
                 union all (select id, source from progress where state = 'processing'
                            order by claimed_until limit $1)
                 union all (select id, source from progress where state = 'held' order by id limit $1)
             ), bound as materialized (
                 -- the time inside an id is when it was accepted
                 select name, id_at(now() - make_interval(secs => (spec->>'deadline_s')::float8)) as before
                 -- a paused source's messages wait because somebody said so
                 from source where paused_at is null
             ), late as (
                 select u.source, count(*) as messages from unfinished u
                 join bound on bound.name = u.source and u.id < bound.before group by u.source
             )
             select s.name as source,
                    coalesce((select messages from late where late.source = s.name), 0) as overdue,
                    case when s.enabled then extract(epoch from now() - greatest(s.changed_at,
                        (select received_at from receipt r where r.source = s.name
                         order by id desc limit 1)))::float8 end as silent_s,
                    case when s.enabled and coalesce(s.silenced_until <= now(), true)
                         then (s.spec->>'silence_s')::float8 else 0 end as silence_s_max,
                    s.paused_at is not null as paused
             from source s order by s.name",
        )
        .bind(LOOKED_THROUGH_MAX)
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(SourceFigures {
                    source: row.try_get("source")?,
                    overdue: row.try_get("overdue")?,
                    silent_s: row.try_get("silent_s")?,
                    silence_s_max: row.try_get("silence_s_max")?,
                    paused: row.try_get("paused")?,
                })
            })
            .collect()
    }
}
