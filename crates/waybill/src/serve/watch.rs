//! The broker watched: up, alarms, and how long its queues are.
//!
//! Ready messages and consumers come over AMQP, at once; deliveries in hand and alarms from the
//! management API, where it is configured. A figure that nobody gives keeps its last value: unknown
//! is never shown as zero. `waybill_broker_up` says whether the figures are fresh.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use waybill_broker::api::{Api, QueueFigures};
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, Link};
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep, number};

/// The alarms RabbitMQ knows.
const ALARMS: [&str; 2] = ["memory", "disk"];

/// A queue whose messages nobody acknowledges for this long is idle.
const STUCK_AFTER: Duration = Duration::from_mins(1);

/// The pass that looks at the broker.
#[derive(Debug)]
pub(super) struct Watch {
    broker: Broker,
    api: Option<Api>,
    directory: Directory,
    link: Option<Link>,
    /// Acknowledgements of each queue when they last changed, or when nothing waited.
    acks: HashMap<String, (u64, Instant)>,
}

impl Watch {
    pub(super) fn new(broker: Broker, api: Option<Api>, directory: Directory) -> Self {
        metrics::gauge!("waybill_broker_up").set(0.0);
        for kind in ALARMS {
            metrics::gauge!("waybill_broker_alarm", "kind" => kind).set(0.0);
        }
        Self { broker, api, directory, link: None, acks: HashMap::new() }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let link = match self.link.take() {
            Some(link) if link.is_connected() => link,
            _ => self.broker.connect("waybill watch").await?,
        };
        let mut queues: BTreeSet<String> =
            self.directory.snapshot().lanes.iter().map(|lane| work_queue(lane)).collect();
        queues.insert(DEAD.to_owned());
        let mut depths = BTreeMap::new();
        for queue in &queues {
            let Some(depth) = topology::depth(&link, queue).await? else { continue };
            gauge("waybill_queue_ready", queue, f64::from(depth.0));
            gauge("waybill_queue_consumers", queue, f64::from(depth.1));
            depths.insert(queue.clone(), depth);
        }
        self.link = Some(link);
        metrics::gauge!("waybill_broker_up").set(1.0);
        let figures = self.ask_api(&queues).await;
        for (queue, (ready, consumers)) in depths {
            // waybill.dead is drained by us without a consumer
            let abandoned = ready > 0 && consumers == 0 && queue != DEAD;
            // where the API says nothing, what it said last stands
            let stuck = match &figures {
                Ok(figures) => self.is_stuck(&queue, ready, figures),
                Err(_) if abandoned => true,
                Err(_) => continue,
            };
            gauge("waybill_queue_idle", &queue, f64::from(u8::from(abandoned || stuck)));
        }
        figures.map(|_| ())
    }

    /// Alarms, and what is in hand; nothing where the API is not configured.
    async fn ask_api(&self, queues: &BTreeSet<String>) -> anyhow::Result<Vec<QueueFigures>> {
        let Some(api) = &self.api else { return Ok(Vec::new()) };
        let alarms = api.alarms().await?;
        for kind in ALARMS {
            let raised = alarms.iter().any(|alarm| alarm == kind);
            metrics::gauge!("waybill_broker_alarm", "kind" => kind).set(f64::from(u8::from(raised)));
        }
        let figures: Vec<_> =
            api.queues().await?.into_iter().filter(|queue| queues.contains(&queue.name)).collect();
        for queue in &figures {
            if let Some(unacked) = queue.messages_unacknowledged {
                let unacked = i64::try_from(unacked).unwrap_or(i64::MAX);
                gauge("waybill_queue_unacked", &queue.name, number(unacked));
            }
        }
        Ok(figures)
    }

    /// Whether a queue has messages, and none was acknowledged for [`STUCK_AFTER`]. Only the API
    /// knows; where it says nothing, nothing is known.
    fn is_stuck(&mut self, queue: &str, ready: u32, figures: &[QueueFigures]) -> bool {
        let Some(figures) = figures.iter().find(|q| q.name == queue) else { return false };
        // a broker that keeps no statistics, or a queue that never had an acknowledgement and no
        // consumer, tells nothing
        let Some(acknowledged) = figures.acknowledged() else { return false };
        let waiting = ready > 0 || figures.messages_unacknowledged.is_some_and(|unacked| unacked > 0);
        let last = self.acks.entry(queue.to_owned()).or_insert((acknowledged, Instant::now()));
        if !waiting || last.0 != acknowledged {
            *last = (acknowledged, Instant::now());
        }
        last.1.elapsed() > STUCK_AFTER
    }
}

fn gauge(name: &'static str, queue: &str, value: f64) {
    metrics::gauge!(name, "queue" => queue.to_owned()).set(value);
}

impl Sweep for Watch {
    const NAME: &'static str = "watch";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let looked = self.look().await;
        if self.link.is_none() {
            metrics::gauge!("waybill_broker_up").set(0.0);
        }
        looked.map(|()| Done::default())
    }
}
