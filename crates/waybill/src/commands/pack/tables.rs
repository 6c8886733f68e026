//! The pack's tables as CSV.

use waybill_store::pack::Affected;

use super::{Figures, counts};
use crate::csv::row;

/// The columns of the affected messages.
pub(super) const HEADER: &str = "source,accepted_earlier,id,idempotency_key,received_at,state,finished_at,took_s,attempts,delayed,late_s,deaths,dead_s,replays,repaired,findings,group,error_class,error_reason\n";

/// One affected message.
pub(super) fn line(message: &Affected) -> String {
    let seconds = |s: Option<f64>| s.map(|s| format!("{s:.3}")).unwrap_or_default();
    row(&[
        message.source.clone(),
        message.earlier.to_string(),
        message.id.to_string(),
        message.idempotency_key.clone().unwrap_or_default(),
        message.received_at.to_rfc3339(),
        message.state.clone().unwrap_or_default(),
        message.finished_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
        seconds(message.took_s),
        message.attempts.map(|attempts| attempts.to_string()).unwrap_or_default(),
        message.delayed.to_string(),
        seconds(message.late_s),
        message.deaths.to_string(),
        seconds(message.dead_s),
        message.replays.to_string(),
        message.repaired.to_string(),
        message.findings.join(" "),
        message.group.map(|group| group.to_string()).unwrap_or_default(),
        message.error_class.clone().unwrap_or_default(),
        message.error_reason.clone().unwrap_or_default(),
    ])
}

/// The sources.
pub(super) fn partners(figures: &Figures) -> String {
    let mut text = "source,accepted,processed,ignored,discarded,dead,held,in_progress,unaccounted,delayed,ever_dead,replayed,repaired,found,retried,earlier,earlier_delayed,earlier_dead,earlier_repaired,p50_s,p95_s,max_s,late_max_s,dead_max_s,longest,deadline_s\n".to_owned();
    for p in &figures.partners {
        let seconds = |s: Option<f64>| s.map(|s| format!("{s:.3}")).unwrap_or_default();
        let earlier = [p.earlier, p.earlier_delayed, p.earlier_dead, p.earlier_repaired];
        let mut cells = vec![p.source.clone()];
        cells.extend(counts(p).iter().chain(&earlier).map(i64::to_string));
        cells.extend([p.p50_s, p.p95_s, p.max_s, p.late_max_s, p.dead_max_s].map(seconds));
        cells.push(p.longest.map(|id| id.to_string()).unwrap_or_default());
        cells.push(p.deadline_s.map(|s| s.to_string()).unwrap_or_default());
        text.push_str(&row(&cells));
    }
    text
}

/// What messages died of.
pub(super) fn deaths(figures: &Figures) -> String {
    let mut text =
        "group,source,kind,class,reason,deaths,accepted_earlier,still_dead,first_at,last_at,examples\n"
            .to_owned();
    for d in &figures.deaths {
        let examples: Vec<String> = d.examples.iter().map(ToString::to_string).collect();
        text.push_str(&row(&[
            d.group.to_string(),
            d.source.clone(),
            d.kind.clone(),
            d.class.clone(),
            d.reason.clone(),
            d.deaths.to_string(),
            d.earlier.to_string(),
            d.still_dead.to_string(),
            d.first_at.to_rfc3339(),
            d.last_at.to_rfc3339(),
            examples.join(" "),
        ]));
    }
    text
}

/// The window in pieces.
pub(super) fn slices(figures: &Figures) -> String {
    let mut text = "at,accepted,finished,died,open\n".to_owned();
    for s in &figures.slices {
        let counts = [s.accepted, s.finished, s.died, s.open].map(|count| count.to_string());
        let mut cells = vec![s.at.to_rfc3339()];
        cells.extend(counts);
        text.push_str(&row(&cells));
    }
    text
}
