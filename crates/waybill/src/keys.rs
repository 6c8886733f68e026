//! Is a message in each of its ordering keys? Its body tells, and it alone: of a merge that has lost
//! one of its two keys, the rows look like those of a message with one.
//!
//! For the sweep and for `waybill reconcile` alike. Finds; never changes anything.

use uuid::Uuid;
use waybill_core::accept::read_hl7;
use waybill_core::ordering::{self, Content};
use waybill_core::source::{Format, Source};
use waybill_store::conservation::{KeyCursor, Misfit};
use waybill_store::directory::Snapshot;
use waybill_store::keyed::Keyed;
use waybill_store::problem::Problem;
use waybill_store::{Store, StoreError};

/// Places of one look, and bytes of the bodies that it reads.
const PAGE: u32 = 500;
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A message's ordering keys, read from its body as accepting it did. `None`: they cannot be read.
pub fn read(source: &Source, content_type: &str, body: &[u8]) -> Option<Vec<i64>> {
    let content = match source.format {
        Format::Hl7v2 => {
            let header = read_hl7(source, content_type, body).ok()?;
            return Some(ordering::keys(source, Content::Hl7(&header)));
        }
        Format::Json | Format::CloudEvents => Content::Json(body),
        Format::Opaque => Content::Opaque,
    };
    Some(ordering::keys(source, content))
}

/// Messages after `cursor` that are not in each of their keys, and where to go on.
///
/// # Errors
/// When the ledger does not answer.
pub async fn missing(
    store: &Store,
    known: &Snapshot,
    cursor: KeyCursor,
) -> Result<(Vec<Misfit>, KeyCursor), StoreError> {
    let (keyed, next) = store.keyed(cursor, PAGE, BYTES_MAX).await?;
    Ok((judge(known, keyed), next))
}

/// All messages that are not in each of their keys.
///
/// # Errors
/// When the ledger does not answer.
pub async fn all_missing(store: &Store, known: &Snapshot) -> Result<Vec<Misfit>, StoreError> {
    let (mut found, mut cursor) = (Vec::new(), KeyCursor::START);
    loop {
        let (misfits, next) = missing(store, known, cursor).await?;
        found.extend(misfits);
        cursor = next;
        if cursor == KeyCursor::START {
            found.sort_unstable();
            found.dedup();
            return Ok(found);
        }
    }
}

/// Which of these messages are still not in each of their keys.
///
/// # Errors
/// When the ledger does not answer.
pub async fn still_missing(store: &Store, known: &Snapshot, ids: &[Uuid]) -> Result<Vec<Misfit>, StoreError> {
    let mut found = Vec::new();
    // one by one: how large their bodies are is not known
    for id in ids {
        found.extend(judge(known, store.keyed_of(&[*id]).await?));
    }
    Ok(found)
}

fn judge(known: &Snapshot, keyed: Vec<Keyed>) -> Vec<Misfit> {
    let is_missing = |one: &Keyed| {
        let source = known.sources.get(&one.source)?;
        let keys = read(source, &one.content_type, &one.body)?;
        Some(!keys.iter().all(|key| one.keys.contains(key)))
    };
    keyed
        .into_iter()
        .filter(|one| is_missing(one) == Some(true))
        .map(|one| Misfit { id: one.id, problem: Problem::OrderMissing, source: one.source })
        .collect()
}
