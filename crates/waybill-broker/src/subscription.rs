//! One lane's subscription: a channel of its own, a stream of deliveries, and what it has brought.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::AbortHandle;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use lapin::Channel;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::time::timeout;
use uuid::Uuid;
use waybill_core::envelope::Envelope;

use crate::connection::Link;
use crate::consumer::Delivery;
use crate::error::BrokerError;
use crate::topology::work_queue;

/// Deliveries of a subscription, and at its end the news that it has ended.
pub(crate) type Deliveries = BoxStream<'static, Result<Delivery, BrokerError>>;

/// Counts deliveries taken; a delivery in hand holds it.
pub(crate) type Taken = Arc<AtomicU64>;

/// What a lane's subscription has brought since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    /// Deliveries taken.
    pub taken: u64,
    /// Deliveries in hand.
    pub in_hand: usize,
}

/// A subscription to one lane's work queue.
pub(crate) struct Subscription {
    pub(crate) lane: String,
    channel: Channel,
    tag: String,
    stream: AbortHandle,
    taken: Taken,
}

impl Subscription {
    /// Subscribes to the work queue of `lane`, with `prefetch` deliveries in hand at most.
    pub(crate) async fn start(
        link: &Link,
        lane: &str,
        prefetch: u16,
    ) -> Result<(Self, Deliveries), BrokerError> {
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
        let taken = Taken::default();
        let deliveries = to_the_end(consumer, lane, link.limit, Arc::clone(&taken));
        let (deliveries, stream) = stream::abortable(deliveries);
        Ok((Self { lane: lane.to_owned(), channel, tag, stream, taken }, deliveries.boxed()))
    }

    /// What it has brought.
    pub(crate) fn brought(&self) -> Brought {
        // this one and the stream's are no deliveries
        let in_hand = Arc::strong_count(&self.taken).saturating_sub(2);
        Brought { taken: self.taken.load(Ordering::Relaxed), in_hand }
    }

    /// Asks for no more deliveries.
    pub(crate) async fn cancel(&self, limit: std::time::Duration) {
        let asked = self.channel.basic_cancel(self.tag.as_str().into(), BasicCancelOptions::default());
        let _ = timeout(limit, asked).await;
    }

    /// Ends it without news, and gives back to the queue what it holds.
    pub(crate) async fn give_up(self, limit: std::time::Duration) -> Result<(), BrokerError> {
        self.stream.abort();
        let closing = self.channel.close(200, "made anew".into());
        timeout(limit, closing).await.map_err(|_| BrokerError::timeout("closing a channel"))??;
        Ok(())
    }
}

fn to_the_end(
    consumer: lapin::Consumer,
    lane: &str,
    limit: std::time::Duration,
    taken: Taken,
) -> impl stream::Stream<Item = Result<Delivery, BrokerError>> + Send + 'static {
    let ended = BrokerError::Unavailable(format!("the subscription to lane {lane} has ended"));
    consumer
        .map(move |delivery| {
            let delivery = delivery?;
            taken.fetch_add(1, Ordering::Relaxed);
            let envelope = Envelope::decode(&delivery.data);
            Ok(Delivery { envelope, acker: delivery.acker, limit, _taken: Arc::clone(&taken) })
        })
        .chain(stream::once(async { Err(ended) }))
}
