//! Repair: named, guarded mends of rows that no verb could have made so.
//!
//! Each looks again under the lock that the verbs take, and touches only what is still wrong in
//! the way it was found. None makes a message due whose effects may have been written: a written
//! attempt, or one that began and left no trace, forbids it. None makes anything up: what cannot be
//! derived from other rows stays for a person.

use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::dead::entry;
use crate::problem::{Problem, Remedy};
use crate::{Store, StoreError, ordering};

const DUE_AGAIN: &str = "
with wrong as (
    select p.id from progress p
    where p.id = any($1)
      and exists (select from body b where b.id = p.id)
      -- no attempt has written effects, and none may have: each that began has ended
      and not exists (
          select from attempt a where a.id = p.id and a.outcome in ('processed', 'ignored'))
      and ((p.state = 'processed'
            or p.state = 'discarded' and coalesce(
                (select d.verb from decision d where d.id = p.id order by d.seq desc limit 1), '') <> 'discard'
               -- another message has its place
               and not exists (select from replacement x where x.replaces = p.id))
           and p.attempts = (select count(*) from attempt a where a.id = p.id)
           or p.state = 'processing' and (
               p.claimed_by is null or p.claimed_at is null or p.attempts = 0
               or p.claimed_until > now() + make_interval(secs => $2)
               or exists (select from attempt a where a.id = p.id and a.attempt = p.attempts)
               or exists (select from ordering o where o.id = p.id)
                   and not exists (select from in_hand h where h.id = p.id))
           or p.state = 'published' and p.published_at > now() + interval '1 minute'
           or p.due_at > now() + interval '10 days'
           or p.lease_until > now() + interval '1 hour')
    order by p.id for update
), let_go as (
    delete from in_hand where id in (select id from wrong)
)
update progress p
set state = 'accepted', due_at = now(), lease = null, lease_until = null, claimed_until = null,
    published_at = case when p.published_at <= now() then p.published_at end,
    finished_at = null, ignored = null
from wrong where p.id = wrong.id
returning p.id";

const PROCESSED: &str = "
with written as (
    select p.id, a.outcome, a.ended_at from progress p
    join lateral (
        select outcome, ended_at from attempt
        where attempt.id = p.id and outcome in ('processed', 'ignored') order by attempt limit 1) a on true
    where p.id = any($1) and p.state <> 'processed'
    order by p.id for update of p
)
update progress p
set state = 'processed', finished_at = written.ended_at, due_at = null, lease = null,
    lease_until = null, claimed_until = null, error_class = null, error_reason = null,
    ignored = case written.outcome when 'ignored' then 'its attempt says so; the reason is lost' end
from written where p.id = written.id
returning p.id";

const PLACE: &str = "
insert into progress (id, source, kind, lane, state, attempts, due_at, finished_at, ignored)
select r.id, r.source, r.kind, s.spec->>'lane',
       case when written.outcome is null then 'accepted' else 'processed' end,
       coalesce((select max(attempt) from attempt a where a.id = r.id), 0),
       case when written.outcome is null then now() end, written.ended_at,
       case written.outcome when 'ignored' then 'its attempt says so; the reason is lost' end
from receipt r
join source s on s.name = r.source
left join lateral (
    select outcome, ended_at from attempt
    where attempt.id = r.id and outcome in ('processed', 'ignored') order by attempt limit 1) written on true
where r.id = any($1) and not exists (select from progress p where p.id = r.id)
on conflict (id) do nothing
returning id";

const SOUNDLY_FINAL: &str = "
select g.id from unnest($1::uuid[]) as g (id)
left join progress p on p.id = g.id
left join receipt r on r.id = g.id
where p.id is null and r.id is null
   or p.state = 'discarded'
       and (select d.verb from decision d where d.id = g.id order by d.seq desc limit 1) = 'discard'
   or p.state = 'processed' and exists (
       select from attempt a where a.id = g.id and a.outcome in ('processed', 'ignored'))";

const LET_GO: &str = "
with gone as (
    delete from in_hand h
    where h.id = any($1)
      and not exists (select from progress p where p.id = h.id and p.state = 'processing')
    returning h.id
)
select distinct id from gone";

