//! RabbitMQ's management API: what cannot be seen over AMQP.
//!
//! Optional. A figure that the API does not give is unknown, never zero; every call has a time
//! limit, for the API of a healthy node may hang when another node is gone.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::BrokerError;
use crate::topology::{self, Argument};

/// The management API of one virtual host.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    base: String,
    vhost: String,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the URL holds a password
        write!(f, "Api({})", self.vhost)
    }
}

/// A queue as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct QueueFigures {
    /// Its name.
    pub name: String,
    /// Ready messages.
    pub messages_ready: Option<u64>,
    /// Deliveries in hand.
    pub messages_unacknowledged: Option<u64>,
    /// All it has: ready, in hand, and what the broker does not yet sort under either.
    pub messages: Option<u64>,
    /// Consumers.
    pub consumers: Option<u64>,
    #[serde(default)]
    message_stats: Value,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    effective_policy_definition: Value,
}

impl QueueFigures {
    /// Deliveries acknowledged since the queue was declared; none where the API does not say.
    pub fn acknowledged(&self) -> Option<u64> {
        self.message_stats.get("ack").and_then(Value::as_u64)
    }
}

#[derive(Deserialize)]
struct Binding {
    source: String,
    destination: String,
    routing_key: String,
}

/// Policy keys that can lose messages or bury them early, whatever the arguments say.
const RISKY_POLICY_KEYS: [&str; 6] =
    ["message-ttl", "expires", "max-length", "max-length-bytes", "delivery-limit", "overflow"];

impl Api {
    /// The API at `url` (`http://user:password@host:port`), for one virtual host.
    ///
    /// # Errors
    /// When the client cannot be built or `url` is no URL.
    pub fn new(url: &str, vhost: &str) -> Result<Self, BrokerError> {
        let refuse = |_| BrokerError::Configuration("rabbitmq_api.url cannot be used".into());
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(refuse)?;
        reqwest::Url::parse(url)
            .map_err(|_| BrokerError::Configuration("rabbitmq_api.url is not a URL".into()))?;
        let vhost = vhost.bytes().map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        });
        Ok(Self { client, base: url.trim_end_matches('/').to_owned(), vhost: vhost.collect() })
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, BrokerError> {
        let unavailable =
            |e: reqwest::Error| BrokerError::Unavailable(format!("its management API: {}", e.without_url()));
        let response = self
            .client
            .get(format!("{}/api/{path}", self.base))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(unavailable)?;
        response.json().await.map_err(unavailable)
    }

    /// Every queue of the virtual host.
    pub async fn queues(&self) -> Result<Vec<QueueFigures>, BrokerError> {
        self.get(&format!("queues/{}", self.vhost)).await
    }

    /// Resource alarms in effect anywhere in the cluster, for instance `memory` and `disk`.
    pub async fn alarms(&self) -> Result<Vec<String>, BrokerError> {
        let url = format!("{}/api/health/checks/alarms", self.base);
        let unavailable =
            |e: reqwest::Error| BrokerError::Unavailable(format!("its management API: {}", e.without_url()));
        let response = self.client.get(url).send().await.map_err(unavailable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(Vec::new());
        }
        if status != reqwest::StatusCode::SERVICE_UNAVAILABLE {
            return Err(BrokerError::Unavailable(format!("its management API answered {status}")));
        }
        let body: Value = response.json().await.map_err(unavailable)?;
        let alarms = body["alarms"].as_array().cloned().unwrap_or_default();
        Ok(alarms.iter().filter_map(|alarm| alarm["resource"].as_str().map(str::to_owned)).collect())
    }

    /// What differs in queues, policies and bindings from what these lanes need, each in words.
    pub async fn differences(&self, lanes: &[String]) -> Result<Vec<String>, BrokerError> {
        let there = self.queues().await?;
        let bindings: Vec<Binding> = self.get(&format!("bindings/{}", self.vhost)).await?;
        let mut found = Vec::new();
        for wanted in topology::queues(lanes) {
            let Some(queue) = there.iter().find(|queue| queue.name == wanted.name) else {
                found.push(format!("{} is missing: run `waybill topology apply`", wanted.name));
                continue;
            };
            for (key, value) in &wanted.arguments {
                let same = match value {
                    Argument::Number(number) => queue.arguments.get(*key) == Some(&(*number).into()),
                    Argument::Word(word) => queue.arguments.get(*key) == Some(&(*word).into()),
                };
                if !same {
                    found.push(format!("{}: argument {key} is not {value:?}", wanted.name));
                }
            }
            for key in RISKY_POLICY_KEYS {
                if queue.effective_policy_definition.get(key).is_some() {
                    found.push(format!("{}: a policy sets {key}: remove that policy", wanted.name));
                }
            }
            let bound = bindings.iter().any(|binding| {
                binding.source == wanted.binding.0
                    && binding.destination == wanted.name
                    && binding.routing_key == wanted.binding.1
            });
            if !bound {
                found.push(format!("{} is not bound to {}", wanted.name, wanted.binding.0));
            }
        }
        Ok(found)
    }
}
