//! The dead-letter intake: what RabbitMQ itself gave up on, filed into the ledger.
//!
//! `delivery_limit` means that workers went away again and again before they could claim the
//! message: it is dead, for a person. Anything else RabbitMQ drops was no fault of the message: it
//! becomes due again. A delivery that names nothing we know is logged and let go, never guessed at.

use anyhow::Context as _;
use uuid::Uuid;
use waybill_broker::dead::DeadQueue;
use waybill_broker::topology::DELIVERY_LIMIT;
use waybill_broker::{Broker, Link};
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::source::OnDead;
use waybill_store::Store;
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep};

/// The sweep that drains `waybill.dead`.
#[derive(Debug)]
pub(super) struct Buried {
    store: Store,
    directory: Directory,
    broker: Broker,
    rows_max: u32,
    open: Option<(Link, DeadQueue)>,
}

impl Buried {
    pub(super) const fn new(store: Store, directory: Directory, broker: Broker, rows_max: u32) -> Self {
        Self { store, directory, broker, rows_max, open: None }
    }

    async fn drain(&self, queue: &DeadQueue) -> anyhow::Result<u64> {
        let mut changed = 0;
        for _ in 0..self.rows_max {
            let Some(buried) = queue.take().await? else { break };
            waybill_drill::point("intake.after_take");
            match buried.id {
                None => tracing::error!("a dead-lettered delivery is no envelope; let go"),
                Some(id) => changed += u64::from(self.file(id, &buried.reason).await?),
            }
            waybill_drill::point("intake.before_ack");
            buried.ack().await?;
        }
        Ok(changed)
    }

    /// Files one delivery; true: the ledger changed.
    async fn file(&self, id: Uuid, reason: &str) -> anyhow::Result<bool> {
        let Some(message) = self.store.message(id, None).await? else {
            tracing::error!(message.id = %id, reason, "a dead-lettered delivery names no message of this ledger; let go");
            return Ok(false);
        };
        if reason != "delivery_limit" {
            return Ok(self.store.republish(id).await?);
        }
        let failure = Failure::new(
            ErrorClass::Poison,
            format!(
                "RabbitMQ gave up after {DELIVERY_LIMIT} deliveries, none of which was claimed: \
                 look for workers that crash on start or lose the ledger"
            ),
        );
        let known = self.directory.snapshot();
        let skip_dead = known.sources.get(&message.source).is_some_and(|s| s.on_dead == OnDead::Skip);
        let filed = self.store.file(id, &failure, skip_dead).await?;
        if filed {
            tracing::error!(message.id = %id, "filed as dead: RabbitMQ's delivery limit");
        }
        Ok(filed)
    }
}

impl Sweep for Buried {
    const NAME: &'static str = "buried";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let (link, queue) = match self.open.take() {
            Some(open) if open.0.is_connected() => open,
            _ => {
                let link = self.broker.connect("waybill dead letters").await?;
                let queue = DeadQueue::open(&link).await?;
                (link, queue)
            }
        };
        // on any error the connection is dropped, and what was taken comes again
        let changed = self.drain(&queue).await.context("draining waybill.dead")?;
        self.open = Some((link, queue));
        Ok(Done::changed(changed))
    }
}
