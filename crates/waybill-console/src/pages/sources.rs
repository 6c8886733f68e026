//! `GET /sources`: each source with its traffic, silence, rates, keys and last dead letters. What was
//! refused is in no ledger; the page says where that is counted.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use chrono::{DateTime, Utc};
use waybill_store::console::browse::{KeyFacts, LastError};
use waybill_store::gauges::SourceFigures;
use waybill_store::source::Known;

use super::Viewer;
use super::moment::written;
use crate::Console;
use crate::failure::Failure;
use crate::guard::encode;
use crate::live::Now;
use crate::plot::{Plot, draw};
use crate::view::{self, Frame, span};

/// One source.
struct Row {
    known: Known,
    figures: Option<SourceFigures>,
    /// Accepted in the remembered hour, and a second over the last minute.
    hour: i64,
    rate: f64,
    plot: Plot,
    dead: i64,
    repeats: i64,
    keys: Vec<KeyFacts>,
    errors: Vec<LastError>,
}

impl Row {
    /// How long it may be silent, in words.
    fn silence_max(&self) -> Option<String> {
        self.figures.as_ref().map(|figures| figures.silence_s_max).filter(|most| *most > 0.0).map(span)
    }

    /// How long it has been silent, in words, and whether that is too long.
    fn silence(&self) -> (String, bool) {
        match self.figures.as_ref().and_then(|figures| Some((figures.silent_s?, figures.silence_s_max))) {
            None => ("may be silent".to_owned(), false),
            Some((silent, most)) => (span(silent), most > 0.0 && silent > most),
        }
    }
}

#[derive(Template)]
#[template(path = "sources.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    hour_since: Option<DateTime<Utc>>,
    /// The remembered hour as part of an address: what the traffic counts.
    hour: String,
}

pub(crate) async fn list(State(console): State<Console>, viewer: Viewer) -> Result<Html<String>, Failure> {
    let store = console.store();
    let now = console.live().now();
    let figures = store.source_figures().await?;
    let mut keys = BTreeMap::<String, Vec<KeyFacts>>::new();
    let mut errors = BTreeMap::<String, Vec<LastError>>::new();
    for key in store.live_keys().await? {
        keys.entry(key.source.clone()).or_default().push(key);
    }
    for error in store.last_errors().await? {
        errors.entry(error.source.clone()).or_default().push(error);
    }
    let mut dead = BTreeMap::<String, i64>::new();
    for (source, _, _, count) in store.dead_counts().await? {
        *dead.entry(source).or_default() += count;
    }
    let repeats: BTreeMap<String, i64> = store.repeats().await?.into_iter().collect();
    let rows = store.sources().await?.into_iter().map(|known| {
        let name = known.source.name.clone();
        let (hour, rate, plot) = traffic(&now, &name);
        Row {
            figures: figures.iter().find(|figures| figures.source == name).cloned(),
            dead: dead.get(&name).copied().unwrap_or(0),
            keys: keys.remove(&name).unwrap_or_default(),
            errors: errors.remove(&name).unwrap_or_default(),
            repeats: repeats.get(&name).copied().unwrap_or(0),
            known,
            hour,
            rate,
            plot,
        }
    });
    let page = Page {
        frame: viewer.frame("/sources", "Sources"),
        rows: rows.collect(),
        hour_since: now.hour.front().map(|sample| sample.from),
        hour: hour(&now),
    };
    view::html(&page)
}

/// The time in which the remembered hour counts, as part of an address.
fn hour(now: &Now) -> String {
    let Some((first, last)) = now.hour.front().zip(now.hour.back()) else { return "since=1h".to_owned() };
    format!("from={}&to={}", encode(&written(first.from)), encode(&written(last.to)))
}

/// What came from a source: in the remembered hour, a second over the last minute, as a plot.
fn traffic(now: &Now, source: &str) -> (i64, f64, Plot) {
    let counts: Vec<i64> =
        now.hour.iter().map(|sample| sample.by_source.get(source).copied().unwrap_or(0)).collect();
    let last = now.hour.back().map(|sample| sample.at);
    let after = last.map(|at| at - chrono::TimeDelta::minutes(1));
    let (mut recent, mut began) = (0, last);
    for (sample, count) in now.hour.iter().zip(&counts).rev() {
        began = Some(sample.at);
        if after.is_some_and(|after| sample.at <= after) {
            break;
        }
        recent += count;
    }
    let over = last.zip(began).map_or(0.0, |(last, began)| (last - began).as_seconds_f64());
    let rate = if over > 0.0 { view::float(recent) / over } else { 0.0 };
    let values = counts.iter().map(|&count| view::float(count)).collect();
    let plot = draw("", "Accepted", "/messages", &[("line one", "accepted at each look", values)]);
    (counts.iter().sum(), rate, plot)
}
