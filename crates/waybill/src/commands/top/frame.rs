//! What `waybill top` shows: the newest look, and rates from the oldest one that counts. What is not known
//! is none, never zero.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::Serialize;

use super::{broker, ledger, processes};
use crate::serve::sweep::number;

/// One look.
#[derive(Debug, Clone)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) ledger: Result<ledger::Seen, String>,
    pub(super) broker: broker::Seen,
    pub(super) processes: processes::Seen,
}

/// What is shown.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Frame {
    /// Seconds between the two looks that rates are taken from.
    pub(super) over_s: f64,
    /// None: it does not answer.
    pub(super) ledger: Option<Ledger>,
    /// Why the ledger does not answer.
    pub(super) ledger_why: Option<String>,
    pub(super) broker: broker::Seen,
    pub(super) processes: Vec<processes::Process>,
}

/// What the ledger says.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Ledger {
    pub(super) accepted_per_s: Option<f64>,
    /// Became final: processed, or discarded.
    pub(super) finished_per_s: Option<f64>,
    /// By the workers' own count.
    pub(super) processed_per_s: Option<f64>,
    pub(super) due: i64,
    pub(super) oldest_due_s: f64,
    pub(super) published: i64,
    pub(super) in_hand: i64,
    pub(super) retrying: i64,
    pub(super) held: i64,
    pub(super) dead: i64,
    pub(super) overdue: i64,
    /// Whether there are more than were counted; then all counts but `due` and `dead` are "at least".
    pub(super) at_least: bool,
    pub(super) sources: Vec<Source>,
    pub(super) lanes: Vec<Lane>,
    /// Replay plans that have not ended, by state.
    pub(super) plans: BTreeMap<String, i64>,
}

/// One source.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Source {
    #[serde(rename = "source")]
    pub(super) name: String,
    pub(super) accepted_per_s: Option<f64>,
    pub(super) finished_per_s: Option<f64>,
    pub(super) processed_per_s: Option<f64>,
    /// Neither final nor dead.
    pub(super) unfinished: i64,
    pub(super) held: i64,
    pub(super) dead: i64,
    pub(super) overdue: i64,
    pub(super) paused: bool,
}

/// One lane.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Lane {
    #[serde(rename = "lane")]
    pub(super) name: String,
    /// Due, published and in hand.
    pub(super) backlog: i64,
    /// Seconds to empty it at its present speed; 86400 stands for "not in a day".
    pub(super) drain_s: Option<f64>,
}

impl Frame {
    /// The newest of `looks`, compared with the oldest from which on the ledger has answered.
    pub(super) fn of(looks: &[Look]) -> Self {
        let Some(last) = looks.last() else {
            let broker = broker::Seen::default();
            return Self { over_s: 0.0, ledger: None, ledger_why: None, broker, processes: Vec::new() };
        };
        let answered = looks.iter().rposition(|look| look.ledger.is_err()).map_or(0, |silent| silent + 1);
        let compared = looks.get(answered..).unwrap_or_default();
        let over_s = compared.first().map_or(0.0, |first| last.at.duration_since(first.at).as_secs_f64());
        let (ledger, ledger_why) = match &last.ledger {
            Ok(now) => (Some(said(compared, now, over_s)), None),
            Err(why) => (None, Some(why.clone())),
        };
        let processes = last.processes.processes.clone();
        Self { over_s, ledger, ledger_why, broker: last.broker.clone(), processes }
    }
}

