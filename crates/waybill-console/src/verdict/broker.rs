//! RabbitMQ: down, blocked, short of something, unsafe, or with queues that nobody empties.

use super::{Level, Verdict};
use crate::figures::Figures;

/// Judges RabbitMQ.
pub(super) fn judge(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    let mut wrong = |is: bool, alert: &'static str, what: String, whom: String, advice: &str| {
        if is {
            let href = "/queues".to_owned();
            let advice = advice.to_owned();
            verdicts.push(Verdict { level: Level::Wrong, alert, what, whom, advice, href });
        }
    };
    let is = |name: &str| figures.get(name, &[]).is_some_and(|value| value > 0.0);
    wrong(
        figures.get("waybill_broker_up", &[]) == Some(0.0),
        "WaybillBrokerDown",
        "RabbitMQ does not answer. Messages are accepted and wait in the ledger; none is processed.".into(),
        String::new(),
        "Bring RabbitMQ back; what is due is published by itself.",
    );
    for (kind, raised) in figures.by("waybill_broker_alarm", "kind") {
        wrong(
            raised > 0.0,
            "WaybillBrokerAlarm",
            format!("RabbitMQ has raised its {kind} alarm and takes no publishes."),
            String::new(),
            "Free what it lacks; messages wait in the ledger meanwhile.",
        );
    }
    wrong(
        is("waybill_broker_connections_blocked"),
        "WaybillBrokerBlocked",
        "RabbitMQ blocks connections that publish.".into(),
        String::new(),
        "Look for an alarm, or a node that is out of memory or disk.",
    );
    wrong(
        is("waybill_broker_blocked"),
        "WaybillBrokerBlocked",
        "RabbitMQ blocks the publishing connection of this process.".into(),
        String::new(),
        "An alarm stands, or has stood. Messages wait in the ledger meanwhile.",
    );
    wrong(
        is("waybill_broker_quorum_critical"),
        "WaybillBrokerQuorumCritical",
        "Losing one more node of RabbitMQ would stop its queues.".into(),
        String::new(),
        "Do not restart a node; bring the missing ones back.",
    );
    let differences = figures.get("waybill_topology_differences", &[("weight", "unsafe")]).unwrap_or(0.0);
    wrong(
        differences > 0.0,
        "WaybillTopologyUnsafe",
        format!(
            "{differences} differences in RabbitMQ's topology can lose messages; nothing is published there."
        ),
        String::new(),
        "waybill topology check names each; topology apply declares what is missing.",
    );
    if figures.get("waybill_broker_watch_up", &[]) == Some(0.0) {
        verdicts.push(Verdict {
            level: Level::Look,
            alert: "WaybillBrokerWatchPartial",
            what: "One view of RabbitMQ is silent; what only that view shows is unknown.".to_owned(),
            whom: String::new(),
            advice: "Look whether its management API and its Prometheus endpoints answer.".to_owned(),
            href: "/queues".to_owned(),
        });
    }
}

/// Queues that hold messages and move none.
pub(super) fn judge_queues(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for (queue, idle) in figures.by("waybill_queue_idle", "queue") {
        if idle > 0.0 {
            verdicts.push(Verdict {
                level: Level::Wrong,
                alert: "WaybillQueueIdle",
                what: "The queue holds messages, and nobody consumes or acknowledges them.".to_owned(),
                whom: queue,
                advice: "Start workers for its lane, or look why they stand still.".to_owned(),
                href: "/queues".to_owned(),
            });
        }
    }
}
