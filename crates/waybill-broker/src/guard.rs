//! The guard: what is known to be unsafe of a virtual host, kept up to date beside the work.
//!
//! Whoever publishes or consumes asks it before, and is never kept waiting: it looks at the
//! management API on its own time. It objects only to what was seen. An API that is silent, or not
//! configured, says nothing new: what was unsafe stays so until it is seen mended, what was not does
//! not become so.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::BrokerError;
use crate::api::Api;
use crate::findings::{Seen, Weight};
use crate::topology::work_queue;

/// Between two looks while nothing is wrong.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Between two looks while something is.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is unsafe, by queue or exchange. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    objections: Arc<RwLock<BTreeMap<String, Vec<String>>>>,
}

impl Guard {
    /// Why nothing may be published to `lane` or consumed from it; empty: nothing is known against
    /// it.
    pub fn objections(&self, lane: &str) -> Vec<String> {
        let queue = work_queue(lane);
        let objections = self.objections.read().unwrap_or_else(PoisonError::into_inner);
        let is_of_lane = |on: &str| on == queue || crate::topology::lane_of(on).is_none();
        objections.iter().filter(|(on, _)| is_of_lane(on)).flat_map(|(_, what)| what.clone()).collect()
    }

    /// Looks once.
    ///
    /// # Errors
    /// When the API does not answer; what was known stays.
    pub async fn look(&self, api: &Api) -> Result<(), BrokerError> {
        let seen = Seen::read(api).await?;
        let mut objections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for finding in seen.findings(&seen.lanes()) {
            if finding.weight == Weight::Unsafe {
                objections.entry(finding.on).or_default().push(finding.what);
            }
        }
        *self.objections.write().unwrap_or_else(PoisonError::into_inner) = objections;
        Ok(())
    }

    /// Looks again and again until told to stop; only waits for that where there is no API.
    pub async fn keep(self, api: Option<Api>, stop: CancellationToken) {
        let Some(api) = api else { return stop.cancelled().await };
        while !stop.is_cancelled() {
            if let Err(error) = self.look(&api).await {
                tracing::debug!(%error, "the topology could not be looked at");
            }
            let is_quiet = self.objections.read().unwrap_or_else(PoisonError::into_inner).is_empty();
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(if is_quiet { LOOK_EVERY } else { LOOK_AGAIN }) => {}
            }
        }
    }
}