fn said(compared: &[Look], now: &ledger::Seen, over_s: f64) -> Ledger {
    let rates = Rates::of(compared, now, over_s);
    let names: BTreeSet<&String> = now.sources.iter().map(|figures| &figures.source).collect();
    let names = names.into_iter().chain(now.glance.waiting.keys()).collect::<BTreeSet<_>>();
    let mut sources: Vec<Source> = names.into_iter().map(|name| source(name, now, &rates)).collect();
    let busy = |source: &Source| source.accepted_per_s.unwrap_or_default() + number(source.unfinished);
    sources.sort_by(|a, b| busy(b).total_cmp(&busy(a)).then_with(|| a.name.cmp(&b.name)));
    let sum = |part: fn(&waybill_store::glance::Waiting) -> i64| now.glance.waiting.values().map(part).sum();
    let all = |part: fn(&Source) -> Option<f64>| sources.iter().map(part).sum::<Option<f64>>();
    Ledger {
        accepted_per_s: all(|source| source.accepted_per_s),
        finished_per_s: all(|source| source.finished_per_s),
        processed_per_s: all(|source| source.processed_per_s),
        due: now.due.messages,
        oldest_due_s: now.due.oldest_s.max(0.0),
        published: sum(|waiting| waiting.published),
        in_hand: sum(|waiting| waiting.in_hand),
        retrying: sum(|waiting| waiting.retrying),
        held: sum(|waiting| waiting.held),
        dead: now.dead.values().sum(),
        overdue: now.sources.iter().map(|figures| figures.overdue).sum(),
        at_least: now.glance.is_partial,
        lanes: now
            .lanes
            .iter()
            .map(|(lane, (backlog, drain_s))| Lane {
                name: lane.clone(),
                backlog: *backlog,
                drain_s: *drain_s,
            })
            .collect(),
        plans: now.plans.clone(),
        sources,
    }
}

fn source(name: &str, now: &ledger::Seen, rates: &Rates) -> Source {
    let waiting = now.glance.waiting.get(name).copied().unwrap_or_default();
    let figures = now.sources.iter().find(|figures| figures.source == name);
    Source {
        name: name.to_owned(),
        accepted_per_s: rates.accepted.as_ref().map(|by| by.get(name).copied().unwrap_or_default()),
        finished_per_s: rates.finished.as_ref().map(|by| by.get(name).copied().unwrap_or_default()),
        processed_per_s: rates.processed.as_ref().map(|by| by.get(name).copied().unwrap_or_default()),
        unfinished: waiting.all(),
        held: waiting.held,
        dead: now.dead.get(name).copied().unwrap_or_default(),
        overdue: figures.map_or(0, |figures| figures.overdue),
        paused: figures.is_some_and(|figures| figures.paused),
    }
}

/// Messages a second by source, where they are known.
struct Rates {
    accepted: Option<BTreeMap<String, f64>>,
    finished: Option<BTreeMap<String, f64>>,
    processed: Option<BTreeMap<String, f64>>,
}

impl Rates {
    fn of(compared: &[Look], now: &ledger::Seen, over_s: f64) -> Self {
        let (Some(first), Some(last)) = (compared.first(), compared.last()) else { return Self::UNKNOWN };
        let Ok(before) = &first.ledger else { return Self::UNKNOWN };
        if over_s <= 0.0 {
            return Self::UNKNOWN;
        }
        let mut came: BTreeMap<String, i64> = BTreeMap::new();
        for seen in compared.iter().skip(1).filter_map(|look| look.ledger.as_ref().ok()) {
            for (source, count) in &seen.glance.accepted {
                *came.entry(source.clone()).or_default() += count;
            }
        }
        let per_s = |counts: BTreeMap<String, i64>| -> BTreeMap<String, f64> {
            counts.into_iter().map(|(source, count)| (source, number(count.max(0)) / over_s)).collect()
        };
        let is_partial = |seen: &ledger::Seen| seen.glance.is_partial;
        let is_known = !compared.iter().filter_map(|look| look.ledger.as_ref().ok()).any(is_partial);
        // what came, and is neither unfinished nor dead, has become final
        let mut went = came.clone();
        for (seen, sign) in [(before, 1), (now, -1)] {
            for (source, waiting) in &seen.glance.waiting {
                *went.entry(source.clone()).or_default() += sign * waiting.all();
            }
            for (source, dead) in &seen.dead {
                *went.entry(source.clone()).or_default() += sign * dead;
            }
        }
        let processed = processes::difference(&first.processes, &last.processes);
        Self {
            accepted: is_known.then(|| per_s(came)),
            finished: is_known.then(|| per_s(went)),
            processed: processed.map(|by| by.into_iter().map(|(source, n)| (source, n / over_s)).collect()),
        }
    }

    const UNKNOWN: Self = Self { accepted: None, finished: None, processed: None };
}

#[cfg(test)]
mod tests;
