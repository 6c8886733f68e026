//! `GET /dead`: what waits for a person, in groups of what is alike, and one page of it.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_core::outcome::ErrorClass;
use waybill_store::dead::{Cursor, DeadLetter, Filter, Group};

use super::Viewer;
use super::decide::said;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame};

/// Groups on the page.
const GROUPS_MAX: u32 = 50;
/// Dead letters on one page: as many as one decision takes.
const LISTED_MAX: u32 = 100;

/// Which to show.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    source: Option<String>,
    class: Option<String>,
    group: Option<String>,
    text: Option<String>,
    after: Option<String>,
    done: Option<String>,
}

/// What is shown, as the form has it.
#[derive(Debug, Default)]
struct Shown {
    source: String,
    class: String,
    group: String,
    text: String,
}

#[derive(Template)]
#[template(path = "dead.html")]
struct Page {
    frame: Frame,
    shown: Shown,
    sources: Vec<String>,
    classes: Vec<&'static str>,
    groups: Vec<Group>,
    groups_total: i64,
    letters: Vec<DeadLetter>,
    next: Option<String>,
    done: String,
}

impl Shown {
    fn new(wanted: &Wanted) -> Self {
        let text = |value: &Option<String>| value.as_deref().unwrap_or_default().trim().to_owned();
        Self {
            source: text(&wanted.source),
            class: text(&wanted.class),
            group: text(&wanted.group),
            text: text(&wanted.text),
        }
    }

    /// Whether all of them are shown.
    fn is_all(&self) -> bool {
        [&self.source, &self.class, &self.group, &self.text].iter().all(|part| part.is_empty())
    }

    fn filter(&self) -> Result<Filter, Failure> {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let wrong = |what: &str| Failure::Wrong(format!("There is no such {what}."));
        let class = some(&self.class)
            .map(|class| {
                ErrorClass::ALL
                    .into_iter()
                    .find(|known| known.as_str() == class)
                    .ok_or_else(|| wrong("class"))
            })
            .transpose()?;
        let fingerprint =
            some(&self.group).map(|group| group.parse().map_err(|_| wrong("group"))).transpose()?;
        Ok(Filter {
            source: some(&self.source),
            class,
            fingerprint,
            text: some(&self.text),
            ..Filter::default()
        })
    }

    /// The address of the page after `cursor`.
    fn next(&self, cursor: &Cursor) -> String {
        format!(
            "/dead?source={}&class={}&group={}&text={}&after={}",
            encode(&self.source),
            encode(&self.class),
            encode(&self.group),
            encode(&self.text),
            encode(&cursor.to_string())
        )
    }
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let shown = Shown::new(&wanted);
    let filter = shown.filter()?;
    let after = wanted.after.as_deref().map(str::parse::<Cursor>).transpose();
    let after = after.map_err(|_| Failure::Wrong("There is no such page.".to_owned()))?;
    let groups = console.store().dead_groups(&filter, GROUPS_MAX).await?;
    let found = console.store().dead_page(&filter, after, LISTED_MAX).await?;
    let mut sources: Vec<String> = console.directory().snapshot().sources.keys().cloned().collect();
    sources.sort();
    let page = Page {
        frame: viewer.frame("/dead", "Dead letters"),
        sources,
        classes: ErrorClass::ALL.into_iter().map(ErrorClass::as_str).collect(),
        groups_total: groups.total,
        groups: groups.groups,
        next: found.next.as_ref().map(|cursor| shown.next(cursor)),
        letters: found.letters,
        done: said(wanted.done.as_deref()),
        shown,
    };
    view::html(&page)
}
