//! Is anything wrong? Pure: from the figures of one moment to what is wrong, for whom, and what to
//! do, the worst first. Each has the name of its alert, which is its section of the runbook.

mod broker;
mod sources;
mod trend;

pub(crate) use trend::{Past, Trend};

use waybill_core::words::either;
use waybill_store::console::flow::Flow;

use crate::complaint::Complaint;
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
    pub(crate) advice: String,
    /// The page that shows it.
    pub(crate) href: String,
}

/// Due for longer than this is late, in seconds.
const DUE_S: f64 = 60.0;
/// A backlog that takes longer than this is worth a look, in seconds.
const DRAIN_S: f64 = 600.0;

/// What is judged.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// This process's figures.
    pub(crate) figures: &'a Figures,
    /// What moved since earlier figures.
    pub(crate) trend: Trend,
    /// The flow; none: the ledger does not answer.
    pub(crate) flow: Option<&'a Flow>,
    /// Why it does not.
    pub(crate) ledger: Option<&'a str>,
    /// What `waybill doctor` says, that no figure says.
    pub(crate) complaints: &'a [Complaint],
}

/// Judges a look: what is wrong, the worst first.
pub(crate) fn judge(look: &Look<'_>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let figures = look.figures;
    if let Some(why) = look.ledger {
        verdicts.push(Verdict {
            level: Level::Wrong,
            alert: "WaybillProcessDown",
            what: format!("PostgreSQL does not answer: {why}. Nothing is accepted; partners get 503."),
            whom: String::new(),
            advice: "Look at PostgreSQL first; everything else follows from it.".to_owned(),
            href: "/runbook#waybilldoctor".to_owned(),
        });
    }
    broker::judge(figures, &mut verdicts);
    broker::judge_queues(figures, &mut verdicts);
    sources::judge(figures, &mut verdicts);
    trend::judge(&look.trend, &mut verdicts);
    judge_plans(figures, &mut verdicts);
    verdicts.extend(look.complaints.iter().map(complained));
    if let Some(flow) = look.flow.filter(|flow| flow.oldest_due_s > DUE_S) {
        verdicts.push(Verdict {
            level: Level::Wrong,
            alert: "WaybillDueMessagesOld",
            what: format!(
                "{} {} due; the oldest waits for {} to be published.",
                count(flow.due),
                either(flow.due, "message is", "messages are"),
                span(flow.oldest_due_s)
            ),
            whom: String::new(),
            advice: "They are safe in the ledger. Look whether RabbitMQ takes publishes and a relay runs."
                .to_owned(),
            href: "/messages?state=due&since=all".to_owned(),
        });
    }
    judge_lanes(figures, &mut verdicts);
    verdicts.sort_by_key(|verdict| verdict.level);
    verdicts
}

/// Lanes whose backlog takes long.
fn judge_lanes(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for (lane, seconds) in figures.by("waybill_drain_seconds", "lane") {
        if seconds > DRAIN_S {
            let takes = if seconds >= 86_400.0 { "nothing moves".to_owned() } else { span(seconds) };
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "WaybillQueueIdle",
                what: format!("At its present speed the lane's backlog drains in: {takes}."),
                href: format!("/messages?lane={lane}&state=in-flight&since=all"),
                whom: format!("lane {lane}"),
                advice: "Add workers for this lane, or look why they are slow.".to_owned(),
            });
        }
    }
}

/// Replay plans that wait for a person.
fn judge_plans(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for (state, alert, level, what, advice) in [
        (
            "stopped",
            "WaybillPlanStopped",
            Level::Look,
            "stopped by itself: too many of its letters failed again",
            "Look why, mend the cause, then resume or cancel it.",
        ),
        (
            "paused",
            "Replay plans",
            Level::Look,
            "is paused: a person said so",
            "Resume it when the reason is gone, or cancel it.",
        ),
        (
            "ready",
            "Replay plans",
            Level::Look,
            "waits after its canary for a person",
            "Look what became of the canary, then resume or cancel it.",
        ),
    ] {
        let found = figures.get("waybill_plans", &[("state", state)]).unwrap_or(0.0);
        if found > 0.0 {
            let href = format!("/plans?state={state}");
            let plans =
                if found > 1.0 { format!("{found} replay plans: each") } else { "1 replay plan".into() };
            verdicts.push(Verdict {
                level,
                alert,
                what: format!("{plans} {what}."),
                whom: String::new(),
                advice: advice.to_owned(),
                href,
            });
        }
    }
}

/// What `waybill doctor` says.
fn complained(complaint: &Complaint) -> Verdict {
    Verdict {
        level: if complaint.is_failure { Level::Wrong } else { Level::Look },
        alert: "waybill doctor",
        what: format!("{}: {}.", complaint.check, complaint.reason),
        whom: complaint.area.clone(),
        advice: format!("{}.", complaint.remedy),
        href: "/runbook#waybilldoctor".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(figures: &Figures) -> Look<'_> {
        Look { figures, trend: Trend::default(), flow: None, ledger: None, complaints: &[] }
    }

    fn check(metrics: &str, alerts: &[&str]) {
        let found = judge(&look(&Figures::read(metrics)));
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
        check("waybill_source_paused{source=\"a\"} 1\n", &["waybill doctor"]);
        check("waybill_source_paused{source=\"a\"} 0\n", &[]);
        check("waybill_broker_watch_up 0\n", &["WaybillBrokerWatchPartial"]);
        check("waybill_broker_blocked 1\n", &["WaybillBrokerBlocked"]);
        check(
            "waybill_plans{state=\"stopped\"} 1\nwaybill_plans{state=\"made\"} 4\n",
            &["WaybillPlanStopped"],
        );
        check(
            "waybill_plans{state=\"paused\"} 2\nwaybill_plans{state=\"ready\"} 1\n",
            &["Replay plans", "Replay plans"],
        );
        check("waybill_drain_seconds{lane=\"slow\"} 601\n", &["WaybillQueueIdle"]);
    }

    #[test]
    fn a_silent_ledger_and_old_due_messages_are_wrong() {
        let flow = Flow { due: 2, oldest_due_s: 61.0, ..Flow::default() };
        let figures = Figures::default();
        let found = judge(&Look { flow: Some(&flow), ledger: Some("gone"), ..look(&figures) });
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|verdict| verdict.level == Level::Wrong));
    }

    #[test]
    fn what_the_doctor_says_is_repeated() {
        let complaint = |is_failure| Complaint {
            area: "postgresql".into(),
            check: "fsync".into(),
            is_failure,
            reason: "off".into(),
            remedy: "set it to on".into(),
        };
        let (figures, complaints) = (Figures::default(), [complaint(true), complaint(false)]);
        let found = judge(&Look { complaints: &complaints, ..look(&figures) });
        assert_eq!(
            found.iter().map(|verdict| verdict.level).collect::<Vec<_>>(),
            [Level::Wrong, Level::Look]
        );
        assert_eq!(found[0].what, "fsync: off.");
    }
}
