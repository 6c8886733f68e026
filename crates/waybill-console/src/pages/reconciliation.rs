//! `GET /reconciliation`: the balance of every source, what did not fit, and what is overdue.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::finding::Finding;
use waybill_store::overdue::Overdue;
use waybill_store::problem::Problem;

use super::Viewer;
use crate::Console;
use crate::balance::Kept;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// Rows of each list.
const LISTED_MAX: u32 = 100;

/// A finding with what it means.
struct Row {
    finding: Finding,
    meaning: &'static str,
    advice: &'static str,
}

#[derive(Template)]
#[template(path = "reconciliation.html")]
struct Page {
    frame: Frame,
    /// Of this source alone; empty: of all.
    source: String,
    balance: Kept,
    open: Vec<Row>,
    mended: Vec<Row>,
    overdue: Vec<Overdue>,
}

/// Of which source.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    source: String,
}

pub(crate) async fn show(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let store = console.store();
    let explain = |finding: Finding| {
        let problem = Problem::find(&finding.problem);
        let meaning = problem.map_or("a problem that this version does not know", Problem::meaning);
        Row { meaning, advice: problem.map_or("ask the version that found it", Problem::advice), finding }
    };
    let is_wanted = |source: &str| wanted.source.is_empty() || wanted.source == source;
    let mut found = store.findings(LISTED_MAX).await?;
    found.retain(|finding| is_wanted(&finding.source));
    let mut overdue = store.overdue(LISTED_MAX).await?;
    overdue.retain(|late| is_wanted(&late.source));
    let (mended, open): (Vec<Row>, Vec<Row>) =
        found.into_iter().map(explain).partition(|row| row.finding.mended_at.is_some());
    let page = Page {
        frame: viewer.frame("/reconciliation", "Reconciliation"),
        balance: console.balance().ask(),
        open,
        mended,
        overdue,
        source: wanted.source,
    };
    view::html(&page)
}
