//! `GET /audit`: who looked at what, and who decided what, and why.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use waybill_store::audit::Via;
use waybill_store::audit_trail::{Filter, Listed};

use super::Viewer;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame};

/// Lines on one page.
const LISTED_MAX: u32 = 100;
/// Subjects of one line that are named.
pub(crate) const SUBJECTS_MAX: usize = 5;

/// Which acts; a part that is empty does not narrow.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    via: String,
    actor: String,
    action: String,
    session: String,
    before: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    frame: Frame,
    shown: Wanted,
    ways: [&'static str; 3],
    entries: Vec<Listed>,
    next: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Result<Filter, Failure> {
        let some = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let via = some(&self.via);
        if via.as_deref().is_some_and(|via| !Via::NAMES.contains(&via)) {
            return Err(Failure::Wrong("There is no such way.".to_owned()));
        }
        Ok(Filter {
            via,
            actor: some(&self.actor),
            action: some(&self.action),
            session: some(&self.session),
            before: self.before.parse().ok(),
            ..Filter::default()
        })
    }

    fn is_narrow(&self) -> bool {
        [&self.via, &self.actor, &self.action, &self.session].iter().any(|part| !part.is_empty())
    }

    fn page(&self, before: i64) -> String {
        format!(
            "/audit?via={}&actor={}&action={}&session={}&before={before}",
            encode(&self.via),
            encode(&self.actor),
            encode(&self.action),
            encode(&self.session)
        )
    }
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(shown): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let entries = console.store().acts(&shown.filter()?, LISTED_MAX).await?;
    let last = entries.last().filter(|_| entries.len() == LISTED_MAX as usize);
    let next = last.map(|last| shown.page(last.position));
    view::html(&Page { frame: viewer.frame("/audit", "Audit"), shown, ways: Via::NAMES, entries, next })
}
