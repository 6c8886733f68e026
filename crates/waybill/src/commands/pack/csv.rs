//! The pack's tables as CSV (RFC 4180, with line feeds). A cell that a spreadsheet would take for a
//! formula is made text.

use waybill_store::pack::Affected;

use super::Figures;

/// The columns of the affected messages.
pub(super) const HEADER: &str = "source,id,idempotency_key,received_at,state,finished_at,took_s,attempts,delayed,deaths,replays,findings,error_class,error_reason\n";

/// One affected message.
pub(super) fn line(message: &Affected) -> String {
    row(&[
        message.source.clone(),
        message.id.to_string(),
        message.idempotency_key.clone().unwrap_or_default(),
        message.received_at.to_rfc3339(),
        message.state.clone().unwrap_or_default(),
        message.finished_at.map(|at| at.to_rfc3339()).unwrap_or_default(),
        message.took_s.map(|took| format!("{took:.3}")).unwrap_or_default(),
        message.attempts.map(|attempts| attempts.to_string()).unwrap_or_default(),
        message.delayed.to_string(),
        message.deaths.to_string(),
        message.replays.to_string(),
        message.findings.join(" "),
        message.error_class.clone().unwrap_or_default(),
        message.error_reason.clone().unwrap_or_default(),
    ])
}

/// The sources.
pub(super) fn partners(figures: &Figures) -> String {
    let mut text = "source,accepted,processed,ignored,discarded,dead,held,in_progress,unaccounted,delayed,ever_dead,replayed,found,retried,p50_s,p95_s,max_s,longest,deadline_s\n".to_owned();
    for p in &figures.partners {
        let seconds = |s: Option<f64>| s.map(|s| format!("{s:.3}")).unwrap_or_default();
        let counts = [
            p.accepted,
            p.processed,
            p.ignored,
            p.discarded,
            p.dead,
            p.held,
            p.in_progress,
            p.unaccounted,
            p.delayed,
            p.ever_dead,
            p.replayed,
            p.found,
            p.retried,
        ];
        let mut cells = vec![p.source.clone()];
        cells.extend(counts.iter().map(i64::to_string));
        cells.extend([seconds(p.p50_s), seconds(p.p95_s), seconds(p.max_s)]);
        cells.push(p.longest.map(|id| id.to_string()).unwrap_or_default());
        cells.push(p.deadline_s.map(|s| s.to_string()).unwrap_or_default());
        text.push_str(&row(&cells));
    }
    text
}

/// What messages died of.
pub(super) fn deaths(figures: &Figures) -> String {
    let mut text = "source,class,reason,deaths,still_dead,first_at,last_at\n".to_owned();
    for d in &figures.deaths {
        text.push_str(&row(&[
            d.source.clone(),
            d.class.clone(),
            d.reason.clone(),
            d.deaths.to_string(),
            d.still_dead.to_string(),
            d.first_at.to_rfc3339(),
            d.last_at.to_rfc3339(),
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

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    format!("{}\n", cells.join(","))
}

/// A cell: quoted where it must be, and never the beginning of a formula.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let cell = if formula { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        for (cell, expected) in [
            ("a b", "a b"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("=1+1", "'=1+1"),
            ("@sum,", "\"'@sum,\""),
            ("", ""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }
}
