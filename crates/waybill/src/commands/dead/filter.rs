//! What an operator typed, as a filter. An ordering key becomes its hash here, and is kept nowhere.

use std::io::Read as _;

use waybill_core::ordering::Key;
use waybill_store::Store;
use waybill_store::dead::Filter;

use crate::cli::{Letters, Typed};

/// Longer than any value that is a key.
const KEY_BYTES_MAX: u64 = 64 * 1024;

/// The filter; or what of it cannot be, in words.
///
/// # Errors
/// When the ledger does not answer, or the key cannot be read from standard input.
pub(super) async fn filter(store: &Store, letters: &Letters) -> anyhow::Result<Result<Filter, String>> {
    let key = match (&letters.key, &letters.source) {
        (Some(typed), Some(source)) => match key(store, source, typed).await? {
            Ok(key) => Some(key),
            Err(mistake) => return Ok(Err(mistake)),
        },
        _ => None,
    };
    Ok(Ok(Filter {
        source: letters.source.clone(),
        kind: letters.kind.clone(),
        class: letters.reason,
        fingerprint: letters.group,
        text: letters.text.clone(),
        since: letters.since,
        until: letters.until,
        key,
    }))
}

async fn key(store: &Store, name: &str, typed: &Typed) -> anyhow::Result<Result<Key, String>> {
    let known = store.sources().await?;
    let Some(source) = known.iter().find(|known| known.source.name == name) else {
        return Ok(Err(format!("there is no source {name}: `waybill source list` shows them")));
    };
    let text = if typed.0 == "-" { from_standard_input()? } else { typed.0.clone() };
    Ok(Key::typed(&source.source, &text)
        .ok_or_else(|| format!("messages of {name} have no ordering key (order_by = \"none\")")))
}

fn from_standard_input() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(KEY_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}
