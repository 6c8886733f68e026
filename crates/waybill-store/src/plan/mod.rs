//! Replay plans: a fixed set of dead letters, replayed at its own pace, apart from live traffic.
//!
//! A plan is made from a filter in one statement, so it has exactly the letters that were seen; a
//! death is part of an item, so a message that died again since is left alone. Each step is one
//! transaction that locks the plan's row: a process killed at any point has done a step or has not,
//! and any number of replicas may take the next one. What came of a replay is read from the
//! ledger's own rows, never from what the plan remembers. Nothing here publishes or processes: a
//! plan makes rows due, by the same verb `replay` as a person does.

mod items;
mod make;
mod outcome;
mod places;
mod preview;
mod prune;
mod report;
mod turn;
mod verb;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Postgres, Row as _, Transaction};
use waybill_core::plan::{Policy, State, Tally};

use crate::audit::{self, Act, Via};
use crate::{Store, StoreError};

pub use items::{Choice, Item};
pub use make::{Made, Wanted};
pub use outcome::Settled;
pub use preview::{AlsoIn, Key, Part, Preview};
pub use report::{Count, Report};
pub use turn::Turn;
pub use verb::Moved;

/// Who moves a plan, and why, for the audit trail.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// Who.
    pub actor: &'a str,
    /// By which way.
    pub via: Via<'a>,
    /// Why, in their words.
    pub reason: &'a str,
}

/// A plan, and how far it is.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Its number.
    pub id: i64,
    /// Where it is.
    pub state: State,
    /// Why it stopped by itself.
    pub stopped_because: Option<String>,
    /// What was asked for.
    pub asked: String,
    /// Why it was made.
    pub reason: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made_at: DateTime<Utc>,
    /// When it began.
    pub started_at: Option<DateTime<Utc>>,
    /// When the last outcome was known.
    pub ended_at: Option<DateTime<Utc>>,
    /// Seconds it has run, pauses left out.
    pub ran_s: f64,
    /// Seconds until it ends, if it goes on as it went; none: there is nothing to go by.
    pub remaining_s: Option<f64>,
    /// How it is to go.
    pub policy: Policy,
    /// The canary came out well, or a person sent the rest after it.
    pub canary_passed: bool,
    /// Its items by state.
    pub items: Items,
    #[serde(skip)]
    pub(crate) tally: Tally,
}

/// A plan's items by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Items {
    /// All of them.
    pub all: u32,
    /// Their turn has not come; of a cancelled plan: it never will.
    pub waiting: u32,
    /// Replayed, outcome not known yet.
    pub replayed: u32,
    /// Processed.
    pub recovered: u32,
    /// Dead again.
    pub failed: u32,
    /// Replayed, and held behind a dead letter.
    pub held: u32,
    /// No longer the dead letter that was looked at when their turn came.
    pub skipped: u32,
}

impl Items {
    /// With an outcome, or skipped.
    pub const fn done(&self) -> u32 {
        self.recovered + self.failed + self.held + self.skipped
    }
}

impl Store {
    /// Plans, the newest first; open ones alone, or all.
    pub async fn plans(&self, open_only: bool, limit: u32) -> Result<Vec<Plan>, StoreError> {
        let rows = sqlx::query(select!("where not $1 or ended_at is null order by id desc limit $2"))
            .bind(open_only)
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// The plan of this number.
    pub async fn plan(&self, id: i64) -> Result<Option<Plan>, StoreError> {
        let row = sqlx::query(select!("where id = $1")).bind(id).fetch_optional(self.pool()).await?;
        row.as_ref().map(read).transpose()
    }

    /// The plans that have something to do or to learn: running, or with replays in flight.
    pub async fn plans_in_motion(&self) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select id from plan where ended_at is null and (state = 'running' or replayed > 0) order by id",
        )
        .fetch_all(self.pool())
        .await?)
    }
}

/// Selects plans as [`read`] reads them.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "select *, ran_s + coalesce(extract(epoch from now() - running_since), 0)::float8 as ran_s_now
             from plan ",
            $tail
        )
    };
}
pub(crate) use select;

/// The plan, its row locked; none when another has it locked just now, or it has ended.
async fn lock(
    transaction: &mut Transaction<'static, Postgres>,
    id: i64,
) -> Result<Option<(Plan, i64)>, StoreError> {
    let row = sqlx::query(select!("where id = $1 and ended_at is null for update skip locked"))
        .bind(id)
        .fetch_optional(&mut **transaction)
        .await?;
    row.as_ref().map(|row| Ok((read(row)?, row.try_get("turn")?))).transpose()
}

fn read(row: &PgRow) -> Result<Plan, StoreError> {
    let count = |name: &str| row.try_get::<i32, _>(name).map(i32::unsigned_abs);
    let state: String = row.try_get("state")?;
    let state = State::named(&state).ok_or_else(|| {
        StoreError::Bug(format!("plan.state is {state:?}, which this version does not know"))
    })?;
    let items = Items {
        all: count("items")?,
        waiting: count("waiting")?,
        replayed: count("replayed")?,
        recovered: count("recovered")?,
        failed: count("failed")?,
        held: count("held")?,
        skipped: count("skipped")?,
    };
    let ran_s: f64 = row.try_get("ran_s_now")?;
    let (left, done) = (items.waiting + items.replayed, items.done());
    let can_tell = state == State::Running && done > 0;
    Ok(Plan {
        id: row.try_get("id")?,
        state,
        stopped_because: row.try_get("stopped_because")?,
        asked: row.try_get("asked")?,
        reason: row.try_get("reason")?,
        made_by: row.try_get("made_by")?,
        made_at: row.try_get("made_at")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
        ran_s,
        remaining_s: can_tell.then(|| f64::from(left) * ran_s / f64::from(done)),
        policy: Policy {
            canary: count("canary")?,
            confirm: row.try_get("confirm")?,
            rate_per_s: row.try_get("rate_per_s")?,
            stop_share: row.try_get("stop_share")?,
        },
        canary_passed: row.try_get("canary_passed")?,
        items,
        tally: Tally {
            begun: count("judged_begun")?,
            recovered: count("judged_recovered")?,
            failed: count("judged_failed")?,
        },
    })
}

/// Writes down, in the same transaction, what was done to a plan. The last statement before its
/// commit, for the trail is shared by all.
async fn note(
    connection: &mut PgConnection,
    plan: &Plan,
    action: &str,
    by: By<'_>,
) -> Result<(), StoreError> {
    let detail = json!({
        "plan": plan.id, "asked": plan.asked, "items": plan.items, "policy": plan.policy,
        "stopped_because": plan.stopped_because,
    });
    let act = Act {
        actor: by.actor,
        via: by.via,
        action: &format!("plan {action}"),
        reason: by.reason,
        // the items are in the ledger, under the plan's number
        subjects: &[],
        source: None,
        detail: &detail,
    };
    audit::write(connection, act).await
}
