//! A plan survives whoever runs it, and leaves live traffic its share.

use waybill_core::plan::{Policy, State};

use super::{SELDOM, bad, counts, dead, free, good, is, plan, serve, started};
use crate::support::World;
use crate::support::programs::Program;
use crate::support::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_on_where_a_killed_serve_left_it() {
    World::run(async |mut world| {
        let letters: Vec<_> = (0..160).map(|key| if key % 40 == 7 { bad(key) } else { good(key) }).collect();
        dead(&world, &letters).await;
        let policy = Policy { canary: 20, rate_per_s: Some(150.0), stop_share: 0.5, ..free() };
        let id = started(&world, "tis", &policy).await;
        world.worker(&[]).await;
        let mut settings = world.settings();
        settings.push((SELDOM.0.to_owned(), SELDOM.1.to_owned()));
        // each is killed in the middle of it, wherever it is
        for share in [20, 50, 90] {
            let process = Program::start("waybill", &["serve"], &settings);
            until("the plan to get on", || async { plan(&world, id).await.items.done() > share }).await;
            process.signal("KILL");
            assert_eq!(process.exit().await, None, "killed");
            is(&world, id, State::Running).await;
        }
        serve(&mut world, &[]).await;
        until("the plan to end", || async { plan(&world, id).await.ended_at.is_some() }).await;
        is(&world, id, State::Finished).await;
        assert_eq!(counts(&world, id).await, [156, 4, 0, 0, 0, 0]);
        // each was replayed once, and tried once for it
        let decisions = "select count(*) from decision where verb = 'replay'";
        assert_eq!(world.count(decisions).await, 160);
        assert_eq!(world.count("select max(attempts)::bigint from progress").await, 2);
        world.until_settled().await;
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_and_a_second_pass_do_nothing_twice() {
    World::run(async |mut world| {
        let letters: Vec<_> = (0..120).map(good).collect();
        dead(&world, &letters).await;
        let id = started(&world, "tis", &free()).await;
        serve(&mut world, &[]).await;
        serve(&mut world, &[("WAYBILL_PLANS__WINDOW_MAX", "30")]).await;
        world.worker(&[]).await;
        until("the plan to end", || async { plan(&world, id).await.ended_at.is_some() }).await;
        is(&world, id, State::Finished).await;
        assert_eq!(counts(&world, id).await, [120, 0, 0, 0, 0, 0]);
        assert_eq!(world.count("select count(*) from decision").await, 120);
        assert_eq!(world.count("select count(*) from audit where action = 'plan finish'").await, 1);
        world
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_traffic_is_not_behind_a_plan() {
    World::run(async |mut world| {
        let letters: Vec<_> = (0..150).map(good).collect();
        dead(&world, &letters).await;
        let id = started(&world, "tis", &free()).await;
        let url = world.ingest(&[]).await;
        world.worker(&[]).await;
        serve(&mut world, &[("WAYBILL_PLANS__WINDOW_MAX", "5")]).await;
        let partner = world.partner("tis", &url);
        until("the plan to get going", || async { plan(&world, id).await.items.done() > 0 }).await;
        let mut waiting = Vec::new();
        for n in 0..5 {
            let live = partner.sign(&format!("live {n}"), &format!("live {n}"), "2026-02-01T12:00:00Z").await;
            partner.until(&live, "processed").await;
            let items = plan(&world, id).await.items;
            assert!(items.replayed <= 5, "no more than the window: {items:?}");
            waiting.push(items.waiting);
        }
        assert!(waiting[0] > 0, "the plan was far from its end when live traffic was through: {waiting:?}");
        until("the plan to end", || async { plan(&world, id).await.ended_at.is_some() }).await;
        is(&world, id, State::Finished).await;
        world
    })
    .await;
}
