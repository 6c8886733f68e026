//! How long a lane would take to empty at its present speed: `waybill_drain_seconds{lane}`.
//!
//! The speed is what has gone out of the lane's backlog between passes (what came in, less what the
//! backlog grew), smoothed over about a minute; only the ledger is asked. A lane in which nothing
//! moves would take for ever, which is shown as one day, so that what scales on it stays bounded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;
use waybill_store::Store;
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep, number};

/// The most that is shown, in seconds.
const LONGEST_S: f64 = 86_400.0;
/// The time over which speed is smoothed.
const SMOOTH_S: f64 = 60.0;

/// The pass that measures.
#[derive(Debug)]
pub(super) struct Drain {
    store: Store,
    directory: Directory,
    lanes: HashMap<String, Lane>,
    /// Where the pass before had begun.
    since: Option<(Uuid, Instant)>,
}

/// One lane's backlog and speed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lane {
    messages: f64,
    /// Those of them that the next pass finds among what came in since this one began.
    ahead: f64,
    /// Messages a second; none: not measured yet.
    speed: Option<f64>,
}

impl Lane {
    /// Notes what a look found: the backlog, what came in since the look before, and how much of that the
    /// next look counts again. Without a look before there is no speed yet.
    pub(crate) fn look(&mut self, messages: f64, arrived: f64, ahead: f64, elapsed: Option<Duration>) {
        match elapsed {
            Some(elapsed) => self.note(messages, arrived, elapsed),
            None => self.messages = messages,
        }
        self.ahead = ahead;
    }

    /// Notes what was found `elapsed` after the last time.
    fn note(&mut self, messages: f64, arrived: f64, elapsed: Duration) {
        let elapsed = elapsed.as_secs_f64().max(0.001);
        let out = (self.messages + arrived - self.ahead - messages).max(0.0) / elapsed;
        let weight = (elapsed / SMOOTH_S).min(1.0);
        self.speed = Some(self.speed.map_or(out, |speed| speed + (out - speed) * weight));
        self.messages = messages;
    }

    /// Seconds to empty; none: not measured yet.
    pub(crate) fn drain_s(&self) -> Option<f64> {
        if self.messages <= 0.0 {
            return Some(0.0);
        }
        Some((self.messages / self.speed?).min(LONGEST_S))
    }
}

impl Drain {
    pub(super) fn new(store: Store, directory: Directory) -> Self {
        Self { store, directory, lanes: HashMap::new(), since: None }
    }
}

impl Sweep for Drain {
    const NAME: &'static str = "drain";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        #[expect(clippy::disallowed_methods, reason = "the first id that this moment could give")]
        let now_ms = chrono::Utc::now().timestamp_millis();
        let (id, now) = (Uuid::from_u128(u128::try_from(now_ms).unwrap_or_default() << 80), Instant::now());
        let (since, elapsed) = match self.since {
            Some((since, at)) => (since, Some(now.duration_since(at))),
            None => (id, None),
        };
        let backlogs = self.store.backlogs(since, id).await?;
        let known = self.directory.snapshot();
        for lane in known.lanes.iter().chain(backlogs.iter().map(|backlog| &backlog.lane)) {
            self.lanes.entry(lane.clone()).or_default();
        }
        for (name, lane) in &mut self.lanes {
            let found = backlogs.iter().find(|backlog| backlog.lane == *name);
            let (messages, arrived, ahead) =
                found.map_or((0, 0, 0), |found| (found.messages, found.arrived, found.ahead));
            lane.look(number(messages), number(arrived), number(ahead), elapsed);
            metrics::gauge!("waybill_drain_seconds", "lane" => name.clone())
                .set(lane.drain_s().unwrap_or(f64::NAN));
        }
        self.since = Some((id, now));
        Ok(Done::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_takes_its_backlog_over_its_speed() {
        let second = Duration::from_secs(1);
        let mut lane = Lane { messages: 100.0, ..Lane::default() };
        assert_eq!(lane.drain_s(), None, "not measured yet");
        lane.note(90.0, 0.0, second);
        assert_eq!(lane.drain_s(), Some(9.0));
        lane.note(100.0, 20.0, second);
        assert_eq!(lane.drain_s(), Some(10.0), "20 came in, 10 went out");
        lane.note(0.0, 0.0, second);
        assert_eq!(lane.drain_s(), Some(0.0));
        let mut stuck = Lane { messages: 5.0, ..Lane::default() };
        stuck.note(7.0, 2.0, second);
        assert_eq!(stuck.drain_s(), Some(LONGEST_S), "nothing goes out");
        // a message that came between the moment a pass begins and the moment it reads is counted once
        let mut eager = Lane { messages: 1.0, ahead: 1.0, speed: None };
        eager.note(1.0, 1.0, second);
        assert_eq!(eager.drain_s(), Some(LONGEST_S));
        // replay and release bring messages back that did not just arrive: no negative speed
        stuck.note(50.0, 0.0, second);
        assert_eq!(stuck.drain_s(), Some(LONGEST_S));
    }
}
