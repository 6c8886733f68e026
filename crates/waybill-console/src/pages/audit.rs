//! `GET /audit`: who looked at what, and who decided what, and why.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::audit_trail::{Filter, Listed};

use super::Viewer;
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame};

/// Lines on one page.
const LISTED_MAX: u32 = 100;
/// Subjects of one line that are named.
pub(crate) const SUBJECTS_MAX: usize = 5;

#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    entries: Vec<Listed>,
    next: Option<i64>,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let before = wanted.before.and_then(|before| before.parse().ok());
    let filter = Filter { before, ..Filter::default() };
    let entries = console.store().acts(&filter, LISTED_MAX).await?;
    let next = entries.last().filter(|_| entries.len() == LISTED_MAX as usize).map(|entry| entry.position);
    view::html(&Page { frame: viewer.frame("/audit", "Audit"), entries, next })
}
