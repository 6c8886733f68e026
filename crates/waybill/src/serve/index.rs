//! The blind index, written behind the accept path: new messages in the ledger's order, a page at a
//! time, by one replica at a time. A cursor that stops at a horizon passes over nothing
//! (`waybill-store/src/find_index.rs`). Never logs a value, nor a digest.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use uuid::Uuid;
use waybill_core::find::{BlindIndex, Entry, values};
use waybill_core::kinds::{Input, Reading};
use waybill_core::source::{Format, Source};
use waybill_store::Store;
use waybill_store::find_index::{Lease, Unindexed};

use super::sweep::{Done, Sweep, number};

/// Messages of one page.
const PAGE: u32 = 2_000;
/// For the pages of one pass.
const BUDGET: Duration = Duration::from_secs(5);
/// How long a replica keeps the index after it has last written.
const LEASE: Duration = Duration::from_secs(30);
/// For transactions under way to end, before the pass gives up and the next one looks anew.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks at them.
const LOOK: Duration = Duration::from_millis(10);

/// The sweep that writes the index.
#[derive(Debug)]
pub(super) struct Index {
    store: Store,
    blind: BlindIndex,
    lease: Option<i64>,
}

impl Index {
    pub(super) fn new(store: Store, index: BlindIndex) -> Self {
        metrics::counter!("waybill_find_index_messages_total").increment(0);
        Self { store, blind: index, lease: None }
    }

    /// Waits until every sequence number up to `newest` is visible or will never be; whether it is.
    async fn settled(&self) -> anyhow::Result<bool> {
        let began = Instant::now();
        let mut writers = self.store.receipt_writers().await?;
        while !writers.is_empty() {
            if began.elapsed() > SETTLE {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
            let now = self.store.receipt_writers().await?;
            writers.retain(|writer| now.contains(writer));
        }
        Ok(true)
    }

    /// Writes the next page up to `newest`; where the cursor is then, none: another replica moved it.
    async fn page(&self, lease: Lease, newest: i64) -> anyhow::Result<Option<i64>> {
        // asked after the horizon: no message up to there has a source that is not among these
        let sources: HashMap<String, Source> = self
            .store
            .sources()
            .await?
            .into_iter()
            .map(|known| (known.source.name.clone(), known.source))
            .collect();
        let readable: Vec<&str> = sources
            .values()
            .filter(|source| source.format != Format::Opaque)
            .map(|source| source.name.as_str())
            .collect();
        let mut page = self.store.unindexed(lease.seq, newest, PAGE, &readable).await?;
        let messages = std::mem::take(&mut page.messages);
        let index = self.blind.clone();
        let (messages, rows) = tokio::task::spawn_blocking(move || {
            let rows = entries(&index, &sources, &messages);
            (messages, rows)
        })
        .await
        .context("reading the bodies of a page was interrupted")?;
        page.messages = messages;
        if !self.store.write_index(lease, &page, &rows).await? {
            return Ok(None);
        }
        metrics::counter!("waybill_find_index_messages_total").increment(page.messages.len() as u64);
        Ok(Some(page.through))
    }

    async fn write(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let progress = self.store.index_progress().await?;
            if progress.behind() == 0 {
                return Ok(());
            }
            if progress.key_check.is_some_and(|check| check != self.blind.check()) {
                bail!(
                    "the blind index was written under another auth.pepper: give this process that one, or \
                     begin the index anew (docs/RUNBOOK.md, \"Finding a message\")"
                );
            }
            self.lease = self.store.take_index(self.lease, self.blind.check(), LEASE).await?.map(|l| l.token);
            let Some(token) = self.lease else { return Ok(()) };
            if !self.settled().await? {
                return Ok(());
            }
            let mut lease = Lease { token, seq: progress.seq };
            while lease.seq < progress.newest {
                match self.page(lease, progress.newest).await? {
                    Some(seq) => lease.seq = seq,
                    None => return Ok(()),
                }
                if began.elapsed() > BUDGET {
                    return Ok(());
                }
            }
        }
    }
}

/// The rows for these messages. A source that is gone has no way of reading its bodies.
fn entries(
    index: &BlindIndex,
    sources: &HashMap<String, Source>,
    messages: &[Unindexed],
) -> Vec<(Uuid, Entry)> {
    let readings: HashMap<&str, Reading> =
        sources.iter().map(|(name, source)| (name.as_str(), source.reading())).collect();
    let mut rows = Vec::with_capacity(messages.len() * 4);
    for message in messages {
        let (Some(body), Some(source), Some(reading)) =
            (&message.body, sources.get(&message.source), readings.get(message.source.as_str()))
        else {
            continue;
        };
        let input = Input {
            id: message.id,
            received_at: message.received_at,
            content_type: &message.content_type,
            body,
            reading,
        };
        let named = values(source, &message.kind, &input);
        rows.extend(named.iter().filter_map(|named| Some((message.id, index.entry(named)?))));
    }
    rows
}

impl Sweep for Index {
    const NAME: &'static str = "index";

    async fn run_once(&mut self) -> anyhow::Result<Done> {
        let written = self.write().await;
        let progress = self.store.index_progress().await?;
        metrics::gauge!("waybill_find_index_behind_messages").set(number(progress.behind()));
        let lag = if progress.behind() == 0 { 0.0 } else { self.store.index_lag_s().await? };
        metrics::gauge!("waybill_find_index_lag_seconds").set(lag);
        written?;
        Ok(Done::default())
    }
}
