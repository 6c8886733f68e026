//! Random interleavings: whatever happens in whatever order, each message has its effect exactly
//! once, and those of a key in the order in which they were answered.
//!
//! A seed decides what is posted and what each hand does next; it is printed, and
//! `WAYBILL_TEST_SEED` runs it again. Times are over at once or not before the
//! run says so: with one hand a run repeats itself; with several, PostgreSQL decides who comes first.

mod arena;
mod bad_histories;
mod history;
mod programs;
pub mod rng;
mod steps;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use uuid::Uuid;

use crate::support::by_hand::done;
use crate::support::{BY, World};
use arena::{Arena, TURNING, TURNING_TOML};
use rng::{Rng, seeds};

/// One run: `hands` take `steps` steps between them; then everything is seen through and judged.
async fn run(seed: u64, hands: u64, steps: usize, messages: usize) {
    println!("WAYBILL_TEST_SEED={seed} ({hands} hands)");
    World::run(async |mut world| {
        world.apply(&format!("{}{TURNING_TOML}", crate::support::world::SOURCES)).await;
        history::begin(&world).await;
        let arena = Arena::new(&world, seed, messages);
        join_all((1..=hands).map(|hand| {
            let (arena, mut rng) = (&arena, Rng::part(seed, hand));
            async move {
                let mut at = arena.step();
                while at < steps {
                    if at == steps / 2 {
                        turn(arena.world).await;
                    }
                    steps::step(arena, &mut rng).await;
                    at = arena.step();
                }
            }
        }))
        .await;
        see_through(&arena, &mut Rng::part(seed, hands + 1)).await;
        println!("{}", arena.summary());
        if let Some(wrong) = history::judge(&arena.given(), &history::read(&world).await) {
            panic!("WAYBILL_TEST_SEED={seed} ({hands} hands): {wrong}");
        }
        assert_eq!(arena.counted("forgotten"), 0, "the net under the gate caught something");
        for (table, left) in [
            ("ordering", world.count("select count(*) from ordering").await),
            ("skipped", world.count("select count(*) from skipped").await),
        ] {
            assert_eq!(left, 0, "{table} is empty when everything is final");
        }
        drop(arena);
        world
    })
    .await;
}

/// The operator changes a source from holding to skipping.
async fn turn(world: &World) {
    sqlx::query("update source set spec = jsonb_set(spec, '{on_dead}', '\"skip\"') where name = $1")
        .bind(TURNING)
        .execute(&world.db)
        .await
        .unwrap();
}

/// How long nothing may move before a run is given up, and judged as it stands.
const STANDSTILL: Duration = Duration::from_secs(10);

/// The faults are over: what is left is posted, replayed and processed, until everything is final.
async fn see_through(arena: &Arena<'_>, rng: &mut Rng) {
    while arena.post().await {}
    let (mut left, mut moved) = (i64::MAX, Instant::now());
    while left > 0 && moved.elapsed() < STANDSTILL {
        drain(arena, rng).await;
        let unfinished = "select count(*) from progress where state not in ('processed', 'discarded')";
        let now = arena.world.count(unfinished).await;
        if now < left {
            (left, moved) = (now, Instant::now());
        }
    }
}

/// Takes up what is abandoned or dead, and processes what is due, in any order.
async fn drain(arena: &Arena<'_>, rng: &mut Rng) {
    let world = arena.world;
    steps::an_hour_passes(world).await;
    steps::abandon(arena, rng).await;
    let mut dead: Vec<Uuid> =
        sqlx::query_scalar("select id from dead_letter order by id").fetch_all(&world.db).await.unwrap();
    let some: Vec<Uuid> = (0..100).filter_map(|_| rng.take(&mut dead)).collect();
    world.store.replay(&some, BY).await.unwrap();
    let due = "select id from progress where state in ('accepted', 'published', 'retrying') order by id";
    let mut due: Vec<Uuid> = sqlx::query_scalar(due).fetch_all(&world.db).await.unwrap();
    while !due.is_empty() {
        let batch: Vec<Uuid> = (0..8).filter_map(|_| rng.take(&mut due)).collect();
        let claim = world.store.claim(&batch, "by hand", Duration::from_mins(1)).await.unwrap();
        let ends: Vec<_> = claim.claimed.iter().map(done).collect();
        due.extend(world.store.record(&ends).await.unwrap().released);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_hand_whatever_it_does_next() {
    for seed in seeds(4) {
        run(seed, 1, 500, 120).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hands_at_once() {
    for seed in seeds(4) {
        run(seed, 6, 900, 200).await;
    }
}
