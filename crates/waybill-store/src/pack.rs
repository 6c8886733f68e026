//! The incident pack: what was accepted in a window of time, and what became of it.
//!
//! Every figure is counted from the ledger's rows in one snapshot, so the parts agree with each other
//! and can be counted again. Sums are made by PostgreSQL; the affected messages are handed over one by
//! one, however many there are. What the ledger does not keep by time (answers to repeats) is not told.

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::{Store, StoreError};

/// What a pack is about.
#[derive(Debug, Clone, Serialize)]
pub struct Window {
    /// Accepted at or after this moment.
    pub from: DateTime<Utc>,
    /// And before this one.
    pub to: DateTime<Utc>,
    /// Of this source alone.
    pub source: Option<String>,
}

/// One source in the window.
#[derive(Debug, Clone, Serialize)]
pub struct Partner {
    /// The source.
    pub source: String,
    /// Messages accepted in the window. The sum of the next six.
    pub accepted: i64,
    /// Of those, processed by now.
    pub processed: i64,
    /// Discarded by a person.
    pub discarded: i64,
    /// Dead now.
    pub dead: i64,
    /// Held now.
    pub held: i64,
    /// In any other state: still on its way.
    pub in_progress: i64,
    /// With a receipt and no place.
    pub unaccounted: i64,
    /// Processed, the ones without effects.
    pub ignored: i64,
    /// Not final within the source's `deadline_s`: final later, or still not final and not dead.
    pub delayed: i64,
    /// Dead now, or before they were replayed or discarded.
    pub ever_dead: i64,
    /// Replayed at least once.
    pub replayed: i64,
    /// Found not to fit, or lost by RabbitMQ, by a sweep.
    pub found: i64,
    /// With more than one attempt.
    pub retried: i64,
    /// Seconds from accepted to processed: half took less, ...
    pub p50_s: Option<f64>,
    /// ... 95 % took less, ...
    pub p95_s: Option<f64>,
    /// ... and the longest.
    pub max_s: Option<f64>,
    /// Which one that was.
    pub longest: Option<Uuid>,
    /// The source's `deadline_s`.
    pub deadline_s: Option<f64>,
}

/// Messages that died of the same.
#[derive(Debug, Clone, Serialize)]
pub struct Death {
    /// Their source.
    pub source: String,
    /// The class of the failure.
    pub class: String,
    /// The failure, in words without values.
    pub reason: String,
    /// Deaths, one for each time that a message died.
    pub deaths: i64,
    /// Messages that are dead of it now.
    pub still_dead: i64,
    /// The first time.
    pub first_at: DateTime<Utc>,
    /// The last time.
    pub last_at: DateTime<Utc>,
    /// Some of them, the oldest first.
    pub examples: Vec<Uuid>,
}

/// A piece of the window.
#[derive(Debug, Clone, Serialize)]
pub struct Slice {
    /// Its beginning.
    pub at: DateTime<Utc>,
    /// Accepted in it.
    pub accepted: i64,
    /// Processed or discarded in it, of all that the window accepted.
    pub finished: i64,
    /// Died in it.
    pub died: i64,
    /// Accepted by its end, and neither final nor dead then.
    pub open: i64,
}

/// A message that was delayed, dead, repaired, or is not final.
#[derive(Debug, Clone, Serialize)]
pub struct Affected {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The sender's key.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    pub received_at: DateTime<Utc>,
    /// Where it is now.
    pub state: Option<String>,
    /// When it became final, or dead.
    pub finished_at: Option<DateTime<Utc>>,
    /// Seconds from accepted to final, where it is.
    pub took_s: Option<f64>,
    /// Attempts begun.
    pub attempts: Option<i32>,
    /// Not final within its source's deadline.
    pub delayed: bool,
    /// Times that it died.
    pub deaths: i64,
    /// Times that it was replayed.
    pub replays: i64,
    /// What a sweep found about it.
    pub findings: Vec<String>,
    /// The class of its last failure.
    pub error_class: Option<String>,
    /// Its last failure in words.
    pub error_reason: Option<String>,
}

