//! Conservation: what was accepted, against where it is, from the raw tables.
//!
//! This is the second code path: it never asks the verbs of this crate, and it does not believe a
//! state's name. A message is accounted for when its rows have what its state promises: a due row a
//! due time, a held one an unfinished predecessor, one in hand a lease, a processed one an attempt, a
//! discarded one a person's decision. What an edit made was posted by nobody: it is accepted in its
//! own right, and counted among `replacements` too.
//! Each statement is one snapshot, and its work is bounded by the ids it is given.

mod listed;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::problem::Problem;
use crate::{Store, StoreError};

/// Where a sound message is: the terms of the equation.
pub const PLACES: [&str; 8] =
    ["processed", "dead", "discarded", "held", "retrying", "due", "published", "in_hand"];

/// Ids of one problem that one statement names; what is beyond is counted alone.
const NAMED_MAX: i32 = 1000;
/// Messages of one page of a walk through everything.
const PAGE: u32 = 20_000;

/// One source's balance: accepted = processed + dead + discarded + held + in flight + unaccounted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// The source.
    pub source: String,
    /// Receipts given for new messages, and what has a place without one.
    pub accepted: i64,
    /// Submissions answered as repeats.
    pub duplicate: i64,
    /// Of the accepted: made by an operator's edit, and posted by nobody.
    pub replacements: i64,
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
    /// To be retried, at a time.
    pub retrying: i64,
    /// To be published.
    pub due: i64,
    /// In the broker, as far as the ledger knows.
    pub published: i64,
    /// In a worker's hand.
    pub in_hand: i64,
    /// Retrying, due, published or in hand.
    pub in_flight: i64,
    /// In no column: accepted, and not where their row says they are.
    pub unaccounted: i64,
}

impl Balance {
    fn add(&mut self, place: &str, ignored: bool, count: i64) {
        self.accepted += count;
        let column = match place {
            "processed" => &mut self.processed,
            "dead" => &mut self.dead,
            "discarded" => &mut self.discarded,
            "held" => &mut self.held,
            "retrying" => &mut self.retrying,
            "due" => &mut self.due,
            "published" => &mut self.published,
            "in_hand" => &mut self.in_hand,
            _ => &mut self.unaccounted,
        };
        *column += count;
        if place == "processed" && ignored {
            self.ignored += count;
        }
        self.in_flight = self.retrying + self.due + self.published + self.in_hand;
    }
}

/// A message that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Misfit {
    /// The message.
    pub id: Uuid,
    /// What is wrong.
    pub problem: Problem,
    /// Whose it is.
    pub source: String,
}

/// What a look at some messages found.
#[derive(Debug, Default)]
pub struct Look {
    /// The balance of each source among them.
    pub balances: BTreeMap<String, Balance>,
    /// What does not fit, up to [`NAMED_MAX`] of each source and problem.
    pub misfits: Vec<Misfit>,
    /// How many more do not fit.
    pub unnamed: i64,
}

impl Look {
    fn add(&mut self, rows: &[Tally]) {
        for (source, verdict, ignored, replacement, count, ids) in rows {
            let balance = self.balances.entry(source.clone()).or_default();
            balance.source.clone_from(source);
            balance.add(verdict, *ignored, *count);
            balance.replacements += if *replacement { *count } else { 0 };
            if let Some(problem) = Problem::find(verdict) {
                self.unnamed += count - i64::try_from(ids.len()).unwrap_or(*count);
                self.misfits.extend(ids.iter().map(|&id| Misfit { id, problem, source: source.clone() }));
            }
        }
    }
}

