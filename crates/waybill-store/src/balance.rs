//! The balance: what was accepted, against where it is, from the raw tables in one snapshot.
//!
//! This is the second code path: it never asks the verbs of this crate, and it does not believe a
//! state's name. A message is accounted for when its row has what that state promises: a due row a
//! due time, a held one an unfinished predecessor, one in hand a lease, a processed one an attempt, a discarded
//! one a person's decision.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use crate::{Store, StoreError};

/// One source's balance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The source.
    pub source: String,
    /// Receipts given for new messages.
    pub accepted: i64,
    /// Submissions answered as repeats.
    pub duplicate: i64,
    /// Processed, the ignored included.
    pub processed: i64,
    /// Processed without effects.
    pub ignored: i64,
    /// Set aside for a person.
    pub dead: i64,
    /// Discarded by a person.
    pub discarded: i64,
    /// Waiting for an earlier message of their key.
    pub held: i64,
    /// Due, published, in hand or to be retried.
    pub in_flight: i64,
    /// In no column: accepted, and not where their row says they are.
    pub unaccounted: i64,
}

/// Where each message of the CTE `ids` really is; `ids` comes before it.
macro_rules! looked_at {
    ($ids:literal, $then:literal) => {
        concat!(
            "with ids as (",
            $ids,
            "), looked_at as (
    select r.source, r.id as receipt, p.ignored,
           case when p.id is null or b.id is null then 'unaccounted'
                when p.state in ('accepted', 'retrying') and p.due_at < now() + interval '10 days'
                    then 'in_flight'
                when p.state = 'published' and p.published_at is not null then 'in_flight'
                -- in hand: under a lease that the sweep has had time to look at
                when p.state = 'processing' and p.claimed_until > now() - interval '5 minutes'
                    and p.attempts > 0 then 'in_flight'
                -- held: an unfinished or dead message stands before it in a key, or one is in hand
                when p.state = 'held' and exists (
                    select from ordering o join ordering e on e.key = o.key and e.id <> o.id
                    join progress before on before.id = e.id
                    where o.id = p.id and (e.seq < o.seq or before.state = 'processing')
                      and before.state not in ('processed', 'discarded')) then 'held'
                when p.state = 'processed' and p.finished_at is not null and exists (
                    select from attempt a where a.id = p.id and a.outcome in ('processed', 'ignored'))
                    then 'processed'
                when p.state = 'dead' and p.error_class is not null then 'dead'
                when p.state = 'discarded' and exists (
                    select from decision d where d.id = p.id and d.verb = 'discard') then 'discarded'
                else 'unaccounted' end as place
    from ids
    join receipt r on r.id = ids.id
    left join progress p on p.id = r.id
    left join body b on b.id = r.id
)",
            $then
        )
    };
}

const BALANCE: &str = looked_at!(
    "select id from receipt",
    "
select s.name as source,
       count(l.receipt) as accepted,
       coalesce(max(d.count), 0)::bigint as duplicate,
       count(*) filter (where place = 'processed') as processed,
       count(*) filter (where place = 'processed' and ignored is not null) as ignored,
       count(*) filter (where place = 'dead') as dead,
       count(*) filter (where place = 'discarded') as discarded,
       count(*) filter (where place = 'held') as held,
       count(*) filter (where place = 'in_flight') as in_flight,
       count(*) filter (where place = 'unaccounted') as unaccounted
from source s
left join looked_at l on l.source = s.name
left join duplicate d on d.source = s.name
group by s.name order by s.name"
);

/// The unfinished, however old (each part has its own small index), and the recent.
const LIVE: &str = looked_at!(
    "select id from receipt where id >= $1
    union select id from progress where due_at is not null
    union select id from progress where state = 'published'
    union select id from progress where state = 'processing'
    union select id from progress where state = 'held'",
    "select source, count(*) from looked_at where place = 'unaccounted' group by source"
);

/// The next page of the whole ledger.
const PAGE: &str = looked_at!(
    "select id from receipt where id > $1 order by id limit $2",
    "select source, count(*) from looked_at where place = 'unaccounted' group by source"
);

/// The end of that page.
const PAGE_END: &str = "
select id from (select id from receipt where id > $1 order by id limit $2) page
order by id desc limit 1";

impl Store {
    /// What is unaccounted for, by source, among the unfinished messages and those accepted since
    /// `since`. Sources without any are not named.
    pub async fn unaccounted_live(&self, since: DateTime<Utc>) -> Result<Vec<(String, i64)>, StoreError> {
        // ids are version 7: the first one that this moment could have given
        let first = u128::try_from(since.timestamp_millis()).unwrap_or_default() << 80;
        Ok(sqlx::query_as(LIVE).bind(Uuid::from_u128(first)).fetch_all(self.pool()).await?)
    }

    /// What is unaccounted for, by source, among the `limit` messages after `after`; and where the
    /// next page begins, `None` when this was the last one.
    pub async fn unaccounted_page(
        &self,
        after: Uuid,
        limit: u32,
    ) -> Result<(Vec<(String, i64)>, Option<Uuid>), StoreError> {
        let limit = i64::from(limit);
        let end = sqlx::query_scalar(PAGE_END).bind(after).bind(limit).fetch_optional(self.pool()).await?;
        let found = sqlx::query_as(PAGE).bind(after).bind(limit).fetch_all(self.pool()).await?;
        Ok((found, end))
    }

    /// The balance of every source, of all its messages: reads the whole ledger.
    pub async fn balance(&self) -> Result<Vec<Balance>, StoreError> {
        let rows = sqlx::query(BALANCE).fetch_all(self.pool()).await?;
        rows.iter()
            .map(|row| {
                Ok(Balance {
                    source: row.try_get("source")?,
                    accepted: row.try_get("accepted")?,
                    duplicate: row.try_get("duplicate")?,
                    processed: row.try_get("processed")?,
                    ignored: row.try_get("ignored")?,
                    dead: row.try_get("dead")?,
                    discarded: row.try_get("discarded")?,
                    held: row.try_get("held")?,
                    in_flight: row.try_get("in_flight")?,
                    unaccounted: row.try_get("unaccounted")?,
                })
            })
            .collect()
    }
}
