//! Claims: counted before anything is tried, fenced by the attempt, given up with their lease.

use std::time::Duration;

use uuid::Uuid;
use waybill_core::recovery::Disposition;
use waybill_store::record::Settled;

use crate::support::{Partner, World, until, until_at_last};

/// An `ingest-api` and a relay, but no worker: this test claims by hand.
async fn claimable(world: &mut World, count: usize) -> (Partner, Vec<Uuid>) {
    let url = world.ingest(&[]).await;
    let tis = world.partner("tis", &url);
    let mut ids = Vec::new();
    for n in 0..count {
        ids.push(tis.sign(&format!("k{n}"), &format!("m{n}"), "2026-01-31T12:00:00Z").await.parse().unwrap());
    }
    (tis, ids)
}

fn done(id: Uuid, attempt: i32) -> Settled {
    Settled {
        id,
        source: "tis".into(),
        attempt,
        started_at: chrono::DateTime::UNIX_EPOCH,
        worker: "by hand".into(),
        abandoned: false,
        skip_dead: false,
        disposition: Disposition::Complete(vec![].into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_worker_changes_nothing() {
    World::run(async |mut world| {
        let (tis, ids) = claimable(&mut world, 1).await;
        let id = ids[0];
        let soon = Duration::from_millis(1);
        let first = world.store.claim(&[id], "first", soon).await.unwrap();
        assert_eq!(first.claimed[0].attempt, 1);
        // the sweep takes the message back, and another attempt is made
        world.serve(&[]).await;
        tis.until(&id.to_string(), "published").await;
        let second = world.store.claim(&[id], "second", Duration::from_mins(1)).await.unwrap();
        assert_eq!(second.claimed[0].attempt, 2);
        let late = world.store.record(&[done(id, 1)]).await.unwrap();
        assert_eq!((late.recorded.len(), late.late), (0, vec![id]));
        let good = world.store.record(&[done(id, 2)]).await.unwrap();
        assert_eq!(good.recorded, [id]);
        let again = world.store.record(&[done(id, 2)]).await.unwrap();
        assert!(again.recorded.is_empty(), "recorded once");
        let log = tis.message(&id.to_string()).await["attempt_log"].clone();
        assert_eq!((&log[0]["outcome"], &log[1]["outcome"]), (&"abandoned".into(), &"processed".into()));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_abandoned_again_and_again_is_dead() {
    World::run(async |mut world| {
        let sources =
            crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [0]\nattempts_max = 3");
        world.apply(&sources).await;
        let (tis, ids) = claimable(&mut world, 1).await;
        world.serve(&[]).await;
        let id = ids[0];
        for attempt in 1..=3 {
            until("it can be claimed", || async {
                let claim = world.store.claim(&[id], "dies", Duration::from_millis(1)).await.unwrap();
                claim.claimed.first().is_some_and(|claimed| claimed.attempt == attempt)
            })
            .await;
        }
        tis.until(&id.to_string(), "dead").await;
        let message = tis.message(&id.to_string()).await;
        assert_eq!(message["error_class"], "poison");
        assert_eq!(message["attempt_log"].as_array().unwrap().len(), 3);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_claimants_wins() {
    World::run(async |mut world| {
        let (_, ids) = claimable(&mut world, 20).await;
        let claims = (0..8).map(|n| {
            let (store, ids) = (world.store.clone(), ids.clone());
            async move { store.claim(&ids, &format!("w{n}"), Duration::from_mins(1)).await.unwrap() }
        });
        let mut claimed: Vec<Uuid> = futures_util::future::join_all(claims)
            .await
            .into_iter()
            .flat_map(|claim| claim.claimed)
            .map(|claimed| claimed.id)
            .collect();
        claimed.sort_unstable();
        let mut expected = ids.clone();
        expected.sort_unstable();
        assert_eq!(claimed, expected, "each by exactly one");
        let all: Vec<_> = ids.iter().map(|id| done(*id, 1)).collect();
        assert_eq!(world.store.record(&all).await.unwrap().recorded.len(), 20);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirm_that_comes_late_does_not_hide_a_due_message() {
    World::run(async |mut world| {
        // the relay is this test: leased, published, delivered, held and released before the confirm
        let url = world.ingest(&[("WAYBILL_RELAY__ENABLED", "false")]).await;
        let tis = world.partner("tis", &url);
        let first: Uuid = tis.sign("k1", "same", "2026-01-31T12:00:00Z").await.parse().unwrap();
        let second: Uuid = tis.sign("k2", "same", "2026-02-01T12:00:00Z").await.parse().unwrap();
        let room = waybill_store::relay::Room { window_max: 10, lane_published_max: 100 };
        let window = world.store.lease("default", room, true, Duration::from_mins(1)).await.unwrap();
        assert_eq!(window.messages.len(), 2);
        let lease = Duration::from_mins(1);
        let claim = world.store.claim(&[first], "w", lease).await.unwrap();
        assert_eq!(claim.claimed.len(), 1);
        let held = world.store.claim(&[second], "w", lease).await.unwrap();
        assert_eq!(held.held, [second]);
        let recorded = world.store.record(&[done(first, 1)]).await.unwrap();
        assert_eq!(recorded.released, [second]);
        let confirmed = world.store.confirm(window.lease, &[first, second]).await.unwrap();
        assert_eq!(confirmed, 0, "both have moved on");
        assert_eq!(tis.state(&second.to_string()).await, "accepted", "it is due");
        let claim = world.store.claim(&[second], "w", lease).await.unwrap();
        assert_eq!(claim.claimed.len(), 1);
        world.store.record(&[done(second, 1)]).await.unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_takes_as_many_bodies_as_fit_and_leaves_the_others() {
    World::run(async |mut world| {
        let (tis, ids) = claimable(&mut world, 4).await;
        for id in &ids {
            tis.until(&id.to_string(), "published").await;
        }
        let sizes: Vec<i64> = sqlx::query_scalar("select body_bytes::bigint from receipt order by seq")
            .fetch_all(&world.db)
            .await
            .unwrap();
        let two = (sizes[0] + sizes[1]).unsigned_abs();
        for (bytes_max, of, fits) in [
            // one at least, however large
            (1, &ids[..3], &ids[..1]),
            (two, &ids[1..], &ids[1..3]),
            (u64::MAX, &ids[3..], &ids[3..]),
        ] {
            let lease = Duration::from_mins(1);
            let claim = world.store.claim_within(of, "w", lease, bytes_max).await.unwrap();
            let claimed: Vec<Uuid> = claim.claimed.iter().map(|claimed| claimed.id).collect();
            assert_eq!(claimed, fits, "in the ledger's order, at most {bytes_max} bytes");
            let mut left = of.to_vec();
            left.retain(|id| !fits.contains(id));
            assert_eq!((claim.left.len(), claim.held.len()), (left.len(), 0));
            for id in &left {
                assert!(claim.left.contains(id), "{id} is left");
                assert_eq!(tis.state(&id.to_string()).await, "published", "and nothing happened to it");
            }
        }
        let all: Vec<_> = ids.iter().map(|id| done(*id, 1)).collect();
        assert_eq!(world.store.record(&all).await.unwrap().recorded.len(), 4);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_does_not_fit_is_seen_through_part_by_part() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        for n in 0..12 {
            // three keys, so that what is left and what is released come together
            let signed_at = format!("2026-01-{:02}T12:00:00Z", n + 1);
            tis.sign(&format!("k{n}"), &format!("m{}", n % 3), &signed_at).await;
        }
        let more = [("WAYBILL_WORKER__BATCH_BYTES_MAX", "1"), ("WAYBILL_WORKER__CLAIM_LEASE_S", "60")];
        world.worker(&more).await;
        // no sweep runs: what a claim leaves is claimed by the same worker
        world.until_settled().await;
        assert_eq!(world.count("select count(*) from witness").await, 12);
        assert_eq!(world.count("select count(*) from attempt").await, 12, "one attempt each");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_nothing_we_know_is_set_aside() {
    World::run(async |mut world| {
        let claim = world.store.claim(&[Uuid::from_u128(5)], "w", Duration::from_secs(1)).await.unwrap();
        assert_eq!(claim.unknown, [Uuid::from_u128(5)]);
        world.worker(&[]).await;
        let url = format!("{}/{}", world.services.amqp_url.trim_end_matches('/'), world.name);
        let connection =
            lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let unknown = waybill_core::envelope::Envelope::new(Uuid::from_u128(6), 0).encode();
        for body in [&unknown[..], b"no envelope at all"] {
            let options = lapin::options::BasicPublishOptions::default();
            let properties = lapin::BasicProperties::default();
            let exchange = waybill_broker::topology::EXCHANGE;
            channel
                .basic_publish(exchange.into(), "default".into(), options, body, properties)
                .await
                .unwrap();
        }
        let link = world.link().await;
        let set_aside = async || {
            let depth = waybill_broker::topology::depth(&link, waybill_broker::topology::DEAD).await;
            depth.unwrap().unwrap().0
        };
        until("the worker to refuse both", async || set_aside().await == 2).await;
        world.serve(&[]).await;
        until("the intake to drain the dead-letter queue", async || set_aside().await == 0).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rabbitmq_gives_up_on_is_filed_as_dead() {
    World::run(async |mut world| {
        let (tis, ids) = claimable(&mut world, 1).await;
        let id = ids[0].to_string();
        let url = format!("{}/{}", world.services.amqp_url.trim_end_matches('/'), world.name);
        let connection =
            lapin::Connection::connect(&url, lapin::ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        let queue = waybill_broker::topology::work_queue("default");
        let link = world.link().await;
        // a worker that dies before it can claim, again and again
        until_at_last("RabbitMQ to give up", || async {
            let got =
                channel.basic_get(queue.as_str().into(), lapin::options::BasicGetOptions::default()).await;
            if let Some(message) = got.unwrap() {
                let requeue = lapin::options::BasicRejectOptions { requeue: true };
                message.delivery.acker.reject(requeue).await.unwrap();
            }
            let dead = waybill_broker::topology::depth(&link, waybill_broker::topology::DEAD).await;
            dead.unwrap().unwrap().0 == 1
        })
        .await;
        assert_eq!(tis.state(&id).await, "published");
        world.serve(&[]).await;
        tis.until(&id, "dead").await;
        let message = tis.message(&id).await;
        assert_eq!(message["error_class"], "poison");
        assert!(message["error_reason"].as_str().unwrap().contains("50 deliveries"), "{message}");
        world
    })
    .await;
}
