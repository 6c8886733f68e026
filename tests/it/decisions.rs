//! Replay and discard: an operator's two decisions, and what becomes of the places of the dead.

use std::time::Duration;

use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::recovery::Disposition;
use waybill_store::record::Settled;
use waybill_store::sweep::START;

use crate::support::by_hand::{accepted, done, settled};
use crate::support::partner::{id, signature};
use crate::support::programs::run;
use crate::support::{BY, World, until};

const LEASE: Duration = Duration::from_mins(1);

/// Messages of `source`, posted one after the other, all of one key.
pub(crate) async fn of_one_key<const N: usize>(world: &World, source: &str) -> [Uuid; N] {
    accepted(world, source, &vec![vec![7]; N]).await.try_into().unwrap()
}

/// Claims `id` and lets it die.
pub(crate) async fn die(world: &World, id: Uuid) {
    let claimed = world.store.claim(&[id], "w", LEASE).await.unwrap().claimed.remove(0);
    let failure = Failure::new(ErrorClass::Validation, "a test");
    let dead = settled(&claimed.source, id, claimed.attempt, Disposition::DeadLetter(failure));
    let dead = Settled { skip_dead: claimed.source == "skipping", ..dead };
    assert_eq!(world.store.record(&[dead]).await.unwrap().recorded, [id]);
}

/// Claims `id`, which must be possible, and completes it; what that releases.
pub(crate) async fn complete(world: &World, id: Uuid) -> Vec<Uuid> {
    let claim = world.store.claim(&[id], "w", LEASE).await.unwrap();
    assert_eq!(claim.claimed.len(), 1, "it can be claimed");
    world.store.record(&[done(&claim.claimed[0])]).await.unwrap().released
}

/// Claims `id`, which must be held.
pub(crate) async fn is_held(world: &World, id: Uuid) {
    assert_eq!(world.store.claim(&[id], "w", LEASE).await.unwrap().held, [id], "it is held");
}