const RELEASE: &str = "
update progress p set state = 'accepted', due_at = now(), released_at = now()
where p.id = any($1) and p.state = 'held'
  and not exists (select from ordering o join ordering e on e.key = o.key and e.seq < o.seq
                  where o.id = p.id)
  and not exists (select from ordering o join in_hand h on h.key = o.key where o.id = p.id)
returning p.id";

const ENTER_KEYS: &str = "
with place as (
    -- a corrected message has the place of the one that it replaces
    select r.id, coalesce(x.seq, r.seq) as seq from receipt r join progress p on p.id = r.id
    left join replacement x on x.id = r.id
    where r.id = $1 and p.state in ('accepted', 'published', 'held', 'retrying', 'dead')
    for update of p
)
insert into ordering (key, seq, id)
select key, place.seq, place.id from unnest($2::bigint[]) as k (key), place
where not exists (select from ordering o where o.id = place.id and o.key = k.key)";

impl Store {
    /// Mends `ids`, all of which have `problem`, where that is safe: which were mended.
    /// `claim_s_max`: how long a claim may last, in seconds.
    ///
    /// [`Problem::OrderMissing`] is mended by [`Store::enter_keys`], for it takes the body's keys,
    /// and [`Problem::Lost`] by [`Store::republish_lost`], for it takes a look at the broker.
    pub async fn mend(
        &self,
        problem: Problem,
        ids: &[Uuid],
        claim_s_max: f64,
    ) -> Result<Vec<Uuid>, StoreError> {
        let mut transaction = self.begin().await?;
        ordering::lock(&mut transaction, ids).await?;
        let mended = match problem.remedy() {
            Remedy::DueAgain => {
                sqlx::query_scalar(DUE_AGAIN).bind(ids).bind(claim_s_max).fetch_all(&mut *transaction).await?
            }
            Remedy::Processed => {
                let mended = some(&mut transaction, PROCESSED, ids).await?;
                ordering::leave(&mut transaction, &ordering::Places::finished(&mended)).await?;
                entry::leave(&mut transaction, &mended).await?;
                mended
            }
            Remedy::Place => some(&mut transaction, PLACE, ids).await?,
            Remedy::LeaveKeys => {
                let mended = some(&mut transaction, SOUNDLY_FINAL, ids).await?;
                ordering::leave(&mut transaction, &ordering::Places::finished(&mended)).await?;
                mended
            }
            Remedy::LetGo => some(&mut transaction, LET_GO, ids).await?,
            Remedy::Release => some(&mut transaction, RELEASE, ids).await?,
            Remedy::List => entry::enter(&mut transaction, ids).await?,
            Remedy::Unlist => entry::leave(&mut transaction, ids).await?,
            Remedy::Keys | Remedy::Person => Vec::new(),
        };
        transaction.commit().await?;
        Ok(mended)
    }

    /// Puts a message back into those of its ordering keys that it is not in, at its place. False: it
    /// has moved on.
    pub async fn enter_keys(&self, id: Uuid, keys: &[i64]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        // the lock that claims and settlements take, by the keys themselves: it has no rows yet
        sqlx::query("select pg_advisory_xact_lock(key) from unnest($1::bigint[]) as k (key) order by key")
            .bind(keys)
            .execute(&mut *transaction)
            .await?;
        let entered = sqlx::query(ENTER_KEYS).bind(id).bind(keys).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(entered.rows_affected() > 0)
    }

    /// The body of a message and the media type it was posted with, for reading its keys again.
    pub async fn body_for_keys(&self, id: Uuid) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        Ok(sqlx::query_as(
            "select r.content_type, b.body from receipt r join body b on b.id = r.id where r.id = $1",
        )
        .bind(id)
        .fetch_optional(self.pool())
        .await?)
    }
}

async fn some(
    transaction: &mut Transaction<'static, Postgres>,
    statement: &'static str,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, StoreError> {
    Ok(sqlx::query_scalar(statement).bind(ids).fetch_all(&mut **transaction).await?)
}
