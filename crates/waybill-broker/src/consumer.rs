//! Consuming the work queues with manual acknowledgement.
//!
//! One channel per lane, prefetch set before consuming (the client buffers without bound). When
//! any of the subscriptions ends — a queue deleted, a leader lost, the connection gone — the whole
//! consumer has ended and its user starts a new one: a stream that just stops is never taken for
//! "no more work".

use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use lapin::Acker;
use lapin::Channel;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions,
};
use lapin::types::FieldTable;
use tokio::time::timeout;
use uuid::Uuid;
use waybill_core::envelope::{Envelope, NotAnEnvelope};

use crate::connection::Link;
use crate::error::BrokerError;
use crate::topology::work_queue;

/// Subscriptions to the work queues of some lanes.
pub struct Consumer {
    deliveries: SelectAll<BoxStream<'static, Result<Delivery, BrokerError>>>,
    channels: Vec<(Channel, String)>,
    limit: std::time::Duration,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Consumer({} lanes)", self.channels.len())
    }
}

/// One arrival of an envelope.
#[derive(Debug)]
pub struct Delivery {
    /// What arrived.
    pub envelope: Result<Envelope, NotAnEnvelope>,
    acker: Acker,
    limit: std::time::Duration,
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
        let mut deliveries = SelectAll::new();
        let mut channels = Vec::new();
        for lane in lanes {
            let channel = link.channel().await?;
            // never the same tag twice: RabbitMQ 3.10 loses deliveries of a reused one
            let tag = format!("worker-{}", Uuid::now_v7());
            let started = async {
                channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
                channel
                    .basic_consume(
                        work_queue(lane).into(),
                        tag.as_str().into(),
                        BasicConsumeOptions::default(),
                        FieldTable::default(),
                    )
                    .await
            };
            let consumer =
                timeout(link.limit, started).await.map_err(|_| BrokerError::timeout("subscribing"))??;
            deliveries.push(to_the_end(consumer, lane, link.limit));
            channels.push((channel, tag));
        }
        Ok(Self { deliveries, channels, limit: link.limit })
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
        for (channel, tag) in &self.channels {
            let asked = channel.basic_cancel(tag.as_str().into(), BasicCancelOptions::default());
            let _ = timeout(self.limit, asked).await;
        }
    }
}

/// A subscription's deliveries, and then the news that it has ended.
fn to_the_end(
    consumer: lapin::Consumer,
    lane: &str,
    limit: std::time::Duration,
) -> BoxStream<'static, Result<Delivery, BrokerError>> {
    let ended = BrokerError::Unavailable(format!("the subscription to lane {lane} has ended"));
    consumer
        .map(move |delivery| {
            let delivery = delivery?;
            Ok(Delivery { envelope: Envelope::decode(&delivery.data), acker: delivery.acker, limit })
        })
        .chain(stream::once(async { Err(ended) }))
        .boxed()
}
