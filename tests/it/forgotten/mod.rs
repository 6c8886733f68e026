//! A subscription that brings nothing any more, and of which the worker hears nothing.
//!
//! Either RabbitMQ has ended it, and the news (`basic.cancel`, AMQP 0-9-1 extension of RabbitMQ) is lost.
//! Or it goes on, for a queue that is no more (ADR 24). Or it began, and the worker had given it up by then.

mod proxy;

use lapin::options::QueueDeleteOptions;
use waybill_broker::topology::{self, work_queue};

use crate::publish::channel;
use crate::support::{World, until};
use proxy::{Mischief, Proxy};

/// Class and method of `basic.cancel` and of `basic.consume-ok` (AMQP 0-9-1, 1.8.3).
const CANCEL: [u8; 4] = [0, 60, 0, 30];
const CONSUME_OK: [u8; 4] = [0, 60, 0, 21];

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_ended_unheard_is_made_again() {
    World::run(async |mut world| {
        let (proxy, through) = Proxy::before(&world, Mischief::TakenOut(CANCEL)).await;
        world.worker(&[("WAYBILL_AMQP_URL", &through)]).await;
        let (_connection, channel) = channel(&world).await;
        let queue = work_queue("default");
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        until("the news to be sent, and taken out", async || proxy.has_struck()).await;
        topology::declare(&world.link().await, &["default".to_owned()]).await.unwrap();
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until(&id, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_to_a_queue_that_is_no_more_is_made_again() {
    World::run(async |mut world| {
        world.worker(&[]).await;
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let (link, (_connection, channel)) = (world.link().await, channel(&world).await);
        let queue = work_queue("default");
        // at once, so that RabbitMQ 3.10 carries the subscription over, and loses what it hands to it
        channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        topology::declare(&link, &["default".to_owned()]).await.unwrap();
        let id = tis.sign("k", "m", "2026-01-31T12:00:00Z").await;
        tis.until_at_last(&id, "processed").await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_began_too_late_holds_nothing() {
    World::run(async |mut world| {
        let (proxy, through) = Proxy::before(&world, Mischief::HeldBack(CONSUME_OK)).await;
        world.worker(&[("WAYBILL_AMQP_URL", &through)]).await;
        assert!(proxy.has_struck(), "no answer was held back: the worker heard of its first subscription");
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        // several, for RabbitMQ would hand every other one to the subscription that nobody hears
        for n in 0..8 {
            let id = tis.sign(&format!("k{n}"), "m", "2026-01-31T12:00:00Z").await;
            tis.until(&id, "processed").await;
        }
        world
    })
    .await;
}
