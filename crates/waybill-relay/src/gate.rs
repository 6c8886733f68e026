//! The gate: nothing is published to a lane whose topology was not seen to be safe.
//!
//! Each lane is looked at once per connection, so that one lane without its queue stops no other.
//! A lane that is not safe is looked at again after a while; its messages stay due meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use waybill_broker::{BrokerError, Link, topology};
use waybill_process::Readiness;

/// A lane that is not safe is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What was seen of each lane.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    seen: HashMap<String, Seen>,
    condition: Readiness,
}

#[derive(Debug, Clone, Copy)]
enum Seen {
    Safe,
    UnsafeAt(Instant),
}

impl Gate {
    /// Whether envelopes may be published to `lane`.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub(crate) async fn lets_through(&mut self, link: &Link, lane: &str) -> Result<bool, BrokerError> {
        match self.seen.get(lane) {
            Some(Seen::Safe) => return Ok(true),
            Some(Seen::UnsafeAt(at)) if at.elapsed() < LOOK_AGAIN => return Ok(false),
            _ => {}
        }
        let seen = match topology::verify(link, &[lane.to_owned()]).await {
            Ok(()) => {
                self.condition.has("topology");
                Seen::Safe
            }
            Err(error @ BrokerError::Unsafe(_)) => {
                self.condition.lacks("topology", error.to_string());
                Seen::UnsafeAt(Instant::now())
            }
            Err(error) => return Err(error),
        };
        self.seen.insert(lane.to_owned(), seen);
        Ok(matches!(seen, Seen::Safe))
    }

    /// A publish came back: look at the lane again before the next one.
    pub(crate) fn doubt(&mut self, lane: &str) {
        self.seen.remove(lane);
    }
}
