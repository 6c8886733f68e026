//! The ledger's balance, as a metric: `waybill_unaccounted_messages{source}`.

use std::time::Duration;

use waybill_store::Store;

use super::sweep::Sweep;

/// The pass that balances the ledger.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) store: Store,
    /// Messages accepted this recently are looked at on each pass; unfinished ones always.
    pub(super) window: Duration,
}

impl Sweep for Balance {
    const NAME: &'static str = "balance";

    async fn run_once(&mut self) -> anyhow::Result<u64> {
        #[expect(clippy::disallowed_methods, reason = "how far back to look, not what to believe")]
        let since = chrono::Utc::now() - self.window;
        for balance in self.store.balance(Some(since)).await? {
            let gauge = metrics::gauge!("waybill_unaccounted_messages", "source" => balance.source.clone());
            gauge.set(number(balance.unaccounted));
            if balance.unaccounted > 0 {
                tracing::error!(
                    source = balance.source,
                    unaccounted = balance.unaccounted,
                    "the ledger is out of balance: see docs/RUNBOOK.md"
                );
            }
        }
        Ok(0)
    }
}

/// A count as a gauge's value; exact far beyond any count we have.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) const fn number(count: i64) -> f64 {
    count as f64
}
