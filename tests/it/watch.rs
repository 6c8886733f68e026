//! The broker watched: what is unsafe is refused and taken up again; what is unknown is not zero.

use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use waybill_broker::topology::{self, work_queue};

use crate::support::programs::run;
use crate::support::{World, until};

/// The value of a series at an admin port, as it is written there.
async fn shown(world: &World, admin: &str, series: &str) -> Option<String> {
    let answer = world.http.get(format!("{admin}/metrics")).send().await.unwrap();
    let text = answer.text().await.unwrap();
    text.lines().find_map(|line| Some(line.strip_prefix(series)?.strip_prefix(' ')?.to_owned()))
}

async fn until_shown(world: &World, admin: &str, series: &str, value: &str) {
    let what = format!("{series} to be {value}");
    until(&what, || async { shown(world, admin, series).await.as_deref() == Some(value) }).await;
}

/// Status and text of `/readyz`.
async fn ready(world: &World, admin: &str) -> (u16, String) {
    let answer = world.http.get(format!("{admin}/readyz")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn check(world: &World) -> (Option<i32>, String) {
    let checked = run("waybill", &["topology", "check"], &world.settings());
    (checked.status.code(), String::from_utf8_lossy(&checked.stdout).into_owned())
}

/// Puts something wrong into the virtual host, expects it to be refused for `said`, mends it.
async fn refused_and_mended(said: &str, path: &str, definition: serde_json::Value) {
    World::run(async |mut world| {
        let path = format!("{path}/{}/wrong", world.name);
        let policy = json!({"pattern": "^waybill[.]", "definition": definition, "apply-to": "all"});
        world.put(&path, &policy).await;
        // RabbitMQ's API shows a policy some seconds later
        until("the check to name it", || async {
            let (code, text) = check(&world);
            code == Some(1) && text.contains(said)
        })
        .await;
        // one relay: the one that is asked below
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        let worker = world.worker_not_ready().await;
        let admin = world.serve(&[]).await;
        until("the worker to refuse", || async {
            let (status, text) = ready(&world, &worker).await;
            status == 503 && text.contains(said)
        })
        .await;
        let before = tis.sign("before", "m", "2026-01-31T12:00:00Z").await;
        until("the relay to refuse", async || {
            // it says so of a lane that has something due, and may have published what was due before
            let key = uuid::Uuid::now_v7().to_string();
            tis.sign(&key, "d", "2026-01-31T12:00:00Z").await;
            let (status, text) = ready(&world, &admin).await;
            status == 200 && text.contains("goes on without topology") && text.contains(said)
        })
        .await;
        let id = tis.sign("while", "n", "2026-01-31T12:00:00Z").await;
        until("the ledger to have been looked at since", || async {
            let due = shown(&world, &admin, "waybill_due_messages").await;
            due.is_some_and(|due| due != "0") && ready(&world, &admin).await.1.contains(said)
        })
        .await;
        assert_eq!(tis.state(&id).await, "accepted", "nothing is published");
        world.api(Method::DELETE, &path).await;
        tis.until(&id, "processed").await;
        tis.until(&before, "processed").await;
        world.until_settled().await;
        until("all to be well again", || async {
            let relay = ready(&world, &admin).await;
            ready(&world, &worker).await.0 == 200 && relay.0 == 200 && !relay.1.contains("topology")
        })
        .await;
        assert_eq!(check(&world).0, Some(0));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_drops_messages_is_refused_until_it_is_gone() {
    refused_and_mended("a policy sets overflow", "policies", json!({"overflow": "drop-head"})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_policy_that_takes_messages_away_is_refused_until_it_is_gone() {
    refused_and_mended("a policy sets message-ttl", "operator-policies", json!({"message-ttl": 600_000}))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_hides_the_unroutable_is_refused_until_it_is_gone() {
    let definition = json!({"alternate-exchange": "amq.fanout"});
    refused_and_mended("waybill.in has an alternate exchange", "policies", definition).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_queue_that_is_not_bound_is_refused_until_it_is() {
    World::run(async |mut world| {
        let binding = format!("bindings/{}/e/waybill.dead/q/waybill.dead", world.name);
        world.api(Method::DELETE, &format!("{binding}/~")).await;
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let admin = world.serve(&[]).await;
        let worker = world.worker_not_ready().await;
        until("it to be refused", || async {
            let said = "waybill.dead is not bound to waybill.dead";
            ready(&world, &worker).await.1.contains(said) && check(&world).1.contains(said)
        })
        .await;
        until_shown(&world, &admin, "waybill_topology_differences{weight=\"unsafe\"}", "1").await;
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        topology::declare(&world.link().await, &["default".to_owned()]).await.unwrap();
        tis.until(&id, "processed").await;
        until_shown(&world, &admin, "waybill_topology_differences{weight=\"unsafe\"}", "0").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_holds_messages_nobody_takes_is_idle() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let admin = world.serve(&[]).await;
        let series = |name: &str| format!("{name}{{queue=\"{}\"}}", work_queue("default"));
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        until_shown(&world, &admin, &series("waybill_queue_ready"), "1").await;
        until_shown(&world, &admin, &series("waybill_queue_idle"), "1").await;
        until_shown(&world, &admin, &series("waybill_queue_consumers"), "0").await;
        until_shown(&world, &admin, "waybill_drain_seconds{lane=\"default\"}", "86400").await;
        world.worker(&[]).await;
        tis.until(&id, "processed").await;
        until_shown(&world, &admin, &series("waybill_queue_idle"), "0").await;
        until_shown(&world, &admin, &series("waybill_queue_unacked"), "0").await;
        until_shown(&world, &admin, &series("waybill_queue_majority"), "1").await;
        until_shown(&world, &admin, "waybill_drain_seconds{lane=\"default\"}", "0").await;
        for (name, value) in [
            ("waybill_broker_up", "1"),
            ("waybill_broker_watch_up", "1"),
            ("waybill_broker_quorum_critical", "0"),
            ("waybill_broker_connections_blocked", "0"),
            ("waybill_broker_alarm{kind=\"memory\"}", "0"),
            ("waybill_broker_alarm{kind=\"disk\"}", "0"),
        ] {
            until_shown(&world, &admin, name, value).await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_watch_cannot_see_is_unknown_and_hurts_nobody() {
    World::run(async |mut world| {
        // a management API that takes connections and never answers
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hung = format!("http://u:p@{}", silent.local_addr().unwrap());
        let hung = [("WAYBILL_RABBITMQ_API_URL", hung.as_str())];
        let url = world.ingest(&hung).await;
        world.worker(&hung).await;
        let admin = world.serve(&hung).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until(&id, "processed").await;
        let dead = "{queue=\"waybill.dead\"}";
        until_shown(&world, &admin, &format!("waybill_queue_ready{dead}"), "0").await;
        for (name, value) in [
            ("waybill_broker_up", "1"),
            ("waybill_broker_watch_up", "0"),
            ("waybill_broker_alarm{kind=\"memory\"}", "NaN"),
            ("waybill_broker_quorum_critical", "NaN"),
            ("waybill_topology_differences{weight=\"unsafe\"}", "NaN"),
        ] {
            until_shown(&world, &admin, name, value).await;
        }
        until_shown(&world, &admin, &format!("waybill_queue_unacked{dead}"), "NaN").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_own_figures_stand_in_for_a_silent_api() {
    World::run(async |mut world| {
        let overview: serde_json::Value =
            serde_json::from_str(&world.api(Method::GET, "overview").await).unwrap();
        let listeners = overview["listeners"].as_array().unwrap();
        let endpoint = listeners.iter().find(|l| l["protocol"] == "http/prometheus").unwrap();
        let nodes = format!("http://127.0.0.1:{}", endpoint["port"]);
        let settings =
            [("WAYBILL_RABBITMQ_API_URL", ""), ("WAYBILL_RABBITMQ_API__METRICS_URLS", nodes.as_str())];
        let admin = world.serve(&settings).await;
        until_shown(&world, &admin, "waybill_broker_watch_up", "1").await;
        until_shown(&world, &admin, "waybill_broker_alarm{kind=\"memory\"}", "0").await;
        until_shown(&world, &admin, "waybill_queue_unacked{queue=\"waybill.dead\"}", "0").await;
        let dropped = "waybill_broker_dead_lettered_messages{reason=\"expired\",strategy=\"disabled\"}";
        until("dead letters to be counted", || async {
            shown(&world, &admin, dropped).await.is_some_and(|value| value != "NaN")
        })
        .await;
        world
    })
    .await;
}

/// Every series of the contract, with the labels that a source, a lane or a queue of this world has.
const CONTRACT: [&str; 32] = [
    "waybill_messages_accepted_total{source=\"tis\"}",
    "waybill_messages_duplicate_total{source=\"tis\"}",
    "waybill_messages_refused_total{source=\"tis\",problem=\"malformed-body\"}",
    "waybill_accept_seconds_count",
    "waybill_publishes_total{result=\"confirmed\"}",
    "waybill_publishes_total{result=\"returned\"}",
    "waybill_publishes_total{result=\"nacked\"}",
    "waybill_publishes_total{result=\"timeout\"}",
    "waybill_publishes_total{result=\"failed\"}",
    "waybill_confirm_seconds_count",
    "waybill_messages_processed_total{source=\"tis\",kind=\"conditions-of-joining\"}",
    "waybill_attempts_total{source=\"tis\",kind=\"conditions-of-joining\",outcome=\"processed\"}",
    "waybill_process_seconds_count",
    "waybill_end_to_end_seconds_count",
    "waybill_due_messages",
    "waybill_due_oldest_seconds",
    "waybill_held_messages",
    "waybill_dead_letters{source=\"tis\",kind=\"conditions-of-joining\",reason=\"validation\"}",
    "waybill_overdue_messages{source=\"tis\"}",
    "waybill_source_silent_seconds{source=\"tis\"}",
    "waybill_unaccounted_messages{source=\"tis\"}",
    "waybill_queue_ready{queue=\"waybill.work.default\"}",
    "waybill_queue_unacked{queue=\"waybill.work.default\"}",
    "waybill_queue_consumers{queue=\"waybill.work.default\"}",
    "waybill_queue_idle{queue=\"waybill.work.default\"}",
    "waybill_queue_ready{queue=\"waybill.dead\"}",
    "waybill_broker_up",
    "waybill_broker_alarm{kind=\"memory\"}",
    "waybill_broker_alarm{kind=\"disk\"}",
    "waybill_broker_blocked",
    "waybill_drain_seconds{lane=\"default\"}",
    "waybill_broker_watch_up",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_series_of_the_contract_exists_from_the_start() {
    World::run(async |mut world| {
        world.everything().await;
        let admin = world.serve(&[]).await;
        for series in CONTRACT {
            until(&format!("{series} to exist"), || async { shown(&world, &admin, series).await.is_some() })
                .await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_of_what_is_gone_do_not_stand_still() {
    World::run(async |mut world| {
        let quiet = |lane: &str| {
            let source = format!(
                "[[source]]\nname = \"quiet\"\nformat = \"opaque\"\nsilence_s = 5\nlane = \"{lane}\"\n"
            );
            format!("{}{source}", crate::support::world::SOURCES)
        };
        world.apply(&quiet("quiet")).await;
        let admin = world.serve(&[]).await;
        let ready = "waybill_queue_ready{queue=\"waybill.work.quiet\"}";
        let silence = "waybill_source_silence_max_seconds{source=\"quiet\"}";
        let silent = "waybill_source_silent_seconds{source=\"quiet\"}";
        until_shown(&world, &admin, ready, "0").await;
        until_shown(&world, &admin, silence, "5").await;
        world.apply(&quiet("default")).await;
        until_shown(&world, &admin, ready, "NaN").await;
        world.apply(crate::support::world::SOURCES).await;
        until_shown(&world, &admin, silence, "0").await;
        until_shown(&world, &admin, silent, "NaN").await;
        world
    })
    .await;
}
