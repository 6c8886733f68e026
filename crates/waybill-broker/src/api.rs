//! RabbitMQ's management API: what cannot be seen over AMQP.
//!
//! Optional. A figure that the API does not give is unknown, never zero; every call has a time
//! limit of its own, for the API of a healthy node may hang when another node is gone, and no call
//! waits for another's answer. This module asks; what the answers mean is said elsewhere.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::BrokerError;
use crate::permissions::Permissions;

/// The section `rabbitmq_api` of the configuration.
#[derive(Clone, Deserialize)]
pub struct Config {
    /// Where the management API is; empty: not used. Holds a password.
    pub url: String,
    /// Each node's Prometheus endpoint, for what the management API does not say or cannot say now.
    pub metrics_urls: Vec<String>,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rabbitmq_api::Config(…, {} metrics_urls)", self.metrics_urls.len())
    }
}

/// For one answer of the API.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// The management API of one virtual host. Cheap to clone.
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
#[derive(Debug, Clone, Default, Deserialize)]
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
    /// A quorum queue's members, up or not.
    pub members: Option<Vec<String>>,
    /// Those of them that are up.
    pub online: Option<Vec<String>>,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// What policies and operator policies together say of it; none while the API does not know yet
    /// (some seconds after a queue or a policy was made).
    pub effective_policy_definition: Option<Value>,
    /// The policy that applies to it.
    pub policy: Option<String>,
    /// The operator policy that applies to it.
    pub operator_policy: Option<String>,
    message_stats: Option<Value>,
}

impl QueueFigures {
    /// Deliveries acknowledged since the queue was declared; none where the API keeps no statistics
    /// of it.
    pub fn acknowledged(&self) -> Option<u64> {
        let statistics = self.message_stats.as_ref()?.as_object()?;
        Some(statistics.get("ack").and_then(Value::as_u64).unwrap_or_default())
    }

    /// Whether a majority of its members is up; none where the API does not say.
    pub fn has_majority(&self) -> Option<bool> {
        let (members, online) = (self.members.as_ref()?, self.online.as_ref()?);
        Some(online.len() * 2 > members.len())
    }
}

/// A binding as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Binding {
    /// The exchange.
    pub source: String,
    /// The queue or exchange it leads to.
    pub destination: String,
    /// The routing key.
    pub routing_key: String,
}

/// An exchange as the API shows it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ExchangeFigures {
    /// Its name.
    pub name: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// The policy that applies to it.
    pub policy: Option<String>,
}

/// A policy as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What it sets.
    pub definition: Map<String, Value>,
}

/// How much the virtual host could not route since RabbitMQ's statistics began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unroutable {
    /// Given back to their publisher.
    pub returned: Option<u64>,
    /// Dropped without a word.
    pub dropped: Option<u64>,
}

/// What a health check of the API said.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// All well.
    Ok,
    /// Not well; the API's own words, as JSON.
    Failed(Value),
    /// This version of RabbitMQ has no such check.
    NoSuchCheck,
}

impl Api {
    /// The API at `url` (`http://user:password@host:port`), for one virtual host.
    ///
    /// # Errors
    /// When the client cannot be built or `url` is no URL.
    pub fn new(url: &str, vhost: &str) -> Result<Self, BrokerError> {
        reqwest::Url::parse(url)
            .map_err(|_| BrokerError::Configuration("rabbitmq_api.url is not a URL".into()))?;
        Ok(Self { client: client()?, base: url.trim_end_matches('/').to_owned(), vhost: escape(vhost) })
    }

    /// The API, where the section names one.
    ///
    /// # Errors
    /// As [`Api::new`].
    pub fn configured(config: &Config, vhost: &str) -> Result<Option<Self>, BrokerError> {
        if config.url.is_empty() { Ok(None) } else { Self::new(&config.url, vhost).map(Some) }
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Value), BrokerError> {
        let response = self.client.get(format!("{}/api/{path}", self.base)).send().await.map_err(silent)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let what = "its management API refused the credentials: the user needs the tag `monitoring`";
            return Err(BrokerError::Unavailable(what.into()));
        }
        Ok((status, response.json().await.map_err(silent)?))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BrokerError> {
        let odd = |what: String| BrokerError::Unavailable(format!("its management API {what}"));
        let (status, body) = self.ask(path).await?;
        if !status.is_success() {
            return Err(odd(format!("answered {status}")));
        }
        T::deserialize(body).map_err(|_| odd("answered in a form that this version cannot read".into()))
    }

    /// RabbitMQ's version, for instance `4.0.5`.
    pub async fn version(&self) -> Result<String, BrokerError> {
        #[derive(Deserialize)]
        struct Overview {
            rabbitmq_version: String,
        }
        Ok(self.get::<Overview>("overview?disable_stats=true").await?.rabbitmq_version)
    }

    /// Every queue of the virtual host.
    pub async fn queues(&self) -> Result<Vec<QueueFigures>, BrokerError> {
        self.get(&format!("queues/{}", self.vhost)).await
    }

    /// Every binding of the virtual host.
    pub async fn bindings(&self) -> Result<Vec<Binding>, BrokerError> {
        self.get(&format!("bindings/{}", self.vhost)).await
    }

