//! RabbitMQ loses what it had confirmed.

use reqwest::Method;
use waybill_broker::topology::{self, work_queue};

use super::{mended_by, problems_of, reconcile, serve, sign};
use crate::support::{World, until};

/// Messages that are published when the broker loses them.
const COUNT: i64 = 30;

/// Publishes, lets `lose` do its worst, and sees all of it mended.
async fn check(lose: impl AsyncFnOnce(&World)) {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let ids = sign(&tis, COUNT).await;
        until("all to be published", || async {
            world.count("select count(*) from progress where state = 'published'").await == COUNT
        })
        .await;
        lose(&world).await;
        figures_follow(&world).await;
        // by its own looks at the broker; before the sweeps, which would mend it first
        sqlx::raw_sql("update progress set published_at = published_at - interval '1 minute'")
            .execute(&world.db)
            .await
            .unwrap();
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(1), "{said:#}");
        assert!(ids.iter().all(|id| problems_of(&said, id) == ["lost"]), "{said:#}");
        let (_program, serve) = serve(&world, &[("WAYBILL_SERVE__LOST_GRACE_S", "10")]).await;
        until("all to be due again", || async { mended_by(&world, &serve, "lost").await >= Some(COUNT) })
            .await;
        world.worker(&[]).await;
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from witness").await, COUNT, "each effect once");
        let named = "select count(*) from finding where problem = 'lost' and mended_at is not null";
        assert_eq!(world.count(named).await, COUNT);
        world
    })
    .await;
}

/// RabbitMQ's figures are seconds old: from one look to the next, what they lag by is not lost. From 4.0 on it
/// has figures of a queue while that is being filled for the first time, 3.10 has none then.
async fn figures_follow(world: &World) {
    until("RabbitMQ's figures to show no envelope", || async {
        let queues = world.api(Method::GET, &format!("queues/{}", world.name)).await;
        let queues: Vec<serde_json::Value> = serde_json::from_str(&queues).unwrap();
        let queue = queues.iter().find(|queue| queue["name"] == work_queue("default"));
        queue.and_then(|queue| queue["messages"].as_u64()).is_none_or(|messages| messages == 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_queue_is_refilled() {
    check(async |world: &World| {
        let path = format!("queues/{}/{}/contents", world.name, work_queue("default"));
        world.api(Method::DELETE, &path).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_was_deleted_and_declared_anew_is_refilled() {
    check(async |world: &World| {
        world.api(Method::DELETE, &format!("queues/{}/{}", world.name, work_queue("default"))).await;
        let lanes = ["default".to_owned()];
        topology::declare(&world.link().await, &lanes).await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_broker_is_declared_and_filled_again() {
    check(async |world: &World| {
        world.api(Method::DELETE, &format!("vhosts/{}", world.name)).await;
        world.api(Method::PUT, &format!("vhosts/{}", world.name)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_under_traffic_is_found_by_order() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let (_program, serve) = serve(&world, &[("WAYBILL_SERVE__LOST_GRACE_S", "10")]).await;
        let ids = sign(&tis, COUNT).await;
        until("all to be published", || async {
            world.count("select count(*) from progress where state = 'published'").await == COUNT
        })
        .await;
        let path = format!("queues/{}/{}/contents", world.name, work_queue("default"));
        world.api(Method::DELETE, &path).await;
        world.worker(&[]).await;
        // later ones are delivered all the time, so the queue is never seen to stand empty for long
        let mut posted = 0;
        until("all to be processed", || {
            posted += 1;
            let (tis, key) = (tis.clone(), format!("later-{posted}"));
            let world = &world;
            async move {
                // no more than the worker takes: a backlog would be old by itself
                if world.count("select count(*) from progress where state = 'published'").await < COUNT + 20 {
                    tis.sign(&key, &key, "2026-01-31T12:00:00Z").await;
                }
                world.count("select count(*) from progress where state = 'published' and published_at < now() - interval '9 s'").await == 0
                    && world.count("select count(*) from finding where problem = 'lost'").await > 0
            }
        })
        .await;
        // the figure follows the ledger, and what is lost may be found in parts
        until("all to be counted as mended", || async {
            mended_by(&world, &serve, "lost").await >= Some(COUNT)
        })
        .await;
        world.until_settled().await;
        for id in &ids {
            assert_eq!(tis.state(id).await, "processed");
        }
        world
    })
    .await;
}
