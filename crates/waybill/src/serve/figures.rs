//! The ledger's figures, as metrics: due, held, dead, overdue, silent. A disabled source may be
//! silent; its messages are counted on.

use std::collections::{HashMap, HashSet};

use waybill_core::outcome::ErrorClass;
use waybill_store::Store;
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep, number};

/// Rows of the count of dead letters that one pass adds up.
const TALLIES_MAX: u32 = 10_000;

/// The pass that reads the figures.
#[derive(Debug)]
pub(super) struct Figures {
    store: Store,
    directory: Directory,
    /// Source, kind and reason of every dead-letter series there is.
    shown: HashSet<(String, String, String)>,
}

impl Figures {
    pub(super) fn new(store: Store, directory: Directory) -> Self {
        Self { store, directory, shown: HashSet::new() }
    }

    /// Dead letters of every source, kind and class, those with none at 0.
    async fn dead(&mut self) -> anyhow::Result<()> {
        // what was shown once, and is counted no more, is 0
        let mut counts: HashMap<(String, String, String), i64> =
            self.shown.iter().map(|key| (key.clone(), 0)).collect();
        for source in self.directory.snapshot().sources.values() {
            for class in ErrorClass::ALL {
                let key = (source.name.clone(), source.kind_label().to_owned(), class.as_str().to_owned());
                counts.insert(key, 0);
            }
        }
        for (source, kind, class, count) in self.store.dead_counts().await? {
            counts.insert((source, kind, class), count);
        }
        self.shown = counts.keys().cloned().collect();
        for ((source, kind, reason), count) in counts {
            metrics::gauge!("waybill_dead_letters", "source" => source, "kind" => kind, "reason" => reason)
                .set(number(count));
        }
        Ok(())
    }
}

impl Sweep for Figures {
    const NAME: &'static str = "figures";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let due = self.store.due().await?;
        metrics::gauge!("waybill_due_messages").set(number(due.messages));
        metrics::gauge!("waybill_due_oldest_seconds").set(due.oldest_s.max(0.0));
        metrics::gauge!("waybill_held_messages").set(number(self.store.held().await?));
        self.store.add_up_the_dead(TALLIES_MAX).await?;
        self.dead().await?;
        for figures in self.store.source_figures().await? {
            metrics::gauge!("waybill_overdue_messages", "source" => figures.source.clone())
                .set(number(figures.overdue));
            metrics::gauge!("waybill_source_paused", "source" => figures.source.clone())
                .set(if figures.paused { 1.0 } else { 0.0 });
            metrics::gauge!("waybill_source_silence_max_seconds", "source" => figures.source.clone())
                .set(figures.silence_s_max);
            metrics::gauge!("waybill_source_silent_seconds", "source" => figures.source)
                .set(figures.silent_s.map_or(f64::NAN, |silent| silent.max(0.0)));
        }
        Ok(Done::default())
    }
}
