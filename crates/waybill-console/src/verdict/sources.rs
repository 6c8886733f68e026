//! Sources: out of balance, late, silent, paused, or with dead letters.

use waybill_core::words::either;

use super::{Level, Verdict};
use crate::figures::Figures;
use crate::view::{count, span};

/// A sentence with a number that a gauge gave: a count, though it is a float.
#[expect(clippy::cast_possible_truncation, reason = "a count of messages")]
fn counted(gauge: f64, one: &str, others: &str) -> String {
    let number = gauge as i64;
    format!("{} {}.", count(number), either(number, one, others))
}

/// Judges the sources.
pub(super) fn judge(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for (source, unaccounted) in figures.by("waybill_unaccounted_messages", "source") {
        if unaccounted > 0.0 {
            verdicts.push(Verdict {
                level: Level::Wrong,
                alert: "WaybillLedgerOutOfBalance",
                what: counted(
                    unaccounted,
                    "message is not where its row says it is",
                    "messages are not where their rows say they are",
                ),
                whom: source,
                advice: "The reconciliation names each, and what mends it.".to_owned(),
                href: "/reconciliation#open".to_owned(),
            });
        }
    }
    for (source, overdue) in figures.by("waybill_overdue_messages", "source") {
        if overdue > 0.0 {
            verdicts.push(Verdict {
                level: Level::Wrong,
                alert: "WaybillMessagesOverdue",
                what: counted(
                    overdue,
                    "message is not final and past its deadline",
                    "messages are not final and past their deadline",
                ),
                href: format!("/reconciliation?source={source}#overdue"),
                whom: source,
                advice: "Look what the oldest of them waits for.".to_owned(),
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
                advice: "Ask the partner whether it sends, and look whether it is refused.".to_owned(),
            });
        }
    }
    for (source, dead) in figures.by("waybill_dead_letters", "source") {
        if dead > 0.0 {
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "WaybillDeadLettersGrowing",
                what: counted(dead, "dead letter waits for a decision", "dead letters wait for a decision"),
                href: format!("/dead?source={source}"),
                whom: source,
                advice: "Read why; replay them when the cause is gone, or discard them with a reason."
                    .to_owned(),
            });
        }
    }
    for (source, paused) in figures.by("waybill_source_paused", "source") {
        if paused > 0.0 {
            verdicts.push(Verdict {
                level: Level::Look,
                alert: "waybill doctor",
                what: "It is paused: its messages are accepted and wait, because somebody said so."
                    .to_owned(),
                href: format!("/sources#{source}"),
                advice: format!("When its time is over: waybill source resume {source}."),
                whom: source,
            });
        }
    }
}
