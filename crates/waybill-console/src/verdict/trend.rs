//! What moved: counters of this process against what they were some minutes ago. Of this replica alone,
//! since it was started; the alerts see all of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Level, Verdict};
use crate::figures::Figures;
use crate::view::span;

/// Publishes that ended otherwise than confirmed within this are told.
const PUBLISHES: TimeDelta = TimeDelta::minutes(2);
/// What a sweep had to mend within this is told.
const MENDED: TimeDelta = TimeDelta::minutes(15);
/// A sweep that finishes no pass within this fails.
const FAILING: TimeDelta = TimeDelta::minutes(10);
/// A figure that is not there for so long, since the process was started, is blind.
const BLIND: TimeDelta = TimeDelta::minutes(5);
/// Between two figures that are kept.
const KEPT_EVERY: TimeDelta = TimeDelta::seconds(30);
/// The sweeps that should never have anything to mend.
const MENDERS: [&str; 4] = ["lost", "declared", "conservation", "forgotten"];
/// The figures that alerts cannot do without.
const NEEDED: [&str; 4] =
    ["waybill_due_oldest_seconds", "waybill_queue_idle", "waybill_unaccounted_messages", "waybill_broker_up"];

/// Earlier figures, a few.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    kept: VecDeque<(DateTime<Utc>, Arc<Figures>)>,
    began: Option<DateTime<Utc>>,
    /// The most acts that the audit trail was seen to have.
    acts_most: f64,
}

/// What moved.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trend {
    /// Publishes that ended otherwise than confirmed, by how; and whether any was confirmed meanwhile.
    failed_publishes: BTreeMap<String, f64>,
    any_confirmed: bool,
    /// Rows that sweeps mended which should never have to.
    mended: BTreeMap<String, f64>,
    /// Sweeps that finish no pass.
    failing: Vec<String>,
    /// Acts on the audit trail now, and the most there were.
    shorter: Option<(f64, f64)>,
    /// Figures that are not there, and for how long, in seconds.
    blind: Vec<&'static str>,
    blind_s: f64,
}

impl Past {
    /// What moved up to `now`, whose figures are kept for later.
    pub(crate) fn trend(&mut self, now: DateTime<Utc>, figures: &Arc<Figures>) -> Trend {
        let began = *self.began.get_or_insert(now);
        let acts = figures.get("waybill_audit_position", &[]);
        self.acts_most = self.acts_most.max(acts.unwrap_or(0.0));
        let publishes = self.rise(now - PUBLISHES, figures, "waybill_publishes_total", &[], "result");
        let any_confirmed = publishes.contains_key("confirmed");
        let mended = self.rise(now - MENDED, figures, "waybill_sweep_changes_total", &[], "sweep");
        let passes = |result| {
            let labels = [("result", result)];
            self.rise(now - FAILING, figures, "waybill_sweep_passes_total", &labels, "sweep")
        };
        let (failed, done) = (passes("failed"), passes("done"));
        let watched = now - began;
        let blind = |name: &&&str| watched >= BLIND && !figures.has(name);
        let trend = Trend {
            failed_publishes: publishes.into_iter().filter(|(how, _)| how != "confirmed").collect(),
            any_confirmed,
            mended: mended.into_iter().filter(|(sweep, _)| MENDERS.contains(&sweep.as_str())).collect(),
            failing: failed
                .into_keys()
                .filter(|sweep| watched >= FAILING && !done.contains_key(sweep))
                .collect(),
            shorter: acts.filter(|acts| *acts < self.acts_most).map(|acts| (acts, self.acts_most)),
            blind: NEEDED.iter().filter(blind).copied().collect(),
            blind_s: watched.as_seconds_f64(),
        };
        if self.kept.back().is_none_or(|(at, _)| now - *at >= KEPT_EVERY) {
            self.kept.push_back((now, Arc::clone(figures)));
        }
        // the first that is older than everything asks for is still needed
        while self.kept.get(1).is_some_and(|(at, _)| *at <= now - MENDED) {
            self.kept.pop_front();
        }
        trend
    }

    /// By how much each series of a counter rose since `then`, or since the process was started; those
    /// that did not are left out.
    fn rise(
        &self,
        then: DateTime<Utc>,
        now: &Figures,
        name: &str,
        labels: &[(&str, &str)],
        by: &str,
    ) -> BTreeMap<String, f64> {
        let before = self.kept.iter().rev().find(|(at, _)| *at <= then).or(self.kept.front());
        let mut rises = BTreeMap::new();
        for (of, value) in now.by_with(name, labels, by) {
            let was = before.and_then(|(_, figures)| figures.by_with(name, labels, by).get(&of).copied());
            // no figures were kept yet: what is there may be old
            let rise = if before.is_none() { 0.0 } else { value - was.unwrap_or(0.0) };
            if rise > 0.0 {
                rises.insert(of, rise);
            }
        }
        rises
    }
}

