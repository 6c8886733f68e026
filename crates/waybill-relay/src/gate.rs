//! The gate: nothing is published to a lane whose topology was seen to be unsafe.
//!
//! Each lane is looked at over AMQP before the first publish of a connection and now and then
//! after, so that one lane without its queue stops no other; the guard adds what only the management
//! API shows (policies, bindings). A lane that is not safe is looked at again after a while; its
//! messages stay due meanwhile.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use waybill_broker::guard::Guard;
use waybill_broker::{BrokerError, Link, topology};
use waybill_process::Readiness;

/// A lane that is not safe is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// A lane that was safe is looked at again after this.
const TRUST: Duration = Duration::from_secs(30);

/// What was seen of each lane.
#[derive(Debug)]
pub(crate) struct Gate {
    guard: Guard,
    seen: HashMap<String, Seen>,
    /// Why lanes that have something due were not let through.
    refused: HashMap<String, Vec<String>>,
    condition: Readiness,
}

#[derive(Debug, Clone)]
enum Seen {
    SafeAt(Instant),
    UnsafeAt(Instant, Vec<String>),
}

impl Gate {
    /// A gate that has seen nothing yet; says in `condition`, as `topology`, what it refuses.
    pub(crate) fn new(guard: Guard, condition: Readiness) -> Self {
        Self { guard, seen: HashMap::new(), refused: HashMap::new(), condition }
    }

    /// Whether envelopes may be published to `lane`.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub(crate) async fn lets_through(&mut self, link: &Link, lane: &str) -> Result<bool, BrokerError> {
        let mut reasons = self.over_amqp(link, lane).await?;
        for objection in self.guard.objections(lane) {
            if !reasons.contains(&objection) {
                reasons.push(objection);
            }
        }
        let is_safe = reasons.is_empty();
        if !is_safe {
            self.refused.insert(lane.to_owned(), reasons);
        }
        Ok(is_safe)
    }

    /// What speaks against `lane` over AMQP, as last seen.
    async fn over_amqp(&mut self, link: &Link, lane: &str) -> Result<Vec<String>, BrokerError> {
        match self.seen.get(lane) {
            Some(Seen::SafeAt(at)) if at.elapsed() < TRUST => return Ok(Vec::new()),
            Some(Seen::UnsafeAt(at, reasons)) if at.elapsed() < LOOK_AGAIN => return Ok(reasons.clone()),
            _ => {}
        }
        let (seen, reasons) = match topology::verify(link, &[lane.to_owned()]).await {
            Ok(()) => (Seen::SafeAt(Instant::now()), Vec::new()),
            Err(BrokerError::Unsafe(reasons)) => (Seen::UnsafeAt(Instant::now(), reasons.clone()), reasons),
            Err(error) => return Err(error),
        };
        self.seen.insert(lane.to_owned(), seen);
        Ok(reasons)
    }

    /// Ends a pass over every lane that has something due: says what was refused in it.
    pub(crate) fn report(&mut self) {
        let mut reasons: Vec<String> = self.refused.drain().flat_map(|(_, reasons)| reasons).collect();
        reasons.sort_unstable();
        reasons.dedup();
        if reasons.is_empty() {
            self.condition.has("topology");
        } else {
            self.condition.misses("topology", BrokerError::Unsafe(reasons).to_string());
        }
    }

    /// A publish came back: look at the lane again before the next one.
    pub(crate) fn doubt(&mut self, lane: &str) {
        self.seen.remove(lane);
    }
}
