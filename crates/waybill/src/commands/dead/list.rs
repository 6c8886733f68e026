//! `waybill dead groups` and `waybill dead list`.

use serde_json::json;
use waybill_store::Store;
use waybill_store::dead::{Cursor, DeadLetter, Filter, Group, HOLDS_MAX};

use super::when;
use crate::cli::{Export, Output, Who};
use crate::commands::Ended;
use crate::commands::export::{self, List};
use crate::table;

pub(super) async fn groups(
    store: &Store,
    filter: &Filter,
    limit: u32,
    output: Output,
) -> anyhow::Result<Ended> {
    let found = store.dead_groups(filter, limit).await?;
    if output.json {
        println!("{}", table::json(&found.groups)?);
    } else if found.groups.is_empty() {
        println!("No dead letters.");
    } else {
        let header = ["group", "source", "kind", "letters", "held", "oldest", "newest", "why, for instance"];
        println!("{}", table::table(&header, found.groups.iter().map(row_of_group)));
        let more = found.total - i64::try_from(found.groups.len()).unwrap_or(i64::MAX);
        if more > 0 {
            println!("{more} smaller groups more: raise --limit, or filter.");
        }
        println!("One group: waybill dead list --group FINGERPRINT");
    }
    Ok(if found.groups.is_empty() { Ended::Nothing } else { Ended::Done })
}

fn row_of_group(group: &Group) -> Vec<String> {
    vec![
        group.fingerprint.to_string(),
        group.source.clone(),
        group.kind.clone(),
        group.count.to_string(),
        format!("{}{}", group.holds, if group.holds_at_least { "+" } else { "" }),
        when(group.oldest),
        when(group.newest),
        format!("{}: {}", group.reason, group.explanation),
    ]
}

pub(super) async fn list(
    store: &Store,
    filter: &Filter,
    (after, limit): (Option<Cursor>, u32),
    output: Output,
) -> anyhow::Result<Ended> {
    let page = store.dead_page(filter, after, limit).await?;
    if output.json {
        println!("{}", table::json(&page.letters)?);
    } else if page.letters.is_empty() {
        println!("No dead letters.");
    } else {
        let header = ["message", "source", "dead since", "attempts", "holds", "group", "why"];
        println!("{}", table::table(&header, page.letters.iter().map(row_of_letter)));
        if let Some(next) = page.next {
            println!("There may be more: the next page is --after {next}");
        }
    }
    Ok(if page.letters.is_empty() { Ended::Nothing } else { Ended::Done })
}

/// Takes a page out, as CSV.
pub(super) async fn take_out(
    store: &Store,
    filter: &Filter,
    (after, limit): (Option<Cursor>, u32),
    (to, reason): (&Export, Option<&str>),
    who: &Who,
) -> anyhow::Result<Ended> {
    let page = store.dead_page(filter, after, limit).await?;
    let rows = page.letters.iter().map(|letter| {
        vec![
            letter.id.to_string(),
            letter.source.clone(),
            letter.kind.clone(),
            letter.received_at.to_rfc3339(),
            letter.dead_at.to_rfc3339(),
            letter.attempts.to_string(),
            holds(letter.holds),
            letter.fingerprint.to_string(),
            letter.reason.clone(),
            letter.explanation.clone(),
        ]
    });
    let list = List {
        action: "export dead letters",
        filter: json!({"letters": filter.words(), "after": after, "limit": limit}),
        source: filter.source.as_deref(),
        reason,
        keys: false,
        header: &[
            "id",
            "source",
            "kind",
            "received_at",
            "dead_at",
            "attempts",
            "holds",
            "group",
            "class",
            "reason",
        ],
        rows: rows.collect(),
        more: page.next.is_some(),
    };
    export::write(store, who, to, list).await
}

fn row_of_letter(letter: &DeadLetter) -> Vec<String> {
    vec![
        letter.id.to_string(),
        letter.source.clone(),
        when(letter.dead_at),
        letter.attempts.to_string(),
        holds(letter.holds),
        letter.fingerprint.to_string(),
        format!("{}: {}", letter.reason, letter.explanation),
    ]
}

/// How many wait, as far as they are counted.
pub(super) fn holds(count: i64) -> String {
    if count < HOLDS_MAX { count.to_string() } else { format!("{count}+") }
}
