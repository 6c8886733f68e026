//! What an operator typed, as a filter of dead letters, and in words that may be kept.

use waybill_core::ordering::Key;
use waybill_core::outcome::ErrorClass;
use waybill_store::Store;
use waybill_store::dead::Filter;

use crate::cli::Which;

/// The filter, and what may be written down of it: everything but an ordering key.
///
/// # Errors
/// What of it cannot be, in words.
pub(super) async fn filter(store: &Store, which: &Which) -> anyhow::Result<Result<(Filter, String), String>> {
    let class = match which.reason.as_deref() {
        None => None,
        Some(name) => match ErrorClass::ALL.into_iter().find(|class| class.as_str() == name) {
            Some(class) => Some(class),
            None => {
                let all: Vec<_> = ErrorClass::ALL.iter().map(|class| class.as_str()).collect();
                return Ok(Err(format!("--reason is one of {}", all.join(", "))));
            }
        },
    };
    let key = match (&which.key, &which.source) {
        (Some(text), Some(name)) => {
            let known = store.sources().await?;
            let Some(source) = known.iter().find(|known| known.source.name == *name) else {
                return Ok(Err(format!("there is no source {name}: `waybill source list` shows them")));
            };
            let Some(key) = Key::typed(&source.source, text) else {
                return Ok(Err(format!("source {name} has no ordering keys (order_by = \"none\")")));
            };
            Some(key)
        }
        _ => None,
    };
    let filter = Filter {
        source: which.source.clone(),
        kind: which.kind.clone(),
        class,
        fingerprint: which.group,
        text: which.text.clone(),
        since: which.since,
        until: which.until,
        key,
    };
    Ok(Ok((filter, words(which))))
}

fn words(which: &Which) -> String {
    let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    let parts = [
        ("group", which.group.map(|group| group.to_string())),
        ("source", which.source.clone()),
        ("kind", which.kind.clone()),
        ("reason", which.reason.clone()),
        ("text", which.text.clone()),
        ("since", which.since.map(time)),
        ("until", which.until.map(time)),
        ("key", which.key.as_ref().map(|_| "(not kept)".to_owned())),
    ];
    let said: Vec<_> =
        parts.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?))).collect();
    if said.is_empty() { "all dead letters".to_owned() } else { said.join(", ") }
}
