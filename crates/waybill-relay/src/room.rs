//! How much room a lane has in the broker.
//!
//! Counting a lane exactly costs a lock and a scan, so it is done only near the limit. Far from
//! it, a rough count now and then suffices: far means that even eight relays, publishing at this
//! one's speed since the last count, could not have filled the lane.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use waybill_store::relay::Room;

/// What is known of each lane.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    lanes: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    counted: u32,
    published_since: u32,
    at: Instant,
}

/// Relays that are assumed to publish beside this one.
const RELAYS: u32 = 8;
/// A count older than this is made again.
const FRESH: Duration = Duration::from_secs(1);

impl Rooms {
    /// Whether the lane is known to be far from its limit.
    pub(crate) fn is_far(&self, lane: &str, room: Room, now: Instant) -> bool {
        self.lanes.get(lane).is_some_and(|known| {
            let others = (known.published_since.saturating_add(room.window_max)).saturating_mul(RELAYS);
            now.duration_since(known.at) < FRESH
                && known.counted.saturating_add(others) < room.lane_published_max
        })
    }

    /// Notes a fresh count.
    pub(crate) fn counted(&mut self, lane: &str, counted: u32, now: Instant) {
        self.lanes.insert(lane.to_owned(), Known { counted, published_since: 0, at: now });
    }

    /// Notes what this relay has published.
    pub(crate) fn published(&mut self, lane: &str, count: usize) {
        if let Some(known) = self.lanes.get_mut(lane) {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            known.published_since = known.published_since.saturating_add(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { window_max: 10, lane_published_max: 1000 };

    fn is_far(counted: u32, published: usize, age: Duration) -> bool {
        let mut rooms = Rooms::default();
        let start = Instant::now();
        rooms.counted("a", counted, start);
        rooms.published("a", published);
        rooms.is_far("a", ROOM, start + age)
    }

    #[test]
    fn a_lane_is_far_from_its_limit_only_while_that_is_certain() {
        assert!(is_far(0, 0, Duration::ZERO));
        assert!(is_far(500, 40, Duration::ZERO));
        assert!(!is_far(500, 60, Duration::ZERO), "others may have published as much");
        assert!(!is_far(950, 0, Duration::ZERO), "near");
        assert!(!is_far(0, 0, FRESH), "too long ago");
        assert!(!Rooms::default().is_far("a", ROOM, Instant::now()), "never counted");
    }
}