/// The messages of the window (`$1`, `$2`, `$3`) as the CTE `scope`. The ids' own time finds them; the
/// moment in the receipt decides.
macro_rules! scoped {
    ($rest:literal) => {
        concat!(
            "with scope as (
    select r.id, r.source, r.idempotency_key, r.received_at, p.state, p.attempts, p.finished_at, p.ignored,
           p.error_class, p.error_reason, (s.spec->>'deadline_s')::float8 as deadline_s,
           case when p.state in ('processed', 'discarded')
                then extract(epoch from p.finished_at - r.received_at)::float8 end as took_s,
           coalesce(p.state <> 'dead', false) and
           extract(epoch from coalesce(p.finished_at, now()) - r.received_at) > (s.spec->>'deadline_s')::float8
               as delayed,
           -- each decision ended one death
           coalesce(d.decided, 0) + coalesce((p.state = 'dead')::integer, 0) as deaths,
           coalesce(d.replays, 0) as replays, f.findings
    from receipt r
    left join progress p on p.id = r.id
    left join source s on s.name = r.source
    left join (select id, count(*) as decided, count(*) filter (where verb = 'replay') as replays
               from decision group by id) d on d.id = r.id
    left join (select id, array_agg(problem order by problem) as findings from finding group by id) f on f.id = r.id
    where r.id >= id_at($1 - interval '1 minute') and r.id < id_at($2 + interval '1 minute')
      and r.received_at >= $1 and r.received_at < $2 and ($3::text is null or r.source = $3)
), death as (
    select d.id, d.dead_at as at, d.error_class, d.error_reason, false as still
    from decision d join scope using (id)
    union all
    select id, finished_at, error_class, error_reason, true from scope where state = 'dead'
)",
            $rest
        )
    };
}

const PARTNERS: &str = scoped!(
    "
select s.source, count(*) as accepted,
       count(*) filter (where state = 'processed') as processed,
       count(*) filter (where state = 'discarded') as discarded,
       count(*) filter (where state = 'dead') as dead,
       count(*) filter (where state = 'held') as held,
       count(*) filter (where state in ('accepted', 'published', 'processing', 'retrying')) as in_progress,
       count(*) filter (where state is null) as unaccounted,
       count(*) filter (where ignored is not null) as ignored,
       count(*) filter (where delayed) as delayed,
       count(*) filter (where deaths > 0) as ever_dead,
       count(*) filter (where replays > 0) as replayed,
       count(*) filter (where findings is not null) as found,
       count(*) filter (where attempts > 1) as retried,
       percentile_cont(0.5) within group (order by took_s) filter (where state = 'processed') as p50_s,
       percentile_cont(0.95) within group (order by took_s) filter (where state = 'processed') as p95_s,
       max(took_s) filter (where state = 'processed') as max_s,
       max(deadline_s) as deadline_s,
       (select id from scope x where x.source = s.source and x.state = 'processed'
        order by took_s desc, id limit 1) as longest
from scope s group by s.source order by s.source"
);

const DEATHS: &str = scoped!(
    "
select x.source, d.error_class, d.error_reason, count(*) as deaths, count(*) filter (where d.still) as still_dead,
       min(d.at) as first_at, max(d.at) as last_at,
       (array_agg(distinct d.id))[1:10] as examples
from death d join scope x using (id)
group by 1, 2, 3 order by 1, deaths desc, 2, 3"
);

const SLICES: &str = scoped!(
    ", slice as (
    select at from generate_series($1, $2 - interval '1 microsecond', $4) as at
), counted as (
    select at, sum(accepted) as accepted, sum(finished) as finished, sum(died) as died, sum(opened) as opened
    from (
        select width_bucket(received_at, (select array_agg(at order by at) from slice)) as nth,
               1 as accepted, 0 as finished, 0 as died, 1 as opened from scope
        union all
        select width_bucket(finished_at, (select array_agg(at order by at) from slice)), 0, 1, 0,
               -- what is discarded was dead already
               case when state = 'processed' then -1 else 0 end
        from scope where state in ('processed', 'discarded') and finished_at < $2
        union all
        select width_bucket(at, (select array_agg(at order by at) from slice)), 0, 0, 1, -1
        from death where at < $2
        union all
        select width_bucket(decided_at, (select array_agg(at order by at) from slice)), 0, 0, 0, 1
        from decision join scope using (id) where verb = 'replay' and decided_at < $2
    ) moment
    join (select at, row_number() over (order by at) as nth from slice) numbered using (nth)
    group by at
)
select slice.at, coalesce(accepted, 0)::bigint as accepted, coalesce(finished, 0)::bigint as finished,
       coalesce(died, 0)::bigint as died,
       sum(coalesce(opened, 0)) over (order by slice.at)::bigint as open
from slice left join counted on counted.at = slice.at order by slice.at"
);

const AFFECTED: &str = scoped!(
    "
select id, source, idempotency_key, received_at, state, finished_at, took_s, attempts, delayed, deaths, replays,
       coalesce(findings, '{}') as findings, error_class, error_reason
from scope
where delayed or state is null or state not in ('processed', 'discarded') or deaths > 0 or findings is not null
order by source, id"
);

/// One snapshot of the ledger, for the parts of one pack.
#[derive(Debug)]
pub struct Pack {
    snapshot: Transaction<'static, Postgres>,
    window: Window,
    /// The moment of the snapshot, by the ledger's clock.
    pub as_of: DateTime<Utc>,
}