/// Judges what moved.
pub(super) fn judge(trend: &Trend, verdicts: &mut Vec<Verdict>) {
    let mut push = |level, alert, whom: &str, what: String, advice: &str, href: &str| {
        let (whom, advice, href) = (whom.to_owned(), advice.to_owned(), href.to_owned());
        verdicts.push(Verdict { level, alert, what, whom, advice, href });
    };
    for (how, count) in &trend.failed_publishes {
        push(
            if trend.any_confirmed { Level::Look } else { Level::Wrong },
            "WaybillPublishesFailing",
            "",
            format!("{count:.0} publishes of this process ended {how} in the past 2 minutes."),
            "They stay due and are tried again. waybill topology check says whether a queue is missing.",
            "/messages?state=due&since=all",
        );
    }
    for (sweep, count) in &trend.mended {
        push(
            Level::Look,
            "WaybillSweepsMending",
            &format!("sweep {sweep}"),
            format!("It had something to mend in the past 15 minutes: {count:.0}. It is mended."),
            "Find out what was wrong, and by whose hand: a queue purged or deleted, or rows changed.",
            "/reconciliation#mended",
        );
    }
    for sweep in &trend.failing {
        push(
            Level::Look,
            "WaybillSweepFailing",
            &format!("sweep {sweep}"),
            "It has finished no pass for 10 minutes; what it would mend stays as it is.".to_owned(),
            "The log of waybill serve says why, after `not ready`, with the sweep's name.",
            "/runbook#waybillsweepfailing",
        );
    }
    if let Some((now, most)) = trend.shorter {
        push(
            Level::Wrong,
            "WaybillAuditTrailShorter",
            "",
            format!("The audit trail has {now:.0} acts, and had {most:.0}."),
            "Somebody cut its end off, or an older backup was restored: waybill audit verify --expect.",
            "/audit",
        );
    }
    if !trend.blind.is_empty() {
        push(
            Level::Wrong,
            "WaybillWatchBlind",
            "",
            format!("Not known here for {}: {}.", span(trend.blind_s), trend.blind.join(", ")),
            "Alerts that need it cannot fire. waybill doctor, and the log of waybill serve, say why.",
            "/queues",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    /// The alerts after `minutes` with `before` and one look with `after`.
    fn check(before: &str, minutes: i64, after: &str, alerts: &[&str]) {
        let (mut past, mut verdicts) = (Past::default(), Vec::new());
        let needed = NEEDED.map(|name| format!("{name} 0\n")).concat();
        for second in (0..minutes * 60).step_by(5) {
            let figures = Arc::new(Figures::read(&format!("{needed}{before}")));
            past.trend(START + TimeDelta::seconds(second), &figures);
        }
        assert!(past.kept.len() < 40, "a few are kept, not all");
        let trend = past.trend(START + TimeDelta::minutes(minutes), &Arc::new(Figures::read(after)));
        judge(&trend, &mut verdicts);
        let mut found: Vec<&str> = verdicts.iter().map(|verdict| verdict.alert).collect();
        // what `after` leaves out is blind: said once, and looked at in its own line
        found.retain(|alert| *alert != "WaybillWatchBlind" || alerts.contains(alert));
        assert_eq!(found, alerts, "{before:?}, {minutes} min, {after:?}");
    }

    #[test]
    fn what_moved_is_told_and_what_stands_is_not() {
        let publishes =
            |how: &str, count: i64| format!("waybill_publishes_total{{result=\"{how}\"}} {count}\n");
        check(&publishes("returned", 7), 20, &publishes("returned", 7), &[]);
        check(&publishes("returned", 7), 20, &publishes("returned", 8), &["WaybillPublishesFailing"]);
        check(&publishes("confirmed", 7), 20, &publishes("confirmed", 9), &[]);
        check("", 0, &publishes("returned", 7), &[]);
        let changes =
            |sweep: &str, count: i64| format!("waybill_sweep_changes_total{{sweep=\"{sweep}\"}} {count}\n");
        check(&changes("lost", 0), 20, &changes("lost", 1), &["WaybillSweepsMending"]);
        check(&changes("retention", 0), 20, &changes("retention", 1), &[]);
        let passes = |failed: i64, done: i64| {
            format!(
                "waybill_sweep_passes_total{{sweep=\"lost\",result=\"failed\"}} {failed}\n\
                 waybill_sweep_passes_total{{sweep=\"lost\",result=\"done\"}} {done}\n"
            )
        };
        check(&passes(0, 5), 20, &passes(3, 5), &["WaybillSweepFailing"]);
        check(&passes(0, 5), 20, &passes(3, 6), &[]);
        check(&passes(0, 5), 5, &passes(3, 5), &[]);
        let acts = |count: i64| format!("waybill_audit_position {count}\n");
        check(&acts(9), 1, &acts(9), &[]);
        check(&acts(9), 1, &acts(8), &["WaybillAuditTrailShorter"]);
        check("", 20, "waybill_broker_up 1\n", &["WaybillWatchBlind"]);
        check("", 4, "waybill_broker_up 1\n", &[]);
    }

    #[test]
    fn a_relay_that_confirms_meanwhile_is_worth_a_look_and_no_more() {
        let judged = |confirmed: bool| {
            let failed_publishes = BTreeMap::from([("nacked".to_owned(), 1.0)]);
            let mut verdicts = Vec::new();
            judge(&Trend { failed_publishes, any_confirmed: confirmed, ..Trend::default() }, &mut verdicts);
            verdicts[0].level
        };
        assert_eq!((judged(true), judged(false)), (Level::Look, Level::Wrong));
    }
}
