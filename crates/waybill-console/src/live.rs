//! What the console remembers: the last look at the flow and the figures, an hour of them, and since
//! when each thing has been wrong. In memory, of this replica alone, since it was started.
//!
//! Pages that are open hear by server-sent events that there was a new look; the event says nothing
//! else, and the page asks for itself again, so that nothing passes by the guard.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use futures_util::stream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use waybill_store::conservation::first_id_at;
use waybill_store::console::flow::Flow;
use waybill_store::{Store, StoreError};

use crate::complaint::Complaints;
use crate::failure::Failure;
use crate::figures::Figures;
use crate::verdict::{Look, Past, Verdict, judge};
use crate::{Console, view};

/// How far back the plots reach.
const KEPT: chrono::TimeDelta = chrono::TimeDelta::hours(1);
/// What is this young may not be committed yet, and is counted at the next look.
const UNSETTLED: chrono::TimeDelta = chrono::TimeDelta::seconds(2);
/// A page is told to connect again after this: a session that has ended must not go on listening.
const STREAM_LIMIT: Duration = Duration::from_mins(5);
/// For one look.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// One look at the flow, as rates.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) at: DateTime<Utc>,
    /// What was accepted in this time is counted.
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// Messages a second.
    pub(crate) accepted: f64,
    /// Messages a second that became final.
    pub(crate) finished: f64,
    pub(crate) unfinished: f64,
    pub(crate) oldest_due_s: f64,
    pub(crate) dead: f64,
    /// Accepted since the look before, by source.
    pub(crate) by_source: BTreeMap<String, i64>,
}

/// What is known now. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    /// When it was looked at; none: not yet.
    pub(crate) at: Option<DateTime<Utc>>,
    pub(crate) flow: Option<Flow>,
    pub(crate) figures: Arc<Figures>,
    /// What is wrong, and since when.
    pub(crate) verdicts: Arc<Vec<(Verdict, DateTime<Utc>)>>,
    pub(crate) hour: Arc<VecDeque<Sample>>,
}

