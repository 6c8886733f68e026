//! `GET /plans/{id}/items` and `/plans/{id}/waits`: a plan's items by state, and the messages that waited
//! behind them; what the numbers of a plan count.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::console::browse::Listed;
use waybill_store::plan::{Choice, Item};

use super::Viewer;
use super::plans::{read_id, unknown};
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame, Total};

/// Items on one page.
const LISTED_MAX: u32 = 100;
/// The states, as the ledger and addresses have them, with their words.
pub(crate) const STATES: [(&str, &str); 6] = [
    ("recovered", "recovered"),
    ("failed", "failed again"),
    ("held", "held"),
    ("skipped", "skipped"),
    ("replayed", "in flight"),
    ("waiting", "waiting"),
];

/// Which items.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub(crate) state: String,
    why: String,
    /// Whose message is final by now.
    r#final: String,
    after: String,
}

/// Which of the messages that waited.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Waits {
    released: String,
}

#[derive(Template)]
#[template(path = "items.html")]
struct Page {
    frame: Frame,
    plan: i64,
    wanted: Wanted,
    items: Vec<Item>,
    total: Total,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "waited.html")]
struct Waited {
    frame: Frame,
    plan: i64,
    is_released: bool,
    messages: Vec<Listed>,
    total: Total,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let store = console.store();
    let plan = store.plan(read_id(&id)?).await?.ok_or_else(|| unknown(&id))?.id;
    if !wanted.state.is_empty() && !STATES.iter().any(|(name, _)| *name == wanted.state) {
        return Err(Failure::Wrong("An item has no such state.".to_owned()));
    }
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let choice =
        Choice { state: some(&wanted.state), why: some(&wanted.why), is_final: !wanted.r#final.is_empty() };
    let after = wanted.after.parse().unwrap_or(0);
    let items = store.plan_items(plan, &choice, after, LISTED_MAX).await?;
    let total = Total::exact(store.plan_items_count(plan, &choice).await?);
    let last = items.last().filter(|_| items.len() == LISTED_MAX as usize);
    let next = last.map(|last| {
        let (state, why, is_final) = (encode(&wanted.state), encode(&wanted.why), encode(&wanted.r#final));
        format!("/plans/{plan}/items?state={state}&why={why}&final={is_final}&after={}", last.seq)
    });
    let frame = viewer.frame("/plans", &format!("Items of plan {plan}"));
    view::html(&Page { frame, plan, wanted, items, total, next })
}

/// `GET /plans/{id}/waits`
pub(crate) async fn waits(
    State(console): State<Console>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(wanted): Query<Waits>,
) -> Result<Html<String>, Failure> {
    let store = console.store();
    let plan = store.plan(read_id(&id)?).await?.ok_or_else(|| unknown(&id))?.id;
    let is_released = !wanted.released.is_empty();
    let (total, ids) = store.plan_waits(plan, is_released, LISTED_MAX).await?;
    let messages = store.listed(&ids).await?;
    let frame = viewer.frame("/plans", &format!("What waited behind plan {plan}"));
    view::html(&Waited { frame, plan, is_released, messages, total: Total::exact(total) })
}
