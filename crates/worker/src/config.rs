//! What `worker` needs to know: its own section, and those it shares with the others.

use std::path::Path;

use serde::Deserialize;
use waybill_process::config::{Layers, Mistakes, Process};

/// The section `worker`.
#[derive(Debug, Clone, Deserialize)]
pub struct Worker {
    /// The admin port.
    pub admin_listen: String,
    /// Which lanes; empty: every lane.
    pub lanes: Vec<String>,
    /// Deliveries in hand, by lane.
    pub prefetch: u16,
    /// Messages claimed and recorded together.
    pub batch_max: usize,
    /// Bytes of their bodies together, unless one alone is larger.
    pub batch_bytes_max: u64,
    /// Batches in hand at once.
    pub executors: usize,
    /// Seconds after which a claim that was not recorded is abandoned.
    pub claim_lease_s: u64,
    /// Seconds one message's processing may take.
    pub process_timeout_s: u64,
}

/// Everything `worker` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The section `database`.
    pub database: waybill_store::Config,
    /// The section `amqp`.
    pub amqp: waybill_broker::Config,
    /// The section `rabbitmq_api`.
    pub rabbitmq_api: waybill_broker::api::Config,
    /// The section `worker`.
    pub worker: Worker,
    /// The section `process`.
    pub process: Process,
}

impl Config {
    /// Reads the file at `path` and the environment.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn load(path: Option<&Path>) -> Result<Self, Mistakes> {
        Self::read(Layers::load(path))
    }

    /// Reads merged layers.
    ///
    /// # Errors
    /// Every mistake in them.
    pub fn read(mut layers: Layers) -> Result<Self, Mistakes> {
        let database = layers.section("database");
        let amqp = layers.section("amqp");
        let rabbitmq_api = layers.section("rabbitmq_api");
        let worker: Option<Worker> = layers.section("worker");
        let process = layers.section("process");
        layers.needs("database", "url");
        layers.needs("amqp", "url");
        if let Some(worker) = &worker {
            layers.check(worker.prefetch > 0, "worker.prefetch must be above 0");
            layers.check(worker.batch_max > 0, "worker.batch_max must be above 0");
            layers.check(worker.batch_bytes_max > 0, "worker.batch_bytes_max must be above 0");
            layers.check(worker.executors > 0, "worker.executors must be above 0");
            layers.check(
                worker.claim_lease_s > worker.process_timeout_s * 2,
                "worker.claim_lease_s must be more than twice worker.process_timeout_s, or live claims are abandoned",
            );
        }
        let config = (|| {
            Some(Self {
                database: database?,
                amqp: amqp?,
                rabbitmq_api: rabbitmq_api?,
                worker: worker?,
                process: process?,
            })
        })();
        layers.finish(config)
    }
}
