//! `GET /dead`: what waits for a person, counted by source and reason, and the newest of it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::dead::DeadLetter;

use super::Viewer;
use super::decide::said;
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// Dead letters on one page: as many as one decision takes.
const LISTED_MAX: u32 = 100;

/// Which to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    source: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "dead.html")]
struct Page {
    frame: Frame,
    source: String,
    counts: Vec<(String, String, String, i64)>,
    total: i64,
    letters: Vec<DeadLetter>,
    more: bool,
    done: String,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let source = wanted.source.filter(|source| !source.is_empty());
    let mut counts = console.store().dead_counts().await?;
    counts
        .sort_by_key(|(source, _, class, count)| (std::cmp::Reverse(*count), source.clone(), class.clone()));
    let letters = console.store().dead_letters(source.as_deref(), LISTED_MAX).await?;
    let page = Page {
        frame: viewer.frame("/dead", "Dead letters"),
        total: counts.iter().map(|(.., count)| count).sum(),
        more: letters.len() == LISTED_MAX as usize,
        source: source.unwrap_or_default(),
        counts,
        letters,
        done: said(wanted.done.as_deref()),
    };
    view::html(&page)
}
