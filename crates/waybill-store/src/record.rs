//! Recording: what came of attempts, in one transaction with their effects.
//!
//! The fence comes first: only messages still in hand at the attempt that the worker holds are
//! touched; a late worker changes nothing. Then the effects, the transition and the attempt's row,
//! and last the ordering keys, which releases what waited. The acknowledgement to the broker comes
//! after the commit, never before.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;
use waybill_core::outcome::{Done, Failure};
use waybill_core::recovery::Disposition;
use waybill_drill as drill;

use crate::dead::entry;
use crate::effects::{self, Written};
use crate::{Store, StoreError, ordering};

/// Warnings of one attempt, held by a CHECK: those of its processor, and those of the writing.
const WARNINGS_MAX: usize = 32;

/// An attempt that ended, and what is to happen next.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The attempt's number: the fence.
    pub attempt: i32,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Who made it.
    pub worker: String,
    /// Whether it ended because its lease was over.
    pub abandoned: bool,
    /// Whether a dead message leaves its ordering keys at once (`on_dead = "skip"`).
    pub skip_dead: bool,
    /// What happens next.
    pub disposition: Disposition,
}

/// What recording came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Written.
    pub recorded: Vec<Uuid>,
    /// Fenced off: another attempt has been made since.
    pub late: Vec<Uuid>,
    /// Released: first of their keys now, and due.
    pub released: Vec<Uuid>,
}

impl Store {
    /// Writes down what came of these attempts: all of them, or none.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when an effect cannot be written: nothing was, and the caller may
    /// record them one by one. [`StoreError::Unavailable`]: whether it was written is unknown;
    /// recording again is safe, for the fence lets nothing through twice.
    pub async fn record(&self, settled: &[Settled]) -> Result<Recorded, StoreError> {
        let ids: Vec<Uuid> = settled.iter().map(|s| s.id).collect();
        let mut transaction = self.begin().await?;
        let ordered = ordering::lock(&mut transaction, &ids).await?;
        let live = fence(&mut transaction, settled).await?;
        let (live, late): (Vec<_>, Vec<_>) = settled.iter().partition(|s| live.contains(&s.id));
        // a late worker writes too: the defect that the fence is against
        let unfenced = drill::mutant("claim_without_fence");
        let written: Vec<_> = settled
            .iter()
            .filter(|one| unfenced || live.iter().any(|fenced| fenced.id == one.id))
            .filter_map(Settled::written)
            .collect();
        let said = effects::write(&mut transaction, &written).await?;
        move_on(&mut transaction, &live).await?;
        append_attempts(&mut transaction, &live, &warnings(&written, &said)).await?;
        entry::enter(&mut transaction, &dead(&live)).await?;
        let recorded: Vec<Uuid> = live.iter().map(|s| s.id).collect();
        let released =
            if ordered { ordering::leave(&mut transaction, &places(&live)).await? } else { Vec::new() };
        drill::point("worker.before_commit");
        transaction.commit().await?;
        Ok(Recorded { recorded, late: late.iter().map(|s| s.id).collect(), released })
    }
}

impl Settled {
    /// The state it moves to, and the outcome of its attempt.
    fn ends_in(&self) -> (&'static str, &'static str) {
        match (&self.disposition, self.abandoned) {
            (Disposition::Complete(_), _) => ("processed", "processed"),
            (Disposition::Ignore(_), _) => ("processed", "ignored"),
            (Disposition::Retry(..), false) => ("retrying", "failed"),
            (Disposition::Retry(..), true) => ("retrying", "abandoned"),
            (Disposition::DeadLetter(_), false) => ("dead", "failed"),
            (Disposition::DeadLetter(_), true) => ("dead", "abandoned"),
        }
    }

    fn written(&self) -> Option<Written<'_>> {
        match &self.disposition {
            Disposition::Complete(done) => Some(Written { id: self.id, source: &self.source, done }),
            _ => None,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.disposition {
            Disposition::Retry(_, failure) | Disposition::DeadLetter(failure) => Some(failure),
            Disposition::Complete(_) | Disposition::Ignore(_) => None,
        }
    }
}

/// What becomes of their places in their keys: later messages may pass what is final, and what is
/// dead in a source that skips its dead.
fn places(live: &[&Settled]) -> ordering::Places {
    let mut places = ordering::Places::default();
    for one in live {
        places.all.push(one.id);
        match one.disposition {
            Disposition::Complete(_) | Disposition::Ignore(_) => places.finished.push(one.id),
            Disposition::DeadLetter(_) if one.skip_dead => places.skipped.push(one.id),
            Disposition::DeadLetter(_) | Disposition::Retry(..) => {}
        }
    }
    places
}

