//! Draining `waybill.dead`: what RabbitMQ itself dead-lettered, on its way into the ledger.

use lapin::Acker;
use lapin::Channel;
use lapin::options::{BasicAckOptions, BasicGetOptions};
use lapin::types::AMQPValue;
use tokio::time::timeout;
use uuid::Uuid;
use waybill_core::envelope::Envelope;

use crate::connection::Link;
use crate::error::BrokerError;
use crate::topology::DEAD;

/// A channel that takes dead-lettered deliveries one by one.
#[derive(Debug)]
pub struct DeadQueue {
    channel: Channel,
    limit: std::time::Duration,
}

/// A delivery that RabbitMQ dead-lettered.
#[derive(Debug)]
pub struct Buried {
    /// Which message it named, where that can be read.
    pub id: Option<Uuid>,
    /// RabbitMQ's reason: `delivery_limit`, `rejected`, `expired` or `maxlen`; empty when absent.
    pub reason: String,
    acker: Acker,
    limit: std::time::Duration,
}

impl Buried {
    /// Tells the broker that it is filed.
    pub async fn ack(self) -> Result<(), BrokerError> {
        timeout(self.limit, self.acker.ack(BasicAckOptions::default()))
            .await
            .map_err(|_| BrokerError::timeout("acknowledging a dead letter"))??;
        Ok(())
    }
}

impl DeadQueue {
    /// A channel of its own on `link`.
    pub async fn open(link: &Link) -> Result<Self, BrokerError> {
        Ok(Self { channel: link.channel().await?, limit: link.limit })
    }

    /// The next dead-lettered delivery, if there is one.
    pub async fn take(&self) -> Result<Option<Buried>, BrokerError> {
        let asked = self.channel.basic_get(DEAD.into(), BasicGetOptions::default());
        let got = timeout(self.limit, asked)
            .await
            .map_err(|_| BrokerError::timeout("reading the dead-letter queue"))??;
        Ok(got.map(|message| {
            let delivery = message.delivery;
            let headers = delivery.properties.headers().as_ref();
            let reason = headers
                .and_then(|table| table.inner().get("x-first-death-reason"))
                .and_then(AMQPValue::as_long_string)
                .map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned());
            Buried {
                id: Envelope::id_of(&delivery.data),
                reason: reason.unwrap_or_default(),
                acker: delivery.acker,
                limit: self.limit,
            }
        }))
    }
}
