//! RabbitMQ goes away: partners notice nothing, and nothing is lost.

use crate::publish::publishes;
use crate::support::{Partner, Services, World, until};

async fn post(tis: &Partner, label: &str, count: usize) -> Vec<String> {
    futures_util::future::join_all((0..count).map(|n| async move {
        let key = format!("{label}-{n}");
        tis.sign(&key, &key, "2026-01-31T12:00:00Z").await
    }))
    .await
}

/// Posts before, while and after RabbitMQ is away; all of it is answered 202 and processed.
async fn away(leave: &'static str, return_by: &'static str) {
    World::run_on(Services::breakable(), async |mut world| {
        let partners = world.everything().await;
        let admin = world.serve(&[]).await;
        let tis = &partners["tis"];
        let mut ids = post(tis, "before", 200).await;
        world.services.control("rabbitmq", leave).await;
        ids.extend(post(tis, "while", 200).await);
        if leave == "pause" {
            // a broker that stands still answers nothing: the window must be given up, not awaited
            until("publishes to time out", || async { publishes(&world.http, &admin, "timeout").await > 0 })
                .await;
        }
        let waiting = "select count(*) from progress where due_at is not null or state = 'published'";
        assert!(world.count(waiting).await >= 200, "they wait in the ledger");
        world.services.control("rabbitmq", return_by).await;
        ids.extend(post(tis, "after", 50).await);
        world.until_settled().await;
        for id in &ids {
            assert_eq!(tis.state(id).await, "processed");
        }
        assert_eq!(world.count("select count(*) from witness").await, 450, "each effect once");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_started_in_mid_flow() {
    away("stop", "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_in_mid_flow() {
    away("kill", "start").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_and_thawed_in_mid_flow() {
    away("pause", "resume").await;
}

/// An alarm blocks publishers: nothing comes back, not even on closing. The relay must notice, say so,
/// keep its one connection, and go on when the alarm is over.
async fn blocked(raise: &'static str, clear: &'static str, kind: &str) {
    World::run_on(Services::breakable(), async |mut world| {
        let partners = world.everything().await;
        let admin = world.serve(&[]).await;
        let tis = &partners["tis"];
        let mut ids = post(tis, "before", 20).await;
        world.until_settled().await;
        world.services.control("rabbitmq", raise).await;
        ids.extend(post(tis, "while", 50).await);
        let shows = async |line: &str| {
            let text = world.http.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
            text.lines().any(|found| found == line)
        };
        until("a window to be given up", || async { publishes(&world.http, &admin, "timeout").await > 0 })
            .await;
        until("the relay to say that it is blocked", || shows("waybill_broker_blocked 1")).await;
        let alarm = format!("waybill_broker_alarm{{kind=\"{kind}\"}} 1");
        until("the alarm to be seen", || shows(&alarm)).await;
        world.services.control("rabbitmq", clear).await;
        world.until_settled().await;
        for id in &ids {
            assert_eq!(tis.state(id).await, "processed");
        }
        until("the relay to say that it is free again", || shows("waybill_broker_blocked 0")).await;
        assert_eq!(world.count("select count(*) from witness").await, 70, "each effect once");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_by_a_memory_alarm() {
    blocked("alarm", "calm", "memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_by_a_disk_alarm() {
    blocked("disk-alarm", "disk-calm", "disk").await;
}
