//! `waybill dead list`.

use waybill_store::Store;

use super::Ended;
use crate::cli::Output;
use crate::table;

pub(super) async fn list(
    store: &Store,
    source: Option<&str>,
    limit: u32,
    output: Output,
) -> anyhow::Result<Ended> {
    let letters = store.dead_letters(source, limit).await?;
    if output.json {
        println!("{}", table::json(&letters)?);
    } else if letters.is_empty() {
        println!("No dead letters.");
    } else {
        let rows = letters.iter().map(|letter| {
            vec![
                letter.id.to_string(),
                letter.source.clone(),
                letter.dead_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                letter.attempts.to_string(),
                letter.holds.to_string(),
                format!("{}: {}", letter.reason, letter.explanation),
            ]
        });
        println!("{}", table::table(&["message", "source", "dead since", "attempts", "holds", "why"], rows));
        if letters.len() == limit as usize {
            println!("There may be more: raise --limit, or filter with --source.");
        }
    }
    Ok(if letters.is_empty() { Ended::Nothing } else { Ended::Done })
}
