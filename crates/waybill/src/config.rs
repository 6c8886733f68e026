//! What `waybill` needs to know. A command reads the sections it uses: `migrate` needs no broker.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use waybill_core::credential::{self, Pepper};
use waybill_process::config::{Layers, Mistakes, Process};

/// The section `serve`.
#[derive(Debug, Clone, Deserialize)]
pub struct Serve {
    /// The admin port.
    pub admin_listen: String,
    /// Between two passes of each sweep, in milliseconds.
    pub sweep_ms: u64,
    /// Rows one pass may change.
    pub sweep_rows_max: u32,
    /// Messages accepted this recently are balanced on each pass, in seconds.
    pub balance_window_s: u64,
    /// Messages of the whole ledger that each pass balances besides.
    pub balance_page: u32,
    /// Seconds for which a published message is not taken for lost, whatever the broker counts.
    pub lost_grace_s: u64,
    /// Whether queues and exchanges that are missing are declared again.
    pub redeclare: bool,
    /// Seconds that a worker's claim lasts: `worker.claim_lease_s`.
    #[serde(skip)]
    pub claim_lease_s: u64,
}

/// The section `plans`: replay plans.
#[derive(Debug, Clone, Deserialize)]
pub struct Plans {
    /// Dead letters in one plan.
    pub items_max: u32,
    /// Plans that run at once.
    pub active_max: u32,
    /// Replays of one plan whose outcome is not known yet.
    pub window_max: u32,
    /// Between two steps of a plan, in milliseconds.
    pub step_ms: u64,
    /// Days for which a plan that ended, and its items, are kept.
    pub retention_days: u32,
}

impl Plans {
    /// What is wrong with the values; empty: nothing.
    fn mistakes(&self) -> Vec<&'static str> {
        let rules = [
            ((1..=10_000_000).contains(&self.items_max), "plans.items_max must be from 1 to 10000000"),
            (self.active_max > 0, "plans.active_max must be above 0"),
            ((1..=100_000).contains(&self.window_max), "plans.window_max must be from 1 to 100000"),
            (self.step_ms > 0, "plans.step_ms must be above 0"),
            ((1..=36_500).contains(&self.retention_days), "plans.retention_days must be from 1 to 36500"),
        ];
        rules.into_iter().filter(|(fine, _)| !fine).map(|(_, rule)| rule).collect()
    }
}

/// What of the section `worker` the sweeps must know.
#[derive(Debug, Clone, Deserialize)]
struct Worker {
    claim_lease_s: u64,
}

impl Serve {
    /// A claim that reaches further ahead, in seconds, was made by no worker. Generous: not every
    /// worker need have the same lease.
    pub fn claim_s_max(&self) -> f64 {
        Duration::from_secs(self.claim_lease_s.saturating_mul(10).max(600)).as_secs_f64()
    }

    /// For how long a published message is not taken for lost.
    pub const fn lost_grace(&self) -> Duration {
        Duration::from_secs(self.lost_grace_s)
    }
}

/// The section `discard`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Discard {
    /// Seconds for which a discard may be undone.
    pub undo_s_max: u64,
}

impl Discard {
    /// Places and bodies are kept for a day after a discard, and no longer.
    const UNDO_S_MAX: u64 = 86_400;

    /// For how long a discard may be undone.
    pub const fn grace(self) -> Duration {
        Duration::from_secs(self.undo_s_max)
    }
}

/// What every command may use; each has what it needs checked with [`Config::load`].
#[derive(Clone)]
pub struct Config {
    /// The section `database`.
    pub database: waybill_store::Config,
    /// The section `amqp`.
    pub amqp: waybill_broker::Config,
    /// The section `rabbitmq_api`.
    pub rabbitmq_api: waybill_broker::api::Config,
    /// The secret under which keys are hashed, where one is set.
    pub pepper: Option<Pepper>,
    /// The section `relay`.
    pub relay: waybill_relay::Config,
    /// The section `serve`.
    pub serve: Serve,
    /// The section `discard`.
    pub discard: Discard,
    /// The section `plans`.
    pub plans: Plans,
    /// The section `console`.
    pub console: waybill_console::Config,
    /// The section `process`.
    pub process: Process,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config({:?}, {:?})", self.database, self.amqp)
    }
}

/// What a command cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The ledger.
    Ledger,
    /// RabbitMQ.
    Broker,
    /// The pepper.
    Pepper,
}

impl Config {
    /// Reads the file at `path` and the environment.
    ///
    /// # Errors
    /// Every mistake in them, and what of `needs` is missing.
    pub fn load(path: Option<&Path>, needs: &[Need]) -> Result<Self, Mistakes> {
        Self::read(Layers::load(path), needs)
    }

    /// Reads merged layers.
    ///
    /// # Errors
    /// Every mistake in them, and what of `needs` is missing.
    pub fn read(mut layers: Layers, needs: &[Need]) -> Result<Self, Mistakes> {
        let database = layers.section("database");
        let amqp: Option<waybill_broker::Config> = layers.section("amqp");
        let rabbitmq_api = layers.section("rabbitmq_api");
        let auth: Option<credential::Config> = layers.section("auth");
        let relay: Option<waybill_relay::Config> = layers.section("relay");
        let mut serve: Option<Serve> = layers.section("serve");
        let worker: Option<Worker> = layers.section("worker");
        if let (Some(serve), Some(worker)) = (&mut serve, &worker) {
            serve.claim_lease_s = worker.claim_lease_s;
        }
        let discard: Option<Discard> = layers.section("discard");
        let plans: Option<Plans> = layers.section("plans");
        let console: Option<waybill_console::Config> = layers.section("console");
        let process = layers.section("process");
        if needs.contains(&Need::Ledger) {
            layers.needs("database", "url");
        }
        if needs.contains(&Need::Broker) {
            layers.needs("amqp", "url");
        }
        let pepper = auth.and_then(|auth| auth.pepper());
        if needs.contains(&Need::Pepper) {
            layers.check(
                pepper.is_some(),
                "auth.pepper: a secret of at least 32 characters is needed (WAYBILL_AUTH__PEPPER), the same for ingest-api",
            );
        }
        if let Some(serve) = &serve {
            layers.check(serve.sweep_ms > 0, "serve.sweep_ms must be above 0");
            layers.check(serve.balance_page > 0, "serve.balance_page must be above 0");
            layers.check(serve.sweep_rows_max > 0, "serve.sweep_rows_max must be above 0");
            layers.check(
                serve.lost_grace_s >= 10,
                "serve.lost_grace_s must be at least 10: RabbitMQ's figures are that old",
            );
        }
        if let Some(discard) = &discard {
            layers.check(
                discard.undo_s_max <= Discard::UNDO_S_MAX,
                "discard.undo_s_max must be at most 86400: what an undo needs is kept for a day",
            );
        }
        for mistake in plans.iter().flat_map(Plans::mistakes) {
            layers.check(false, mistake);
        }
        if let (Some(relay), Some(amqp)) = (&relay, &amqp) {
            for mistake in relay.mistakes(Duration::from_millis(amqp.timeout_ms)) {
                layers.check(false, mistake);
            }
        }
        for mistake in console.iter().flat_map(waybill_console::Config::mistakes) {
            layers.check(false, &mistake);
        }
        let config = (|| {
            Some(Self {
                database: database?,
                amqp: amqp?,
                rabbitmq_api: rabbitmq_api?,
                pepper,
                relay: relay?,
                serve: serve?,
                discard: discard?,
                plans: plans?,
                console: console?,
                process: process?,
            })
        })();
        layers.finish(config)
    }
}
