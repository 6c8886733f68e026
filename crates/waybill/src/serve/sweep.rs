//! The skeleton of a sweep: one question, asked again and again.
//!
//! A pass takes no input, is bounded, and may be run twice without harm; nothing is retried inside
//! it, the next pass is the retry. A pass that fails is logged when it begins to fail, not each
//! time. Every pass is counted and timed, and every mended row counted.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use waybill_process::Readiness;

/// For one pass.
const PASS_LIMIT: Duration = Duration::from_mins(1);
/// For the pass at hand, once told to stop.
const LAST_PASS: Duration = Duration::from_secs(5);

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Rows (of RabbitMQ: exchanges and queues) that it mended.
    pub(super) changed: u64,
}

impl Done {
    /// A pass that mended so many.
    pub(super) const fn changed(changed: u64) -> Self {
        Self { changed }
    }
}

/// One question.
pub(super) trait Sweep: Send {
    /// Its name in logs and metrics.
    const NAME: &'static str;
    /// Whether the pause is at least as long as the pass was: where passes take long, the machine has other
    /// work to do. Not so for what a person waits for.
    const GIVES_WAY: bool = true;

    /// One pass.
    fn run_once(&mut self) -> impl Future<Output = anyhow::Result<Done>> + Send;
}

/// Runs passes until told to stop.
pub(super) async fn run<S: Sweep>(
    mut sweep: S,
    every: Duration,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let condition = Readiness::default();
    let changes = metrics::counter!("waybill_sweep_changes_total", "sweep" => S::NAME);
    let passes =
        |result| metrics::counter!("waybill_sweep_passes_total", "sweep" => S::NAME, "result" => result);
    changes.increment(0);
    passes("done").increment(0);
    passes("failed").increment(0);
    let took = metrics::histogram!("waybill_sweep_seconds", "sweep" => S::NAME);
    if waybill_drill::mutant(&format!("sweep_off_{}", S::NAME)) {
        stop.cancelled().await;
    }
    while !stop.is_cancelled() {
        let began = Instant::now();
        let pass = tokio::select! {
            pass = tokio::time::timeout(PASS_LIMIT, sweep.run_once()) => pass,
            () = leaving(&stop) => break,
        };
        let lasted = began.elapsed();
        took.record(lasted.as_secs_f64());
        match pass.unwrap_or_else(|_| Err(anyhow::anyhow!("a pass took longer than {PASS_LIMIT:?}"))) {
            Ok(done) => {
                condition.has(S::NAME);
                passes("done").increment(1);
                changes.increment(done.changed);
                if done.changed > 0 {
                    tracing::info!(sweep = S::NAME, changed = done.changed, "a sweep mended something");
                }
            }
            Err(error) => {
                condition.lacks(S::NAME, format!("{error:#}"));
                passes("failed").increment(1);
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(if S::GIVES_WAY { every.max(lasted) } else { every }) => {}
        }
    }
    Ok(())
}

/// Told to stop, and the time for the pass at hand is over: it is cut short, and made again by whoever
/// comes next.
async fn leaving(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_PASS).await;
}

/// A count as a gauge's value; exact far beyond any count we have.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(crate) const fn number(count: i64) -> f64 {
    count as f64
}