/// The latest look, and who waits for the next.
#[derive(Debug)]
pub(crate) struct Live {
    now: Mutex<Now>,
    past: Mutex<Past>,
    looks: watch::Sender<u64>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { now: Mutex::default(), past: Mutex::default(), looks: watch::Sender::new(0) }
    }

    /// What is known now.
    pub(crate) fn now(&self) -> Now {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks every so often until told to stop. `metrics` gives this process's metrics as text.
    pub(crate) async fn keep(
        &self,
        store: Store,
        every: Duration,
        metrics: impl Fn() -> String,
        complaints: Complaints,
        stop: CancellationToken,
    ) {
        let mut from = view::now() - UNSETTLED;
        while !stop.is_cancelled() {
            let now = view::now();
            let to = now - UNSETTLED;
            let look = tokio::time::timeout(LOOK_LIMIT, store.flow(first_id_at(from), first_id_at(to))).await;
            let flow = look.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())));
            let is_ok = flow.is_ok();
            let figures = Figures::read(&metrics());
            self.note(Seen { at: now, from, to, flow, figures }, &complaints);
            if is_ok {
                from = to;
            }
            self.looks.send_modify(|look| *look += 1);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    fn note(&self, seen: Seen, complaints: &Complaints) {
        let Seen { at, from, to, flow, figures } = seen;
        let figures = Arc::new(figures);
        let trend = self.past.lock().unwrap_or_else(PoisonError::into_inner).trend(at, &figures);
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (flow, why) = match flow {
            Ok(flow) => (Some(flow), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let before: HashMap<(&str, &str), DateTime<Utc>> =
            now.verdicts.iter().map(|(v, since)| ((v.alert, v.whom.as_str()), *since)).collect();
        let complaints = complaints.borrow().clone();
        let (flow_now, ledger) = (flow.as_ref(), why.as_deref());
        let look = Look { figures: &figures, trend, flow: flow_now, ledger, complaints: &complaints };
        let verdicts = judge(&look)
            .into_iter()
            .map(|verdict| {
                let since = before.get(&(verdict.alert, verdict.whom.as_str())).copied().unwrap_or(at);
                (verdict, since)
            })
            .collect();
        if let Some(flow) = &flow {
            let sample = sample((at, from, to), flow, now.flow.as_ref());
            let hour = Arc::make_mut(&mut now.hour);
            hour.push_back(sample);
            while hour.front().is_some_and(|first| first.at < at - KEPT) {
                hour.pop_front();
            }
        }
        now.verdicts = Arc::new(verdicts);
        now.flow = flow;
        now.figures = figures;
        now.at = Some(at);
    }
}

/// One look: when, at what was accepted from when to when, and what was seen.
#[derive(Debug)]
struct Seen {
    at: DateTime<Utc>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    flow: Result<Flow, StoreError>,
    figures: Figures,
}

fn sample(
    (at, from, to): (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>),
    flow: &Flow,
    before: Option<&Flow>,
) -> Sample {
    let elapsed_s = (to - from).as_seconds_f64();
    let came: i64 = flow.accepted.values().sum();
    // what came in and is neither unfinished nor dead has become final
    let went = before
        .map_or(0, |before| came - (flow.unfinished() - before.unfinished()) - (flow.dead - before.dead));
    let rate = |count: i64| if elapsed_s > 0.0 { view::float(count.max(0)) / elapsed_s } else { 0.0 };
    Sample {
        at,
        from,
        to,
        accepted: rate(came),
        finished: rate(went),
        unfinished: view::float(flow.unfinished()),
        oldest_due_s: flow.oldest_due_s,
        dead: view::float(flow.dead),
        by_source: flow.accepted.clone(),
    }
}

/// `GET /live`: an event for each look, until the process stops.
pub(crate) async fn stream(State(console): State<Console>) -> Result<Response, Failure> {
    let Some(place) = console.stream_place() else { return Err(Failure::Busy) };
    let looks = console.live().looks.subscribe();
    let (stop, until) = (console.stop().clone(), tokio::time::Instant::now() + STREAM_LIMIT);
    let events = stream::unfold((looks, stop, place), move |(mut looks, stop, place)| async move {
        let changed = tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep_until(until) => return None,
            changed = looks.changed() => changed,
        };
        changed.ok()?;
        let event = Event::default().event("look").data(looks.borrow_and_update().to_string());
        Some((Ok::<_, Infallible>(event), (looks, stop, place)))
    });
    let kept = Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(5)));
    // a proxy must not hold events back
    Ok(([("x-accel-buffering", "no")], kept).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(came: i64, published: i64, dead: i64) -> Flow {
        Flow { accepted: BTreeMap::from([("a".to_owned(), came)]), published, dead, ..Flow::default() }
    }

    #[test]
    fn what_came_and_is_not_here_has_become_final() {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let times = |seconds| (at, at, at + chrono::TimeDelta::seconds(seconds));
        let found = sample(times(2), &flow(10, 4, 1), Some(&flow(0, 0, 0)));
        assert_eq!((found.accepted, found.finished, found.unfinished), (5.0, 2.5, 4.0));
        let replayed = sample(times(2), &flow(0, 9, 0), Some(&flow(0, 0, 9)));
        assert!(replayed.finished.abs() < f64::EPSILON, "a replay finishes nothing");
        assert!(sample(times(0), &flow(3, 0, 0), None).accepted.abs() < f64::EPSILON, "no time, no rate");
    }

    #[test]
    fn a_thing_is_wrong_since_it_was_first_seen() {
        let (live, start) = (Live::new(), DateTime::<Utc>::UNIX_EPOCH);
        let (_sender, complaints) = watch::channel(Vec::new());
        let note = |at, flow, figures: &str| {
            let figures = Figures::read(figures);
            live.note(Seen { at, from: at, to: at, flow, figures }, &complaints);
        };
        let down = "waybill_due_oldest_seconds 0\nwaybill_queue_idle 0\nwaybill_unaccounted_messages 0\nwaybill_broker_up 0\n";
        note(start, Ok(Flow::default()), down);
        note(start + KEPT, Ok(Flow::default()), down);
        assert_eq!(live.now().verdicts[0].1, start);
        note(start + KEPT * 2, Ok(Flow::default()), &down.replace("_up 0", "_up 1"));
        assert!(live.now().verdicts.is_empty());
        assert_eq!(live.now().hour.len(), 2, "an hour, and no more");
        note(start + KEPT * 3, Err(StoreError::Unavailable("x".into())), down);
        assert!(live.now().flow.is_none(), "what is not known is not shown");
    }
}
