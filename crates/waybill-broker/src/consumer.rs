//! Consuming the work queues with manual acknowledgement.
//!
//! One channel per lane, prefetch set before consuming (the client buffers without bound). When
//! any of the subscriptions ends — a queue deleted, a leader lost, the connection gone — the whole
//! consumer has ended and its user starts a new one: a stream that just stops is never taken for
//! "no more work".

use futures_util::stream::{SelectAll, StreamExt as _};
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use tokio::time::timeout;
use waybill_core::envelope::{Envelope, NotAnEnvelope};

use crate::connection::Link;
use crate::error::BrokerError;
pub use crate::subscription::Brought;
use crate::subscription::{Deliveries, Subscription, Taken};

/// Subscriptions to the work queues of some lanes.
pub struct Consumer {
    deliveries: SelectAll<Deliveries>,
    subscriptions: Vec<Subscription>,
    prefetch: u16,
    limit: std::time::Duration,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Consumer({} lanes)", self.subscriptions.len())
    }
}

/// One arrival of an envelope.
#[derive(Debug)]
pub struct Delivery {
    /// What arrived.
    pub envelope: Result<Envelope, NotAnEnvelope>,
    pub(crate) acker: Acker,
    pub(crate) limit: std::time::Duration,
    /// Lets its subscription know that it is in hand.
    pub(crate) _taken: Taken,
}

impl Delivery {
    /// Tells the broker that the outcome is recorded. An error means that the channel is gone: the
    /// delivery will come again, and the ledger will know it.
    pub async fn ack(self) {
        let acked = timeout(self.limit, self.acker.ack(BasicAckOptions::default())).await;
        if !matches!(acked, Ok(Ok(_))) {
            tracing::debug!("an acknowledgement came too late; the delivery will come again");
        }
    }

    /// Sends it to the dead-letter queue: it is no envelope, or names no known message.
    pub async fn refuse(self) {
        let rejecting = self.acker.reject(BasicRejectOptions { requeue: false });
        if !matches!(timeout(self.limit, rejecting).await, Ok(Ok(_))) {
            tracing::debug!("a refusal came too late; the delivery will come again");
        }
    }
}

impl Consumer {
    /// Subscribes to the work queues of `lanes`, with `prefetch` deliveries in hand for each.
    pub async fn start(link: &Link, lanes: &[String], prefetch: u16) -> Result<Self, BrokerError> {
        let (deliveries, subscriptions) = (SelectAll::new(), Vec::new());
        let mut consumer = Self { deliveries, subscriptions, prefetch, limit: link.limit };
        for lane in lanes {
            consumer.subscribe(link, lane).await?;
        }
        Ok(consumer)
    }

    async fn subscribe(&mut self, link: &Link, lane: &str) -> Result<(), BrokerError> {
        let (subscription, deliveries) = Subscription::start(link, lane, self.prefetch).await?;
        self.deliveries.push(deliveries);
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// What the subscription to each lane has brought since it began.
    pub fn brought(&self) -> impl Iterator<Item = (&str, Brought)> {
        self.subscriptions.iter().map(|one| (one.lane.as_str(), one.brought()))
    }

    /// Subscribes to `lane` by another channel, and then gives up the old one: what that held and did
    /// not bring is brought by the new one. The queue is never without a consumer meanwhile.
    ///
    /// # Errors
    /// When RabbitMQ does not do either in time; the whole consumer is then to be made anew.
    pub async fn renew(&mut self, link: &Link, lane: &str) -> Result<(), BrokerError> {
        let old = self.subscriptions.iter().position(|one| one.lane == lane);
        self.subscribe(link, lane).await?;
        match old {
            Some(old) => self.subscriptions.swap_remove(old).give_up(self.limit).await,
            None => Ok(()),
        }
    }

    /// The next delivery; an error when any subscription has ended. `None` only after a cancel.
    pub async fn next(&mut self) -> Option<Result<Delivery, BrokerError>> {
        self.deliveries.next().await
    }

    /// The next delivery, if one is there already.
    pub fn next_if_ready(&mut self) -> Option<Result<Delivery, BrokerError>> {
        futures_util::FutureExt::now_or_never(self.deliveries.next()).flatten()
    }

    /// Asks the broker for no more deliveries. Those in hand may still be acknowledged.
    pub async fn cancel(&mut self) {
        for subscription in &self.subscriptions {
            subscription.cancel(self.limit).await;
        }
    }
}
