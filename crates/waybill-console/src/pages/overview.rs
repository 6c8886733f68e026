//! `GET /`: is anything wrong, since when, for whom, what to do; then the flow and an hour of it.

use askama::Template;
use axum::extract::State;
use axum::response::Html;
use chrono::{DateTime, Utc};

use super::Viewer;
use crate::Console;
use crate::balance::Kept;
use crate::failure::Failure;
use crate::live::{Now, Sample};
use crate::plot::{Plot, draw};
use crate::verdict::Verdict;
use crate::view::{self, Frame, count, figure, rate, span};

/// One stage of the flow.
struct Stage {
    id: &'static str,
    name: &'static str,
    value: String,
    note: String,
    href: &'static str,
    /// Something waits here for too long, or for a person.
    alarm: bool,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    looked_at: Option<DateTime<Utc>>,
    verdicts: Vec<(Verdict, DateTime<Utc>)>,
    stages: Vec<Stage>,
    plots: Vec<Plot>,
    hour_since: Option<DateTime<Utc>>,
    balance: Kept,
    broker: Vec<(&'static str, String)>,
    /// Lanes: how long each takes to drain.
    drain: Vec<(String, String)>,
    oldest_due: Option<uuid::Uuid>,
}

pub(crate) async fn show(State(console): State<Console>, viewer: Viewer) -> Result<Html<String>, Failure> {
    let now = console.live().now();
    let page = Page {
        frame: viewer.frame("/", "Overview"),
        looked_at: now.at,
        verdicts: now.verdicts.to_vec(),
        stages: stages(&now),
        plots: plots(&now),
        hour_since: now.hour.front().map(|sample| sample.at),
        balance: console.balance().ask(),
        broker: broker(&now),
        drain: drain(&now),
        oldest_due: now.flow.as_ref().and_then(|flow| flow.oldest_due),
    };
    view::html(&page)
}

/// The mean of the last minute: one look alone jumps.
fn last_minute(now: &Now, of: fn(&Sample) -> f64) -> f64 {
    let Some(last) = now.hour.back() else { return 0.0 };
    let after = last.at - chrono::TimeDelta::minutes(1);
    let values: Vec<f64> = now.hour.iter().filter(|sample| sample.at > after).map(of).collect();
    let counted = i64::try_from(values.len()).unwrap_or(1).max(1);
    values.iter().sum::<f64>() / view::float(counted)
}

fn stages(now: &Now) -> Vec<Stage> {
    let Some(flow) = &now.flow else { return Vec::new() };
    let oldest =
        |seconds: f64| if seconds > 0.0 { format!("oldest {}", span(seconds)) } else { String::new() };
    let stage = |id, name, value, note, href, alarm| Stage { id, name, value, note, href, alarm };
    let accepted = rate(last_minute(now, |sample| sample.accepted));
    let finished = rate(last_minute(now, |sample| sample.finished));
    let past_minute = || "past minute".to_owned();
    vec![
        stage("accepted", "Accepted", accepted, past_minute(), "/messages?since=1m", false),
        stage(
            "due",
            "Due",
            count(flow.due),
            oldest(flow.oldest_due_s),
            "/messages?state=due&since=all",
            flow.oldest_due_s > 60.0,
        ),
        stage(
            "published",
            "In RabbitMQ",
            count(flow.published),
            String::new(),
            "/messages?state=published&since=all",
            false,
        ),
        stage(
            "in-hand",
            "In hand",
            count(flow.in_hand),
            oldest(flow.oldest_in_hand_s),
            "/messages?state=processing&since=all",
            false,
        ),
        stage(
            "retrying",
            "Due later",
            count(flow.retrying),
            String::new(),
            "/messages?state=later&since=all",
            false,
        ),
        stage(
            "held",
            "Held",
            count(flow.held),
            oldest(flow.oldest_held_s),
            "/messages?state=held&since=all",
            false,
        ),
        stage("dead", "Dead", count(flow.dead), oldest(flow.oldest_dead_s), "/dead", flow.dead > 0),
        stage("finished", "Finished", finished, past_minute(), "/messages?state=final&since=1h", false),
    ]
}

fn plots(now: &Now) -> Vec<Plot> {
    let series = |of: fn(&Sample) -> f64| now.hour.iter().map(of).collect::<Vec<f64>>();
    vec![
        draw(
            "plot-rates",
            "Messages a second",
            "/sources",
            &[
                ("line one", "accepted", series(|sample| sample.accepted)),
                ("line two", "finished", series(|sample| sample.finished)),
            ],
        ),
        draw(
            "plot-unfinished",
            "Unfinished messages",
            "/messages?state=unfinished&since=all",
            &[("line one", "unfinished", series(|sample| sample.unfinished))],
        ),
        draw(
            "plot-due",
            "Oldest due message, seconds",
            "/messages?state=due&since=all",
            &[("line one", "oldest due", series(|sample| sample.oldest_due_s))],
        ),
        draw("plot-dead", "Dead letters", "/dead", &[("line one", "dead", series(|sample| sample.dead))]),
    ]
}

fn broker(now: &Now) -> Vec<(&'static str, String)> {
    let yes =
        |name: &str, good: &'static str, bad: &'static str, good_value: f64| match now.figures.get(name, &[])
        {
            None => "unknown".to_owned(),
            Some(value) if value.to_bits() == good_value.to_bits() => good.to_owned(),
            Some(_) => bad.to_owned(),
        };
    let alarms: Vec<String> = now
        .figures
        .by("waybill_broker_alarm", "kind")
        .into_iter()
        .filter(|(_, raised)| *raised > 0.0)
        .map(|(kind, _)| kind)
        .collect();
    let alarms = if alarms.is_empty() { "none".to_owned() } else { alarms.join(", ") };
    let differences = now.figures.get("waybill_topology_differences", &[("weight", "unsafe")]);
    vec![
        ("RabbitMQ", yes("waybill_broker_up", "answers", "does not answer", 1.0)),
        ("All views of it", yes("waybill_broker_watch_up", "answer", "one is missing", 1.0)),
        ("Alarms", alarms),
        ("Blocked connections", figure(now.figures.get("waybill_broker_connections_blocked", &[]))),
        ("Unsafe differences of the topology", figure(differences)),
    ]
}

fn drain(now: &Now) -> Vec<(String, String)> {
    let known = now.figures.by("waybill_drain_seconds", "lane");
    let lanes = now.figures.names("waybill_drain_seconds", "lane");
    let estimate = |lane: &String| match known.get(lane) {
        None => "not measured yet".to_owned(),
        Some(seconds) if *seconds >= 86_400.0 => "nothing moves".to_owned(),
        Some(seconds) if *seconds <= 0.0 => "empty".to_owned(),
        Some(seconds) => span(*seconds),
    };
    lanes.iter().map(|lane| (lane.clone(), estimate(lane))).collect()
}
