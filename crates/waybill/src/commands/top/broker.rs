//! What `waybill top` asks RabbitMQ: over AMQP whether it answers and how long the queues are, and of its
//! management API, where one is configured, what is in hand. Declares nothing.

use std::time::Duration;

use serde::Serialize;
use waybill_broker::api::Api;
use waybill_broker::topology::{self, DEAD, work_queue};
use waybill_broker::{Broker, Link};

use crate::config::Config;

/// For all that AMQP is asked in one look.
const LIMIT: Duration = Duration::from_secs(5);

/// What RabbitMQ said at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Seen {
    /// Whether it answers over AMQP; none: its address is not configured.
    pub(super) up: Option<bool>,
    /// Why it does not.
    pub(super) why: Option<String>,
    pub(super) queues: Vec<Queue>,
}

/// One queue; what nobody says of it is none.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Queue {
    #[serde(rename = "queue")]
    pub(super) name: String,
    pub(super) ready: Option<u64>,
    pub(super) unacked: Option<u64>,
    pub(super) consumers: Option<u64>,
}

/// What looks at RabbitMQ, over one connection for as long as it lasts.
pub(super) struct Eye {
    broker: Option<Broker>,
    api: Option<Api>,
    link: Option<Link>,
}

impl Eye {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let broker = if config.amqp.url.is_empty() { None } else { Some(Broker::new(&config.amqp)?) };
        let api = match &broker {
            Some(broker) => Api::configured(&config.rabbitmq_api, broker.vhost())?,
            None => None,
        };
        Ok(Self { broker, api, link: None })
    }

    pub(super) async fn look(&mut self, lanes: &[String]) -> Seen {
        let mut names: Vec<String> = lanes.iter().map(|lane| work_queue(lane)).collect();
        names.push(DEAD.to_owned());
        let api = self.api.clone();
        let asked = async {
            match api {
                Some(api) => api.queues().await.unwrap_or_default(),
                None => Vec::new(),
            }
        };
        let (over_amqp, figures) = tokio::join!(self.over_amqp(&names), asked);
        let mut seen = match over_amqp {
            Ok(Some(queues)) => Seen { up: Some(true), why: None, queues },
            Ok(None) => Seen { why: Some("amqp.url is not set".to_owned()), ..Seen::default() },
            Err(why) => Seen { up: Some(false), why: Some(why), queues: Vec::new() },
        };
        if seen.queues.is_empty() {
            let unknown = |name: String| Queue { name, ..Queue::default() };
            seen.queues = names.into_iter().map(unknown).collect();
        }
        for queue in &mut seen.queues {
            if let Some(found) = figures.iter().find(|found| found.name == queue.name) {
                queue.ready = queue.ready.or(found.messages_ready);
                queue.consumers = queue.consumers.or(found.consumers);
                queue.unacked = found.messages_unacknowledged;
            }
        }
        seen
    }

    /// The queues over AMQP; none: it is not configured; an error: why it does not answer.
    async fn over_amqp(&mut self, names: &[String]) -> Result<Option<Vec<Queue>>, String> {
        let Some(broker) = &self.broker else { return Ok(None) };
        let link = self.link.take().filter(Link::is_connected);
        let asked = tokio::time::timeout(LIMIT, async {
            let link = match link {
                Some(link) => link,
                None => broker.connect("waybill top").await?,
            };
            let mut queues = Vec::with_capacity(names.len());
            for name in names {
                let depth = topology::depth(&link, name).await?;
                let (ready, consumers) =
                    depth.map(|(ready, consumers)| (ready.into(), consumers.into())).unzip();
                queues.push(Queue { name: name.clone(), ready, consumers, unacked: None });
            }
            Ok::<_, waybill_broker::BrokerError>((link, queues))
        });
        match asked.await {
            Ok(Ok((link, queues))) => {
                self.link = Some(link);
                Ok(Some(queues))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LIMIT.as_secs())),
        }
    }

    pub(super) async fn close(self) {
        if let Some(link) = self.link {
            // it may be gone, and hang
            let _ = tokio::time::timeout(LIMIT, link.close()).await;
        }
    }
}
