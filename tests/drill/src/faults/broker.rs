//! What may happen inside RabbitMQ while it runs: done over its management API.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::points::bury;
use super::service::piled_up;
use crate::fleet::Role;
use crate::run::{Patience, until};
use crate::stage::{Stage, create_vhost};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broker {
    /// The work queue is deleted, with what it holds.
    QueueDeleted,
    /// The work queue is deleted, and declared again before those who subscribe to it have seen it.
    QueueReplaced,
    /// The work queue is emptied by somebody's hand.
    QueuePurged,
    /// The work queue takes no more.
    QueueFull,
    /// The queue for dead letters is deleted.
    DeadQueueDeleted,
    /// The exchange is deleted.
    ExchangeDeleted,
    /// The exchange no longer leads to the queue.
    Unbound,
    /// Nobody may do anything any more.
    Forbidden,
    /// All connections are closed, for a while.
    Disconnected,
    /// The virtual host is gone, with everything in it.
    VhostDeleted,
    /// It is killed while confirmed envelopes wait in its queues.
    KilledFull,
    /// It is killed, and comes back with nothing.
    Wiped,
}

const QUEUE: &str = "waybill.work.default";
/// Confirmed envelopes that nobody has fetched.
const WAITING: &str = "select count(*) from progress where state = 'published'";

impl Broker {
    /// Whether no worker is left while it lasts.
    pub(super) const fn takes_workers(self) -> bool {
        match self {
            Self::QueueDeleted
            | Self::QueuePurged
            | Self::QueueFull
            | Self::VhostDeleted
            | Self::KilledFull
            | Self::Wiped => true,
            Self::QueueReplaced
            | Self::DeadQueueDeleted
            | Self::ExchangeDeleted
            | Self::Unbound
            | Self::Forbidden
            | Self::Disconnected => false,
        }
    }

    pub(super) async fn inject(self, stage: &mut Stage) -> Result<()> {
        match self {
            Self::QueueDeleted => {
                without_workers(stage).await?;
                delete(stage, "queues", QUEUE).await
            }
            Self::QueueReplaced => {
                signal_workers(stage, "STOP")?;
                envelopes_wait(stage).await?;
                replace(stage).await?;
                signal_workers(stage, "CONT")
            }
            Self::QueuePurged => {
                without_workers(stage).await?;
                delete(stage, "queues", &format!("{QUEUE}/contents")).await
            }
            Self::QueueFull => {
                stop_workers(stage).await?;
                let policy = json!({"pattern": "^waybill.work", "definition": {"max-length": 3}, "apply-to": "queues"});
                put(stage, "policies", "full", policy).await
            }
            Self::DeadQueueDeleted => {
                until("RabbitMQ to take no dead letter", Patience::BITE, async || {
                    // it may have been declared anew just now
                    let _ = delete(stage, "queues", "waybill.dead").await;
                    Ok(!bury(stage).await?)
                })
                .await
            }
            Self::ExchangeDeleted => {
                // again and again, for it is declared anew as soon as it is missed
                let (services, path) = (stage.services.clone(), stage.in_vhost("exchanges", "waybill.in"));
                delete(stage, "exchanges", "waybill.in").await?;
                stage.hold("broker", async move {
                    loop {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        let _ = services.api(Method::DELETE, &path, None).await;
                    }
                });
                Ok(())
            }
            Self::Unbound => delete(stage, "bindings", &format!("e/waybill.in/q/{QUEUE}/default")).await,
            Self::Forbidden => {
                delete(stage, "permissions", "waybill").await?;
                // an open connection keeps what it had leave to do
                disconnect_all(stage).await.map(drop)
            }
            Self::Disconnected => {
                let closed = disconnect_all(stage).await?;
                ensure!(closed > 5, "RabbitMQ listed only {closed} connections");
                Ok(())
            }
            Self::KilledFull => {
                without_workers(stage).await?;
                stage.services.control(&["rabbitmq", "kill"]).await.map(drop)
            }
            Self::Wiped => {
                without_workers(stage).await?;
                stage.services.control(&["rabbitmq", "wipe"]).await.map(drop)
            }
            Self::VhostDeleted => {
                without_workers(stage).await?;
                let path = format!("vhosts/{}", stage.name);
                stage.services.api(Method::DELETE, &path, None).await.map(drop)
            }
        }
    }

