//! What the index on `receipt.seq` costs accepting: the same load with and without it, turn by turn, on
//! emptied tables. Nothing but `ingest-api` runs and nothing is published, so that the index has as large
//! a share of the work as it can have.

use serde::Serialize;
use sqlx::Executor as _;

use crate::bodies::Bodies;
use crate::gateway::waybill::{Feed, set_up};
use crate::load::{Until, closed};
use crate::plan::Plan;
use crate::say;
use crate::services::Services;

/// Turns of each.
const TURNS: usize = 8;
const FEED: Feed = Feed { name: "receiptseq", bodies: Bodies::Json, order_by: "none" };

/// What was measured.
#[derive(Debug, Serialize)]
pub struct ReceiptSeq {
    /// Accepted in a second with the index, in each turn.
    with_per_s: Vec<f64>,
    /// The same without it.
    without_per_s: Vec<f64>,
    /// The median with it by the median without it.
    ratio: f64,
}

/// Measures accepting with the index and without it.
///
/// # Errors
/// When something does not run.
pub async fn measure(services: &Services, plan: &Plan) -> anyhow::Result<ReceiptSeq> {
    let made = set_up(services, FEED).await?;
    let mut ingest = made.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).start()?;
    ingest.until_ready().await?;
    let gateway = made.gateway(ingest, Vec::new());
    closed(&gateway.traffic, "w", plan.connections, Until::Elapsed(plan.warm)).await?;
    let (mut with_per_s, mut without_per_s) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        // whoever comes second in one turn comes first in the next
        for with in [turn % 2 == 0, turn % 2 != 0] {
            let db = &gateway.space.db;
            db.execute("truncate receipt, body, progress, ordering").await?;
            db.execute("drop index if exists receipt_seq").await?;
            if with {
                db.execute("create index receipt_seq on receipt (seq)").await?;
            }
            services.settle().await?;
            let load = closed(&gateway.traffic, "a", plan.connections, Until::Elapsed(plan.closed)).await?;
            let per_s = load.per_s();
            say(&format!("  {} the index: {per_s:.0}/s", if with { "with" } else { "without" }));
            if with { &mut with_per_s } else { &mut without_per_s }.push(per_s);
        }
    }
    gateway.close(services).await?;
    let ratio = median(&with_per_s) / median(&without_per_s);
    Ok(ReceiptSeq { with_per_s, without_per_s, ratio })
}

/// The middle; of two the mean.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match (sorted.get(low), sorted.get(high)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let check = |figures: &[f64], expected: f64| assert!((median(figures) - expected).abs() < 1e-9);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
        check(&[7.0], 7.0);
    }
}
