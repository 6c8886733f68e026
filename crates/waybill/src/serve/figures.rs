//! The ledger's figures, as metrics: due, held, dead, overdue, silent.

use std::collections::HashMap;

use waybill_core::outcome::ErrorClass;
use waybill_store::Store;
use waybill_store::directory::Directory;

use super::sweep::{Done, Sweep, number};

/// The pass that reads the figures.
#[derive(Debug)]
pub(super) struct Figures {
    store: Store,
    directory: Directory,
}

impl Figures {
    pub(super) const fn new(store: Store, directory: Directory) -> Self {
        Self { store, directory }
    }

    /// Dead letters of every source, kind and class, those with none at 0.
    async fn dead(&self) -> anyhow::Result<()> {
        let mut counts: HashMap<(String, String, String), i64> = HashMap::new();
        for source in self.directory.snapshot().sources.values() {
            for class in ErrorClass::ALL {
                let key = (source.name.clone(), source.kind_label().to_owned(), class.as_str().to_owned());
                counts.insert(key, 0);
            }
        }
        for (source, kind, class, count) in self.store.dead_counts().await? {
            counts.insert((source, kind, class), count);
        }
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
        self.dead().await?;
        for figures in self.store.source_figures().await? {
            metrics::gauge!("waybill_overdue_messages", "source" => figures.source.clone())
                .set(number(figures.overdue));
            metrics::gauge!("waybill_source_silence_max_seconds", "source" => figures.source.clone())
                .set(figures.silence_s_max);
            metrics::gauge!("waybill_source_silent_seconds", "source" => figures.source)
                .set(figures.silent_s.max(0.0));
        }
        Ok(Done::default())
    }
}
