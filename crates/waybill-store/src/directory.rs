//! The directory: sources and keys in memory, for paths that must not ask the ledger each time.
//!
//! Refreshed every few seconds, so that an operator's change takes effect without a restart. While
//! the ledger is away the last known directory goes on being used.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use waybill_core::source::Source;

use crate::source::Key;
use crate::{Store, StoreError};

/// For the ledger's answer: a network that has fallen silent gives none, ever.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Sources by name and keys by id, at one moment.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Every source, disabled ones too: their messages still need their policy.
    pub sources: HashMap<String, Arc<Source>>,
    /// Live keys of enabled sources.
    pub keys: HashMap<String, Key>,
    /// Every lane that may hold messages.
    pub lanes: Vec<String>,
}

/// The latest snapshot. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    latest: Arc<RwLock<Arc<Snapshot>>>,
    is_loaded: Arc<AtomicBool>,
}

impl Directory {
    /// The latest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the ledger has been asked with success: before, nobody can be told apart.
    pub fn is_loaded(&self) -> bool {
        self.is_loaded.load(Ordering::Acquire)
    }

    /// Asks the ledger once. True: something has changed.
    ///
    /// # Errors
    /// When the ledger does not answer; the last snapshot stays.
    pub async fn refresh(&self, store: &Store) -> Result<bool, StoreError> {
        let (sources, keys, lanes) = (store.sources().await?, store.keys().await?, store.lanes().await?);
        let snapshot = Snapshot {
            sources: sources
                .into_iter()
                .map(|known| (known.source.name.clone(), Arc::new(known.source)))
                .collect(),
            keys: keys.into_iter().map(|key| (key.id.clone(), key)).collect(),
            lanes,
        };
        let changed = *self.snapshot() != snapshot;
        if changed {
            *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        }
        self.is_loaded.store(true, Ordering::Release);
        Ok(changed)
    }

    /// Refreshes until told to stop. `told` hears the outcome of every look at the ledger.
    pub async fn keep_fresh(
        self,
        store: Store,
        every: Duration,
        stop: CancellationToken,
        told: impl Fn(&Snapshot, Result<bool, StoreError>),
    ) {
        loop {
            let looked = tokio::time::timeout(ANSWER_LIMIT, self.refresh(&store)).await;
            let looked = looked.unwrap_or_else(|_| Err(StoreError::Unavailable("no answer in time".into())));
            told(&self.snapshot(), looked);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
            }
        }
    }
}
