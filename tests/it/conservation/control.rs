//! The control: a long backlog, load, and workers that come and go. No false alarm.

use super::{mended_by, metric, reconcile, serve};
use crate::support::programs::Program;
use crate::support::{Partner, World, until, until_at_last};

/// Published for longer than a loss takes to be found: the grace of these tests, and what the sweep must
/// have seen in a row.
const LONG_ENOUGH: &str = "select count(*) from progress
     where state = 'published' and published_at < now() - interval '30 seconds'";
/// Passes of the sweep for lost envelopes after that.
const PASSES: i64 = 5;

async fn passes(world: &World, serve: &str) -> i64 {
    let series = "waybill_sweep_passes_total{sweep=\"lost\",result=\"done\"}";
    metric(&world.http, serve, series).await.unwrap_or_default()
}

async fn post(tis: &Partner, round: usize) {
    let posts = (0..100).map(|n| {
        let key = format!("r{round}-{n}");
        let body = crate::support::partner::signature(&key, "2026-01-31T12:00:00Z", "GG9");
        tis.json(&key, body).send()
    });
    for response in futures_util::future::join_all(posts).await {
        assert_eq!(response.unwrap().status(), 202);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_and_restarts_are_no_loss() {
    World::run(async |mut world| {
        let url = world.ingest(&[]).await;
        let tis = world.partner("tis", &url);
        let (_program, serve) = serve(&world, &[("WAYBILL_SERVE__LOST_GRACE_S", "10")]).await;
        // a backlog that waits for longer than the grace
        for round in 0..5 {
            post(&tis, round).await;
        }
        until_at_last("the backlog to be old", || async { world.count(LONG_ENOUGH).await > 0 }).await;
        let looked = passes(&world, &serve).await;
        until("the sweep to have looked", || async { passes(&world, &serve).await > looked + PASSES }).await;
        assert_eq!(mended_by(&world, &serve, "lost").await, Some(0), "nobody consumes: no loss");
        for round in 5..10 {
            let worker = Program::start("worker", &[], &world.settings());
            let before = world.count("select count(*) from attempt").await;
            post(&tis, round).await;
            until("it to get going", || async {
                world.count("select count(*) from attempt").await > before + 50
            })
            .await;
            // ended without warning
            drop(worker);
            let series = "waybill_unaccounted_messages{source=\"tis\"}";
            assert_eq!(metric(&world.http, &serve, series).await, Some(0));
        }
        world.worker(&[]).await;
        world.until_settled().await;
        let looked = passes(&world, &serve).await;
        until("the sweep to have looked again", || async { passes(&world, &serve).await > looked + PASSES })
            .await;
        for sweep in ["lost", "conservation", "forgotten"] {
            assert_eq!(mended_by(&world, &serve, sweep).await, Some(0), "{sweep}");
        }
        assert_eq!(world.count("select count(*) from finding").await, 0);
        let (code, said) = reconcile(&world, &[]).await;
        assert_eq!(code, Some(0), "{said:#}");
        world
    })
    .await;
}
