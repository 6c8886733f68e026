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
use uuid::Uuid;
use waybill_store::conservation::first_id_at;
use waybill_store::console::flow::Flow;
use waybill_store::{Store, StoreError};

use crate::failure::Failure;
use crate::figures::Figures;
use crate::verdict::{Verdict, judge};
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
    looks: watch::Sender<u64>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { now: Mutex::default(), looks: watch::Sender::new(0) }
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
        stop: CancellationToken,
    ) {
        let mut until = first_id_at(view::now() - UNSETTLED);
        while !stop.is_cancelled() {
            let now = view::now();
            let (since, to) = (until, first_id_at(now - UNSETTLED));
            let looked = tokio::time::timeout(LOOK_LIMIT, store.flow(since, to)).await;
            let looked = looked.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())));
            if looked.is_ok() {
                until = to;
            }
            self.note(now, elapsed_s(since, to), looked, Figures::read(&metrics()));
            self.looks.send_modify(|look| *look += 1);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    fn note(&self, at: DateTime<Utc>, elapsed_s: f64, looked: Result<Flow, StoreError>, figures: Figures) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (flow, why) = match looked {
            Ok(flow) => (Some(flow), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let before: HashMap<(&str, &str), DateTime<Utc>> =
            now.verdicts.iter().map(|(v, since)| ((v.alert, v.whom.as_str()), *since)).collect();
        let verdicts = judge(&figures, flow.as_ref(), why.as_deref());
        let verdicts = verdicts
            .into_iter()
            .map(|verdict| {
                let since = before.get(&(verdict.alert, verdict.whom.as_str())).copied().unwrap_or(at);
                (verdict, since)
            })
            .collect();
        if let Some(flow) = &flow {
            let sample = sample(at, elapsed_s, flow, now.flow.as_ref());
            let hour = Arc::make_mut(&mut now.hour);
            hour.push_back(sample);
            while hour.front().is_some_and(|first| first.at < at - KEPT) {
                hour.pop_front();
            }
        }
        now.verdicts = Arc::new(verdicts);
        now.flow = flow;
        now.figures = Arc::new(figures);
        now.at = Some(at);
    }
}

/// The time between two ids, in seconds.
fn elapsed_s(since: Uuid, until: Uuid) -> f64 {
    let millis = u64::try_from((until.as_u128() >> 80).saturating_sub(since.as_u128() >> 80)).unwrap_or(0);
    Duration::from_millis(millis).as_secs_f64()
}

fn sample(at: DateTime<Utc>, elapsed_s: f64, flow: &Flow, before: Option<&Flow>) -> Sample {
    let came: i64 = flow.accepted.values().sum();
    // what came in and is neither unfinished nor dead has become final
    let went = before
        .map_or(0, |before| came - (flow.unfinished() - before.unfinished()) - (flow.dead - before.dead));
    let rate = |count: i64| if elapsed_s > 0.0 { view::float(count.max(0)) / elapsed_s } else { 0.0 };
    Sample {
        at,
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
        let found = sample(at, 2.0, &flow(10, 4, 1), Some(&flow(0, 0, 0)));
        assert_eq!((found.accepted, found.finished, found.unfinished), (5.0, 2.5, 4.0));
        let replayed = sample(at, 2.0, &flow(0, 9, 0), Some(&flow(0, 0, 9)));
        assert!(replayed.finished.abs() < f64::EPSILON, "a replay finishes nothing");
        assert!(sample(at, 0.0, &flow(3, 0, 0), None).accepted.abs() < f64::EPSILON, "no time, no rate");
    }

    #[test]
    fn a_thing_is_wrong_since_it_was_first_seen() {
        let (live, start) = (Live::new(), DateTime::<Utc>::UNIX_EPOCH);
        let down = || Figures::read("waybill_broker_up 0\n");
        live.note(start, 0.0, Ok(Flow::default()), down());
        live.note(start + KEPT, 1.0, Ok(Flow::default()), down());
        assert_eq!(live.now().verdicts[0].1, start);
        live.note(start + KEPT * 2, 1.0, Ok(Flow::default()), Figures::default());
        assert!(live.now().verdicts.is_empty());
        assert_eq!(live.now().hour.len(), 2, "an hour, and no more");
        live.note(start + KEPT * 3, 1.0, Err(StoreError::Unavailable("x".into())), down());
        assert!(live.now().flow.is_none(), "what is not known is not shown");
    }
}