/// Where each message of the CTE `ids` really is: its verdict is a place, or a problem's code.
/// `$1`: how far ahead a claim may reach, in seconds. `$2`: how many ids to name.
macro_rules! judged {
    ($ids:literal) => {
        concat!(
            "with ids as (",
            $ids,
            "), looked_at as materialized (
    select i.id, coalesce(r.source, p.source) as source, p.ignored, x.id is not null as replacement,
           case
               when r.id is null then 'receipt-missing'
               when s.name is null then 'source-unknown'
               when p.id is null then 'progress-missing'
               -- let go of by retention, or gone
               when b.there is null and not (
                   p.state in ('processed', 'discarded') and coalesce(r.id < kept.let_go_before, false))
                   then 'body-missing'
               when p.state <> 'processed' and exists (
                   select from attempt a where a.id = i.id and a.outcome in ('processed', 'ignored'))
                   then 'effects-written'
               when p.state = 'processed' then case
                   when exists (select from attempt a
                                where a.id = i.id and a.outcome in ('processed', 'ignored'))
                   then 'processed' else 'attempt-missing' end
               when p.state = 'discarded' then case
                   -- a person's last word on it
                   when (select d.verb from decision d where d.id = i.id order by d.seq desc limit 1) = 'discard'
                   then 'discarded' else 'decision-missing' end
               -- ordered since before it came, so it has a key; unless it is dead and holds nobody
               when s.spec->>'order_by' <> 'none'
                   and (p.state <> 'dead' or s.spec->>'on_dead' = 'hold')
                   and r.received_at > s.changed_at + interval '10 seconds'
                   and not exists (select from ordering o where o.id = i.id) then 'order-missing'
               -- and on the list of the dead, where people look
               when p.state = 'dead' then case
                   when exists (select from dead_list l where l.id = i.id and l.dead_at = p.finished_at)
                   then 'dead' else 'dead-list-missing' end
               when p.state = 'processing' then case
                   when p.claimed_by is null or p.claimed_at is null or p.attempts = 0
                       or exists (select from attempt a where a.id = i.id and a.attempt = p.attempts)
                       -- a claim takes its keys in hand
                       or exists (select from ordering o where o.id = i.id)
                           and not exists (select from in_hand h where h.id = i.id)
                   then 'claim-impossible'
                   when p.claimed_until > now() + make_interval(secs => $1) then 'claim-too-long'
                   -- the sweep has had time to look at it
                   when p.claimed_until < now() - interval '5 minutes' then 'claim-over'
                   else 'in_hand' end
               when p.state = 'held' then case
                   -- an unfinished or dead message stands before it in a key, or one is in hand
                   when exists (
                       select from ordering o join ordering e on e.key = o.key and e.id <> o.id
                       join progress before on before.id = e.id
                       where o.id = i.id and (e.seq < o.seq or before.state = 'processing')
                         and before.state not in ('processed', 'discarded'))
                   then 'held' else 'held-alone' end
               when p.state = 'published' then case
                   when p.published_at > now() + interval '1 minute' then 'published-too-late'
                   else 'published' end
               when p.due_at > now() + interval '10 days' then 'due-too-late'
               when p.lease_until > now() + interval '1 hour' then 'lease-too-long'
               when p.state = 'retrying' then 'retrying'
               else 'due' end as verdict
    from ids i
    left join receipt r on r.id = i.id
    left join progress p on p.id = i.id
    left join replacement x on x.id = i.id
    left join source s on s.name = r.source
    left join retention kept on kept.source = r.source
    -- a lateral, so that only the day of the id is looked at
    left join lateral (select true as there from body where body.id = i.id limit 1) b on true
    where r.id is not null or p.id is not null
)
select source, verdict, ignored is not null as ignored, replacement, count(*),
       coalesce((array_agg(id order by id) filter (where strpos(verdict, '-') > 0))[1:$2::integer], '{}')
from looked_at group by 1, 2, 3, 4"
        )
    };
}

/// These messages.
const GIVEN: &str = judged!("select id from unnest($3::uuid[]) as g (id)");

/// The unfinished: the oldest of each kind of wait (each has its own small index), a page each.
const UNFINISHED: &str = judged!(
    "(select id from progress where due_at is not null order by lane, due_at limit $3)
    union all (select id from progress where state = 'published' limit $3)
    union all (select id from progress where state = 'processing' order by claimed_until limit $3)
    union all (select id from progress where state = 'held' and id > $4 order by id limit $3)"
);

/// All with an id above `$3` up to `$4`.
const RANGE: &str = judged!(
    "select id from receipt where id > $3 and id <= $4
    union select id from progress where id > $3 and id <= $4"
);

/// The end of the page of `$2` receipts after `$1`.
const PAGE_END: &str = "
select id from (select id from receipt where id > $1 order by id limit $2) page
order by id desc limit 1";

/// Ordering keys that hold others for nothing: a page of `$3` rows after (`$1`, `$2`).
const LEFT_OVER: &str = "
with page as (
    select key, seq, id from ordering where (key, seq) > ($1, $2) order by key, seq limit $3
), wrong as (
    select distinct o.id, coalesce(p.source, r.source, '-') as source
    from page o
    left join progress p on p.id = o.id
    left join receipt r on r.id = o.id
    where p.id is null and r.id is null
       or p.state = 'discarded'
           and (select d.verb from decision d where d.id = o.id order by d.seq desc limit 1) = 'discard'
       or p.state = 'processed' and exists (
           select from attempt a where a.id = o.id and a.outcome in ('processed', 'ignored'))
)
select (select key from page order by key desc, seq desc limit 1),
       (select seq from page order by key desc, seq desc limit 1),
       (select count(*) from page),
       coalesce((select array_agg(id order by id) from wrong), '{}'),
       coalesce((select array_agg(source order by id) from wrong), '{}')";

