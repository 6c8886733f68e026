//! Holding and releasing race: a claim that finds its predecessor unfinished, against the
//! predecessor's final transaction. Whatever comes first, the message must not stay held.

use std::time::Duration;

use futures_util::future::join_all;
use sqlx::Connection as _;
use uuid::Uuid;
use waybill_core::recovery::Disposition;
use waybill_store::claim::Claim;
use waybill_store::record::Recorded;

use crate::interleaving::rng::Rng;
use crate::support::by_hand::{accepted, settled};
use crate::support::{World, until};

const LEASE: Duration = Duration::from_mins(1);
/// Rounds in which this test decides who comes first, for each of the two.
const DECIDED: usize = 50;
/// Rounds that are left to chance: hands, and rounds for each.
const HANDS: usize = 3;
const ROUNDS: usize = 1000;

/// A key's two messages, the first of them in hand.
struct Pair {
    key: i64,
    first: Uuid,
    second: Uuid,
}

/// So many pairs.
async fn pairs(world: &World, count: usize) -> Vec<Pair> {
    let keys: Vec<i64> = (0..i64::try_from(count).unwrap()).collect();
    let mut pairs = Vec::new();
    for keys in keys.chunks(200) {
        let sets: Vec<Vec<i64>> = keys.iter().map(|&key| vec![key]).collect();
        let firsts = accepted(world, "tis", &sets).await;
        let seconds = accepted(world, "tis", &sets).await;
        assert_eq!(world.store.claim(&firsts, "w", LEASE).await.unwrap().claimed.len(), keys.len());
        let ids = firsts.into_iter().zip(seconds);
        pairs.extend(keys.iter().zip(ids).map(|(&key, (first, second))| Pair { key, first, second }));
    }
    pairs
}

async fn finish(world: &World, id: Uuid) -> Recorded {
    let done = settled("tis", id, 1, Disposition::Complete(vec![].into()));
    world.store.record(&[done]).await.unwrap()
}

async fn claim(world: &World, id: Uuid) -> Claim {
    world.store.claim(&[id], "w", LEASE).await.unwrap()
}

/// Judges a round and ends it; whether the claim came first.
async fn end(world: &World, pair: &Pair, recorded: &Recorded, claimed: &Claim) -> bool {
    let claim_first = !claimed.held.is_empty();
    if claim_first {
        assert_eq!(recorded.released, [pair.second], "held, so its predecessor's end releases it");
        assert_eq!(claim(world, pair.second).await.claimed.len(), 1);
    } else {
        assert_eq!(claimed.claimed.len(), 1, "not held, so claimed: its predecessor is over");
        assert!(recorded.released.is_empty());
    }
    assert_eq!(finish(world, pair.second).await.recorded, [pair.second]);
    claim_first
}

/// Waits until so many transactions queue for a key.
async fn queued(world: &World, count: i64) {
    until("transactions to queue for the key", || async {
        let queue = "select count(*) from pg_locks where locktype = 'advisory' and not granted
             and database = (select oid from pg_database where datname = current_database())";
        world.count(queue).await == count
    })
    .await;
}

/// A round in which the claim, or the record, is first in the queue for the key's lock.
async fn decided(world: &World, pair: &Pair, claim_first: bool) {
    let mut gate = world.db.acquire().await.unwrap().detach();
    sqlx::query("select pg_advisory_lock($1)").bind(pair.key).execute(&mut gate).await.unwrap();
    let (open, claimed, recorded) = tokio::join!(
        async {
            queued(world, 2).await;
            sqlx::query("select pg_advisory_unlock($1)").bind(pair.key).execute(&mut gate).await.unwrap();
            gate.close().await.unwrap();
        },
        async {
            queued(world, i64::from(!claim_first)).await;
            claim(world, pair.second).await
        },
        async {
            queued(world, i64::from(claim_first)).await;
            finish(world, pair.first).await
        },
    );
    let () = open;
    assert_eq!(end(world, pair, &recorded, &claimed).await, claim_first, "first in the queue, first served");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_left_held_by_a_race_at_the_gate() {
    World::run(async |world| {
        let pairs = pairs(&world, 2 * DECIDED + HANDS * ROUNDS).await;
        let (by_us, by_chance) = pairs.split_at(2 * DECIDED);
        for (round, pair) in by_us.iter().enumerate() {
            decided(&world, pair, round % 2 == 0).await;
        }
        let firsts = join_all(by_chance.chunks(ROUNDS).zip(1..).map(|(pairs, hand)| {
            let (world, mut rng) = (&world, Rng::new(hand));
            async move {
                let mut firsts = 0;
                for pair in pairs {
                    let (head_start, of_claim) = (rng.below(40), rng.percent(50));
                    let idle = async |mine: bool| {
                        for _ in 0..if mine == of_claim { 0 } else { head_start } {
                            tokio::task::yield_now().await;
                        }
                    };
                    let (claimed, recorded) = tokio::join!(
                        async {
                            idle(true).await;
                            claim(world, pair.second).await
                        },
                        async {
                            idle(false).await;
                            finish(world, pair.first).await
                        },
                    );
                    firsts += usize::from(end(world, pair, &recorded, &claimed).await);
                }
                firsts
            }
        }))
        .await;
        let claim_first: usize = firsts.iter().sum();
        let others = HANDS * ROUNDS - claim_first;
        println!(
            "the claim came first {DECIDED} + {claim_first} times, the record {DECIDED} + {others} times"
        );
        assert_eq!(world.store.release_forgotten(Uuid::nil(), 10_000).await.unwrap().0, 0);
        world
    })
    .await;
}
