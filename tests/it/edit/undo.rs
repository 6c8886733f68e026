//! A discard taken back: in time, in its old place, and not past what has had effects unless told so.

use std::time::Duration;

use uuid::Uuid;
use waybill_core::outcome::{ErrorClass, Failure};
use waybill_core::recovery::Disposition;
use waybill_store::undo::Why;

use super::{corrected, state, undo};
use crate::decisions::{behind, complete, die, is_held, of_one_key};
use crate::support::by_hand::{done, settled};
use crate::support::{BY, World};

const LEASE: Duration = Duration::from_mins(1);

async fn dies_and_is_discarded(world: &World, id: Uuid) {
    die(world, id).await;
    assert_eq!(world.store.discard(&[id], BY.because("by mistake")).await.unwrap().discarded, [id]);
}

/// The discard of `id` must not be undone, for this reason.
async fn stays(world: &World, id: Uuid, why: Why) {
    let undone = undo(world, &[id], false).await;
    assert_eq!(undone.refused, [(id, why)]);
    assert!(undone.undone.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discard_undone_in_time_is_the_dead_letter_that_it_was() {
    World::run(async |world| {
        let [dead, next] = of_one_key(&world, "tis").await;
        die(&world, dead).await;
        is_held(&world, next).await;
        let before = world.store.message(dead, None).await.unwrap().unwrap();
        assert_eq!(world.store.discard(&[dead], BY.because("by mistake")).await.unwrap().released, [next]);
        assert_eq!(undo(&world, &[dead, next], false).await.undone, [dead]);
        let after = world.store.message(dead, None).await.unwrap().unwrap();
        assert_eq!((after.state.as_str(), after.finished_at), ("dead", before.finished_at));
        assert_eq!(world.count("select count(*) from dead_list").await, 1, "it is listed again");
        assert_eq!((after.error_class, after.error_reason), (before.error_class, before.error_reason));
        let told: Vec<_> = after.timeline.iter().map(|event| event.what.as_str()).collect();
        assert_eq!(&told[told.len() - 2..], ["discarded: by mistake", "discard undone"]);
        stays(&world, dead, Why::Not("dead".to_owned())).await;
        // what was released waits again
        is_held(&world, next).await;
        assert_eq!(behind(&world, next).await, Some(dead));
        assert_eq!(world.store.replay(&[dead], BY).await.unwrap(), [dead]);
        assert_eq!(complete(&world, dead).await, [next]);
        complete(&world, next).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_passed_comes_back_only_when_that_is_wanted() {
    World::run(async |world| {
        let [dead, passed, later] = of_one_key(&world, "tis").await;
        dies_and_is_discarded(&world, dead).await;
        complete(&world, passed).await;
        stays(&world, dead, Why::Passed(passed)).await;
        assert_eq!(state(&world, dead).await, "discarded", "nothing was changed");
        assert_eq!(undo(&world, &[dead], true).await.undone, [dead]);
        is_held(&world, later).await;
        let message = world.store.message(dead, None).await.unwrap().unwrap();
        assert_eq!(message.timeline.last().unwrap().what, "discard undone, out of order");
        world.store.replay(&[dead], BY).await.unwrap();
        assert_eq!(complete(&world, dead).await, [later]);
        complete(&world, later).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_may_yet_have_effects() {
    World::run(async |world| {
        let [dead, next] = of_one_key(&world, "tis").await;
        dies_and_is_discarded(&world, dead).await;
        let claim = world.store.claim(&[next], "w", LEASE).await.unwrap();
        stays(&world, dead, Why::InHand(next)).await;
        let failure = Failure::new(ErrorClass::Internal, "a test");
        let failed = settled("tis", next, 1, Disposition::Retry(Duration::ZERO, failure));
        world.store.record(&[failed]).await.unwrap();
        assert_eq!(claim.claimed.len(), 1);
        assert_eq!(undo(&world, &[dead], false).await.undone, [dead], "it failed, and had none");
        is_held(&world, next).await;
        // out of order, it comes back before what is in hand, which is through all the same
        world.store.discard(&[dead], BY.because("again")).await.unwrap();
        let claim = world.store.claim(&[next], "w", LEASE).await.unwrap();
        assert_eq!(undo(&world, &[dead], true).await.undone, [dead]);
        world.store.record(&[done(&claim.claimed[0])]).await.unwrap();
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_effects_are_passed_by() {
    World::run(async |world| {
        let [first, second, ignored] = of_one_key(&world, "tis").await;
        dies_and_is_discarded(&world, first).await;
        dies_and_is_discarded(&world, second).await;
        let claim = world.store.claim(&[ignored], "w", LEASE).await.unwrap();
        let disposition = Disposition::Ignore("a test");
        world.store.record(&[settled("tis", ignored, claim.claimed[0].attempt, disposition)]).await.unwrap();
        assert_eq!(undo(&world, &[second, first], false).await.undone.len(), 2);
        assert_eq!(world.count("select count(*) from given_up").await, 0);
        assert_eq!(world.count("select count(*) from ordering").await, 2);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_skipped_held_nobody_and_comes_back_aside() {
    World::run(async |world| {
        let [dead, passed, later] = of_one_key(&world, "skipping").await;
        dies_and_is_discarded(&world, dead).await;
        complete(&world, passed).await;
        assert_eq!(undo(&world, &[dead], false).await.undone, [dead]);
        complete(&world, later).await;
        assert_eq!(world.count("select count(*) from skipped").await, 1);
        assert_eq!(world.count("select count(*) from ordering").await, 0);
        assert_eq!(world.store.replay(&[dead], BY).await.unwrap(), [dead]);
        complete(&world, dead).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_says_why() {
    World::run(async |world| {
        let [late] = of_one_key(&world, "tis").await;
        dies_and_is_discarded(&world, late).await;
        for (what, why) in [
            ("update decision set decided_at = now() - interval '61 minutes' where id = $1", Why::TooLate),
            ("update decision set decided_at = now(), places = null where id = $1", Why::PlaceUnknown),
            ("update decision set places = 2 where id = $1", Why::PlaceUnknown),
            ("with gone as (delete from body where id = $1), d as (select) update decision set places = 1 where id = $1",
             Why::BodyGone),
        ] {
            sqlx::query(what).bind(late).execute(&world.db).await.unwrap();
            stays(&world, late, why).await;
        }
        sqlx::query("insert into body values ($1, '')").bind(late).execute(&world.db).await.unwrap();

        let [edited] = of_one_key(&world, "tis").await;
        die(&world, edited).await;
        let (new, _) = corrected(&world, edited, &[7]).await;
        stays(&world, edited, Why::Replaced(new)).await;
        complete(&world, new).await;
        stays(&world, new, Why::Not("processed".to_owned())).await;
        let nobody = undo(&world, &[Uuid::now_v7()], false).await;
        assert!(nobody.undone.is_empty() && nobody.refused.is_empty());
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_undo_at_once_one_does() {
    World::run(async |world| {
        for round in 0..30 {
            let keys = if round % 2 == 0 { vec![vec![7]] } else { vec![vec![]] };
            let source = if round % 2 == 0 { "tis" } else { "archive" };
            let [dead] = crate::support::by_hand::accepted(&world, source, &keys).await.try_into().unwrap();
            dies_and_is_discarded(&world, dead).await;
            let ids = [dead];
            let (a, b) = tokio::join!(undo(&world, &ids, false), undo(&world, &ids, false));
            assert_eq!(a.undone.len() + b.undone.len(), 1, "round {round}");
            let undone = "select count(*) from decision where verb = 'undo'";
            assert_eq!(world.count(undone).await, round + 1);
            world.store.discard(&[dead], BY.because("for good")).await.unwrap();
        }
        world
    })
    .await;
}
