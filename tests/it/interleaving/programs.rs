//! The same promise through HTTP, RabbitMQ and workers: bodies that fail by chance, workers that
//! come, go and are killed, deliveries that come twice, posts that are repeated.

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use lapin::options::{BasicGetOptions, BasicPublishOptions};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use uuid::Uuid;
use waybill_core::kinds::conditions_of_joining::KIND;
use waybill_core::kinds::{Input, Kind};
use waybill_core::outcome::{ErrorClass, Outcome};
use waybill_store::dead::Filter;

use super::rng::{Rng, seeds};
use crate::support::partner::{id, signature};
use crate::support::programs::Program;
use crate::support::{BY, Partner, World, until};

const KEYS: usize = 12;
const OF_EACH: usize = 15;

/// The built-in kind, but that chance fails it.
const CHANCY: &[Kind] = &[Kind { process: by_chance, ..KIND }];

static CHANCE: AtomicU64 = AtomicU64::new(0);

fn by_chance(input: &Input<'_>) -> Outcome {
    let mut rng = Rng::new(CHANCE.fetch_add(1, Ordering::Relaxed));
    match rng.below(100) {
        0..12 => Outcome::failed(ErrorClass::Internal, "by chance"),
        12..16 => Outcome::failed(ErrorClass::Validation, "by chance"),
        16..18 => unreachable!("a panic by chance"),
        _ => (KIND.process)(input),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_programs_that_fail_come_and_go() {
    let seed = seeds(1)[0];
    println!("WAYBILL_TEST_SEED={seed}");
    CHANCE.store(seed, Ordering::Relaxed);
    World::run(async |mut world| {
        world.apply(&crate::support::world::SOURCES.replace("backoff_s = [1]", "backoff_s = [0]")).await;
        let url = world.ingest(&[]).await;
        world.serve(&[]).await;
        world.worker_with(CHANCY, &[]).await;
        let tis = world.partner("tis", &url);
        let mut rng = Rng::part(seed, 1);
        let (keys, ()) = tokio::join!(
            join_all((0..KEYS).map(|key| post_all(&tis, key, seed))),
            disturb(&world, &mut rng),
        );
        until_processed(&world, i64::try_from(KEYS * OF_EACH).unwrap()).await;
        let attempts = world.count("select count(*) from attempt").await;
        let replays = world.count("select count(*) from decision").await;
        println!("{} messages, {attempts} attempts, {replays} replays", KEYS * OF_EACH);
        assert!(attempts > world.count("select count(*) from receipt").await, "some attempts failed");
        for (key, ids) in keys.iter().enumerate() {
            assert_eq!(
                &world.had_effect(&format!("signature m{key}")).await,
                ids,
                "WAYBILL_TEST_SEED={seed}: key {key}"
            );
        }
        world
    })
    .await;
}

/// Posts a key's messages one after the other, some of them twice; ids in the order of the answers.
async fn post_all(tis: &Partner, key: usize, seed: u64) -> Vec<String> {
    let mut rng = Rng::part(seed, 100 + key as u64);
    let mut ids = Vec::new();
    for n in 0..OF_EACH {
        // ascending: one that was overtaken would have no effect
        let signed_at = format!("2026-01-31T12:00:{n:02}Z");
        let name = format!("{key}-{n}");
        let form = || tis.json(&name, signature(&format!("m{key}"), &signed_at, "GG10"));
        ids.push(id(tis.insist(form).await).await);
        if rng.percent(20) {
            assert_eq!(tis.insist(form).await.status(), 200, "the same again");
        }
    }
    ids
}

/// While messages are being processed: workers come and go, one is killed, deliveries come again.
async fn disturb(world: &World, rng: &mut Rng) {
    let mut killed = Program::start("worker", &[], &world.settings());
    let mut guest = world.worker_apart(CHANCY, &[]).await;
    let all = i64::try_from(KEYS * OF_EACH).unwrap();
    for round in 1..=5 {
        until_processed(world, all * round / 8).await;
        take_and_let_go(world, rng).await;
        if round == 3 {
            killed.signal("KILL");
        }
        let next = world.worker_apart(CHANCY, &[]).await;
        guest.shut_down().await;
        guest = next;
    }
    assert!(!killed.runs() || killed.exit().await.is_none(), "ended by the signal");
    guest.shut_down().await;
}

/// Waits until so many messages are processed, and replays what is dead meanwhile.
async fn until_processed(world: &World, count: i64) {
    until("messages to be processed", || async {
        let letters = world.store.dead_page(&Filter::default(), None, 100).await.unwrap().letters;
        let dead: Vec<Uuid> = letters.iter().map(|letter| letter.id).collect();
        world.store.replay(&dead, BY).await.unwrap();
        world.count("select count(*) from progress where state = 'processed'").await >= count
    })
    .await;
}

/// Takes deliveries and closes the connection, so that they come again; publishes some that nobody asked for.
async fn take_and_let_go(world: &World, rng: &mut Rng) {
    let url = format!("{}/{}", world.services.amqp_url.trim_end_matches('/'), world.name);
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for _ in 0..20 {
        let queue = waybill_broker::topology::work_queue("default");
        drop(channel.basic_get(queue.as_str().into(), BasicGetOptions::default()).await.unwrap());
    }
    let mut ids: Vec<Uuid> =
        sqlx::query_scalar("select id from progress").fetch_all(&world.db).await.unwrap();
    for _ in 0..10 {
        let Some(id) = rng.take(&mut ids) else { break };
        let body = waybill_core::envelope::Envelope::new(id, 0).encode();
        let exchange = waybill_broker::topology::EXCHANGE;
        let options = BasicPublishOptions::default();
        let properties = BasicProperties::default();
        channel.basic_publish(exchange.into(), "default".into(), options, &body, properties).await.unwrap();
    }
    connection.close(200, "on purpose".into()).await.unwrap();
}
