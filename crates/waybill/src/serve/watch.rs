//! The broker watched: up, alarms, and how long its queues are.
//!
//! Ready messages and consumers come over AMQP, at once; deliveries in hand and alarms from the
//! management API, where it is configured. A figure that nobody gives keeps its last value: unknown
//! is never shown as zero. `waybill_broker_up` says whether the figures are fresh.

use std::collections::BTreeSet;

use waybill_broker::api::Api;
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, Link};
use waybill_store::directory::Directory;

use super::balance::number;
use super::sweep::Sweep;

/// The alarms RabbitMQ knows.
const ALARMS: [&str; 2] = ["memory", "disk"];

/// The pass that looks at the broker.
#[derive(Debug)]
pub(super) struct Watch {
    broker: Broker,
    api: Option<Api>,
    directory: Directory,
    link: Option<Link>,
}

impl Watch {
    pub(super) fn new(broker: Broker, api: Option<Api>, directory: Directory) -> Self {
        metrics::gauge!("waybill_broker_up").set(0.0);
        for kind in ALARMS {
            metrics::gauge!("waybill_broker_alarm", "kind" => kind).set(0.0);
        }
        Self { broker, api, directory, link: None }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let link = match self.link.take() {
            Some(link) if link.is_connected() => link,
            _ => self.broker.connect("waybill watch").await?,
        };
        let mut queues: BTreeSet<String> =
            self.directory.snapshot().sources.values().map(|s| work_queue(&s.lane)).collect();
        queues.insert(DEAD.to_owned());
        for queue in &queues {
            let Some((ready, consumers)) = topology::depth(&link, queue).await? else { continue };
            let set =
                |name: &'static str, value: f64| metrics::gauge!(name, "queue" => queue.clone()).set(value);
            set("waybill_queue_ready", f64::from(ready));
            set("waybill_queue_consumers", f64::from(consumers));
            // waybill.dead is drained by us without a consumer
            let idle = ready > 0 && consumers == 0 && queue != DEAD;
            set("waybill_queue_idle", f64::from(u8::from(idle)));
        }
        self.link = Some(link);
        if let Some(api) = &self.api {
            let alarms = api.alarms().await?;
            for kind in ALARMS {
                let raised = alarms.iter().any(|alarm| alarm == kind);
                metrics::gauge!("waybill_broker_alarm", "kind" => kind).set(f64::from(u8::from(raised)));
            }
            for figures in api.queues().await?.into_iter().filter(|q| queues.contains(&q.name)) {
                if let Some(unacked) = figures.messages_unacknowledged {
                    let unacked = i64::try_from(unacked).unwrap_or(i64::MAX);
                    metrics::gauge!("waybill_queue_unacked", "queue" => figures.name).set(number(unacked));
                }
            }
        }
        Ok(())
    }
}

impl Sweep for Watch {
    const NAME: &'static str = "watch";

    async fn run_once(&mut self) -> anyhow::Result<u64> {
        let looked = self.look().await;
        metrics::gauge!("waybill_broker_up").set(f64::from(u8::from(looked.is_ok())));
        looked.map(|()| 0)
    }
}