    pub(super) async fn bitten(self, stage: &Stage) -> Result<String> {
        match self {
            Self::QueuePurged | Self::QueueReplaced => {
                Ok(format!("{} envelopes were gone at once", stage.count(WAITING).await?))
            }
            Self::DeadQueueDeleted => Ok("RabbitMQ took no dead letter any more".into()),
            Self::Disconnected => Ok("connections were closed again and again, for 6 s".into()),
            _ => piled_up(stage).await,
        }
    }

    pub(super) async fn heal(self, stage: &mut Stage) -> Result<()> {
        stage.let_go("broker");
        match self {
            Self::QueueFull => {
                let path = stage.in_vhost("policies", "full");
                let _ = stage.services.api(Method::DELETE, &path, None).await;
            }
            Self::KilledFull => stage.services.control(&["rabbitmq", "start"]).await.map(drop)?,
            Self::Wiped => {
                stage.services.control(&["rabbitmq", "start"]).await?;
                create_vhost(&stage.services, &stage.name).await?;
            }
            Self::Forbidden | Self::VhostDeleted => create_vhost(&stage.services, &stage.name).await?,
            _ => {}
        }
        stage.waybill(&["topology", "apply"]).await?;
        for at in stage.fleet.of(Role::Worker) {
            if !stage.fleet.members[at].runs() {
                stage.fleet.start(at)?;
            }
        }
        Ok(())
    }
}

/// Stops the workers and waits until confirmed envelopes wait in the queue, so that there is
/// something to lose.
async fn without_workers(stage: &mut Stage) -> Result<()> {
    stop_workers(stage).await?;
    envelopes_wait(stage).await
}

async fn envelopes_wait(stage: &Stage) -> Result<()> {
    until("envelopes to wait in the queue", Patience::BITE, async || Ok(stage.count(WAITING).await? >= 50))
        .await
}

fn signal_workers(stage: &Stage, name: &str) -> Result<()> {
    stage.fleet.of(Role::Worker).into_iter().try_for_each(|at| stage.fleet.members[at].signal(name))
}

/// Deletes the work queue, with what it holds, and declares it again at once.
async fn replace(stage: &Stage) -> Result<()> {
    let queue = stage.services.api(Method::GET, &stage.in_vhost("queues", QUEUE), None).await?;
    delete(stage, "queues", QUEUE).await?;
    put(stage, "queues", QUEUE, json!({"durable": true, "arguments": queue["arguments"]})).await?;
    let path = stage.in_vhost("bindings", &format!("e/waybill.in/q/{QUEUE}"));
    stage.services.api(Method::POST, &path, Some(json!({"routing_key": "default"}))).await.map(drop)
}

async fn stop_workers(stage: &mut Stage) -> Result<()> {
    for at in stage.fleet.of(Role::Worker) {
        stage.fleet.members[at].signal("TERM")?;
        stage.fleet.members[at].ended(Duration::from_secs(30)).await?;
    }
    Ok(())
}

async fn delete(stage: &Stage, what: &str, name: &str) -> Result<()> {
    stage.services.api(Method::DELETE, &stage.in_vhost(what, name), None).await.map(drop)
}

async fn put(stage: &Stage, what: &str, name: &str, body: Value) -> Result<()> {
    stage.services.api(Method::PUT, &stage.in_vhost(what, name), Some(body)).await.map(drop)
}

/// Closes all connections again and again, for longer than RabbitMQ takes to list a new one (5 s); how
/// many.
async fn disconnect_all(stage: &Stage) -> Result<usize> {
    let mut closed = 0;
    for _ in 0..24 {
        closed += disconnect(stage).await?;
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(closed)
}

/// Closes every connection that RabbitMQ lists for the virtual host; how many.
async fn disconnect(stage: &Stage) -> Result<usize> {
    let path = format!("vhosts/{}/connections", stage.name);
    let listed = stage.services.api(Method::GET, &path, None).await?;
    let mut closed = 0;
    for connection in listed.as_array().into_iter().flatten() {
        let name = connection["name"].as_str().unwrap_or_default();
        let name = name.replace(' ', "%20").replace('>', "%3E").replace(':', "%3A");
        // one that has gone meanwhile is no matter
        let gone = stage.services.api(Method::DELETE, &format!("connections/{name}"), None).await;
        closed += usize::from(gone.is_ok());
    }
    Ok(closed)
}
