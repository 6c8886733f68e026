//! The relay: the one function that publishes. It moves due rows of the ledger into the broker.
//!
//! Woken by a hint, driven by a scan: the hint carries no data and may be lost, the scan finds
//! everything. A row is marked published only after its confirm; whatever was not confirmed stays
//! due. Nothing else in Waybill publishes: retry, replay and repair only make rows due. Any number
//! of relays may run; a lease keeps them off each other's windows, and a window published twice
//! costs a wake-up, never an effect.

mod gate;
mod room;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use waybill_broker::guard::Guard;
use waybill_broker::publisher::Publisher;
use waybill_broker::{Broker, BrokerError, Link};
use waybill_process::{Readiness, chance};
use waybill_store::{Store, StoreError};

pub use window::Report;

/// The section `relay` of the configuration.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Config {
    /// Whether this process runs a relay.
    pub enabled: bool,
    /// Envelopes published before their confirms are awaited.
    pub window_max: u32,
    /// Seconds after which a leased row is due again.
    pub lease_s: u64,
    /// Seconds after which an unconfirmed row is due again.
    pub retry_s: u64,
    /// The ledger is scanned at least this often, in milliseconds.
    pub scan_ms: u64,
    /// Envelopes of a lane that may wait in the broker.
    pub lane_published_max: u32,
}

impl Config {
    /// What is wrong with the values, given the time a window may take; empty: nothing.
    pub fn mistakes(&self, window_limit: Duration) -> Vec<&'static str> {
        let rules = [
            (self.window_max > 0, "relay.window_max must be above 0"),
            (self.scan_ms > 0, "relay.scan_ms must be above 0"),
            (self.lane_published_max > 0, "relay.lane_published_max must be above 0"),
            (
                Duration::from_secs(self.lease_s) > window_limit * 2,
                "relay.lease_s must be more than twice amqp.timeout_ms, or windows are published twice",
            ),
        ];
        rules.into_iter().filter(|(fine, _)| !fine).map(|(_, rule)| rule).collect()
    }
}

/// Why a session with the broker ended.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The broker's side.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The ledger's side.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A relay.
#[derive(Debug)]
pub struct Relay {
    store: Store,
    broker: Broker,
    config: Config,
    hint: Arc<Notify>,
    guard: Guard,
    condition: Readiness,
}

/// A session that lasted this long had got going.
const GOING: Duration = Duration::from_secs(10);

/// The label values of `waybill_publishes_total`.
const RESULTS: [&str; 5] = ["confirmed", "returned", "nacked", "timeout", "failed"];

impl Relay {
    /// A relay that `hint` wakes and `guard` may stop. What it lacks it says in `condition`, as
    /// `relay`, `ledger-of-relay` and `topology`: the process goes on without it.
    pub fn new(
        store: Store,
        broker: Broker,
        config: Config,
        hint: Arc<Notify>,
        guard: Guard,
        condition: Readiness,
    ) -> Self {
        for result in RESULTS {
            metrics::counter!("waybill_publishes_total", "result" => result).increment(0);
        }
        metrics::gauge!("waybill_broker_blocked").set(0.0);
        // asking for a histogram makes it exist
        let _ = metrics::histogram!("waybill_confirm_seconds");
        Self { store, broker, config, hint, guard, condition }
    }

    /// Publishes what is due until told to stop, through any number of connections.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut wait = Duration::from_millis(200);
        while !stop.is_cancelled() {
            let began = Instant::now();
            match self.session(&stop).await {
                Ok(()) => break,
                Err(error) => self.condition.misses("relay", error.to_string()),
            }
            if began.elapsed() > GOING {
                // it got going: the waits start anew
                wait = Duration::from_millis(200);
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(jittered(wait)) => {}
            }
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        Ok(())
    }

    /// One connection's life: connect, publish until something breaks.
    async fn session(&self, stop: &CancellationToken) -> Result<(), RelayError> {
        let link = self.broker.connect("waybill relay").await?;
        let publisher = Publisher::open(&link).await?;
        let gate = gate::Gate::new(self.guard.clone(), self.condition.clone());
        let mut session = Session { link, publisher, rooms: room::Rooms::default(), gate };
        self.condition.has("relay");
        let ended = self.publish_until_stopped(stop, &mut session).await;
        metrics::gauge!("waybill_broker_blocked").set(0.0);
        if ended.is_ok() {
            session.link.close().await;
        }
        ended
    }

    /// One pass under a time limit: a network that falls silent answers nothing, ever.
    async fn pass(&self, session: &mut Session) -> Result<Report, RelayError> {
        tokio::time::timeout(Duration::from_secs(self.config.lease_s), self.run_once(session))
            .await
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a pass took too long".into()).into()))
    }

    /// A connection that the broker blocks cannot even be closed: dropping it for a new one would
    /// leak both. So it is kept until the alarm is over, or it is gone.
    async fn wait_while_blocked(&self, stop: &CancellationToken, session: &Session) {
        while session.link.is_blocked() && session.link.is_connected() && !stop.is_cancelled() {
            metrics::gauge!("waybill_broker_blocked").set(1.0);
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(Duration::from_millis(self.config.scan_ms)) => {}
            }
        }
    }

    async fn publish_until_stopped(
        &self,
        stop: &CancellationToken,
        session: &mut Session,
    ) -> Result<(), RelayError> {
        while !stop.is_cancelled() {
            // interest is registered before looking, so that no hint falls in between
            let hinted = self.hint.notified();
            let blocked = session.link.is_blocked();
            metrics::gauge!("waybill_broker_blocked").set(if blocked { 1.0 } else { 0.0 });
            if !session.link.is_connected() {
                return Err(BrokerError::Unavailable("the connection is closed".into()).into());
            }
            let mut more = false;
            if !blocked {
                match self.pass(session).await {
                    Ok(report) if report.broken => {
                        self.wait_while_blocked(stop, session).await;
                        return Err(BrokerError::Unavailable("publishes were not confirmed".into()).into());
                    }
                    Ok(report) => {
                        more = report.more;
                        self.condition.has("ledger-of-relay");
                    }
                    // the ledger's trouble is no reason to leave the broker
                    Err(RelayError::Store(error)) => {
                        self.condition.misses("ledger-of-relay", error.to_string());
                    }
                    Err(broker) => return Err(broker),
                }
            }
            if !more {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = hinted => {}
                    () = tokio::time::sleep(Duration::from_millis(self.config.scan_ms)) => {}
                }
            }
        }
        Ok(())
    }
}

/// What lives as long as one connection.
pub(crate) struct Session {
    link: Link,
    publisher: Publisher,
    rooms: room::Rooms,
    gate: gate::Gate,
}

/// Spreads waits over 0.5 to 1.5 times their length, so that processes do not come back together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + chance::unit())
}
