//! Whether envelopes of a lane are lost, and how many: pure, from what was seen of ledger and broker.
//!
//! Two proofs, either suffices. By count: the broker has fewer envelopes, in hand ones included, than
//! the ledger has messages that were published before the grace and still are; seen again and again
//! for longer than the broker's figures lag. By order: something published much later was delivered
//! long ago, and what is ready in the broker fits into the messages that were not overtaken so.
//! A long backlog is neither: it is in the broker's count, and nothing overtakes it. What is not
//! known proves nothing.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Longer than the broker's statistics are old: 5 s (RabbitMQ 3.10 to 4.x), and more on a busy machine.
const SURE_AFTER: Duration = Duration::from_secs(12);
/// Without statistics: longer than a consumer that was cancelled keeps what it has in hand.
const SURE_AFTER_BLIND: Duration = Duration::from_secs(35);
/// Messages of a lane that are watched for their delivery.
const MARKERS_MAX: usize = 32;

/// What the broker says of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Depth {
    /// Deliverable now.
    pub(crate) ready: u64,
    /// All, in hand ones included; none: not known.
    pub(crate) all: Option<u64>,
    /// Whether `all` is the broker's own figure, or follows from there being no consumer.
    pub(crate) told: bool,
}

/// What the ledger says of a lane, read after the broker was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Published.
    pub(crate) all: u64,
    /// Of those, published before the grace.
    pub(crate) old: u64,
    /// Of those, overtaken.
    pub(crate) overtaken: u64,
}

/// What has been seen of a lane so far.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// Since when, without a break, the broker has had too few; and how many at least were missing.
    short: Option<(Instant, u64)>,
    /// Messages whose delivery is waited for.
    markers: Vec<Uuid>,
    /// Delivered ones: when they were published, and when their delivery was seen.
    delivered: Vec<(DateTime<Utc>, Instant)>,
}

impl Lane {
    /// How many are lost: the ones that have been published longest.
    pub(crate) fn judge(&mut self, waiting: Waiting, depth: Depth, now: Instant) -> u64 {
        let by_count = self.by_count(waiting, depth, now);
        // what is ready may be just the ones that seem overtaken
        let fits = depth.ready <= waiting.all.saturating_sub(waiting.overtaken);
        let by_order = if fits { waiting.overtaken } else { 0 };
        by_count.max(by_order)
    }

    fn by_count(&mut self, waiting: Waiting, depth: Depth, now: Instant) -> u64 {
        let missing = depth.all.map_or(0, |all| waiting.old.saturating_sub(all));
        if missing == 0 {
            self.short = None;
            return 0;
        }
        let (since, least) = self.short.unwrap_or((now, missing));
        let least = least.min(missing);
        self.short = Some((since, least));
        let sure_after = if depth.told { SURE_AFTER } else { SURE_AFTER_BLIND };
        if now.duration_since(since) >= sure_after { least } else { 0 }
    }

    /// Whether more looks may show a loss: the broker has too few, or does not say what it has.
    pub(crate) const fn is_undecided(&self, waiting: Waiting, depth: Depth) -> bool {
        waiting.old > 0 && (depth.all.is_none() || self.short.is_some())
    }

    /// The messages to look at: have they been delivered?
    pub(crate) fn markers(&self) -> &[Uuid] {
        &self.markers
    }

    /// Notes the newest messages of the lane, and which markers were delivered.
    pub(crate) fn mark(&mut self, newest: &[Uuid], delivered: &[(Uuid, DateTime<Utc>)], now: Instant) {
        self.markers.retain(|id| !delivered.iter().any(|(gone, _)| gone == id));
        self.delivered.extend(delivered.iter().map(|&(_, published_at)| (published_at, now)));
        for id in newest {
            if !self.markers.contains(id) && !delivered.iter().any(|(gone, _)| gone == id) {
                self.markers.push(*id);
            }
        }
        while self.markers.len() > MARKERS_MAX {
            // thinned out, so that they reach far back and near
            let mut place = 0;
            self.markers.retain(|_| {
                place += 1;
                place % 2 == 0
            });
        }
    }

