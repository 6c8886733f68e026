//! Readiness: what a process needs to do its job, and the reason when it lacks it.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// The parts of a process's readiness, each with a reason while it is missing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    parts: Arc<RwLock<BTreeMap<&'static str, Option<String>>>>,
}

impl Readiness {
    /// Needs all of `parts`, none of which is there yet.
    pub fn needs(parts: &[&'static str]) -> Self {
        let readiness = Self::default();
        for part in parts {
            readiness.lacks(part, "not there yet");
        }
        readiness
    }

    /// This part is there. Says so in the log when it was missing.
    pub fn has(&self, part: &'static str) {
        if self.put(part, None) {
            tracing::info!(part, "ready");
        }
    }

    /// This part is missing, and why. Says so in the log when it was there, or for another reason.
    pub fn lacks(&self, part: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        if self.put(part, Some(reason.clone())) {
            tracing::warn!(part, reason, "not ready");
        }
    }

    fn put(&self, part: &'static str, state: Option<String>) -> bool {
        let mut parts = self.parts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = parts.get(part) != Some(&state);
        parts.insert(part, state);
        changed
    }

    /// What is missing, a line each; empty: ready.
    pub fn missing(&self) -> Vec<String> {
        let parts = self.parts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        parts
            .iter()
            .filter_map(|(part, state)| state.as_ref().map(|reason| format!("{part}: {reason}")))
            .collect()
    }
}
