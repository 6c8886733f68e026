//! One pass: for each lane with something due, lease a window, publish it, settle it.

use std::time::{Duration, Instant};

use uuid::Uuid;
use waybill_broker::publisher::{Outgoing, Settled};
use waybill_core::envelope::Envelope;
use waybill_drill as drill;
use waybill_store::StoreError;
use waybill_store::relay::{Leased, Room, Window};

use crate::room::Rooms;
use crate::{Relay, RelayError, Session};

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// The connection is of no more use.
    pub broken: bool,
    /// A lane gave a full window: there may be more.
    pub more: bool,
}

impl Relay {
    /// Publishes one window of each lane that has something due.
    pub(crate) async fn run_once(&self, session: &mut Session) -> Result<Report, RelayError> {
        let mut report = Report::default();
        for lane in self.store.lanes_due().await? {
            if !session.gate.lets_through(&session.link, &lane).await? {
                continue;
            }
            let window = self.lease(&lane, &mut session.rooms).await?;
            // others may stand behind what was parked
            report.more |= window.parked > 0;
            if window.messages.is_empty() {
                continue;
            }
            drill::point("relay.after_lease");
            let began = Instant::now();
            let settled = session.publisher.publish(&lane, &envelopes(&window)).await;
            metrics::histogram!("waybill_confirm_seconds").record(began.elapsed().as_secs_f64());
            drill::point("relay.after_confirm");
            count(&settled);
            report.more |= window.messages.len() == self.config.window_max as usize;
            session.rooms.published(&lane, settled.confirmed.len());
            if !settled.returned.is_empty() {
                session.gate.doubt(&lane);
            }
            self.settle(&lane, &window, &settled).await?;
            drill::point("relay.after_recorded");
            if settled.is_broken() {
                report.broken = true;
                return Ok(report);
            }
        }
        session.gate.report();
        Ok(report)
    }

    /// Leases a window that fits into the lane's share of the broker.
    async fn lease(&self, lane: &str, rooms: &mut Rooms) -> Result<Window, StoreError> {
        let room =
            Room { window_max: self.config.window_max, lane_published_max: self.config.lane_published_max };
        let now = Instant::now();
        if !rooms.is_far(lane, room, now) {
            let counted = self.store.published(lane, room.lane_published_max).await?;
            rooms.counted(lane, counted, now);
        }
        let exact = !rooms.is_far(lane, room, now);
        let lease = Duration::from_secs(self.config.lease_s);
        self.store.lease(lane, room, exact, lease).await
    }

    /// Writes down what was confirmed; what was not stays due.
    async fn settle(&self, lane: &str, window: &Window, settled: &Settled) -> Result<(), StoreError> {
        if !settled.confirmed.is_empty() {
            self.store.confirm(window.lease, &settled.confirmed).await?;
        }
        let unconfirmed: Vec<Uuid> = settled.unconfirmed().collect();
        if !unconfirmed.is_empty() {
            tracing::warn!(
                lane,
                returned = settled.returned.len(),
                nacked = settled.nacked.len(),
                timeout = settled.timed_out.len(),
                failed = settled.failed.len(),
                "publishes were not confirmed; these messages stay due"
            );
            let wait = Duration::from_secs(self.config.retry_s);
            self.store.give_back(window.lease, &unconfirmed, wait).await?;
        }
        Ok(())
    }
}

/// The window's envelopes. A message whose sender gave no trace context gets one made of its id.
fn envelopes(window: &Window) -> Vec<Outgoing> {
    let outgoing = |message: &Leased| {
        let id = message.id.simple().to_string();
        let own = || format!("00-{id}-{}-00", &id[16..]);
        Outgoing {
            envelope: Envelope::new(message.id, message.attempts),
            traceparent: message.traceparent.clone().unwrap_or_else(own),
        }
    };
    window.messages.iter().map(outgoing).collect()
}

fn count(settled: &Settled) {
    for (result, ids) in [
        ("confirmed", &settled.confirmed),
        ("returned", &settled.returned),
        ("nacked", &settled.nacked),
        ("timeout", &settled.timed_out),
        ("failed", &settled.failed),
    ] {
        metrics::counter!("waybill_publishes_total", "result" => result).increment(ids.len() as u64);
    }
}
