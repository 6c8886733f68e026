//! The watch's gauges. What is unknown is NaN, never zero and never the value of another hour: that
//! goes for a queue that nobody names any more, too.

use std::collections::BTreeSet;

use crate::serve::sweep::number;

/// The alarms RabbitMQ knows.
pub(super) const ALARMS: [&str; 2] = ["memory", "disk"];
/// Why RabbitMQ dead-letters (`x-first-death-reason`), and what it then does.
pub(super) const REASONS: [&str; 4] = ["delivery_limit", "expired", "maxlen", "rejected"];
/// `disabled`: it dropped the message.
pub(super) const STRATEGIES: [&str; 3] = ["at_least_once", "at_most_once", "disabled"];
/// The gauges that each queue has.
const OF_A_QUEUE: [&str; 5] = [
    "waybill_queue_ready",
    "waybill_queue_unacked",
    "waybill_queue_consumers",
    "waybill_queue_idle",
    "waybill_queue_majority",
];

/// A gauge without labels.
pub(super) fn gauge(name: &'static str, value: Option<f64>) {
    metrics::gauge!(name).set(value.unwrap_or(f64::NAN));
}

/// A gauge of one queue.
pub(super) fn queue(name: &'static str, queue: &str, value: Option<f64>) {
    metrics::gauge!(name, "queue" => queue.to_owned()).set(value.unwrap_or(f64::NAN));
}

/// A gauge of one label.
pub(super) fn labelled(name: &'static str, label: &'static str, of: &'static str, value: Option<f64>) {
    metrics::gauge!(name, label => of).set(value.unwrap_or(f64::NAN));
}

/// A count as a gauge's value.
pub(super) fn count(count: Option<u64>) -> Option<f64> {
    count.map(|count| number(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// 1 for yes, 0 for no.
pub(super) fn yes(answer: Option<bool>) -> Option<f64> {
    answer.map(|answer| f64::from(u8::from(answer)))
}

/// Makes every series exist, as unknown; RabbitMQ counts as away until it was seen.
pub(super) fn announce() {
    gauge("waybill_broker_up", Some(0.0));
    gauge("waybill_broker_watch_up", Some(0.0));
    for name in ["waybill_broker_connections_blocked", "waybill_broker_quorum_critical"] {
        gauge(name, None);
    }
    for kind in ALARMS {
        labelled("waybill_broker_alarm", "kind", kind, None);
    }
    for how in ["returned", "dropped"] {
        labelled("waybill_broker_unroutable_messages", "how", how, None);
    }
    for weight in ["unsafe", "weak"] {
        labelled("waybill_topology_differences", "weight", weight, None);
    }
    for reason in REASONS {
        for strategy in STRATEGIES {
            dead_lettered(reason, strategy, None);
        }
    }
}

/// Messages that RabbitMQ has dead-lettered.
pub(super) fn dead_lettered(reason: &'static str, strategy: &'static str, messages: Option<u64>) {
    metrics::gauge!("waybill_broker_dead_lettered_messages", "reason" => reason, "strategy" => strategy)
        .set(count(messages).unwrap_or(f64::NAN));
}

/// The queues that have series.
#[derive(Debug, Default)]
pub(super) struct Queues(BTreeSet<String>);

impl Queues {
    /// These have figures from now on; those that had, and are not among them, become unknown.
    pub(super) fn are(&mut self, now: &BTreeSet<String>) {
        for gone in self.0.difference(now) {
            for name in OF_A_QUEUE {
                queue(name, gone, None);
            }
        }
        self.0.clone_from(now);
    }
}
