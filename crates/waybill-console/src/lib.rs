//! The operator's console: pages made on the server, readable without a script, behind a login.
//!
//! A library of `waybill serve`, on a port of its own. It reads the ledger and this process's own
//! metrics; it decides on dead letters by the ledger's verbs. It must never publish, never show a
//! body in clear before the act is on the audit trail, and never let anything of a message become
//! markup. [`routes`] is the table of all routes and what each needs; [`guard`] holds it.

mod assets;
mod balance;
mod body;
pub mod complaint;
pub mod config;
mod cookie;
mod failure;
mod figures;
mod guard;
mod live;
mod login;
mod network;
mod pages;
mod plot;
mod prose;
pub mod role;
pub mod routes;
pub mod secret;
mod verdict;
mod view;

mod escape;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use waybill_core::credential::Pepper;
use waybill_core::find::BlindIndex;
use waybill_process::http::{Limits, serve};
use waybill_process::{Lifecycle, telemetry};
use waybill_store::Store;
use waybill_store::directory::Directory;

pub use config::Config;
pub use role::Role;

pub use complaint::{Complaint, Complaints};

use failure::Failure;
use network::Network;
use secret::Names;

/// Pages that are kept live at once.
const STREAMS_MAX: usize = 64;
/// Passwords that are checked at once: each takes 19 MiB and a while.
const VERIFIED_MAX: usize = 2;
/// Between two clearances of old logins and sessions.
const FORGET_EVERY: Duration = Duration::from_mins(10);
/// Rows that one clearance takes away.
const FORGOTTEN_MAX: u32 = 10_000;

/// What other sections of the configuration say, and the console's decisions keep to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Dead letters in one replay plan.
    pub plan_items_max: u32,
    /// Replay plans that run at once.
    pub plans_active_max: u32,
    /// For so long a discard may be undone.
    pub undo: Duration,
}

/// What the console asks.
#[derive(Debug)]
pub struct Sight {
    /// The ledger.
    pub store: Store,
    /// The sources.
    pub directory: Directory,
    /// What values are looked for with; none: `auth.pepper` is not set here.
    pub index: Option<BlindIndex>,
    /// What `waybill doctor` says.
    pub complaints: Complaints,
}

/// The console. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    bounds: Bounds,
    store: Store,
    directory: Directory,
    index: Option<BlindIndex>,
    proxies: Vec<Network>,
    cookies: cookie::Names,
    names: Names,
    live: live::Live,
    balance: balance::Keeper,
    streams: Arc<Semaphore>,
    verified: Semaphore,
    stop: CancellationToken,
}

impl Console {
    fn new(
        (config, bounds): (Config, Bounds),
        (store, directory, index): (Store, Directory, Option<BlindIndex>),
        names: Names,
        stop: CancellationToken,
    ) -> Self {
        let proxies = config.proxy_addresses.iter().filter_map(|text| text.parse().ok()).collect();
        Self(Arc::new(Inner {
            cookies: cookie::Names::new(config.is_secure()),
            proxies,
            names,
            store,
            directory,
            index,
            live: live::Live::new(),
            balance: balance::Keeper::default(),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            verified: Semaphore::new(VERIFIED_MAX),
            stop,
            bounds,
            config,
        }))
    }

    fn config(&self) -> &Config {
        &self.0.config
    }

    fn bounds(&self) -> Bounds {
        self.0.bounds
    }

    fn store(&self) -> &Store {
        &self.0.store
    }

    fn directory(&self) -> &Directory {
        &self.0.directory
    }

    fn index(&self) -> Option<&BlindIndex> {
        self.0.index.as_ref()
    }

    fn cookies(&self) -> &cookie::Names {
        &self.0.cookies
    }

    /// What is kept of a name that was typed at a login.
    fn typed(&self, name: &str) -> [u8; 32] {
        self.0.names.digest(name)
    }

    fn live(&self) -> &live::Live {
        &self.0.live
    }

    fn balance(&self) -> &balance::Keeper {
        &self.0.balance
    }

    fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Whether `peer` is a proxy whose headers are believed.
    fn is_proxy(&self, peer: IpAddr) -> bool {
        self.0.proxies.iter().any(|network| network.contains(peer))
    }

    /// A place for a page that is kept live; none: all are taken.
    fn stream_place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.streams).try_acquire_owned().ok()
    }

    /// Checks a password, off the threads that answer.
    async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, Failure> {
        let place = self.0.verified.acquire().await.map_err(|_| Failure::Busy)?;
        let verified = tokio::task::spawn_blocking(move || secret::verify(&password, hash.as_deref())).await;
        drop(place);
        verified.map_err(|_| Failure::Fault("a password could not be checked".to_owned()))
    }
}

/// Binds the console's port and starts its components; none where `console.listen` is empty. Without a
/// pepper, each process throttles logins by name for itself.
///
/// # Errors
/// When the port cannot be bound.
pub async fn start(
    config: Config,
    bounds: Bounds,
    pepper: Option<&Pepper>,
    sight: Sight,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Option<SocketAddr>> {
    if !config.is_on() {
        return Ok(None);
    }
    let metrics = telemetry::metrics().map_err(anyhow::Error::msg)?;
    let listener = TcpListener::bind(&config.listen)
        .await
        .map_err(|e| anyhow::anyhow!("the console's port {} cannot be bound: {e}", config.listen))?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "console");
    let every = Duration::from_millis(config.sample_ms);
    let Sight { store, directory, index, complaints } = sight;
    let names = Names::new(pepper)?;
    let seen = (store.clone(), directory, index);
    let console = Console::new((config, bounds), seen, names, lifecycle.stop());
    let (router, stop) = (routes::router(&console), lifecycle.stop());
    lifecycle.component("console", async move {
        serve(listener, router, Limits::default(), stop).await;
        Ok(())
    });
    let (keeper, stop, kept) = (console.clone(), lifecycle.stop(), store.clone());
    lifecycle.component("console figures", async move {
        keeper.live().keep(kept, every, || metrics.render(), complaints, stop).await;
        Ok(())
    });
    let (keeper, stop, kept) = (console, lifecycle.stop(), store.clone());
    lifecycle.component("console balance", async move {
        keeper.balance().keep(kept, stop).await;
        Ok(())
    });
    let stop = lifecycle.stop();
    lifecycle.component("console sessions", async move {
        forget(store, stop).await;
        Ok(())
    });
    Ok(Some(address))
}

/// Takes old logins and sessions away, until told to stop.
async fn forget(store: Store, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGET_EVERY) => {}
        }
        if let Err(error) = store.forget_console_logins(FORGOTTEN_MAX).await {
            tracing::warn!(%error, "old logins of the console were not cleared; tried again later");
        }
    }
}
