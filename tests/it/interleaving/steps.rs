//! The steps of a run: each is what one process might do next, at any moment, in any order.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::recovery::{Disposition, poison};
use waybill_store::claim::Claimed;
use waybill_store::record::Settled;
use waybill_store::relay::Room;
use waybill_store::sweep::START;

use super::arena::{Arena, TURNING, lock};
use super::rng::Rng;
use crate::support::by_hand::{done, settled};
use crate::support::{BY, World};

/// Attempts since the last replay before a message is dead.
const TRIES_MAX: i32 = 4;

/// Takes one step, whichever chance says.
pub async fn step(arena: &Arena<'_>, rng: &mut Rng) {
    match rng.below(100) {
        0..12 => drop(arena.post().await),
        12..15 => an_hour_passes(arena.world).await,
        15..30 => relay(arena, rng).await,
        30..35 => confirm_late(arena, rng).await,
        35..70 => work(arena, rng).await,
        70..75 => record_late(arena, rng).await,
        75..83 => abandon(arena, rng).await,
        83..86 => net(arena).await,
        86..89 => let_go(arena).await,
        89..92 => file(arena, rng).await,
        92..94 => republish(arena, rng).await,
        _ => decide(arena, rng).await,
    }
}

/// A time that is over at once, or not before [`an_hour_passes`]: so the clock decides nothing.
fn now_or_late(rng: &mut Rng) -> Duration {
    if rng.percent(60) { Duration::ZERO } else { Duration::from_mins(30) }
}

/// What was to wait has waited: retries are due, and leases of the relay are over, those of a
/// releasing worker too.
pub async fn an_hour_passes(world: &World) {
    sooner(world, "true").await;
}

/// Brings forward what waits and fulfils `condition`.
async fn sooner(world: &World, condition: &str) {
    let update = format!(
        "with waiting as (
             select id from progress where due_at is not null and {condition}
             order by id for update skip locked
         )
         update progress p set due_at = least(due_at, now()),
                lease_until = case when lease_until is not null then now() end
         from waiting where p.id = waiting.id"
    );
    sqlx::query(AssertSqlSafe(update)).execute(&world.db).await.unwrap();
}

/// The relay: leases a window, publishes it, and settles it, if it comes to that.
async fn relay(arena: &Arena<'_>, rng: &mut Rng) {
    let store = &arena.world.store;
    let room = Room { window_max: 10_000, lane_published_max: 10_000 };
    let lease = now_or_late(rng);
    // the moment for which it was left to the worker that released it is over
    sooner(arena.world, "lease is null and lease_until > now()").await;
    let window = store.lease("default", room, rng.percent(10), lease).await.unwrap();
    let mut ids: Vec<Uuid> = window.messages.iter().map(|message| message.id).collect();
    ids.sort_unstable();
    // published as far as the broker took it
    let unpublished = ids.split_off(ids.len().min(1 + rng.below(16)));
    store.give_back(window.lease, &unpublished, Duration::ZERO).await.unwrap();
    arena.count("leased", ids.len());
    for _ in 0..if rng.percent(15) { 2 } else { 1 } {
        lock(&arena.queue).extend(&ids);
    }
    match rng.below(10) {
        0..6 => drop(store.confirm(window.lease, &ids).await.unwrap()),
        6..8 => lock(&arena.windows).push((window.lease, ids)),
        8 => store.give_back(window.lease, &ids, Duration::ZERO).await.unwrap(),
        _ => arena.count("never confirmed", ids.len()),
    }
}

async fn confirm_late(arena: &Arena<'_>, rng: &mut Rng) {
    let window = rng.take(&mut lock(&arena.windows));
    let Some((lease, ids)) = window else { return };
    let confirmed = arena.world.store.confirm(lease, &ids).await.unwrap();
    arena.count("confirmed late", usize::try_from(confirmed).unwrap());
}

/// A worker: claims a batch of what is delivered, some of it stale, and sees it through, or dies.
async fn work(arena: &Arena<'_>, rng: &mut Rng) {
    let mut batch = Vec::new();
    {
        let mut queue = lock(&arena.queue);
        for _ in 0..=rng.below(8) {
            batch.extend(rng.take(&mut queue));
        }
        if rng.percent(15) {
            queue.extend(&batch); // the broker will deliver it again
        }
    }
    if rng.percent(15) || batch.is_empty() {
        let stale = 1 + rng.below(4);
        batch.extend(arena.any(rng, stale));
    }
    let mut batch = Some(batch);
    // goes on with what it released, for a while
    for _ in 0..4 {
        let Some(ids) = batch.take().filter(|ids| !ids.is_empty()) else { break };
        let mortal = rng.percent(30);
        let lease = if mortal { Duration::ZERO } else { Duration::from_mins(1) };
        let claim = arena.world.store.claim(&ids, "by hand", lease).await.unwrap();
        arena.count("claimed", claim.claimed.len());
        arena.count("held", claim.held.len());
        let mut ends = Vec::new();
        for claimed in &claim.claimed {
            match rng.below(10) {
                0..5 if mortal => arena.count("killed", 1),
                5..7 if mortal => lock(&arena.late).push(done(claimed)),
                _ => ends.push(end(claimed, rng)),
            }
        }
        let recorded = arena.world.store.record(&ends).await.unwrap();
        arena.count("recorded", recorded.recorded.len());
        if rng.percent(10) {
            let again = arena.world.store.record(&ends).await.unwrap();
            assert!(again.recorded.is_empty(), "recorded twice: {again:?}");
        }
        batch = rng.percent(80).then_some(recorded.released);
    }
}

