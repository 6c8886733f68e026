//! The ledger's balance, as a metric: `waybill_unaccounted_messages{source}`.
//!
//! Each pass looks at the unfinished messages, the recent ones, and one page of all the others, so
//! that its work stays bounded and everything is looked at in time. What a page has shown stands
//! until the next round has come by.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;
use waybill_store::Store;
use waybill_store::directory::Directory;

use super::sweep::Sweep;

/// The pass that balances the ledger.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) store: Store,
    pub(super) directory: Directory,
    /// Messages accepted this recently are looked at on each pass; unfinished ones always.
    pub(super) window: Duration,
    /// Messages of one page.
    pub(super) page: u32,
    pub(super) round: Round,
}

/// A walk through the whole ledger, page by page.
#[derive(Debug, Default)]
pub(super) struct Round {
    after: Uuid,
    found: BTreeMap<String, i64>,
    found_before: BTreeMap<String, i64>,
}

impl Round {
    /// Notes a page; the end of the last one ends the round.
    fn note(&mut self, found: Vec<(String, i64)>, end: Option<Uuid>) {
        for (source, count) in found {
            *self.found.entry(source).or_default() += count;
        }
        if end.is_none() {
            self.found_before = std::mem::take(&mut self.found);
        }
        self.after = end.unwrap_or(Uuid::nil());
    }

    /// The most that this round or the one before has found of a source.
    fn found(&self, source: &str) -> i64 {
        let of = |found: &BTreeMap<String, i64>| found.get(source).copied().unwrap_or_default();
        of(&self.found).max(of(&self.found_before))
    }
}

impl Sweep for Balance {
    const NAME: &'static str = "balance";

    async fn run_once(&mut self) -> anyhow::Result<u64> {
        #[expect(clippy::disallowed_methods, reason = "how far back to look, not what to believe")]
        let since = chrono::Utc::now() - self.window;
        let live: BTreeMap<String, i64> = self.store.unaccounted_live(since).await?.into_iter().collect();
        let (found, end) = self.store.unaccounted_page(self.round.after, self.page).await?;
        self.round.note(found, end);
        for source in self.directory.snapshot().sources.keys() {
            let unaccounted = live.get(source).copied().unwrap_or_default().max(self.round.found(source));
            metrics::gauge!("waybill_unaccounted_messages", "source" => source.clone())
                .set(number(unaccounted));
            if unaccounted > 0 {
                tracing::error!(source, unaccounted, "the ledger is out of balance: see docs/RUNBOOK.md");
            }
        }
        Ok(0)
    }
}

/// A count as a gauge's value; exact far beyond any count we have.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub(super) const fn number(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_has_shown_stands_until_the_next_round_has_come_by() {
        let mut round = Round::default();
        let page = |n: u128| Some(Uuid::from_u128(n));
        round.note(vec![("a".into(), 2)], page(1));
        round.note(vec![], page(2));
        assert_eq!((round.found("a"), round.after), (2, Uuid::from_u128(2)));
        round.note(vec![], None);
        assert_eq!((round.found("a"), round.after), (2, Uuid::nil()));
        round.note(vec![], page(1));
        assert_eq!(round.found("a"), 2, "the new round has not come by yet");
        round.note(vec![], None);
        assert_eq!(round.found("a"), 0);
    }
}
