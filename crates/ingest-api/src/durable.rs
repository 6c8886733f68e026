//! Whether an answer may say "safe": PostgreSQL must keep what it commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use waybill_process::{Lifecycle, Readiness};
use waybill_store::durability::Durability;

use crate::Config;

/// How often PostgreSQL's settings are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// For PostgreSQL to say its settings.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What was seen last; not durable until something was. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Durable(Arc<AtomicBool>);

impl Durable {
    /// Whether PostgreSQL keeps what it commits.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Keeps looking. While PostgreSQL is away, what was seen last holds.
///
/// # Errors
/// When the ledger's URL cannot be used.
pub fn watch(config: &Config, readiness: &Readiness, lifecycle: &Lifecycle) -> anyhow::Result<Durable> {
    let durability = Durability::new(&config.database)?;
    let durable = Durable::default();
    let (seen, readiness, stop) = (durable.clone(), readiness.clone(), lifecycle.stop());
    lifecycle.component("durability", async move {
        while !stop.is_cancelled() {
            match tokio::time::timeout(ANSWER_LIMIT, durability.faults()).await {
                Ok(Ok(faults)) => {
                    seen.0.store(faults.is_empty(), Ordering::Release);
                    if faults.is_empty() {
                        readiness.has("durability");
                    } else {
                        readiness.lacks("durability", faults.join("; "));
                    }
                }
                Ok(Err(error)) => tracing::debug!(%error, "PostgreSQL's settings could not be read"),
                Err(_) => tracing::debug!("PostgreSQL's settings could not be read in time"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        Ok(())
    });
    Ok(durable)
}
