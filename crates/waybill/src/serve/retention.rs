//! Retention: a table for each day to come, and bodies let go when their time is over. Bodies of
//! unfinished and dead messages are never let go.

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
    pub(super) after: uuid::Uuid,
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
        self.store.forget_findings(FINDINGS_DAYS, self.rows_max).await?;
        Ok(Done::changed(changed))
    }
}