/// Those that are set aside for a person.
fn dead(live: &[&Settled]) -> Vec<Uuid> {
    let is_dead = |s: &&&Settled| matches!(s.disposition, Disposition::DeadLetter(_));
    live.iter().filter(is_dead).map(|s| s.id).collect()
}

/// Locks the rows that are still in hand at the attempt the worker holds.
async fn fence(
    transaction: &mut Transaction<'static, Postgres>,
    settled: &[Settled],
) -> Result<HashSet<Uuid>, StoreError> {
    let live: Vec<Uuid> = sqlx::query_scalar(
        "select p.id
         from progress p
         join unnest($1::uuid[], $2::integer[]) as g (id, attempt)
           on p.id = g.id and p.attempts = g.attempt
         where p.state = 'processing'
         order by p.id for update of p",
    )
    .bind(settled.iter().map(|s| s.id).collect::<Vec<_>>())
    .bind(settled.iter().map(|s| s.attempt).collect::<Vec<_>>())
    .fetch_all(&mut **transaction)
    .await?;
    Ok(live.into_iter().collect())
}

/// Verbs `complete`, `retry`, `dead_letter` and `abandon`: out of `processing`, all in one statement.
async fn move_on(
    transaction: &mut Transaction<'static, Postgres>,
    live: &[&Settled],
) -> Result<(), StoreError> {
    let wait_s = |s: &Settled| match &s.disposition {
        Disposition::Retry(wait, _) => Some(wait.as_secs_f64()),
        _ => None,
    };
    let ignored = |s: &Settled| match s.disposition {
        Disposition::Ignore(reason) => Some(reason),
        _ => None,
    };
    let moved = sqlx::query(
        "update progress p
         set state = g.state,
             due_at = case when g.state = 'retrying' then now() + make_interval(secs => g.wait_s) end,
             finished_at = case when g.state <> 'retrying' then now() end,
             ignored = g.ignored, error_class = g.error_class, error_reason = g.error_reason,
             claimed_until = null
         from unnest($1::uuid[], $2::text[], $3::float8[], $4::text[], $5::text[], $6::text[])
              as g (id, state, wait_s, ignored, error_class, error_reason)
         where p.id = g.id and p.state = 'processing'",
    )
    .bind(live.iter().map(|s| s.id).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.ends_in().0).collect::<Vec<_>>())
    .bind(live.iter().map(|s| wait_s(s)).collect::<Vec<_>>())
    .bind(live.iter().map(|s| ignored(s)).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.failure().map(|f| f.class.as_str())).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.failure().map(|f| f.reason.as_str())).collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    expect(moved, live.len(), "messages moved out of processing")
}

/// What there is to say of each message, a line each: what its processor said, then the writing.
fn warnings(written: &[Written<'_>], said: &[(Uuid, &'static str)]) -> HashMap<Uuid, String> {
    let of = |Written { id, done: Done { warnings, .. }, .. }: &Written<'_>| {
        let own = said.iter().filter(|(of, _)| of == id).map(|(_, warning)| *warning);
        let mut lines: Vec<&str> = Vec::new();
        for line in warnings.iter().map(String::as_str).chain(own) {
            if lines.len() < WARNINGS_MAX && !lines.contains(&line) {
                lines.push(line);
            }
        }
        (*id, lines.join("\n"))
    };
    written.iter().map(of).collect()
}

async fn append_attempts(
    transaction: &mut Transaction<'static, Postgres>,
    live: &[&Settled],
    warnings: &HashMap<Uuid, String>,
) -> Result<(), StoreError> {
    sqlx::query(
        "insert into attempt
             (id, attempt, worker, started_at, ended_at, outcome, error_class, error_reason, warnings)
         select id, attempt, worker, started_at, now(), outcome, error_class, error_reason,
                string_to_array(warnings, chr(10))
         from unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[], $5::text[],
                     $6::text[], $7::text[], $8::text[])
              as g (id, attempt, worker, started_at, outcome, error_class, error_reason, warnings)",
    )
    .bind(live.iter().map(|s| s.id).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.attempt).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.worker.as_str()).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.started_at).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.ends_in().1).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.failure().map(|f| f.class.as_str())).collect::<Vec<_>>())
    .bind(live.iter().map(|s| s.failure().map(|f| f.reason.as_str())).collect::<Vec<_>>())
    .bind(live.iter().map(|s| warnings.get(&s.id).map_or("", String::as_str)).collect::<Vec<_>>())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A statement touched as many rows as it was to touch, or the transaction must not stand.
pub(crate) fn expect(rows: u64, wanted: usize, what: &str) -> Result<(), StoreError> {
    if usize::try_from(rows) == Ok(wanted) {
        return Ok(());
    }
    Err(StoreError::Bug(format!("{what}: {rows} of {wanted}; nothing was changed")))
}
