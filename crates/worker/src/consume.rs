//! Taking deliveries and gathering what is there into batches.
//!
//! No lingering: a batch is what has arrived by the time an executor is free. A message that was
//! attempted twice before goes alone, so that one that kills workers takes no neighbours along.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use waybill_broker::consumer::{Consumer, Delivery};
use waybill_broker::guard::Guard;
use waybill_broker::{Broker, BrokerError, Link, topology};
use waybill_process::Readiness;

use crate::config::Worker;
use crate::executor::Executor;
use crate::heard::Heard;

/// Attempts after which a message is processed by itself.
const SUSPECT_AFTER: u32 = 2;
/// Threads that may hang before the process gives itself up.
const HUNG_MAX: usize = 8;
/// How often a changed set of lanes is looked for.
const LANES_EVERY: Duration = Duration::from_secs(2);
/// How often lanes that were safe, and the subscriptions to them, are looked at again.
const TRUST: Duration = Duration::from_secs(15);

/// What a session has seen when it began.
struct View<'a> {
    lanes: &'a [String],
    unsafe_lanes: Vec<String>,
    link: &'a Link,
    at: Instant,
    heard: Heard,
    listened_at: Instant,
    /// Deliveries taken by then.
    taken: u64,
}

/// The consuming component.
#[derive(Debug)]
pub struct Consume {
    /// Where deliveries come from.
    pub broker: Broker,
    /// Who sees them through.
    pub executor: Arc<Executor>,
    /// The section `worker`.
    pub config: Worker,
    /// The parts `broker` and `topology` are this component's.
    pub readiness: Readiness,
    /// What is known to be unsafe.
    pub guard: Guard,
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
        let ended = self.session_over(&link, lanes, stop).await;
        // however it ended: a subscription that was given up before it began would go on, unheard
        link.close().await;
        ended
    }

    async fn session_over(
        &self,
        link: &Link,
        lanes: &[String],
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let unsafe_lanes = self.unsafe_lanes(link, lanes).await?;
        let safe: Vec<String> = lanes.iter().filter(|lane| !unsafe_lanes.contains(lane)).cloned().collect();
        let mut consumer = Consumer::start(link, &safe, self.config.prefetch).await?;
        self.readiness.has("broker");
        tracing::info!(lanes = ?safe, unsafe_lanes = ?unsafe_lanes, "consuming");
        let in_hand = TaskTracker::new();
        let (at, heard) = (Instant::now(), Heard::default());
        let mut view = View { lanes, unsafe_lanes, link, at, heard, listened_at: at, taken: 0 };
        let ended = if safe.is_empty() {
            self.wait_for_a_safe_lane(&mut view, stop).await
        } else {
            self.pump(&mut view, &mut consumer, &in_hand, stop).await
        };
        // first no more deliveries, then what is in hand, then the connection
        consumer.cancel().await;
        in_hand.close();
        in_hand.wait().await;
        ended
    }

    /// The lanes whose topology is not safe: one of them stops no other.
    async fn unsafe_lanes(&self, link: &Link, lanes: &[String]) -> Result<Vec<String>, BrokerError> {
        let (mut found, mut reasons) = (Vec::new(), Vec::new());
        for lane in lanes {
            let mut against = self.guard.objections(lane);
            match topology::verify(link, std::slice::from_ref(lane)).await {
                Ok(()) => {}
                Err(BrokerError::Unsafe(differences)) => against.extend(differences),
                Err(error) => return Err(error),
            }
            if !against.is_empty() {
                found.push(lane.clone());
                reasons.extend(against);
            }
        }
        if found.is_empty() {
            self.readiness.has("topology");
        } else {
            reasons.sort_unstable();
            reasons.dedup();
            self.readiness.lacks("topology", BrokerError::Unsafe(reasons).to_string());
        }
        Ok(found)
    }

    /// Nothing is consumed until a lane has become safe, or other lanes are known.
    async fn wait_for_a_safe_lane(
        &self,
        view: &mut View<'_>,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        while !stop.is_cancelled() && !self.is_outdated(view).await? {
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LANES_EVERY) => {}
            }
        }
        Ok(())
    }

    async fn pump(
        &self,
        view: &mut View<'_>,
        consumer: &mut Consumer,
        in_hand: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), BrokerError> {
        let free = Arc::new(Semaphore::new(self.config.executors));
        let failed = CancellationToken::new();
        let mut suspects = VecDeque::new();
        let mut look = tokio::time::interval(LANES_EVERY);
        loop {
            let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return Ok(()) };
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = failed.cancelled() => {
                    let what = "a batch could not be claimed; its deliveries are handed back";
                    return Err(BrokerError::Unavailable(what.into()));
                }
                suspect = std::future::ready(suspects.pop_front()), if !suspects.is_empty() => {
                    suspect.into_iter().collect()
                }
                _ = look.tick() => {
                    if self.is_outdated(view).await? {
                        return Ok(());
                    }
                    if view.listened_at.elapsed() >= TRUST {
                        listen(view, consumer, in_hand.is_empty()).await?;
                    }
                    continue;
                }
                delivery = consumer.next() => match delivery {
                    Some(first) => self.gather(first?, consumer, &mut suspects)?,
                    None => return Ok(()),
                },
            };
            if batch.is_empty() {
                continue;
            }
            let (executor, failed) = (Arc::clone(&self.executor), failed.clone());
            in_hand.spawn(async move {
                if executor.see_through(batch).await.is_err() {
                    failed.cancel();
                }
                drop(permit);
            });
        }
    }

    /// Whether a new session would see it otherwise: other lanes, or one that has become safe or is safe
    /// no longer.
    async fn is_outdated(&self, view: &mut View<'_>) -> Result<bool, BrokerError> {
        if self.lanes() != view.lanes || self.executor.hung() >= HUNG_MAX {
            return Ok(true);
        }
        let objected = |lane: &String| !self.guard.objections(lane).is_empty();
        let is_news = view.lanes.iter().any(|lane| objected(lane) && !view.unsafe_lanes.contains(lane));
        if view.unsafe_lanes.is_empty() && !is_news && view.at.elapsed() < TRUST {
            return Ok(false);
        }
        let now = self.unsafe_lanes(view.link, view.lanes).await?;
        view.at = Instant::now();
        Ok(now != view.unsafe_lanes)
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

/// Subscribes anew to each lane of which this process may hear nothing any more.
async fn listen(view: &mut View<'_>, consumer: &mut Consumer, is_free: bool) -> Result<(), BrokerError> {
    let all: Vec<_> = consumer.brought().map(|(lane, brought)| (lane.to_owned(), brought)).collect();
    let taken = all.iter().map(|(_, brought)| brought.taken).sum();
    let is_open = is_free || taken > view.taken;
    for (lane, brought) in all {
        let depth = topology::depth(view.link, &topology::work_queue(&lane)).await?;
        let Some((ready, consumers)) = depth else { continue };
        if !view.heard.is_deaf(&lane, brought, consumers, is_open) {
            continue;
        }
        if ready > 0 || consumers == 0 {
            tracing::warn!(lane, ready, consumers, "RabbitMQ brings nothing: subscribing again");
        } else {
            tracing::debug!(lane, "quiet for some time: subscribing again");
        }
        consumer.renew(view.link, &lane).await?;
    }
    (view.taken, view.listened_at) = (taken, Instant::now());
    Ok(())
}

fn is_suspect(delivery: &Delivery) -> bool {
    matches!(&delivery.envelope, Ok(envelope) if envelope.attempts >= SUSPECT_AFTER)
}
