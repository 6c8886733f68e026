//! Accepts over HTTP, stores, answers; and publishes what is due.
//!
//! One message's way: [`auth`] finds the source, [`body`] reads the bytes, `waybill_core::accept`
//! judges them, [`writer`] commits them together with whoever else waits, [`answer`] says so. The
//! broker has no part in it: its trouble never reaches a partner. The relay runs beside, in the
//! same process, on connections of its own. A batch goes the same way as one: [`batch`], [`items`],
//! [`batch_writer`].

pub mod answer;
pub mod app;
pub mod auth;
pub mod batch;
pub mod batch_writer;
pub mod body;
pub mod budget;
pub mod config;
pub mod durable;
pub mod guard;
pub mod items;
pub mod post;
pub mod problem;
pub mod rate;
pub mod request;
pub mod status;
pub mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use waybill_broker::Broker;
use waybill_broker::api::Api;
use waybill_broker::guard::Guard;
use waybill_process::{Lifecycle, Readiness, admin, http};
use waybill_relay::Relay;
use waybill_store::Store;
use waybill_store::directory::Directory;

pub use config::Config;

/// Where a started `ingest-api` listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The partner's port.
    pub public: SocketAddr,
    /// The admin port.
    pub admin: SocketAddr,
}

/// Starts every component under `lifecycle`; returns when the ports are bound. The ledger and the
/// broker may still be away: readiness says so.
///
/// # Errors
/// When a port cannot be bound or a URL cannot be used.
pub async fn start(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<Addresses> {
    let readiness = Readiness::needs(&["ledger", "durability"]);
    let admin = admin::start(&config.ingest.admin_listen, &readiness, lifecycle).await?;
    let listen = &config.ingest.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("the partners' port {listen} cannot be bound"))?;
    let public = listener.local_addr()?;

    let store = Store::new(&config.database, "ingest-api")?;
    let hint = Arc::new(Notify::new());
    let directory = Directory::default();
    keep_directory(&config, &store, &directory, &readiness, lifecycle);
    let writer = writer::start(&config, &hint, lifecycle)?;
    let batches = batch_writer::start(&config, &hint, lifecycle)?;
    if config.relay.enabled {
        let broker = Broker::new(&config.amqp)?;
        let guard = Guard::default();
        let api = Api::configured(&config.rabbitmq_api, broker.vhost())?;
        let kept = guard.clone().keep(api, lifecycle.stop());
        lifecycle.component("guard", async move {
            kept.await;
            Ok(())
        });
        let relay = Relay::new(store.clone(), broker, config.relay.clone(), hint, guard, readiness.clone());
        lifecycle.component("relay", relay.run(lifecycle.stop()));
    }
    let limits = http::Limits {
        connections_max: config.ingest.connections_max,
        header_timeout: Duration::from_secs(config.ingest.header_timeout_s),
        write_timeout: Duration::from_secs(config.ingest.answer_timeout_s),
        ..http::Limits::default()
    };
    let durable = durable::watch(&config, &readiness, lifecycle)?;
    let router = app::router(app::State::new(&config, store, directory, writer, batches, durable));
    let stop = lifecycle.stop();
    lifecycle.component("http", async move {
        http::serve(listener, router, limits, stop).await;
        Ok(())
    });
    tracing::info!(address = %public, "accepting messages at POST /v1/messages");
    Ok(Addresses { public, admin })
}

/// Keeps the directory fresh; whether the ledger answers is this process's readiness.
fn keep_directory(
    config: &Config,
    store: &Store,
    directory: &Directory,
    readiness: &Readiness,
    lifecycle: &Lifecycle,
) {
    let every = Duration::from_millis(config.process.sources_refresh_ms);
    let readiness = readiness.clone();
    let kept =
        directory.clone().keep_fresh(
            store.clone(),
            every,
            lifecycle.stop(),
            move |now, looked| match looked {
                Ok(changed) => {
                    if changed {
                        request::announce(now.sources.keys());
                    }
                    readiness.has("ledger");
                }
                Err(error) => readiness.lacks("ledger", error.to_string()),
            },
        );
    lifecycle.component("directory", async move {
        kept.await;
        Ok(())
    });
}
