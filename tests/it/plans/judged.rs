//! When a plan goes on, waits or stops: canary, share of failures, pause, resume, cancel, window, rate.

use uuid::Uuid;
use waybill_core::plan::{Policy, State, Verb};
use waybill_store::plan::Moved;

use super::{
    ACTIVE, BY, WINDOW, complete, counts, dead, die, free, good, is, made, order, plan, started, step,
};
use crate::support::World;

/// A plan of `n` letters of keys of their own, in the order of their replay.
async fn of_many(world: &World, n: i64, policy: &Policy) -> (i64, Vec<Uuid>) {
    let letters: Vec<_> = (0..n).map(good).collect();
    let ids = dead(world, &letters).await;
    (started(world, "tis", policy).await, ids)
}

/// Sees the rest of a plan through, so that nothing is left unfinished.
async fn finish(world: &World, id: i64, ids: &[Uuid]) {
    loop {
        step(world, id).await;
        if plan(world, id).await.ended_at.is_some() {
            break;
        }
        assert!(complete(world, ids).await > 0, "{:?}", plan(world, id).await);
    }
    is(world, id, State::Finished).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_goes_first_and_the_rest_by_itself_when_all_is_well() {
    World::run(async |world| {
        let (id, ids) = of_many(&world, 12, &Policy { canary: 3, stop_share: 0.1, ..free() }).await;
        assert_eq!(step(&world, id).await, 3);
        assert_eq!(step(&world, id).await, 0, "its outcome is awaited");
        assert_eq!(complete(&world, &ids[..2]).await, 2);
        assert_eq!(step(&world, id).await, 0, "all of it");
        assert_eq!(complete(&world, &ids[2..3]).await, 1);
        assert_eq!(step(&world, id).await, 9);
        assert!(plan(&world, id).await.canary_passed);
        finish(&world, id, &ids).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_good_canary_a_plan_may_wait_for_a_person() {
    World::run(async |world| {
        let policy = Policy { canary: 2, confirm: true, stop_share: 0.1, ..free() };
        let (id, ids) = of_many(&world, 5, &policy).await;
        assert_eq!(step(&world, id).await, 2);
        assert_eq!(complete(&world, &ids[..2]).await, 2);
        assert_eq!(step(&world, id).await, 0);
        is(&world, id, State::Ready).await;
        assert_eq!(step(&world, id).await, 0, "it waits");
        order(&world, id, Verb::Resume).await;
        assert_eq!(step(&world, id).await, 3);
        finish(&world, id, &ids).await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_that_fails_stops_the_plan_and_is_tried_anew_when_resumed() {
    World::run(async |world| {
        let (id, ids) = of_many(&world, 9, &Policy { canary: 3, stop_share: 0.1, ..free() }).await;
        assert_eq!(step(&world, id).await, 3);
        assert_eq!(die(&world, &ids[..1]).await, 1);
        assert_eq!(step(&world, id).await, 0);
        is(&world, id, State::Stopped).await;
        assert_eq!(
            plan(&world, id).await.stopped_because.as_deref(),
            Some("too many of the canary failed again")
        );
        assert_eq!(complete(&world, &ids[1..3]).await, 2);
        step(&world, id).await;
        assert_eq!(counts(&world, id).await, [2, 1, 0, 0, 0, 6], "what was out is counted; the rest stays");
        order(&world, id, Verb::Resume).await;
        assert_eq!(step(&world, id).await, 3, "another canary");
        assert_eq!(complete(&world, &ids[3..6]).await, 3);
        assert_eq!(step(&world, id).await, 3);
        finish(&world, id, &ids).await;
        let report = world.store.plan_report(id).await.unwrap();
        assert_eq!((report.failed[0].why.as_str(), report.failed[0].items), ("validation", 1));
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_of_failures_stops_the_plan() {
    World::run(async |world| {
        let (id, ids) = of_many(&world, 150, &Policy { stop_share: 0.2, ..free() }).await;
        // a window of 40: the rest is still to come when the share is passed
        let replay = async || world.store.plan_turn(id, 40).await.unwrap().replayed;
        assert_eq!(replay().await, 40);
        assert_eq!(replay().await, 0, "the window is full");
        assert_eq!(die(&world, &ids[..8]).await, 8);
        world.store.settle_plan(id, "a test").await.unwrap();
        is(&world, id, State::Running).await;
        assert_eq!(complete(&world, &ids[8..32]).await, 24);
        world.store.settle_plan(id, "a test").await.unwrap();
        is(&world, id, State::Stopped).await;
        assert_eq!(complete(&world, &ids[32..40]).await, 8);
        step(&world, id).await;
        assert_eq!(
            counts(&world, id).await,
            [32, 8, 0, 0, 0, 110],
            "what was out is counted; the rest stays"
        );
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_pauses_goes_on_and_is_given_up() {
    World::run(async |world| {
        let (id, ids) = of_many(&world, 250, &free()).await;
        assert_eq!(world.store.plan_turn(id, WINDOW).await.unwrap().replayed, 100);
        order(&world, id, Verb::Pause).await;
        assert_eq!(step(&world, id).await, 0);
        assert_eq!(complete(&world, &ids[..100]).await, 100);
        step(&world, id).await;
        assert_eq!(counts(&world, id).await, [100, 0, 0, 0, 0, 150], "what was out is counted");
        assert!(plan(&world, id).await.remaining_s.is_none());
        order(&world, id, Verb::Resume).await;
        assert_eq!(world.store.plan_turn(id, 60).await.unwrap().replayed, 60);
        assert!(plan(&world, id).await.remaining_s.is_some());
        order(&world, id, Verb::Cancel).await;
        assert_eq!(step(&world, id).await, 0);
        assert!(plan(&world, id).await.ended_at.is_none(), "some are out");
        assert_eq!(complete(&world, &ids[100..160]).await, 60);
        step(&world, id).await;
        is(&world, id, State::Cancelled).await;
        assert!(plan(&world, id).await.ended_at.is_some());
        assert_eq!(counts(&world, id).await, [160, 0, 0, 0, 0, 90]);
        let moved = world.store.move_plan(id, Verb::Resume, BY, ACTIVE).await.unwrap();
        assert!(matches!(moved, Moved::Not(_)), "final");
        assert_eq!(world.store.plan_report(id).await.unwrap().waiting, 90);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_plans_run_at_once() {
    World::run(async |world| {
        dead(&world, &[good(1)]).await;
        let (first, _) = made(&world, "tis", &free()).await;
        let (second, _) = made(&world, "tis", &free()).await;
        let start = |id| world.store.move_plan(id, Verb::Start, BY, 1);
        let (one, two) = tokio::join!(start(first.id), start(second.id));
        let refused = [one.unwrap(), two.unwrap()].iter().filter(|m| matches!(m, Moved::TooMany(1))).count();
        assert_eq!(refused, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_across_steps() {
    World::run(async |world| {
        let (id, ids) = of_many(&world, 120, &Policy { rate_per_s: Some(50.0), ..free() }).await;
        let shift = "update plan set paced_at = paced_at - make_interval(secs => $1)";
        let wait = async |seconds: f64| {
            sqlx::query(shift).bind(seconds).execute(&world.db).await.unwrap();
        };
        wait(0.5).await;
        let after_half = step(&world, id).await;
        wait(1.0).await;
        let after_one = step(&world, id).await;
        // the test's own time counts too, but no more than a second's worth is ever caught up on
        assert!((25..=51).contains(&after_half), "{after_half}");
        assert!((49..=51).contains(&after_one), "{after_one}");
        let running = plan(&world, id).await;
        assert_eq!(running.items.replayed, after_half + after_one);
        while plan(&world, id).await.ended_at.is_none() {
            wait(2.0).await;
            step(&world, id).await;
            complete(&world, &ids).await;
        }
        is(&world, id, State::Finished).await;
        world
    })
    .await;
}
