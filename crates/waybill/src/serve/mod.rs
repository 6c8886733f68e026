//! The serving process: what sees to the things that others left undone.
//!
//! A relay (so that retries and releases go on when `ingest-api` is down), the sweeps, the
//! figures, and the console where it is asked for. Safe to run in several replicas: every change goes through the store's guarded verbs,
//! so two passes at once find that the other was there.

mod abandoned;
mod audited;
mod buried;
mod conservation;
mod declared;
pub(crate) mod drain;
mod examined;
mod figures;
mod forgotten;
mod index;
pub(crate) mod lost;
mod overdue;
mod plans;
mod retention;
mod skipped;
pub(crate) mod standing;
pub(crate) mod sweep;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use waybill_broker::Broker;
use waybill_broker::api::Api;
use waybill_broker::guard::Guard;
use waybill_broker::prometheus::Endpoints;
use waybill_core::find::BlindIndex;
use waybill_process::{Lifecycle, Readiness, admin};
use waybill_relay::Relay;
use waybill_store::Store;
use waybill_store::directory::Directory;

use crate::config::Config;
use sweep::run;

/// Between two looks for what the blind index has not seen.
const INDEX_EVERY_MAX: Duration = Duration::from_millis(500);

/// Between two looks of the doctor for the console.
const EXAMINE_EVERY: Duration = Duration::from_mins(1);

/// One in so many connections to the ledger is the console's.
const CONSOLE_SHARE: u32 = 4;

/// Where a serving process listens.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The admin port.
    pub admin: SocketAddr,
    /// The console, where there is one.
    pub console: Option<SocketAddr>,
}

/// Starts every component under `lifecycle`; returns its ports when they are bound.
///
/// # Errors
/// When a port cannot be bound or a URL cannot be used.
pub async fn start(config: Config, lifecycle: &Lifecycle) -> anyhow::Result<Addresses> {
    let readiness = Readiness::needs(&["ledger"]);
    let admin = admin::start(&config.serve.admin_listen, &readiness, lifecycle).await?;
    let (store, console_store) = stores(&config)?;
    let broker = Broker::new(&config.amqp)?;
    let directory = Directory::default();
    keep_directory(&config, &store, &directory, readiness.clone(), lifecycle);
    let api = Api::configured(&config.rabbitmq_api, broker.vhost())?;
    let hint = Arc::new(Notify::new());
    let plans = plans::Plans::new(store.clone(), config.plans.window_max, Arc::clone(&hint));
    let every = Duration::from_millis(config.plans.step_ms);
    lifecycle.component("plans", run(plans, every, lifecycle.stop()));
    if config.relay.enabled {
        let guard = keep_guard(api.clone(), lifecycle);
        let relay = Relay::new(store.clone(), broker.clone(), config.relay.clone(), hint, guard, readiness);
        lifecycle.component("relay", relay.run(lifecycle.stop()));
    }
    let known = directory.clone();
    let bounds = waybill_console::Bounds {
        plan_items_max: config.plans.items_max,
        plans_active_max: config.plans.active_max,
        undo: config.discard.grace(),
    };
    let complaints = examine(&config, store.clone(), lifecycle);
    start_sweeps(&config, lifecycle, store, directory, (broker, api))?;
    let sight = waybill_console::Sight {
        complaints,
        store: console_store,
        directory: known,
        index: config.pepper.as_ref().and_then(BlindIndex::new),
    };
    let console =
        waybill_console::start(config.console, bounds, config.pepper.as_ref(), sight, lifecycle).await?;
    Ok(Addresses { admin, console })
}

/// Asks the doctor now and then, where there is a console that repeats what it says.
fn examine(config: &Config, store: Store, lifecycle: &Lifecycle) -> waybill_console::Complaints {
    let (told, complaints) = tokio::sync::watch::channel(Vec::new());
    if config.console.is_on() {
        let stop = lifecycle.stop();
        let examined = examined::Examined { store, config: config.clone(), told, stop };
        lifecycle.component("examined", run(examined, EXAMINE_EVERY, lifecycle.stop()));
    }
    complaints
}

/// Connections to the ledger: the sweeps', and the console's own, so that people's questions wait for
/// each other and not the sweeps for them. Together no more than `database.connections_max`.
fn stores(config: &Config) -> anyhow::Result<(Store, Store)> {
    let most = config.database.connections_max;
    let console = if config.console.is_on() { (most / CONSOLE_SHARE).max(1) } else { 1 };
    let sweeps = if config.console.is_on() { most.saturating_sub(console).max(1) } else { most };
    let with = |connections_max| waybill_store::Config { connections_max, ..config.database.clone() };
    Ok((
        Store::new(&with(sweeps), "waybill serve")?,
        // opens none until it is asked something
        Store::new(&with(console), "waybill console")?,
    ))
}

