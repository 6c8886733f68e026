//! Retention: a table for each day to come, and bodies let go when their time is over. Bodies of
//! unfinished and dead messages are never let go. Plans that ended long ago go too, and groups of dead
//! letters that have long been empty.

use std::time::{Duration, Instant};

use waybill_store::{Store, StoreError};

use super::sweep::{Done, Sweep};

/// Mended findings are forgotten after this.
const FINDINGS_DAYS: u32 = 30;
/// For letting bodies go in one pass.
const BUDGET: Duration = Duration::from_secs(1);

/// The sweep for retention.
#[derive(Debug)]
pub(super) struct Retention {
    pub(super) store: Store,
    pub(super) rows_max: u32,
    /// Where the walk through the blind index stands.
    after: uuid::Uuid,
    /// Where the walk through the groups of dead letters stands.
    after_group: i64,
    /// Days for which a plan that ended is kept.
    plan_days: u32,
}

impl Retention {
    pub(super) fn new(store: Store, rows_max: u32, plan_days: u32) -> Self {
        Self { store, rows_max, after: uuid::Uuid::nil(), after_group: i64::MIN, plan_days }
    }

    /// Lets old plans go, and groups that nobody has been in for long.
    async fn let_plans_and_groups_go(&mut self) -> anyhow::Result<u64> {
        let (mut changed, began) = (0, Instant::now());
        loop {
            let gone = self.store.let_plans_go(self.plan_days, self.rows_max).await?;
            changed += gone;
            if gone == 0 || began.elapsed() > BUDGET {
                break;
            }
        }
        match self.store.let_groups_go(self.after_group, self.rows_max).await {
            Ok((gone, next)) => {
                changed += gone;
                self.after_group = next;
            }
            // many die just now; the next pass tries again
            Err(StoreError::Contended(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(changed)
    }
}

impl Sweep for Retention {
    const NAME: &'static str = "retention";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        self.store.keep_days_ahead().await?;
        let (mut changed, began) = (0, Instant::now());
        loop {
            let gone = self.store.let_bodies_go(self.rows_max).await?;
            changed += gone;
            if gone == 0 || began.elapsed() > BUDGET {
                break;
            }
        }
        match self.store.drop_oldest_day().await {
            Ok(Some(day)) => {
                tracing::info!(table = day.table, moved = day.moved, "a day of bodies was let go");
                changed += 1;
            }
            // somebody reads the table; the next pass tries again
            Ok(None) | Err(StoreError::Contended(_)) => {}
            Err(error) => return Err(error.into()),
        }
        changed += self.store.let_decisions_go(self.rows_max).await?;
        while began.elapsed() <= BUDGET {
            // rows of the blind index go with the bodies they were read from
            let (gone, next) = self.store.let_index_go(self.after, self.rows_max).await?;
            self.after = next;
            if gone == 0 || next.is_nil() {
                break;
            }
        }
        changed += self.let_plans_and_groups_go().await?;
        self.store.forget_findings(FINDINGS_DAYS, self.rows_max).await?;
        Ok(Done::changed(changed))
    }
}
