//! Sources: out of balance, late, silent, paused, or with dead letters.

use waybill_core::words::either;

use super::{Level, Verdict};
use crate::figures::Figures;
use crate::view::{count, span};

/// A gauge that counts messages of a source, and ought to be 0.
struct Counted {
    gauge: &'static str,
    level: Level,
    alert: &'static str,
    one: &'static str,
    others: &'static str,
    advice: &'static str,
    /// The page of what it counts, but for the source.
    href: (&'static str, &'static str),
}

const COUNTED: [Counted; 3] = [
    Counted {
        gauge: "waybill_unaccounted_messages",
        level: Level::Wrong,
        alert: "WaybillLedgerOutOfBalance",
        one: "message is not where its row says it is.",
        others: "messages are not where their rows say they are.",
        advice: "The reconciliation names each, and what mends it.",
        href: ("/reconciliation?source=", "#open"),
    },
    Counted {
        gauge: "waybill_overdue_messages",
        level: Level::Wrong,
        alert: "WaybillMessagesOverdue",
        one: "message is not final and past its deadline.",
        others: "messages are not final and past their deadline.",
        advice: "Look what the oldest of them waits for.",
        href: ("/reconciliation?source=", "#overdue"),
    },
    Counted {
        gauge: "waybill_dead_letters",
        level: Level::Look,
        alert: "WaybillDeadLettersGrowing",
        one: "dead letter waits for a decision.",
        others: "dead letters wait for a decision.",
        advice: "Read why; replay them when the cause is gone, or discard them with a reason.",
        href: ("/dead?source=", ""),
    },
];

/// Judges the sources.
pub(super) fn judge(figures: &Figures, verdicts: &mut Vec<Verdict>) {
    for counted in &COUNTED {
        let found = figures.by(counted.gauge, "source").into_iter().filter(|&(_, messages)| messages > 0.0);
        verdicts.extend(found.map(|(source, messages)| judged(counted, source, messages)));
    }
    judge_silence(figures, verdicts);
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

fn judged(counted: &Counted, source: String, messages: f64) -> Verdict {
    #[expect(clippy::cast_possible_truncation, reason = "a count, though every gauge is a float")]
    let messages = messages as i64;
    let (page, part) = counted.href;
    Verdict {
        level: counted.level,
        alert: counted.alert,
        what: format!("{} {}", count(messages), either(messages, counted.one, counted.others)),
        href: format!("{page}{source}{part}"),
        whom: source,
        advice: counted.advice.to_owned(),
    }
}

/// Sources from which nothing has come for too long.
fn judge_silence(figures: &Figures, verdicts: &mut Vec<Verdict>) {
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
}
