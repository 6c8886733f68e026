//! Plans as people read them.

use waybill_core::plan::State;
use waybill_core::words::either;
use waybill_store::plan::{Count, Plan, Preview, Report};

use crate::table;

/// A line for each plan.
pub(super) fn plans(plans: &[Plan]) -> String {
    let rows = plans.iter().map(|plan| {
        let items = plan.items;
        vec![
            plan.id.to_string(),
            plan.state.as_str().to_owned(),
            items.all.to_string(),
            items.recovered.to_string(),
            items.failed.to_string(),
            items.held.to_string(),
            items.skipped.to_string(),
            (items.waiting + items.replayed).to_string(),
            plan.made_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            plan.made_by.clone(),
            plan.reason.clone(),
        ]
    });
    let header =
        ["plan", "state", "items", "recovered", "failed", "held", "skipped", "left", "made", "by", "why"];
    table::table(&header, rows)
}

/// One plan, and its report where there is one.
pub(super) fn show(plan: &Plan, report: Option<&Report>) {
    println!("Plan {}: {}", plan.id, progress(plan));
    println!("  of          {}", table::plain(&plan.asked));
    println!(
        "  made        {} by {}: {}",
        time(plan.made_at),
        table::plain(&plan.made_by),
        table::plain(&plan.reason)
    );
    if let Some(at) = plan.started_at {
        println!("  started     {}", time(at));
    }
    if let Some(at) = plan.ended_at {
        println!("  ended       {}", time(at));
    }
    println!("  policy      {}", policy(plan));
    if let Some(report) = report {
        self::report(plan, report);
    }
    if let Some(next) = next(plan) {
        println!("Next: {next}");
    }
}

/// What a plan would do, or will.
pub(super) fn preview(preview: &Preview) {
    let rows = preview.parts.iter().map(|part| {
        vec![
            part.items.to_string(),
            part.source.clone(),
            part.kind.clone(),
            part.reason.clone(),
            part.group.to_string(),
            part.example.clone(),
        ]
    });
    println!("{}", table::table(&["items", "source", "kind", "reason", "group", "for instance"], rows));
    println!(
        "{} {} of {} ordering {}.",
        preview.items,
        either(preview.items, "dead letter", "dead letters"),
        preview.keys,
        either(preview.keys, "key", "keys")
    );
    if let Some(fullest) = preview.fullest_keys.first() {
        println!(
            "{} keys have more than one; the fullest has {}, {} the first of them. They go in the order of the ledger.",
            if preview.fullest_keys.len() >= 50 {
                "50 or more".to_owned()
            } else {
                preview.fullest_keys.len().to_string()
            },
            fullest.items,
            fullest.first
        );
    }
    for other in &preview.also_in {
        println!(
            "{} of them wait for their turn in plan {} too: the plan whose turn comes first replays them, the other skips them.",
            other.items, other.plan
        );
    }
    let wait = either(preview.waits, "message waits", "messages wait");
    println!("{} {wait} behind them; {} would be released.", preview.waits, preview.releases);
    if preview.waits > preview.releases {
        println!(
            "The other {} wait behind dead letters that are not in the plan too.",
            preview.waits - preview.releases
        );
    }
}

/// What became of it.
fn report(plan: &Plan, report: &Report) {
    let failed: i64 = report.failed.iter().map(|count| count.items).sum();
    let skipped: i64 = report.skipped.iter().map(|count| count.items).sum();
    println!("  recovered   {}", report.recovered);
    println!("  failed      {failed}{}", reasons(&report.failed));
    if report.held > 0 {
        println!(
            "  held        {} behind dead letters, {} of them final since: waybill dead list",
            report.held, report.held_final
        );
    }
    println!("  skipped     {skipped}{}", reasons(&report.skipped));
    if report.waiting > 0 {
        println!("  not begun   {}", report.waiting);
    }
    println!("  released    {} of the {} messages that waited behind them", report.released, report.waits);
    println!("  ran         {}", duration(plan.ran_s));
    if report.contradicted == 0 {
        println!("  the ledger  says the same of all {} items", plan.items.all);
    } else {
        println!(
            "  the ledger  CONTRADICTS {} of {} items: this is a defect or somebody changed rows; waybill reconcile",
            report.contradicted, plan.items.all
        );
    }
}

fn reasons(counts: &[Count]) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let parts: Vec<_> = counts.iter().map(|count| format!("{} {}", count.items, count.why)).collect();
    format!(" ({})", parts.join(", "))
}

/// Where a plan is, in one line.
pub(super) fn progress(plan: &Plan) -> String {
    let items = plan.items;
    let mut said = vec![plan.state.as_str().to_owned(), format!("{} of {} done", items.done(), items.all)];
    let counts = [
        (items.recovered, "recovered"),
        (items.failed, "failed again"),
        (items.held, "held"),
        (items.skipped, "skipped"),
        (items.replayed, "in flight"),
    ];
    said.extend(counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    if plan.ran_s > 0.0 && items.done() > 0 {
        said.push(format!("{:.0}/s", f64::from(items.done()) / plan.ran_s));
    }
    said.extend(plan.remaining_s.map(|left_s| format!("about {} left", duration(left_s))));
    said.extend(plan.stopped_because.clone());
    said.join(", ")
}

fn policy(plan: &Plan) -> String {
    let policy = plan.policy;
    let canary = match policy.canary {
        0 => "no canary".to_owned(),
        n => format!(
            "canary of {n}{}{}",
            if policy.confirm { ", then wait for a person" } else { "" },
            if plan.canary_passed { " (past)" } else { "" }
        ),
    };
    let rate = policy.rate_per_s.map_or_else(|| "no rate".to_owned(), |rate| format!("at most {rate}/s"));
    format!("{canary}; {rate}; stops above {:.1} % failed again", policy.stop_share * 100.0)
}

/// What a person can do now.
fn next(plan: &Plan) -> Option<String> {
    let id = plan.id;
    match plan.state {
        State::Made => Some(format!("waybill plan start {id} --why REASON")),
        State::Running => {
            Some(format!("waybill plan show {id} --watch, or waybill plan pause {id} --why REASON"))
        }
        State::Ready | State::Paused | State::Stopped => {
            Some(format!("waybill plan resume {id} --why REASON, or waybill plan cancel {id} --why REASON"))
        }
        State::Finished | State::Cancelled => None,
    }
}

fn time(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Seconds as people say them.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; a year is enough")]
    let whole = seconds.clamp(0.0, 31_536_000.0).ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_do() {
        let check = |seconds, expected: &str| assert_eq!(duration(seconds), expected);
        check(0.0, "0 s");
        check(59.2, "1 min 0 s");
        check(3_661.0, "1 h 1 min");
        check(f64::INFINITY, "8760 h 0 min");
        check(-1.0, "0 s");
    }
}
