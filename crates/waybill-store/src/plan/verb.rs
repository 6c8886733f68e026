//! What a person does to a plan: start, pause, resume, cancel. Each is guarded by the states it may
//! leave, so the second of two clicks changes nothing, and is in the audit trail.

use waybill_core::plan::{State, Verb};

use super::{By, Plan, note, read, select};
use crate::record::expect;
use crate::{Store, StoreError};

/// What came of it.
#[derive(Debug, Clone)]
pub enum Moved {
    /// It is as told, now.
    Done(Plan),
    /// The verb does not leave the state it is in; nothing was changed.
    Not(Plan),
    /// So many plans run already, and no more may; nothing was changed.
    TooMany(u32),
    /// There is no such plan.
    Unknown,
}

const MOVE: &str = "
update plan
set state = $2, stopped_because = null,
    ran_s = ran_s + coalesce(extract(epoch from now() - running_since), 0),
    running_since = case when $2 = 'running' then now() end,
    started_at = case when $2 = 'running' then coalesce(started_at, now()) else started_at end,
    paced_at = case when $2 = 'running' then now() else paced_at end,
    -- whoever resumes a plan that is ready sends the rest
    canary_passed = canary_passed or state = 'ready',
    -- what went wrong before a stop is mended, says whoever resumes: it is judged anew
    judged_begun = case when state = 'stopped' then replayed else judged_begun end,
    judged_recovered = case when state = 'stopped' then 0 else judged_recovered end,
    judged_failed = case when state = 'stopped' then 0 else judged_failed end,
    ended_at = case when $2 = 'cancelled' and replayed = 0 then now() end
where id = $1 and state = any($3)";

impl Store {
    /// Moves the plan `id` by `verb`; at most `active_max` plans run at once.
    ///
    /// # Errors
    /// When the ledger is unavailable or busy: nothing was changed then, or it is unknown; asking
    /// again is safe.
    pub async fn move_plan(
        &self,
        id: i64,
        verb: Verb,
        by: By<'_>,
        active_max: u32,
    ) -> Result<Moved, StoreError> {
        let mut transaction = self.begin().await?;
        if verb.to() == State::Running {
            // one at a time, or two could both be the last that may
            sqlx::query("select pg_advisory_xact_lock(hashtextextended('plans', 0))")
                .execute(&mut *transaction)
                .await?;
        }
        let Some(row) = sqlx::query(select!("where id = $1 for update"))
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?
        else {
            return Ok(Moved::Unknown);
        };
        let before = read(&row)?;
        if !verb.from().contains(&before.state) {
            return Ok(Moved::Not(before));
        }
        if verb.to() == State::Running {
            let active: i64 = sqlx::query_scalar("select count(*) from plan where state = 'running'")
                .fetch_one(&mut *transaction)
                .await?;
            if active >= i64::from(active_max) {
                return Ok(Moved::TooMany(active_max));
            }
        }
        let moved = sqlx::query(MOVE)
            .bind(id)
            .bind(verb.to().as_str())
            .bind(verb.from().iter().map(|state| state.as_str()).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        expect(moved.rows_affected(), 1, "plans moved")?;
        let row = sqlx::query(select!("where id = $1")).bind(id).fetch_one(&mut *transaction).await?;
        let after = read(&row)?;
        note(&mut transaction, &after, verb.as_str(), by).await?;
        transaction.commit().await?;
        Ok(Moved::Done(after))
    }
}
