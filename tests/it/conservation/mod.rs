//! Conservation: what is planted wrong is named by its id and mended by a running `waybill serve`,
//! effects once; what is sound is left alone, whatever the load.

mod control;
mod lost;
mod planted;
mod retention;

use serde_json::Value;

use crate::support::programs::{self, Program, free_port};
use crate::support::{Partner, World};

/// Starts a `waybill serve` as a process: in this one, tests would share their metrics. The URL of its
/// admin port.
pub async fn serve(world: &World, more: &[(&str, &str)]) -> (Program, String) {
    let (mut settings, port) = (world.settings(), free_port());
    settings.push(("WAYBILL_SERVE__ADMIN_LISTEN".into(), format!("127.0.0.1:{port}")));
    settings.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
    let program = Program::start("waybill", &["serve"], &settings);
    (program, world.until_ready(port).await)
}

/// The value of a metric's series, where it is there.
pub async fn metric(http: &reqwest::Client, admin: &str, series: &str) -> Option<i64> {
    let text = http.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Rows that the sweep `name` has mended.
pub async fn mended_by(world: &World, admin: &str, name: &str) -> Option<i64> {
    metric(&world.http, admin, &format!("waybill_sweep_changes_total{{sweep=\"{name}\"}}")).await
}

/// `waybill reconcile --json` with these arguments: its exit code and what it says. Asked again where
/// RabbitMQ did not answer each of its looks in time: it says so then, and of nothing that it is lost.
pub async fn reconcile(world: &World, arguments: &[&'static str]) -> (Option<i32>, Value) {
    let mut last = reconcile_once(world, arguments).await;
    for _ in 0..5 {
        if last.1["broker"] == "looked at" {
            break;
        }
        last = reconcile_once(world, arguments).await;
    }
    last
}

async fn reconcile_once(world: &World, arguments: &[&'static str]) -> (Option<i32>, Value) {
    let (settings, mut all) = (world.settings(), vec!["reconcile", "--json"]);
    all.extend(arguments);
    let done = tokio::task::spawn_blocking(move || programs::run("waybill", &all, &settings)).await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said} {errors}")))
}

/// The problems that a reconciliation names of a message.
pub fn problems_of<'a>(said: &'a Value, id: &str) -> Vec<&'a str> {
    let problems = said["problems"].as_array().expect("a list");
    problems.iter().filter(|p| p["id"] == id).map(|p| p["problem"].as_str().unwrap()).collect()
}

/// Posts `count` signed forms, each of a membership of its own; their ids.
pub async fn sign(tis: &Partner, count: i64) -> Vec<String> {
    let mut ids = Vec::new();
    for n in 0..count {
        let (key, membership) = (format!("k{n}"), format!("m{n}"));
        ids.push(tis.sign(&key, &membership, "2026-01-31T12:00:00Z").await);
    }
    ids
}

/// Runs a statement about one message.
pub async fn plant(world: &World, statement: &'static str, id: &str) {
    sqlx::query(statement).bind(id).execute(&world.db).await.unwrap();
}
