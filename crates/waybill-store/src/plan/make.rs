//! Making a plan: exactly the dead letters that one statement sees, and what waits behind them. Whoever
//! names it gets one plan under that name, however often they ask.

use sqlx::{Postgres, Transaction};
use waybill_core::plan::Policy;

use super::{By, Plan, Preview, note, places::places, preview::preview, read, select};
use crate::dead::Filter;
use crate::dead::filter::matching;
use crate::record::expect;
use crate::{Store, StoreError};

/// For making a plan, in milliseconds: many letters take their time.
const MAKE_MS: u32 = 60_000;
/// For a lock meanwhile, in milliseconds. Nobody waits for one who makes a plan but who makes one of the
/// same name, so it may wait longer than others do: at the audit trail, for those that act before it.
const LOCK_MS: u32 = 10_000;

/// A plan to be made.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Of which dead letters.
    pub filter: &'a Filter,
    /// The same in words; never an ordering key.
    pub asked: &'a str,
    /// How it is to go.
    pub policy: &'a Policy,
    /// Who makes it, and why.
    pub by: By<'a>,
    /// Items, at most.
    pub items_max: u32,
    /// A name of its own (1 to 100 characters): a second one of that name is not made.
    pub once: Option<&'a str>,
}

/// What came of it.
#[derive(Debug)]
pub enum Made {
    /// It is made, or would be.
    Plan(Box<Plan>, Preview),
    /// It was made before, under the same name and of the same filter and policy; nothing was made now.
    Before(Box<Plan>),
    /// Under that name another plan was made: this one, of something else. Nothing was made now.
    Another(Box<Plan>),
    /// No dead letter matches.
    Nothing,
    /// More than may be in one plan; nothing was made.
    TooMany,
}

/// What the making may use before it writes to disk: hundreds of thousands of items are sorted and joined.
const WORK_MEM: &str = "64MB";

const LIMITS: &str = "select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
    set_config('work_mem', $3, true)";

impl Store {
    /// Makes a plan of all dead letters that match now, and no others, whatever dies later.
    ///
    /// # Errors
    /// When the ledger is unavailable: no plan was made then, or it is unknown.
    pub async fn make_plan(&self, wanted: Wanted<'_>) -> Result<Made, StoreError> {
        self.make(wanted, true).await
    }

    /// What a plan would be: made, looked at, and undone.
    ///
    /// # Errors
    /// When the ledger is unavailable.
    pub async fn preview_plan(&self, wanted: Wanted<'_>) -> Result<Made, StoreError> {
        self.make(wanted, false).await
    }

    async fn make(&self, wanted: Wanted<'_>, keep: bool) -> Result<Made, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(LIMITS)
            .bind(MAKE_MS.to_string())
            .bind(LOCK_MS.to_string())
            .bind(WORK_MEM)
            .execute(&mut *transaction)
            .await?;
        let Some(id) = begin(&mut transaction, &wanted).await? else {
            return self.made_before(transaction, &wanted).await;
        };
        let items = pick(&mut transaction, id, &wanted).await?;
        if items == 0 {
            return Ok(Made::Nothing);
        }
        if items > u64::from(wanted.items_max) {
            return Ok(Made::TooMany);
        }
        let places = places(&mut transaction, id, items).await?;
        let items = i32::try_from(items).unwrap_or(i32::MAX);
        let counted = sqlx::query("update plan set items = $2, waiting = $2 where id = $1")
            .bind(id)
            .bind(items)
            .execute(&mut *transaction)
            .await?;
        expect(counted.rows_affected(), 1, "plans counted")?;
        let seen = preview(&mut transaction, id, items.into(), places).await?;
        let row = sqlx::query(select!("where id = $1")).bind(id).fetch_one(&mut *transaction).await?;
        let plan = read(&row)?;
        if keep {
            note(&mut transaction, &plan, "make", wanted.by).await?;
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(Made::Plan(Box::new(plan), seen))
    }

    /// The plan that has the name already.
    async fn made_before(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        wanted: &Wanted<'_>,
    ) -> Result<Made, StoreError> {
        let row =
            sqlx::query(select!("where once = $1")).bind(wanted.once).fetch_one(&mut *transaction).await?;
        let plan = Box::new(read(&row)?);
        let is_same = plan.asked == wanted.asked && plan.policy == *wanted.policy;
        Ok(if is_same { Made::Before(plan) } else { Made::Another(plan) })
    }
}

/// The number of a new plan; none: there is one of that name. Waits for whoever is making it just now.
async fn begin(
    transaction: &mut Transaction<'static, Postgres>,
    wanted: &Wanted<'_>,
) -> Result<Option<i64>, StoreError> {
    let Wanted { policy, by, asked, .. } = wanted;
    Ok(sqlx::query_scalar(
        "insert into plan (made_by, reason, asked, canary, confirm, rate_per_s, stop_share, once)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (once) where once is not null do nothing returning id",
    )
    .bind(by.actor)
    .bind(by.reason)
    .bind(asked)
    .bind(i32::try_from(policy.canary).unwrap_or(i32::MAX))
    .bind(policy.confirm)
    .bind(policy.rate_per_s)
    .bind(policy.stop_share)
    .bind(wanted.once)
    .fetch_optional(&mut **transaction)
    .await?)
}

/// The items of a plan: one statement, so one moment. `$10` of them at most.
macro_rules! pick {
    ($way:ident) => {
        concat!(
            "insert into plan_item (plan, seq, id, dead_at, fingerprint)
             select $9::bigint, r.seq, m.id, m.dead_at, m.fingerprint from (",
            matching!($way, "e.id, e.dead_at, e.fingerprint", ""),
            ") m join receipt r on r.id = m.id order by r.seq limit $10"
        )
    };
}

/// Fills the plan; one more than it may have says that there are too many.
async fn pick(
    transaction: &mut Transaction<'static, Postgres>,
    id: i64,
    wanted: &Wanted<'_>,
) -> Result<u64, StoreError> {
    let statement = if wanted.filter.key.is_some() { pick!(of_key) } else { pick!(any_key) };
    let picked = wanted
        .filter
        .bind(sqlx::query(statement))
        .bind(id)
        .bind(i64::from(wanted.items_max) + 1)
        .execute(&mut **transaction)
        .await?;
    Ok(picked.rows_affected())
}
