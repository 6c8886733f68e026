//! The skeleton of a sweep: one question, asked again and again.
//!
//! A pass takes no input, is bounded, and may be run twice without harm; nothing is retried inside
//! it, the next pass is the retry. A pass that fails is logged when it begins to fail, not each
//! time.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use waybill_process::Readiness;

/// For one pass.
const PASS_LIMIT: Duration = Duration::from_mins(1);

/// One question.
pub(super) trait Sweep: Send {
    /// Its name in logs.
    const NAME: &'static str;

    /// One pass: how many rows it changed.
    fn run_once(&mut self) -> impl Future<Output = anyhow::Result<u64>> + Send;
}

/// Runs passes until told to stop.
pub(super) async fn run<S: Sweep>(
    mut sweep: S,
    every: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let condition = Readiness::default();
    if waybill_drill::mutant(&format!("sweep_off_{}", S::NAME)) {
        stop.cancelled().await;
    }
    while !stop.is_cancelled() {
        let pass = tokio::time::timeout(PASS_LIMIT, sweep.run_once()).await;
        match pass.unwrap_or_else(|_| Err(anyhow::anyhow!("a pass took longer than {PASS_LIMIT:?}"))) {
            Ok(changed) => {
                condition.has(S::NAME);
                if changed > 0 {
                    tracing::info!(sweep = S::NAME, changed, "a sweep mended something");
                }
            }
            Err(error) => condition.lacks(S::NAME, format!("{error:#}")),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(every) => {}
        }
    }
    Ok(())
}
