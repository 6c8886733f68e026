//! Whether a subscription still brings what waits in its queue.
//!
//! RabbitMQ ends a subscription when its queue is deleted or its leader is lost, and says so; that news
//! may be lost, and then a worker waits for ever and looks healthy. So it asks now and then, and takes
//! what it sees for a reason to subscribe again. That costs a moment, and loses nothing.

/// What one session has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Batches taken.
    batches: u64,
    /// The batches at the last look, if something waited then.
    waiting_at: Option<u64>,
}

impl Heard {
    /// A batch was taken.
    pub(crate) const fn batch(&mut self) {
        self.batches += 1;
    }

    /// Whether messages have waited since the last look and none came, though this process was free; or
    /// whether nobody at all takes a queue that it has subscribed to. `queues` is ready messages and
    /// consumers of each.
    pub(crate) fn is_deaf(&mut self, queues: &[(u32, u32)], is_free: bool) -> bool {
        if queues.iter().any(|&(_, consumers)| consumers == 0) {
            return true;
        }
        let waits = is_free && queues.iter().any(|&(ready, _)| ready > 0);
        let before = std::mem::replace(&mut self.waiting_at, waits.then_some(self.batches));
        waits && before == Some(self.batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &[(u32, u32)] = &[(0, 2)];
    const WAITING: &[(u32, u32)] = &[(0, 2), (5, 2)];

    #[test]
    fn what_waits_from_one_look_to_the_next_is_not_heard() {
        let mut heard = Heard::default();
        assert!(!heard.is_deaf(WAITING, true), "it may have come just now");
        assert!(heard.is_deaf(WAITING, true));
        heard.batch();
        assert!(!heard.is_deaf(WAITING, true), "something came between");
        assert!(!heard.is_deaf(WAITING, false), "it has its hands full");
        assert!(!heard.is_deaf(WAITING, true), "and may have had until now");
        assert!(!heard.is_deaf(QUIET, true));
        assert!(!heard.is_deaf(WAITING, true));
    }

    #[test]
    fn a_queue_that_nobody_takes_is_not_heard() {
        assert!(Heard::default().is_deaf(&[(0, 2), (0, 0)], false));
        assert!(!Heard::default().is_deaf(&[], true));
    }
}
