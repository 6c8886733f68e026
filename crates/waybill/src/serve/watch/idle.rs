//! Which queues are idle: messages, but no consumer, or nobody who acknowledges.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A queue whose messages nobody acknowledges for this long is idle.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// What was seen of one queue in one pass; none: unknown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sight {
    /// Ready messages.
    pub(super) ready: Option<u64>,
    /// Deliveries in hand.
    pub(super) unacked: Option<u64>,
    /// Consumers.
    pub(super) consumers: Option<u64>,
    /// Deliveries acknowledged since the queue was declared.
    pub(super) acknowledged: Option<u64>,
    /// Whether it is to have consumers: `waybill.dead` is drained without one.
    pub(super) is_consumed: bool,
}

/// When each queue's acknowledgements last went on, or when nothing waited in it.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements(HashMap<String, (u64, Instant)>);

impl Acknowledgements {
    /// Whether the queue is idle; none where too little is known to say no.
    pub(super) fn is_idle(&mut self, queue: &str, sight: Sight, now: Instant) -> Option<bool> {
        if sight.is_consumed && sight.ready > Some(0) && sight.consumers == Some(0) {
            return Some(true);
        }
        if sight.ready == Some(0) && sight.unacked == Some(0) {
            self.0.remove(queue);
            return Some(false);
        }
        let acknowledged = sight.acknowledged?;
        let last = self.0.entry(queue.to_owned()).or_insert((acknowledged, now));
        if last.0 != acknowledged {
            *last = (acknowledged, now);
        }
        Some(now.duration_since(last.1) > STUCK_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAITING: Sight = Sight {
        ready: Some(3),
        unacked: Some(2),
        consumers: Some(1),
        acknowledged: Some(7),
        is_consumed: true,
    };

    /// What is said of a queue seen as `then`, and `later` again.
    fn check(first: Sight, then: Sight, later: Duration, expected: Option<bool>) {
        let (mut acknowledgements, start) = (Acknowledgements::default(), Instant::now());
        acknowledgements.is_idle("q", first, start);
        assert_eq!(acknowledgements.is_idle("q", then, start + later), expected, "{first:?}, then {then:?}");
    }

    #[test]
    fn messages_without_a_consumer_or_an_acknowledgement_are_idle() {
        let (soon, late) = (Duration::from_secs(2), Duration::from_mins(2));
        let abandoned = Sight { consumers: Some(0), ..WAITING };
        check(abandoned, abandoned, soon, Some(true));
        check(abandoned, Sight { is_consumed: false, ..abandoned }, soon, Some(false));
        check(WAITING, WAITING, soon, Some(false));
        check(WAITING, WAITING, late, Some(true));
        let in_hand = Sight { ready: Some(0), ..WAITING };
        check(in_hand, in_hand, late, Some(true));
        check(WAITING, Sight { acknowledged: Some(8), ..WAITING }, late, Some(false));
        let empty = Sight { ready: Some(0), unacked: Some(0), ..WAITING };
        check(WAITING, empty, late, Some(false));
    }

    #[test]
    fn what_is_unknown_is_neither_idle_nor_busy() {
        let late = Duration::from_mins(2);
        check(WAITING, Sight { acknowledged: None, ..WAITING }, late, None);
        check(WAITING, Sight::default(), late, None);
        let half = Sight { ready: Some(0), unacked: None, acknowledged: None, ..WAITING };
        check(half, half, late, None);
    }
}
