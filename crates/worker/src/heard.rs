//! Whether a subscription still brings what waits in its queue.
//!
//! RabbitMQ ends a subscription when its queue is deleted or its leader is lost, and says so; that news
//! may be lost. And RabbitMQ 3.10 carries the subscription over to a queue that is declared again within
//! some 50 ms, says nothing, counts its consumer, and brings none of what it hands to it (ADR 24). Either
//! way a worker would wait for ever and look healthy. So it looks now and then, and takes what it sees
//! for a reason to subscribe again. That costs a moment, and loses nothing.

use std::collections::HashMap;

use waybill_broker::consumer::Brought;

/// How many deliveries each lane's subscription had brought at the last look.
#[derive(Debug, Default)]
pub(crate) struct Heard(HashMap<String, u64>);

impl Heard {
    /// Whether the subscription to `lane` is to be made anew: its queue has no consumer at all, or it has
    /// brought nothing since the last look and nothing of it is in hand. `is_open`: whether this process
    /// has taken what there was for it since then.
    pub(crate) fn is_deaf(&mut self, lane: &str, brought: Brought, consumers: u32, is_open: bool) -> bool {
        let Brought { taken, in_hand } = brought;
        let is_quiet = self.0.remove(lane) == Some(taken) && is_open && in_hand == 0;
        if is_quiet || consumers == 0 {
            return true;
        }
        self.0.insert(lane.to_owned(), taken);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Brought = Brought { taken: 7, in_hand: 0 };

    /// What is said of each look at a lane that two consume: what it has brought, and whether it could.
    fn check(looks: &[(Brought, bool)], expected: &[bool]) {
        let mut heard = Heard::default();
        let said: Vec<bool> =
            looks.iter().map(|&(brought, is_open)| heard.is_deaf("a", brought, 2, is_open)).collect();
        assert_eq!(said, expected, "{looks:?}");
    }

    #[test]
    fn what_is_quiet_from_one_look_to_the_next_is_made_anew() {
        check(&[(NOTHING, true); 4], &[false, true, false, true]);
        check(&[(NOTHING, true), (Brought { taken: 8, in_hand: 0 }, true)], &[false, false]);
    }

    #[test]
    fn what_has_its_hands_full_is_left_alone() {
        check(&[(NOTHING, false); 3], &[false; 3]);
        check(&[(Brought { taken: 7, in_hand: 1 }, true); 3], &[false; 3]);
        check(&[(NOTHING, false), (NOTHING, true)], &[false, true]);
    }

    #[test]
    fn a_queue_that_nobody_takes_from_is_not_heard() {
        assert!(Heard::default().is_deaf("a", NOTHING, 0, false));
    }

    #[test]
    fn lanes_are_judged_apart() {
        let mut heard = Heard::default();
        assert!(!heard.is_deaf("busy", Brought { taken: 1, in_hand: 0 }, 2, true));
        assert!(!heard.is_deaf("rare", NOTHING, 2, true));
        assert!(!heard.is_deaf("busy", Brought { taken: 2, in_hand: 0 }, 2, true));
        assert!(
            heard.is_deaf("rare", NOTHING, 2, true),
            "what another lane brings proves nothing of this one"
        );
    }
}
