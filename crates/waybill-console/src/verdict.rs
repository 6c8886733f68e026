//! Is anything wrong? Pure: from the figures of one moment to what is wrong, for whom, and what to
//! do, the worst first. Each has the name of its alert, which is its section of the runbook.

use waybill_store::console::flow::Flow;

use crate::figures::Figures;
use crate::view::{count, span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Messages are stuck, lost or late.
    Wrong,
    /// Somebody should look.
    Look,
}

impl Level {
    /// In a word, so that colour is never alone.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Look => "look",
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) level: Level,
    /// The section of the runbook.
    pub(crate) alert: &'static str,
    /// What, in a sentence.
    pub(crate) what: String,
    /// For whom: a source, a lane, a queue; empty: for all.
    pub(crate) whom: String,
    /// What to do, in a sentence.
    pub(crate) advice: &'static str,
    /// The page that shows it.
    pub(crate) href: String,
}

/// Due for longer than this is late, in seconds.
const DUE_S: f64 = 60.0;
/// A backlog that takes longer than this is worth a look, in seconds.
const DRAIN_S: f64 = 600.0;

/// Judges the figures. `ledger`: why the ledger does not answer, if it does not.
pub(crate) fn judge(figures: &Figures, flow: Option<&Flow>, ledger: Option<&str>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    if let Some(why) = ledger {
        verdicts.push(Verdict {
            level: Level::Wrong,
            alert: "WaybillProcessDown",
            what: format!("PostgreSQL does not answer: {why}. Nothing is accepted; partners get 503."),
            whom: String::new(),
            advice: "Look at PostgreSQL first; everything else follows from it.",
            href: "/runbook#waybilldoctor".to_owned(),
        });
    }
    judge_broker(figures, &mut verdicts);
    judge_sources(figures, &mut verdicts);
    if let Some(flow) = flow.filter(|flow| flow.oldest_due_s > DUE_S) {
        verdicts.push(Verdict {
            level: Level::Wrong,
            alert: "WaybillDueMessagesOld",
            what: format!(
                "{} messages are due; the oldest waits for {} to be published.",
                count(flow.due),
                span(flow.oldest_due_s)
            ),
            whom: String::new(),
            advice: "They are safe in the ledger. Look whether RabbitMQ takes publishes and a relay runs.",
            href: "/messages?state=due&since=all".to_owned(),
        });
    }
    for (lane, seconds) in figures.by("waybill_drain_seconds", "lane") {
        if seconds > DRAIN_S {
            let takes = if seconds >= 86_400.0 { "nothing moves".to_owned() } else { span(seconds) };
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "WaybillQueueIdle",
                what: format!("At its present speed the lane's backlog drains in: {takes}."),
                whom: format!("lane {lane}"),
                advice: "Add workers for this lane, or look why they are slow.",
                href: "/queues".to_owned(),
            });
        }
    }
    verdicts.sort_by_key(|verdict| verdict.level);
    verdicts
}

fn judge_broker(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    let mut wrong = |is: bool, alert, what: String, whom: String, advice| {
        if is {
            let href = "/queues".to_owned();
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
    for (queue, idle) in figures.by("waybill_queue_idle", "queue") {
        wrong(
            idle > 0.0,
            "WaybillQueueIdle",
            "The queue holds messages, and nobody consumes or acknowledges them.".into(),
            queue,
            "Start workers for its lane, or look why they stand still.",
        );
    }
}

fn judge_sources(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for (source, unaccounted) in figures.by("waybill_unaccounted_messages", "source") {
        if unaccounted > 0.0 {
            verdicts.push(Verdict {
                level: Level::Wrong,
                alert: "WaybillLedgerOutOfBalance",
                what: format!("{unaccounted} messages are not where their rows say they are."),
                whom: source,
                advice: "The reconciliation names each, and what mends it.",
                href: "/reconciliation".to_owned(),
            });
        }
    }
    for (source, overdue) in figures.by("waybill_overdue_messages", "source") {
        if overdue > 0.0 {
            verdicts.push(Verdict {
                level: Level::Wrong,
                alert: "WaybillMessagesOverdue",
                what: format!("{overdue} messages are not final and past their deadline."),
                href: "/reconciliation#overdue".to_owned(),
                whom: source,
                advice: "Look what the oldest of them waits for.",
            });
        }
    }
    let silence = figures.by("waybill_source_silence_max_seconds", "source");
    for (source, silent) in figures.by("waybill_source_silent_seconds", "source") {
        let most = silence.get(&source).copied().unwrap_or(0.0);
        if most > 0.0 && silent > most {
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "WaybillSourceSilent",
                what: format!(
                    "Nothing has come for {}; {} is the most that is usual.",
                    span(silent),
                    span(most)
                ),
                href: format!("/sources#{source}"),
                whom: source,
                advice: "Ask the partner whether it sends, and look whether it is refused.",
            });
        }
    }
    for (source, dead) in figures.by("waybill_dead_letters", "source") {
        if dead > 0.0 {
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "WaybillDeadLettersGrowing",
                what: format!("{dead} dead letters wait for a decision."),
                href: format!("/dead?source={source}"),
                whom: source,
                advice: "Read why; replay them when the cause is gone, or discard them with a reason.",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(metrics: &str, alerts: &[&str]) {
        let found = judge(&Figures::read(metrics), None, None);
        assert_eq!(found.iter().map(|verdict| verdict.alert).collect::<Vec<_>>(), alerts, "{metrics}");
    }

    #[test]
    fn what_is_wrong_is_said_and_what_is_unknown_is_not() {
        check("", &[]);
        check("waybill_broker_up 1\nwaybill_broker_alarm{kind=\"memory\"} NaN\n", &[]);
        check("waybill_broker_up 0\n", &["WaybillBrokerDown"]);
        check("waybill_broker_alarm{kind=\"disk\"} 1\n", &["WaybillBrokerAlarm"]);
        check("waybill_queue_idle{queue=\"waybill.work.default\"} 1\n", &["WaybillQueueIdle"]);
        check("waybill_topology_differences{weight=\"weak\"} 2\n", &[]);
        check("waybill_topology_differences{weight=\"unsafe\"} 2\n", &["WaybillTopologyUnsafe"]);
        check("waybill_unaccounted_messages{source=\"a\"} 0\n", &[]);
        check(
            "waybill_dead_letters{source=\"a\"} 3\nwaybill_unaccounted_messages{source=\"a\"} 1\n",
            &["WaybillLedgerOutOfBalance", "WaybillDeadLettersGrowing"],
        );
        let silent = "waybill_source_silent_seconds{source=\"a\"} 90\n";
        check(silent, &[]);
        check(
            &format!("{silent}waybill_source_silence_max_seconds{{source=\"a\"}} 60\n"),
            &["WaybillSourceSilent"],
        );
        check(&format!("{silent}waybill_source_silence_max_seconds{{source=\"a\"}} 0\n"), &[]);
        check("waybill_drain_seconds{lane=\"slow\"} 601\n", &["WaybillQueueIdle"]);
    }

    #[test]
    fn a_silent_ledger_and_old_due_messages_are_wrong() {
        let flow = Flow { due: 2, oldest_due_s: 61.0, ..Flow::default() };
        let found = judge(&Figures::default(), Some(&flow), Some("gone"));
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|verdict| verdict.level == Level::Wrong));
    }
}
