//! Replay plans, seen through: what came of their replays is learnt, and the next items have their
//! turn.
//!
//! A pass holds nothing between its steps, and a step is one transaction of the ledger: killed
//! anywhere, the next pass of any replica goes on. It never publishes; it wakes the relay, which
//! would look by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use waybill_core::plan::State;
use waybill_store::{Store, StoreError};

use super::sweep::{Done, Sweep, number};

/// Who it is in the audit trail.
const ACTOR: &str = "waybill serve";
/// For the turns of all plans in one pass.
const BUDGET: Duration = Duration::from_secs(1);
/// Between two looks at the figures.
const FIGURES_EVERY: Duration = Duration::from_secs(2);

/// The sweep that runs the plans.
#[derive(Debug)]
pub(super) struct Plans {
    pub(super) store: Store,
    /// Replays of one plan without an outcome, at most.
    pub(super) window_max: u32,
    /// Wakes the relay of this process.
    pub(super) relay: Arc<Notify>,
    figures_at: Option<Instant>,
}

impl Plans {
    pub(super) fn new(store: Store, window_max: u32, relay: Arc<Notify>) -> Self {
        Self { store, window_max, relay, figures_at: None }
    }

    /// Learns what came of a plan's replays; then its turns, while there is room and time.
    async fn step(&self, id: i64, until: Instant) -> Result<(), StoreError> {
        let settled = self.store.settle_plan(id, ACTOR).await?;
        match settled.moved {
            Some(State::Stopped) => {
                tracing::warn!(
                    plan = id,
                    "a replay plan stopped: too many failed again; see `waybill plan show`"
                );
            }
            Some(State::Ready) => {
                tracing::info!(
                    plan = id,
                    "a plan's canary came out well; it waits for `waybill plan resume`"
                );
            }
            Some(State::Finished) => tracing::info!(plan = id, "a replay plan is finished"),
            _ => {}
        }
        waybill_drill::point("plan.before_turn");
        loop {
            let turn = self.store.plan_turn(id, self.window_max).await?;
            if turn.replayed > 0 {
                waybill_drill::point("plan.after_turn");
                self.relay.notify_one();
            }
            if !turn.more || Instant::now() > until {
                return Ok(());
            }
        }
    }

    async fn figures(&mut self) -> Result<(), StoreError> {
        if self.figures_at.is_some_and(|at| at.elapsed() < FIGURES_EVERY) {
            return Ok(());
        }
        let figures = self.store.plan_figures().await?;
        let plans: HashMap<_, _> = figures.plans.into_iter().collect();
        for state in State::ALL.into_iter().filter(|s| !matches!(s, State::Finished | State::Cancelled)) {
            let count = plans.get(state.as_str()).copied().unwrap_or_default();
            metrics::gauge!("waybill_plans", "state" => state.as_str()).set(number(count));
        }
        for (state, count) in figures.items {
            metrics::gauge!("waybill_plan_items", "state" => state).set(number(count));
        }
        self.figures_at = Some(Instant::now());
        Ok(())
    }
}

impl Sweep for Plans {
    const NAME: &'static str = "plans";
    const GIVES_WAY: bool = false;

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let plans = self.store.plans_in_motion().await?;
        let until = Instant::now() + BUDGET;
        // one plan's trouble is no other's
        let mut failed = None;
        for id in plans {
            match self.step(id, until).await {
                // a worker has a key just now; the next pass tries again
                Ok(()) | Err(StoreError::Contended(_)) => {}
                Err(error) => failed = Some((id, error)),
            }
        }
        self.figures().await?;
        match failed {
            Some((id, error)) => Err(anyhow::Error::new(error).context(format!("replay plan {id}"))),
            None => Ok(Done::default()),
        }
    }
}
