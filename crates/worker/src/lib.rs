//! Consumes, processes, records, then acknowledges — in this order, always.
//!
//! [`consume`] takes deliveries and gathers what is there into batches, [`executor`] sees a batch
//! through, [`process`] runs a processor so that neither a panic nor a hang can hurt anything but
//! its own message. A worker never publishes.

pub mod config;
pub mod consume;
pub mod executor;
pub mod figures;
mod heard;
pub mod process;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use waybill_broker::Broker;
use waybill_broker::api::Api;
use waybill_broker::guard::Guard;
use waybill_core::kinds::Kind;
use waybill_process::{Lifecycle, Readiness, admin};
use waybill_store::Store;
use waybill_store::directory::Directory;

pub use config::Config;

/// Starts every component under `lifecycle`; returns the admin port's address when it is bound.
///
/// # Errors
/// When the port cannot be bound or a URL cannot be used.
pub async fn start(
    config: Config,
    kinds: &'static [Kind],
    lifecycle: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let readiness = Readiness::needs(&["ledger", "broker", "topology"]);
    let admin = admin::start(&config.worker.admin_listen, &readiness, lifecycle).await?;
    let store = Store::new(&config.database, "worker")?;
    let broker = Broker::new(&config.amqp)?;
    let directory = Directory::default();
    let every = Duration::from_millis(config.process.sources_refresh_ms);
    let ready = readiness.clone();
    let kept =
        directory.clone().keep_fresh(
            store.clone(),
            every,
            lifecycle.stop(),
            move |now, looked| match looked {
                Ok(changed) => {
                    if changed {
                        figures::announce(now.sources.values().map(AsRef::as_ref));
                    }
                    ready.has("ledger");
                }
                Err(error) => ready.lacks("ledger", error.to_string()),
            },
        );
    lifecycle.component("directory", async move {
        kept.await;
        Ok(())
    });
    let executor = Arc::new(executor::Executor {
        store,
        directory,
        processors: process::Processors {
            kinds,
            limit: Duration::from_secs(config.worker.process_timeout_s),
        },
        worker: name(),
        lease: Duration::from_secs(config.worker.claim_lease_s),
        bytes_max: config.worker.batch_bytes_max,
        stop: lifecycle.stop(),
        hung: 0.into(),
    });
    let guard = Guard::default();
    let api = Api::configured(&config.rabbitmq_api, broker.vhost())?;
    let guarded = guard.clone().keep(api, lifecycle.stop());
    lifecycle.component("guard", async move {
        guarded.await;
        Ok(())
    });
    let consume = consume::Consume { broker, executor, config: config.worker, readiness, guard };
    lifecycle.component("consumer", consume.run(lifecycle.stop()));
    Ok(admin)
}

/// What this worker is called in the ledger: its host and process.
fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    format!("{}/{}", if host.is_empty() { "worker" } else { host }, std::process::id())
}
