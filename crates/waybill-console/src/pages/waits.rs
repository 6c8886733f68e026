//! `GET /dead/waits`: the messages that wait behind a dead letter, a group of them, or all that a filter
//! wants; what the numbers under "holds" and in a dry run count.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use serde::Deserialize;
use uuid::Uuid;
use waybill_core::fingerprint::Fingerprint;
use waybill_store::console::browse::Listed;
use waybill_store::dead::{HELD_MAX, HOLDS_MAX};

use super::Viewer;
use super::letters::Letters;
use crate::Console;
use crate::failure::Failure;
use crate::view::{self, Frame, Total};

/// Messages on the page.
const LISTED_MAX: usize = 200;
/// Messages that are counted behind the letters of a filter.
const COUNTED_MAX: u32 = 10_000;

/// Behind what: a letter, else a group, else what the filter wants.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    letter: String,
    heads: String,
    #[serde(flatten)]
    letters: Letters,
}

#[derive(Template)]
#[template(path = "waits.html")]
struct Page {
    frame: Frame,
    /// Behind what, in words, and where that is.
    behind: String,
    href: String,
    messages: Vec<Listed>,
    total: Total,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let store = console.store();
    let wrong = |what: &str| Failure::Wrong(format!("There is no such {what}."));
    let (behind, href, ids, most) = if !wanted.letter.is_empty() {
        let id: Uuid = wanted.letter.parse().map_err(|_| wrong("message"))?;
        let most = u32::try_from(HOLDS_MAX).unwrap_or(u32::MAX);
        (format!("dead letter {id}"), format!("/messages/{id}"), store.behind_letter(id).await?, most)
    } else if !wanted.heads.is_empty() {
        let group: Fingerprint = wanted.heads.parse().map_err(|_| wrong("group"))?;
        let most = u32::try_from(HELD_MAX).unwrap_or(u32::MAX);
        let ids = store.behind_group(group).await?;
        (format!("the dead letters of group {group}"), format!("/dead?group={group}"), ids, most)
    } else {
        let letters = wanted.letters.trimmed();
        let ids = store.behind_letters(&letters.filter()?, COUNTED_MAX).await?;
        (letters.filter()?.words(), format!("/dead?{}", letters.query()), ids, COUNTED_MAX)
    };
    let total = Total::up_to(i64::try_from(ids.len()).unwrap_or(i64::MAX), most);
    let shown = ids.get(..LISTED_MAX).unwrap_or(&ids);
    let messages = store.listed(shown).await?;
    view::html(&Page { frame: viewer.frame("/dead", "Waiting messages"), behind, href, messages, total })
}
