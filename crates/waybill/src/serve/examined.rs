//! What `waybill doctor` would say, for those who look at the console: PostgreSQL's settings, RabbitMQ's
//! version and permissions, what is held behind dead letters. Reads and asks; changes nothing.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use waybill_console::Complaint;
use waybill_store::Store;

use super::sweep::{Done, Sweep};
use crate::commands::doctor;
use crate::config::Config;

/// The pass that asks the doctor.
#[derive(Debug)]
pub(super) struct Examined {
    pub(super) store: Store,
    pub(super) config: Config,
    /// Where the console reads it.
    pub(super) told: watch::Sender<Vec<Complaint>>,
    /// A look is given up when the process stops: nothing depends on it.
    pub(super) stop: CancellationToken,
}

impl Sweep for Examined {
    const NAME: &'static str = "examined";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        tokio::select! {
            () = self.stop.cancelled() => {}
            complaints = Box::pin(doctor::complaints(&self.store, &self.config)) => {
                self.told.send_replace(complaints);
            }
        }
        Ok(Done::default())
    }
}
