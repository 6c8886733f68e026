//! Old plans are let go, piece by piece; nothing else is, and who did what stays.

use waybill_core::plan::{State, Verb};

use super::{complete, dead, free, good, is, made, order, started, step, stored};
use crate::support::{World, until};

const ITEMS: &str = "select count(*) from plan_item";
const WAITS: &str = "select count(*) from plan_waits";
const AUDITED: &str = "select count(*) from audit where action like 'plan %'";

/// Makes it so that the plan `id` ended so many days ago.
async fn ended(world: &World, id: i64, days: i32) {
    sqlx::query("update plan set ended_at = now() - make_interval(days => $2) where id = $1")
        .bind(id)
        .bind(days)
        .execute(&world.db)
        .await
        .unwrap();
}

/// Plans of three letters, with one message waiting behind them: one that has ended, and one that is made.
async fn two_plans(world: &World) -> (i64, i64) {
    let letters = dead(world, &[good(1), good(2), good(3)]).await;
    let behind = stored(world, &[good(1)]).await;
    assert_eq!(world.store.claim(&behind, "w", super::LEASE).await.unwrap().held, behind);
    let open = made(world, "tis", &free()).await.0.id;
    let id = started(world, "tis", &free()).await;
    assert_eq!(step(world, id).await, 3);
    assert_eq!(complete(world, &letters).await, 3);
    assert_eq!(complete(world, &behind).await, 1);
    step(world, id).await;
    is(world, id, State::Finished).await;
    assert_eq!((world.count(ITEMS).await, world.count(WAITS).await), (6, 2));
    (id, open)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_plan_goes_in_bounded_steps_and_the_audit_trail_stays() {
    World::run(async |world| {
        let (id, open) = two_plans(&world).await;
        let audited = world.count(AUDITED).await;
        ended(&world, id, 29).await;
        assert_eq!(world.store.let_plans_go(30, 2).await.unwrap(), 0, "not old enough");
        ended(&world, id, 31).await;
        // the plan, two of its items, and what waited; then the third item
        assert_eq!(world.store.let_plans_go(30, 2).await.unwrap(), 4);
        assert!(world.store.plan(id).await.unwrap().is_none(), "a plan goes before its items");
        assert_eq!(world.store.let_plans_go(30, 2).await.unwrap(), 1);
        assert_eq!(world.store.let_plans_go(30, 2).await.unwrap(), 0, "nothing is left to do");
        // the other's stay, and so does what the ledger knows of both
        assert_eq!((world.count(ITEMS).await, world.count(WAITS).await), (3, 1));
        assert_eq!(world.store.plan(open).await.unwrap().unwrap().items.waiting, 3);
        assert_eq!(world.count(AUDITED).await, audited);
        let decided =
            "select count(*) from decision d where not exists (select from plan p where p.id = d.plan)";
        assert_eq!(world.count(decided).await, 3, "a decision keeps its plan's number");
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_has_not_ended_stays_however_old_it_is() {
    World::run(async |world| {
        dead(&world, &[good(1), good(2)]).await;
        let id = made(&world, "tis", &free()).await.0.id;
        let old = "update plan set made_at = now() - interval '1000 days'";
        sqlx::query(old).execute(&world.db).await.unwrap();
        assert_eq!(world.store.let_plans_go(1, 100).await.unwrap(), 0);
        order(&world, id, Verb::Cancel).await;
        ended(&world, id, 2).await;
        assert_eq!(world.store.let_plans_go(1, 100).await.unwrap(), 3);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_lets_old_plans_go() {
    World::run(async |mut world| {
        let (id, _) = two_plans(&world).await;
        ended(&world, id, 8).await;
        world.serve(&[("WAYBILL_PLANS__RETENTION_DAYS", "7"), ("WAYBILL_SERVE__SWEEP_MS", "500")]).await;
        until("the old plan to be gone", || async { world.count(ITEMS).await == 3 }).await;
        assert_eq!(world.store.plans(false, 10).await.unwrap().len(), 1);
        world
    })
    .await;
}