pub(crate) async fn behind(world: &World, id: Uuid) -> Option<Uuid> {
    world.store.message(id, None).await.unwrap().unwrap().held_behind
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_message_keeps_its_place_and_its_history_and_has_all_its_attempts_again() {
    World::run(async |world| {
        let [first, second] = of_one_key(&world, "tis").await;
        die(&world, first).await;
        is_held(&world, second).await;
        assert_eq!(behind(&world, second).await, Some(first), "a dead letter counts as unfinished");
        assert_eq!(world.store.replay(&[first, second], BY).await.unwrap(), [first], "only the dead move");
        assert!(world.store.replay(&[first], BY).await.unwrap().is_empty(), "once");
        let claim = world.store.claim(&[first], "w", LEASE).await.unwrap();
        assert_eq!((claim.claimed[0].attempt, claim.claimed[0].tries), (2, 1));
        assert_eq!(behind(&world, second).await, Some(first));
        let recorded = world.store.record(&[done(&claim.claimed[0])]).await.unwrap();
        assert_eq!(recorded.released, [second]);
        complete(&world, second).await;
        let message = world.store.message(first, None).await.unwrap().unwrap();
        let outcomes: Vec<_> = message.attempt_log.iter().map(|a| a.outcome.as_str()).collect();
        assert_eq!(outcomes, ["failed", "processed"]);
        let told: Vec<_> = message.timeline.iter().map(|event| event.what.as_str()).collect();
        let at = |what: &str| told.iter().position(|told| *told == what).expect(what);
        assert!(at("dead: validation: a test") < at("replayed") && at("replayed") < at("processed"));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_message_that_was_skipped_finds_its_place_among_what_is_unfinished() {
    World::run(async |world| {
        let [dead, passed, in_hand, later] = of_one_key(&world, "skipping").await;
        die(&world, dead).await;
        complete(&world, passed).await;
        let claim = world.store.claim(&[in_hand], "w", LEASE).await.unwrap();
        assert_eq!(world.store.replay(&[dead], BY).await.unwrap(), [dead]);
        is_held(&world, dead).await;
        is_held(&world, later).await;
        let released = world.store.record(&[done(&claim.claimed[0])]).await.unwrap().released;
        assert_eq!(released, [dead], "first of its key again");
        assert_eq!(complete(&world, dead).await, [later]);
        complete(&world, later).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discarding_releases_what_waited_and_is_final() {
    World::run(async |world| {
        for source in ["tis", "skipping"] {
            let [dead, next] = of_one_key(&world, source).await;
            die(&world, dead).await;
            let waits = source == "tis";
            if waits {
                is_held(&world, next).await;
            }
            assert!(world.store.discard(&[dead], BY.because("")).await.is_err(), "without a reason");
            let discarded = world.store.discard(&[dead, next], BY.because("sent again")).await.unwrap();
            assert_eq!(discarded.discarded, [dead], "{source}");
            assert_eq!(discarded.released, if waits { vec![next] } else { vec![] }, "{source}");
            assert!(
                world.store.discard(&[dead], BY.because("again")).await.unwrap().discarded.is_empty(),
                "once"
            );
            assert!(world.store.replay(&[dead], BY).await.unwrap().is_empty(), "final");
            complete(&world, next).await;
            let message = world.store.message(dead, None).await.unwrap().unwrap();
            assert_eq!((message.state.as_str(), message.held_behind), ("discarded", None));
            assert_eq!(message.timeline.last().unwrap().what, "discarded: sent again");
        }
        assert_eq!(world.count("select count(*) from skipped").await, 0);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_who_decide_at_once_one_does() {
    World::run(async |world| {
        for round in 0..50 {
            let [dead] = of_one_key(&world, if round % 2 == 0 { "tis" } else { "archive" }).await;
            die(&world, dead).await;
            let (ids, store) = ([dead], &world.store);
            let (a, b, c) = tokio::join!(
                store.replay(&ids, BY),
                store.replay(&ids, BY),
                store.discard(&ids, BY.because("no"))
            );
            let decided = a.unwrap().len() + b.unwrap().len() + c.unwrap().discarded.len();
            assert_eq!(decided, 1, "round {round}");
            let noted: i64 = sqlx::query_scalar("select count(*) from decision where id = $1")
                .bind(dead)
                .fetch_one(&world.db)
                .await
                .unwrap();
            assert_eq!(noted, 1, "round {round}");
            if world.store.message(dead, None).await.unwrap().unwrap().state == "accepted" {
                complete(&world, dead).await;
            }
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_skips_from_now_on_frees_what_already_waits() {
    World::run(async |mut world| {
        let [dead, next, last] = of_one_key(&world, "tis").await;
        die(&world, dead).await;
        is_held(&world, next).await;
        is_held(&world, last).await;
        assert_eq!(world.store.release_skipped(START, 10).await.unwrap(), (0, START), "it holds");
        let sources = crate::support::world::SOURCES
            .replacen("backoff_s = [1]", "backoff_s = [1]\n", 1)
            .replace("on_dead = \"hold\"\nbackoff_s", "on_dead = \"skip\"\nbackoff_s");
        world.apply(&sources).await;
        world.serve(&[]).await;
        until("what waited to be due", || async { behind(&world, next).await.is_none() }).await;
        assert_eq!(complete(&world, next).await, [last]);
        complete(&world, last).await;
        // and the dead one finds its place when it is replayed
        assert_eq!(world.store.replay(&[dead], BY).await.unwrap(), [dead]);
        assert_eq!(world.count("select count(*) from ordering").await, 1);
        complete(&world, dead).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_through_the_dead_sees_all_of_them_page_by_page() {
    World::run(async |mut world| {
        let keys: Vec<Vec<i64>> = (0..7).map(|key| vec![key]).collect();
        let (dead, next) = (accepted(&world, "tis", &keys).await, accepted(&world, "tis", &keys).await);
        for id in &dead {
            die(&world, *id).await;
        }
        assert_eq!(world.store.claim(&next, "w", LEASE).await.unwrap().held.len(), 7);
        let sources = crate::support::world::SOURCES.replace("\"hold\"", "\"skip\"");
        world.apply(&sources).await;
        let (mut after, mut let_go, mut pages) = (START, 0, 0);
        while pages == 0 || after != START {
            let (count, place) = world.store.release_skipped(after, 3).await.unwrap();
            (after, let_go, pages) = (place, let_go + count, pages + 1);
        }
        assert_eq!((let_go, pages), (7, 3));
        assert_eq!(world.store.release_skipped(START, 10).await.unwrap().0, 0, "once");
        for id in next {
            complete(&world, id).await;
        }
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_message_with_nothing_before_it_is_found_by_the_net() {
    World::run(async |mut world| {
        let [first, second] = of_one_key(&world, "tis").await;
        let claim = world.store.claim(&[first], "w", LEASE).await.unwrap();
        is_held(&world, second).await;
        assert_eq!(world.store.release_forgotten(Uuid::nil(), 10).await.unwrap().0, 0, "it is held rightly");
        // planted: a predecessor that ended without releasing
        world.store.record(&[done(&claim.claimed[0])]).await.unwrap();
        sqlx::query("update progress set state = 'held', due_at = null, lease_until = null where id = $1")
            .bind(second)
            .execute(&world.db)
            .await
            .unwrap();
        assert_eq!(behind(&world, second).await, None);
        world.serve(&[]).await;
        until("the net to release it", || async {
            let message = world.store.message(second, None).await.unwrap().unwrap();
            matches!(message.state.as_str(), "accepted" | "published")
        })
        .await;
        complete(&world, second).await;
        world
    })
    .await;
}

/// A delivery of a skipped message that comes late must meet its replay under the keys' locks, or
/// it could be held behind a message that ends at the same moment, and miss its release.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_delivery_of_a_skipped_message_waits_for_its_keys() {
    World::run(async |world| {
        let [dead] = of_one_key(&world, "skipping").await;
        die(&world, dead).await;
        let mut gate = world.db.begin().await.unwrap();
        sqlx::query("select pg_advisory_xact_lock(7)").execute(&mut *gate).await.unwrap();
        let ids = [dead];
        let (claim, ()) = tokio::join!(world.store.claim(&ids, "w", LEASE), async {
            let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                 and database = (select oid from pg_database where datname = current_database())";
            until("the claim to wait for the key", || async { world.count(waiting).await == 1 }).await;
            gate.rollback().await.unwrap();
        });
        assert!(claim.unwrap().claimed.is_empty(), "it is dead");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_replays_and_discards_on_the_command_line() {
    World::run(async |mut world| {
        let partners = world.everything().await;
        let tis = &partners["tis"];
        let body = signature("m", "2026-01-31T12:00:00Z", "GG11");
        let dead = id(tis.json("1", body).send().await.unwrap()).await;
        let held = tis.sign("2", "m", "2026-02-01T12:00:00Z").await;
        tis.until(&dead, "dead").await;
        tis.until(&held, "held").await;
        let settings = world.settings();
        let waybill = |arguments: &[&str], code: i32| {
            let output = run("waybill", arguments, &settings);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
            said
        };
        let shown = waybill(&["message", "show", &held], 0);
        assert!(shown.contains("held behind") && shown.contains(&dead), "{shown}");
        assert!(shown.contains("which is dead"), "in words: {shown}");

        let replayed = waybill(&["dead", "replay", &dead, &held, "--json"], 0);
        let replayed: serde_json::Value = serde_json::from_str(&replayed).unwrap();
        assert_eq!(replayed, serde_json::json!({"replayed": [dead], "unmatched": [held]}));
        // refused for good again, and the later one still waits
        until("it to be dead again", || async { tis.message(&dead).await["attempts"] == 2 }).await;
        tis.until(&dead, "dead").await;
        assert_eq!(tis.state(&held).await, "held");

        waybill(&["dead", "discard", &dead], 2);
        waybill(&["dead", "discard", &dead, "--reason", " "], 2);
        waybill(&["dead", "replay"], 2);
        let discarded = waybill(&["dead", "discard", &dead, "--reason", "sent again as 2", "--json"], 0);
        let discarded: serde_json::Value = serde_json::from_str(&discarded).unwrap();
        assert_eq!(discarded, serde_json::json!({"discarded": [dead], "released": [held], "unmatched": []}));
        tis.until(&held, "processed").await;
        assert_eq!(tis.state(&dead).await, "discarded");
        let again = waybill(&["dead", "discard", &dead, "--reason", "again"], 3);
        assert!(again.contains("0 discarded") && again.contains("it is discarded"), "{again}");
        let unknown = waybill(&["dead", "replay", "01890a5d-ac96-774b-bcce-b302099a8057"], 3);
        assert!(unknown.contains("no message of this ledger"), "{unknown}");
        assert!(waybill(&["message", "show", &dead], 0).contains("discarded: sent again as 2"));
        world
    })
    .await;
}