const IN_HAND: &str = "
select distinct h.id, coalesce(p.source, r.source, '-')
from (select id from in_hand limit $1) h
left join progress p on p.id = h.id
left join receipt r on r.id = h.id
where p.state is distinct from 'processing'";

/// Where a walk through the ordering keys is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyCursor(pub(crate) i64, pub(crate) i64);

impl KeyCursor {
    /// Before the first key.
    pub const START: Self = Self(i64::MIN, i64::MIN);
}

/// Source, verdict, whether it was ignored, whether an edit made it, how many, some of them.
type Tally = (String, String, bool, bool, i64, Vec<Uuid>);
type Rows = Vec<Tally>;

/// The first id that this moment could have given (UUID version 7, RFC 9562, section 5.7).
pub fn first_id_at(moment: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::try_from(moment.timestamp_millis()).unwrap_or_default() << 80)
}

impl Store {
    /// One snapshot for all looks in it. A message at a time, by index, whatever the statistics say:
    /// a plan that reads a whole table for one page would not be bounded.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut snapshot = self.begin().await?;
        sqlx::raw_sql(
            "set transaction isolation level repeatable read read only;
             set local enable_seqscan = off; set local enable_bitmapscan = off;
             set local enable_hashjoin = off; set local enable_mergejoin = off;
             set local max_parallel_workers_per_gather = 0;",
        )
        .execute(&mut *snapshot)
        .await?;
        Ok(snapshot)
    }

    /// Looks at these messages. `claim_s_max`: how long a claim may last, in seconds.
    pub async fn look_at(&self, ids: &[Uuid], claim_s_max: f64) -> Result<Look, StoreError> {
        let mut look = Look::default();
        if !ids.is_empty() {
            let mut snapshot = self.snapshot().await?;
            let rows: Rows = sqlx::query_as(GIVEN)
                .bind(claim_s_max)
                .bind(NAMED_MAX)
                .bind(ids)
                .fetch_all(&mut *snapshot)
                .await?;
            snapshot.commit().await?;
            look.add(&rows);
        }
        Ok(look)
    }

    /// Looks at the unfinished, up to `page` of each kind of wait; at the held ones after `held`.
    pub async fn look_at_unfinished(
        &self,
        page: u32,
        held: Uuid,
        claim_s_max: f64,
    ) -> Result<Look, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let rows: Rows = sqlx::query_as(UNFINISHED)
            .bind(claim_s_max)
            .bind(NAMED_MAX)
            .bind(i64::from(page))
            .bind(held)
            .fetch_all(&mut *snapshot)
            .await?;
        snapshot.commit().await?;
        let mut look = Look::default();
        look.add(&rows);
        Ok(look)
    }

    /// The held message at which the next look at the unfinished begins.
    pub async fn next_held(&self, page: u32, held: Uuid) -> Result<Uuid, StoreError> {
        let next: Option<Uuid> = sqlx::query_scalar(
            "select id from progress where state = 'held' and id > $1 order by id offset $2 limit 1",
        )
        .bind(held)
        .bind(i64::from(page.saturating_sub(1)))
        .fetch_optional(self.pool())
        .await?;
        Ok(next.unwrap_or(Uuid::nil()))
    }

    /// Looks at the next `page` messages after `after`; and where the next page begins, `None` when
    /// this was the last one.
    pub async fn look_at_page(
        &self,
        after: Uuid,
        page: u32,
        claim_s_max: f64,
    ) -> Result<(Look, Option<Uuid>), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let found = page_of(&mut snapshot, after, page, claim_s_max).await?;
        snapshot.commit().await?;
        Ok(found)
    }

    /// Ordering keys and hands that hold others for nothing: a page of the keys after `cursor`, and
    /// where the next one begins.
    pub async fn look_at_keys(
        &self,
        cursor: KeyCursor,
        page: u32,
    ) -> Result<(Vec<Misfit>, KeyCursor), StoreError> {
        let mut snapshot = self.snapshot().await?;
        let found = keys_of(&mut snapshot, cursor, page).await?;
        snapshot.commit().await?;
        Ok(found)
    }

    /// Looks at everything, in one snapshot: reads the whole ledger, page by page.
    pub async fn look_at_all(&self, claim_s_max: f64) -> Result<Look, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let mut look = Look::default();
        let known: Vec<(String, i64)> = sqlx::query_as(
            "select s.name, coalesce(d.count, 0) from source s left join duplicate d on d.source = s.name",
        )
        .fetch_all(&mut *snapshot)
        .await?;
        for (source, duplicate) in known {
            let balance = Balance { source: source.clone(), duplicate, ..Balance::default() };
            look.balances.insert(source, balance);
        }
        let mut after = Some(Uuid::nil());
        while let Some(from) = after {
            let (page, next) = page_of(&mut snapshot, from, PAGE, claim_s_max).await?;
            look.merge(page);
            after = next;
        }
        let mut cursor = KeyCursor::START;
        loop {
            let (misfits, next) = keys_of(&mut snapshot, cursor, PAGE).await?;
            look.misfits.extend(misfits);
            cursor = next;
            if cursor == KeyCursor::START {
                break;
            }
        }
        let mut after = Uuid::nil();
        loop {
            let (misfits, next) = listed::page_of(&mut snapshot, after, PAGE).await?;
            look.misfits.extend(misfits);
            after = next;
            if after == Uuid::nil() {
                break;
            }
        }
        snapshot.commit().await?;
        look.misfits.sort_unstable();
        look.misfits.dedup();
        Ok(look)
    }

    /// The balance of every source, of all its messages: reads the whole ledger.
    pub async fn balance(&self) -> Result<Vec<Balance>, StoreError> {
        // how long a claim may last is the sweeps' question
        Ok(self.look_at_all(f64::from(u32::MAX)).await?.balances.into_values().collect())
    }

    /// About how many messages there are, by PostgreSQL's statistics.
    pub async fn messages_about(&self) -> Result<f32, StoreError> {
        let about: f32 = sqlx::query_scalar("select reltuples from pg_class where oid = 'receipt'::regclass")
            .fetch_one(self.pool())
            .await?;
        Ok(about.max(0.0))
    }
}