/// How an attempt ends: well, by a passing failure, or for good.
fn end(claimed: &Claimed, rng: &mut Rng) -> Settled {
    let failure = Failure::new(ErrorClass::Internal, "by chance");
    let disposition = match rng.below(100) {
        0..65 => return done(claimed),
        65..88 if claimed.tries < TRIES_MAX => Disposition::Retry(now_or_late(rng), failure),
        _ => Disposition::DeadLetter(failure),
    };
    let skip_dead = skips(&claimed.source, rng);
    Settled { skip_dead, ..settled(&claimed.source, claimed.id, claimed.attempt, disposition) }
}

/// Whether the dead of this source hold nothing: of the one that turns, some processes know, some do not.
fn skips(source: &str, rng: &mut Rng) -> bool {
    source == "skipping" || source == TURNING && rng.percent(50)
}

/// A worker that was taken for dead wakes up.
async fn record_late(arena: &Arena<'_>, rng: &mut Rng) {
    let Some(settled) = rng.take(&mut lock(&arena.late)) else { return };
    let recorded = arena.world.store.record(&[settled]).await.unwrap();
    arena.count("fenced off", recorded.late.len());
}

/// The sweep for abandoned claims.
pub async fn abandon(arena: &Arena<'_>, rng: &mut Rng) {
    let mut found = arena.world.store.abandoned(1000).await.unwrap();
    found.sort_unstable_by_key(|claim| claim.id);
    let ends: Vec<Settled> = found
        .iter()
        .map(|claim| {
            let tries = claim.tries.unsigned_abs();
            let disposition = if claim.tries < TRIES_MAX {
                Disposition::Retry(now_or_late(rng), poison(tries))
            } else {
                Disposition::DeadLetter(poison(tries))
            };
            let skip_dead = skips(&claim.source, rng);
            Settled {
                abandoned: true,
                skip_dead,
                ..settled(&claim.source, claim.id, claim.attempt, disposition)
            }
        })
        .collect();
    let recorded = arena.world.store.record(&ends).await.unwrap();
    arena.count("abandoned", recorded.recorded.len());
}

/// The net under the gate: whatever happens, it catches nothing.
async fn net(arena: &Arena<'_>) {
    let (caught, _) = arena.world.store.release_forgotten(Uuid::nil(), 1000).await.unwrap();
    arena.count("forgotten", usize::try_from(caught).unwrap());
}

/// The sweep for dead letters that hold although their source skips.
async fn let_go(arena: &Arena<'_>) {
    let (let_go, _) = arena.world.store.release_skipped(START, 1000).await.unwrap();
    arena.count("let go", usize::try_from(let_go).unwrap());
}

/// RabbitMQ gives up on a delivery that was never claimed.
async fn file(arena: &Arena<'_>, rng: &mut Rng) {
    for id in arena.any(rng, 1) {
        let source: String = sqlx::query_scalar("select source from progress where id = $1")
            .bind(id)
            .fetch_one(&arena.world.db)
            .await
            .unwrap();
        let failure = Failure::new(ErrorClass::Poison, "by chance");
        let filed = arena.world.store.file(id, &failure, skips(&source, rng)).await.unwrap();
        arena.count("filed", usize::from(filed));
    }
}

async fn republish(arena: &Arena<'_>, rng: &mut Rng) {
    for id in arena.any(rng, 2) {
        arena.count("republished", usize::from(arena.world.store.republish(id).await.unwrap()));
    }
}

/// A person decides on dead letters, or on what was dead when they looked.
async fn decide(arena: &Arena<'_>, rng: &mut Rng) {
    let mut dead: Vec<Uuid> = sqlx::query_scalar("select id from dead_letter order by id limit 20")
        .fetch_all(&arena.world.db)
        .await
        .unwrap();
    let mut some: Vec<Uuid> = (0..3).filter_map(|_| rng.take(&mut dead)).collect();
    some.extend(arena.any(rng, 1));
    if rng.percent(80) {
        let replayed = arena.world.store.replay(&some, BY).await.unwrap();
        arena.count("replayed", replayed.len());
    } else {
        let done = arena.world.store.discard(&some, BY.because("by chance")).await.unwrap();
        arena.count("discarded", done.discarded.len());
    }
}
