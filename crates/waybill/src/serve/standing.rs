//! What stands: the problems that are open, as `waybill_unaccounted_messages{source}`. One sweep
//! looks at the ledger, another at the broker; the metric shows both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use waybill_store::conservation::Misfit;
use waybill_store::directory::Directory;

use super::sweep::number;

/// The problems that are open. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    lost: Arc<Mutex<BTreeMap<String, i64>>>,
    /// Sources that were shown: one that is forgotten must not keep its last value.
    shown: Arc<Mutex<BTreeSet<String>>>,
}

impl Standing {
    /// Notes what was found lost; stands until the next look at the ledger has shown it.
    pub(super) fn set_lost(&self, lost: &[Misfit]) {
        let mut standing = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for misfit in lost {
            *standing.entry(misfit.source.clone()).or_default() += 1;
        }
    }

    /// Shows the counts of the open problems, and what was lost since they were last shown.
    pub(super) fn show(&self, directory: &Directory, mut open: BTreeMap<String, i64>) {
        let lost = std::mem::take(&mut *self.lost.lock().unwrap_or_else(PoisonError::into_inner));
        for (source, count) in lost {
            *open.entry(source).or_default() += count;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(directory.snapshot().sources.keys().cloned());
        shown.extend(open.keys().cloned());
        for source in shown.iter() {
            open.entry(source.clone()).or_default();
        }
        for (source, count) in open {
            metrics::gauge!("waybill_unaccounted_messages", "source" => source).set(number(count));
        }
    }
}