    /// Every exchange of the virtual host.
    pub async fn exchanges(&self) -> Result<Vec<ExchangeFigures>, BrokerError> {
        self.get(&format!("exchanges/{}", self.vhost)).await
    }

    /// Every policy of the virtual host; operator policies cannot touch an exchange.
    pub async fn policies(&self) -> Result<Vec<Policy>, BrokerError> {
        self.get(&format!("policies/{}", self.vhost)).await
    }

    /// What `user` may do in the virtual host; none: nothing at all. The API shows this to users with
    /// the tag `administrator` alone.
    pub async fn permissions(&self, user: &str) -> Result<Option<Permissions>, BrokerError> {
        let path = format!("permissions/{}/{}", self.vhost, escape(user));
        let (status, body) = self.ask(&path).await?;
        match status {
            StatusCode::OK => Ok(Permissions::deserialize(body).ok()),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(BrokerError::Unavailable(format!("its management API answered {other}"))),
        }
    }

    /// Connections to the virtual host that are blocked, or will be at their next publish.
    pub async fn connections_blocked(&self) -> Result<u64, BrokerError> {
        #[derive(Deserialize)]
        struct Connection {
            state: Option<String>,
        }
        let path = format!("vhosts/{}/connections?columns=state", self.vhost);
        let connections: Vec<Connection> = self.get(&path).await?;
        let is_blocked = |c: &&Connection| matches!(c.state.as_deref(), Some("blocked" | "blocking"));
        Ok(connections.iter().filter(is_blocked).count() as u64)
    }

    /// What could not be routed in the virtual host.
    pub async fn unroutable(&self) -> Result<Unroutable, BrokerError> {
        let vhost: Value = self.get(&format!("vhosts/{}", self.vhost)).await?;
        let count = |key: &str| vhost["message_stats"][key].as_u64();
        Ok(Unroutable { returned: count("return_unroutable"), dropped: count("drop_unroutable") })
    }

    /// Resource alarms in effect anywhere in the cluster, for instance `memory` and `disk`.
    pub async fn alarms(&self) -> Result<Vec<String>, BrokerError> {
        match self.health("alarms").await? {
            Health::Failed(body) => {
                let alarms = body["alarms"].as_array().cloned().unwrap_or_default();
                Ok(alarms.iter().filter_map(|alarm| alarm["resource"].as_str().map(alarm_kind)).collect())
            }
            Health::Ok => Ok(Vec::new()),
            Health::NoSuchCheck => {
                Err(BrokerError::Unavailable("its management API has no check of alarms".into()))
            }
        }
    }

    /// Asks one of `/api/health/checks/`; which there are depends on RabbitMQ's version.
    pub async fn health(&self, check: &str) -> Result<Health, BrokerError> {
        let (status, body) = self.ask(&format!("health/checks/{check}")).await?;
        match status {
            StatusCode::OK => Ok(Health::Ok),
            StatusCode::SERVICE_UNAVAILABLE => Ok(Health::Failed(body)),
            StatusCode::NOT_FOUND => Ok(Health::NoSuchCheck),
            other => Err(BrokerError::Unavailable(format!("its management API answered {other}"))),
        }
    }

    /// Whether losing one more node would cost a queue its majority, or one has lost it.
    pub async fn quorum_critical(&self) -> Result<bool, BrokerError> {
        let leaderless = format!("quorum-queues-without-elected-leaders/vhost/{}", self.vhost);
        let (critical, leaderless) =
            tokio::join!(self.health("node-is-quorum-critical"), self.health(&leaderless));
        // the second came with 4.1: where it is missing or silent, the first says what is known
        let has_failed = |health: &Health| matches!(health, Health::Failed(_));
        let critical = match critical? {
            Health::NoSuchCheck => {
                return Err(BrokerError::Unavailable("its management API has no check of quorum".into()));
            }
            known => has_failed(&known),
        };
        Ok(critical || leaderless.is_ok_and(|health| has_failed(&health)))
    }
}

/// The kind of an alarm, as metrics name it: the API says `disk space` (3.10 to 4.x), its documentation `disk`.
fn alarm_kind(resource: &str) -> String {
    match resource {
        "disk space" => "disk".to_owned(),
        other => other.to_owned(),
    }
}

/// A name as part of a URL (RFC 3986, section 2.1).
pub(crate) fn escape(name: &str) -> String {
    let escaped = name.bytes().map(|b| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}

/// A client for RabbitMQ's HTTP interfaces.
pub(crate) fn client() -> Result<reqwest::Client, BrokerError> {
    reqwest::Client::builder()
        .timeout(ANSWER_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| BrokerError::Configuration("rabbitmq_api: no HTTP client can be made".into()))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "for map_err; the URL, which holds a password, goes no further"
)]
fn silent(error: reqwest::Error) -> BrokerError {
    let what = if error.is_timeout() {
        "gave no answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else if error.is_decode() {
        "did not answer in JSON"
    } else {
        "broke off"
    };
    BrokerError::Unavailable(format!("its management API {what}"))
}
