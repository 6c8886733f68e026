//! The frame of `waybill top` as text, inert and as wide as the terminal.

use super::broker::Queue;
use super::frame::{Frame, Ledger, Source};
use crate::commands::timeline::duration;
use crate::table::{fitted, plain, wrapped};
use crate::terminal::Terminal;

/// What is not known.
const UNKNOWN: &str = "?";
/// A lane that takes this many seconds or more stands still, as far as anybody can say.
const NEVER_S: f64 = 86_400.0;

pub(super) fn frame(frame: &Frame, terminal: Terminal) -> String {
    let mut parts = Vec::new();
    if let Some(ledger) = &frame.ledger {
        parts.push(totals(ledger, terminal));
        parts.push(sources(&ledger.sources, terminal));
    } else {
        let why = frame.ledger_why.as_deref().unwrap_or("it was not asked yet");
        parts.push(format!("The ledger does not answer: {}", plain(why)));
    }
    parts.push(queues(frame, terminal));
    parts.push(line(frame));
    if frame.ledger.as_ref().is_some_and(|ledger| ledger.at_least) {
        parts.push(
            "There is more than is counted here: counts are at least so much, rates unknown.".to_owned(),
        );
    }
    parts.join("\n")
}

fn totals(ledger: &Ledger, terminal: Terminal) -> String {
    let (name, went) = went(ledger.processed_per_s, ledger.finished_per_s);
    let Ledger { due, published, in_hand, retrying, held, dead, overdue, .. } = ledger;
    let (came, oldest) = (rate(ledger.accepted_per_s), since(ledger.oldest_due_s));
    let all = format!(
        "accepted {came}/s, {name} {went}/s; due {due} (oldest {oldest}), published {published}, in hand {in_hand}, \
         retrying {retrying}, held {held}; dead {dead}, overdue {overdue}"
    );
    wrapped(terminal, &all)
}

/// How the workers count, where they were asked; else what the ledger shows.
fn went(processed: Option<f64>, finished: Option<f64>) -> (&'static str, String) {
    if processed.is_some() { ("processed", rate(processed)) } else { ("finished", rate(finished)) }
}

fn sources(sources: &[Source], terminal: Terminal) -> String {
    let by_workers = sources.iter().any(|source| source.processed_per_s.is_some());
    let name = if by_workers { "processed /s" } else { "finished /s" };
    let header = ["source", "accepted /s", name, "unfinished", "held", "dead", "overdue"];
    let rows = sources.iter().map(|source| {
        let named = if source.paused { format!("{} (paused)", source.name) } else { source.name.clone() };
        let (_, went) = went(source.processed_per_s, source.finished_per_s);
        let counts = [source.unfinished, source.held, source.dead, source.overdue];
        let counts = counts.iter().map(i64::to_string);
        [named, rate(source.accepted_per_s), went].into_iter().chain(counts).collect()
    });
    fitted(terminal, &header, rows)
}

fn queues(frame: &Frame, terminal: Terminal) -> String {
    let lane = |queue: &Queue| {
        let lanes = frame.ledger.as_ref().map(|ledger| ledger.lanes.as_slice()).unwrap_or_default();
        let name = waybill_broker::topology::lane_of(&queue.name)?;
        lanes.iter().find(|lane| lane.name == name)
    };
    let known = |count: Option<u64>| count.map_or_else(|| UNKNOWN.to_owned(), |count| count.to_string());
    let rows = frame.broker.queues.iter().map(|queue| {
        let (backlog, drains) = lane(queue).map_or_else(
            || (String::new(), String::new()),
            |lane| (lane.backlog.to_string(), drains(lane.drain_s)),
        );
        vec![
            queue.name.clone(),
            backlog,
            drains,
            known(queue.ready),
            known(queue.unacked),
            known(queue.consumers),
        ]
    });
    let header = ["queue", "backlog", "empty in", "ready", "in hand", "consumers"];
    fitted(terminal, &header, rows)
}

/// RabbitMQ, plans and processes.
fn line(frame: &Frame) -> String {
    let broker = match (frame.broker.up, &frame.broker.why) {
        (Some(true), _) => "RabbitMQ: up".to_owned(),
        (Some(false), Some(why)) => format!("RabbitMQ: DOWN, {}", plain(why)),
        (_, why) => format!("RabbitMQ: not asked, {}", plain(why.as_deref().unwrap_or(UNKNOWN))),
    };
    let mut lines = vec![broker];
    if let Some(ledger) = &frame.ledger {
        let plans: Vec<String> =
            ledger.plans.iter().map(|(state, n)| format!("{n} {}", plain(state))).collect();
        lines.push(format!(
            "Replay plans: {}",
            if plans.is_empty() { "none".to_owned() } else { plans.join(", ") }
        ));
    }
    lines.extend(frame.processes.iter().map(|process| match &process.why {
        _ if process.ready => format!("{} at {}: ready", process.name, process.at),
        why => {
            let why = plain(why.as_deref().unwrap_or(UNKNOWN));
            format!("{} at {}: NOT READY, {why}", process.name, process.at)
        }
    }));
    lines.join("\n")
}

fn rate(per_s: Option<f64>) -> String {
    per_s.map_or_else(|| UNKNOWN.to_owned(), |per_s| format!("{per_s:.1}"))
}

fn since(seconds: f64) -> String {
    if seconds < 0.0005 { "-".to_owned() } else { duration(seconds) }
}

fn drains(seconds: Option<f64>) -> String {
    match seconds {
        None => UNKNOWN.to_owned(),
        Some(s) if s >= NEVER_S => "never".to_owned(),
        Some(s) => since(s),
    }
}

#[cfg(test)]
mod tests {
    use super::super::broker;
    use super::*;

    #[test]
    fn what_is_unknown_is_said_to_be_and_nothing_steers_the_terminal() {
        let broker = broker::Seen {
            up: Some(false),
            why: Some("\u{1b}[2Jgone".to_owned()),
            queues: vec![Queue { name: "waybill.work.default".to_owned(), ..Queue::default() }],
        };
        let silent = Frame {
            over_s: 0.0,
            ledger: None,
            ledger_why: Some("no\u{7}".to_owned()),
            broker,
            processes: Vec::new(),
        };
        let text = frame(&silent, Terminal::default());
        assert!(text.contains("does not answer") && text.contains("RabbitMQ: DOWN"), "{text}");
        assert!(text.contains(UNKNOWN) && !text.contains(['\u{1b}', '\u{7}']), "{text}");
    }

    #[test]
    fn a_lane_that_stands_still_is_never_empty() {
        assert_eq!(drains(Some(86_400.0)), "never");
        assert_eq!(drains(Some(90.0)), "90.000 s");
        assert_eq!((drains(Some(0.0)), drains(None)), ("-".to_owned(), "?".to_owned()));
    }
}
