//! `GET /messages`: messages by source, kind, lane, state, failure and time. What is asked stands in the
//! address, so nothing about a person is asked here: that is `find.rs`, which is posted.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Html;
use chrono::TimeDelta;
use serde::Deserialize;
use waybill_store::console::browse::{Filter, Listed};

use super::Viewer;
use super::choices::Choices;
use super::find::Asked;
use super::moment::moment;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::view::{self, Frame, Total};

/// Messages on one page.
const LISTED_MAX: u32 = 50;
/// Messages that are counted; with more it says that there are more.
const COUNTED_MAX: u32 = 10_000;

/// A name for some states: the name, the states (none: every one), and whether it is due by now.
type Place = (&'static str, &'static [&'static str], Option<bool>);

/// What may stand for a state: several of them, or when it is due; then each state.
pub(crate) const PLACES: [Place; 13] = [
    ("unfinished", &["accepted", "published", "held", "processing", "retrying"], None),
    ("in-flight", &["accepted", "published", "processing", "retrying"], None),
    ("due", &["accepted", "retrying"], Some(true)),
    ("later", &["accepted", "retrying"], Some(false)),
    ("final", &["processed", "discarded"], None),
    ("accepted", &["accepted"], None),
    ("published", &["published"], None),
    ("held", &["held"], None),
    ("processing", &["processing"], None),
    ("retrying", &["retrying"], None),
    ("processed", &["processed"], None),
    ("dead", &["dead"], None),
    ("discarded", &["discarded"], None),
];
/// How far back: its name, its words, minutes (none: all).
pub(crate) const SINCE: [(&str, &str, Option<i64>); 6] = [
    ("1m", "the last minute", Some(1)),
    ("1h", "the last hour", Some(60)),
    ("24h", "the last 24 hours", Some(24 * 60)),
    ("7d", "the last 7 days", Some(7 * 24 * 60)),
    ("30d", "the last 30 days", Some(30 * 24 * 60)),
    ("all", "all time", None),
];

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) lane: String,
    pub(crate) state: String,
    pub(crate) class: String,
    pub(crate) since: String,
    /// Accepted at this moment or later; it and `to` take the place of `since`.
    pub(crate) from: String,
    /// Accepted before this moment.
    pub(crate) to: String,
    before: String,
}

#[derive(Template)]
#[template(path = "messages.html")]
struct Page {
    frame: Frame,
    wanted: Wanted,
    /// The fields of the search by value, empty.
    asked: Asked,
    since: &'static str,
    since_words: &'static str,
    choices: Choices,
    messages: Vec<Listed>,
    /// Of how many; none: on a later page, where nothing is counted again.
    total: Option<Total>,
    next: Option<String>,
}

impl Wanted {
    fn trimmed(self) -> Self {
        let trimmed = |text: &str| text.trim().to_owned();
        Self {
            source: trimmed(&self.source),
            kind: trimmed(&self.kind),
            lane: trimmed(&self.lane),
            state: trimmed(&self.state),
            class: trimmed(&self.class),
            since: trimmed(&self.since),
            from: trimmed(&self.from),
            to: trimmed(&self.to),
            before: trimmed(&self.before),
        }
    }

    /// How far back, by the list; all time where the moments are given.
    fn window(&self) -> (&'static str, &'static str, Option<i64>) {
        let is_given = !self.from.is_empty() || !self.to.is_empty();
        let named = |name: &str| SINCE.into_iter().find(|(known, ..)| *known == name);
        if is_given {
            return ("all", "the time that is given", None);
        }
        named(&self.since).or_else(|| named("24h")).unwrap_or(SINCE[0])
    }

    fn filter(&self) -> Result<Filter, Failure> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let place = PLACES.into_iter().find(|(name, ..)| *name == self.state);
        if place.is_none() && !self.state.is_empty() {
            return Err(Failure::Wrong("There is no such state.".to_owned()));
        }
        let (_, states, due) = place.unwrap_or(("", &[], None));
        let since = self.window().2.map(|minutes| view::now() - TimeDelta::minutes(minutes));
        Ok(Filter {
            source: some(&self.source),
            kind: some(&self.kind),
            lane: some(&self.lane),
            states: states.iter().map(|&state| state.to_owned()).collect(),
            due,
            error_class: some(&self.class),
            from: moment(&self.from)?.or(since),
            to: moment(&self.to)?,
            before: self.before.parse().ok(),
        })
    }

    /// The address of the page after message `last`.
    fn after(&self, last: &Listed) -> String {
        let parts = [
            ("source", &self.source),
            ("kind", &self.kind),
            ("lane", &self.lane),
            ("state", &self.state),
            ("class", &self.class),
            ("since", &self.since),
            ("from", &self.from),
            ("to", &self.to),
        ];
        let mut address = "/messages?".to_owned();
        for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
            address.extend([name, "=", &encode(part), "&"]);
        }
        address.extend(["before=", &last.id.to_string()]);
        address
    }
}

pub(crate) async fn list(
    State(console): State<Console>,
    viewer: Viewer,
    Query(wanted): Query<Wanted>,
) -> Result<Html<String>, Failure> {
    let wanted = wanted.trimmed();
    let filter = wanted.filter()?;
    let messages = console.store().browse(&filter, LISTED_MAX).await?;
    let is_full = messages.len() == LISTED_MAX as usize;
    let counted = match (is_full, filter.before) {
        (_, Some(_)) => None,
        (false, None) => Some(i64::try_from(messages.len()).unwrap_or_default()),
        (true, None) => Some(console.store().browse_count(&filter, COUNTED_MAX).await?),
    };
    let next = messages.last().filter(|_| is_full).map(|last| wanted.after(last));
    let (since, since_words, _) = wanted.window();
    view::html(&Page {
        frame: viewer.frame("/messages", "Messages"),
        since,
        since_words,
        wanted,
        asked: Asked::default(),
        choices: Choices::of(&console),
        messages,
        total: counted.map(|counted| Total::up_to(counted, COUNTED_MAX)),
        next,
    })
}
