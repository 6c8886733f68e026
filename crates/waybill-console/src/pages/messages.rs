//! `GET /messages`: messages by source, state, time, failure, idempotency key or id. That somebody looks for
//! a key is on the audit trail first, or nothing is looked for.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;
use waybill_store::console::browse::{Filter, Listed};

use super::Viewer;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame};

/// Messages on one page.
const LISTED_MAX: u32 = 50;
/// The states, and `unfinished` and `due`, which are several.
pub(crate) const STATES: [&str; 10] = [
    "unfinished",
    "due",
    "accepted",
    "published",
    "held",
    "processing",
    "retrying",
    "processed",
    "dead",
    "discarded",
];
/// How far back: its name, its words, hours (none: all).
pub(crate) const SINCE: [(&str, &str, Option<i64>); 5] = [
    ("1h", "the last hour", Some(1)),
    ("24h", "the last 24 hours", Some(24)),
    ("7d", "the last 7 days", Some(24 * 7)),
    ("30d", "the last 30 days", Some(24 * 30)),
    ("all", "all time", None),
];

/// What is searched for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Wanted {
    /// An id, or an idempotency key.
    q: Option<String>,
    source: Option<String>,
    state: Option<String>,
    class: Option<String>,
    since: Option<String>,
    before: Option<String>,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct Page {
    frame: Frame,
    q: String,
    source: String,
    state: String,
    class: String,
    since: &'static str,
    since_words: &'static str,
    sources: Vec<String>,
    messages: Vec<Listed>,
    next: Option<String>,
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let text = |value: Option<String>| value.map(|text| text.trim().to_owned()).unwrap_or_default();
    let (q, source) = (text(wanted.q), text(wanted.source));
    if let Ok(id) = q.parse::<Uuid>() {
        return Ok(Redirect::to(&format!("/messages/{id}")).into_response());
    }
    let (state, class) = (text(wanted.state), text(wanted.class));
    if !state.is_empty() && !STATES.contains(&state.as_str()) {
        return Err(Failure::Wrong("There is no such state.".to_owned()));
    }
    let since = text(wanted.since);
    let (since, since_words, hours) = SINCE.into_iter().find(|(name, ..)| *name == since).unwrap_or(SINCE[1]);
    let from = hours.map(|hours| view::now() - TimeDelta::hours(hours));
    let before = wanted.before.and_then(|before| before.parse().ok());
    let messages = if q.is_empty() {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let filter = Filter {
            source: some(&source),
            states: states(&state),
            error_class: some(&class),
            from,
            to: None,
            before,
        };
        console.store().browse(&filter, LISTED_MAX).await?
    } else {
        // what is shown is found by a value that its sender chose, which may be about a person
        let detail = json!({"by": [{"what": "idempotency-key"}], "since": since});
        console.store().audit(viewer.by().on_messages("find message", &[], &detail)).await?;
        console.store().browse_key(&q, from.unwrap_or(DateTime::<Utc>::UNIX_EPOCH), LISTED_MAX).await?
    };
    let last = messages.last().filter(|_| messages.len() == LISTED_MAX as usize && q.is_empty());
    let next = last.map(|last| {
        let (source, class) = (encode(&source), encode(&class));
        format!("/messages?source={source}&state={state}&class={class}&since={since}&before={}", last.id)
    });
    let mut sources: Vec<String> = console.directory().snapshot().sources.keys().cloned().collect();
    sources.sort();
    let frame = viewer.frame("/messages", "Messages");
    let page = Page { frame, q, source, state, class, since, since_words, sources, messages, next };
    Ok(view::html(&page)?.into_response())
}

/// The states that a name stands for; none: every state.
fn states(name: &str) -> Vec<String> {
    let states: &[&str] = match name {
        "" => &[],
        "unfinished" => &["accepted", "published", "held", "processing", "retrying"],
        "due" => &["accepted", "retrying"],
        one => &[one],
    };
    states.iter().map(|&state| state.to_owned()).collect()
}
