//! The worker's metrics.

use std::time::Duration;

use chrono::{DateTime, Utc};
use waybill_core::recovery::Disposition;
use waybill_core::source::Source;
use waybill_store::claim::Claimed;

/// The values of the label `outcome` of `waybill_attempts_total`.
const OUTCOMES: [&str; 4] = ["processed", "ignored", "retry", "dead"];

/// Makes every series of these sources exist, at 0.
pub fn announce<'a>(sources: impl Iterator<Item = &'a Source>) {
    // asking for a histogram makes it exist
    let _ = metrics::histogram!("waybill_process_seconds");
    let _ = metrics::histogram!("waybill_end_to_end_seconds");
    for source in sources {
        let (name, kind) = (source.name.clone(), source.kind_label().to_owned());
        metrics::counter!("waybill_messages_processed_total", "source" => name.clone(), "kind" => kind.clone())
            .increment(0);
        for outcome in OUTCOMES {
            metrics::counter!("waybill_attempts_total", "source" => name.clone(), "kind" => kind.clone(), "outcome" => outcome)
                .increment(0);
        }
    }
}

/// Notes how long one message's processing took.
pub fn processing(took: Duration) {
    metrics::histogram!("waybill_process_seconds").record(took.as_secs_f64());
}

/// Notes a recorded attempt.
pub fn recorded(claimed: &Claimed, disposition: &Disposition, now: DateTime<Utc>) {
    let (source, kind) = (claimed.source.clone(), claimed.kind.clone());
    let outcome = match disposition {
        Disposition::Complete(_) => "processed",
        Disposition::Ignore(_) => "ignored",
        Disposition::Retry(..) => "retry",
        Disposition::DeadLetter(_) => "dead",
    };
    metrics::counter!("waybill_attempts_total", "source" => source.clone(), "kind" => kind.clone(), "outcome" => outcome)
        .increment(1);
    if matches!(disposition, Disposition::Complete(_) | Disposition::Ignore(_)) {
        metrics::counter!("waybill_messages_processed_total", "source" => source, "kind" => kind)
            .increment(1);
        let took = (now - claimed.received_at).to_std().unwrap_or_default();
        metrics::histogram!("waybill_end_to_end_seconds").record(took.as_secs_f64());
    }
}
