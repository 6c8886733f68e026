//! A plan's items one by one, and the messages that waited behind them: what its numbers count. Pages in
//! the order of the ledger; changes nothing.

use chrono::{DateTime, Utc};
use sqlx::Row as _;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;

use crate::{Store, StoreError};

/// Which items of a plan. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// In this state, as the ledger names it (`waiting`, `replayed`, `recovered`, `failed`, `held`, `skipped`).
    pub state: Option<String>,
    /// With this reason: the class of the new failure, or why it was skipped.
    pub why: Option<String>,
    /// Whose message is final by now.
    pub is_final: bool,
}

/// An item.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its place in the ledger.
    pub seq: i64,
    /// The message.
    pub id: Uuid,
    /// Whose it is.
    pub source: String,
    /// The group that it was of.
    pub group: Fingerprint,
    /// The death that was looked at.
    pub dead_at: DateTime<Utc>,
    /// What came of it.
    pub state: String,
    /// And why.
    pub why: Option<String>,
    /// Where its message is now; none: it has no place (`waybill reconcile`).
    pub now: Option<String>,
}

/// Whether item `i`, whose message is `p`, is chosen: `$1` to `$4`.
macro_rules! chosen {
    () => {
        "i.plan = $1 and ($2::text is null or i.state = $2) and ($3::text is null or i.why = $3)
         and (not $4 or p.finished_at is not null)"
    };
}

impl Store {
    /// The chosen items of plan `plan` after the place `after`, in the order of the ledger, up to `limit`.
    pub async fn plan_items(
        &self,
        plan: i64,
        choice: &Choice,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Item>, StoreError> {
        let rows = sqlx::query(concat!(
            "select i.seq, i.id, g.source, i.fingerprint, i.dead_at, i.state, i.why, p.state as now
             from plan_item i
             join dead_group g on g.fingerprint = i.fingerprint
             left join progress p on p.id = i.id
             where ",
            chosen!(),
            " and i.seq > $5 order by i.seq limit $6"
        ))
        .bind(plan)
        .bind(&choice.state)
        .bind(&choice.why)
        .bind(choice.is_final)
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Item {
                    seq: row.try_get("seq")?,
                    id: row.try_get("id")?,
                    source: row.try_get("source")?,
                    group: Fingerprint::from_i64(row.try_get("fingerprint")?),
                    dead_at: row.try_get("dead_at")?,
                    state: row.try_get("state")?,
                    why: row.try_get("why")?,
                    now: row.try_get("now")?,
                })
            })
            .collect()
    }

    /// How many items of plan `plan` are chosen.
    pub async fn plan_items_count(&self, plan: i64, choice: &Choice) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(concat!(
            "select count(*) from plan_item i left join progress p on p.id = i.id where ",
            chosen!()
        ))
        .bind(plan)
        .bind(&choice.state)
        .bind(&choice.why)
        .bind(choice.is_final)
        .fetch_one(self.pool())
        .await?)
    }

    /// The messages that waited behind the items of plan `plan` when it was made, those alone that wait no
    /// more where `released`: how many there are, and the first `limit` of them.
    pub async fn plan_waits(
        &self,
        plan: i64,
        released: bool,
        limit: u32,
    ) -> Result<(i64, Vec<Uuid>), StoreError> {
        let rows: Vec<(Uuid, i64)> = sqlx::query_as(
            "select w.id, count(*) over () from plan_waits w join progress p on p.id = w.id
             where w.plan = $1 and (not $2 or p.state <> 'held') order by w.id limit $3",
        )
        .bind(plan)
        .bind(released)
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        let total = rows.first().map_or(0, |(_, total)| *total);
        Ok((total, rows.into_iter().map(|(id, _)| id).collect()))
    }
}
