//! Taking deliveries and gathering what is there into batches.
//!
//! No lingering: a batch is what has arrived by the time an executor is free. A message that was
//! attempted twice before goes alone, so that one that kills workers takes no neighbours along.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use waybill_broker::consumer::{Consumer, Delivery};
use waybill_broker::{Broker, BrokerError, topology};
use waybill_process::Readiness;

use crate::config::Worker;
use crate::executor::Executor;

/// Attempts after which a message is processed by itself.
const SUSPECT_AFTER: u32 = 2;
/// Threads that may hang before the process gives itself up.
const HUNG_MAX: usize = 8;
/// How often a changed set of lanes is looked for.
const LANES_EVERY: Duration = Duration::from_secs(2);

/// The consuming component.
#[derive(Debug)]
pub struct Consume {
    /// Where deliveries come from.
    pub broker: Broker,
    /// Who sees them through.
    pub executor: Arc<Executor>,
    /// The section `worker`.
    pub config: Worker,
    /// The part `broker` is this component's.
    pub readiness: Readiness,
}

impl Consume {
    /// Consumes until told to stop, through any number of connections.
    ///
    /// # Errors
    /// When too many processors hang: only a new process gets rid of their threads.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut wait = Duration::from_millis(200);
        while !stop.is_cancelled() {
            let lanes = self.lanes();
            if lanes.is_empty() {
                self.readiness.lacks("broker", "no lane is known yet: run `waybill apply`");
            } else {
                match self.session(&lanes, &stop).await {
                    Ok(()) => wait = Duration::from_millis(50),
                    Err(error) => self.readiness.lacks("broker", error.to_string()),
                }
            }
            anyhow::ensure!(self.executor.hung() < HUNG_MAX, "{HUNG_MAX} processors hang");
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(3));
        }
        Ok(())
    }

    fn lanes(&self) -> Vec<String> {
        if !self.config.lanes.is_empty() {
            return self.config.lanes.clone();
        }
        self.executor.directory.snapshot().lanes.clone()
    }

    /// One connection's life. Ends well when told to stop or when the lanes have changed.
    async fn session(&self, lanes: &[String], stop: &CancellationToken) -> Result<(), BrokerError> {
        let link = self.broker.connect("waybill worker").await?;
        topology::verify(&link, lanes).await?;
        let mut consumer = Consumer::start(&link, lanes, self.config.prefetch).await?;
        self.readiness.has("broker");
        tracing::info!(?lanes, "consuming");
        let in_hand = TaskTracker::new();
        let ended = self.pump(lanes, &mut consumer, &in_hand, stop).await;
        // first no more deliveries, then what is in hand, then the connection
        consumer.cancel().await;
        in_hand.close();
        in_hand.wait().await;
        link.close().await;
        ended
    }

    async fn pump(
        &self,
        lanes: &[String],
        consumer: &mut Consumer,
        in_hand: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let free = Arc::new(Semaphore::new(self.config.executors));
        let mut suspects = VecDeque::new();
        let mut look = tokio::time::interval(LANES_EVERY);
        loop {
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return Ok(()) };
            let batch = if let Some(suspect) = suspects.pop_front() {
                vec![suspect]
            } else {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    _ = look.tick() => {
                        if self.lanes() != lanes || self.executor.hung() >= HUNG_MAX {
                            return Ok(());
                        }
                        continue;
                    }
                    delivery = consumer.next() => match delivery {
                        Some(first) => self.gather(first?, consumer, &mut suspects)?,
                        None => return Ok(()),
                    },
                }
            };
            if batch.is_empty() {
                continue;
            }
            let executor = Arc::clone(&self.executor);
            in_hand.spawn(async move {
                executor.see_through(batch).await;
                drop(permit);
            });
        }
    }

    /// `first` and what else has arrived; suspects are set apart.
    fn gather(
        &self,
        first: Delivery,
        consumer: &mut Consumer,
        suspects: &mut VecDeque<Delivery>,
    ) -> Result<Vec<Delivery>, BrokerError> {
        let mut batch = Vec::new();
        let mut next = Some(first);
        while let Some(delivery) = next {
            if is_suspect(&delivery) {
                suspects.push_back(delivery);
            } else {
                batch.push(delivery);
            }
            if batch.len() + suspects.len() >= self.config.batch_max {
                break;
            }
            next = consumer.next_if_ready().transpose()?;
        }
        Ok(batch)
    }
}

fn is_suspect(delivery: &Delivery) -> bool {
    matches!(&delivery.envelope, Ok(envelope) if envelope.attempts >= SUSPECT_AFTER)
}