impl Store {
    /// Opens a snapshot for a pack about `window`.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn pack(&self, window: Window) -> Result<Pack, StoreError> {
        let mut snapshot = self.begin().await?;
        sqlx::query("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        // whoever reads the pack may be slow
        sqlx::query("set local idle_in_transaction_session_timeout = '10min'")
            .execute(&mut *snapshot)
            .await?;
        let as_of = sqlx::query_scalar("select now()").fetch_one(&mut *snapshot).await?;
        Ok(Pack { snapshot, window, as_of })
    }
}

impl Pack {
    /// Every source that accepted something in the window.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn partners(&mut self) -> Result<Vec<Partner>, StoreError> {
        let rows = sqlx::query(PARTNERS)
            .bind(self.window.from)
            .bind(self.window.to)
            .bind(&self.window.source)
            .fetch_all(&mut *self.snapshot)
            .await?;
        rows.iter().map(partner).collect()
    }

    /// What they died of.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn deaths(&mut self) -> Result<Vec<Death>, StoreError> {
        let rows = sqlx::query(DEATHS)
            .bind(self.window.from)
            .bind(self.window.to)
            .bind(&self.window.source)
            .fetch_all(&mut *self.snapshot)
            .await?;
        rows.iter().map(death).collect()
    }

    /// The window in pieces of `minutes`.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn slices(&mut self, minutes: u32) -> Result<Vec<Slice>, StoreError> {
        let step = crate::claim::interval(std::time::Duration::from_secs(u64::from(minutes) * 60));
        let rows = sqlx::query(SLICES)
            .bind(self.window.from)
            .bind(self.window.to)
            .bind(&self.window.source)
            .bind(step)
            .fetch_all(&mut *self.snapshot)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Slice {
                    at: row.try_get("at")?,
                    accepted: row.try_get("accepted")?,
                    finished: row.try_get("finished")?,
                    died: row.try_get("died")?,
                    open: row.try_get("open")?,
                })
            })
            .collect()
    }

    /// Hands over every affected message, source by source, the oldest first; at most one is in memory.
    /// Stops at the first that `take` refuses, with its error.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn affected<E>(
        &mut self,
        mut take: impl FnMut(&Affected) -> Result<(), E>,
    ) -> Result<Result<u64, E>, StoreError> {
        let mut rows = sqlx::query(AFFECTED)
            .bind(self.window.from)
            .bind(self.window.to)
            .bind(&self.window.source)
            .fetch(&mut *self.snapshot);
        let mut count = 0;
        while let Some(row) = rows.try_next().await? {
            if let Err(error) = take(&affected(&row)?) {
                return Ok(Err(error));
            }
            count += 1;
        }
        Ok(Ok(count))
    }
}

fn partner(row: &PgRow) -> Result<Partner, StoreError> {
    Ok(Partner {
        source: row.try_get("source")?,
        accepted: row.try_get("accepted")?,
        processed: row.try_get("processed")?,
        discarded: row.try_get("discarded")?,
        dead: row.try_get("dead")?,
        held: row.try_get("held")?,
        in_progress: row.try_get("in_progress")?,
        unaccounted: row.try_get("unaccounted")?,
        ignored: row.try_get("ignored")?,
        delayed: row.try_get("delayed")?,
        ever_dead: row.try_get("ever_dead")?,
        replayed: row.try_get("replayed")?,
        found: row.try_get("found")?,
        retried: row.try_get("retried")?,
        p50_s: row.try_get("p50_s")?,
        p95_s: row.try_get("p95_s")?,
        max_s: row.try_get("max_s")?,
        longest: row.try_get("longest")?,
        deadline_s: row.try_get("deadline_s")?,
    })
}

fn death(row: &PgRow) -> Result<Death, StoreError> {
    Ok(Death {
        source: row.try_get("source")?,
        class: row.try_get("error_class")?,
        reason: row.try_get("error_reason")?,
        deaths: row.try_get("deaths")?,
        still_dead: row.try_get("still_dead")?,
        first_at: row.try_get("first_at")?,
        last_at: row.try_get("last_at")?,
        examples: row.try_get("examples")?,
    })
}

fn affected(row: &PgRow) -> Result<Affected, StoreError> {
    Ok(Affected {
        id: row.try_get("id")?,
        source: row.try_get("source")?,
        idempotency_key: row.try_get("idempotency_key")?,
        received_at: row.try_get("received_at")?,
        state: row.try_get("state")?,
        finished_at: row.try_get("finished_at")?,
        took_s: row.try_get("took_s")?,
        attempts: row.try_get("attempts")?,
        delayed: row.try_get("delayed")?,
        deaths: row.try_get("deaths")?,
        replays: row.try_get("replays")?,
        findings: row.try_get("findings")?,
        error_class: row.try_get("error_class")?,
        error_reason: row.try_get("error_reason")?,
    })
}
