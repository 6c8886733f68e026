//! Publishing: what is not confirmed stays due; the broker holds at most its share.

use lapin::options::{QueueBindOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use waybill_broker::topology::{self, EXCHANGE, work_queue};

use crate::support::partner::signature;
use crate::support::{World, until};

/// How many publishes have ended in `result`, by the metrics.
pub async fn publishes(http: &reqwest::Client, admin: &str, result: &str) -> u64 {
    let text = http.get(format!("{admin}/metrics")).send().await.unwrap().text().await.unwrap();
    let series = format!("waybill_publishes_total{{result=\"{result}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap_or_default()
}

/// A channel of our own, for what no part of Waybill does.
pub async fn channel(world: &World) -> (lapin::Connection, lapin::Channel) {
    let url = format!("{}/{}", world.services.amqp_url.trim_end_matches('/'), world.name);
    let connection = lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unroutable_message_stays_due_until_it_can_be_routed() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let (_connection, channel) = channel(&world).await;
        let queue = work_queue("default");
        let unbound = channel.queue_unbind(
            queue.as_str().into(),
            EXCHANGE.into(),
            "default".into(),
            FieldTable::default(),
        );
        unbound.await.unwrap();
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        let admin = world.serve(&[]).await;
        until("publishes to be returned", || async { publishes(&world.http, &admin, "returned").await > 0 })
            .await;
        assert_eq!(tis.state(&id).await, "accepted", "it is still due");
        assert_eq!(world.count("select count(*) from progress where due_at is not null").await, 1);
        let bound = channel.queue_bind(
            queue.as_str().into(),
            EXCHANGE.into(),
            "default".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.unwrap();
        tis.until(&id, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_refused_stays_due_until_there_is_room() {
    World::run(async |mut world| {
        // a full queue refuses: an operator's policy makes it full at once
        let policy = serde_json::json!({"pattern": "^waybill[.]work[.]", "definition": {"max-length": 1}, "apply-to": "queues"});
        let path = format!("policies/{}/tiny", world.name);
        world.put(&path, &policy).await;
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let admin = world.serve(&[]).await;
        let mut posted = 0;
        until("publishes to be refused", || {
            posted += 1;
            let key = format!("k{posted}");
            let (tis, http, admin) = (tis.clone(), world.http.clone(), admin.clone());
            async move {
                tis.sign(&key, &key, "2026-01-31T12:00:00Z").await;
                publishes(&http, &admin, "nacked").await > 0
            }
        })
        .await;
        assert!(world.count("select count(*) from progress where due_at is not null").await > 0, "they are due");
        // RabbitMQ's API shows a policy with a delay
        until("the cause to be named", || async {
            let check = crate::support::programs::run("waybill", &["topology", "check"], &world.settings());
            String::from_utf8_lossy(&check.stdout).contains("a policy sets max-length")
        })
        .await;
        world.api(reqwest::Method::DELETE, &path).await;
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from progress where state = 'processed'").await, posted);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_stops_nobody_from_posting() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let (_connection, channel) = channel(&world).await;
        let deleted =
            channel.queue_delete(work_queue("default").as_str().into(), QueueDeleteOptions::default());
        deleted.await.unwrap();
        let mut ids = Vec::new();
        for n in 0..20 {
            ids.push(tis.sign(&format!("k{n}"), &format!("m{n}"), "2026-01-31T12:00:00Z").await);
        }
        topology::declare(&world.link().await, &["default".to_owned()]).await.unwrap();
        for id in &ids {
            // a queue that comes back at once may have to be subscribed to anew (ADR 24)
            tis.until_at_last(id, "processed").await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_without_its_queue_stops_no_other() {
    World::run(async |mut world| {
        let quiet = "[[source]]\nname = \"quiet\"\nformat = \"opaque\"\nlane = \"quiet\"\n";
        world.apply(&format!("{}{quiet}", crate::support::world::SOURCES)).await;
        let (_connection, channel) = channel(&world).await;
        let queue = work_queue("quiet");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let url = world.ingest(&[]).await;
        let (tis, quiet) = (world.partner("tis", &url), world.partner("quiet", &url));
        // it would declare the queue again, and this is about what happens while it is missing
        world.serve(&[("WAYBILL_SERVE__REDECLARE", "false")]).await;
        let worker = world.worker_not_ready().await;
        let waits = quiet.request(reqwest::Method::POST, "/v1/messages").body("x").send().await.unwrap();
        let waits = crate::support::partner::id(waits).await;
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until(&id, "processed").await;
        let ready = world.http.get(format!("{worker}/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        assert!(ready.text().await.unwrap().contains("waybill.work.quiet is missing"), "and says which one");
        topology::declare(&world.link().await, &["quiet".to_owned()]).await.unwrap();
        quiet.until(&waits, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_that_can_lose_messages_is_not_used() {
    World::run(async |mut world| {
        let (_connection, channel) = channel(&world).await;
        let queue = work_queue("default");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.as_str().into(), options, FieldTable::default()).await.unwrap();
        channel
            .queue_bind(
                queue.as_str().into(),
                EXCHANGE.into(),
                "default".into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await
            .unwrap();
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        let link = world.link().await;
        let refused = topology::verify(&link, &["default".to_owned()]).await.unwrap_err().to_string();
        assert!(refused.contains("waybill.work.default differs"), "{refused}");
        // a relay that goes by the same rule publishes nothing: many scans later it is still due
        for _ in 0..10 {
            tis.sign(&format!("k{}", uuid::Uuid::now_v7()), "m", "2026-01-31T12:00:00Z").await;
            assert_eq!(topology::depth(&link, &queue).await.unwrap().map(|d| d.0), Some(0));
        }
        assert_eq!(tis.state(&id).await, "accepted");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        topology::declare(&link, &["default".to_owned()]).await.unwrap();
        world.worker(&[]).await;
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_holds_at_most_a_lanes_share() {
    World::run(async |mut world| {
        let limit = [("WAYBILL_RELAY__LANE_PUBLISHED_MAX", "50")];
        let url = world.ingest(&limit).await;
        world.serve(&limit).await;
        let tis = world.partner("tis", &url);
        let posts = (0..300).map(|n| {
            tis.json(&format!("k{n}"), signature(&format!("m{n}"), "2026-01-31T12:00:00Z", "GG9")).send()
        });
        for response in futures_util::future::join_all(posts).await {
            assert_eq!(response.unwrap().status(), 202);
        }
        let link = world.link().await;
        let depth = async || topology::depth(&link, &work_queue("default")).await.unwrap().unwrap().0;
        until("the lane to be full", || async { depth().await >= 50 }).await;
        for _ in 0..20 {
            assert!(depth().await <= 50, "two relays together keep to the limit");
            tokio::task::yield_now().await;
        }
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from progress where state = 'processed'").await, 300);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_twice_has_its_effect_once() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let (_connection, channel) = channel(&world).await;
        let mut ids = Vec::new();
        for n in 0..50 {
            let id = tis.sign(&format!("k{n}"), &format!("m{n}"), "2026-01-31T12:00:00Z").await;
            let envelope = waybill_core::envelope::Envelope::new(id.parse().unwrap(), 0).encode();
            for _ in 0..3 {
                let options = lapin::options::BasicPublishOptions::default();
                let properties = lapin::BasicProperties::default();
                channel
                    .basic_publish(EXCHANGE.into(), "default".into(), options, &envelope, properties)
                    .await
                    .unwrap();
            }
            ids.push(id);
        }
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from witness").await, 50);
        assert_eq!(world.count("select count(*) from attempt").await, 50);
        until("the queue to be empty", || async {
            let link = world.link().await;
            topology::depth(&link, &work_queue("default")).await.unwrap().unwrap().0 == 0
        })
        .await;
        world
    })
    .await;
}
