//! One message's story, in order: from its columns, its attempts, what people decided about it, what
//! the sweeps found, and who looked at it.
//!
//! Tells what the ledger knows and makes nothing up: of publishing and of waiting for another message
//! only the last time is kept (docs/adr/0005, 0019), and the story says so. Holds no body and no part
//! of one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::problem::Problem;
use crate::{Store, StoreError};

/// A message's story.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// Its kind.
    pub kind: String,
    /// Where it is now; none: it has a receipt and no place.
    pub state: Option<String>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What the ledger does not know of it, in words.
    pub unknown: Vec<&'static str>,
}

/// One thing that happened, or is to happen.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// When.
    pub at: DateTime<Utc>,
    /// Seconds since the step before.
    pub after_s: f64,
    /// What, in a word or two: accepted, published, held, released, claimed, processed, ignored, failed,
    /// abandoned, warned, due, dead, replayed, discarded, undone, found, mended, audited.
    pub what: String,
    /// The rest, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Who did it: a worker, or a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of a person, by which way: cli or console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// The other message that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Uuid>,
}

/// The steps of `$1`, told from the tables. `rank` orders what happened at the same moment.
const STEPS: &str = "
-- a decision and its act on the trail are one step: the last with the last, and so on back, since a
-- decision of before there was a trail has none. An edit discards; of a plan's replays the plan tells.
with act as materialized (
    select position, at, actor, via, action, reason,
           row_number() over (partition by case action when 'edit' then 'discard' else action end
                              order by position desc) as nth
    from audit where subjects @> array[$1]
), decided as materialized (
    select d.decided_at, d.verb, d.plan, coalesce(d.reason, nullif(a.reason, 'not stated'), p.reason) as reason,
           coalesce(a.actor, p.made_by) as actor, a.via, a.position, x.id as other
    from (select *, row_number() over (partition by verb, plan is null order by seq desc) as nth
          from decision where id = $1) d
    left join act a on d.plan is null and a.nth = d.nth
                   and d.verb = case a.action when 'edit' then 'discard' else a.action end
    left join plan p on p.id = d.plan
    left join replacement x on x.replaces = $1 and a.action = 'edit'
)
select at, rank, what, detail, by, via, other from (
    select received_at as at, 0 as rank, 'accepted' as what,
           case when control_id_conflict then 'its control id was seen before with other bytes' end as detail,
           null::text as by, null::text as via, null::uuid as other
    from receipt where id = $1
    union all
    select published_at, 1, 'published', null, null, null, null
    from progress where id = $1 and published_at is not null
    union all
    select held_at, 2, 'held', 'behind ' || coalesce(held_after::text, 'an earlier message of its key'), null, null,
           held_after
    from progress where id = $1 and held_at is not null
    union all
    select released_at, 3, 'released', null, null, null, held_after
    from progress where id = $1 and released_at is not null
    union all
    select started_at, 4, 'claimed', 'attempt ' || attempt, worker, null, null from attempt where id = $1
    union all
    select claimed_at, 4, 'claimed', 'attempt ' || attempts || ', in hand until ' || claimed_until, claimed_by,
           null, null
    from progress where id = $1 and state = 'processing' and claimed_at is not null
    union all
    select ended_at, 5, outcome,
           'attempt ' || attempt || coalesce(': ' || error_class || ': ' || error_reason, ''), worker, null, null
    from attempt where id = $1
    union all
    select ended_at, 6, 'warned', 'attempt ' || attempt || ': ' || warning, worker, null, null
    from attempt, unnest(warnings) as warning where id = $1
    union all
    -- once: a discard that was undone was decided upon twice, and it may be dead of it still
    (select dead_at, 7, 'dead', error_class || ': ' || error_reason, null::text, null::text, null::uuid
     from decision where id = $1
     union
     select finished_at, 7, 'dead', error_class || ': ' || error_reason, null::text, null::text, null::uuid
     from progress where id = $1 and state = 'dead')
    union all
    select decided_at, 8, case verb when 'replay' then 'replayed' when 'undo' then 'undone' else 'discarded' end,
           nullif(concat_ws(': ', 'by plan ' || plan, 'edited, replaced by ' || other, reason), ''),
           actor, via, other
    from decided
    union all
    select found_at, 9, 'found', problem, null, null, null from finding where id = $1
    union all
    select mended_at, 10, 'mended', problem, null, null, null
    from finding where id = $1 and mended_at is not null
    union all
    select at, 11, 'audited', action || ': ' || reason, actor, via, null
    from act where position not in (select position from decided where position is not null)
    union all
    select due_at, 12, 'due', case when due_at > now() then 'to be published at this time'
                                   else 'to be published since this time' end, null, null, null
    from progress where id = $1 and due_at is not null
) story order by at, rank, detail";

impl Store {
    /// The story of message `id`; none: there is no such message.
    ///
    /// # Errors
    /// When the ledger does not answer.
    pub async fn timeline(&self, id: Uuid) -> Result<Option<Story>, StoreError> {
        // one snapshot, or an attempt might be told twice or not at all
        let mut snapshot = self.begin().await?;
        sqlx::query("set transaction isolation level repeatable read read only")
            .execute(&mut *snapshot)
            .await?;
        let head = sqlx::query(
            "select r.source, r.kind, p.state, p.attempts, p.published_at is not null as was_published,
                    p.held_at is not null as was_held
             from receipt r left join progress p on p.id = r.id where r.id = $1",
        )
        .bind(id)
        .fetch_optional(&mut *snapshot)
        .await?;
        let Some(head) = head else { return Ok(None) };
        let rows = sqlx::query(STEPS).bind(id).fetch_all(&mut *snapshot).await?;
        snapshot.commit().await?;
        let mut steps: Vec<Step> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let mut before = steps.first().map(|step| step.at);
        for step in &mut steps {
            let since = before.map_or(0, |before| (step.at - before).num_milliseconds());
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of a message's life")]
            {
                step.after_s = since as f64 / 1000.0;
            }
            before = Some(step.at);
        }
        Ok(Some(Story {
            id,
            source: head.try_get("source")?,
            kind: head.try_get("kind")?,
            state: head.try_get("state")?,
            steps,
            unknown: unknown(&head)?,
        }))
    }
}

fn unknown(head: &PgRow) -> Result<Vec<&'static str>, StoreError> {
    let mut unknown = Vec::new();
    if head.try_get::<Option<String>, _>("state")?.is_none() {
        unknown.push("where it is: it has a receipt and no place; see waybill reconcile");
        return Ok(unknown);
    }
    let attempts: i32 = head.try_get("attempts")?;
    if attempts > 1 && head.try_get("was_published")? {
        unknown.push("earlier publishes: only the last one is kept");
    }
    if head.try_get("was_held")? {
        unknown.push("earlier waits for another message: only the last one is kept");
    }
    Ok(unknown)
}

fn read(row: &PgRow) -> Result<Step, StoreError> {
    let what: String = row.try_get("what")?;
    let detail: Option<String> = row.try_get("detail")?;
    let is_problem = matches!(what.as_str(), "found" | "mended");
    let detail = match detail.as_deref().filter(|_| is_problem).and_then(Problem::find) {
        Some(problem) => Some(format!("{}: {}", problem.code(), problem.meaning())),
        None => detail,
    };
    Ok(Step {
        at: row.try_get("at")?,
        after_s: 0.0,
        what,
        detail,
        by: row.try_get("by")?,
        via: row.try_get("via")?,
        other: row.try_get("other")?,
    })
}