impl Look {
    /// Adds what another look found, of other messages.
    pub fn merge(&mut self, other: Self) {
        for (source, b) in other.balances {
            let mine = self.balances.entry(source.clone()).or_default();
            mine.source = source;
            mine.replacements += b.replacements;
            for (place, count) in [
                ("processed", b.processed - b.ignored),
                ("dead", b.dead),
                ("discarded", b.discarded),
                ("held", b.held),
                ("retrying", b.retrying),
                ("due", b.due),
                ("published", b.published),
                ("in_hand", b.in_hand),
                ("unaccounted", b.unaccounted),
            ] {
                mine.add(place, false, count);
            }
            mine.add("processed", true, b.ignored);
        }
        self.misfits.extend(other.misfits);
        self.unnamed += other.unnamed;
    }
}

async fn page_of(
    snapshot: &mut Transaction<'static, Postgres>,
    after: Uuid,
    page: u32,
    claim_s_max: f64,
) -> Result<(Look, Option<Uuid>), StoreError> {
    let end: Option<Uuid> = sqlx::query_scalar(PAGE_END)
        .bind(after)
        .bind(i64::from(page))
        .fetch_optional(&mut **snapshot)
        .await?;
    let rows: Rows = sqlx::query_as(RANGE)
        .bind(claim_s_max)
        .bind(NAMED_MAX)
        .bind(after)
        .bind(end.unwrap_or(Uuid::max()))
        .fetch_all(&mut **snapshot)
        .await?;
    let mut look = Look::default();
    look.add(&rows);
    Ok((look, end))
}

async fn keys_of(
    snapshot: &mut Transaction<'static, Postgres>,
    cursor: KeyCursor,
    page: u32,
) -> Result<(Vec<Misfit>, KeyCursor), StoreError> {
    let row = sqlx::query(LEFT_OVER)
        .bind(cursor.0)
        .bind(cursor.1)
        .bind(i64::from(page))
        .fetch_one(&mut **snapshot)
        .await?;
    let seen: i64 = row.try_get(2)?;
    let next =
        if seen < i64::from(page) { KeyCursor::START } else { KeyCursor(row.try_get(0)?, row.try_get(1)?) };
    let (ids, sources): (Vec<Uuid>, Vec<String>) = (row.try_get(3)?, row.try_get(4)?);
    let misfit = |problem| move |(id, source)| Misfit { id, problem, source };
    let mut misfits: Vec<Misfit> = ids.into_iter().zip(sources).map(misfit(Problem::OrderLeftOver)).collect();
    let in_hand: Vec<(Uuid, String)> =
        sqlx::query_as(IN_HAND).bind(i64::from(page)).fetch_all(&mut **snapshot).await?;
    misfits.extend(in_hand.into_iter().map(misfit(Problem::InHandLeftOver)));
    Ok((misfits, next))
}
