//! `GET /queues`: RabbitMQ as this process sees it, and each queue. What is unknown is said to be.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::Viewer;
use crate::Console;
use crate::failure::Failure;
use crate::live::Now;
use crate::view::{self, Frame, figure, span};

/// One queue.
struct Queue {
    name: String,
    ready: String,
    unacked: String,
    consumers: String,
    majority: &'static str,
    /// In words, and whether it is an alarm.
    verdict: (&'static str, bool),
    /// Its lane, where it is a work queue, and how long that takes to drain.
    lane: Option<String>,
    drain: String,
}

/// A figure of the broker: what, its value, the alert it belongs to.
struct Fact {
    what: String,
    value: String,
    alert: &'static str,
}

#[derive(Template)]
#[template(path = "queues.html")]
struct Page {
    frame: Frame,
    facts: Vec<Fact>,
    queues: Vec<Queue>,
}

pub(crate) async fn show(State(console): State<Console>, viewer: Viewer) -> Result<Html<String>, Failure> {
    let now = console.live().now();
    let frame = viewer.frame("/queues", "Queues and broker");
    view::html(&Page { frame, facts: facts(&now), queues: queues(&now) })
}

fn facts(now: &Now) -> Vec<Fact> {
    let fact = |what: &str, value: String, alert| Fact { what: what.to_owned(), value, alert };
    let is = |value: Option<f64>, yes: &str, no: &str| match value {
        None => "unknown".to_owned(),
        Some(value) if value > 0.0 => yes.to_owned(),
        Some(_) => no.to_owned(),
    };
    let get = |name: &str| now.figures.get(name, &[]);
    let mut facts = vec![
        fact(
            "RabbitMQ over AMQP",
            is(get("waybill_broker_up"), "answers", "does not answer"),
            "WaybillBrokerDown",
        ),
        fact(
            "Every view of it that is configured",
            is(get("waybill_broker_watch_up"), "answers", "one does not answer"),
            "WaybillBrokerWatchPartial",
        ),
    ];
    for kind in now.figures.names("waybill_broker_alarm", "kind") {
        let raised = now.figures.get("waybill_broker_alarm", &[("kind", &kind)]);
        facts.push(fact(&format!("Alarm: {kind}"), is(raised, "raised", "not raised"), "WaybillBrokerAlarm"));
    }
    let quorum = is(get("waybill_broker_quorum_critical"), "one more node lost stops queues", "kept");
    facts.push(fact("Quorum", quorum, "WaybillBrokerQuorumCritical"));
    let blocked = figure(get("waybill_broker_connections_blocked"));
    facts.push(fact("Blocked connections", blocked, "WaybillBrokerBlocked"));
    for (weight, words) in [("unsafe", "that can lose messages"), ("weak", "that weaken it")] {
        let found = now.figures.get("waybill_topology_differences", &[("weight", weight)]);
        facts.push(fact(
            &format!("Differences of the topology {words}"),
            figure(found),
            "WaybillTopologyUnsafe",
        ));
    }
    facts
}

fn queues(now: &Now) -> Vec<Queue> {
    let names = now.figures.names("waybill_queue_ready", "queue");
    names.into_iter().map(|name| queue(now, name)).collect()
}

fn queue(now: &Now, name: String) -> Queue {
    let get = |metric: &str| now.figures.get(metric, &[("queue", &name)]);
    let lane = name.strip_prefix("waybill.work.").map(str::to_owned);
    let drain = lane.as_ref().map(|lane| now.figures.get("waybill_drain_seconds", &[("lane", lane)]));
    Queue {
        ready: figure(get("waybill_queue_ready")),
        unacked: figure(get("waybill_queue_unacked")),
        consumers: figure(get("waybill_queue_consumers")),
        majority: match get("waybill_queue_majority") {
            None => "unknown",
            Some(value) if value > 0.0 => "yes",
            Some(_) => "no",
        },
        verdict: match get("waybill_queue_idle") {
            None => ("unknown", false),
            Some(value) if value > 0.0 => ("idle: messages, and nobody takes them", true),
            Some(_) => ("fine", false),
        },
        drain: match drain {
            None => String::new(),
            Some(None) => "not measured yet".to_owned(),
            Some(Some(seconds)) if seconds >= 86_400.0 => "nothing moves".to_owned(),
            Some(Some(seconds)) => span(seconds),
        },
        lane,
        name,
    }
}