/// Starts each sweep as a component of its own.
fn start_sweeps(
    config: &Config,
    lifecycle: &Lifecycle,
    store: Store,
    directory: Directory,
    (broker, api): (Broker, Option<Api>),
) -> anyhow::Result<()> {
    let every = Duration::from_millis(config.serve.sweep_ms);
    // what nobody waits for
    let seldom = every * 5;
    let rows_max = config.serve.sweep_rows_max;
    let stop = || lifecycle.stop();
    let abandoned = abandoned::Abandoned { store: store.clone(), directory: directory.clone(), rows_max };
    lifecycle.component("abandoned", run(abandoned, every, stop()));
    let forgotten = forgotten::Forgotten { store: store.clone(), rows_max, after: uuid::Uuid::nil() };
    lifecycle.component("forgotten", run(forgotten, every, stop()));
    let skipped = skipped::Skipped { store: store.clone(), rows_max, after: waybill_store::sweep::START };
    lifecycle.component("skipped", run(skipped, every, stop()));
    let buried = buried::Buried::new(store.clone(), directory.clone(), broker.clone(), rows_max);
    lifecycle.component("buried", run(buried, every, stop()));
    let standing = standing::Standing::default();
    let limits = conservation::Limits {
        window: Duration::from_secs(config.serve.balance_window_s),
        page: config.serve.balance_page,
        every,
        claim_s_max: config.serve.claim_s_max(),
    };
    let conservation =
        conservation::Conservation::new(store.clone(), directory.clone(), limits, standing.clone());
    lifecycle.component("conservation", run(conservation, every, stop()));
    let lost = lost::Lost::new(
        store.clone(),
        directory.clone(),
        (broker.clone(), api.clone()),
        (config.serve.lost_grace(), rows_max),
        standing,
    );
    lifecycle.component("lost", run(lost, every, stop()));
    if config.serve.redeclare {
        let declared =
            declared::Declared { broker: broker.clone(), directory: directory.clone(), link: None };
        lifecycle.component("declared", run(declared, every, stop()));
    }
    let overdue = overdue::Overdue { store: store.clone(), named: std::collections::BTreeSet::new() };
    lifecycle.component("overdue", run(overdue, seldom, stop()));
    let audited = audited::Audited { store: store.clone(), logged: None };
    lifecycle.component("audited", run(audited, seldom, stop()));
    let retention = retention::Retention::new(store.clone(), rows_max, config.plans.retention_days);
    lifecycle.component("retention", run(retention, seldom, stop()));
    if let Some(index) = config.pepper.as_ref().and_then(BlindIndex::new) {
        let index = index::Index::new(store.clone(), index);
        lifecycle.component("index", run(index, every.min(INDEX_EVERY_MAX), stop()));
    } else {
        tracing::warn!(
            "messages are not found by patient, visit, key or control id: auth.pepper is not set here"
        );
    }
    lifecycle.component("drain", run(drain::Drain::new(store.clone(), directory.clone()), every, stop()));
    lifecycle.component("figures", run(figures::Figures::new(store, directory.clone()), every, stop()));
    let views = watch::Views { api, endpoints: Endpoints::configured(&config.rabbitmq_api, broker.vhost())? };
    lifecycle.component("watch", run(watch::Watch::new(broker, views, directory), every, stop()));
    Ok(())
}

/// What is known to be unsafe, kept up to date for the relay.
fn keep_guard(api: Option<Api>, lifecycle: &Lifecycle) -> Guard {
    let guard = Guard::default();
    let kept = guard.clone().keep(api, lifecycle.stop());
    lifecycle.component("guard", async move {
        kept.await;
        Ok(())
    });
    guard
}

/// Keeps the directory fresh; whether the ledger answers is this process's readiness.
fn keep_directory(
    config: &Config,
    store: &Store,
    directory: &Directory,
    readiness: Readiness,
    lifecycle: &Lifecycle,
) {
    let every = Duration::from_millis(config.process.sources_refresh_ms);
    let kept =
        directory.clone().keep_fresh(store.clone(), every, lifecycle.stop(), move |_, looked| match looked {
            Ok(_) => readiness.has("ledger"),
            Err(error) => readiness.lacks("ledger", error.to_string()),
        });
    lifecycle.component("directory", async move {
        kept.await;
        Ok(())
    });
}
