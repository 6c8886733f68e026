//! What is missing of the topology is declared again: a queue that was deleted, a broker that was
//! wiped. Nothing that is there is changed or removed: what differs is for a person.

use waybill_broker::{Broker, Link, topology};
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep};

/// The sweep for missing queues and exchanges.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) broker: Broker,
    pub(super) directory: Directory,
    pub(super) link: Option<Link>,
}

impl Sweep for Declared {
    const NAME: &'static str = "declared";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let lanes = self.directory.snapshot().lanes.clone();
        if lanes.is_empty() {
            // no source yet, or the ledger was not read yet
            return Ok(Done::default());
        }
        let link = match self.link.take() {
            Some(link) if link.is_connected() => link,
            _ => self.broker.connect("waybill topology").await?,
        };
        let missing = topology::missing(&link, &lanes).await?;
        if !missing.is_empty() {
            tracing::warn!(?missing, "missing in RabbitMQ; declaring it again");
            topology::declare(&link, &lanes).await?;
        }
        self.link = Some(link);
        Ok(Done::changed(missing.len() as u64))
    }
}