    /// What was published before this moment is overtaken: something published `grace` after it was
    /// delivered twice the grace ago. A frozen consumer keeps what it has in hand for less than that.
    pub(crate) fn overtaken_before(&mut self, grace: Duration, now: Instant) -> Option<DateTime<Utc>> {
        let settled = |seen: &Instant| now.duration_since(*seen) >= grace * 2;
        let latest = self.delivered.iter().filter(|(_, seen)| settled(seen)).map(|(at, _)| *at).max();
        self.delivered.retain(|(at, seen)| !settled(seen) || Some(*at) == latest);
        latest.map(|at| at - grace)
    }

    /// Some of what was lost is due again: how many are missing is counted anew. What overtook the others
    /// has done so all the same; otherwise each part that is found would put off the rest.
    pub(crate) const fn count_anew(&mut self) {
        self.short = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(15);

    /// What a lane comes to when it looks the same every second, for so many seconds.
    fn judged(seconds: u64, all: u64, old: u64, depth: Depth) -> u64 {
        let (mut lane, start) = (Lane::default(), Instant::now());
        (0..=seconds)
            .map(|s| lane.judge(Waiting { all, old, overtaken: 0 }, depth, start + Duration::from_secs(s)))
            .max()
            .unwrap_or_default()
    }

    const fn told(ready: u64, all: u64) -> Depth {
        Depth { ready, all: Some(all), told: true }
    }

    #[test]
    fn too_few_in_the_broker_for_long_enough_are_lost() {
        assert_eq!(judged(15, 100, 100, told(0, 0)), 100, "purged");
        assert_eq!(judged(15, 150, 100, told(40, 50)), 50, "at least so many");
        assert_eq!(judged(10, 100, 100, told(0, 0)), 0, "the broker's figures may be old");
    }

    #[test]
    fn a_backlog_is_not_lost_and_the_unknown_proves_nothing() {
        assert_eq!(judged(1000, 100_000, 100_000, told(100_000, 100_000)), 0);
        assert_eq!(judged(1000, 100, 100, told(0, 100)), 0, "all in hand");
        assert_eq!(judged(1000, 100, 0, told(0, 0)), 0, "published a moment ago");
        assert_eq!(judged(1000, 100, 100, Depth { ready: 0, all: None, told: false }), 0);
    }

    #[test]
    fn without_statistics_it_takes_longer() {
        let blind = Depth { ready: 0, all: Some(0), told: false };
        assert_eq!(judged(20, 5, 5, blind), 0);
        assert_eq!(judged(40, 5, 5, blind), 5);
    }

    #[test]
    fn one_look_that_fits_begins_the_count_anew() {
        let (mut lane, start) = (Lane::default(), Instant::now());
        let waiting = Waiting { all: 10, old: 10, overtaken: 0 };
        for s in 0..60 {
            let depth = if s % 5 == 0 { told(10, 10) } else { told(0, 0) };
            assert_eq!(lane.judge(waiting, depth, start + Duration::from_secs(s)), 0);
        }
    }

    #[test]
    fn what_was_overtaken_is_lost_unless_it_may_be_ready() {
        let mut lane = Lane::default();
        let waiting = Waiting { all: 60, old: 30, overtaken: 20 };
        assert_eq!(lane.judge(waiting, told(40, 90), Instant::now()), 20);
        assert_eq!(lane.judge(waiting, told(41, 90), Instant::now()), 0, "ready: more than the others");
    }

    #[test]
    fn a_marker_counts_only_long_after_its_delivery() {
        let (mut lane, start) = (Lane::default(), Instant::now());
        let (id, published_at) = (Uuid::from_u128(1), DateTime::<Utc>::UNIX_EPOCH);
        lane.mark(&[id], &[], start);
        assert_eq!(lane.markers(), [id]);
        lane.mark(&[id], &[(id, published_at)], start);
        assert!(lane.markers().is_empty());
        assert_eq!(lane.overtaken_before(GRACE, start + GRACE), None);
        assert_eq!(lane.overtaken_before(GRACE, start + GRACE * 2), Some(published_at - GRACE));
        lane.count_anew();
        assert!(lane.overtaken_before(GRACE, start + GRACE * 2).is_some(), "whatever was found by count");
        for n in 2..100 {
            lane.mark(&[Uuid::from_u128(n)], &[], start);
        }
        assert!(lane.markers().len() <= MARKERS_MAX);
        assert!(lane.markers().contains(&Uuid::from_u128(99)), "the newest");
    }
}
