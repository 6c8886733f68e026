//! Whether a subscription still brings what waits in its queue.
//!
//! RabbitMQ ends a subscription when its queue is deleted or its leader is lost, and says so; that news
//! may be lost. And RabbitMQ 3.10 carries the subscription over to a queue that is declared again within
//! some 50 ms, says nothing, counts its consumer, and brings none of what it hands to it (ADR 24). Either
//! way a worker would wait for ever and look healthy. So it looks now and then, and takes what it sees
//! for a reason to subscribe again. That costs a moment, and loses nothing.

use std::collections::HashMap;

use waybill_broker::consumer::Brought;

/// Looks in a row at which nothing had come, after which nothing is taken for granted.
const QUIET: u32 = 2;

/// What was seen of each lane's subscription.
#[derive(Debug, Default)]
pub(crate) struct Heard(HashMap<String, Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    taken: u64,
    /// Messages waited.
    waited: bool,
    /// Looks since anything came.
    quiet: u32,
}

/// A lane's subscription and its queue, now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// What it has brought.
    pub(crate) brought: Brought,
    /// Ready messages in the queue.
    pub(crate) ready: u32,
    /// The queue's consumers, those of other processes too.
    pub(crate) consumers: u32,
}

impl Heard {
    /// Whether the subscription to `lane` is to be made anew: nobody at all takes from its queue, or
    /// messages have waited since the last look and none came, or none has come for some looks.
    /// `is_open`: whether this process has taken what there was for it since the last look.
    pub(crate) fn is_deaf(&mut self, lane: &str, look: Look, is_open: bool) -> bool {
        let Brought { taken, in_hand } = look.brought;
        let before = self.0.remove(lane).filter(|before| before.taken == taken);
        let can_tell = is_open && in_hand == 0;
        let waited = can_tell && look.ready > 0;
        let quiet = before.filter(|_| can_tell).map_or(0, |before| before.quiet + 1);
        let waits_on = waited && before.is_some_and(|before| before.waited);
        if look.consumers == 0 || waits_on || quiet >= QUIET {
            return true;
        }
        self.0.insert(lane.to_owned(), Seen { taken, waited, quiet });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: Look = Look { brought: Brought { taken: 7, in_hand: 0 }, ready: 0, consumers: 2 };
    const WAITING: Look = Look { ready: 5, ..EMPTY };

    const fn brought(taken: u64, in_hand: usize, look: Look) -> Look {
        Look { brought: Brought { taken, in_hand }, ..look }
    }

    /// What is said of each look at one lane.
    fn check(looks: &[(Look, bool)], expected: &[bool]) {
        let mut heard = Heard::default();
        let said: Vec<bool> =
            looks.iter().map(|&(look, is_open)| heard.is_deaf("a", look, is_open)).collect();
        assert_eq!(said, expected, "{looks:?}");
    }

    #[test]
    fn what_waits_from_one_look_to_the_next_is_not_heard() {
        check(&[(WAITING, true), (WAITING, true)], &[false, true]);
        check(&[(WAITING, true), (brought(8, 0, WAITING), true)], &[false, false]);
        check(&[(WAITING, false), (WAITING, true), (WAITING, true)], &[false, false, true]);
        check(&[(brought(7, 1, WAITING), true); 4], &[false; 4]);
    }

    #[test]
    fn what_has_been_quiet_for_long_is_made_anew() {
        check(&[(EMPTY, true); 6], &[false, false, true, false, false, true]);
        check(&[(EMPTY, false); 4], &[false; 4]);
        let comes: Vec<_> = (0..4).map(|taken| (brought(taken, 0, EMPTY), true)).collect();
        check(&comes, &[false; 4]);
    }

    #[test]
    fn a_queue_that_nobody_takes_from_is_not_heard() {
        check(&[(Look { consumers: 0, ..EMPTY }, false)], &[true]);
    }

    #[test]
    fn lanes_are_judged_apart() {
        let mut heard = Heard::default();
        assert!(!heard.is_deaf("busy", brought(1, 0, WAITING), true));
        assert!(!heard.is_deaf("rare", WAITING, true));
        assert!(!heard.is_deaf("busy", brought(2, 0, WAITING), true));
        assert!(
            heard.is_deaf("rare", WAITING, true),
            "what the other lane brings proves nothing of this one"
        );
    }
}
