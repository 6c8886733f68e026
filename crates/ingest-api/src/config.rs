//! What `ingest-api` needs to know: its own section, and those it shares with the others.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use waybill_core::credential::{self, Pepper};
use waybill_process::config::{Layers, Mistakes, Process};

/// The section `ingest`.
#[derive(Debug, Clone, Deserialize)]
pub struct Ingest {
    /// The partner's port.
    pub listen: String,
    /// The admin port.
    pub admin_listen: String,
    /// Open connections on the partner's port.
    pub connections_max: usize,
    /// For a request's head, and for an idle connection, in seconds.
    pub header_timeout_s: u64,
    /// For the whole body, in seconds.
    pub body_timeout_s: u64,
    /// For head and body together, from the first byte, in seconds.
    pub request_timeout_s: u64,
    /// For a client to take some of its answer, in seconds.
    pub answer_timeout_s: u64,
    /// For the ledger's answer, in milliseconds.
    pub commit_timeout_ms: u64,
    /// Submissions waiting for the ledger.
    pub queue_max: usize,
    /// Bytes of bodies that arrive or wait for the ledger.
    pub queue_bytes_max: usize,
    /// Submissions that share one insert.
    pub batch_max: usize,
    /// Bytes of bodies that share one insert.
    pub batch_bytes_max: usize,
    /// Connections that insert.
    pub writers: u32,
    /// Bytes of the body of a `POST /v1/messages/batch`.
    pub posted_batch_bytes_max: usize,
    /// Such posts in hand at once.
    pub posted_batches_max: usize,
}

/// Everything `ingest-api` needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// The section `database`.
    pub database: waybill_store::Config,
    /// The section `amqp`.
    pub amqp: waybill_broker::Config,
    /// The section `rabbitmq_api`.
    pub rabbitmq_api: waybill_broker::api::Config,
    /// The secret under which keys are hashed.
    pub pepper: Pepper,
    /// The section `ingest`.
    pub ingest: Ingest,
    /// The section `relay`.
    pub relay: waybill_relay::Config,
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
        let database: Option<waybill_store::Config> = layers.section("database");
        let amqp: Option<waybill_broker::Config> = layers.section("amqp");
        let rabbitmq_api = layers.section("rabbitmq_api");
        let auth: Option<credential::Config> = layers.section("auth");
        let ingest: Option<Ingest> = layers.section("ingest");
        let relay: Option<waybill_relay::Config> = layers.section("relay");
        let process = layers.section("process");
        layers.needs("database", "url");
        layers.needs("amqp", "url");
        let pepper = auth.and_then(|auth| auth.pepper());
        layers.check(
            pepper.is_some(),
            "auth.pepper: a secret of at least 32 characters is needed (WAYBILL_AUTH__PEPPER), the same for `waybill`",
        );
        if let Some(ingest) = &ingest {
            ingest.check(&mut layers);
        }
        if let (Some(relay), Some(amqp)) = (&relay, &amqp) {
            for mistake in relay.mistakes(Duration::from_millis(amqp.timeout_ms)) {
                layers.check(false, mistake);
            }
        }
        let config = (|| {
            Some(Self {
                database: database?,
                amqp: amqp?,
                rabbitmq_api: rabbitmq_api?,
                pepper: pepper?,
                ingest: ingest?,
                relay: relay?,
                process: process?,
            })
        })();
        layers.finish(config)
    }
}

impl Ingest {
    fn check(&self, layers: &mut Layers) {
        layers.check(self.connections_max > 0, "ingest.connections_max must be above 0");
        layers.check(self.writers > 0, "ingest.writers must be above 0");
        layers.check(
            self.batch_max > 0 && self.queue_max > 0,
            "ingest.batch_max and ingest.queue_max must be above 0",
        );
        let limits =
            [self.header_timeout_s, self.body_timeout_s, self.request_timeout_s, self.answer_timeout_s];
        layers.check(
            limits.iter().all(|limit| (1..=15).contains(limit)),
            "ingest.header_timeout_s, body_timeout_s, request_timeout_s and answer_timeout_s must be 1 to 15",
        );
        layers.check(
            self.batch_bytes_max <= self.queue_bytes_max,
            "ingest.batch_bytes_max must not be above ingest.queue_bytes_max",
        );
        layers.check(
            self.posted_batches_max > 0 && self.posted_batch_bytes_max > 0,
            "ingest.posted_batches_max and ingest.posted_batch_bytes_max must be above 0",
        );
        layers.check(
            self.posted_batch_bytes_max <= self.queue_bytes_max,
            "ingest.posted_batch_bytes_max must not be above ingest.queue_bytes_max",
        );
    }
}
