//! Readiness: what a process needs to do its job, and the reason when it lacks it.
//!
//! A process may also say what it misses without being stopped by it (the relay's topology, in a
//! process that accepts all the same): `/readyz` shows it, and stays 200.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// The parts of a process's readiness, each with a reason while it is missing. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    parts: Arc<RwLock<BTreeMap<&'static str, State>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    There,
    /// Missing, and the process cannot do its job; why.
    Lacking(String),
    /// Missing, and the process goes on; why.
    Missed(String),
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
        if self.put(part, State::There) {
            tracing::info!(part, "ready");
        }
    }

    /// This part is missing, and why. Says so in the log when it was there, or for another reason.
    pub fn lacks(&self, part: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        if self.put(part, State::Lacking(reason.clone())) {
            tracing::warn!(part, reason, "not ready");
        }
    }

    /// This part is missing, and the process does its job without it. Says so in the log when it
    /// was there, or missing for another reason.
    pub fn misses(&self, part: &'static str, reason: impl Into<String>) {
        let reason = reason.into();
        if self.put(part, State::Missed(reason.clone())) {
            tracing::warn!(part, reason, "goes on without it");
        }
    }

    fn put(&self, part: &'static str, state: State) -> bool {
        let mut parts = self.parts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let changed = parts.get(part) != Some(&state);
        parts.insert(part, state);
        changed
    }

    /// What is lacking, a line each; empty: ready.
    pub fn missing(&self) -> Vec<String> {
        self.lines(|state| match state {
            State::Lacking(reason) => Some(reason),
            State::There | State::Missed(_) => None,
        })
    }

    /// What is missed although the process is ready, a line each.
    pub fn missed(&self) -> Vec<String> {
        self.lines(|state| match state {
            State::Missed(reason) => Some(reason),
            State::There | State::Lacking(_) => None,
        })
    }

    fn lines(&self, reason: impl Fn(&State) -> Option<&String>) -> Vec<String> {
        let parts = self.parts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        parts.iter().filter_map(|(part, state)| Some(format!("{part}: {}", reason(state)?))).collect()
    }
}
