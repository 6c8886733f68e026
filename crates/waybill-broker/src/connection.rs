//! Connections to RabbitMQ: one per role, made anew after every fault.
//!
//! lapin's own recovery is off: with it, a publish hung for a minute after a broker was killed.
//! Whoever uses a [`Link`] drops it on any error and asks for another one; whoever consumes closes it,
//! for lapin keeps a connection open for as long as it knows of a consumer on it. While the broker
//! blocks publishers (a memory or disk alarm) lapin writes nothing at all on the connection, hence the
//! rule of one connection per role, and the flag [`Link::is_blocked`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::time::timeout;

use crate::BrokerError;

/// The section `amqp` of the configuration.
#[derive(Clone, serde::Deserialize)]
pub struct Config {
    /// Where the broker is; holds a password.
    pub url: String,
    /// Seconds between heartbeats; a silent broker is given up after twice this.
    pub heartbeat_s: u16,
    /// For each step of connecting, and for a window's confirms, in milliseconds.
    pub timeout_ms: u64,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "amqp::Config(…, heartbeat_s = {})", self.heartbeat_s)
    }
}

/// How to reach the broker. Cheap to clone.
#[derive(Clone)]
pub struct Broker {
    uri: AMQPUri,
    /// For each step of connecting, and for the confirms of a window.
    pub(crate) limit: Duration,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Broker({})", self.uri.authority.host)
    }
}

/// A live connection.
#[derive(Debug)]
pub struct Link {
    connection: Connection,
    blocked: Arc<AtomicBool>,
    pub(crate) limit: Duration,
}

impl Broker {
    /// Reads the URL; connects to nothing yet.
    ///
    /// # Errors
    /// When the URL is none that this client can use.
    pub fn new(config: &Config) -> Result<Self, BrokerError> {
        if config.url.contains('[') {
            // the client's parser would quietly connect to localhost
            return Err(BrokerError::Configuration(
                "amqp.url: IPv6 literals are not supported, use a host name".into(),
            ));
        }
        let mut uri: AMQPUri = config
            .url
            .parse()
            .map_err(|_| BrokerError::Configuration("amqp.url is not an AMQP URL".into()))?;
        uri.query.heartbeat = Some(config.heartbeat_s);
        Ok(Self { uri, limit: Duration::from_millis(config.timeout_ms) })
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// Connects in the role `name`, which RabbitMQ's console then shows.
    pub async fn connect(&self, name: &str) -> Result<Link, BrokerError> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = Connection::connect_uri(self.uri.clone(), properties);
        let connection =
            timeout(self.limit, connecting).await.map_err(|_| BrokerError::timeout("connecting"))??;
        let blocked = Arc::new(AtomicBool::new(false));
        let mut events = Box::pin(connection.events_listener());
        let flag = Arc::clone(&blocked);
        // ends with the connection, whose drop closes the stream of events
        #[expect(clippy::disallowed_methods, reason = "owned by the connection, holds nothing")]
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                match event {
                    Event::ConnectionBlocked(reason) => {
                        flag.store(true, Ordering::Relaxed);
                        tracing::warn!(reason, "RabbitMQ blocks publishers; messages wait in the ledger");
                    }
                    Event::ConnectionUnblocked => {
                        flag.store(false, Ordering::Relaxed);
                        tracing::info!("RabbitMQ takes publishes again");
                    }
                    _ => {}
                }
            }
        });
        Ok(Link { connection, blocked, limit: self.limit })
    }
}

impl Link {
    /// Whether the connection is still up.
    pub fn is_connected(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker blocks publishers.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// A new channel.
    pub(crate) async fn channel(&self) -> Result<Channel, BrokerError> {
        let channel = timeout(self.limit, self.connection.create_channel())
            .await
            .map_err(|_| BrokerError::timeout("opening a channel"))??;
        Ok(channel)
    }

    /// Closes in good order, but not for long.
    pub async fn close(self) {
        let closing = self.connection.close(200, "bye".into());
        let _ = timeout(Duration::from_secs(2), closing).await;
    }
}
