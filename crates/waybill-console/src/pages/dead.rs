//! `GET /dead`: what waits for a person, in groups of what is alike, and one page of it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::dead::{Cursor, DeadLetter, Group};

use super::Viewer;
use super::choices::Choices;
use super::decide::said;
use super::letters::Letters;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame, Total};

/// Groups on the page.
const GROUPS_MAX: u32 = 50;
/// Dead letters on one page: as many as one decision takes.
const LISTED_MAX: u32 = 100;

/// Which to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    #[serde(flatten)]
    letters: Letters,
    after: Option<String>,
    done: Option<String>,
}

#[derive(Template)]
#[template(path = "dead.html")]
struct Page {
    frame: Frame,
    shown: Letters,
    choices: Choices,
    groups: Vec<Group>,
    groups_total: i64,
    /// Letters that fit.
    total: Total,
    letters: Vec<DeadLetter>,
    next: Option<String>,
    done: String,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let shown = wanted.letters.trimmed();
    let filter = shown.filter()?;
    let after = wanted.after.as_deref().map(str::parse::<Cursor>).transpose();
    let after = after.map_err(|_| Failure::Wrong("There is no such page.".to_owned()))?;
    let groups = console.store().dead_groups(&filter, GROUPS_MAX).await?;
    let found = console.store().dead_page(&filter, after, LISTED_MAX).await?;
    let total = groups.groups.iter().map(|group| group.count).sum();
    let is_least = groups.total > i64::from(GROUPS_MAX);
    let page = Page {
        frame: viewer.frame("/dead", "Dead letters"),
        choices: Choices::of(&console),
        total: Total::new(total, is_least),
        groups_total: groups.total,
        groups: groups.groups,
        next: found
            .next
            .as_ref()
            .map(|cursor| format!("/dead?{}&after={}", shown.query(), encode(&cursor.to_string()))),
        letters: found.letters,
        done: said(wanted.done.as_deref()),
        shown,
    };
    view::html(&page)
}
